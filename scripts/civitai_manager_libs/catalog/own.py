"""What a person says of models: marks, tags, collections, word sets, versions to ignore, saved filters.

Every method is one short transaction (large edits: one for every 500 models) and touches only what it names, so that two pages that are open
at once lose nothing: fields are set one by one, tags and members of collections are added and removed, orders are changed by moving.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import BadValue, NotFound, Said
from .database import Database, bump, decoded
from .settle import chunked, settle
from .texts import key, plain

FOLLOW = ("any", "base", "none")
LONGEST = {"note": 100_000, "negative": 10_000, "tag": 100, "name": 200, "words": 20_000, "filters": 20_000}
_TOO_LONG = {
    "note": Said("This note is too long ({count} characters)."),
    "negative": Said("This negative prompt is too long ({count} characters)."),
    "tag": Said("This tag is too long ({count} characters)."),
    "name": Said("This name is too long ({count} characters)."),
    "words": Said("These words are too long ({count} characters)."),
    "filters": Said("These filters are too long ({count} characters)."),
}
RELOAD = "It may have been deleted in another window: reload the page."


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """The marks of a model as they are stored (``models.OWN``). Raises BadValue for an unknown name or a value that makes no sense."""
    return {name: _checked(name, value) for name, value in values.items()}


def _checked(name: str, value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if name in ("note", "negative") and isinstance(value, str):
        return text(name, value)
    if name == "favourite" and (isinstance(value, bool) or (whole and value in (0, 1))):
        return int(value)
    if name == "rating" and whole and 0 <= value <= 5:
        return value
    if name == "weight":
        return _weight(value)
    if name == "own_level" and (value is None or (whole and 0 <= value <= 63)):
        return value
    if name == "follow" and value in FOLLOW:
        return value
    if name == "pinned" and (value is None or (whole and 0 < value < 1 << 62)):
        return value
    raise BadValue(f"This value cannot be used ({name}): {str(value)[:60]!r}.")


def _weight(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and abs(value) <= 100:
        return float(value)
    raise BadValue(f"This is no weight: {str(value)[:60]!r}.", next_step="Give a number such as 0.8.")


def text(kind: str, value: str, *, needed: bool = False) -> str:
    """A text as it is stored. Raises BadValue when it is longer than anybody types, or empty when it is needed (a name)."""
    value = plain(value).strip()
    if len(value) > LONGEST[kind]:
        raise BadValue(_TOO_LONG[kind].format(count=f"{len(value):,}"), next_step=f"Shorten it to {LONGEST[kind]:,} characters.")
    if needed and not value:
        raise BadValue("The name is empty.", next_step="Type something first.")
    return value


def tag_list(tags: Iterable[str]) -> dict[str, str]:
    """Tags as the person spells them, by their keys; empty ones are left out."""
    spelled = [" ".join(text("tag", tag).lstrip("#").split()) for tag in tags]
    return {key(tag): tag for tag in spelled if tag}


class OwnData:
    def __init__(self, database: Database) -> None:
        self._db = database

    # -- marks and tags, for one model or many

    def edit(
        self, model_ids: Iterable[int], values: Mapping[str, Any] | None = None, *, add_tags: Iterable[str] = (), remove_tags: Iterable[str] = ()
    ) -> int:
        """Set marks (``models.OWN``), add and remove tags; how many models there are of these. Raises BadValue before anything is changed."""
        columns, added, removed = checked(values or {}), tag_list(add_tags), tag_list(remove_tags)
        count = 0
        for some in chunked(sorted(set(model_ids))):
            with self._db.writing() as db:
                there = _existing(db, some)
                count += len(there)
                if columns:
                    assignments = ", ".join(f"{name} = ?" for name in columns)
                    db.executemany(f"UPDATE models SET {assignments} WHERE id = ?", [(*columns.values(), model_id) for model_id in there])
                for name in removed:
                    db.executemany("DELETE FROM tags WHERE key = ? AND model_id = ? AND own = 1", [(name, model_id) for model_id in there])
                for name, tag in added.items():
                    db.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?, 1, ?)", [(name, model_id, tag) for model_id in there])
                settle(db, there)
                bump(db, "catalog")
        return count

    def ignore(self, model_id: int, version_ids: Iterable[int], ignored: bool = True) -> None:
        """These versions are no updates; or, with ``ignored`` False, they are again."""
        with self._db.writing() as db:
            _known(db, model_id)
            if ignored:
                db.executemany("INSERT OR REPLACE INTO ignored_versions VALUES (?, ?)", [(version_id, model_id) for version_id in version_ids])
            else:
                db.executemany(
                    "DELETE FROM ignored_versions WHERE version_id = ? AND model_id = ?", [(version_id, model_id) for version_id in version_ids]
                )
            settle(db, [model_id])
            bump(db, "catalog")

    def of(self, model_id: int) -> dict[str, Any]:
        """The person's tags, ignored versions, collections and word sets of a model."""
        with self._db.reading() as db:
            tags = [row[0] for row in db.execute("SELECT tag FROM tags WHERE model_id = ? AND own = 1 ORDER BY key", (model_id,))]
            ignored = [row[0] for row in db.execute("SELECT version_id FROM ignored_versions WHERE model_id = ? ORDER BY 1", (model_id,))]
            collections = db.execute(
                "SELECT c.id, c.name, cm.note FROM collection_models cm JOIN collections c ON c.id = cm.collection_id "
                "WHERE cm.model_id = ? ORDER BY c.position, c.id",
                (model_id,),
            ).fetchall()
            sets = db.execute(
                "SELECT id, version_id, name, words, negative, weight FROM word_sets WHERE model_id = ? ORDER BY position, id", (model_id,)
            ).fetchall()
        return {"own_tags": tags, "ignored": ignored, "collections": [dict(row) for row in collections], "word_sets": [dict(row) for row in sets]}

    # -- collections

    def create_collection(self, name: str, note: str = "") -> int:
        """Make a collection, the last one; its id. Raises BadValue when there is one of that name."""
        name, note = text("name", name, needed=True), text("note", note)
        with self._db.writing() as db:
            _free(db, name)
            position = db.execute("SELECT coalesce(max(position), -1) + 1 FROM collections").fetchone()[0]
            made = db.execute("INSERT INTO collections (key, name, position, note) VALUES (?, ?, ?, ?)", (key(name), name, position, note))
            bump(db, "catalog")
        return int(made.lastrowid or 0)

    def change_collection(self, collection_id: int, *, name: str | None = None, note: str | None = None) -> None:
        """Rename it, or set its note. Saved filters follow a new name."""
        with self._db.writing() as db:
            old = _collection(db, collection_id)
            if name is not None:
                name = text("name", name, needed=True)
                _free(db, name, but=collection_id)
                db.execute("UPDATE collections SET key = ?, name = ? WHERE id = ?", (key(name), name, collection_id))
                for row in db.execute("SELECT key, filters FROM saved_filters").fetchall():
                    filters = decoded(row["filters"], {})
                    if isinstance(filters, dict) and key(str(filters.get("collection", ""))) == old["key"]:
                        db.execute("UPDATE saved_filters SET filters = ? WHERE key = ?", (json.dumps({**filters, "collection": name}), row["key"]))
            if note is not None:
                db.execute("UPDATE collections SET note = ? WHERE id = ?", (text("note", note), collection_id))
            bump(db, "catalog")

    def delete_collection(self, collection_id: int) -> None:
        """The models stay; what was noted of them in this collection goes with it."""
        with self._db.writing() as db:
            _collection(db, collection_id)
            noted = [row[0] for row in db.execute("SELECT model_id FROM collection_models WHERE collection_id = ? AND note <> ''", (collection_id,))]
            db.execute("DELETE FROM collections WHERE id = ?", (collection_id,))
            settle(db, noted)
            bump(db, "catalog")

    def move_collections(self, collection_ids: Sequence[int], before: int | None = None) -> None:
        """Put these, in this order, before another one, or last."""
        with self._db.writing() as db:
            order = [row[0] for row in db.execute("SELECT id FROM collections ORDER BY position, id")]
            moved = _moved(order, collection_ids, before)
            db.executemany("UPDATE collections SET position = ? WHERE id = ?", [(place, one) for place, one in enumerate(moved)])
            bump(db, "catalog")

    def add_to_collection(self, collection_id: int, model_ids: Iterable[int]) -> int:
        """Add models, in this order, at the end; how many were not in it."""
        with self._db.writing() as db:
            _collection(db, collection_id)
            place = db.execute("SELECT coalesce(max(position), -1) FROM collection_models WHERE collection_id = ?", (collection_id,)).fetchone()[0]
            there = set(_existing(db, model_ids := list(dict.fromkeys(model_ids))))
            before = db.total_changes
            db.executemany(
                "INSERT OR IGNORE INTO collection_models (collection_id, model_id, position) VALUES (?, ?, ?)",
                [(collection_id, model_id, place + number) for number, model_id in enumerate(model_ids, start=1) if model_id in there],
            )
            added = db.total_changes - before
            bump(db, "catalog")
        return added

    def remove_from_collection(self, collection_id: int, model_ids: Iterable[int]) -> int:
        """How many were in it."""
        with self._db.writing() as db:
            _collection(db, collection_id)
            before = db.total_changes
            model_ids = list(model_ids)
            db.executemany("DELETE FROM collection_models WHERE collection_id = ? AND model_id = ?", [(collection_id, one) for one in model_ids])
            removed = db.total_changes - before
            settle(db, model_ids)
            bump(db, "catalog")
        return removed

    def note_in_collection(self, collection_id: int, model_id: int, note: str) -> None:
        """What is noted of a model in a collection. Raises NotFound, BadValue."""
        with self._db.writing() as db:
            _collection(db, collection_id)
            values = (text("note", note), collection_id, model_id)
            if not db.execute("UPDATE collection_models SET note = ? WHERE collection_id = ? AND model_id = ?", values).rowcount:
                raise NotFound("This model is not in the collection.", next_step=RELOAD)
            settle(db, [model_id])
            bump(db, "catalog")

    def move_in_collection(self, collection_id: int, model_ids: Sequence[int], before: int | None = None) -> None:
        """Put these models, in this order, before another one of the collection, or last."""
        with self._db.writing() as db:
            _collection(db, collection_id)
            rows = db.execute("SELECT model_id FROM collection_models WHERE collection_id = ? ORDER BY position, model_id DESC", (collection_id,))
            moved = _moved([row[0] for row in rows], model_ids, before)
            db.executemany(
                "UPDATE collection_models SET position = ? WHERE collection_id = ? AND model_id = ? AND position <> ?",
                [(place, collection_id, one, place) for place, one in enumerate(moved)],
            )
            bump(db, "catalog")

    # -- word sets

    def add_words(
        self, model_id: int, words: str, *, name: str = "", negative: str = "", weight: float | None = None, version_id: int | None = None
    ) -> int:
        """Keep trigger words as a set, the last one of its model; its id. One that is there already is not kept twice: a request may come again."""
        values = (text("name", name), text("words", words), text("negative", negative), _weight(weight))
        with self._db.writing() as db:
            _known(db, model_id)
            same = "model_id = ? AND version_id IS ? AND name = ? AND words = ? AND negative = ? AND weight IS ?"
            if row := db.execute(f"SELECT id FROM word_sets WHERE {same}", (model_id, version_id, *values)).fetchone():
                return int(row["id"])
            position = db.execute("SELECT coalesce(max(position), -1) + 1 FROM word_sets WHERE model_id = ?", (model_id,)).fetchone()[0]
            made = db.execute(
                "INSERT INTO word_sets (model_id, version_id, position, name, words, negative, weight) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (model_id, version_id, position, *values),
            )
            settle(db, [model_id])
            bump(db, "catalog")
        return int(made.lastrowid or 0)

    def model_of_words(self, set_id: int) -> int | None:
        """Whose set it is; None when there is no such set."""
        with self._db.reading() as db:
            row = db.execute("SELECT model_id FROM word_sets WHERE id = ?", (set_id,)).fetchone()
        return row["model_id"] if row else None

    def change_words(self, set_id: int, **values: Any) -> None:
        """Set some of ``name``, ``words``, ``negative``, ``weight``, ``version_id``."""
        for name, value in values.items():
            if name in ("name", "words", "negative") and isinstance(value, str):
                values[name] = text(name, value)
            elif name == "weight":
                values[name] = _weight(value)
            elif name != "version_id" or not (value is None or isinstance(value, int)):
                raise BadValue(f"This value cannot be used ({name}): {str(value)[:60]!r}.")
        with self._db.writing() as db:
            model_id = _word_set(db, set_id)
            if values:
                db.execute(f"UPDATE word_sets SET {', '.join(f'{name} = ?' for name in values)} WHERE id = ?", (*values.values(), set_id))
            settle(db, [model_id])
            bump(db, "catalog")

    def delete_words(self, set_id: int) -> None:
        """Forget a set of words. Raises NotFound."""
        with self._db.writing() as db:
            model_id = _word_set(db, set_id)
            db.execute("DELETE FROM word_sets WHERE id = ?", (set_id,))
            settle(db, [model_id])
            bump(db, "catalog")

    def move_words(self, set_id: int, before: int | None = None) -> None:
        """Put a word set before another one of its model, or last."""
        with self._db.writing() as db:
            model_id = _word_set(db, set_id)
            order = [row[0] for row in db.execute("SELECT id FROM word_sets WHERE model_id = ? ORDER BY position, id", (model_id,))]
            db.executemany("UPDATE word_sets SET position = ? WHERE id = ?", list(enumerate(_moved(order, [set_id], before))))
            bump(db, "catalog")

    # -- saved filters

    def filters(self) -> list[dict[str, Any]]:
        """By name: ``name`` and ``filters`` (what the page saved)."""
        with self._db.reading() as db:
            rows = db.execute("SELECT name, filters FROM saved_filters ORDER BY key").fetchall()
        return [{"name": row["name"], "filters": decoded(row["filters"], {})} for row in rows]

    def save_filters(self, name: str, filters: Mapping[str, Any]) -> None:
        """Under a new name, or in place of what has that name."""
        name = text("name", name, needed=True)
        saved = text("filters", json.dumps(dict(filters)))
        with self._db.writing() as db:
            db.execute(
                "INSERT INTO saved_filters VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET name = excluded.name, filters = excluded.filters",
                (key(name), name, saved),
            )
            bump(db, "catalog")

    def delete_filters(self, name: str) -> None:
        """Forget filters that were saved under a name."""
        with self._db.writing() as db:
            db.execute("DELETE FROM saved_filters WHERE key = ?", (key(name),))
            bump(db, "catalog")


