"""Questions to Civitai that somebody waits for: asked in threads of their own, few at a time, each once, however many pages ask.

Not jobs: nobody wants yesterday's search to go on after a restart. A page that asks something else lets go of what it asked before; what nobody
waits for is not begun, or given up.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from ...errors import Busy, explain
from ...reporter import StopFlag, Stopped

log = logging.getLogger(__name__)

THREADS = 3
QUEUED = 60
FAILURE_AGE = 45.0  # seconds for which a failure is told without asking again
MOST_FAILURES = 300


class Task:
    """One question while it is asked; it is the ``Patience`` of its own request."""

    def __init__(self, key: Hashable, topic: str, work: Callable[[Task], Any]) -> None:
        self.key, self.topic, self.work = key, topic, work
        self.askers: set[str] = set()
        self.began = time.monotonic()
        self.text = ""
        self._stop = StopFlag()
        self._over = threading.Event()
        self._listeners: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def told(self) -> dict[str, Any]:
        """How far it is: ``text`` says what is waited for, if anything but the answer."""
        return {"text": self.text, "seconds": round(time.monotonic() - self.began, 1)}

    @property
    def over(self) -> bool:
        return self._over.is_set()

    def give_up(self, reason: str = "cancel") -> None:
        self._stop.set(reason)

    def wait_until_over(self, seconds: float) -> bool:
        return self._over.wait(seconds)

    def when_over(self, action: Callable[[], None]) -> None:
        """Call this, from another thread, when there is an answer or a failure; at once when there is."""
        with self._lock:
            if not self.over:
                self._listeners.append(action)
                return
        action()

    def end(self) -> None:
        with self._lock:
            self._over.set()
            listeners, self._listeners = self._listeners, []
        for action in listeners:
            with contextlib.suppress(Exception):  # whose page has gone
                action()

    # -- Patience

    def check(self) -> None:
        if self._stop.is_set():
            raise Stopped(self._stop.reason)

    def wait(self, seconds: float, text: str) -> None:
        why, until = text, time.strftime("%H:%M:%S", time.localtime(time.time() + seconds))
        self.text = f"{why} until {until}" if why and seconds >= 3 else why
        self._stop.wait(max(0.0, seconds))
        self.text = ""
        self.check()

    @contextlib.contextmanager
    def stopping(self, action: Callable[[], None]) -> Iterator[None]:
        with self._stop.calling(action):
            yield


class Asking:
    """``name`` is that of its threads, which live only while there is something to ask."""

    def __init__(self, name: str = "civitai-manager-browse", threads: int = THREADS) -> None:
        self._name, self._most = name, threads
        self._tasks: OrderedDict[Hashable, Task] = OrderedDict()
        self._waiting: list[Task] = []
        self._failures: OrderedDict[Hashable, tuple[float, dict[str, Any]]] = OrderedDict()
        self._threads = 0
        self._closed = False
        self._lock = threading.Lock()

    def ask(self, key: Hashable, work: Callable[[Task], Any], *, topic: str = "", asker: str = "") -> Task:
        """Ask, or join who asks already. ``asker`` lets go of its questions of other topics. Raises Busy when too much is being asked."""
        with self._lock:
            if asker:
                self._leave(asker, topic)
            task = self._tasks.get(key)
            if task is None:
                if self._closed or len(self._waiting) >= QUEUED:
                    raise Busy("Too many questions to Civitai are waiting for their answers.", next_step="Wait a moment, then try again.")
                task = self._tasks[key] = Task(key, topic, work)
                self._waiting.append(task)
                self._failures.pop(key, None)
                if self._threads < self._most:
                    self._threads += 1
                    threading.Thread(target=self._run, name=self._name, daemon=True).start()
            task.askers.add(asker)
            return task

    def let_go(self, asker: str, topic: str) -> None:
        """``asker`` wants nothing else any more than what belongs to this topic."""
        with self._lock:
            self._leave(asker, topic)

    def running(self, key: Hashable) -> Task | None:
        with self._lock:
            return self._tasks.get(key)

    def failure(self, key: Hashable) -> dict[str, Any] | None:
        """Why the last question of this kind failed, as ``explain`` gives it, while that is fresh."""
        with self._lock:
            at, told = self._failures.get(key, (0.0, None))
            return told if told is not None and time.monotonic() - at < FAILURE_AGE else None

    def forget_failure(self, key: Hashable) -> None:
        with self._lock:
            self._failures.pop(key, None)

    def close(self, seconds: float = 5.0) -> None:
        with self._lock:
            self._closed = True
            tasks = list(self._tasks.values())
            for task in self._waiting:
                self._drop(task)
            self._waiting.clear()
        for task in tasks:
            task.give_up("shutdown")
        end = time.monotonic() + seconds
        for task in tasks:
            task.wait_until_over(max(0.0, end - time.monotonic()))

    def _leave(self, asker: str, topic: str) -> None:
        for task in list(self._tasks.values()):
            if task.topic == topic or asker not in task.askers:
                continue
            task.askers.discard(asker)
            if not task.askers:
                if task in self._waiting:
                    self._waiting.remove(task)
                    self._drop(task)
                else:
                    self._tasks.pop(task.key, None)  # asked anew, it is another question
                    task.give_up()

    def _drop(self, task: Task) -> None:
        self._tasks.pop(task.key, None)
        task.end()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                task = self._waiting.pop()  # what was asked last is what somebody looks at
            failure = _outcome(task)
            with self._lock:
                if self._tasks.get(task.key) is task:
                    del self._tasks[task.key]
                    if failure is not None:
                        self._failures[task.key] = (time.monotonic(), failure)
                        while len(self._failures) > MOST_FAILURES:
                            self._failures.popitem(last=False)
            task.end()


def _outcome(task: Task) -> dict[str, Any] | None:
    """Why it failed, or None."""
    try:
        task.check()
        task.work(task)
    except Stopped:
        return None
    except Exception as exc:  # told where the answer is waited for; a fault of ours is in the log, too
        told = explain(exc)
        if told["code"] == "unexpected":
            log.error("a question to Civitai failed", exc_info=exc)
        return told
    return None
