"""Pictures that are kept for when Civitai cannot be reached: what they are, which file holds each, and when each was last looked at."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from .database import Database, decoded


class KeptPicture(NamedTuple):
    """``picture``: as the page gets it. ``name``: of its file, below the folder of examples; ``kind``: MIME type; ``size``: bytes on the disk."""

    url: str
    version_id: int
    name: str
    kind: str
    size: int
    used: float
    picture: dict[str, Any]


class KeptPictures:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, picture: dict[str, Any], *, position: int, name: str, kind: str, size: int) -> None:
        """Write down that a picture (with url, model_id, version_id) is here, at its place among those of its version."""
        now = time.time()
        row = (picture["url"], picture["model_id"], picture["version_id"], position, json.dumps(picture), name, kind, size, now, now)
        with self._db.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO kept_pictures (url, model_id, version_id, position, picture, name, kind, size, kept, used) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row,
            )  # fmt: skip

    def give(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take over rows of a damaged catalog, whose files are still there; what is kept by now stays as it is. A damaged row is left out."""
        with self._db.writing() as db:
            for row in rows:
                with contextlib.suppress(sqlite3.Error, KeyError):  # of a wrong kind, or a value is missing
                    db.execute(
                        "INSERT OR IGNORE INTO kept_pictures (url, model_id, version_id, position, picture, name, kind, size, kept, used) "
                        "VALUES (:url, :model_id, :version_id, :position, :picture, :name, :kind, :size, :kept, :used)", row,
                    )  # fmt: skip

    def of_version(self, version_id: int) -> list[KeptPicture]:
        return self._select("version_id = ? ORDER BY position", version_id)

    def by_url(self, url: str) -> KeptPicture | None:
        return next(iter(self._select("url = ?", url)), None)

    def by_name(self, name: str) -> KeptPicture | None:
        return next(iter(self._select("name = ?", name)), None)

    def names(self) -> set[str]:
        with self._db.reading() as db:
            return {row[0] for row in db.execute("SELECT name FROM kept_pictures")}

    def bytes(self) -> int:
        with self._db.reading() as db:
            return int(db.execute("SELECT coalesce(sum(size), 0) FROM kept_pictures").fetchone()[0])

    def oldest(self, but: int) -> list[KeptPicture]:
        """Some of those that were not looked at for longest, of other versions than ``but``."""
        return self._select("version_id <> ? ORDER BY used, url LIMIT 50", but)

    def use(self, urls: Iterable[str]) -> None:
        """They are being looked at."""
        now = time.time()
        with self._db.writing() as db:
            db.executemany("UPDATE kept_pictures SET used = ? WHERE url = ?", [(now, url) for url in urls])

    def drop(self, urls: Iterable[str]) -> None:
        with self._db.writing() as db:
            db.executemany("DELETE FROM kept_pictures WHERE url = ?", [(url,) for url in urls])

    def _select(self, where: str, *values: object) -> list[KeptPicture]:
        with self._db.reading() as db:
            rows = db.execute(f"SELECT url, version_id, name, kind, size, used, picture FROM kept_pictures WHERE {where}", values).fetchall()
        return [
            KeptPicture(
                row["url"], row["version_id"], row["name"], row["kind"], row["size"], row["used"], {**decoded(row["picture"], {}), "url": row["url"]}
            )
            for row in rows
        ]
