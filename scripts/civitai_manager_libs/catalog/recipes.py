"""Recipes in the catalog: made, changed, remembered, put into the trash and taken back.

Each method is one transaction. A change reads, alters and writes within it, so that of two pages that are open at once neither loses what the
other has done; what was there before goes into the recipe's history. Looking is in ``recipe_search``.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ..errors import NotFound
from . import texts
from .database import Database, bump, decoded
from .recipe import FIELDS, RELOAD, Change, Mention, Recipe, Source, changed, checked, differing, fingerprint, spoken
from .settle import chunked

REMEMBERED = 50  # earlier states of a recipe
_ROW = (
    "uid", "name", "prompt", "negative", "note", "collection", "favourite", "level", "picture", "width", "height", "created", "used",
)  # fmt: skip


class Kept(msgspec.Struct, kw_only=True):
    """A recipe as the catalog has it. ``deleted``: since when it is in the trash, seconds since 1970, 0 for one that is not."""

    id: int
    recipe: Recipe
    fingerprint: str
    changed: float
    deleted: float


class Recipes:
    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._db, self._now = database, now

    # -- reading

    def get(self, recipe_id: int) -> Kept:
        """Raises NotFound."""
        with self._db.reading() as db:
            return _kept(db, recipe_id)

    def with_uid(self, uid: str) -> Kept | None:
        with self._db.reading() as db:
            row = db.execute("SELECT id FROM recipes WHERE uid = ?", (uid,)).fetchone()
            return _kept(db, row["id"]) if row else None

    def equal_to(self, recipe: Recipe, *, but: int = 0) -> list[dict[str, Any]]:
        """Recipes that make the same picture: id, name, deleted; those that are not in the trash first."""
        mark = fingerprint(recipe)
        if not mark:
            return []
        query = "SELECT id, name, deleted FROM recipes WHERE fingerprint = ? AND id <> ? ORDER BY deleted > 0, changed DESC"
        with self._db.reading() as db:
            return [{"id": row["id"], "name": row["name"], "deleted": row["deleted"] > 0} for row in db.execute(query, (mark, but))]

    def history(self, recipe_id: int) -> list[dict[str, Any]]:
        """The latest first: id, ``at`` (of the change), ``what`` (it changed)."""
        with self._db.reading() as db:
            rows = db.execute("SELECT id, at, what FROM recipe_history WHERE recipe_id = ? ORDER BY id DESC", (recipe_id,)).fetchall()
        return [{"id": row["id"], "at": row["at"], "what": decoded(row["what"], [])} for row in rows]

    def state(self, recipe_id: int, history_id: int) -> Recipe:
        """What the recipe was before that change. Raises NotFound."""
        with self._db.reading() as db:
            return _state(db, recipe_id, history_id)

    def all(self, *, deleted: bool = False) -> list[int]:
        """The ids of all recipes, oldest first; with those in the trash when ``deleted``."""
        with self._db.reading() as db:
            return [row[0] for row in db.execute(f"SELECT id FROM recipes {'' if deleted else 'WHERE deleted = 0'} ORDER BY id")]

    # -- making and changing

    def make(self, recipe: Recipe, *, deleted: float = 0) -> int:
        """Keep a new recipe; its id. Without a ``uid`` it gets one; one of that uid is there already: it stays, and its id is returned.

        Raises BadValue.
        """
        recipe = checked(recipe)
        now = self._now()
        recipe.uid = recipe.uid or secrets.token_hex(16)
        recipe.created = recipe.created or now
        with self._db.writing() as db:
            row = db.execute("SELECT id FROM recipes WHERE uid = ?", (recipe.uid,)).fetchone()
            if row is not None:
                return int(row["id"])
            made = db.execute(
                "INSERT INTO recipes (uid, name, source, created, changed, used, deleted) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (recipe.uid, recipe.name, msgspec.json.encode(recipe.source).decode(), recipe.created, now, recipe.used, deleted),
            )
            recipe_id = int(made.lastrowid or 0)
            _write(db, recipe_id, Recipe(), recipe)
            bump(db, "catalog")
        return recipe_id

    def change(self, recipe_id: int, change: Change, *, sitting: str = "") -> list[str]:
        """The fields that it changed. ``sitting``: what is changed in one go is one entry of the history. Raises NotFound, BadValue."""
        return self._alter(recipe_id, lambda before: changed(before, change), sitting)

    def change_many(self, recipe_ids: Iterable[int], change: Change) -> int:
        """The same change to several, each with its history; how many there were. Raises BadValue before anything is changed."""
        changed(Recipe(), msgspec.structs.replace(change, change_models=[], remove_models=[]))
        count = 0
        for recipe_id in dict.fromkeys(recipe_ids):
            try:
                self._alter(recipe_id, lambda before: changed(before, change), "")
                count += 1
            except NotFound:
                continue
        return count

    def set_picture(self, recipe_id: int, picture: str, width: int = 0, height: int = 0, level: int = 0) -> list[str]:
        """Put another picture in the place of its picture, or none (''). Raises NotFound."""
        values = {"picture": picture, "width": width, "height": height, "level": level}
        return self._alter(recipe_id, lambda before: msgspec.structs.replace(before, **values), "")

    def restore(self, recipe_id: int, history_id: int) -> list[str]:
        """Make it again what it was before that change; what it is now goes into the history. Raises NotFound."""
        earlier = self.state(recipe_id, history_id)
        values = {name: getattr(earlier, name) for name in FIELDS}
        return self._alter(recipe_id, lambda before: msgspec.structs.replace(before, **values), "")

    def add(self, recipe_id: int, alter: Callable[[Recipe], Recipe], sitting: str = "") -> list[str]:
        """What ``alter`` makes of it, within one transaction. Raises NotFound, BadValue, and what ``alter`` raises."""
        return self._alter(recipe_id, alter, sitting)

    def _alter(self, recipe_id: int, alter: Callable[[Recipe], Recipe], sitting: str) -> list[str]:
        with self._db.writing() as db:
            before = _kept(db, recipe_id).recipe
            after = checked(alter(before))
            what = differing(before, after)
            if not what:
                return []
            _remember(db, recipe_id, before, what, sitting, self._now())
            _write(db, recipe_id, before, after)
            db.execute("UPDATE recipes SET changed = ? WHERE id = ?", (self._now(), recipe_id))
            bump(db, "catalog")
        return what

    def used(self, recipe_id: int) -> None:
        """It was just sent to be generated."""
        with self._db.writing() as db:
            if not db.execute("UPDATE recipes SET used = ? WHERE id = ?", (self._now(), recipe_id)).rowcount:
                raise NotFound("There is no such recipe.", next_step=RELOAD)
            bump(db, "catalog")

    # -- the trash

    def delete(self, recipe_ids: Iterable[int]) -> int:
        """Put them into the trash; how many were not in it."""
        return self._mark(recipe_ids, "UPDATE recipes SET deleted = ? WHERE id = ? AND deleted = 0", self._now())

    def undelete(self, recipe_ids: Iterable[int]) -> int:
        """Take them back out of it; how many there were."""
        return self._mark(recipe_ids, "UPDATE recipes SET deleted = ? WHERE id = ? AND deleted > 0", 0)

    def _mark(self, recipe_ids: Iterable[int], statement: str, value: float) -> int:
        with self._db.writing() as db:
            count = sum(db.execute(statement, (value, recipe_id)).rowcount for recipe_id in dict.fromkeys(recipe_ids))
            bump(db, "catalog")
        return count

    def purge(self, recipe_ids: Sequence[int] | None = None) -> int:
        """Forget recipes that are in the trash, all by default, for good; how many."""
        with self._db.writing() as db:
            ids = [row[0] for row in db.execute("SELECT id FROM recipes WHERE deleted > 0")]
            gone = ids if recipe_ids is None else sorted(set(ids) & set(recipe_ids))
            for one in gone:  # the index of the search needs the row's own deletion
                db.execute("DELETE FROM recipe_texts WHERE recipe_id = ?", (one,))
                db.execute("DELETE FROM recipes WHERE id = ?", (one,))
            bump(db, "catalog")
        return len(gone)

    def pictures(self) -> set[str]:
        """The file names of all pictures that a recipe or a state of its history has."""
        with self._db.reading() as db:
            return {row[0] for row in db.execute("SELECT picture FROM recipes UNION SELECT picture FROM recipe_history")} - {""}

    # -- for a rebuilt catalog

    def give_history(self, recipe_id: int, entries: Iterable[tuple[float, list[str], Recipe]]) -> None:
        """Put earlier states back, oldest first, of a recipe that has none."""
        with self._db.writing() as db:
            if db.execute("SELECT 1 FROM recipe_history WHERE recipe_id = ?", (recipe_id,)).fetchone() is None:
                for at, what, state in entries:
                    _remember(db, recipe_id, state, what, "", at)


def _kept(db: sqlite3.Connection, recipe_id: int) -> Kept:
    row = db.execute("SELECT * FROM recipes WHERE id = ?", (recipe_id,)).fetchone()
    if row is None:
        raise NotFound("There is no such recipe.", next_step=RELOAD)
    parameters = db.execute("SELECT name, value FROM recipe_parameters WHERE recipe_id = ? ORDER BY position, key", (recipe_id,))
    models = db.execute("SELECT * FROM recipe_models WHERE recipe_id = ? ORDER BY position, id", (recipe_id,))
    tags = db.execute("SELECT tag FROM recipe_tags WHERE recipe_id = ? ORDER BY key", (recipe_id,))
    values: dict[str, Any] = {name: row[name] for name in _ROW}
    values["favourite"] = bool(row["favourite"])
    recipe = Recipe(
        **values, source=source_of(row["source"]), parameters={one["name"]: one["value"] for one in parameters},
        models=[mention_of(one) for one in models], tags=[one["tag"] for one in tags],
    )  # fmt: skip
    return Kept(id=recipe_id, recipe=recipe, fingerprint=row["fingerprint"], changed=row["changed"], deleted=row["deleted"])


def mention_of(row: Mapping[str, Any]) -> Mention:
    return Mention(**{name: row[name] for name in Mention.__struct_fields__})


def source_of(raw: str) -> Source:
    try:
        return msgspec.convert(decoded(raw, {}), Source)
    except msgspec.ValidationError:
        return Source()


def _state(db: sqlite3.Connection, recipe_id: int, history_id: int) -> Recipe:
    row = db.execute("SELECT state FROM recipe_history WHERE id = ? AND recipe_id = ?", (history_id, recipe_id)).fetchone()
    try:
        return msgspec.json.decode(row["state"], type=Recipe)
    except (TypeError, msgspec.MsgspecError) as exc:
        raise NotFound("This earlier state is not there any more.", next_step=RELOAD) from exc


def _remember(db: sqlite3.Connection, recipe_id: int, before: Recipe, what: list[str], sitting: str, at: float) -> None:
    """Keep what it was. While one field is being typed, only what it was before the first letter."""
    told = json.dumps(what)
    last = db.execute("SELECT what, sitting FROM recipe_history WHERE recipe_id = ? ORDER BY id DESC LIMIT 1", (recipe_id,)).fetchone()
    if sitting and last is not None and (last["sitting"], last["what"]) == (sitting, told):
        return
    state = msgspec.json.encode(before).decode()
    db.execute(
        "INSERT INTO recipe_history (recipe_id, at, what, sitting, picture, state) VALUES (?, ?, ?, ?, ?, ?)",
        (recipe_id, at, told, sitting, before.picture, state),
    )
    db.execute(
        "DELETE FROM recipe_history WHERE recipe_id = ? AND id NOT IN "
        "(SELECT id FROM recipe_history WHERE recipe_id = ? ORDER BY id DESC LIMIT ?)",
        (recipe_id, recipe_id, REMEMBERED),
    )  # fmt: skip


def _write(db: sqlite3.Connection, recipe_id: int, before: Recipe, after: Recipe) -> None:
    values = {name: getattr(after, name) for name in _ROW if name not in ("uid", "created", "used")}
    values.update(
        favourite=int(after.favourite), ordering=texts.fold(after.name), collection_key=texts.key(after.collection), fingerprint=fingerprint(after)
    )
    db.execute(f"UPDATE recipes SET {', '.join(f'{name} = ?' for name in values)} WHERE id = ?", (*values.values(), recipe_id))
    if before.parameters != after.parameters or list(before.parameters) != list(after.parameters):
        db.execute("DELETE FROM recipe_parameters WHERE recipe_id = ?", (recipe_id,))
        db.executemany(
            "INSERT INTO recipe_parameters VALUES (?, ?, ?, ?, ?)",
            [(recipe_id, texts.key(name), place, name, value) for place, (name, value) in enumerate(after.parameters.items())],
        )
    if before.tags != after.tags:
        db.execute("DELETE FROM recipe_tags WHERE recipe_id = ?", (recipe_id,))
        db.executemany("INSERT OR REPLACE INTO recipe_tags VALUES (?, ?, ?)", [(texts.key(tag), recipe_id, tag) for tag in after.tags])
    if before.models != after.models:
        _write_models(db, recipe_id, after.models)
    words, names = spoken(after)
    db.execute(
        "INSERT INTO recipe_texts VALUES (?, ?, ?) ON CONFLICT (recipe_id) DO UPDATE SET words = excluded.words, names = excluded.names",
        (recipe_id, " ".join(token for one in dict.fromkeys(words) for token in texts.tokens(one)), texts.grams(names)),
    )


def _write_models(db: sqlite3.Connection, recipe_id: int, models: list[Mention]) -> None:
    """Rows that stay keep their numbers: another page may be changing them."""
    kept = {one.id for one in models if one.id}
    there = {row[0] for row in db.execute("SELECT id FROM recipe_models WHERE recipe_id = ?", (recipe_id,))}
    for some in chunked(sorted(there - kept)):
        db.execute(f"DELETE FROM recipe_models WHERE id IN ({', '.join('?' * len(some))})", some)
    for place, one in enumerate(models):
        values = (place, one.kind, one.name, one.weight, one.hash, one.version_id, one.model_id)
        if one.id in there:
            names = "position = ?, kind = ?, name = ?, weight = ?, hash = ?, version_id = ?, model_id = ?"
            db.execute(f"UPDATE recipe_models SET {names} WHERE id = ?", (*values, one.id))
            continue
        # One that comes back out of the history has its old number, unless another recipe's history says the same (a damaged file).
        free = one.id and db.execute("SELECT 1 FROM recipe_models WHERE id = ?", (one.id,)).fetchone() is None
        columns = "position, kind, name, weight, hash, version_id, model_id, recipe_id, id"
        db.execute(f"INSERT INTO recipe_models ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*values, recipe_id, one.id if free else None))
