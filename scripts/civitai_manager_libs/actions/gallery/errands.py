"""Questions to Civitai that a page waits for: each is asked once, by a thread of its own, and whoever asks looks in again until it is answered.

They are no jobs: nothing is lost when one is dropped, so it is not kept, not shown in the tray, and given up when nobody looks in any more.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from ...errors import CivitaiManagerError
from ...reporter import Patience, Stopped

log = logging.getLogger(__name__)

AT_A_TIME = 4
FORGOTTEN = 30.0  # seconds after which a question that nobody looks after is given up
TOLD = 60.0  # seconds for which a failure is kept for whoever asked


class Waiting(NamedTuple):
    """Not answered yet: for how many seconds, and what it waits for, if it is known."""

    seconds: float
    text: str


class Errand:
    """One question on its way; the ``Patience`` of its requests."""

    def __init__(self, closing: threading.Event) -> None:
        self.begun = self.looked_in = time.monotonic()
        self.text = ""
        self.ended = 0.0
        self.error: CivitaiManagerError | None = None
        self._closing = closing

    @property
    def forgotten(self) -> bool:
        return time.monotonic() - self.looked_in > FORGOTTEN

    def check(self) -> None:
        if self._closing.is_set() or self.forgotten:
            raise Stopped("shutdown" if self._closing.is_set() else "cancel")

    def wait(self, seconds: float, text: str) -> None:
        until = time.monotonic() + seconds
        self.text = text
        while (left := until - time.monotonic()) > 0:
            self.check()
            self._closing.wait(min(0.5, left))
        self.text = ""
        self.check()

    def stopping(self, action: Callable[[], None]) -> AbstractContextManager[None]:
        return contextlib.nullcontext()


class Errands:
    """``ask`` never waits. What an errand finds out it keeps itself, where its asker finds it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._known: dict[Hashable, Errand] = {}
        self._queue: list[tuple[Hashable, Callable[[Patience], Any]]] = []
        self._threads = 0

    def ask(self, key: Hashable, work: Callable[[Patience], Any]) -> Waiting:
        """Send ``work`` on its way, unless an equal question is. Raises its failure, once; the next time it is asked anew."""
        now = time.monotonic()
        with self._lock:
            self._sweep(now)
            errand = self._known.get(key)
            if errand is not None and errand.error is not None:
                del self._known[key]
                raise errand.error
            if errand is None:
                errand = self._known[key] = Errand(self._closing)
                self._queue.append((key, work))
                self._hire()
            errand.looked_in = now
            return Waiting(round(now - errand.begun, 1), errand.text)

    def close(self) -> None:
        """Nothing further is asked; what is on its way ends at its next safe point."""
        self._closing.set()
        with self._lock:
            self._queue.clear()

    def _hire(self) -> None:
        if self._threads < AT_A_TIME and not self._closing.is_set():
            self._threads += 1
            threading.Thread(target=self._run, name="civitai-manager-errand", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._queue or self._closing.is_set():
                    self._threads -= 1
                    return
                key, work = self._queue.pop(0)
                errand = self._known[key]
            self._do(key, errand, work)

    def _do(self, key: Hashable, errand: Errand, work: Callable[[Patience], Any]) -> None:
        error: CivitaiManagerError | None = None
        try:
            errand.check()
            work(errand)
        except Stopped:
            pass
        except CivitaiManagerError as exc:
            error = exc
        except Exception:  # a fault of ours: the log has it, the gallery says it, the next question is asked
            if not self._closing.is_set():  # else the catalog is closed by now
                log.exception("a question to Civitai failed")
            error = CivitaiManagerError("Something went wrong while Civitai was asked.")
        with self._lock:
            errand.error, errand.ended = error, time.monotonic()
            if error is None:
                self._known.pop(key, None)

    def _sweep(self, now: float) -> None:
        old = [key for key, one in self._known.items() if one.error is not None and now - one.ended > TOLD]
        for key in old:
            del self._known[key]
