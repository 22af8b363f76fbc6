"""Jobs in the database: every change of state, every finished item, so that a killed process loses nothing that was finished."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from typing import Any

import msgspec

from ..catalog.database import Database, bump, decoded, value

KEPT_FINISHED = 1000  # finished jobs that are remembered


class Record(msgspec.Struct):
    """A job as it is stored. ``created`` and ``finished`` are seconds since 1970."""

    id: str
    kind: str
    key: str
    title: str
    params: dict[str, Any]
    state: str
    owner: str | None
    request: str | None
    progress: dict[str, Any]
    result: Any
    error: dict[str, Any] | None
    created: float
    finished: float | None
    changed: int


class Item(msgspec.Struct):
    """One piece of a job's work. ``result`` is the outcome, or the error as a dict when ``state`` is failed."""

    position: int
    params: Any
    state: str = "queued"
    result: Any = None


class Store:
    def __init__(self, database: Database) -> None:
        self._db = database

    def create(self, record: Record, items: Iterable[Any]) -> Record:
        """Store a new job; or give back, unchanged, the one of this id, or else an equal request that is still active."""
        with self._db.writing() as db:
            same = (
                db.execute("SELECT * FROM jobs WHERE id = ?", (record.id,)).fetchone()
                or db.execute("SELECT * FROM jobs WHERE key = ? AND state IN ('queued', 'running', 'paused')", (record.key,)).fetchone()
            )
            if same:
                return _record(same)
            record.changed = bump(db, "jobs")
            db.execute(
                "INSERT INTO jobs (id, kind, key, title, params, state, owner, progress, created, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    record.id, record.kind, record.key, record.title, json.dumps(record.params), record.state, record.owner,
                    json.dumps(record.progress), record.created, record.changed,
                ),
            )  # fmt: skip
            db.executemany(
                "INSERT INTO job_items (job_id, position, params, state) VALUES (?, ?, ?, 'queued')",
                [(record.id, place, json.dumps(params)) for place, params in enumerate(items)],
            )
            db.execute(
                "DELETE FROM jobs WHERE state NOT IN ('queued', 'running', 'paused') AND id NOT IN "
                "(SELECT id FROM jobs WHERE state NOT IN ('queued', 'running', 'paused') ORDER BY created DESC LIMIT ?)",
                (KEPT_FINISHED,),
            )
        return record

    def change(self, job_id: str, *, if_owner: str | None = None, **columns: Any) -> int:
        """Set columns of one job (with ``if_owner`` only while it is that engine's); dicts are stored as JSON. The number of this change."""
        names = ", ".join(f"{name} = ?" for name in columns)
        values = [
            json.dumps(item) if name in ("params", "progress", "result", "error") and item is not None else item for name, item in columns.items()
        ]
        with self._db.writing() as db:
            changed = bump(db, "jobs")
            db.execute(
                f"UPDATE jobs SET {names}, changed = ? WHERE id = ? AND (? IS NULL OR owner = ?)", (*values, changed, job_id, if_owner, if_owner)
            )
        return changed

    def claim(self, job_id: str, owner: str, states: tuple[str, ...]) -> bool:
        """Take a job that nobody works on: it becomes queued, of ``owner``. False when another took it or its state is another."""
        with self._db.writing() as db:
            marks = ", ".join("?" * len(states))
            try:
                taken = db.execute(
                    "UPDATE jobs SET owner = ?, state = 'queued', error = NULL, finished = NULL, request = NULL, changed = ? "
                    f"WHERE id = ? AND (owner IS NULL OR owner = ?) AND state IN ({marks})",
                    (owner, bump(db, "jobs"), job_id, owner, *states),
                )
            except sqlite3.IntegrityError:  # an equal request was started anew meanwhile
                return False
            if taken.rowcount:
                db.execute("UPDATE job_items SET state = 'queued', result = NULL WHERE job_id = ? AND state = 'failed'", (job_id,))
            return taken.rowcount == 1

    def disown(self, owner: str, state: str) -> list[str]:
        """Unfinished jobs of an engine that has ended: nobody's now, in ``state`` unless they were paused."""
        with self._db.writing() as db:
            ids = [row[0] for row in db.execute("SELECT id FROM jobs WHERE owner = ? AND state IN ('queued', 'running', 'paused')", (owner,))]
            for job_id in ids:
                db.execute(
                    "UPDATE jobs SET owner = NULL, request = NULL, state = CASE state WHEN 'paused' THEN 'paused' ELSE ? END, changed = ? "
                    "WHERE id = ?",
                    (state, bump(db, "jobs"), job_id),
                )
            return ids

    def owners(self) -> set[str]:
        """Engines that are named by unfinished jobs."""
        with self._db.reading() as db:
            return {
                row[0] for row in db.execute("SELECT DISTINCT owner FROM jobs WHERE owner IS NOT NULL AND state IN ('queued', 'running', 'paused')")
            }

    def get(self, job_id: str) -> Record | None:
        with self._db.reading() as db:
            row = db.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return _record(row) if row else None

    def active(self) -> list[Record]:
        """Unfinished jobs, oldest first, of every process."""
        return self._select("state IN ('queued', 'running', 'paused') ORDER BY created, rowid")

    def recent(self, limit: int) -> list[Record]:
        """Unfinished jobs and, of all, the ``limit`` that were made or have ended last; oldest first."""
        newest = "SELECT id FROM jobs ORDER BY coalesce(finished, created) DESC LIMIT ?"
        return self._select(f"state IN ('queued', 'running', 'paused') OR id IN ({newest}) ORDER BY created, rowid", limit)

    def changed_since(self, changed: int) -> list[Record]:
        return self._select("changed > ? ORDER BY changed", changed)

    def last_change(self) -> tuple[int, int]:
        """The counters of jobs and of the catalog; both grow with each change by any process."""
        with self._db.reading() as db:
            return value(db, "jobs"), value(db, "catalog")

    def _select(self, condition: str, *values: Any) -> list[Record]:
        with self._db.reading() as db:
            return [_record(row) for row in db.execute(f"SELECT * FROM jobs WHERE {condition}", values)]

    def items(self, job_id: str) -> list[Item]:
        with self._db.reading() as db:
            rows = db.execute("SELECT position, params, state, result FROM job_items WHERE job_id = ? ORDER BY position", (job_id,)).fetchall()
        return [Item(row["position"], decoded(row["params"], {}), row["state"], decoded(row["result"], None)) for row in rows]

    def add_items(self, job_id: str, items: Iterable[Any]) -> None:
        """Give a job its items, unless it has some."""
        with self._db.writing() as db:
            db.executemany(
                "INSERT OR IGNORE INTO job_items (job_id, position, params, state) VALUES (?, ?, ?, 'queued')",
                [(job_id, place, json.dumps(params)) for place, params in enumerate(items)],
            )

    def finish_item(self, job_id: str, position: int, state: str, result: Any) -> None:
        with self._db.writing() as db:
            db.execute("UPDATE job_items SET state = ?, result = ? WHERE job_id = ? AND position = ?", (state, json.dumps(result), job_id, position))

    def dismiss(self, job_id: str) -> None:
        """Forget a finished job."""
        with self._db.writing() as db:
            db.execute("DELETE FROM jobs WHERE id = ? AND state NOT IN ('queued', 'running', 'paused')", (job_id,))


def new_record(job_id: str, kind: str, key: str, title: str, params: dict[str, Any], owner: str | None) -> Record:
    return Record(job_id, kind, key, title, params, "queued", owner, None, {}, None, None, time.time(), None, 0)


def _record(row: sqlite3.Row) -> Record:
    return Record(
        row["id"], row["kind"], row["key"], row["title"], decoded(row["params"], {}), row["state"], row["owner"], row["request"],
        decoded(row["progress"], {}), decoded(row["result"], None), decoded(row["error"], None), row["created"], row["finished"], row["changed"],
    )  # fmt: skip
