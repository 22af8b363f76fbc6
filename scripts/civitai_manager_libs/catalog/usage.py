"""Models by what a generated picture or the host's cards call them: hashes, names and paths of files here; and when they were last used."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from .database import Database, bump

FRESH = 60.0  # seconds within which another use is not worth a change of the library
KINDS = {"lora": ("lora", "lycoris"), "lycoris": ("lora", "lycoris"), "checkpoint": ("checkpoint", "unet")}

CARD = (
    "SELECT f.model_id AS model, f.version_id AS version, m.name, m.note, v.name AS version_name, v.base_model "
    "FROM local_files f JOIN models m ON m.id = f.model_id LEFT JOIN versions v ON v.id = f.version_id"
)


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

    def cards(self, wanted: Iterable[tuple[str, str, str]]) -> list[dict[str, Any] | None]:
        """For each of (path, kind, name without extension), in their order: model, version, name, version_name, base_model, note; None for what is
        not here. The path says it; where there is none, a name that only one model has."""
        wanted = list(wanted)
        found: list[dict[str, Any] | None] = []
        with self._db.reading() as db:
            rows: dict[str, list[sqlite3.Row]] = {}
            if any(name and not path for path, _, name in wanted):
                for one in db.execute("SELECT model_id, path, kind FROM local_files WHERE state = 'here' AND model_id IS NOT NULL"):
                    rows.setdefault(PurePath(one["path"]).stem, []).append(one)
            for path, kind, name in wanted:
                row = db.execute(f"{CARD} WHERE f.path = ? AND f.state = 'here'", (path,)).fetchone() if path else None
                if row is None and not path and name:
                    ids = _one_model(rows.get(name, []), kind)
                    row = db.execute(f"{CARD} WHERE f.model_id = ? AND f.state = 'here'", (ids[0],)).fetchone() if ids else None
                found.append(dict(row) if row is not None else None)
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
    like = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    rows = db.execute(
        "SELECT model_id, path, kind FROM local_files WHERE path LIKE ? ESCAPE '\\' AND state = 'here' AND model_id IS NOT NULL", (f"%{like}.%",)
    ).fetchall()
    return _one_model([row for row in rows if PurePath(row["path"]).stem == name], kind)


def _one_model(rows: Iterable[sqlite3.Row], kind: str) -> list[int]:
    """A name that two files of different models have means neither."""
    kinds = KINDS.get(kind, (kind,)) if kind else ()
    fitting = {int(row["model_id"]) for row in rows if not kinds or row["kind"] in kinds}
    return list(fitting) if len(fitting) == 1 else []
