"""Register models by link: the link, the model it means, its data in the catalog, its thumbnail. No model file is downloaded."""

from __future__ import annotations

import datetime
import logging
import re
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ..catalog.models import Entry, VersionEntry
from ..civitai import images, references
from ..civitai.payloads import Model
from ..civitai.references import Reference
from ..errors import CivitaiManagerError, NotALink, NotFound, Offline, SomeFailed
from ..jobs.context import Context
from ..jobs.store import Item
from ..reporter import Patience
from . import thumbnails
from .services import Services

log = logging.getLogger(__name__)

# People paste download links with their key in them; a link's text is stored and shown.
_SECRET = re.compile(r"([?&](?:token|api[_-]?key)=)[^\s&#\"'<>]+", re.IGNORECASE)
VIDEO_WIDTH = 450  # pixels of the video on a card
AT_A_TIME = 4  # models that one job fetches side by side; the rate governor decides how fast


def parse(services: Services, text: str) -> list[Reference]:
    """The references in a pasted text, as ``references.parse``, Civitai's configured address included. A key in a pasted link is dropped first."""
    return references.parse(_SECRET.sub(r"\1...", text), hosts={urlsplit(services.settings.civitai_url).netloc})


def start(services: Services, text: str, ticket: str = "") -> str:
    """Start one job for everything in a pasted text; its id. Raises NotALink when nothing in it is understood."""
    found = parse(services, text)
    items = [msgspec.to_builtins(reference) for reference in found]
    title = f"Register {found[0].text}" if len(found) == 1 else f"Register {len(found)} links"
    return services.jobs.submit("register", {}, key="\n".join(sorted(str(item) for item in items)), title=title, items=items, ticket=ticket)


def refresh(services: Services, model_id: int, name: str, ticket: str = "") -> str:
    """Start a job that asks Civitai again for a registered model; its id."""
    item = msgspec.to_builtins(Reference("model", name, model_id=model_id))
    return services.jobs.submit("register", {"model_id": model_id}, key=f"refresh {model_id}", title=f"Refresh {name}", items=[item], ticket=ticket)


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job: each model is committed as it comes; one failure stops nothing, except that there is no connection at all."""
    items = context.items()
    pending = [item for item in items if item.state == "queued"]
    finished = len(items) - len(pending)
    context.update(done=finished, total=len(items), text="asking Civitai")
    context.update(awaits="answer from Civitai")
    with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="civitai-manager-register") as pool:
        futures: dict[Future[dict[str, Any]], Item] = {}
        try:
            while pending or futures:
                while pending and len(futures) < AT_A_TIME:
                    item = pending.pop(0)
                    futures[pool.submit(_one, services, item, context)] = item
                done, _ = wait(futures, return_when=FIRST_COMPLETED)
                for future in done:
                    _note(context, futures.pop(future), future)
                    finished += 1
                    context.update(done=finished, text="asking Civitai")
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            for future, item in futures.items():  # what has arrived meanwhile is kept
                if future.done() and not future.cancelled() and future.exception() is None:
                    context.item_done(item, future.result())
            raise
    return _summary(context, items)


def _one(services: Services, item: Item, context: Context) -> dict[str, Any]:
    context.check()
    reference = msgspec.convert(item.params, Reference)
    model_id, version_id = resolve(services, reference, context)
    result = register_model(services, model_id, context)
    context.update(text=result["name"])
    return {**result, "version_id": version_id}


def _note(context: Context, item: Item, future: Future[dict[str, Any]]) -> None:
    error = future.exception()
    if error is None:
        context.item_done(item, future.result())
    elif isinstance(error, Offline) or not isinstance(error, Exception):
        raise error  # offline: the rest would fail the same way; it stays queued for the next try. Or a request to stop
    else:
        if not isinstance(error, CivitaiManagerError):
            log.error("registering %s failed", item.params.get("text"), exc_info=error)
        context.item_failed(item, error)


def _summary(context: Context, items: list[Item]) -> dict[str, Any]:
    """The job's result; raises when an item failed, naming each with its reason."""
    registered = [item.result for item in items if item.state == "done"]
    failed = [{"text": item.params.get("text", ""), **item.result} for item in items if item.state == "failed"]
    if len(registered) == 1:
        context.remember(model_id=registered[0]["model_id"])
    if failed and len(items) == 1:
        raise SomeFailed.from_dict(failed[0])
    if failed:
        reasons = "; ".join(f"{one['text']}: {one['message']}" for one in failed[:5]) + ("; ..." if len(failed) > 5 else "")
        raise SomeFailed(f"{len(registered)} of {len(items)} registered, {len(failed)} failed. {reasons}", failed=failed, registered=registered)
    new = sum(one["new"] for one in registered)
    return {"registered": registered, "new": new, "refreshed": len(registered) - new}


