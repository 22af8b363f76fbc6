"""What a scan has found out and not written down yet: it is committed every quarter of a second, and whatever ends the work."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..catalog.files import Files, LocalFile
from ..jobs.context import Context
from .reconcile import Records

COMMIT_EVERY = 0.25  # seconds of work that a kill may cost


class Ledger:
    def __init__(self, files: Files, records: Records, context: Context) -> None:
        self._files, self._records, self._context = files, records, context
        self._changes: list[tuple[int, dict[str, Any]]] = []
        self._new: list[LocalFile] = []
        self._moving: list[int] = []
        self._committed = time.monotonic()

    def change(self, record_id: int, **columns: Any) -> None:
        self._changes.append((record_id, columns))

    def add(self, record: LocalFile) -> None:
        self._new.append(record)

    def moved(self, record_id: int) -> None:
        """This record goes on under another name; told with the scan's result."""
        self._moving.append(record_id)

    def remember_moved(self, ids: Iterable[int]) -> None:
        """As ``moved``, at once, in the job's own parameters."""
        self._context.remember(moved=sorted({*self._context.params.get("moved", []), *ids}))

    def commit(self, *, now: bool = False) -> None:
        if not now and time.monotonic() - self._committed < COMMIT_EVERY:
            return
        if self._new:
            new, self._new = self._new, []
            # A download that has ended meanwhile knows more about its file.
            self._records.put(record for record in new if self._files.at(Path(record.path)) is None)
        if self._moving:
            self.remember_moved(self._moving)
            self._moving.clear()
        if self._changes:
            changes, self._changes = self._changes, []
            self._records.change(changes)
        self._committed = time.monotonic()

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Whatever ends the work, what is done is recorded."""
        try:
            yield
        finally:
            self.commit(now=True)
