"""What running work knows of the world that watches it: report progress, wait, and stop when asked to.

``Patience`` is the part that ``civitai`` and ``transfer`` need, so that a wait is visible and can be ended by the person who started it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class Stopped(BaseException):
    """The work was asked to stop: ``reason`` is "pause", "cancel" or "shutdown". A BaseException, so that no handler takes it for a failure."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Patience(Protocol):
    """How long-running code waits."""

    def check(self) -> None:
        """Raise ``Stopped`` when the work was asked to stop."""
        ...

    def wait(self, seconds: float, text: str) -> None:
        """Wait visibly. Raises ``Stopped`` at once when asked to stop.

        ``text`` names what is waited for, without the time: somebody asked for this pause. "" says that it is the work's own pause, within
        what it awaits (``Reporter.update``): its silence goes on.
        """
        ...

    def stopping(self, action: Callable[[], None]) -> AbstractContextManager[None]:
        """While inside, a request to stop also calls ``action``, from another thread: to wake a read that waits for bytes."""
        ...


class Reporter(Protocol):
    """How long-running code tells how far it is. Cheap: call it as often as is natural, it throttles."""

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
        """Any of the values, as they are now; what is None stays.

        ``awaits``: what a silent stretch from here on would wait for ("byte", "answer from Civitai"), so that it can be said: "no byte for
        14 s". "": nothing in particular. A ``text`` that is given with it says how ("no byte for 34 s, reconnecting") and is no progress.
        """
        ...


def track(
    items: Iterable[T], reporter: Reporter | None = None, *, total: int | None = None, text: str | Callable[[T], str] | None = None
) -> Iterator[T]:
    """The items, with progress: a signal at the beginning and one for each item that is done. ``text``: words, or what says them of an item.

    Without a reporter it only iterates. A reporter that fails does not break the work; ``Stopped`` passes through.
    """
    if reporter is None:
        yield from items
        return
    broken = False

    def tell(**progress: Any) -> None:
        nonlocal broken
        try:
            reporter.update(**progress)
        except Exception:  # a bar that cannot be drawn must not stop the work; the log says so once
            if not broken:
                log.exception("progress cannot be reported; the work goes on")
            broken = True

    if total is None and isinstance(items, Sized):
        total = len(items)
    tell(done=0, total=total, text=text if isinstance(text, str) else None)
    for done, item in enumerate(items, start=1):
        yield item
        tell(done=done, text=text(item) if callable(text) else None)


class Plain:
    """Patience and Reporter for code that runs outside a job: sleeps, says nothing, never stops."""

    def check(self) -> None:
        pass

    def wait(self, seconds: float, text: str) -> None:
        time.sleep(max(0.0, seconds))

    def stopping(self, action: Callable[[], None]) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def update(self, **progress: object) -> None:
        pass


class StopFlag:
    """A request to stop, from any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._actions: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self.reason = ""

    def set(self, reason: str) -> None:
        with self._lock:
            if not self.reason or (self.reason, reason) == ("pause", "cancel"):  # a cancel after a pause counts; a pause after a cancel does not
                self.reason = reason
            actions = list(self._actions)
        self._event.set()
        for action in actions:
            action()

    @contextlib.contextmanager
    def calling(self, action: Callable[[], None]) -> Iterator[None]:
        """While inside, ``set`` also calls ``action``; at once when it is set already."""
        with self._lock:
            self._actions.append(action)
        if self.is_set():
            action()
        try:
            yield
        finally:
            with self._lock:
                self._actions.remove(action)

    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        return self._event.wait(seconds)