def resolve(services: Services, reference: Reference, patience: Patience) -> tuple[int, int | None]:
    """(model id, version id or None) that a reference means. Raises NotFound, NotALink and what the connection raises."""
    client = services.client.using(patience)
    if reference.kind == "model" and reference.model_id:
        return reference.model_id, reference.version_id
    version_id = reference.version_id
    if reference.kind == "hash" and reference.hash:
        version = client.version_by_hash(reference.hash).value
        return version.model_id, version.id
    if reference.kind == "image" and reference.image_id:
        version_id = client.image_versions(reference.image_id)[0]
    elif reference.kind == "post" and reference.post_id:
        version_id = client.post_versions(reference.post_id)[0]
    if version_id is None:
        raise NotALink(f"This is not a Civitai link: {reference.text}")
    known = services.models.model_of_version(version_id)
    return known or client.version(version_id).value.model_id, version_id


def register_model(services: Services, model_id: int, patience: Patience) -> dict[str, Any]:
    """Fetch a model, save it, give it a thumbnail. A model that Civitai no longer knows keeps what we have of it and is marked as gone."""
    try:
        fetched = services.client.using(patience).model(model_id)
    except NotFound as exc:
        row = services.models.row(model_id)
        if row is None:
            raise
        services.models.set_gone(model_id)
        raise NotFound(f"{row['name']} is gone from Civitai.", next_step="What is registered and downloaded here stays as it is.") from exc
    model = fetched.value
    new = services.models.save(entry_of(model), fetched.raw)
    result = {"model_id": model.id, "name": model.name, "new": new}
    problem = thumbnails.refresh(services, model, patience)
    return {**result, "thumbnail_problem": problem} if problem else result


def entry_of(model: Model, *, refreshed: bool = True) -> Entry:
    """What the catalog keeps of a model in columns."""
    bases = list(dict.fromkeys(version.base_model for version in model.versions if version.base_model))
    now = datetime.datetime.now(datetime.timezone.utc)
    pictures = [image for version in model.versions for image in version.images]
    words = [model.name, model.type, model.creator.username if model.creator else "", str(model.id), *model.tags, *bases]
    for version in model.versions:
        words += [version.name, *version.trained_words[:50], *(file.name for file in version.files)]
    return Entry(
        id=model.id,
        name=model.name or f"Model {model.id}",
        type=model.type,
        creator=model.creator.username if model.creator else "",
        nsfw=model.nsfw,
        nsfw_level=model.nsfw_level,
        base_models=bases,
        published=max((version.published_at or "" for version in model.versions), default=""),
        search=" ".join(dict.fromkeys(words)),
        versions=[
            VersionEntry(
                version.id,
                {file.id: file.sha256 or "" for file in version.files},
                version.name,
                version.base_model,
                version.published_at or "",
                version.early_access(now) or "",
            )
            for version in model.versions
        ],
        refreshed=refreshed,
        tags=model.tags,
        downloads=model.download_count or 0,
        thumbs=model.thumbs_up_count or 0,
        pictures={image.url: (image.nsfw_level, image.hash) for image in pictures},
        video=next(((images.sized(image.url, VIDEO_WIDTH), image.nsfw_level) for image in pictures if image.type == "video"), None),
    )
