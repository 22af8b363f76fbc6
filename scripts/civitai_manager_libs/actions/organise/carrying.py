"""Carry out a plan: group by group, each written into the journal before the disk is touched, so that a killed run is finished by the next.

A group is done whole or not at all: after a failure in its middle every file goes back to where it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from filelock import FileLock, Timeout

from ...catalog.journal import Entry
from ...disk import hashing, moving, trash
from ...disk.sidecars import moved as sidecars_moved
from ...disk.walk import signed
from ...errors import Changed, CivitaiManagerError, DiskError, SomeFailed, TrashFailed, UsageError
from ...jobs.context import Context
from ...jobs.store import Item
from ...reporter import Patience, Stopped
from ..services import Services
from . import groups, plans
from .groups import Group

log = logging.getLogger(__name__)

AT_ONCE = 100  # groups that are compared with the disk before the job starts; the job compares all
SHOWN = 200
ACTIONS = tuple(plans.TITLES)

EntriesOf = Callable[[Item], list[Entry]]
Afterwards = Callable[[Item, list[Entry]], None]


class _Asked(msgspec.Struct):
    key: str
    check: str
    name: str = ""
    problem: str = ""


class _Plan(msgspec.Struct):
    """What is read of a plan that comes back."""

    action: str
    groups: list[_Asked]
    request: dict[str, Any] = {}


def start(services: Services, plan: Mapping[str, Any], ticket: str = "") -> str:
    """Start the job that carries out a plan (or the part of it that is sent back); its id is the batch in the journal.

    Raises UsageError for what is no plan or an empty one, Changed when something is no longer as the plan says.
    """
    try:
        asked = msgspec.convert(dict(plan), _Plan)
    except msgspec.ValidationError as exc:
        raise UsageError(f"This is not a plan: {exc}.", next_step="Make a new one.") from None
    if asked.action not in ACTIONS:
        raise UsageError(f"There is no action named {asked.action[:40]!r}.")
    wanted = [group for group in asked.groups if not group.problem]
    if not wanted:
        raise UsageError("There is nothing to do in this plan.", next_step="Look at what it says of each file.")
    if len(wanted) <= AT_ONCE:
        for group in wanted:
            _checked(plans.again(services, asked.action, asked.request, group.key), group.check)
    items = [{"key": group.key, "check": group.check, "name": group.name} for group in wanted]
    key = hashlib.sha256(msgspec.json.encode([asked.action, asked.request, items])).hexdigest()
    params = {"action": asked.action, "request": asked.request}
    title = plans.title(asked.action, [one.name for one in wanted])
    return services.jobs.submit("organise", params, key=key, title=title, items=items, ticket=ticket)


def _checked(group: Group, check: str) -> Group:
    """Raises Changed unless the group is what the plan says."""
    if group.problem:
        raise Changed(f"{group.name}: {group.problem}", reason=group.code, paths=[part.path for part in group.parts])
    if group.check != check:
        raise Changed(
            f"{group.name}, or a file that belongs to it, is no longer as the plan says.", reason="changed", paths=[part.path for part in group.parts]
        )
    return group


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job. ``batch``: for undo; ``done``: groups, with their ``files`` and ``bytes``; ``notes``. Raises SomeFailed, which has the same facts."""
    action, request = context.params["action"], context.params["request"]

    def entries_of(item: Item) -> list[Entry]:
        group = _checked(plans.again(services, action, request, item.params["key"]), item.params["check"])
        if action == "duplicates":
            _verify_copies(context, group)
        entry = {"batch": context.job_id, "item": item.position, "action": action, "title": plans.title(action, [group.name])}
        return [
            Entry(**entry, source=part.path, target=part.to, size=part.size, mtime_ns=part.mtime_ns, how=part.how, sha256=part.sha256,
                  file_id=part.file_id)
            for part in group.parts
        ]  # fmt: skip

    def afterwards(item: Item, entries: list[Entry]) -> None:
        if action == "duplicates":
            _hand_over(services, item.params["key"], entries)

    return Worker(services, context).run(entries_of, afterwards)


