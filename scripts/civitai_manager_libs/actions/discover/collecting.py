"""Take over what was found: register many models, and download of each the newest version, all, or chosen ones. One job, an item a model."""

from __future__ import annotations

import datetime
import hashlib
import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from ...civitai import payloads, searching
from ...civitai.payloads import Model
from ...civitai.searching import Search
from ...errors import CivitaiManagerError, EarlyAccess, KeyRejected, NotFound, NothingToDownload, Offline, SomeFailed, UsageError, explain
from ...jobs.context import Context
from ...jobs.store import Item
from .. import download, register, thumbnails, updates
from ..services import Services
from . import keeping

log = logging.getLogger(__name__)

MOST = 5_000  # models at once
MOST_PAGES = 400
AT_A_TIME = 4
TOLD = 100  # names in a result

Json = dict[str, Any]


def start(
    services: Services, ids: Iterable[int] = (), *, creator: str = "", versions: str | list[int] = "", confirmed: bool = False, ticket: str = ""
) -> str:
    """Start the job; its id. ``ids`` are models, or all of a ``creator``. ``versions``: "" registers only; "newest", "all", or ids, to download.

    ``confirmed``: files that can run programs too. Raises UsageError.
    """
    chosen = list(dict.fromkeys(one for one in ids if one > 0))
    creator = creator.strip()
    if not chosen and not creator:
        raise UsageError("No model was chosen.", next_step="Choose what to register.")
    if len(chosen) > MOST or versions not in ("", "newest", "all") and not isinstance(versions, list):
        raise UsageError(f"At most {MOST:,} models at once.", next_step="Choose fewer.")
    one = services.answers.model(chosen[0]) if len(chosen) == 1 else None
    name = str(one[0].get("name") or chosen[0]) if one else f"{len(chosen):,} models" if len(chosen) != 1 else f"model {chosen[0]}"
    title = _title(creator, name, versions)
    key = hashlib.sha256(repr((sorted(chosen), creator.casefold(), versions, confirmed)).encode()).hexdigest()
    params = {"creator": creator, "versions": versions, "confirmed": confirmed}
    return services.jobs.submit("collect", params, key=key, title=title, items=chosen, ticket=ticket)


def _title(creator: str, name: str, versions: Any) -> str:
    if creator:
        return f"Download all of {creator}" if versions else f"Register all of {creator}"
    if versions == "all":
        return f"Download all versions of {name}"
    return f"Download {name}" if versions else f"Register {name}"


def run(services: Services, context: Context) -> Json:
    """The job. ``registered``: each with ``new``; ``started``: downloads; ``skipped``: what was not downloaded, and why; ``failed`` models."""
    items = context.items()
    if context.params.get("creator") and not items:
        items = context.plan(_of_creator(services, context))
    pending = [item for item in items if item.state == "queued"]
    total, done = len(items), len(items) - len(pending)
    context.update(done=done, total=total, text="asking Civitai", awaits="answer from Civitai")
    with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="civitai-manager-collect") as pool:
        for place in range(0, len(pending), 100):
            some = pending[place : place + 100]
            new = _registered(services, context, [item.params for item in some])
            done = _finish(services, context, pool, some, new, done)
    return _summary(items)


def _of_creator(services: Services, context: Context) -> list[int]:
    """The ids of everything that a creator has published, page by page."""
    search = searching.checked(Search(creator=str(context.params["creator"]), sort="Newest"))
    client, cursor = services.client.using(context), ""
    found: dict[int, None] = {}
    for _ in range(MOST_PAGES):
        context.check()
        answer = client.search(search, cursor, 100)
        found.update((one.value.id, None) for one in answer.items)
        context.update(text=f"{len(found)} models of {search.creator} found")
        services.answers.put_models({one.value.id: one.raw for one in answer.items})
        cursor = answer.following
        if not cursor or len(found) >= MOST:
            break
    if not found:
        raise NotFound(f"Civitai lists no model of {search.creator}.")
    return list(found)


