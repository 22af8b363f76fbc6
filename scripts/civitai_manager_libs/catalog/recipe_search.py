"""Recipes as they are looked at: windows in an order, filtered; counts for the filters; which of their models are here. Nothing here writes.

The search field's language is the library's (``query``), with fields and states of its own.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

import msgspec

from . import query as queries
from . import texts
from .database import Database, value
from .files import trainers_names
from .query import Term
from .recipes import mention_of
from .settle import chunked

SORTS = {
    "changed": "r.changed DESC, r.id DESC",
    "created": "r.created DESC, r.id DESC",
    "name": "r.ordering, r.id",
    "used": "r.used DESC, r.changed DESC, r.id DESC",
}
STATES = ("favourite", "picture", "bare", "here", "missing", "noted", "deleted")
"""``bare``: without a picture; ``here``: every model that it names has a file here; ``missing``: not every one."""
ALIASES = {"favorite": "favourite", "trash": "deleted", "complete": "here", "incomplete": "missing"}
FIELDS = ("collection", "is", "tag", "model")
_IS = {
    "favourite": "r.favourite = 1", "picture": "r.picture <> ''", "bare": "r.picture = ''", "noted": "r.note <> ''", "deleted": "r.deleted > 0",
}  # fmt: skip
_KEYED = {
    "tag": "r.id IN (SELECT recipe_id FROM recipe_tags WHERE key = ?)",
    "collection": "r.collection_key = ?",
}
LEVELS = 31
SAID = 300  # characters of the prompt on a card


class Wanted(msgspec.Struct, kw_only=True, frozen=True):
    """What the grid of recipes is asked for. Empty fields do not filter. ``state``: of ``STATES``; what is in the trash is shown for "deleted" only.
    ``hide``: the highest NSFW bit whose pictures are shown, 0 all; a picture that nobody has rated is the person's own, and is shown."""

    query: str = ""
    collection: str = ""
    state: str = ""
    tag: str = ""
    hide: int = 0
    sort: str = "changed"


class Card(msgspec.Struct):
    """A recipe as the grid shows it. ``missing``: how many of its ``models`` have no file here; ``said``: the beginning of the prompt."""

    id: int
    name: str
    picture: str
    width: int
    height: int
    level: int
    favourite: bool
    collection: str
    said: str
    base: str
    models: int
    missing: int
    changed: float
    deleted: bool