def _verify_copies(context: Context, group: Group) -> None:
    """Every byte of the file that stays and of those that go, before anything is moved."""
    for path in (group.about["keep_path"], *(part.path for part in group.parts if part.file_id is not None)):
        context.update(text=f"reading {Path(path).name}")
        try:
            digest, _ = hashing.digests(Path(path), context, lambda _: None)
        except OSError as exc:
            raise DiskError(f"{path} cannot be read: {exc.strerror}.", path=path) from exc
        if digest != group.about["hash"]:
            raise Changed(f"{path} is no copy: its bytes are others than were recorded.", next_step="Verify it, or scan again.", path=path)


def _hand_over(services: Services, key: str, entries: Sequence[Entry]) -> None:
    """What the person said of a copy that was an entry of its own goes to the one that stays: they are one model."""
    kept = next(iter(groups.records_of(services, key.partition(">")[2])), None)
    for entry in entries:
        record = services.files.get(entry.file_id) if entry.file_id is not None else None
        if record is None or kept is None or kept.model_id is None or record.model_id in (None, kept.model_id) or (record.model_id or 0) > 0:
            continue
        services.models.adopt(record.model_id or 0, kept.model_id)
        services.files.change([(record.id, {"model_id": kept.model_id, "version_id": kept.version_id, "file_id": kept.file_id})])


@contextlib.contextmanager
def alone(services: Services, patience: Patience) -> Iterator[None]:
    """While inside, no other program with this library moves files; what another one has left half-done is then surely nobody's."""
    lock = FileLock(str(services.thumbnails.with_name("organise.lock")))
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            patience.wait(1, "another program is moving files of this library")
    try:
        yield
    finally:
        lock.release()


