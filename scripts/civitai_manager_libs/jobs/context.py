"""What a running job has in its hands: its parameters and items, a way to report and wait, and the request to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from ..errors import CivitaiManagerError, explain
from ..reporter import StopFlag, Stopped
from .board import Board
from .store import Item, Store

MIN_INTERVAL = 0.1  # seconds between two published updates: ten a second are enough for any eye
SILENCE = 2.0  # seconds without a sign after which the silence is told


class Context:
    """Fulfils ``reporter.Patience`` and ``reporter.Reporter``; its methods may be called from several threads of one job.

    A sign of life is a number that changes, a text that changes, or another thing that is awaited. Between two of them the heartbeat tells how
    long the silence is, so that a person can tell working, waiting and dead apart.
    """

    def __init__(
        self, job_id: str, kind: str, params: dict[str, Any], board: Board, store: Store, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.job_id = job_id
        self.kind = kind
        self.stored_progress: dict[str, Any] = {}
        self.params = params
        self.stop = StopFlag()
        self._board = board
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Any] = {"text": ""}  # what the work last said
        self._awaits = self._how = ""
        self._sign = clock()
        self._waits: list[str] = []  # what the visible waits of all threads say; the newest is shown
        self._pending: dict[str, Any] = {}  # to be published
        self._published = float("-inf")
        self._ended = False

    # -- Reporter

    def update(
        self,
        *,
        done: int | None = None,
        total: int | None = None,
        text: str | None = None,
        bytes_done: int | None = None,
        bytes_total: int | None = None,
        awaits: str | None = None,
    ) -> None:
        given = {"done": done, "total": total, "text": text, "bytes_done": bytes_done, "bytes_total": bytes_total}
        with self._lock:
            changed = {name: item for name, item in given.items() if item is not None and item != self._known.get(name)}
            self._known.update(changed)
            self._pending.update(changed)
            moved = changed.keys() - ({"text"} if awaits is not None else set())
            if awaits is not None:
                if awaits != self._awaits:
                    moved.add("awaits")
                self._awaits, self._how = awaits, text or ""
            if moved:
                self._sign = self._clock()
            self._offer()

    def beat(self) -> None:
        """Publish what is due, that somebody looks after the work, and how long it has been silent. Called about once a second while it runs."""
        with self._lock:
            self._offer()

    def end(self) -> None:
        """Publish what is still held back. From here on nothing is published: the job's outcome stands."""
        with self._lock:
            if self._pending and not self._ended:
                self._publish()
            self._ended = True

    def _offer(self) -> None:
        if not self._ended and self._clock() - self._published >= MIN_INTERVAL:
            self._publish()

    def _publish(self) -> None:
        self._published = self._clock()
        silent = self._published - self._sign
        pending, self._pending = {**self._pending, "text": self._words(silent)}, {}
        self._board.set(self.job_id, quiet=round(silent, 1) if silent >= SILENCE else 0.0, **pending)

    def _words(self, silent: float) -> str:
        """What a person reads now: what is waited for, else what a silence waits for, else what the work said."""
        if self._waits and self._waits[-1]:
            return self._waits[-1]
        if self._awaits and silent >= SILENCE:
            return f"no {self._awaits} for {int(silent)} s" + (f", {self._how}" if self._how else "")
        return str(self._known["text"])

    # -- Patience

    def check(self) -> None:
        if self.stop.is_set():
            raise Stopped(self.stop.reason)

    def wait(self, seconds: float, text: str) -> None:
        self.check()
        if seconds <= 0:
            return
        if seconds < 1:  # a pause so short is part of working
            self.stop.wait(seconds)
            self.check()
            return
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + seconds))
        why = text
        said = f"{why} until {until}" if why and seconds >= 3 else why
        with self._lock:
            self._waits.append(said)
            self._pending["state"] = "waiting"
            self._offer()
        try:
            self.stop.wait(seconds)
        finally:
            with self._lock:
                self._waits.remove(said)
                if said:  # it was asked for: no silence of the work's
                    self._sign = self._clock()
                if not self._waits:  # of several threads of this job the last one
                    self._pending["state"] = "running"
                self._offer()
        self.check()

    def stopping(self, action: Callable[[], None]) -> AbstractContextManager[None]:
        return self.stop.calling(action)

    # -- items

    def items(self) -> list[Item]:
        """All items; those whose state is "queued" are still to be done."""
        return self._store.items(self.job_id)

    def plan(self, items: Iterable[Any]) -> list[Item]:
        """``items``, for a job that finds out by itself what there is to do: asked for by its first run only, a later one gets the same."""
        if not (known := self.items()):
            self._store.add_items(self.job_id, items)
            known = self.items()
        return known

    def item_done(self, item: Item, result: Any) -> None:
        item.state, item.result = "done", result
        self._store.finish_item(self.job_id, item.position, "done", result)

    def item_failed(self, item: Item, error: CivitaiManagerError | Exception) -> None:
        item.state, item.result = "failed", explain(error)
        self._store.finish_item(self.job_id, item.position, "failed", item.result)

    # -- facts that a resumed run needs

    def remember(self, **params: Any) -> None:
        """Add to the job's parameters, in the database too: a later run of this job finds them."""
        self.params.update(params)
        self._store.change(self.job_id, params=self.params)
        if "title" in params:
            self._store.change(self.job_id, title=params["title"])
            self._board.set(self.job_id, title=params["title"])
        if "model_id" in params:
            self._board.set(self.job_id, model_id=params["model_id"])
