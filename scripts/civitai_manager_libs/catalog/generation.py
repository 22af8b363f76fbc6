"""What is known of pictures on Civitai: their generation data, and that a picture has none, with the time of the look."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import time
import zlib
from collections.abc import Iterable
from typing import Any

from .database import Database

log = logging.getLogger(__name__)

MOST = 60_000  # pictures: some 80 MB. What was found out longest ago goes first, since it can be found out again
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class GenerationData:
    def __init__(self, database: Database) -> None:
        self._db = database

    def data(self, picture: str) -> dict[str, Any] | None:
        """The generation data of a picture by its key, with ``checked`` (seconds since 1970); None when nobody has looked, or it is damaged."""
        with self._db.reading() as db:
            row = db.execute("SELECT data, checked FROM generation_data WHERE picture = ?", (picture,)).fetchone()
        try:
            return {**json.loads(zlib.decompress(row["data"])), "checked": row["checked"]} if row else None
        except (zlib.error, ValueError, TypeError) as exc:
            log.warning("catalog: the generation data of %s is damaged (%s); it is looked for anew", picture, exc)
            return None

    def keep(self, found: Iterable[tuple[str, dict[str, Any]]], now: float | None = None) -> None:
        """Remember the data of pictures by their keys. That a picture has none does not replace data that was found."""
        moment = time.time() if now is None else now
        rows = [(picture, data["state"], zlib.compress(json.dumps(data, ensure_ascii=False).encode(), 6), moment) for picture, data in found]
        if not rows:
            return
        with self._db.writing() as db:
            db.executemany(
                "INSERT INTO generation_data VALUES (?, ?, ?, ?) ON CONFLICT (picture) DO UPDATE SET state = excluded.state, data = excluded.data, "
                "checked = excluded.checked WHERE excluded.state = 'found' OR generation_data.state = 'none'",
                rows,
            )
            _make_room(db)


def _make_room(db: sqlite3.Connection) -> None:
    """The data of pictures that are kept for offline stay: there nobody can be asked."""
    over = db.execute("SELECT count(*) FROM generation_data").fetchone()[0] - MOST
    if over <= 0:
        return
    kept = {key for (url,) in db.execute("SELECT url FROM kept_pictures") for key in (url, *_UUID.findall(url.lower()))}
    oldest = db.execute("SELECT picture FROM generation_data ORDER BY state = 'found', checked LIMIT ?", (over + MOST // 10 + len(kept),))
    gone = [row for row in oldest.fetchall() if row[0] not in kept][: over + MOST // 10]
    db.executemany("DELETE FROM generation_data WHERE picture = ?", gone)
