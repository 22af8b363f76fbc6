"""Fetch the resources of a picture that are not here: register their models, start their downloads, and tell why for each that cannot be had."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import msgspec

from ...civitai import payloads
from ...civitai.payloads import Model, Version
from ...errors import Archived, CivitaiManagerError, DownloadsDisabled, EarlyAccess, NotFound, Offline, UsageError
from ...generation.mentions import Mention
from ...jobs.context import Context
from .. import download, register
from ..services import Services
from . import resolving
from .resolving import Resolved

FILE_TYPES = {"vae": ("VAE",), "embedding": ("Model", "Negative"), "upscaler": ("Upscaler", "Model")}
"""Which of a version's files a mention means, where not its primary one."""


def start(services: Services, named: Sequence[Mention], *, confirmed: bool = False, ticket: str = "") -> str:
    """Start the job; its id. ``confirmed``: pickle files too. Raises UsageError when nothing is named."""
    if not named:
        raise UsageError("No resource was chosen.", next_step="Choose what to fetch.")
    items = [msgspec.to_builtins(one) for one in named]
    key = f"{confirmed}\n" + "\n".join(sorted(f"{one['version_id']} {one['hash']} {one['name']}" for one in items))
    title = "Fetch what an image needs" if len(items) > 1 else f"Fetch {named[0].name or 'what an image needs'}"
    return services.jobs.submit("fetch_resources", {"confirmed": confirmed}, key=key, title=title, items=items, ticket=ticket)


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job; an item is a mention. ``started``: ids of download jobs; ``here``: names of what is here already; ``skipped``: name, and the reason as
    errors have it (code, message, next_step, remedy)."""
    items = context.items()
    context.update(awaits="answer from Civitai")
    named = [msgspec.convert(item.params, Mention) for item in items]
    resolving.ask(services, context, resolving.to_ask(services, resolving.resolve(services, named)))
    for place, item in enumerate(items):
        context.update(done=place, total=len(items))
        if item.state != "queued":
            continue
        context.check()
        try:
            context.item_done(item, _begin(services, context, named[place]))
        except Offline:
            raise  # the rest would fail the same way
        except CivitaiManagerError as exc:
            context.item_failed(item, exc)
    done = [item.result for item in items if item.state == "done"]
    skipped = [{**item.result, "name": _name(named[place]), "mention": item.params} for place, item in enumerate(items) if item.state == "failed"]
    started = list(dict.fromkeys(one["job"] for one in done if one.get("job")))
    return {"started": started, "here": [one["here"] for one in done if one.get("here")], "skipped": skipped}


def _name(mention: Mention) -> str:
    return mention.name or (f"version {mention.version_id}" if mention.version_id else mention.hash)


def _begin(services: Services, context: Context, mention: Mention) -> dict[str, Any]:
    """Start one download. Raises what speaks against it."""
    (found,) = resolving.resolve(services, [mention])
    if found.state == "here" and found.by != "name":
        return {"here": _name(mention)}
    if not found.version_id or found.state == "unknown" or found.by == "name":
        raise NotFound(f"Civitai does not know {_name(mention)}.", next_step="Look for it by its name.")
    if services.models.model_of_version(found.version_id) is None:
        register.register_model(services, found.model_id, context)
    model = payloads.model(services.models.body(found.model_id))
    version = next((one for one in model.versions if one.id == found.version_id), None)
    if version is None:
        raise NotFound(f"{model.name} no longer has this version.", next_step="Choose another version of it.")
    _check_offered(services, context, model, version)
    confirmed = bool(context.params.get("confirmed"))
    return {"job": download.start(services, version.id, _file_of(version, found), None, None, confirmed)}


def _check_offered(services: Services, context: Context, model: Model, version: Version) -> None:
    """Raises what is known before anything is asked for: the download would only be refused."""
    early = version.early_access(datetime.datetime.now(datetime.timezone.utc))
    if early is not None:
        raise EarlyAccess(f"{model.name}, {version.name}, is in early access.", deadline=None if early == "permanent" else early)
    if model.mode in ("Archived", "TakenDown"):
        raise Archived(f"{model.name} is archived or taken down: Civitai no longer offers its files.")
    try:
        told = services.client.using(context).version(version.id).value
    except NotFound:
        return  # published, but not yet rated
    if told.usage_control not in ("", "Download"):
        raise DownloadsDisabled(f"The creator of {model.name} has disabled downloads of {version.name}.")


def _file_of(version: Version, found: Resolved) -> int | None:
    """The file with the mention's hash, else one of its kind; None for the primary one."""
    for file in version.files:
        if found.hash and ((file.sha256 or "").startswith(found.hash) or found.hash in [value.lower() for value in file.hashes.values()]):
            return file.id or None
    primary = version.primary
    wanted = FILE_TYPES.get(found.kind)
    if wanted and primary is not None and primary.type not in wanted:
        return next((file.id or None for file in version.files if file.type in wanted), None)
    return None
