"""Sums over the whole library: what there is, how much, since when, and what is not well. A few grouped queries."""

from __future__ import annotations

import sqlite3
from typing import Any

from .database import Database, value

TOP = 20  # the most files or models that are named in a list
MONTH = 30 * 86400.0

# A file's type and base model: those of its model and its version, else what its folder and its model say.
_FILES = """
    FROM local_files f LEFT JOIN models m ON m.id = f.model_id LEFT JOIN versions v ON v.id = f.version_id WHERE f.state = 'here'
"""
_TYPE = "coalesce(nullif(m.type, ''), f.kind)"
_BASE = "coalesce(nullif(v.base_model, ''), (SELECT json_extract(m.base_models, '$[0]') WHERE json_valid(m.base_models)), '')"
_UNUSED = "m.here > 0 AND m.used < ?"


class Statistics:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._kept: tuple[tuple[int, int], dict[str, Any]] | None = None

    def collect(self, now: float) -> dict[str, Any]:
        """Everything but free space, JSON-ready; see ``actions.statistics.collect``. ``now``: seconds since 1970.

        Kept until the catalog changes: 100,000 files take about a second.
        """
        with self._db.reading() as db:
            known = (value(db, "catalog"), int(now // 3600))
            if self._kept is None or self._kept[0] != known:
                self._kept = (known, _collect(db, now))
            return dict(self._kept[1])


def _collect(db: sqlite3.Connection, now: float) -> dict[str, Any]:
    return {
        "total": _one(db, "SELECT count(*) AS files, total(size) AS bytes FROM local_files WHERE state = 'here'"),
        "models": db.execute("SELECT count(*) FROM models").fetchone()[0],
        "types": _grouped(db, _TYPE),
        "bases": _grouped(db, _BASE),
        "devices": _list(
            db,
            "SELECT device, count(*) AS files, total(size) AS bytes, min(path) AS path FROM local_files WHERE state = 'here' "
            "GROUP BY device ORDER BY bytes DESC",
        ),
        "growth": _list(
            db,
            "SELECT substr(added, 1, 7) AS month, count(*) AS files, total(size) AS bytes FROM local_files WHERE state = 'here' "
            "GROUP BY month ORDER BY month",
        ),
        "biggest": _list(db, f"SELECT f.path, f.size, f.model_id, m.name {_FILES} ORDER BY f.size DESC, f.path LIMIT {TOP}"),
        "unused": _unused(db, now),
        "broken": _files(db, "f.state = 'here' AND f.health IN ('truncated', 'wrong')"),
        "missing": _files(db, "f.state = 'missing'"),
        "unknown": _files(db, "f.state = 'here' AND (f.model_id < 0 OR f.model_id IS NULL)"),
        "not_asked": db.execute(
            "SELECT count(*) FROM local_files WHERE state = 'here' AND (model_id < 0 OR model_id IS NULL) AND asked_times = 0"
        ).fetchone()[0],
        "gone": _models(db, "m.gone = 1"),
        "duplicates": _duplicates(db),
        "updates": _one(db, "SELECT coalesce(sum(newer = 1), 0) AS available, coalesce(sum(newer = 2), 0) AS early FROM models"),
    }


def _one(db: sqlite3.Connection, query: str, *values: object) -> dict[str, Any]:
    return _whole(db.execute(query, values).fetchone())


def _list(db: sqlite3.Connection, query: str, *values: object) -> list[dict[str, Any]]:
    return [_whole(row) for row in db.execute(query, values)]


def _whole(row: sqlite3.Row) -> dict[str, Any]:
    """``total`` gives a float, so that no sum overflows; bytes are whole."""
    return {name: int(told) if name in ("bytes", "wasted") else told for name, told in dict(row).items()}


def _grouped(db: sqlite3.Connection, what: str) -> list[dict[str, Any]]:
    return _list(db, f"SELECT {what} AS name, count(*) AS files, total(f.size) AS bytes {_FILES} GROUP BY 1 ORDER BY bytes DESC, 1")


def _files(db: sqlite3.Connection, condition: str) -> dict[str, Any]:
    """How many files, their bytes, and the biggest of them."""
    return {
        **_one(db, f"SELECT count(*) AS files, total(f.size) AS bytes FROM local_files f WHERE {condition}"),
        "items": _list(
            db, f"SELECT f.path, f.size, f.model_id, f.health FROM local_files f WHERE {condition} ORDER BY f.size DESC, f.path LIMIT {TOP}"
        ),
    }  # fmt: skip


def _models(db: sqlite3.Connection, condition: str, *values: object) -> dict[str, Any]:
    """How many models, the bytes of their files, and those of them that take the most."""
    return {
        **_one(db, f"SELECT count(*) AS models, total(m.bytes) AS bytes FROM models m WHERE {condition}", *values),
        "items": _list(
            db, f"SELECT m.id AS model_id, m.name, m.bytes, m.here AS files, m.used FROM models m WHERE {condition} "
            f"ORDER BY m.bytes DESC, m.id LIMIT {TOP}", *values,
        ),
    }  # fmt: skip


def _unused(db: sqlite3.Connection, now: float) -> dict[str, Any]:
    """Models with files that were never used, or not for half a year. ``recorded``: since when any use is known, 0 when the host tells none.

    Then nothing can be said, and nothing is.
    """
    first = db.execute("SELECT min(used) FROM models WHERE used > 0").fetchone()[0]
    if first is None:
        return {"recorded": 0, "models": 0, "bytes": 0, "items": []}
    return {"recorded": first, **_models(db, _UNUSED, now - 6 * MONTH)}


def _duplicates(db: sqlite3.Connection) -> dict[str, Any]:
    """Files with equal bytes; a file that has two names on its drive takes its room once."""
    groups = _list(
        db,
        "SELECT sha256, max(size) AS size, count(*) AS copies, "
        "max(size) * (count(DISTINCT CASE inode WHEN 0 THEN path ELSE device || ':' || inode END) - 1) AS wasted "
        "FROM local_files WHERE state = 'here' AND sha256 <> '' GROUP BY sha256 HAVING count(*) > 1 ORDER BY wasted DESC",
    )
    paths = "SELECT path FROM local_files WHERE state = 'here' AND sha256 = ? ORDER BY path"
    items = [{**group, "paths": [row[0] for row in db.execute(paths, (group["sha256"],))]} for group in groups[:TOP]]
    return {"groups": len(groups), "files": sum(one["copies"] for one in groups), "wasted": sum(one["wasted"] for one in groups), "items": items}
