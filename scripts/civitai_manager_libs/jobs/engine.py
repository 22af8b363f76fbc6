"""Runs jobs in threads of its own, in lanes with limits, and never forgets one: each state is in the database before it is shown.

Several processes may share the database (``owners``); requests to pause or cancel reach the owner through the database.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..errors import CivitaiManagerError, UnknownJob, UsageError, explain
from ..reporter import Stopped
from .board import FINISHED, KEPT, Board, View, progress_of
from .context import SILENCE, Context
from .owners import Owners
from .store import Item, Record, Store, new_record

log = logging.getLogger(__name__)

TICK = 1.0  # seconds between two looks at the database and two heartbeats
INTERRUPTED = "Interrupted: the program that worked on it has ended."
REAP_EVERY = 5  # ticks between two looks for engines that have died
TICKET = re.compile(r"[0-9a-f]{12}")  # as ids are


class Kind(NamedTuple):
    """How one kind of job is run. ``run`` gives the result (JSON-ready); ``discard`` removes what a cancelled one left, by its params."""

    lane: str
    run: Callable[[Context], Any]
    discard: Callable[[dict[str, Any]], None] | None = None


class Engine:
    def __init__(self, store: Store, locks: Path, limit: Callable[[str], int]) -> None:
        self.board = Board()
        self._store = store
        self._owners = Owners(store, locks, self.board.boot)
        self._limit = limit
        self._kinds: dict[str, Kind] = {}
        self._queue: list[Record] = []
        self._running: dict[str, Context] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._again: set[str] = set()  # running jobs that are being stopped and were asked for again meanwhile
        self._own_changes: dict[str, int] = {}
        self._unstored: dict[str, dict[str, Any]] = {}  # outcomes that the database did not take yet
        self._heard: dict[str, float] = {}  # when the work of other processes last gave a sign, by our clock
        self._seen = 0
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._own_threads: list[threading.Thread] = []

    def add_kind(self, name: str, kind: Kind) -> None:
        self._kinds[name] = kind

    # -- life

    def start(self, *, resume: bool) -> None:
        """Show what the database knows, free the jobs of dead engines, and, with ``resume``, go on with them."""
        self._owners.hold()
        self._seen = self._store.last_change()[0]
        self._owners.reap("queued")
        self._owners.sweep()
        for record in self._store.recent(KEPT):
            self._show(record)
        if resume:
            for record in self._store.active():
                if record.owner is None and record.state == "queued":
                    self._take(record.id, ("queued",))
        for name, work in (("watch", self._watch), ("beat", self._beat)):
            thread = threading.Thread(target=work, name=f"civitai-manager-{name}", daemon=True)
            thread.start()
            self._own_threads.append(thread)

    def close(self, timeout: float = 10.0) -> None:
        """Stop all work at its next safe point; unfinished jobs stay in the database as queued, for the next start."""
        self._closing.set()
        with self._lock:
            self._queue.clear()
            for context in self._running.values():
                context.stop.set("shutdown")
            threads = list(self._threads.values())
        deadline = time.monotonic() + timeout
        for thread in [*threads, *self._own_threads]:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        with contextlib.suppress(Exception):
            self._store_outcomes()
        with contextlib.suppress(Exception):  # the next start sees that nobody holds the lock
            self._store.disown(self.board.boot, "queued")
        self._owners.release()

    # -- what people ask for

    def submit(
        self, kind: str, params: dict[str, Any], *, key: str, title: str, items: Iterable[Any] = (), total_bytes: int = 0, ticket: str = ""
    ) -> str:
        """Start a job and give its id at once. An equal request that is still active is joined, and goes on when it was paused or is being stopped.

        ``ticket`` becomes the id, so that a request that is sent twice starts one job (see ``started``). An ill-formed one is ignored.
        """
        record = new_record(ticket if TICKET.fullmatch(ticket) else uuid.uuid4().hex[:12], kind, f"{kind}:{key}", title, params, self.board.boot)
        items = list(items)
        record.progress = {"total": len(items), "bytes_total": total_bytes}
        with self._lock:  # whoever finds the job in the database finds it on the board too
            stored = self._store.create(record, items)
            if stored is record:
                self._enqueue(record)
            elif stored.id != record.id:
                self.keep_going(stored.id)
            if not self.board.get(stored.id):
                self._show(stored)
        return stored.id

    def keep_going(self, job_id: str) -> bool:
        """See that a job which is asked for once more goes on, also when it is just coming to rest. False when it has ended: start it anew."""
        with self._lock:
            context = self._running.get(job_id)
            if context is None:
                return self._take(job_id, ("paused", "queued")) or self._known(job_id).state in ("queued", "running", "paused")
            if context.stop.is_set():
                self._again.add(job_id)
            return True

    def started(self, ticket: str) -> str:
        """The id of the job that this ticket has started, running or ended, also before a restart; "" when there is none (or it was dismissed)."""
        if not TICKET.fullmatch(ticket):
            return ""
        with self._lock:
            if not self.board.get(ticket):
                record = self._store.get(ticket)
                if record is None:
                    return ""
                self._show(record)
        return ticket

    def pause(self, job_id: str) -> None:
        self._ask_to_stop(job_id, "pause", ("queued", "running"))

    def cancel(self, job_id: str) -> None:
        """Stop the job and remove what it left half-done."""
        self._ask_to_stop(job_id, "cancel", ("queued", "running", "paused"))

    def resume(self, job_id: str) -> None:
        """Go on with a paused, interrupted, failed or cancelled job; finished items are not done again."""
        self._known(job_id)
        if not self._take(job_id, ("paused", "failed", "cancelled", "queued")):
            raise UsageError("This job cannot be resumed: it is running, finished, or the same was started anew.")

    retry = resume

    def changes(self, since: int = 0, boot: str = "") -> dict[str, Any]:
        """For the page: see ``Board.changes``. From memory."""
        return self.board.changes(since, boot)

    def dismiss(self, job_id: str) -> None:
        """Take a finished job off the list."""
        if self._known(job_id).state not in FINISHED:
            raise UsageError("This job is not finished: cancel it first.")
        self._store.dismiss(job_id)
        self.board.remove(job_id)

    def view(self, job_id: str) -> View:
        return self.board.get(job_id) or self._show(self._known(job_id))

    def wait(self, job_id: str, timeout: float | None = None, *, until: tuple[str, ...] = (*FINISHED, "paused")) -> View:
        """Wait for one of the states; the view then, or as it is after ``timeout`` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            view = self.view(job_id)
            left = None if deadline is None else deadline - time.monotonic()
            if view.state in until or (left is not None and left <= 0):
                return view
            with self.board.changed:
                self.board.changed.wait(0.5 if left is None else min(0.5, left))

    def unfinished(self, kind: str) -> list[Record]:
        """Stored unfinished jobs of a kind, of every process."""
        return [record for record in self._store.active() if record.kind == kind]

    def items(self, job_id: str) -> list[Item]:
        """The items of a job, with their outcomes."""
        return self._store.items(job_id)

    def key(self, job_id: str) -> str:
        """What a job asks for: the keys of equal requests are equal. Raises UnknownJob."""
        return self._known(job_id).key

    def others(self) -> int:
        """How many other programs work with this library now."""
        return self._owners.others()

    # -- inside

    def _known(self, job_id: str) -> Record:
        record = self._store.get(job_id)
        if record is None:
            raise UnknownJob(f"There is no job {job_id}.")
        return record

    def _take(self, job_id: str, states: tuple[str, ...]) -> bool:
        with self._lock:
            if job_id in self._threads or any(record.id == job_id for record in self._queue) or self._known(job_id).kind not in self._kinds:
                return False
            if not self._store.claim(job_id, self.board.boot, states):
                return False
            self._enqueue(self._known(job_id))
            return True

    def _enqueue(self, record: Record) -> None:
        self._show(record, state="queued", elsewhere=False, error=None, finished=None, stopping=None, result=None, text="", quiet=0.0)
        with self._lock:
            self._queue.append(record)
        self._pump()

    def _pump(self) -> None:
        """Start waiting jobs as far as their lanes have room."""
        with self._lock:
            if self._closing.is_set():
                return
            busy: dict[str, int] = {}
            for context in self._running.values():
                lane = self._kinds[context.kind].lane
                busy[lane] = busy.get(lane, 0) + 1
            for record in list(self._queue):
                lane = self._kinds[record.kind].lane
                if busy.get(lane, 0) < self._limit(lane):
                    busy[lane] = busy.get(lane, 0) + 1
                    self._queue.remove(record)
                    context = Context(record.id, record.kind, dict(record.params), self.board, self._store)
                    thread = threading.Thread(target=self._run, args=(context,), name=f"civitai-manager-{record.kind}", daemon=True)
                    self._running[record.id], self._threads[record.id] = context, thread
                    try:
                        thread.start()
                    except RuntimeError as exc:  # the system gives no more threads: it waits for the next tick
                        log.error("job %s cannot be started yet: %s", record.id, exc)
                        del self._running[record.id], self._threads[record.id]
                        self._queue.insert(0, record)
                        return

    def _run(self, context: Context) -> None:
        job_id, kind = context.job_id, self._kinds[context.kind]
        outcome: dict[str, Any]
        try:
            self._write(job_id, if_owner=self.board.boot, state="running")
            self.board.set(job_id, state="running")
            outcome = {"state": "done", "result": msgspec.to_builtins(kind.run(context))}  # what is no JSON would break every answer to a page
        except Stopped as stopped:
            outcome = {"state": {"pause": "paused", "cancel": "cancelled"}.get(stopped.reason, "queued")}
            if stopped.reason == "cancel":
                self._discard(context.kind, context.params)
        except CivitaiManagerError as exc:
            log.warning("job %s (%s) failed: %s", job_id, context.kind, exc)
            outcome = {"state": "failed", "error": explain(exc)}
        except BaseException as exc:  # whatever the work raised: the log has it, the tray says it, the lane goes on
            log.exception("job %s (%s) failed", job_id, context.kind)
            outcome = {"state": "failed", "error": explain(exc)}
        context.end()  # the last report may still be held back
        with self._lock:  # in one step, so that whoever sees the outcome can resume it, and nobody stops what has ended
            self._finish(job_id, if_owner=self.board.boot, **outcome)  # a closed engine's late thread: the job may be another's by now
            self._running.pop(job_id, None)
            self._threads.pop(job_id, None)
            if job_id in self._again:
                self._again.remove(job_id)
                self._take(job_id, ("paused", "cancelled"))
        self._pump()

    def _finish(self, job_id: str, state: str, *, result: Any = None, error: dict[str, Any] | None = None, if_owner: str | None = None) -> None:
        finished = time.time() if state in FINISHED else None
        view = self.board.get(job_id)
        progress = {**progress_of(view), "state": state, "text": ""} if view else {}
        columns = {"state": state, "owner": None, "request": None, "result": result, "error": error, "finished": finished, "progress": progress}
        try:
            self._write(job_id, if_owner=if_owner, **columns)
        except Exception as exc:  # noqa: BLE001 - a full or broken disk must not hide the outcome from the person, nor block the lane
            log.error("job %s is %s, but that could not be stored yet: %s", job_id, state, exc)
            if if_owner:  # else it is nobody's, and may be another's by the time of another try
                self._unstored[job_id] = {"if_owner": if_owner, **columns}
        self._heard.pop(job_id, None)
        self.board.set(job_id, state=state, result=result, error=error, finished=finished, stopping=None, text="", quiet=0.0)

    def _store_outcomes(self) -> None:
        """Once more what the database did not take."""
        with self._lock:
            for job_id, columns in list(self._unstored.items()):
                self._write(job_id, **columns)
                del self._unstored[job_id]

    def _write(self, job_id: str, *, if_owner: str | None = None, **columns: Any) -> None:
        with self._lock:  # the watcher must not see a change of ours before it is known as ours
            self._own_changes[job_id] = self._store.change(job_id, if_owner=if_owner, **columns)

    def _discard(self, kind: str, params: dict[str, Any]) -> None:
        discard = self._kinds[kind].discard if kind in self._kinds else None
        if discard:
            try:
                discard(params)
            except Exception as exc:  # noqa: BLE001 - it is cancelled all the same
                log.warning("what a cancelled %s left could not be removed: %s", kind, exc)

    def _ask_to_stop(self, job_id: str, reason: str, states: tuple[str, ...]) -> None:
        with self._lock:
            if job_id in self._running:
                self._again.discard(job_id)
                self._running[job_id].stop.set(reason)
                self.board.set(job_id, stopping=reason)
                return
            record = self._known(job_id)
            if record.state not in states:
                raise UsageError(
                    "This job cannot be cancelled: it has ended." if reason == "cancel" else "This job cannot be paused: it is not at work."
                )
            if record.owner not in (None, self.board.boot) and not self._owners.is_dead(record.owner):
                self._write(job_id, request=reason)
                self.board.set(job_id, stopping=reason)
                return
            self._queue = [waiting for waiting in self._queue if waiting.id != job_id]
            if reason == "cancel":
                self._discard(record.kind, record.params)
            self._finish(job_id, "cancelled" if reason == "cancel" else "paused")

    def _show(self, record: Record, **fields: Any) -> View:
        progress = {name: item for name, item in record.progress.items() if name not in ("state", "quiet")}
        state = record.state
        if state == "running" and record.progress.get("state") == "waiting":
            state = "waiting"
        interrupted = state == "queued" and record.owner is None  # nobody works on it, and only a person (or the next start) goes on
        if interrupted:
            state, progress["text"] = "paused", INTERRUPTED
        shown = {
            "kind": record.kind, "title": record.title, "state": state, "created": record.created, "model_id": record.params.get("model_id"),
            **progress, "error": record.error, "result": record.result, "finished": record.finished, "stopping": record.request,
            "elsewhere": record.owner not in (None, self.board.boot), "quiet": self._silence_of(record), **fields,
        }  # fmt: skip
        self.board.set(record.id, **shown)
        view = self.board.get(record.id)
        assert view is not None
        return view

    # -- signs of life

    def _beat(self) -> None:
        """In a thread of its own that waits for nothing: neither a locked database nor a slow disk makes living work look dead."""
        while not self._closing.wait(TICK):
            try:
                for context in self._running.copy().values():
                    context.beat()
                for job_id, heard in self._heard.copy().items():
                    silent = time.monotonic() - heard
                    self.board.grow_quiet(job_id, round(silent, 1) if silent >= SILENCE else 0.0)
            except Exception:  # it must outlive any trouble of one job
                log.exception("a sign of life failed; trying again")

    def _silence_of(self, record: Record) -> float:
        """How long the work of another process had been silent when it last said something; from here on ``_beat`` counts."""
        if record.state != "running" or record.owner in (None, self.board.boot):
            self._heard.pop(record.id, None)
            return 0.0
        quiet = record.progress.get("quiet") or 0.0
        self._heard[record.id] = time.monotonic() - quiet
        return quiet

    # -- watching the database

    def _watch(self) -> None:
        ticks = 0
        while not self._closing.wait(TICK):
            ticks += 1
            try:
                self._pump()
                self._store_outcomes()
                self._tell()
                self._look()
                if ticks % REAP_EVERY == 0:
                    for job_id in self._owners.reap("paused"):
                        self._show(self._known(job_id), text=INTERRUPTED)
            except Exception:  # the watcher must outlive a locked or full disk; the log has it, and the next tick tries again
                log.exception("looking after the jobs failed; trying again")

    def _tell(self) -> None:
        for context in self._running.copy().values():
            view = self.board.get(context.job_id)
            if view:
                progress = progress_of(view)
                if progress != context.stored_progress:
                    self._write(context.job_id, if_owner=self.board.boot, progress={**progress, "quiet": view.quiet})
                    context.stored_progress = progress

    def _look(self) -> None:
        """Take over what other processes changed or asked for."""
        jobs, catalog = self._store.last_change()
        self.board.revision = catalog
        if jobs == self._seen:
            return
        for record in self._store.changed_since(self._seen):
            self._seen = max(self._seen, record.changed)
            with self._lock:
                context = self._running.get(record.id)
                if context or any(waiting.id == record.id for waiting in self._queue):
                    asked = context.stop.reason if context else ""
                    if record.request and asked not in (record.request, "cancel"):  # also when a change of ours came after the request
                        self._ask_to_stop(record.id, record.request, ("queued", "running"))
                elif self._own_changes.get(record.id, 0) < record.changed:  # else it is older than what is shown
                    self._show(record)
