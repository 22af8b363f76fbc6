"""What a person said of models, as a whole that can leave this catalog and come back: read in batches, and added without overwriting anything.

For importers and the manifest. Ours is kept: a field that has a value keeps it (the other is told as a conflict), notes are appended, tags and
collections are added.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

import msgspec

from ..errors import BadValue
from .database import Database, bump, decoded
from .own import LONGEST, checked
from .settle import settle
from .texts import key, plain

MAX_ID = 1 << 62
AT_A_TIME = 500  # below SQLite's oldest limit of 999 values in a statement


class WordSet(msgspec.Struct, omit_defaults=True):
    """Trigger words as the person groups them; for every version when ``version_id`` is None."""

    words: str
    name: str = ""
    negative: str = ""
    weight: float | None = None
    version_id: int | None = None


class Own(msgspec.Struct, omit_defaults=True):
    """All that a person said of one model, but for its places in collections. ``level``: NSFW bits; ``ignored``: version ids."""

    note: str = ""
    tags: list[str] = []
    favourite: bool = False
    rating: int = 0
    weight: float | None = None
    negative: str = ""
    level: int | None = None
    follow: str = "any"
    pinned: int | None = None
    ignored: list[int] = []
    word_sets: list[WordSet] = []


class Member(msgspec.Struct, omit_defaults=True):
    model_id: int
    note: str = ""


class Collection(msgspec.Struct, omit_defaults=True):
    name: str
    note: str = ""
    members: list[Member] = []


class Given(msgspec.Struct, omit_defaults=True):
    """What became of an ``Own``: how many values of which field were taken, and which were not because ours differ."""

    taken: dict[str, int] = {}
    conflicts: list[dict[str, Any]] = []


# field of Own: (column, value that means "not set"). Of these one value is kept.
_SINGLE: dict[str, tuple[str, Any]] = {
    "favourite": ("favourite", False), "rating": ("rating", 0), "weight": ("weight", None), "negative": ("negative", ""),
    "level": ("own_level", None), "follow": ("follow", "any"), "pinned": ("pinned", None),
}  # fmt: skip


def joined(ours: str, theirs: str) -> str:
    """Our note, and theirs below it unless ours says it already."""
    ours, theirs = ours.strip(), theirs.strip()
    return ours if not theirs or theirs in ours else f"{ours}\n{theirs}" if ours else theirs


class _Change(msgspec.Struct):
    columns: dict[str, Any] = {}
    tags: list[str] = []
    ignored: list[int] = []
    word_sets: list[WordSet] = []


def _usable(theirs: Own) -> tuple[Own, list[dict[str, Any]]]:
    """Without what a person could not have set, which is told; long texts are cut, as what comes from damaged files."""
    good = msgspec.structs.replace(
        theirs,
        note=plain(theirs.note)[: LONGEST["note"]],
        negative=plain(theirs.negative)[: LONGEST["negative"]],
        tags=[tag for one in theirs.tags if (tag := " ".join(plain(one).split())[: LONGEST["tag"]].strip())],
        ignored=[one for one in theirs.ignored if 0 < one < MAX_ID],
        word_sets=[_usable_set(one) for one in theirs.word_sets if one.words.strip()],
    )
    refused = []
    for field, (column, unset) in _SINGLE.items():
        try:
            checked({column: getattr(good, field)})
        except BadValue:
            refused.append({"field": field, "ours": None, "theirs": str(getattr(good, field))[:100], "reason": "cannot be used"})
            setattr(good, field, unset)
    return good, refused


def _usable_set(one: WordSet) -> WordSet:
    words, name = plain(one.words).strip()[: LONGEST["words"]], plain(one.name).strip()[: LONGEST["name"]]
    weight = one.weight if one.weight is not None and abs(one.weight) <= 100 else None
    version = one.version_id if one.version_id is not None and 0 < one.version_id < MAX_ID else None
    return WordSet(words, name, plain(one.negative)[: LONGEST["negative"]], weight, version)


def _difference(ours: Own, theirs: Own) -> tuple[_Change, Given]:
    """What is to be written so that ``ours`` holds all of ``theirs`` that does not contradict it."""
    theirs, refused = _usable(theirs)
    change, given = _Change(), Given(conflicts=refused)
    note = joined(ours.note, theirs.note)
    if note != ours.note.strip():
        change.columns["note"] = note
        given.taken["note"] = 1
    for field, (column, unset) in _SINGLE.items():
        mine, other = getattr(ours, field), getattr(theirs, field)
        if other in (unset, mine):
            continue
        if mine == unset:
            change.columns[column] = other
            given.taken[field] = 1
        else:
            given.conflicts.append({"field": field, "ours": mine, "theirs": other})
    known = {key(tag) for tag in ours.tags}
    change.tags = [tag for name, tag in {key(tag): plain(tag.strip()) for tag in reversed(theirs.tags)}.items() if name and name not in known][::-1]
    change.ignored = [one for one in dict.fromkeys(theirs.ignored) if one not in ours.ignored]
    said = {(one.words.casefold(), one.version_id) for one in ours.word_sets}
    for one in theirs.word_sets:
        if one.words.strip() and (one.words.casefold(), one.version_id) not in said:
            said.add((one.words.casefold(), one.version_id))
            change.word_sets.append(one)
    for field in ("tags", "ignored", "word_sets"):
        if count := len(getattr(change, field)):
            given.taken[field] = count
    return change, given


class Exchange:
    def __init__(self, database: Database) -> None:
        self._db = database

    # -- out

    def own(self, model_ids: Iterable[int]) -> dict[int, Own]:
        """What the person said of these models; every registered one is in the answer."""
        with self._db.reading() as db:
            return _own(db, model_ids)

    def models(self, after: int | None, limit: int, only: Iterable[int] | None = None) -> list[dict[str, Any]]:
        """A window of models by id, each with the columns of ``models``, its ``files`` (with names and base models of their versions)."""
        wanted = None if only is None else sorted(set(only))
        with self._db.reading() as db:
            if wanted is None:
                rows = db.execute("SELECT * FROM models WHERE ? IS NULL OR id > ? ORDER BY id LIMIT ?", (after, after, limit)).fetchall()
            else:
                some = [one for one in wanted if after is None or one > after][: min(limit, AT_A_TIME)]
                rows = db.execute(f"SELECT * FROM models WHERE id IN ({_marks(some)}) ORDER BY id", some).fetchall()
            found = {row["id"]: {**dict(row), "base_models": decoded(row["base_models"], []), "files": [], "versions": []} for row in rows}
            for some in _chunks(list(found)):
                query = (
                    "SELECT f.*, v.name AS version_name, v.base_model FROM local_files f LEFT JOIN versions v ON v.id = f.version_id "
                    f"WHERE f.model_id IN ({_marks(some)}) ORDER BY f.path"
                )
                for row in db.execute(query, some):
                    found[row["model_id"]]["files"].append(dict(row))
                for row in db.execute(f"SELECT * FROM versions WHERE model_id IN ({_marks(some)}) ORDER BY model_id, position", some):
                    found[row["model_id"]]["versions"].append(dict(row))
        return list(found.values())

    def count(self) -> int:
        with self._db.reading() as db:
            return int(db.execute("SELECT count(*) FROM models").fetchone()[0])

    def collections(self) -> list[Collection]:
        """Every collection with its models, both in their order."""
        with self._db.reading() as db:
            found = {row["id"]: Collection(row["name"], row["note"], []) for row in db.execute("SELECT * FROM collections ORDER BY position, key")}
            for row in db.execute("SELECT * FROM collection_models ORDER BY collection_id, position, model_id"):
                found[row["collection_id"]].members.append(Member(row["model_id"], row["note"]))
        return list(found.values())

    def filters(self) -> dict[str, Any]:
        with self._db.reading() as db:
            return {row["name"]: decoded(row["filters"], None) for row in db.execute("SELECT name, filters FROM saved_filters ORDER BY key")}

    # -- in

    def give(self, wanted: Mapping[int, Own], *, registered: Mapping[int, str] | None = None, dry_run: bool = False) -> dict[int, Given]:
        """Add to what the person said of these models, in one transaction. ``dry_run``: only tell; a model that is not there has nothing said.

        ``registered``: since when they are known, for models that are new here.
        """
        if dry_run:
            with self._db.reading() as db:
                ours = _own(db, wanted)
            return {model_id: _difference(ours.get(model_id, Own()), theirs)[1] for model_id, theirs in wanted.items()}
        answer = {}
        with self._db.writing() as db:
            ours = _own(db, wanted)
            changed = set()
            for model_id, theirs in wanted.items():
                if model_id not in ours:
                    continue
                change, answer[model_id] = _difference(ours[model_id], theirs)
                if since := (registered or {}).get(model_id):
                    change.columns["registered"] = since
                if _write(db, model_id, change):
                    changed.add(model_id)
            settle(db, changed)
            if changed:
                bump(db, "catalog")
        return answer

    def give_collection(self, theirs: Collection, *, dry_run: bool = False, coming: Set[int] = frozenset()) -> dict[str, Any]:
        """Make it, or add to ours of that name: new members come last, in their order. Members that are not registered are left out.

        ``coming``: what a dry run takes for registered.
        """
        with self._db.reading() if dry_run else self._db.writing() as db:
            row = db.execute("SELECT id, name, note FROM collections WHERE key = ?", (key(theirs.name),)).fetchone()
            mine = {one[0] for one in db.execute("SELECT model_id FROM collection_models WHERE collection_id = ?", (row["id"],))} if row else set()
            there = _existing(db, [member.model_id for member in theirs.members]) | (coming if dry_run else frozenset())
            members = {member.model_id: member for member in reversed(theirs.members) if member.model_id in there and member.model_id not in mine}
            added = list(reversed(members.values()))
            note = joined(row["note"] if row else "", theirs.note)
            if not dry_run:
                _write_collection(db, row, theirs.name, note, added)
        return {"name": theirs.name, "new": row is None, "added": len(added)}

    def give_filters(self, theirs: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """Add saved filters; one of a name that is taken by another is told as a conflict."""
        ours = {key(name): value for name, value in self.filters().items()}
        new = {name: value for name, value in theirs.items() if key(name) not in ours}
        conflicts = [name for name, value in theirs.items() if key(name) in ours and ours[key(name)] != value]
        if new and not dry_run:
            with self._db.writing() as db:
                db.executemany(
                    "INSERT OR IGNORE INTO saved_filters (key, name, filters) VALUES (?, ?, ?)",
                    [(key(name), plain(name), json.dumps(value)) for name, value in new.items()],
                )
                bump(db, "catalog")
        return {"added": len(new), "conflicts": conflicts}


def _own(db: sqlite3.Connection, model_ids: Iterable[int]) -> dict[int, Own]:
    found: dict[int, Own] = {}
    for some in _chunks(sorted(set(model_ids))):
        marks = _marks(some)
        for row in db.execute(f"SELECT * FROM models WHERE id IN ({marks})", some):
            found[row["id"]] = Own(
                note=row["note"], favourite=bool(row["favourite"]), rating=row["rating"], weight=row["weight"], negative=row["negative"],
                level=row["own_level"], follow=row["follow"], pinned=row["pinned"], tags=[], ignored=[], word_sets=[],
            )  # fmt: skip
        for row in db.execute(f"SELECT model_id, tag FROM tags WHERE own = 1 AND model_id IN ({marks}) ORDER BY key", some):
            found[row["model_id"]].tags.append(row["tag"])
        for row in db.execute(f"SELECT model_id, version_id FROM ignored_versions WHERE model_id IN ({marks}) ORDER BY version_id", some):
            found[row["model_id"]].ignored.append(row["version_id"])
        for row in db.execute(f"SELECT * FROM word_sets WHERE model_id IN ({marks}) ORDER BY model_id, position, id", some):
            one = WordSet(row["words"], row["name"], row["negative"], row["weight"], row["version_id"])
            found[row["model_id"]].word_sets.append(one)
    return found


def _write(db: sqlite3.Connection, model_id: int, change: _Change) -> bool:
    if change.columns:
        assignments = ", ".join(f"{name} = ?" for name in change.columns)
        db.execute(f"UPDATE models SET {assignments} WHERE id = ?", (*change.columns.values(), model_id))
    db.executemany("INSERT OR IGNORE INTO tags (key, model_id, own, tag) VALUES (?, ?, 1, ?)", [(key(tag), model_id, tag) for tag in change.tags])
    db.executemany("INSERT OR IGNORE INTO ignored_versions (version_id, model_id) VALUES (?, ?)", [(one, model_id) for one in change.ignored])
    last = db.execute("SELECT coalesce(max(position), -1) FROM word_sets WHERE model_id = ?", (model_id,)).fetchone()[0]
    db.executemany(
        "INSERT INTO word_sets (model_id, version_id, name, words, negative, weight, position) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (model_id, one.version_id, one.name, one.words, one.negative, one.weight, place)
            for place, one in enumerate(change.word_sets, start=last + 1)
        ],
    )
    return bool(change.columns or change.tags or change.ignored or change.word_sets)


def _write_collection(db: sqlite3.Connection, row: sqlite3.Row | None, name: str, note: str, added: list[Member]) -> None:
    if row is None:
        place = db.execute("SELECT coalesce(max(position), -1) + 1 FROM collections").fetchone()[0]
        values = (key(name), plain(name), place, note)
        number = db.execute("INSERT INTO collections (key, name, position, note) VALUES (?, ?, ?, ?)", values).lastrowid
    else:
        number = row["id"]
        db.execute("UPDATE collections SET note = ? WHERE id = ?", (note, number))
    last = db.execute("SELECT coalesce(max(position), -1) FROM collection_models WHERE collection_id = ?", (number,)).fetchone()[0]
    db.executemany(
        "INSERT OR IGNORE INTO collection_models (collection_id, model_id, position, note) VALUES (?, ?, ?, ?)",
        [(number, member.model_id, place, member.note) for place, member in enumerate(added, start=last + 1)],
    )
    settle(db, [member.model_id for member in added])
    bump(db, "catalog")


def _existing(db: sqlite3.Connection, ids: list[int]) -> set[int]:
    return {row[0] for some in _chunks(ids) for row in db.execute(f"SELECT id FROM models WHERE id IN ({_marks(some)})", some)}


def _marks(values: list[int]) -> str:
    return ", ".join("?" * len(values))


def _chunks(values: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(values), AT_A_TIME):
        yield values[start : start + AT_A_TIME]
