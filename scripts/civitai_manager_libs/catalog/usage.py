"""Models by what a generated picture or the host's cards call them: hashes, names and paths of files here; and when they were last used."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from .database import Database, bump

FRESH = 60.0  # seconds within which another use is not worth a change of the library
KINDS = {"lora": ("lora", "lycoris"), "lycoris": ("lora", "lycoris"), "checkpoint": ("checkpoint", "unet")}


class Usage:
    def __init__(self, database: Database) -> None:
        self._db = database

    def models_of(self, hashes: Iterable[str], names: Iterable[tuple[str, str]]) -> set[int]:
        """Ids of models (below zero: only here) with files of these hashes (SHA-256 or AutoV3, or their beginnings: lower case, eight digits and
        more), or of exactly these names (kind of the folder or "", name without extension)."""
        with self._db.reading() as db:
            found = {row for digest in hashes for row in _by_hash(db, digest)}
            found |= {row for kind, name in names for row in _by_name(db, kind, name)}
        return found

    def mark(self, used: Mapping[int, float]) -> None:
        """Set when models were last used, seconds since 1970; never back in time."""
        if not used:
            return
        with self._db.writing() as db:
            changed = 0
            for model_id, at in used.items():
                changed += db.execute("UPDATE models SET used = ? WHERE id = ? AND used < ?", (at, model_id, at - FRESH)).rowcount
            if changed:
                bump(db, "catalog")

    def cards(self, paths: Iterable[str]) -> dict[str, dict[str, Any]]:
        """By path of a file: model, version, name, version_name, base_model, note, words (the person's first set, else []), negative, weight."""
        found: dict[str, dict[str, Any]] = {}
        with self._db.reading() as db:
            for path in paths:
                row = db.execute(
                    "SELECT f.model_id AS model, f.version_id AS version, m.name, m.note, m.negative, m.weight, m.own_level, m.level, "
                    "v.name AS version_name, v.base_model FROM local_files f JOIN models m ON m.id = f.model_id "
                    "LEFT JOIN versions v ON v.id = f.version_id WHERE f.path = ? AND f.state = 'here'",
                    (path,),
                ).fetchone()
                if row is not None:
                    found[path] = {**dict(row), "sets": _sets(db, row["model"])}
        return found


def _by_hash(db: sqlite3.Connection, digest: str) -> list[int]:
    if len(digest) < 8:
        return []
    rows = db.execute(
        "SELECT model_id FROM local_files WHERE sha256 <> '' AND sha256 >= ? AND sha256 < ? AND model_id IS NOT NULL "
        "UNION SELECT model_id FROM local_files WHERE autov3 <> '' AND (autov3 LIKE ? OR ? LIKE autov3 || '%') AND model_id IS NOT NULL",
        (digest, digest + "g", digest + "%", digest),
    ).fetchall()
    return [int(row[0]) for row in rows]


def _by_name(db: sqlite3.Connection, kind: str, name: str) -> list[int]:
    """A name that two files of different models have means neither."""
    like = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    rows = db.execute(
        "SELECT model_id, path, kind FROM local_files WHERE path LIKE ? ESCAPE '\\' AND state = 'here' AND model_id IS NOT NULL", (f"%{like}.%",)
    ).fetchall()
    kinds = KINDS.get(kind, (kind,)) if kind else ()
    fitting = {int(row["model_id"]) for row in rows if PurePath(row["path"]).stem == name and (not kinds or row["kind"] in kinds)}
    return list(fitting) if len(fitting) == 1 else []


def _sets(db: sqlite3.Connection, model_id: int) -> list[dict[str, Any]]:
    rows = db.execute("SELECT name, words, version_id FROM word_sets WHERE model_id = ? ORDER BY position, id", (model_id,)).fetchall()
    return [dict(row) for row in rows]
