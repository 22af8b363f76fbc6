"""What we have put into a file that others edit too: told apart by a record of what we wrote last, kept in that file under a key of our own.

So an edit here reaches the file, an edit there is not undone, and a value that gives way to a newer one is kept in the record.
"""

from __future__ import annotations

from typing import Any

import msgspec

MARK = "civitai_manager"
_EMPTY: tuple[Any, ...] = (None, "", [], {}, 0, False)


class Mine(msgspec.Struct, frozen=True, kw_only=True):
    """The person's own words about a model, for the files of other programs. ``sets``: trigger words in groups, each a text for the prompt."""

    note: str = ""
    tags: list[str] = []
    favourite: bool = False
    weight: float | None = None
    negative: str = ""
    sets: list[str] = []


class Record:
    """What we wrote into ``content`` last time (``place``: the object in it that holds our record), and what we write now."""

    def __init__(self, content: dict[str, Any], place: dict[str, Any] | None = None) -> None:
        self.content = content
        self._place = content if place is None else place
        known = self._place.get(MARK)
        self._known: dict[str, Any] = dict(known) if isinstance(known, dict) else {}
        written = self._known.get("written")
        self.written: dict[str, Any] = dict(written) if isinstance(written, dict) else {}

    def value(self, key: str, ours: Any, default: Any = "") -> None:
        """One value: ours, unless it was changed there since we wrote it and not here. ``default``: what stands for "not set" there."""
        there, before = self.content.get(key), self.written.get(key)
        if ours in _EMPTY:
            if before not in _EMPTY and there == before:
                self.content[key] = default
            self.written.pop(key, None)
            return
        if there != ours and (there in _EMPTY or ours != before):
            if there not in _EMPTY and there != before:
                replaced = self._known.get("replaced")
                self._known["replaced"] = {**(replaced if isinstance(replaced, dict) else {}), key: there}
            self.content[key] = ours
        self.written[key] = ours

    def text(self, key: str, ours: str, *, first: bool = True) -> None:
        """A part of a text: in the place of what we wrote before, else before (or after) what stands there."""
        there, before = self.content.get(key), self.written.get(key)
        there, before = there if isinstance(there, str) else "", before if isinstance(before, str) else ""
        if before and before in there:
            rest = there.replace(before, "", 1)
            there = (rest if ours and ours in rest else there.replace(before, ours, 1)).strip("\n")
        elif ours and ours not in there:
            there = "\n".join(one for one in ((ours, there) if first else (there, ours)) if one)
        if there or key in self.content:
            self.content[key] = there
        if ours:
            self.written[key] = ours
        else:
            self.written.pop(key, None)

    def theirs(self, key: str) -> Any:
        """The value in the file without what we wrote."""
        there, before = self.content.get(key), self.written.get(key)
        if isinstance(there, str) and isinstance(before, str) and before:
            return there.replace(before, "", 1).strip("\n") if before in there else there
        return None if before not in _EMPTY and there == before else there

    def keep(self) -> None:
        """Put the record into the content, when there is something to remember."""
        if self.written:
            self._place[MARK] = {**self._known, "written": self.written}
        elif "replaced" in self._known:
            self._place[MARK] = {"replaced": self._known["replaced"]}
        else:
            self._place.pop(MARK, None)
