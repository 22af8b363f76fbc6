"""Search Civitai: from what is kept at once, from Civitai itself behind, and what the page needs to know to show which is which."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from ...catalog.answers import Page
from ...civitai import searching
from ...civitai.client import Fetched
from ...civitai.payloads import Model
from ...civitai.references import Reference
from ...civitai.searching import Search
from ...errors import BadAnswer, NotALink, NotFound, UsageError
from ...reporter import Patience, Plain
from .. import register
from ..services import Services
from . import cards, collecting, details, following, keeping
from .asking import Asking, Task

FRESH = 300.0  # seconds for which an answer is not asked for again
WORDS_FRESH = 86_400.0
NAMES_FRESH = 3_600.0
MOST_REFERENCES = 30
MOST_PAGES = 8  # that are followed for the terminal while they hold too little

Json = dict[str, Any]


class Discover:
    """``page``, ``details`` and ``names`` answer at once; what they could not answer yet is asked by the task that they give beside it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._asking = Asking()

    def close(self) -> None:
        self._asking.close()

    # -- a page of a search

    def page(
        self, search: Search, *, cursor: str = "", asker: str = "", again: bool = False, words: bool = False, hide: int = 0, width: int = 450
    ) -> tuple[Json, Task | None]:
        """A page of what a search finds, and the task that asks for it, or for a newer one.

        ``state``: "ready" (``items``, ``next``, ``seen``, ``asked``; an item is ``named`` by a link, id or hash), "asking" (``text``, ``seconds``) or
        "failed" (``error``). A ready one that is ``renewing`` is being asked again; one with an ``error`` could not be. ``reference``: what a link,
        id or hash in the words meant; with ``words`` they are only words. ``again``: ask, whatever is known. ``hide``: the highest level that is
        shown, 0 all. Raises UsageError.
        """
        wanted = searching.checked(search)
        references = [] if words else self._references(wanted.text)
        topic = self._key(wanted, references)
        key = (topic, cursor)
        kept = self._services.answers.page(topic, cursor)
        if asker:
            self._asking.let_go(asker, topic)
        task, failure = self._asked(
            key, lambda patience: self._fetch(wanted, references, topic, cursor, patience), topic, asker,
            stale=kept is None or not kept.asked > time.time() - FRESH, again=again,
        )  # fmt: skip
        told: Json = {"reference": [one.text for one in references]}
        if kept is not None:
            shown = cards.allowed(kept.cards, hide)
            marks = self._services.answers.marks(one["id"] for one in shown)
            told |= {
                "state": "ready", "items": cards.shown(shown, marks, cards.width_of(width)), "next": kept.following, "seen": kept.seen,
                "asked": kept.asked, "renewing": task is not None, "error": failure,
            }  # fmt: skip
        elif task is not None:
            told |= {"state": "asking", **task.told()}
        else:
            told |= {"state": "failed", "error": failure}
        return told, task

    def _asked(
        self, key: Hashable, work: Callable[[Task], Any], topic: str, asker: str, *, stale: bool, again: bool
    ) -> tuple[Task | None, Json | None]:  # fmt: skip
        """The task that asks, when there is one or something to ask; else why the last one failed, while that is fresh."""
        if again:
            self._asking.forget_failure(key)
        failure = self._asking.failure(key)
        if failure is None and (again or stale or self._asking.running(key)):
            return self._asking.ask(key, work, topic=topic, asker=asker), None
        return None, failure

    def marks(self, ids: Sequence[int]) -> Json:
        """What the library knows of some models now: by id, None for what is not registered."""
        marks = self._services.answers.marks(ids)
        return {str(model_id): cards.mark_of(marks, model_id) for model_id in ids}

    def search(self, search: Search, limit: int, patience: Patience | None = None) -> Iterator[tuple[Model, Json]]:
        """For the terminal: models one by one, asked for now. Short and empty pages are followed, at most ``MOST_PAGES`` of them in a row."""
        wanted, waiting = searching.checked(search), patience or Plain()
        references = self._references(wanted.text)
        given, empty, cursor = 0, 0, ""
        while given < limit and empty < MOST_PAGES:
            found, cursor, _, _ = self._ask(wanted, references, cursor, waiting)
            empty = 0 if found else empty + 1
            for one in found[: limit - given]:
                yield one.value, one.raw
            given += len(found)
            if not cursor:
                return

    def _key(self, search: Search, references: Sequence[Reference]) -> str:
        """A print of what is asked, of whom, and, where the account matters, with which key."""
        asked = [one.text for one in references] or msgspec.to_builtins(search)
        account = self._services.settings.api_key if search.mine else ""
        return hashlib.sha256(msgspec.json.encode([asked, self._services.settings.civitai_url, account])).hexdigest()[:32]

    def _references(self, text: str) -> list[Reference]:
        """What the words mean when they are links, ids or hashes and nothing else."""
        if not text:
            return []
        try:
            found = register.parse(self._services, text)
        except (NotALink, UsageError):
            return []
        return found[:MOST_REFERENCES] if all(one.kind != "unknown" for one in found) else []

    def _fetch(self, search: Search, references: Sequence[Reference], topic: str, cursor: str, patience: Patience) -> None:
        found, following, seen, named = self._ask(search, references, cursor, patience)
        page = Page([{**cards.card(one.value), "named": named} for one in found], following, seen, time.time())
        whole = named or search.whole
        self._services.answers.put(topic, cursor, page, {one.value.id: one.raw for one in found}, whole=whole)

    def _ask(
        self, search: Search, references: Sequence[Reference], cursor: str, patience: Patience
    ) -> tuple[list[Fetched[Model]], str, int, bool]:  # fmt: skip
        """Models, the next cursor, how many Civitai sent, and whether they are what a link, id or hash has named."""
        if references and not cursor and (found := self._named(references, patience)):
            return found, "", len(found), True
        answer = self._services.client.using(patience).search(search, cursor)
        return answer.items, answer.following, answer.seen, False

    def _named(self, references: Sequence[Reference], patience: Patience) -> list[Fetched[Model]]:
        """The models that links, ids and hashes mean, each once. Raises NotFound when all of them are unknown and none may be a plain word."""
        found: dict[int, Fetched[Model]] = {}
        unknown: NotFound | None = None
        for one in references:
            try:
                model_id, _ = register.resolve(self._services, one, patience)
                if model_id not in found:
                    found[model_id] = self._services.client.using(patience).model(model_id)
            except NotFound as exc:
                unknown = exc
        if unknown is not None and not found and not all(_may_be_words(one) for one in references):
            raise unknown
        return list(found.values())

    # -- one model of an answer

    def details(self, model_id: int, *, again: bool = False, asker: str = "") -> tuple[Json, Task | None]:
        """A model of an answer with its versions, pictures and files; states as for ``page``. See ``details.told``."""
        kept = self._services.answers.model(model_id)
        key = ("model", model_id)
        stale = kept is None or not kept[1] or kept[2] < time.time() - WORDS_FRESH
        who = f"{asker}/panel" if asker else ""  # beside its search
        task, failure = self._asked(key, lambda patience: self._fetch_model(model_id, patience), str(key), who, stale=stale, again=again)
        model = keeping.model_in(kept[0]) if kept else None
        if kept is not None and model is not None:
            told = {"state": "ready", "model": details.told(self._services, model), "asked": kept[2], "whole": kept[1], "renewing": task is not None}
            return {**told, "error": failure}, task
        return ({"state": "asking", **task.told()} if task else {"state": "failed", "error": failure}), task

    def _fetch_model(self, model_id: int, patience: Patience) -> None:
        fetched = self._services.client.using(patience).model(model_id)
        self._services.answers.put_models({model_id: fetched.raw})

    # -- taking over, and following: see ``collecting`` and ``following``

    def collect(
        self, ids: Iterable[int] = (), *, creator: str = "", versions: str | list[int] = "", confirmed: bool = False, ticket: str = ""
    ) -> str:  # fmt: skip
        """Register, and with ``versions`` download, models or all of a creator; the job's id."""
        started = self._services.jobs.started(ticket)
        return started or collecting.start(self._services, ids, creator=creator, versions=versions, confirmed=confirmed, ticket=ticket)

    def follow(self, search: Search, name: str = "") -> int:
        """Follow a search from now on; its id. Raises UsageError, BadValue."""
        return following.add(self._services, search, name)

    def follows(self) -> list[Json]:
        """All that is followed, and how much is new there."""
        return following.listing(self._services)

    def unfollow(self, follow_id: int) -> None:
        """Follow this no longer."""
        self._services.follows.remove(follow_id)

    def read(self, follow_id: int, seen: Iterable[int]) -> None:
        """Of what was new there, these have been looked at."""
        self._services.follows.read(follow_id, seen)

    def look(self, *, ticket: str = "") -> str:
        """Look what is new at everything that is followed; the job's id."""
        return self._services.jobs.started(ticket) or following.start(self._services, ticket)

    # -- words for the menus

    def options(self) -> tuple[Json, Task | None]:
        """What can be chosen: types and base models (Civitai's own lists, asked for once a day; ours until then), orders, times; is a key set."""
        kept = self._services.answers.told("enums")
        task = None
        if (kept is None or kept[1] < time.time() - WORDS_FRESH) and self._asking.failure("enums") is None:
            task = self._asking.ask("enums", self._fetch_enums)
        enums = kept[0] if kept and isinstance(kept[0], dict) else {}
        told = {
            "types": enums.get("types") or list(searching.TYPES), "bases": enums.get("bases") or list(searching.BASES),
            "sorts": list(searching.SORTS), "periods": list(searching.PERIODS), "checkpoints": list(searching.CHECKPOINTS),
            "key": self._services.client.transport.has_key, "renewing": task is not None,
        }  # fmt: skip
        return told, task

    def _fetch_enums(self, patience: Patience) -> None:
        told = self._services.client.using(patience).enums()

        def words(*names: str) -> list[str]:
            return list(dict.fromkeys(one for name in names for one in told.get(name) or [] if isinstance(one, str) and one))

        types, bases = words("ModelType"), words("ActiveBaseModel", "BaseModel")
        if not types or not bases:
            raise BadAnswer("Civitai's lists of words are empty.")
        order = {name: place for place, name in enumerate(searching.BASES)}
        bases.sort(key=lambda one: order.get(one, len(order)))  # the usual ones first, the others as Civitai has them
        self._services.answers.tell("enums", {"types": sorted(types, key=_by_use), "bases": bases})

    def names(self, kind: str, beginning: str, *, asker: str = "") -> tuple[Json, Task | None]:
        """Tags or creators that begin so, as Civitai completes them; an empty list while it is asked, and when it does not answer."""
        if kind not in ("tags", "creators"):
            raise UsageError("Only tags and creators are completed.")
        start = " ".join(beginning.split()).casefold()[: searching.LONGEST]
        if len(start) < 2:
            return {"names": [], "renewing": False}, None
        name = f"{kind} {start}"
        kept = self._services.answers.told(name)
        task = None
        if (kept is None or kept[1] < time.time() - NAMES_FRESH) and self._asking.failure(name) is None:
            task = self._asking.ask(
                name, lambda patience: self._services.answers.tell(name, self._services.client.using(patience).names(kind, start)),
                topic=name, asker=f"{asker} {kind}" if asker else "",
            )  # fmt: skip
        return {"names": kept[0] if kept and isinstance(kept[0], list) else [], "renewing": task is not None}, task


def _by_use(name: str) -> tuple[int, str]:
    return (searching.TYPES.index(name) if name in searching.TYPES else len(searching.TYPES), name)


def _may_be_words(one: Reference) -> bool:
    """Whether it may be a word as well: "2077" or "deadbeef"."""
    return one.text.isalnum() and len(one.text) < 64 and (one.kind == "hash" or one.kind == "model")
