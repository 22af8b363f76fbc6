"""Files on this computer and the versions that they are."""

from __future__ import annotations

from pathlib import Path

import msgspec

from .database import Database, bump, utc_now


class LocalFile(msgspec.Struct):
    """One file on disk. ``sha256`` is lower case, '' when not known; size in bytes, mtime in nanoseconds, as ``stat`` gives them."""

    path: str
    size: int
    mtime_ns: int
    sha256: str = ""
    model_id: int | None = None
    version_id: int | None = None
    file_id: int | None = None

    @property
    def unchanged(self) -> bool:
        """The file is still there with the size and time that were recorded, so its hash still holds."""
        try:
            found = Path(self.path).stat()
        except OSError:
            return False
        return found.st_size == self.size and found.st_mtime_ns == self.mtime_ns


class Files:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, path: Path, sha256: str, *, model_id: int | None, version_id: int | None, file_id: int | None) -> LocalFile:
        """Record a file that is whole. Raises OSError when it is not there."""
        found = path.stat()
        record = LocalFile(str(path), found.st_size, found.st_mtime_ns, sha256, model_id, version_id, file_id)
        with self._db.writing() as db:
            db.execute(
                "INSERT INTO local_files VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (path) DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns, "
                "sha256 = excluded.sha256, model_id = excluded.model_id, version_id = excluded.version_id, file_id = excluded.file_id",
                (*msgspec.structs.astuple(record), utc_now()),
            )
            bump(db, "catalog")
        return record

    def forget(self, path: str) -> None:
        """Drop a record; the file itself is not touched."""
        with self._db.writing() as db:
            db.execute("DELETE FROM local_files WHERE path = ?", (path,))
            bump(db, "catalog")

    def of_model(self, model_id: int) -> list[LocalFile]:
        return self._select("model_id = ?", model_id)

    def at(self, path: Path) -> LocalFile | None:
        return next(iter(self._select("path = ?", str(path))), None)

    def with_hash(self, sha256: str) -> list[LocalFile]:
        return self._select("sha256 = ?", sha256) if sha256 else []

    def _select(self, condition: str, value: object) -> list[LocalFile]:
        columns = ", ".join(LocalFile.__struct_fields__)
        with self._db.reading() as db:
            return [LocalFile(*row) for row in db.execute(f"SELECT {columns} FROM local_files WHERE {condition} ORDER BY added, path", (value,))]
