"""What a page may know of the jobs, in memory: read by every poll, so nothing here waits or touches the disk."""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from typing import Any

import msgspec

KEPT = 200  # jobs shown; unfinished ones all
REMEMBERED = 1000  # removals; a page that was away for longer is given everything anew
WINDOW = 6.0  # seconds over which the speed is measured
CAN = {
    "queued": ("pause", "cancel"),
    "running": ("pause", "cancel"),
    "waiting": ("pause", "cancel"),
    "paused": ("resume", "cancel"),
    "failed": ("retry", "dismiss"),
    "done": ("dismiss",),
    "cancelled": ("retry", "dismiss"),
}
FINISHED = ("done", "failed", "cancelled")


class View(msgspec.Struct):
    """A job as people see it. Bytes and bytes per second; times in seconds since 1970; ``eta`` in seconds; ``seq`` orders changes.

    ``beat`` is the time at which this view was last looked after, at least every 2 s while the job runs. ``quiet``: seconds since its work last
    gave a sign, 0 while it moves.
    """

    id: str
    kind: str
    title: str
    state: str
    created: float
    model_id: int | None = None
    done: int = 0
    total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    speed: float | None = None
    eta: float | None = None
    text: str = ""
    stopping: str | None = None
    error: dict[str, Any] | None = None
    result: Any = None
    finished: float | None = None
    elsewhere: bool = False
    quiet: float = 0.0
    beat: float = 0.0
    seq: int = 0
    can: tuple[str, ...] = ()


class Board:
    """All views, a number for each change, and ``boot``: another value after every start, so that a page notices and reads all again."""

    def __init__(self) -> None:
        self.boot = uuid.uuid4().hex[:12]
        self.revision = 0  # of the catalog: when it grows, cards may have changed
        self._views: dict[str, View] = {}
        self._gone: deque[tuple[int, str]] = deque()
        self._forgotten = 0  # the number of the newest removal that is no longer in ``_gone``
        self._samples: dict[str, deque[tuple[float, int]]] = {}
        self._seq = 0
        self._lock = threading.Lock()
        self.changed = threading.Condition(self._lock)

    def set(self, job_id: str, **fields: Any) -> None:
        """Change (or, with all fields of a View that have no default, add) one view and tell whoever waits."""
        with self._lock:
            view = self._views.get(job_id)
            if view is None:
                view = self._views[job_id] = View(id=job_id, **fields)
            else:
                for name, item in fields.items():
                    setattr(view, name, item)
            self._put(view)

    def grow_quiet(self, job_id: str, quiet: float) -> None:
        """For work of another process, as long as it is shown as running: it has not been heard of for ``quiet`` seconds."""
        with self._lock:
            view = self._views.get(job_id)
            if view is not None and view.elsewhere and view.state in ("running", "waiting"):
                view.quiet = quiet
                self._put(view)

    def remove(self, job_id: str) -> None:
        with self._lock:
            if job_id in self._views:
                self._drop(job_id)
                self.changed.notify_all()

    def get(self, job_id: str) -> View | None:
        """A copy, so that the reader's does not change under it."""
        with self._lock:
            view = self._views.get(job_id)
            return msgspec.structs.replace(view) if view else None

    def changes(self, since: int = 0, boot: str = "") -> dict[str, Any]:
        """Everything that changed after ``since`` of this ``boot``, JSON-ready.

        ``complete``: these are all jobs, and what else a page knows is gone. So it is for another boot, and for a page that was away for so
        long that what was removed meanwhile is forgotten.
        """
        with self._lock:
            complete = boot != self.boot or since <= 0 or since < self._forgotten
            since = 0 if complete else since
            return {
                "boot": self.boot,
                "seq": self._seq,
                "complete": complete,
                "revision": self.revision,
                "now": time.time(),
                "active": sum(view.state in ("queued", "running", "waiting") for view in self._views.values()),
                "jobs": [msgspec.to_builtins(view) for view in self._views.values() if view.seq > since],
                "removed": [] if complete else [job_id for seq, job_id in self._gone if seq > since],
            }

    def _put(self, view: View) -> None:
        self._measure(view)
        view.can = CAN.get(view.state, ()) if not view.stopping else ()
        view.beat = time.time()
        self._seq += 1
        view.seq = self._seq
        self._trim(view.id)
        self.changed.notify_all()

    def _drop(self, job_id: str) -> None:
        del self._views[job_id]
        self._samples.pop(job_id, None)
        self._seq += 1
        self._gone.append((self._seq, job_id))
        if len(self._gone) > REMEMBERED:
            self._forgotten = self._gone.popleft()[0]

    def _measure(self, view: View) -> None:
        if view.state != "running" or not view.bytes_total:
            self._samples.pop(view.id, None)
            view.speed = view.eta = None
            return
        now = time.monotonic()
        samples = self._samples.setdefault(view.id, deque())
        if not samples or view.bytes_done < samples[-1][1]:  # it began again from zero
            samples.clear()
        samples.append((now, view.bytes_done))
        while len(samples) > 2 and now - samples[0][0] > WINDOW:
            samples.popleft()
        elapsed = now - samples[0][0]
        if elapsed >= 0.5:
            view.speed = (view.bytes_done - samples[0][1]) / elapsed
            left = max(0, view.bytes_total - view.bytes_done)
            view.eta = left / view.speed if view.speed > 0 else None

    def _trim(self, asked_for: str) -> None:
        if len(self._views) <= KEPT:
            return
        finished = [view for view in self._views.values() if view.state in FINISHED and view.id != asked_for]
        for view in sorted(finished, key=lambda view: view.finished or 0)[: len(self._views) - KEPT]:
            self._drop(view.id)


def progress_of(view: View) -> dict[str, Any]:
    """The part of a view that is worth keeping in the database, for the next start and for other processes."""
    return {name: getattr(view, name) for name in ("state", "done", "total", "bytes_done", "bytes_total", "text")}
