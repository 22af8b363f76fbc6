"""Where arriving bytes go: into the part, and on their way through SHA-256 in a second thread (hashing releases the GIL)."""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from pathlib import Path

from ..reporter import Patience, Reporter

BLOCK = 1 << 20


class Sink:
    """An open part. ``written`` is its length in bytes. Not for several threads at a time."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self._hash = hashlib.sha256()
        self._queue: queue.Queue[bytes | None] = queue.Queue(maxsize=16)
        self._thread: threading.Thread | None = None
        self.written = 0

    def adopt(self, size: int, patience: Patience, reporter: Reporter) -> None:
        """Read what is here from an earlier run, so that the hash covers it, and go on writing behind it."""
        reporter.update(text="reading what arrived before")
        while self.written < size:
            patience.check()
            block = self._file.read(min(BLOCK, size - self.written))
            if not block:
                break
            self._hash.update(block)
            self.written += len(block)
            reporter.update(bytes_done=self.written)
        self._file.seek(self.written)
        self._file.truncate()

    def write(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            view = view[self._file.write(view) :]
        self.written += len(block)
        if self._thread is None:
            self._thread = threading.Thread(target=self._digest, name="civitai-manager-hash", daemon=True)
            self._thread.start()
        self._queue.put(block)

    def restart(self) -> None:
        """Forget everything: the server sends the file from its first byte."""
        self._join()
        self._hash = hashlib.sha256()
        self._file.seek(0)
        self._file.truncate()
        self.written = 0

    def sha256(self) -> str:
        """Lower-case digest of all that was written."""
        self._join()
        return self._hash.hexdigest()

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Harmless when it is closed already."""
        self._join()
        self._file.close()

    def _digest(self) -> None:
        while (block := self._queue.get()) is not None:
            self._hash.update(block)

    def _join(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
