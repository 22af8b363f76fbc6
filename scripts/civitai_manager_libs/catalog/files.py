"""Files on this computer and the versions that they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from .database import Database, bump, utc_now
from .settle import settle


class LocalFile(msgspec.Struct):
    """One file on disk. ``sha256`` is lower case, '' when not known; size in bytes, mtime in nanoseconds, as ``stat`` gives them.

    ``model_id`` is None while it is not identified, and negative when it is only here. ``state``: here, missing, or deleted (by the person);
    ``health``: '' not looked at, whole (as far as its header tells), truncated, verified, wrong. Times in seconds since 1970. ``asked``: when
    Civitai last did not know it.
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str = ""
    model_id: int | None = None
    version_id: int | None = None
    file_id: int | None = None
    id: int = 0
    kind: str = ""
    device: int = 0
    inode: int = 0
    head: str = ""
    autov3: str = ""
    alias: str = ""
    state: str = "here"
    health: str = ""
    verified: float = 0
    asked: float = 0
    asked_times: int = 0

    @property
    def unchanged(self) -> bool:
        """The file is still there with the size and time that were recorded, so its hash still holds."""
        try:
            found = Path(self.path).stat()
        except OSError:
            return False
        return found.st_size == self.size and found.st_mtime_ns == self.mtime_ns


def trainers_names(rows: Iterable[sqlite3.Row]) -> dict[str, list[int]]:
    """Ids of networks by the name (case folded) that their trainer gave them, as the WebUI takes it: not a name that another network has, too.

    ``rows``: id, alias, sha256, kind (AUTOMATIC1111 1.10.1, ``networks.py``: ``forbidden_network_aliases``).
    """
    found: dict[str, dict[int, str]] = {}
    for row in rows:
        if row["alias"] and row["kind"] in ("lora", "lycoris"):
            found.setdefault(row["alias"].casefold(), {})[row["id"]] = row["sha256"] or str(row["id"])
    return {name: list(files) for name, files in found.items() if len(set(files.values())) == 1 and name not in ("none", "addams")}


COLUMNS = ", ".join(LocalFile.__struct_fields__)
FACTS = ("kind", "size", "mtime_ns", "device", "inode", "head", "sha256", "autov3", "alias", "model_id", "version_id", "file_id", "state", "health",
       "verified", "asked", "asked_times", "path")  # fmt: skip