def _existing(db: sqlite3.Connection, model_ids: Iterable[int]) -> list[int]:
    found: list[int] = []
    for some in chunked(list(model_ids)):
        found += [row[0] for row in db.execute(f"SELECT id FROM models WHERE id IN ({', '.join('?' * len(some))})", some)]
    return found


def _known(db: sqlite3.Connection, model_id: int) -> None:
    if db.execute("SELECT 1 FROM models WHERE id = ?", (model_id,)).fetchone() is None:
        raise NotFound(f"The model {model_id} is not in the library.", next_step=RELOAD)


def _collection(db: sqlite3.Connection, collection_id: int) -> sqlite3.Row:
    row = db.execute("SELECT * FROM collections WHERE id = ?", (collection_id,)).fetchone()
    if row is None:
        raise NotFound("There is no such collection.", next_step=RELOAD)
    return row


def _free(db: sqlite3.Connection, name: str, but: int = 0) -> None:
    row = db.execute("SELECT name FROM collections WHERE key = ? AND id <> ?", (key(name), but)).fetchone()
    if row is not None:
        raise BadValue(f"There is a collection named {row['name']} already.", next_step="Choose another name, or add the models to that one.")


def _word_set(db: sqlite3.Connection, set_id: int) -> int:
    row = db.execute("SELECT model_id FROM word_sets WHERE id = ?", (set_id,)).fetchone()
    if row is None:
        raise NotFound("There is no such set of words.", next_step=RELOAD)
    return int(row[0])


def _moved(order: list[int], moving: Sequence[int], before: int | None) -> list[int]:
    """An order in which some stand before another one, or last; those that are not in it are left out, so nobody's addition is lost."""
    known = set(order)
    some = [one for one in dict.fromkeys(moving) if one in known]
    rest = [one for one in order if one not in set(some)]
    place = rest.index(before) if before in rest else len(rest)
    return [*rest[:place], *some, *rest[place:]]
