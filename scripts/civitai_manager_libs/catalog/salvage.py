"""Read what can still be read from a damaged catalog that was set aside."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..errors import BadValue
from .database import decoded, text_of
from .exchange import Collection, Member, Own, WordSet
from .files import LocalFile
from .models import OWN
from .own import checked
from .recipe import Mention, Recipe, usable

log = logging.getLogger(__name__)

_HASH = re.compile("[0-9a-f]{64}|")
_KEPT = re.compile(r"[0-9a-f]{24}\.[a-z0-9]{3,4}")
BODY = "SELECT body FROM bodies WHERE model_id = ?"
MEMBERS = "SELECT model_id, note FROM collection_models WHERE collection_id = ? ORDER BY position, model_id DESC"
SETS = "SELECT words, name, negative, weight, version_id FROM word_sets WHERE model_id = ? ORDER BY position, id"


class Saved(NamedTuple):
    """A model from the damaged file: Civitai's answer (None when it is lost, or when the model is only here), and what only the person knows.

    ``model_id`` is negative for a file that was only here: ``-model_id`` is the id of its record then.
    """

    model_id: int
    name: str
    type: str
    body: dict[str, Any] | None
    registered: str
    thumbnail_url: str
    thumbnail_chosen: bool
    own: Own


class SavedRecipe(NamedTuple):
    """A recipe from the damaged file. ``deleted``: since when it was in the trash, or 0; ``history``: at, what, state; oldest first."""

    recipe: Recipe
    deleted: float
    history: list[tuple[float, list[str], Recipe]]


class Rest(NamedTuple):
    """What belongs to no single model."""

    collections: list[Collection]
    filters: dict[str, Any]
    journal: list[dict[str, Any]]
    follows: list[dict[str, Any]]
    pictures: list[dict[str, Any]]


def models(path: Path) -> Iterator[Saved]:
    """Each model whose rows are still readable; an unreadable one costs only itself. Never raises for the damage."""
    with _opened(path) as connection:
        for model_id in _values(connection, "SELECT id FROM models", "SELECT model_id FROM bodies"):
            body = next((_unpacked(row[0]) for row in _rows(connection, BODY, model_id)), None)
            row = next(_rows(connection, "SELECT * FROM models WHERE id = ?", model_id), None)
            columns = dict(row) if row else {}
            if not isinstance(model_id, int) or (body is None and not columns):
                continue
            yield Saved(
                model_id, str(columns.get("name", "")), str(columns.get("type", "")), body, str(columns.get("registered", "")),
                str(columns.get("thumbnail_url", "")), bool(columns.get("thumbnail_chosen")), _own(connection, model_id, columns),
            )  # fmt: skip


def files(path: Path) -> Iterator[LocalFile]:
    """Each record of a local file that is still readable; whether it holds is for the caller to see (``LocalFile.unchanged``)."""
    known = set(LocalFile.__struct_fields__)
    with _opened(path) as connection:
        for name in _values(connection, "SELECT path FROM local_files"):
            for row in _rows(connection, "SELECT * FROM local_files WHERE path = ?", name):  # an older file has fewer columns
                try:
                    record = msgspec.convert({column: told for column, told in dict(row).items() if column in known}, LocalFile)
                except msgspec.ValidationError:
                    continue
                if _HASH.fullmatch(record.sha256) and record.state in ("here", "missing", "deleted"):
                    yield record


def rest(path: Path) -> Rest:
    """Collections with their members in order, saved filters, the journal of what was moved, what is followed, pictures that are kept.

    An older file has none of them."""
    with _opened(path) as connection:
        collections: dict[Any, Collection] = {}
        for row in _rows(connection, "SELECT id, name, note FROM collections ORDER BY position, id"):
            collections[row["id"]] = Collection(str(row["name"]), str(row["note"]), [])
        for number, collection in collections.items():
            for row in _rows(connection, MEMBERS, number):
                collection.members.append(Member(row["model_id"], str(row["note"])))
        filters = {str(row["name"]): decoded(row["filters"], None) for row in _rows(connection, "SELECT name, filters FROM saved_filters")}
        journal = [dict(row) for row in _rows(connection, "SELECT * FROM journal ORDER BY id")]
        follows = [dict(row) for row in _rows(connection, "SELECT * FROM follows ORDER BY id")]
        pictures = [row for one in _rows(connection, "SELECT * FROM kept_pictures") if _is_picture(row := dict(one))]
    return Rest(list(collections.values()), {name: told for name, told in filters.items() if isinstance(told, dict)}, journal, follows, pictures)


def _is_picture(row: dict[str, Any]) -> bool:
    """Whether the row of a kept picture is whole: its name leads to a file, which may be deleted one day."""
    texts, numbers = ("url", "picture", "kind"), ("model_id", "version_id", "position", "size", "kept", "used")
    whole = all(isinstance(row.get(name), str) for name in texts) and all(isinstance(row.get(name), (int, float)) for name in numbers)
    return whole and bool(_KEPT.fullmatch(str(row.get("name"))))


def recipes(path: Path) -> Iterator[SavedRecipe]:
    """Each recipe that is still readable, with as much of it as is. Never raises for the damage."""
    with _opened(path) as connection:
        for number in _values(connection, "SELECT id FROM recipes", "SELECT recipe_id FROM recipe_history"):
            row = next(_rows(connection, "SELECT * FROM recipes WHERE id = ?", number), None)
            columns = dict(row) if row else {}
            history = list(_states(connection, number))
            recipe = _recipe(_whole(connection, number, columns)) if columns else history[-1][2] if history else None
            if recipe is not None:
                deleted = columns.get("deleted")
                yield SavedRecipe(recipe, deleted if isinstance(deleted, float) else 0.0, history)


def _whole(connection: sqlite3.Connection, number: Any, columns: dict[str, Any]) -> dict[str, Any]:
    parameters = _rows(connection, "SELECT name, value FROM recipe_parameters WHERE recipe_id = ? ORDER BY position, key", number)
    models = _rows(connection, "SELECT * FROM recipe_models WHERE recipe_id = ? ORDER BY position, id", number)
    tags = _rows(connection, "SELECT tag FROM recipe_tags WHERE recipe_id = ? ORDER BY key", number)
    return {
        **{name: columns[name] for name in Recipe.__struct_fields__ if columns.get(name) is not None},
        "parameters": {str(one["name"]): str(one["value"]) for one in parameters}, "tags": [str(one["tag"]) for one in tags],
        "models": [told for one in models if (told := _mention(dict(one)))], "favourite": columns.get("favourite") == 1,
        "source": decoded(str(columns.get("source") or ""), {}),
    }  # fmt: skip


def _mention(row: dict[str, Any]) -> dict[str, Any] | None:
    told = {name: row[name] for name in Mention.__struct_fields__ if name != "id" and row.get(name) is not None}
    try:
        msgspec.convert(told, Mention)
    except msgspec.ValidationError:
        return None
    return told


def _states(connection: sqlite3.Connection, number: Any) -> Iterator[tuple[float, list[str], Recipe]]:
    for one in _rows(connection, "SELECT at, what, state FROM recipe_history WHERE recipe_id = ? ORDER BY id", number):
        state, what = _recipe(decoded(one["state"], None)), decoded(one["what"], [])
        if state is not None and isinstance(one["at"], float):
            yield one["at"], [str(name) for name in what] if isinstance(what, list) else [], state


def _recipe(told: Any) -> Recipe | None:
    """A field that makes no sense is left out; None when there is nothing to keep."""
    if not isinstance(told, dict):
        return None
    good: dict[str, Any] = {}
    for name, value in told.items():
        with contextlib.suppress(msgspec.ValidationError):
            msgspec.convert({name: value}, Recipe)
            good[name] = value
    recipe = usable(msgspec.convert(good, Recipe))
    recipe.models = [msgspec.structs.replace(one, id=0) for one in recipe.models]
    return recipe if recipe.name or recipe.prompt or recipe.note else None


def _own(connection: sqlite3.Connection, model_id: int, columns: dict[str, Any]) -> Own:
    """What the person said of a model, as far as it can be read; a value that makes no sense is left out."""
    marks: dict[str, Any] = {}
    for name in OWN:
        if name in columns and columns[name] is not None:
            with contextlib.suppress(BadValue):
                marks.update(checked({name: columns[name]}))
    sets = []
    for row in _rows(connection, SETS, model_id):
        with contextlib.suppress(msgspec.ValidationError):
            sets.append(msgspec.convert(dict(row), WordSet))
    ignored = [row[0] for row in _rows(connection, "SELECT version_id FROM ignored_versions WHERE model_id = ?", model_id)]
    return Own(
        note=marks.get("note", ""), favourite=bool(marks.get("favourite")), rating=marks.get("rating", 0), weight=marks.get("weight"),
        negative=marks.get("negative", ""), level=marks.get("own_level"), follow=marks.get("follow", "any"), pinned=marks.get("pinned"),
        tags=[str(row[0]) for row in _rows(connection, "SELECT tag FROM tags WHERE model_id = ? AND own = 1 ORDER BY key", model_id)],
        ignored=[one for one in ignored if isinstance(one, int)], word_sets=sets,
    )  # fmt: skip


def _unpacked(packed: Any) -> dict[str, Any] | None:
    try:
        body = json.loads(zlib.decompress(packed), strict=False)
    except (zlib.error, ValueError, TypeError):
        return None
    return body if isinstance(body, dict) else None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    connection.text_factory = text_of
    try:
        yield connection
    finally:
        connection.close()


def _values(connection: sqlite3.Connection, *queries: str) -> list[Any]:
    """The first column of each query, as far as it can be read, each value once."""
    return list(dict.fromkeys(row[0] for query in queries for row in _rows(connection, query)))


def _rows(connection: sqlite3.Connection, query: str, *values: Any) -> Iterator[Any]:
    try:
        yield from connection.execute(query, values)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as exc:
        log.info("salvage: %s: %s", query.split(" WHERE")[0], exc)
