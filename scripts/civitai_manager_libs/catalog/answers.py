"""Civitai's answers as they were given, so that a search is shown at once, also offline. Bounded: what was longest unused goes first."""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from .database import Database, decoded
from .settle import chunked

MOST_PAGES = 600
MOST_BYTES = 96 * 1024 * 1024  # of packed model objects: some 10,000
WHOLE_AGE = 86_400.0  # seconds for which a whole model object is not replaced by a partial one
LEVEL = 1  # of zlib: the answer is waited for


class Page(NamedTuple):
    """One page of a search. ``cards``: JSON objects; ``following``: the next page's cursor, '' at the end; ``seen``: models that Civitai sent;
    ``asked``: when, in seconds since 1970."""

    cards: list[dict[str, Any]]
    following: str
    seen: int
    asked: float


class Mark(msgspec.Struct, kw_only=True):
    """What the library knows of a model of an answer. ``here``: ids of versions with a file on the disk; ``newer``: as ``models.newer``."""

    here: list[int] = []
    newer: int = 0
    missing: bool = False
    broken: bool = False
    favourite: bool = False
    own_level: int | None = None


class Answers:
    def __init__(self, database: Database) -> None:
        self._db = database

    # -- pages

    def page(self, search: str, cursor: str) -> Page | None:
        with self._db.reading() as db:
            row = db.execute("SELECT * FROM answers WHERE search = ? AND cursor = ?", (search, cursor)).fetchone()
        cards = decoded(row["cards"], None) if row else None
        return Page(cards, row["following"], row["seen"], row["asked"]) if isinstance(cards, list) else None

    def put(self, search: str, cursor: str, page: Page, bodies: Mapping[int, Mapping[str, Any]], *, whole: bool) -> None:
        """Keep a page and its model objects (by id) in the place of what was kept before; then make room."""
        packed = {model_id: _packed(body) for model_id, body in bodies.items()}
        with self._db.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO answers (search, cursor, following, cards, seen, asked, used) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (search, cursor, page.following, json.dumps(page.cards, separators=(",", ":")), page.seen, page.asked, page.asked),
            )
            for model_id, body in packed.items():
                _put_body(db, model_id, body, whole, page.asked)
            _make_room(db)

    def touch(self, search: str) -> None:
        """This search is being looked at: its pages stay longest."""
        with self._db.writing() as db:
            db.execute("UPDATE answers SET used = ? WHERE search = ?", (time.time(), search))

    # -- model objects

    def put_models(self, bodies: Mapping[int, Mapping[str, Any]]) -> None:
        """Keep whole model objects by id."""
        packed = {model_id: _packed(body) for model_id, body in bodies.items()}
        with self._db.writing() as db:
            for model_id, body in packed.items():
                _put_body(db, model_id, body, True, time.time())
            _make_room(db)

    def model(self, model_id: int) -> tuple[dict[str, Any], bool, float] | None:
        """(the model object, whether it is whole, when it was asked for), or None."""
        with self._db.reading() as db:
            row = db.execute("SELECT body, whole, asked FROM answered WHERE model_id = ?", (model_id,)).fetchone()
        if row is None:
            return None
        try:
            body = json.loads(zlib.decompress(row["body"]), strict=False)
        except (zlib.error, ValueError):
            return None
        return (body, bool(row["whole"]), row["asked"]) if isinstance(body, dict) else None

    # -- lists of words

    def told(self, name: str) -> tuple[Any, float] | None:
        """(the value, when it was asked for), or None."""
        with self._db.reading() as db:
            row = db.execute("SELECT value, asked FROM told WHERE name = ?", (name,)).fetchone()
        value = decoded(row["value"], None) if row else None
        return (value, row["asked"]) if value is not None else None

    def tell(self, name: str, value: Any) -> None:
        with self._db.writing() as db:
            db.execute("INSERT OR REPLACE INTO told (name, value, asked) VALUES (?, ?, ?)", (name, json.dumps(value), time.time()))
            db.execute("DELETE FROM told WHERE name NOT IN (SELECT name FROM told ORDER BY asked DESC LIMIT 300)")

    # -- what the library knows of them

    def marks(self, model_ids: Iterable[int]) -> dict[int, Mark]:
        """Of those that are registered: two queries for however many there are."""
        ids = list(dict.fromkeys(model_ids))
        found: dict[int, Mark] = {}
        with self._db.reading() as db:
            for some in chunked(ids):
                marks = ", ".join("?" * len(some))
                for row in db.execute(f"SELECT id, newer, missing, broken, favourite, own_level FROM models WHERE id IN ({marks})", some):
                    found[row["id"]] = Mark(
                        newer=row["newer"], missing=bool(row["missing"]), broken=bool(row["broken"]), favourite=bool(row["favourite"]),
                        own_level=row["own_level"],
                    )  # fmt: skip
                here = f"SELECT DISTINCT model_id, version_id FROM local_files WHERE state = 'here' AND version_id > 0 AND model_id IN ({marks})"
                for row in db.execute(here, some):
                    if row["model_id"] in found:
                        found[row["model_id"]].here.append(row["version_id"])
        return found


def _packed(body: Mapping[str, Any]) -> bytes:
    return zlib.compress(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"), LEVEL)


def _put_body(db: sqlite3.Connection, model_id: int, body: bytes, whole: bool, asked: float) -> None:
    """A whole object is not lost to a partial one that came soon after it."""
    db.execute(
        "INSERT INTO answered (model_id, body, whole, asked, bytes) VALUES (?, ?, ?, ?, ?) ON CONFLICT (model_id) DO UPDATE SET "
        "body = excluded.body, whole = excluded.whole, asked = excluded.asked, bytes = excluded.bytes "
        "WHERE excluded.whole >= whole OR asked < excluded.asked - ?",
        (model_id, body, whole, asked, len(body), WHOLE_AGE),
    )


def _make_room(db: sqlite3.Connection) -> None:
    pages = db.execute("SELECT count(*) FROM answers").fetchone()[0]
    if pages > MOST_PAGES:
        db.execute(
            "DELETE FROM answers WHERE rowid IN (SELECT rowid FROM answers ORDER BY used, rowid LIMIT ?)", (pages - MOST_PAGES * 9 // 10,)
        )
    held = db.execute("SELECT total(bytes) FROM answered").fetchone()[0]
    if held > MOST_BYTES:
        over = held - MOST_BYTES * 0.9
        for row in db.execute("SELECT model_id, bytes FROM answered ORDER BY asked").fetchall():
            db.execute("DELETE FROM answered WHERE model_id = ?", (row["model_id"],))
            over -= row["bytes"]
            if over <= 0:
                break
