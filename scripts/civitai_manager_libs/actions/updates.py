"""Ask Civitai which models have newer versions, 100 models a request, and tell what it said."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable
from typing import Any

from ..catalog.models import Entry, Wanted
from ..catalog.updates import NewVersion, Offer
from ..civitai import merging, payloads
from ..civitai.client import MODELS_A_REQUEST, Fetched
from ..civitai.payloads import Model, Version
from ..disk.sidecars.plain_text import text_of
from ..errors import BadAnswer, CivitaiManagerError, KeyRejected, NotFound, Offline, SomeFailed, explain
from ..jobs.context import Context
from ..jobs.store import Item
from . import register
from .services import Services

log = logging.getLogger(__name__)

MOST_SINGLES = 50  # requests of one check for models that no list names (of real persons, of minors, archived or gone)
AT_A_TIME = 25  # models in a transaction: about a tenth of a second, so that nobody waits for it
NOTES = 2_000  # letters of a version's notes in a list
TOLD = 100  # names of models in a result

# -- the check


def start(services: Services, ids: Iterable[int] = (), query: str = "", ticket: str = "") -> str:
    """Start the check of some models, of all that a query finds, or of all with files here; its id. Raises NotFound when there are none."""
    chosen = [*ids, *(services.models.ids(Wanted(query=query)) if query.strip() else [])]
    wanted = services.updates.to_check(chosen or None) if chosen or not query.strip() else []
    if not wanted:
        raise NotFound("There is no model to check.", next_step="Scan the library first, or look for something else.")
    items = [wanted[place : place + MODELS_A_REQUEST] for place in range(0, len(wanted), MODELS_A_REQUEST)]
    key = hashlib.sha256(" ".join(map(str, sorted(wanted))).encode()).hexdigest() if chosen else "all"
    title = f"Check {len(wanted):,} model{'s' * (len(wanted) > 1)} for updates"
    return services.jobs.submit("updates", {"models": len(wanted)}, key=key, title=title, items=items, ticket=ticket)


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job; an item is up to 100 models, saved as they come.

    Its result counts models: ``checked``, ``with_updates``, ``early_access_only``, ``gone`` (of those checked), ``failed``; ``requests`` made.
    ``unlisted``: models that the lists leave out and that were not asked for by themselves, with their number; ``problems``: what failed, and why.
    """
    items = context.items()
    total, done = sum(len(item.params) for item in items), 0
    for item in items:
        context.update(done=done, total=total, text="asking Civitai")
        if item.state == "queued":
            _checked(services, context, item, MOST_SINGLES - sum(one.result["singly"] for one in items if one.state == "done"))
        done += len(item.params)
    context.update(done=done)
    return _summary(services, items)


def _checked(services: Services, context: Context, item: Item, singles: int) -> None:
    context.check()
    try:
        result = _ask(services, context, item.params, max(0, singles))
    except (Offline, KeyRejected):
        raise  # the rest would fail the same way: it stays queued for the next try
    except CivitaiManagerError as exc:
        log.warning("updates: %d models were not checked: %s", len(item.params), exc)
        context.item_failed(item, exc)
    else:
        context.item_done(item, result)


def _ask(services: Services, context: Context, ids: list[int], singles: int) -> dict[str, Any]:
    """Ask for up to 100 models, and singly for those that have files here and that the list leaves out."""
    client = services.client.using(context)
    listed = client.models(ids)
    save(services, listed)
    answered = {one.value.id for one in listed}
    services.models.set_checked(answered, time.time())
    left_out = [model_id for model_id in ids if model_id not in answered]
    ask = services.updates.with_files(left_out)[:singles]
    failed: list[dict[str, Any]] = []
    for model_id in ask:
        context.check()
        try:
            one = client.model(model_id)
        except NotFound:
            services.models.set_gone(model_id)
        except (Offline, KeyRejected):
            raise
        except CivitaiManagerError as exc:
            failed.append({"model_id": model_id, **explain(exc)})
            continue
        else:
            services.models.save(register.entry_of(one.value), one.raw)
        services.models.set_checked([model_id], time.time())
        answered.add(model_id)
    unlisted = [model_id for model_id in left_out if model_id not in set(ask)]
    return {"checked": len(answered), "singly": len(ask), "requests": 1 + len(ask), "unlisted": unlisted, "failed": failed}


