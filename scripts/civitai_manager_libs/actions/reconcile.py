"""What the catalog says of the disk against what is there: which files are as they were, which moved, which went, which must be read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..catalog.files import Files, LocalFile
from ..disk.walk import Found, Root, Walked

SAME_TIME = 2_000_000_000  # nanoseconds: the grain of times on FAT, to which a file may have been moved
BROKEN = ("truncated", "wrong")


class Records:
    """The catalog's records of files, read again only after a change that goes through here."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._known: list[LocalFile] | None = None

    def all(self) -> list[LocalFile]:
        if self._known is None:
            self._known = self._files.all()
        return self._known

    def here(self, paths: set[str]) -> list[LocalFile]:
        """Those that are there and have one of these paths."""
        return [record for record in self.all() if record.state == "here" and record.path in paths]

    def put(self, records: Iterable[LocalFile]) -> None:
        self._known = None
        self._files.put(records)

    def forget(self, path: str) -> None:
        self._known = None
        self._files.forget(path)

    def change(self, changes: Iterable[tuple[int, dict[str, Any]]]) -> None:
        if changes := list(changes):
            self._known = None
            self._files.change(changes)


class Plan(msgspec.Struct):
    """``unread``: new files (no record), changed ones, and those whose first bytes nobody has looked at. ``away``: places that are not there.

    ``aliases``: records of another name (a link) of a file that is recorded under the name by which it was found.
    """

    back: list[LocalFile]
    moved: list[tuple[LocalFile, Found]]
    unread: list[tuple[Found, LocalFile | None]]
    vanished: list[LocalFile]
    kinds: list[tuple[LocalFile, str]]
    aliases: list[tuple[LocalFile, Found]]
    away: dict[str, int]


def compare(records: Iterable[LocalFile], walked: Walked, roots: Sequence[Root], *, whole: bool) -> Plan:
    """Nothing is read. ``whole``: records outside the roots are judged too (they were downloaded to elsewhere, or the host has other folders now)."""
    plan = Plan([], [], [], [], [], [], {})
    by_path = {record.path: record for record in records}
    strangers: list[tuple[Found, LocalFile | None]] = []
    for found in walked.files:
        record = by_path.pop(found.path, None)
        if record is None or not same_bytes(record, found):
            strangers.append((found, record))
            continue
        if record.state != "here":
            plan.back.append(record)
        if not record.kind and found.kind:
            plan.kinds.append((record, found.kind))
        if not record.head:
            plan.unread.append((found, record))
    # A changed file may be another one that took its name, so its record may be found elsewhere too.
    lost = [*by_path.values(), *(record for _, record in strangers if record is not None)] if strangers else []
    places = {_place(record): record for record in lost if record.inode}
    unmatched = []
    for found, record in strangers:
        other = places.pop(_place(found), None) if found.inode else None
        if other is None:
            unmatched.append((found, record))
        else:
            plan.moved.append((other, found))
            by_path.pop(other.path, None)
    gone = {other.id for other, _ in plan.moved}
    plan.unread += [(found, None if record is None or record.id in gone else record) for found, record in unmatched]
    _judge(plan, (record for record in by_path.values() if record.state == "here"), walked, roots, whole)
    return plan


def same_bytes(record: LocalFile, found: Found) -> bool:
    """As far as size and time tell."""
    return record.size == found.size and record.mtime_ns == found.mtime_ns


def _place(file: LocalFile | Found) -> tuple[int, int, int, int]:
    return file.device, file.inode, file.size, file.mtime_ns


def _judge(plan: Plan, unseen: Iterable[LocalFile], walked: Walked, roots: Sequence[Root], whole: bool) -> None:
    """Missing is only what is surely gone: its drive is there, and its folder could be listed."""
    below = tuple(_as_prefix(root.path) for root in roots)
    absent = sorted(walked.absent, key=len, reverse=True)
    lively: set[str] | None = None
    same: dict[tuple[int, int], Found] | None = None
    names: dict[str, str] | None = None
    for record in unseen:
        inside = record.path.startswith(below)
        if not inside and not whole:
            continue
        gone = next((place for place in absent if record.path == place or record.path.startswith(_as_prefix(place))), "")
        if not gone and os.path.lexists(record.path):
            # It is left out by a pattern, or outside of all roots; or it is known under another name: by a link, or with other capitals.
            same = {(found.device, found.inode): found for found in walked.files if found.inode} if same is None else same
            names = {found.path.casefold(): found.path for found in walked.files} if names is None else names
            other = names.get(record.path.casefold())
            if (found := same.get((record.device, record.inode))) is not None:
                plan.aliases.append((record, found))
            elif other and os.path.samefile(other, record.path):  # noqa: PTH121
                plan.vanished.append(record)  # until its first bytes tell that it is the other
            continue
        if lively is None:
            lively = _folders_of(found.path for found in walked.files)
        gone = gone or _empty_mount(record, lively)
        if gone:
            plan.away[gone] = plan.away.get(gone, 0) + 1
        else:
            plan.vanished.append(record)


def _empty_mount(record: LocalFile, lively: set[str]) -> str:
    """The folder in which a drive is mounted that is not there now: it is on another device than the file was, and no model is below it."""
    folder = Path(record.path).parent
    while not folder.is_dir():
        if folder == folder.parent:
            return str(folder)
        folder = folder.parent
    try:
        device = folder.stat().st_dev
    except OSError:
        return str(folder)
    elsewhere = record.device and device - (1 << 64 if device >= 1 << 63 else 0) != record.device
    return str(folder) if elsewhere and str(folder) not in lively else ""


def _folders_of(paths: Iterable[str]) -> set[str]:
    """All folders that hold one of the paths, at any depth."""
    found: set[str] = set()
    for folder in {os.path.dirname(path) for path in paths}:  # noqa: PTH120 - thousands of them
        while folder not in found:
            found.add(folder)
            folder = os.path.dirname(folder)  # noqa: PTH120
    return found


def _as_prefix(folder: str) -> str:
    return folder.rstrip(os.sep) + os.sep
