"""Read what can still be read from a damaged catalog that was set aside."""

from __future__ import annotations

import json
import logging
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

log = logging.getLogger(__name__)


class Saved(NamedTuple):
    """A model from the damaged file: Civitai's answer, and what only the person knows."""

    body: dict[str, Any]
    registered: str
    note: str


def models(path: Path) -> Iterator[Saved]:
    """Each model whose rows are still readable; an unreadable one costs only itself. Never raises for the damage."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    except (sqlite3.DatabaseError, ValueError):
        return
    try:
        ids = _ids(connection)
        for model_id in ids:
            try:
                row = connection.execute(
                    "SELECT b.body, m.registered, m.note FROM models m JOIN bodies b ON b.model_id = m.id WHERE m.id = ?", (model_id,)
                ).fetchone()
                if row:
                    yield Saved(json.loads(zlib.decompress(row[0]), strict=False), str(row[1]), str(row[2]))
            except (sqlite3.DatabaseError, zlib.error, ValueError, TypeError):
                continue
    finally:
        connection.close()


def _ids(connection: sqlite3.Connection) -> list[int]:
    found: list[int] = []
    for table, column in (("models", "id"), ("bodies", "model_id")):
        try:
            for row in connection.execute(f"SELECT {column} FROM {table}"):
                found.append(int(row[0]))
        except (sqlite3.DatabaseError, ValueError, TypeError) as exc:
            log.info("salvage: table %s is damaged: %s", table, exc)
    return list(dict.fromkeys(found))