def save(services: Services, listed: list[Fetched[Model]]) -> None:
    """Save models as a list tells them, without losing what only an earlier and fuller answer has."""
    for place in range(0, len(listed), AT_A_TIME):
        services.models.save_all([_entry(services, one) for one in listed[place : place + AT_A_TIME]])


def _entry(services: Services, listed: Fetched[Model]) -> tuple[Entry, dict[str, Any]]:
    body = merging.over(services.models.body(listed.value.id), listed.raw)
    try:
        return register.entry_of(payloads.model(body)), body
    except BadAnswer:  # what was kept is damaged
        return register.entry_of(listed.value), listed.raw


def _summary(services: Services, items: list[Item]) -> dict[str, Any]:
    good = [item.result for item in items if item.state == "done"]
    bad = [item for item in items if item.state == "failed"]
    if bad and not good:
        raise SomeFailed.from_dict(bad[0].result)
    unlisted = [model_id for one in good for model_id in one["unlisted"]]
    checked = [model_id for item in items if item.state == "done" for model_id in item.params]
    problems = [*({"models": len(item.params), **item.result} for item in bad), *(one for result in good for one in result["failed"])]
    return {
        "checked": sum(one["checked"] for one in good), **services.updates.counted(checked),
        "failed": sum(len(item.params) for item in bad) + sum(len(one["failed"]) for one in good),
        "requests": sum(one["requests"] for one in good) + len(bad), "unlisted": {"count": len(unlisted), "ids": unlisted[:TOLD]},
        "problems": problems[:TOLD],
    }  # fmt: skip


# -- what it found


def listing(services: Services, query: str = "", *, offset: int = 0, limit: int = 100) -> dict[str, Any]:
    """Models with newer versions, those first that can be had: ``total``, ``offset``, ``items``, and ``asked``, when that was found out.

    Each item: the model, the version here, and the newest one that may be had with what an update would fetch (or None), beside ``early``, the
    newest one in early access, if there is any. ``notes`` are the creator's words on the version, as plain text.
    """
    found = [one for state in ("update", "early") for one in services.models.ids(Wanted(query=query, state=state, sort="published"))]
    offers = services.updates.offers(found[offset : offset + limit])
    late = [offer.model_id for offer in offers.values() if offer.free and offer.settled_newer == 2]
    if late:
        services.models.settle(late)  # their early access has ended meanwhile
    items = [_told(services, offers[one]) for one in found[offset : offset + limit] if one in offers]
    return {"total": len(found), "offset": offset, "items": items, "asked": services.updates.asked()}


def _told(services: Services, offer: Offer) -> dict[str, Any]:
    versions = _versions(services, offer.model_id)
    free = offer.free
    early = [one for one in offer.versions if one.early_access]
    first = free[0] if free else early[0]
    return {
        "model_id": offer.model_id, "name": offer.name, "type": offer.type, "creator": offer.creator, "thumbnail": offer.thumbnail,
        "level": offer.level, "follow": offer.follow, "checked": offer.checked, "here": {"version_id": first.follows, "name": first.follows_name},
        "newest": _version(free[0], versions) if free else None, "early": _version(early[0], versions) if early else None,
        "count": len(offer.versions),
    }  # fmt: skip


def _version(one: NewVersion, versions: dict[int, Version]) -> dict[str, Any]:
    told = versions.get(one.id)
    primary = told.primary if told else None
    return {
        "version_id": one.id, "name": one.name, "base_model": one.base_model, "published": one.published, "early_access": one.early_access or None,
        "file": primary.name if primary else "", "size": primary.size if primary else None,
        "notes": text_of(told.description)[:NOTES] if told else "",
    }  # fmt: skip


def _versions(services: Services, model_id: int) -> dict[int, Version]:
    try:
        return {version.id: version for version in payloads.model(services.models.body(model_id) or {}).versions}
    except BadAnswer:
        return {}