def _registered(services: Services, context: Context, ids: list[int]) -> dict[int, bool]:
    """Register up to a hundred models, from what is kept or with one request; by id, whether it is new. What no list names is left to ``_one``."""
    known = keeping.models(services, ids)
    missing = [model_id for model_id in ids if model_id not in known]
    if missing:
        known.update((one.value.id, one) for one in services.client.using(context).models(missing))
    new = {model_id: services.models.row(model_id) is None for model_id in known}
    updates.save(services, list(known.values()))
    return new


def _finish(
    services: Services, context: Context, pool: ThreadPoolExecutor, items: list[Item], new: Mapping[int, bool], done: int
) -> int:  # fmt: skip
    """Pictures and downloads of registered models, some at a time; how many are done then."""
    waiting, futures = list(items), dict[Future[Json], Item]()
    try:
        while waiting or futures:
            while waiting and len(futures) < AT_A_TIME:
                item = waiting.pop(0)
                futures[pool.submit(_one, services, context, item.params, new.get(item.params))] = item
            ended, _ = wait(futures, return_when=FIRST_COMPLETED)
            for future in ended:
                item, error = futures.pop(future), future.exception()
                if error is None:
                    context.item_done(item, future.result())
                elif isinstance(error, (Offline, KeyRejected)) or not isinstance(error, Exception):
                    raise error
                else:
                    context.item_failed(item, error)
                done += 1
                context.update(done=done, text="asking Civitai")
    except BaseException:
        for future in futures:
            future.cancel()
        wait(futures)
        raise
    return done


def _one(services: Services, context: Context, model_id: int, new: bool | None) -> Json:
    """``new`` is None for a model that no list names: it is asked for by itself."""
    context.check()
    if new is None:
        told = register.register_model(services, model_id, context)
        new = told["new"]
    body = services.models.body(model_id)
    model = payloads.model(body or {})
    context.update(text=model.name)
    problem = thumbnails.refresh(services, model, context)
    started, skipped = _downloads(services, context, model) if context.params.get("versions") else ([], [])
    return {"model_id": model_id, "name": model.name, "new": new, "started": started, "skipped": skipped, "thumbnail_problem": problem}


def _downloads(services: Services, context: Context, model: Model) -> tuple[list[Json], list[Json]]:
    """Start the downloads of the wanted versions' primary files; what cannot be had is said, by version."""
    started: list[Json] = []
    skipped: list[Json] = []
    for version in _wanted(model, context.params["versions"]):
        about = {"model_id": model.id, "name": model.name, "version": version.name}
        try:
            gate = version.early_access(datetime.datetime.now(datetime.timezone.utc))
            if gate and context.params["versions"] in ("newest", "all"):
                raise EarlyAccess(f"{version.name} is in early access.", deadline=None if gate == "permanent" else gate)
            if not version.files:
                raise NothingToDownload(f"Civitai lists no file of {version.name}.", next_step="")
            started.append({**about, "job": download.start(services, version.id, None, None, None, bool(context.params.get("confirmed")))})
        except CivitaiManagerError as exc:
            skipped.append({**about, **explain(exc)})
    return started, skipped


def _wanted(model: Model, versions: str | list[int]) -> list[payloads.Version]:
    if versions == "all":
        return list(model.versions)
    if versions == "newest":
        now = datetime.datetime.now(datetime.timezone.utc)
        free = [version for version in model.versions if version.files and not version.early_access(now)]
        return free[:1] or list(model.versions[:1])
    found = [version for version in model.versions if version.id in versions]
    if not found:
        raise NotFound(f"{model.name} has no such version any more.")
    return found


def _summary(items: list[Item]) -> Json:
    good = [item.result for item in items if item.state == "done"]
    failed = [{"model_id": item.params, **item.result} for item in items if item.state == "failed"]
    if failed and not good:
        raise SomeFailed.from_dict(failed[0])
    new = sum(bool(one["new"]) for one in good)
    started = [one for result in good for one in result["started"]]
    skipped = [one for result in good for one in result["skipped"]]
    return {
        "models": len(good), "new": new, "refreshed": len(good) - new, "started": started, "skipped": skipped[:TOLD], "skips": len(skipped),
        "failed": failed[:TOLD], "failures": len(failed),
    }  # fmt: skip
