"""What was done to files, entry by entry: written before the disk is touched, so that it can be finished after a crash and taken back later."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import msgspec

from .database import Database, bump

KEPT = 100_000  # entries that are remembered; those that were not finished, and what lies in a trash, for ever


class Entry(msgspec.Struct):
    """One file. ``state``: planned (perhaps begun), done, undone, failed (it is where it was). The columns are described in ``schema``."""

    batch: str
    item: int
    action: str
    title: str
    source: str
    target: str
    size: int
    mtime_ns: int
    how: str = "move"
    sha256: str = ""
    file_id: int | None = None
    undoes: int | None = None
    reason: str = ""
    state: str = "planned"
    at: float = 0
    id: int = 0


COLUMNS = Entry.__struct_fields__
WRITTEN = [name for name in COLUMNS if name != "id"]


class Journal:
    def __init__(self, database: Database) -> None:
        self._db = database

    def plan(self, entries: Iterable[Entry]) -> list[Entry]:
        """Write entries down as planned; they get their ids and the time."""
        entries, now = list(entries), time.time()
        with self._db.writing() as db:
            for entry in entries:
                entry.at, entry.state = now, "planned"
                cursor = db.execute(
                    f"INSERT INTO journal ({', '.join(WRITTEN)}) VALUES ({', '.join('?' * len(WRITTEN))})", [getattr(entry, name) for name in WRITTEN]
                )
                entry.id = int(cursor.lastrowid or 0)
        return entries

    def aim(self, entry: Entry) -> None:
        """Write down where a planned entry goes, which only its number tells."""
        with self._db.writing() as db:
            db.execute("UPDATE journal SET target = ? WHERE id = ?", (entry.target, entry.id))

    def done(self, entries: Iterable[Entry]) -> None:
        """What is planned is done: as the entries are now (a file system may keep times less exactly). What they take back is undone."""
        with self._db.writing() as db:
            for entry in entries:
                entry.state = "done"
                db.execute(
                    "UPDATE journal SET state = 'done', target = ?, size = ?, mtime_ns = ?, reason = '' WHERE id = ?",
                    (entry.target, entry.size, entry.mtime_ns, entry.id),
                )
                if entry.undoes is not None:
                    db.execute("UPDATE journal SET state = 'undone' WHERE id = ?", (entry.undoes,))
            bump(db, "catalog")

    def undone(self, ids: Iterable[int]) -> None:
        """What these entries did has been taken back, by itself or with others."""
        with self._db.writing() as db:
            db.executemany("UPDATE journal SET state = 'undone' WHERE id = ? AND state = 'done'", [(one,) for one in ids])

    def failed(self, entries: Iterable[Entry], reason: str) -> None:
        with self._db.writing() as db:
            for entry in entries:
                entry.state, entry.reason = "failed", reason
                db.execute("UPDATE journal SET state = 'failed', reason = ? WHERE id = ?", (reason, entry.id))

    def planned(self) -> list[list[Entry]]:
        """What was begun and not finished, in groups of files that go together, oldest first."""
        groups: dict[tuple[str, int], list[Entry]] = {}
        for entry in self._select("state = 'planned' ORDER BY id"):
            groups.setdefault((entry.batch, entry.item), []).append(entry)
        return list(groups.values())

    def of_batch(self, batch: str, state: str = "done") -> dict[int, list[Entry]]:
        """A batch's entries in a state, by item."""
        found: dict[int, list[Entry]] = {}
        for entry in self._select("batch = ? AND state = ? ORDER BY item, id", batch, state):
            found.setdefault(entry.item, []).append(entry)
        return found

    def entries(self, ids: Iterable[int]) -> list[Entry]:
        return [entry for one in ids for entry in self._select("id = ?", one)]

    def trashed(self) -> list[Entry]:
        """What was put into a trash and not given back by us, the latest first."""
        return self._select("how = 'trash' AND state = 'done' ORDER BY id DESC")

    def last(self) -> str:
        """The latest batch of which something can be taken back (not one that took back another), '' when there is none."""
        with self._db.reading() as db:
            row = db.execute("SELECT batch FROM journal WHERE state = 'done' AND action <> 'undo' ORDER BY id DESC LIMIT 1").fetchone()
        return row[0] if row else ""

    def batches(self, limit: int) -> list[dict[str, Any]]:
        """The latest batches: batch, at, action, title, files, bytes, and how many are done, undone, failed and planned."""
        with self._db.reading() as db:
            rows = db.execute(
                "SELECT batch, min(at) AS at, action, title, count(*) AS files, total(size) AS bytes, sum(state = 'done') AS done, "
                "sum(state = 'undone') AS undone, sum(state = 'failed') AS failed, sum(state = 'planned') AS planned "
                "FROM journal GROUP BY batch ORDER BY max(id) DESC LIMIT ?",
                (limit,),
            ).fetchall()
        return [{**dict(row), "bytes": int(row["bytes"])} for row in rows]

    def forget_old(self) -> None:
        """Drop the oldest entries of what has long been finished, so that the journal does not grow without end."""
        with self._db.writing() as db:
            db.execute(
                "DELETE FROM journal WHERE id <= (SELECT coalesce(max(id), 0) FROM journal) - ? AND state <> 'planned' "
                "AND NOT (how = 'trash' AND state = 'done')",
                (KEPT,),
            )

    def _select(self, condition: str, *values: object) -> list[Entry]:
        with self._db.reading() as db:
            return [Entry(*row) for row in db.execute(f"SELECT {', '.join(COLUMNS)} FROM journal WHERE {condition}", values)]
