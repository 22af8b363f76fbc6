"""Who works on the jobs of a database: each engine holds a lock file for as long as it lives, so that the others know whose jobs are orphans."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from filelock import FileLock, Timeout

from .store import Store

YOUNG = 60.0  # seconds: an engine that has just made its lock may be about to take it


def _lock_of_all_threads(path: Path) -> FileLock:
    """A lock that one thread takes and another gives back."""
    try:
        return FileLock(str(path), thread_local=False)
    except TypeError:  # before filelock 3.11 all were so
        return FileLock(str(path))


class Owners:
    """``own``: the name of this engine's lock."""

    def __init__(self, store: Store, locks: Path, own: str) -> None:
        self._store, self._locks, self._own = store, locks, own
        self._alive: FileLock | None = None

    def hold(self) -> None:
        """From now on the others see that this engine lives."""
        self._locks.mkdir(parents=True, exist_ok=True)
        self._alive = _lock_of_all_threads(self._locks / f"{self._own}.lock")
        self._alive.acquire(timeout=0)

    def release(self) -> None:
        if self._alive:
            self._alive.release()
            Path(self._alive.lock_file).unlink(missing_ok=True)

    def others(self) -> int:
        """How many other programs work with this library now."""
        return sum(path.stem != self._own and not self.is_dead(path.stem) for path in self._locks.glob("*.lock"))

    def is_dead(self, owner: str) -> bool:
        lock = FileLock(self._locks / f"{owner}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        lock.release()
        return True

    def reap(self, state: str) -> list[str]:
        """Free the jobs of engines that have ended without saying so; their ids."""
        freed: list[str] = []
        for owner in self._store.owners() - {self._own}:
            if self.is_dead(owner):
                freed += self._store.disown(owner, state)
                (self._locks / f"{owner}.lock").unlink(missing_ok=True)
        return freed

    def sweep(self) -> None:
        """Remove the locks of killed engines that had no work. Young ones stay."""
        for path in self._locks.glob("*.lock"):
            with contextlib.suppress(OSError):
                if path.stem != self._own and time.time() - path.stat().st_mtime > YOUNG and self.is_dead(path.stem):
                    path.unlink()
