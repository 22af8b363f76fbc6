"""Follow a creator or a search: what is new since the last look, when a person asks for it."""

from __future__ import annotations

import datetime
import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ...catalog.follows import MOST, Follow
from ...catalog.texts import plain
from ...civitai import searching
from ...civitai.payloads import Model
from ...civitai.searching import Search
from ...civitai.values import parse_time, time_text
from ...errors import BadValue, CivitaiManagerError, KeyRejected, NotFound, Offline, SomeFailed, UsageError
from ...jobs.context import Context
from ..services import Services

log = logging.getLogger(__name__)

MOST_PAGES = 20  # of one search that a look goes through, some 600 models; what is further back is told as not looked at
MOST_UNORDERED = 5  # of a search by words, whose answers come by likeness: what is new may be anywhere
OVERLAP = datetime.timedelta(days=2)  # what was scheduled for an earlier day may become visible later

Json = dict[str, Any]


def add(services: Services, search: Search, name: str = "") -> int:
    """Follow a search from now on; its id. Raises UsageError, BadValue for one that asks for nothing in particular."""
    wanted = _wanted(search)
    asked = msgspec.to_builtins(wanted)
    return services.follows.add(_key(asked), name.strip() or named(wanted), asked, time_text(datetime.datetime.now(datetime.timezone.utc)))


def _wanted(search: Search) -> Search:
    """The search as it is followed. Raises UsageError, BadValue."""
    wanted = msgspec.structs.replace(searching.checked(search), sort="Newest", period="AllTime")
    if not (wanted.text or wanted.creator or wanted.tag or wanted.types or wanted.bases or wanted.mine):
        raise BadValue("All of Civitai cannot be followed.", next_step="Search for a creator, a tag, words, a type or a base model first.")
    return wanted


def _key(asked: Json) -> str:
    return hashlib.sha256(msgspec.json.encode(sorted(asked.items(), key=lambda one: one[0]))).hexdigest()[:32]


def exported(services: Services) -> list[Json]:
    """All that is followed, as another machine takes it over (``give``): name, search, since, known, news."""
    names = ("name", "search", "since", "known", "news")
    return [{name: getattr(one, name) for name in names} for one in services.follows.all()]


def give(services: Services, theirs: Iterable[Mapping[str, Any]], *, dry_run: bool = False) -> tuple[int, list[str]]:
    """Follow what another machine follows, from its last look on: how many are new here, and the names of those that cannot be followed."""
    rows: dict[str, Json] = {}
    bad: list[str] = []
    now = datetime.datetime.now(datetime.timezone.utc)
    for one in theirs:
        name = plain(str(one.get("name") or "")).replace("\0", "").strip()[:200]
        try:
            wanted = _wanted(msgspec.convert(one.get("search"), Search))
        except (msgspec.ValidationError, UsageError):
            bad.append(name)
            continue
        asked = msgspec.to_builtins(wanted)
        since = min(parse_time(one.get("since")) or now, now)  # a clock that is ahead would hide what is new
        rows.setdefault(_key(asked), {
            "name": name or named(wanted), "search": json.dumps(asked), "since": time_text(since), "known": one.get("known"), "news": one.get("news"),
        })  # fmt: skip
    here = {_key(one.search) for one in services.follows.all()}
    if dry_run:
        return min(len(rows.keys() - here), MOST - len(here)), bad
    return services.follows.give({"key": key, **row} for key, row in rows.items()), bad


def named(search: Search) -> str:
    """What a search is called when nobody has given it a name."""
    parts = [f"@{search.creator}" if search.creator else "", search.text, f"#{search.tag}" if search.tag else "", *search.types, *search.bases]
    return " ".join(part for part in parts if part) or "Favourites"


def listing(services: Services) -> list[Json]:
    """All that is followed: id, name, search, new (how many), looked."""
    shown = ("id", "name", "search", "news", "looked")
    return [{**{name: getattr(one, name) for name in shown}, "new": len(one.news)} for one in services.follows.all()]


def start(services: Services, ticket: str = "") -> str:
    """Start a look at everything that is followed; the job's id. Raises NotFound when nothing is."""
    ids = [one.id for one in services.follows.all()]
    if not ids:
        raise NotFound("Nothing is followed yet.", next_step="Search for a creator or for words, then press “Follow this search”.")
    return services.jobs.submit("follow", {}, key="all", title="Look for new models", items=ids, ticket=ticket)


def run(services: Services, context: Context) -> Json:
    """The job; an item is one follow.

    ``found``: those with something new: id, name, new; ``cut``: the names of those that were not looked through to the end; ``failed``.
    """
    items = context.items()
    for place, item in enumerate(items):
        context.update(done=place, total=len(items), awaits="answer from Civitai")
        if item.state != "queued":
            continue
        context.check()
        try:
            context.item_done(item, _look(services, context, services.follows.get(item.params)))
        except (Offline, KeyRejected):
            raise
        except CivitaiManagerError as exc:
            context.item_failed(item, exc)
    context.update(done=len(items))
    failed = [item.result for item in items if item.state == "failed"]
    good = [item.result for item in items if item.state == "done"]
    if failed and not good:
        raise SomeFailed.from_dict(failed[0])
    found = [{name: one[name] for name in ("id", "name", "new")} for one in good if one["new"]]
    cut = [one["name"] for one in good if one.get("cut")]
    return {"looked": len(good), "found": found, "new": sum(one["new"] for one in found), "cut": cut, "failed": failed}


def _look(services: Services, context: Context, follow: Follow) -> Json:
    context.update(text=follow.name)
    try:
        search = searching.checked(msgspec.convert(follow.search, Search))
    except msgspec.ValidationError as exc:
        raise BadValue(f"What was kept of {follow.name} cannot be read.", next_step="Stop following it and follow it again.") from exc
    begun = datetime.datetime.now(datetime.timezone.utc)
    since = parse_time(follow.since) or begun
    client, known, cursor = services.client.using(context), set(follow.known), ""
    found: list[int] = []
    seen: list[int] = []
    in_order, whole = not search.text, False
    for _ in range(MOST_PAGES if in_order else MOST_UNORDERED):
        context.check()
        answer = client.search(search, cursor)
        for one in answer.items:
            if _published(one.value) > since and one.value.id not in known:
                found.append(one.value.id)
        seen += [one.value.id for one in answer.items if _published(one.value) > begun - 2 * OVERLAP]
        cursor = answer.following
        whole = not cursor or bool(in_order and answer.items and _published(answer.items[-1].value) <= since)
        if whole:
            break
    found = list(dict.fromkeys(found))
    services.follows.looked(follow.id, found, seen, time_text(max(since, begun - OVERLAP)))
    return {"id": follow.id, "name": follow.name, "new": len(found), "cut": in_order and not whole}


def _published(model: Model) -> datetime.datetime:
    """When its newest version came out; long ago when that is not told."""
    told = [moment for version in model.versions if (moment := parse_time(version.published_at))]
    return max(told, default=datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc))
