"""Creators and searches that a person follows, and what was new when they were last looked at."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ..errors import BadValue, NotFound
from .database import Database, decoded
from .texts import plain

MOST = 200
KNOWN = 500  # ids that are remembered of each


class Follow(msgspec.Struct, kw_only=True):
    """``search``: as it is asked for; ``since``: what was published later is new; ``news``: ids of new models, the latest first."""

    id: int
    name: str
    search: dict[str, Any]
    since: str
    known: list[int]
    news: list[int]
    looked: float


class Follows:
    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self) -> list[Follow]:
        with self._db.reading() as db:
            return [_follow(row) for row in db.execute("SELECT * FROM follows ORDER BY name COLLATE NOCASE, id").fetchall()]

    def get(self, follow_id: int) -> Follow:
        """Raises NotFound."""
        with self._db.reading() as db:
            row = db.execute("SELECT * FROM follows WHERE id = ?", (follow_id,)).fetchone()
        if row is None:
            raise NotFound("This is not followed any more.", next_step="")
        return _follow(row)

    def add(self, key: str, name: str, search: dict[str, Any], since: str) -> int:
        """Follow a search; its id, also when it is followed already. Raises BadValue for too many, or a name that is too long."""
        name = plain(name).strip()
        if not name or len(name) > 200:
            raise BadValue("A name of 1 to 200 characters, please.")
        with self._db.writing() as db:
            found = db.execute("SELECT id FROM follows WHERE key = ?", (key,)).fetchone()
            if found:
                return int(found["id"])
            if db.execute("SELECT count(*) FROM follows").fetchone()[0] >= MOST:
                raise BadValue(f"More than {MOST} cannot be followed.", next_step="Stop following some first.")
            made = db.execute("INSERT INTO follows (key, name, search, since) VALUES (?, ?, ?, ?)", (key, name, json.dumps(search), since))
            return int(made.lastrowid or 0)

    def give(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Take over rows of a damaged catalog, or what another machine follows; how many were new. What is followed already stays as it is, and
        what comes beyond ``MOST`` is left."""
        new = 0
        with self._db.writing() as db:
            room = MOST - db.execute("SELECT count(*) FROM follows").fetchone()[0]
            for row in rows:
                told = [str(row.get(name) or "") for name in ("key", "name", "search", "since")]
                if not all(told) or new >= room:
                    continue
                lists = [json.dumps(_ids(row.get(name))[:KNOWN]) for name in ("known", "news")]
                looked = row.get("looked")
                new += db.execute(
                    "INSERT OR IGNORE INTO follows (key, name, search, since, known, news, looked) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (*told, *lists, looked if isinstance(looked, float) else 0.0),
                ).rowcount
        return new

    def remove(self, follow_id: int) -> None:
        with self._db.writing() as db:
            db.execute("DELETE FROM follows WHERE id = ?", (follow_id,))

    def looked(self, follow_id: int, found: Sequence[int], seen: Sequence[int], since: str) -> None:
        """A look has ended: ``found`` are new, ``seen`` are all that were met; what is published after ``since`` will be new next time."""
        with self._db.writing() as db:
            row = db.execute("SELECT * FROM follows WHERE id = ?", (follow_id,)).fetchone()
            if row is None:
                return
            old = _follow(row)
            news = list(dict.fromkeys([*found, *old.news]))[:KNOWN]
            known = list(dict.fromkeys([*seen, *old.known]))[:KNOWN]
            db.execute(
                "UPDATE follows SET news = ?, known = ?, since = ?, looked = ? WHERE id = ?",
                (json.dumps(news), json.dumps(known), since, time.time(), follow_id),
            )

    def read(self, follow_id: int, seen: Iterable[int]) -> None:
        """The person has looked at these; what a look has found meanwhile stays new."""
        with self._db.writing() as db:
            row = db.execute("SELECT news FROM follows WHERE id = ?", (follow_id,)).fetchone()
            if row is not None:
                looked_at = set(seen)
                left = [one for one in _ids(row["news"]) if one not in looked_at]
                db.execute("UPDATE follows SET news = ? WHERE id = ?", (json.dumps(left), follow_id))


def _ids(told: Any) -> list[int]:
    """A list of ids, as it is or as JSON; what is none is left out."""
    found = decoded(told, []) if isinstance(told, str) else told
    return [one for one in found if isinstance(one, int)] if isinstance(found, list) else []


def _follow(row: sqlite3.Row) -> Follow:
    search = decoded(row["search"], {})
    return Follow(
        id=row["id"], name=row["name"], search=search if isinstance(search, dict) else {}, since=row["since"], known=_ids(row["known"]),
        news=_ids(row["news"]), looked=row["looked"],
    )  # fmt: skip