class Files:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(
        self, path: Path, sha256: str, *, model_id: int | None, version_id: int | None, file_id: int | None, kind: str = "", **facts: Any
    ) -> LocalFile:
        """Record a file that is there, with what more is known of it (``facts``: fields of LocalFile). Raises OSError when it is not there."""
        found = path.stat()
        record = LocalFile(
            str(path), found.st_size, found.st_mtime_ns, sha256, model_id, version_id, file_id, kind=kind, device=_signed(found.st_dev),
            inode=_signed(found.st_ino), **facts,
        )  # fmt: skip
        self.put([record])
        return record

    def put(self, records: Iterable[LocalFile]) -> list[int]:
        """Insert or replace records by their path, in one transaction; their ids. An empty ``kind`` keeps the one that is known."""
        records = list(records)
        with self._db.writing() as db:
            before = [_model_at(db, record.path) for record in records]
            ids = [self._put(db, record) for record in records]
            settle(db, [*before, *(record.model_id for record in records)])
            bump(db, "catalog")
        return ids

    def _put(self, db: sqlite3.Connection, record: LocalFile) -> int:
        columns = [name for name in FACTS if name != "path"]
        kept = {"kind": "CASE excluded.kind WHEN '' THEN kind ELSE excluded.kind END"}
        updates = ", ".join(f"{name} = {kept.get(name, 'excluded.' + name)}" for name in columns)
        db.execute(
            f"INSERT INTO local_files (path, added, {', '.join(columns)}) VALUES (?, ?, {', '.join('?' * len(columns))}) "
            f"ON CONFLICT (path) DO UPDATE SET {updates}",
            (record.path, utc_now(), *(getattr(record, name) for name in columns)),
        )
        record.id = int(db.execute("SELECT id FROM local_files WHERE path = ?", (record.path,)).fetchone()[0])
        return record.id

    def restore(self, records: Iterable[LocalFile]) -> dict[int, int]:
        """Records of another catalog, with their numbers where these are free; the new number of each old one.

        A path that is known here keeps its record.
        """
        numbers: dict[int, int] = {}
        with self._db.writing() as db:
            touched: list[int | None] = []
            for record in records:
                old = record.id
                known = db.execute("SELECT id FROM local_files WHERE path = ?", (record.path,)).fetchone()
                if known is None:
                    free = old > 0 and db.execute("SELECT 1 FROM local_files WHERE id = ?", (old,)).fetchone() is None
                    if record.model_id is not None and record.model_id < 0:
                        record.model_id = None
                    if free:
                        db.execute(
                            "INSERT INTO local_files (id, path, size, mtime_ns, sha256, added) VALUES (?, ?, 0, 0, '', '')", (old, record.path)
                        )
                    self._put(db, record)
                    db.execute("UPDATE local_files SET added = ? WHERE id = ? AND added = ''", (utc_now(), record.id))
                    touched.append(record.model_id)
                numbers[old] = known[0] if known else record.id
            settle(db, touched)
            bump(db, "catalog")
        return numbers

    def restore_journal(self, entries: Iterable[dict[str, Any]]) -> int:
        """What was moved, from another catalog, under the same numbers, so that it can still be moved back; how many entries were put in."""
        count = 0
        with self._db.writing() as db:
            columns = {row["name"] for row in db.execute("PRAGMA table_info(journal)")}
            for entry in entries:
                if entry and set(entry) <= columns:
                    marks = ", ".join("?" * len(entry))
                    count += db.execute(f"INSERT OR IGNORE INTO journal ({', '.join(entry)}) VALUES ({marks})", list(entry.values())).rowcount
        return count

    def change(self, changes: Iterable[tuple[int, dict[str, Any]]]) -> None:
        """Set columns of records by their ids, in one transaction. A new ``path`` takes the place of a record that says it was there."""
        changes = list(changes)
        with self._db.writing() as db:
            touched: list[int | None] = []
            for file_id, columns in changes:
                assert set(columns) <= set(FACTS), columns
                touched += [row[0] for row in db.execute("SELECT model_id FROM local_files WHERE id = ?", (file_id,))]
                if "path" in columns:
                    touched.append(_model_at(db, columns["path"]))
                    db.execute("DELETE FROM local_files WHERE path = ? AND id <> ?", (columns["path"], file_id))
                db.execute(f"UPDATE local_files SET {', '.join(f'{name} = ?' for name in columns)} WHERE id = ?", (*columns.values(), file_id))
                touched.append(columns.get("model_id"))
            settle(db, touched)
            bump(db, "catalog")

    def forget(self, *paths: str) -> None:
        """Drop records; the files themselves are not touched."""
        with self._db.writing() as db:
            touched = [_model_at(db, path) for path in paths]
            db.executemany("DELETE FROM local_files WHERE path = ?", [(path,) for path in paths])
            settle(db, touched)
            bump(db, "catalog")

    def all(self) -> list[LocalFile]:
        """Every record, by path: a scan compares the disk with it."""
        return self._select("1", order="path")

    def get(self, file_id: int) -> LocalFile | None:
        return next(iter(self._select("id = ?", file_id)), None)

    def of_model(self, model_id: int) -> list[LocalFile]:
        """Those that are there, oldest record first."""
        return self._select("model_id = ? AND state = 'here'", model_id)

    def ever_of_model(self, model_id: int) -> list[LocalFile]:
        """Also those that are missing, but not what was deleted deliberately."""
        return self._select("model_id = ? AND state <> 'deleted'", model_id)

    def at(self, path: Path) -> LocalFile | None:
        return next(iter(self._select("path = ?", str(path))), None)

    def with_hash(self, sha256: str) -> list[LocalFile]:
        return self._select("sha256 = ? AND state = 'here'", sha256) if sha256 else []

    def of_kind(self, kind: str) -> list[LocalFile]:
        """Those that are there in folders of a kind."""
        return self._select("kind = ? AND state = 'here'", kind)

    def to_ask(self, now: float) -> list[LocalFile]:
        """Files with a hash that no model has yet, and that are due: Civitai is asked again after a day, two days, four ... up to 64 days."""
        return self._select(
            "state = 'here' AND sha256 <> '' AND (model_id IS NULL OR model_id < 0) "
            "AND (asked_times = 0 OR asked + 86400.0 * (1 << min(asked_times - 1, 6)) <= ?)",
            now,
        )

    def duplicates(self) -> list[list[LocalFile]]:
        """Files with equal bytes, in groups, the biggest waste first."""
        found: dict[str, list[LocalFile]] = {}
        for record in self._select(
            "state = 'here' AND sha256 IN (SELECT sha256 FROM local_files WHERE state = 'here' AND sha256 <> '' GROUP BY sha256 HAVING count(*) > 1)"
        ):
            found.setdefault(record.sha256, []).append(record)
        return sorted(found.values(), key=lambda group: -group[0].size * (len(group) - 1))

    def _select(self, condition: str, *values: object, order: str = "added, path") -> list[LocalFile]:
        with self._db.reading() as db:
            return [LocalFile(*row) for row in db.execute(f"SELECT {COLUMNS} FROM local_files WHERE {condition} ORDER BY {order}", values)]


def _model_at(db: sqlite3.Connection, path: str) -> int | None:
    row = db.execute("SELECT model_id FROM local_files WHERE path = ?", (path,)).fetchone()
    return row[0] if row else None


def _signed(number: int) -> int:
    """SQLite's integers are signed: Windows' file ids use the highest bit."""
    return number - (1 << 64) if number >= 1 << 63 else number
