"""Find out what is on the disk: walk, compare with the catalog, read what is new, ask Civitai what it is.

The catalog is what a resumed scan goes by: each file is recorded when it has been looked at and again when it has been hashed, so a killed scan
reads nothing twice. What only this job knows (which records it moved, what is to be fetched) is in the job's parameters before it is done.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from ..catalog.files import LocalFile
from ..disk import claimed, hashing
from ..disk.heads import Head, kind_of_folder, look
from ..disk.walk import Found, Root, Walked, lines, sweep, walk
from ..errors import UsageError
from ..jobs.context import Context
from ..transfer.partial import Part
from . import identify, reconcile
from .ledger import COMMIT_EVERY, Ledger
from .reconcile import BROKEN, Records
from .services import Services

log = logging.getLogger(__name__)

FIRST_ASK, ASK_SLOWER = 60.0, 4  # seconds of hashing until Civitai is asked about what is known by then, and the factor to the next time
DAY = 86400.0
NETWORKS = ("lora", "lycoris")  # of which the host keeps the hash of the tensors
SHOWN = 5


def start(services: Services, folders: Sequence[str] = (), ticket: str = "") -> str:
    """Start the job for everything, or for some folders only; its id. Raises UsageError for a folder that is not there."""
    chosen = [str(Path(folder).expanduser().absolute()) for folder in folders]
    for folder in chosen:
        if not Path(folder).is_dir():
            raise UsageError(f"{folder} is not a folder that can be scanned.", next_step="Check its name, and that its drive is there.")
    title = "Scan the library" if not chosen else f"Scan {chosen[0]}" if len(chosen) == 1 else f"Scan {len(chosen)} folders"
    return services.jobs.submit("scan", {"folders": chosen}, key="\n".join(chosen), title=title, ticket=ticket)


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job. ``files``, ``missing``, ``truncated``, ``identified`` and ``unknown`` are how it is now, the other numbers what this scan did."""
    return _Scan(services, context).run()


def roots(services: Services, folders: Sequence[str] = ()) -> list[Root]:
    """What is to be walked: some folders, each of the kind of the host's root that holds it, or all that the host and the settings name."""
    known = [Root(str(path), kind) for kind, paths in services.host.folders().items() for path in paths]
    if not folders:
        extra = [Root(str(Path(line).expanduser().absolute())) for line in lines(services.settings.scan_folders)]
        return list({root.path: root for root in reversed([*known, *extra])}.values())[::-1]
    inside = [root for root in known if any(Path(root.path).is_relative_to(folder) for folder in folders)]
    around = {
        folder: max((root for root in known if Path(folder).is_relative_to(root.path)), key=lambda root: len(root.path), default=Root("")).kind
        for folder in folders
    }
    return [*inside, *(Root(folder, kind) for folder, kind in around.items())]