class Worker:
    """Does entries of the journal, forwards, and back again when one of a group fails."""

    def __init__(self, services: Services, context: Context) -> None:
        self.services, self.context = services, context
        self.journal = services.journal
        self.kinds: set[str] = set()
        self.notes: list[str] = []
        self._bytes = 0
        self._roots = [folder.absolute() for folders in services.host.folders().values() for folder in folders]

    def run(self, entries_of: EntriesOf, afterwards: Afterwards) -> dict[str, Any]:
        """All items of the job. ``entries_of`` gives what is to be done for one, or raises; ``afterwards`` may be called twice after a kill."""
        with alone(self.services, self.context):
            try:
                self.replay()
                self._items(self.context.items(), entries_of, afterwards)
            finally:
                if self.kinds:
                    self.services.host.refresh(self.kinds)
        self.journal.forget_old()
        items = self.context.items()
        done = [item for item in items if item.state == "done"]
        failed = [{"name": item.params.get("name", ""), **item.result} for item in items if item.state == "failed"]
        facts = {
            "batch": self.context.job_id, "done": len(done), "files": sum(item.result["files"] for item in done),
            "bytes": sum(item.result["bytes"] for item in done), "notes": self.notes,
        }  # fmt: skip
        if failed and len(items) == 1:
            raise SomeFailed.from_dict({**failed[0], **facts})
        if failed:
            raise SomeFailed(f"{len(failed)} of {len(items)} could not be done.", failed=failed[:SHOWN], failures=len(failed), **facts)
        return facts

    def _items(self, items: Sequence[Item], entries_of: EntriesOf, afterwards: Afterwards) -> None:
        finished = self.journal.of_batch(self.context.job_id)
        for place, item in enumerate(items):
            self.context.update(done=place, total=len(items), text=str(item.params.get("name", "")))
            if item.state != "queued":
                continue
            self.context.check()
            try:
                entries = finished.get(item.position)  # by a run that was killed before it could say so
                if entries is None:
                    entries = self.journal.plan(entries_of(item))
                    self.do(entries)
                afterwards(item, entries)
                self.context.item_done(item, {"files": len(entries), "bytes": sum(entry.size for entry in entries)})
            except CivitaiManagerError as exc:
                self.context.item_failed(item, exc)
        self.context.update(done=len(items), total=len(items), text="")

    def replay(self) -> int:
        """Finish what a killed run has begun, whichever it was; how many groups. What can be neither finished nor taken back stays planned."""
        count = 0
        for entries in self.journal.planned():
            self.context.update(text=f"finishing: {entries[0].title}")
            try:
                self.do(entries, resuming=True)
            except CivitaiManagerError as exc:
                log.warning("organise: %s was not finished: %s", entries[0].title, exc)
                self.notes.append(f"{entries[0].title}, which was interrupted, was taken back: {exc}")
            count += 1
        return count

    def do(self, entries: list[Entry], *, resuming: bool = False) -> None:
        """All of a group or nothing. Raises CivitaiManagerError, Stopped."""
        for place, entry in enumerate(entries):
            try:
                self._step(entry, resuming=resuming)
            except (CivitaiManagerError, OSError, Stopped) as exc:
                begun = entries if resuming else entries[:place]
                self._back(begun, entries, "stopped" if isinstance(exc, Stopped) else str(exc))
                if isinstance(exc, OSError):
                    raise DiskError(f"{entry.source}: {exc.strerror}.", path=entry.source) from exc
                raise
        self._beside(entries)
        for entry in entries:
            self._measure(entry)
        self._record(entries)
        self.journal.done(entries)

    def _back(self, begun: list[Entry], entries: list[Entry], reason: str) -> None:
        """Every file to where it was. When even that fails the group stays planned, and the next run tries to finish it."""
        for entry in reversed(begun):
            try:
                self._undo_step(entry)
            except (CivitaiManagerError, OSError) as exc:
                log.error("organise: %s could not be put back to %s: %s", entry.target, entry.source, exc)
                self.notes.append(f"{entry.source} could not be put back yet: {exc}")
                return
        self.journal.failed(entries, reason)

    # -- single files

    def _step(self, entry: Entry, *, resuming: bool) -> None:
        source, target = Path(entry.source), Path(entry.target)
        if os.path.lexists(source) and not moving.same(source, entry.size, entry.mtime_ns):
            raise Changed(f"{source} was changed meanwhile.", reason="changed", path=str(source))
        if entry.how == "trash":
            self._throw(entry, resuming=resuming)
        elif entry.how == "copy":
            moving.copy(source, target, self.context, self._progress, resuming=resuming)
        elif entry.how == "drop":
            moving.drop(source, target, self.context)
            moving.remove_empty(source.parent, self._roots)
        else:
            moving.move(source, target, self.context, self._progress, resuming=resuming)
            if trash.is_within(source):
                trash.given_back(source)
            else:
                moving.remove_empty(source.parent, self._roots)

    def _undo_step(self, entry: Entry) -> None:
        """Take back what a step has done, if it has done anything."""
        source, target, quiet = Path(entry.source), Path(entry.target or entry.source), _Quiet()
        moving.clean(source, target)
        if entry.how == "trash":
            place = self._thrown(entry)
            if not os.path.lexists(source):
                if place is None:
                    raise TrashFailed(f"{source} is in the system's trash, which does not tell where.", next_step="Restore it there.")
                moving.move(place, source, quiet, self._progress)
                trash.given_back(place)
            elif place is not None and trash.is_own(place) and moving.equal(source, place, quiet):
                place.unlink()
                trash.given_back(place)
        elif entry.how == "drop":
            if not os.path.lexists(source) and os.path.lexists(target):
                moving.copy(target, source, quiet, self._progress)
        elif not os.path.lexists(source):
            if os.path.lexists(target):
                moving.move(target, source, quiet, self._progress)
        elif os.path.lexists(target) and not moving.is_one_entry(source, target) and moving.equal(source, target, quiet):
            target.unlink()  # the second name of one file, or the copy that was made; with other bytes it is not ours

    def _throw(self, entry: Entry, *, resuming: bool) -> None:
        source = Path(entry.source)
        own = trash.own_place(source, self._roots, entry.batch, entry.id)
        if resuming and not os.path.lexists(source):
            place = self._thrown(entry)
            if place is None and trash.tells():
                raise DiskError(f"{source} is no longer there.", next_step="Scan the library.", path=str(source))
            entry.target = str(place or "")
            return
        if not (resuming and os.path.lexists(own)) and not self.services.settings.own_trash and trash.system_takes(source, entry.size):
            try:
                trash.move_to_trash(source)
                entry.target = str(trash.find(source, entry.size, entry.mtime_ns) or "")
                return
            except TrashFailed as exc:
                if not os.path.lexists(source):
                    raise
                log.info("organise: our own folder is taken, since %s", exc)
        entry.target = str(own)
        self.journal.aim(entry)
        trash.describe(own, source, entry.size, entry.mtime_ns, entry.sha256, entry.at)
        try:
            moving.move(source, own, self.context, self._progress, resuming=resuming)
        finally:
            if not os.path.lexists(own):
                trash.given_back(own)

    def _thrown(self, entry: Entry) -> Path | None:
        """Where the file is that this entry has put into a trash."""
        own = trash.own_place(Path(entry.source), self._roots, entry.batch, entry.id)
        places = [Path(entry.target)] if entry.target else []
        found = next((place for place in (*places, own) if os.path.lexists(place)), None)
        return found or trash.find(Path(entry.source), entry.size, entry.mtime_ns)

    def _progress(self, count: int) -> None:
        self._bytes += count
        self.context.update(bytes_done=self._bytes)

    # -- afterwards

    def _beside(self, entries: Sequence[Entry]) -> None:
        """Small files that name their model by its path are told the new one."""
        renames = {entry.source: entry.target for entry in entries if entry.how in ("move", "copy") and not trash.is_within(Path(entry.source))}
        for entry in entries:
            if entry.file_id is None and entry.how == "move":
                try:
                    sidecars_moved.correct(Path(entry.target), renames)
                except CivitaiManagerError as exc:
                    self.notes.append(str(exc))

    def _measure(self, entry: Entry) -> None:
        """Size and time as they are now; the time may be kept less exactly on another file system."""
        with contextlib.suppress(OSError):
            if entry.target and entry.how != "drop":
                status = Path(entry.target).lstat()
                entry.size, entry.mtime_ns = status.st_size, status.st_mtime_ns

    def _record(self, entries: Sequence[Entry]) -> None:
        """The catalog, and the host's cache of hashes."""
        changes: list[tuple[int, dict[str, Any]]] = []
        for entry in entries:
            record = self.services.files.get(entry.file_id) if entry.file_id is not None else None
            if record is None:
                continue
            self.kinds.add(record.kind or "other")
            if entry.how == "trash":
                changes.append((record.id, {"state": "deleted"}))
                continue
            path = Path(entry.target)
            status = path.stat()
            kind = max(
                ((kind, folder) for kind, folders in self.services.host.folders().items() for folder in folders if folder.absolute() in path.parents),
                key=lambda one: (len(one[1].parts), one[0] == record.kind), default=(record.kind, path),
            )[0]  # fmt: skip
            self.kinds.add(kind)
            changes.append((record.id, {
                "path": str(path), "state": "here", "kind": kind, "size": status.st_size, "mtime_ns": status.st_mtime_ns,
                "device": signed(status.st_dev), "inode": signed(status.st_ino),
            }))  # fmt: skip
            if record.sha256:
                self.services.host.remember_sha256(path, kind, record.sha256)
        if changes:
            self.services.files.change(changes)


class _Quiet:
    """Patience for putting things back, which is not stopped half-way."""

    def check(self) -> None:
        pass

    def wait(self, seconds: float, text: str) -> None:
        pass

    def stopping(self, action: Any) -> Any:
        return contextlib.nullcontext()