class Here:
    """Which models have a file here, by all that a mention may know of them: made once for a revision of the catalog."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.versions: set[int] = set()
        self.hashes: set[str] = set()
        self.names: set[str] = set()
        rows = db.execute("SELECT id, path, kind, alias, sha256, autov3, version_id FROM local_files WHERE state = 'here'").fetchall()
        self.names.update(trainers_names(rows))
        for row in rows:
            if row["version_id"]:
                self.versions.add(row["version_id"])
            self.hashes.update(digest[:10] for digest in (row["sha256"], row["autov3"]) if digest)
            self.names.add(PurePath(row["path"].replace("\\", "/")).stem.casefold())

    def found_by(self, version_id: int, digest: str, name: str) -> str:
        """What tells that a file is what is meant: "hash", "version" (Civitai's number), or, where nothing better is known, "name"; '' if none is."""
        if digest and digest[:10] in self.hashes:
            return "hash"
        if version_id:
            return "version" if version_id in self.versions else ""
        stem = PurePath(name.replace("\\", "/")).name.casefold()
        same = (not digest or len(digest) < 10) and (stem in self.names or PurePath(stem).stem in self.names)
        return "name" if same else ""


class RecipeSearch:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._lock = threading.Lock()
        self._lacking: tuple[int, dict[int, tuple[int, int]]] | None = None

    def revision(self) -> int:
        with self._db.reading() as db:
            return value(db, "catalog")

    def cards(self, wanted: Wanted, *, offset: int = 0, limit: int = 200) -> tuple[list[Card], int]:
        """A window of the matching recipes and how many there are."""
        found = self.ids(wanted)
        return self._cards(found[offset : offset + limit]), len(found)

    def ids(self, wanted: Wanted) -> list[int]:
        """The ids of all that match, in their order."""
        terms = parse(wanted)
        conditions, values = [], []
        for term in terms:
            made = _condition(term)
            if made is not None:
                conditions.append(f"NOT ({made[0]})" if term.negated else f"({made[0]})")
                values += made[1]
        if wanted.hide > 0:
            conditions.append(f"(r.picture = '' OR r.level & {LEVELS} = 0 OR r.level & {min(wanted.hide, 16) * 2 - 1 & LEVELS})")
        deleted = any(term.field == "is" and term.value == "deleted" and not term.negated for term in terms)
        conditions.append("r.deleted > 0" if deleted else "r.deleted = 0")
        order = SORTS.get(wanted.sort, SORTS["changed"])
        with self._db.reading() as db:
            rows = db.execute(f"SELECT r.id FROM recipes r WHERE {' AND '.join(conditions)} ORDER BY {order}", values)
            found = [row[0] for row in rows]
        for term in terms:
            if term.field == "is" and term.value in ("here", "missing"):
                found = [one for one in found if self._is(one, term.value) != term.negated]
        return found

    def _is(self, recipe_id: int, state: str) -> bool:
        models, missing = self.lacking().get(recipe_id, (0, 0))
        return missing > 0 if state == "missing" else models > 0 and missing == 0

    def lacking(self) -> dict[int, tuple[int, int]]:
        """Of each recipe that names models: how many, and how many of them have no file here. Kept until the catalog changes."""
        revision = self.revision()
        with self._lock:
            if self._lacking and self._lacking[0] == revision:
                return self._lacking[1]
        found: dict[int, tuple[int, int]] = {}
        with self._db.reading() as db:
            here = Here(db)
            for row in db.execute("SELECT recipe_id, version_id, hash, name FROM recipe_models"):
                models, missing = found.get(row["recipe_id"], (0, 0))
                absent = not here.found_by(row["version_id"], row["hash"], row["name"])
                found[row["recipe_id"]] = (models + 1, missing + absent)
        with self._lock:
            self._lacking = (revision, found)
        return found

    def here(self, recipe_id: int) -> dict[int, str]:
        """Of each model of a recipe, by the mention's id, what tells that it has a file here: see ``Here.found_by``."""
        with self._db.reading() as db:
            rows = db.execute("SELECT * FROM recipe_models WHERE recipe_id = ?", (recipe_id,)).fetchall()
            here = Here(db) if rows else None
            mentions = [mention_of(row) for row in rows]
            return {one.id: here.found_by(one.version_id, one.hash, one.name) if here else "" for one in mentions}

    def facets(self) -> dict[str, Any]:
        """What occurs, for the filters: total, collections and tags with how many recipes each has, counts of each state."""
        lacking = self.lacking()
        with self._db.reading() as db:
            rows = db.execute("SELECT id, favourite, picture, note, deleted FROM recipes").fetchall()
            collections = db.execute(
                "SELECT max(collection) AS name, count(*) AS count FROM recipes WHERE collection <> '' AND deleted = 0 "
                "GROUP BY collection_key ORDER BY collection_key"
            ).fetchall()
            tags = db.execute(
                "SELECT max(t.tag) AS tag, count(*) AS count FROM recipe_tags t JOIN recipes r ON r.id = t.recipe_id WHERE r.deleted = 0 "
                "GROUP BY t.key ORDER BY count DESC, t.key LIMIT 500"
            ).fetchall()
        counts = dict.fromkeys(STATES, 0)
        counts["deleted"] = sum(row["deleted"] > 0 for row in rows)
        kept = [row for row in rows if not row["deleted"]]
        for row in kept:
            models, missing = lacking.get(row["id"], (0, 0))
            holds = {
                "favourite": row["favourite"], "picture": row["picture"], "bare": not row["picture"], "noted": row["note"], "missing": missing,
                "here": models and not missing,
            }  # fmt: skip
            for state, is_so in holds.items():
                counts[state] += bool(is_so)
        listed = {"collections": [dict(row) for row in collections], "tags": [dict(row) for row in tags]}
        return {"total": len(kept), **listed, "states": counts}

    def _cards(self, ids: Iterable[int]) -> list[Card]:
        ids = list(ids)
        lacking = self.lacking()
        rows: dict[int, sqlite3.Row] = {}
        bases: dict[int, str] = {}
        columns = f"id, name, picture, width, height, level, favourite, collection, substr(prompt, 1, {SAID}) AS said, changed, deleted"
        with self._db.reading() as db:
            for some in chunked(ids):
                marks = ", ".join("?" * len(some))
                rows.update((row["id"], row) for row in db.execute(f"SELECT {columns} FROM recipes WHERE id IN ({marks})", some))
                query = f"SELECT recipe_id, name FROM recipe_models WHERE kind = 'checkpoint' AND recipe_id IN ({marks}) ORDER BY position DESC"
                bases.update((row["recipe_id"], row["name"]) for row in db.execute(query, some))
        return [_card(rows[one], bases.get(one, ""), *lacking.get(one, (0, 0))) for one in ids if one in rows]


def _card(row: sqlite3.Row, base: str, models: int, missing: int) -> Card:
    values = {name: row[name] for name in ("id", "name", "picture", "width", "height", "level", "collection", "said", "changed")}
    return Card(**values, favourite=bool(row["favourite"]), deleted=row["deleted"] > 0, base=base, models=models, missing=missing)


def parse(wanted: Wanted) -> list[Term]:
    """What is asked for, as terms."""
    chosen = {"collection": wanted.collection, "is": wanted.state, "tag": wanted.tag}
    terms = [Term(field, texts.plain(one)) for field, one in chosen.items() if one and (field != "is" or one in STATES)]
    return terms + queries.parse(wanted.query, FIELDS, STATES, ALIASES)


def _condition(term: Term) -> tuple[str, list[Any]] | None:
    if term.field == "is":
        return (_IS[term.value], []) if term.value in _IS and term.value != "deleted" else None
    if term.field in _KEYED:
        return _KEYED[term.field], [texts.key(term.value)]
    if term.field == "model":
        return "r.id IN (SELECT recipe_id FROM recipe_models WHERE instr(lower(name), lower(?)))", [term.value]
    return _word(term.value, term.whole)


def _word(text: str, whole: bool) -> tuple[str, list[Any]] | None:
    words, chunks = texts.tokens(text), texts.chunks(text)
    if not words:
        return None
    choices, values = ["SELECT rowid FROM recipe_words WHERE recipe_words MATCH ?"], [f'"{" ".join(words)}"{"" if whole else " *"}']
    if not whole and len(chunks) == 1 and len(chunks[0]) >= 3:
        choices.append("SELECT rowid FROM recipe_names WHERE recipe_names MATCH ?")
        values.append(f'"{" ".join(texts.three_of(chunks[0]))}"')
    return f"r.id IN ({' UNION '.join(choices)})", values