class _Scan:
    def __init__(self, services: Services, context: Context) -> None:
        self.services, self.context = services, context
        self.failed: list[dict[str, str]] = []
        self.notes: list[str] = []
        self.records = Records(services.files)
        self._bytes = 0
        self._lock = threading.Lock()
        self._ledger = Ledger(services.files, self.records, context)

    def run(self) -> dict[str, Any]:
        services, context = self.services, self.context
        folders = context.params.get("folders") or []
        context.update(text="looking for files", done=0, total=0, bytes_done=0, bytes_total=0)
        around = roots(services, folders)
        walked = walk(around, lines(services.settings.scan_exclude), context.check)
        records = self.records.all()
        if "before" not in context.params:
            context.remember(before=max((record.id for record in records), default=0))
        plan = reconcile.compare(records, walked, around, whole=not folders)
        self._record(plan)
        paths = {found.path for found in walked.files}
        changed = self._look(plan.unread, walked)
        self._hash(changed, paths)
        self._reunite(paths)
        asked = identify.run(services, context, self.records, paths)
        self.notes += [_away(place, count) for place, count in plan.away.items()] + asked
        self.notes += self._told_failures()
        swept = sweep(walked.temporary, time.time() - DAY)
        return self._result(walked, paths, around, swept, sum(plan.away.values()), whole=not folders)

    # -- what needs no reading

    def _record(self, plan: reconcile.Plan) -> None:
        """Moves, returns and losses, in one transaction. Moved files first leave their old names, since two may have changed places."""
        if plan.moved:
            self._ledger.remember_moved(record.id for record, _ in plan.moved)
        changes: list[tuple[int, dict[str, Any]]] = [(record.id, {"path": f"{record.path}\n{record.id}"}) for record, _ in plan.moved]
        for record, found in plan.moved:
            kind = found.kind or kind_of_folder(Path(found.path)) or record.kind
            changes.append((record.id, {"path": found.path, "state": "here", "kind": kind}))
        changes += [(record.id, {"state": "here"}) for record in plan.back]
        changes += [(record.id, {"state": "missing"}) for record in plan.vanished]
        changes += [(record.id, {"kind": kind}) for record, kind in plan.kinds]
        self.records.change(changes)
        known = {record.path: record for record in self.records.all()} if plan.aliases else {}
        for record, found in plan.aliases:
            other = known.get(found.path)
            if other is None or other.model_id is None:
                continue  # not before the other is known as well
            if record.model_id is not None and record.model_id < 0:
                self.services.models.adopt(record.model_id, other.model_id)
            self.records.forget(record.path)

    # -- first bytes

    def _look(self, unread: list[tuple[Found, LocalFile | None]], walked: Walked) -> list[tuple[LocalFile, Head]]:
        """Record what is new and what was never looked at; the changed files, which are still recorded as they were."""
        changed: list[tuple[LocalFile, Head]] = []
        if not unread:
            return changed
        lost: dict[str, list[LocalFile]] = {}
        for one in self.records.all():
            if one.state == "missing" and one.head:
                lost.setdefault(one.head, []).append(one)
        stems = Counter(os.path.splitext(found.path)[0] for found in walked.files)  # noqa: PTH122
        with self._ledger.committing():
            for done, (found, record) in enumerate(unread):
                self.context.check()
                self.context.update(done=done, total=len(unread), text="looking at new files")
                path = Path(found.path)
                try:
                    head = look(path)
                except OSError as exc:
                    self._fail(found.path, exc)
                    continue
                alone = stems[os.path.splitext(found.path)[0]] == 1  # noqa: PTH122
                if record is not None and reconcile.same_bytes(record, found):
                    self._complete(record, head)
                elif (old := _recognised(lost, head, path)) is not None:
                    self._ledger.moved(old.id)
                    place = {"path": found.path, "device": head.device, "inode": head.inode, **_kind(found, head)}
                    self._ledger.change(old.id, state="here", alias=head.alias, **place)
                elif record is None:
                    self._ledger.add(LocalFile(
                        found.path, head.size, head.mtime_ns, self._claimed(path, found.kind or head.kind, head, alone), kind=found.kind or head.kind,
                        device=head.device, inode=head.inode, head=head.print, autov3=head.autov3, alias=head.alias, health=head.health,
                    ))  # fmt: skip
                elif head.health in BROKEN:
                    self._changed(record, head, "")
                elif digest := self._claimed(path, record.kind, head, alone):
                    self._changed(record, head, digest)
                else:
                    changed.append((record, head))
                self._ledger.commit()
        self.context.update(done=len(unread))
        return changed

    def _claimed(self, path: Path, kind: str, head: Head, alone: bool) -> str:
        """The hash as the host or a sidecar has it, when that is plausible."""
        if head.health in BROKEN:
            return ""
        return self.services.host.known_sha256(path, kind) or claimed.read(path, head.size, head.mtime_ns, alone=alone).sha256

    def _complete(self, record: LocalFile, head: Head) -> None:
        """A file that an import or an older version of this program has recorded: it is what it was, with more known of it."""
        health = record.health if record.health in ("verified", "wrong") else head.health
        self._ledger.change(
            record.id, head=head.print, health=health, device=head.device, inode=head.inode, autov3=record.autov3 or head.autov3,
            alias=head.alias, kind=record.kind or head.kind,
        )  # fmt: skip

    def _changed(self, record: LocalFile, head: Head, digest: str, *, verified: float = 0.0, autov3: str = "") -> None:
        """Other bytes under a known name, or the same ones with another time. An entry of its own stays the file's; Civitai's is looked for anew."""
        columns: dict[str, Any] = {
            "size": head.size, "mtime_ns": head.mtime_ns, "device": head.device, "inode": head.inode, "head": head.print, "sha256": digest,
            "autov3": autov3 or head.autov3, "alias": head.alias, "health": head.health, "verified": verified, "state": "here",
        }  # fmt: skip
        if digest and digest == record.sha256:
            columns["health"] = record.health if record.health == "verified" else head.health
        else:
            columns.update(version_id=None, file_id=None, asked=0, asked_times=0)
            if record.model_id is not None and record.model_id > 0:
                columns["model_id"] = None
        self._ledger.change(record.id, **columns)

    # -- all bytes

    def _hash(self, changed: list[tuple[LocalFile, Head]], paths: set[str]) -> None:
        """Hash what nobody claims to know, side by side; each result is committed soon, and told to the host."""
        heads = {record.id: head for record, head in changed}
        wanted = [record for record, _ in changed]
        wanted += [
            record
            for record in self.records.here(paths)
            if not record.sha256 and record.health not in BROKEN and record.id not in heads
        ]
        if not wanted:
            return
        total = sum(heads[record.id].size if record.id in heads else record.size for record in wanted)
        self.context.update(done=0, total=len(wanted), bytes_done=0, bytes_total=total, text="reading files")
        threads = self.services.settings.hash_threads or max(1, (os.cpu_count() or 2) // 2)
        ask_at, patience = time.monotonic() + FIRST_ASK, FIRST_ASK
        workers = ThreadPoolExecutor(threads, thread_name_prefix="civitai-manager-hash", initializer=hashing.low_priority)
        with workers as pool, self._ledger.committing():
            running: dict[Future[tuple[str, str]], LocalFile] = {}
            waiting, done = iter(wanted), 0
            try:
                while True:
                    for record in _some(waiting, threads * 2 - len(running)):
                        running[pool.submit(self._digests, record, heads.get(record.id))] = record
                    if not running:
                        break
                    for future in wait(running, timeout=COMMIT_EVERY, return_when=FIRST_COMPLETED).done:
                        record = running.pop(future)
                        self._hashed(record, future, heads.get(record.id))
                        done += 1
                    self.context.update(done=done)
                    self.context.check()
                    self._ledger.commit()
                    if time.monotonic() > ask_at:
                        patience *= ASK_SLOWER
                        self._ledger.commit(now=True)
                        identify.ask(self.services, self.context, self.records, paths)
                        ask_at = time.monotonic() + patience
                        self.context.update(text="reading files")
            except BaseException:  # stopped or failed: raised again when what has arrived is kept
                pool.shutdown(wait=True, cancel_futures=True)
                for future, record in running.items():  # what has arrived meanwhile is kept
                    if future.done() and not future.cancelled() and future.exception() is None:
                        self._hashed(record, future, heads.get(record.id))
                raise

    def _digests(self, record: LocalFile, head: Head | None) -> tuple[str, str]:
        """``head``: of a file that was changed since it was recorded."""
        tensors = record.kind in NETWORKS and not (head or record).autov3
        return hashing.digests(Path(record.path), self.context, self._read, tensors=tensors)

    def _read(self, count: int) -> None:
        with self._lock:
            self._bytes += count
            self.context.update(bytes_done=self._bytes)

    def _hashed(self, record: LocalFile, future: Future[tuple[str, str]], head: Head | None) -> None:
        try:
            digest, tensors = future.result()
            status = Path(record.path).stat()
        except OSError as exc:
            self._fail(record.path, exc)
            return
        expected = (head.size, head.mtime_ns) if head else (record.size, record.mtime_ns)
        if (status.st_size, status.st_mtime_ns) != expected:
            self.failed.append({"path": record.path, "reason": "it is being written; the next scan reads it"})
            return
        if head is not None:
            self._changed(record, head, digest, verified=time.time(), autov3=tensors[:12])
        else:
            self._ledger.change(record.id, sha256=digest, verified=time.time(), **({"autov3": tensors[:12]} if tensors else {}))
        self.services.host.remember_sha256(Path(record.path), record.kind, digest, tensors)

    def _reunite(self, paths: set[str]) -> None:
        """A new file with the bytes of a missing one is that one, under another name: its record, with all that hangs on it, goes on."""
        records = self.records.all()
        missing: dict[str, list[LocalFile]] = {}
        for record in records:
            if record.state == "missing" and record.sha256:
                missing.setdefault(record.sha256, []).append(record)
        if not missing:
            return
        with self._ledger.committing():
            for record in self.records.here(paths):
                if record.model_id is not None or record.sha256 not in missing:
                    continue
                same = missing[record.sha256]
                if not same:
                    continue
                old = same.pop(_best(same, Path(record.path)))
                self._ledger.moved(old.id)
                facts = ("size", "mtime_ns", "device", "inode", "head", "autov3", "alias", "kind", "verified")
                health = old.health if old.health == "verified" and not record.verified else record.health
                self._ledger.change(old.id, path=record.path, state="here", health=health, **{name: getattr(record, name) for name in facts})

    # -- telling

    def _fail(self, path: str, exc: OSError) -> None:
        log.info("scan: %s cannot be read (%s)", path, exc.strerror)
        self.failed.append({"path": path, "reason": exc.strerror or type(exc).__name__})

    def _told_failures(self) -> list[str]:
        if not self.failed:
            return []
        reasons = "; ".join(f"{one['path']}: {one['reason']}" for one in self.failed[:SHOWN]) + ("; ..." if len(self.failed) > SHOWN else "")
        return [f"{len(self.failed)} files could not be read, and the next scan tries again: {reasons}"]

    def _result(self, walked: Walked, paths: set[str], around: list[Root], swept: int, away: int, *, whole: bool) -> dict[str, Any]:
        params, records, here = self.context.params, self.records.all(), self.records.here(paths)
        below = tuple(root.path.rstrip(os.sep) + os.sep for root in around)
        moved = set(params.get("moved", []))
        return {
            "files": len(walked.files),
            "new": sum(record.id > params["before"] for record in here),
            "moved": len(moved),
            "missing": sum(record.state == "missing" and (whole or record.path.startswith(below)) for record in records),
            "away": away,
            "truncated": sum(record.health == "truncated" for record in here),
            "identified": sum(record.model_id is not None and record.model_id > 0 for record in here),
            "unknown": sum(record.model_id is None or record.model_id < 0 for record in here),
            "requests": params.get("requests", 0),
            "failed": self.failed,
            "parts": self._parts(walked.parts),
            "swept": swept,
            "notes": self.notes,
        }

    def _parts(self, paths: Iterable[str]) -> list[dict[str, Any]]:
        """Unfinished downloads without a job. ``resumable``: ours, so that the same download goes on with it."""
        targets = {str(record.params.get("target")) for record in self.services.jobs.unfinished("download")}
        found = []
        for path in map(Path, paths):
            target = path.with_suffix("")
            if str(target) in targets:
                continue
            try:
                size = path.stat().st_size
            except OSError:
                continue
            identity = Part(target).known()
            about = {"version_id": identity.version_id, "file_id": identity.file_id, "total": identity.size} if identity else {}
            found.append({"path": str(path), "size": size, "resumable": identity is not None, **about})
        return found


def _recognised(lost: dict[str, list[LocalFile]], head: Head, path: Path) -> LocalFile | None:
    """The missing record of a file that was moved to another drive: equal ends, size and time. Those of other times wait for the hash.

    When several fit, and they are not copies of one file, the hash decides too.
    """
    fit = [record for record in lost.get(head.print, ()) if record.size == head.size and abs(record.mtime_ns - head.mtime_ns) <= reconcile.SAME_TIME]
    if not fit or len({record.sha256 for record in fit}) > 1:
        return None
    found = fit[_best(fit, path)]
    lost[head.print].remove(found)
    return found


def _best(records: list[LocalFile], path: Path) -> int:
    """The place of the one with the same name, else of the first."""
    return next((place for place, record in enumerate(records) if Path(record.path).name == path.name), 0)


def _kind(found: Found, head: Head) -> dict[str, str]:
    return {"kind": found.kind or head.kind} if found.kind or head.kind else {}


def _some(iterator: Iterator[LocalFile], count: int) -> Iterator[LocalFile]:
    for _ in range(count):
        try:
            yield next(iterator)
        except StopIteration:
            return


def _away(place: str, count: int) -> str:
    return f"{place} is not there (is its drive connected?): {count} known {'file' if count == 1 else 'files'} below it stay as they are."
