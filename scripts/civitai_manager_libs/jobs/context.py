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


class Context:
    """Fulfils ``reporter.Patience`` and ``reporter.Reporter``; its methods may be called from several threads of one job."""

    def __init__(self, job_id: str, kind: str, params: dict[str, Any], board: Board, store: Store) -> None:
        self.job_id = job_id
        self.kind = kind
        self.stored_progress: dict[str, Any] = {}
        self.params = params
        self.stop = StopFlag()
        self._board = board
        self._store = store
        self._lock = threading.Lock()
        self._pending: dict[str, Any] = {}
        self._published = 0.0
        self._waiting = 0

    # -- Reporter

    def update(
        self,
        *,
        done: int | None = None,
        total: int | None = None,
        text: str | None = None,
        bytes_done: int | None = None,
        bytes_total: int | None = None,
    ) -> None:
        given = {"done": done, "total": total, "text": text, "bytes_done": bytes_done, "bytes_total": bytes_total}
        with self._lock:
            self._pending.update({name: item for name, item in given.items() if item is not None})
            if time.monotonic() - self._published >= MIN_INTERVAL:
                self._publish()

    def beat(self) -> None:
        """Publish what is due, and that the work is alive. Called about once a second while the job runs."""
        with self._lock:
            self._publish()

    def _publish(self) -> None:
        self._published = time.monotonic()
        pending, self._pending = self._pending, {}
        self._board.set(self.job_id, **pending)

    # -- Patience

    def check(self) -> None:
        if self.stop.is_set():
            raise Stopped(self.stop.reason)

    def wait(self, seconds: float, text: str) -> None:
        self.check()
        if seconds <= 0:
            return
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + seconds))
        visible = seconds >= 1  # a shorter pause is part of working
        with self._lock:
            self._waiting += visible
            self._pending["text"] = f"{text} until {until}" if seconds >= 3 else text
            if visible:
                self._pending["state"] = "waiting"
                self._publish()
        try:
            self.stop.wait(seconds)
        finally:
            with self._lock:
                self._waiting -= visible
                if visible and not self._waiting:  # of several threads of this job the last one
                    self._pending.update(state="running", text="")
                    self._publish()
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
