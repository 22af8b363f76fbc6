from __future__ import annotations

import time


class Timer:
    """Seconds of wall clock by name since the previous record."""

    def __init__(self) -> None:
        self.records: dict[str, float] = {}
        self.last = time.perf_counter()

    def record(self, name: str) -> None:
        now = time.perf_counter()
        self.records[name] = self.records.get(name, 0.0) + now - self.last
        self.last = now

    def reset(self) -> None:
        self.records.clear()
        self.last = time.perf_counter()

    def summary(self) -> str:
        parts = ", ".join(f"{name}: {seconds:.2f}s" for name, seconds in self.records.items() if seconds >= 0.01)
        return f"{sum(self.records.values()):.1f}s ({parts})"


startup_timer = Timer()
