"""How fast one host is asked: shared by all threads, so that one answer "slow down" slows all of them."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import RateLimited
from ..reporter import Patience

WAITING = "waiting for Civitai"
LONGEST_SPACING = 30.0
LONGEST_WAIT = 15 * 60.0
"""A longer wait than this is not waited for: RateLimited names the time instead."""

_VISIBLE = 1.0  # shorter waits are not worth showing as a state of a job
_GLANCE = 0.25  # how often an invisible wait looks whether it was asked to stop


class Governor:
    """At most ``in_flight`` requests at a time, ``spacing`` seconds between two starts.

    The spacing doubles when the host says that it is too much (``throttled``), up to 30 s, and comes back step by step with each success.
    """

    def __init__(self, in_flight: int, spacing: float) -> None:
        self._base = spacing
        self._spacing = spacing
        self._free = in_flight
        self._next_start = 0.0
        self._paused_until = 0.0
        self._throttled_at = 0.0
        self._change = threading.Condition()

    @property
    def spacing(self) -> float:
        """Seconds between two starts, as it is now."""
        return self._spacing

    @contextmanager
    def turn(self, patience: Patience) -> Iterator[float]:
        """Wait for a turn, hold it while the request runs; gives the monotonic time of its start. Raises RateLimited, Stopped."""
        while True:
            patience.check()
            pause = self._take()
            if pause is None:
                break
            if pause >= _VISIBLE:
                patience.wait(pause, WAITING)
        try:
            yield time.monotonic()
        finally:
            with self._change:
                self._free += 1
                self._change.notify()

    def _take(self) -> float | None:
        """None: the turn is taken. Else the seconds still to wait (0 when a short wait was done here already)."""
        with self._change:
            now = time.monotonic()
            if self._paused_until - now > LONGEST_WAIT:
                raise RateLimited(until=local_time(self._paused_until - now))
            pause = max(self._next_start, self._paused_until) - now
            if pause >= _VISIBLE:
                return pause
            if pause > 0:
                self._change.wait(min(pause, _GLANCE))
                return 0.0
            if self._free <= 0:
                self._change.wait(_GLANCE)
                return 0.0
            self._free -= 1
            self._next_start = now + self._spacing
            return None

    def throttled(self, started: float, pause: float) -> None:
        """The request that started then was told to slow down: nobody starts one in the next ``pause`` seconds.

        Several answers to requests of the same moment count once for the spacing.
        """
        with self._change:
            now = time.monotonic()
            if started >= self._throttled_at:
                self._spacing = min(LONGEST_SPACING, max(self._spacing, 0.05) * 2)
                self._throttled_at = now
            self._paused_until = max(self._paused_until, now + max(pause, self._spacing))

    def succeeded(self) -> None:
        """An ordinary answer: come a step nearer to the base spacing."""
        if self._spacing > self._base:
            with self._change:
                self._spacing = max(self._base, self._spacing * 0.7)


def local_time(seconds: float) -> str:
    """The time so many seconds from now: ISO 8601 in the local zone, with its offset, so that its clock part can be shown."""
    return (datetime.datetime.now().astimezone() + datetime.timedelta(seconds=seconds)).isoformat(timespec="seconds")
