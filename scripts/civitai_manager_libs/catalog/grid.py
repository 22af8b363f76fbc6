"""What is looked at: windows of the library in an order, filtered; counts for the filters; tags for completion. Nothing here writes."""

from __future__ import annotations

import sqlite3
import threading
from array import array
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import msgspec

from . import query as queries
from .database import Database, decoded, value
from .settle import chunked
from .texts import key, plain

SORTS = {
    "registered": "m.registered DESC, m.id DESC",
    "name": "m.ordering, m.id",
    "published": "m.published DESC, m.id DESC",
    "downloads": "m.downloads DESC, m.id DESC",
    "liked": "m.thumbs DESC, m.id DESC",
    "rating": "m.rating DESC, m.id DESC",
    "size": "m.bytes DESC, m.id DESC",
    "used": "m.used DESC, m.id DESC",
}
KEPT = 8  # answers of which the ids are kept until something changes: the next windows of the same view cost nothing


class Card(msgspec.Struct):
    """A model as the grid shows it. ``state``: missing, broken, update, downloaded, local or registered; ``level``: NSFW bits that hold, 0 = unrated;
    ``thumbnail_level``: those of the picture; ``size`` in bytes; ``newer``: 1 an update, 2 one in early access. ``video``: the address of a short
    example, or ''; ``video_level``: its bits."""

    id: int
    name: str
    type: str
    base_model: str
    creator: str
    nsfw: bool
    nsfw_level: int
    state: str
    thumbnail: str
    version_count: int
    gone: bool
    registered: str
    level: int = 0
    thumbnail_level: int = 0
    blurhash: str = ""
    favourite: bool = False
    rating: int = 0
    size: int = 0
    files: int = 0
    newer: int = 0
    broken: bool = False
    missing: bool = False
    video: str = ""
    video_level: int = 0


class Wanted(msgspec.Struct, kw_only=True, frozen=True):
    """What the grid is asked for. Empty fields do not filter. ``state``: of ``query.STATES``; ``hide``: the highest NSFW bit that is shown, 0 all.
    ``sort``: of ``SORTS``, or "collection" for the order within the one that is chosen."""

    query: str = ""
    type: str = ""
    base: str = ""
    state: str = ""
    collection: str = ""
    hide: int = 0
    sort: str = "registered"


EVERYTHING = Wanted()

SHOWN = (
    "id", "name", "type", "creator", "nsfw", "nsfw_level", "base_models", "version_count", "thumbnail", "gone", "registered", "level",
    "thumbnail_level", "blurhash", "favourite", "rating", "bytes", "here", "newer", "broken", "missing",
)  # fmt: skip


class Grid:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._lock = threading.Lock()
        self._found: OrderedDict[Wanted, tuple[int, array[int]]] = OrderedDict()
        self._facets: tuple[int, dict[str, Any]] | None = None

    def revision(self) -> int:
        """Grows with each change of the catalog, by whichever process."""
        with self._db.reading() as db:
            return value(db, "catalog")

    def ids(self, wanted: Wanted = EVERYTHING) -> list[int]:
        """The ids of all that match, in their order."""
        return list(self._matching(wanted))

    def cards(self, wanted: Wanted = EVERYTHING, *, offset: int = 0, limit: int = 200) -> tuple[list[Card], int]:
        """A window of the matching models and how many there are."""
        found = self._matching(wanted)
        return self.cards_of(found[offset : offset + limit]), len(found)

    def cards_of(self, model_ids: Iterable[int]) -> list[Card]:
        """The cards of some models, in the order asked for; those that are gone meanwhile are left out."""
        model_ids = list(model_ids)
        rows: dict[int, sqlite3.Row] = {}
        videos: dict[int, tuple[str, int]] = {}
        with self._db.reading() as db:
            for some in chunked(model_ids):
                marks = ", ".join("?" * len(some))
                rows.update((row["id"], row) for row in db.execute(f"SELECT {', '.join(SHOWN)} FROM models WHERE id IN ({marks})", some))
                found = db.execute(f"SELECT model_id, url, level FROM videos WHERE model_id IN ({marks})", some)
                videos.update((row["model_id"], (row["url"], row["level"])) for row in found)
        return [_card(rows[model_id], *videos.get(model_id, ("", 0))) for model_id in model_ids if model_id in rows]

    def sizes(self, wanted: Wanted = EVERYTHING) -> int:
        """The bytes on disk of all that match."""
        where, values = _where(wanted)
        with self._db.reading() as db:
            return int(db.execute(f"SELECT total(m.bytes) FROM models m WHERE {where}", values).fetchone()[0])

    def _matching(self, wanted: Wanted) -> array[int]:
        """As ``ids``. Kept until the revision changes."""
        revision = self.revision()  # before the ids: what changes meanwhile is read again
        with self._lock:
            kept = self._found.get(wanted)
            if kept and kept[0] == revision:
                self._found.move_to_end(wanted)
                return kept[1]
        where, values = _where(wanted)
        order, more = _order(wanted)
        with self._db.reading() as db:
            cursor = db.execute(f"SELECT m.id FROM models m WHERE {where} ORDER BY {order}", [*values, *more])
            cursor.row_factory = None
            found = array("q", (row[0] for row in cursor))
        with self._lock:
            self._found[wanted] = (revision, found)
            self._found.move_to_end(wanted)
            while len(self._found) > KEPT:
                self._found.popitem(last=False)
        return found

    def facets(self) -> dict[str, Any]:
        """What occurs in the library, for the filters: types and bases by name, collections, and how many models each has; counts of each state."""
        revision = self.revision()
        if self._facets and self._facets[0] == revision:
            return self._facets[1]
        with self._db.reading() as db:
            types = dict(db.execute("SELECT type, count(*) FROM models GROUP BY type COLLATE NOCASE ORDER BY type COLLATE NOCASE").fetchall())
            bases = dict(db.execute("SELECT base, count(*) FROM bases GROUP BY base ORDER BY base").fetchall())
            states = dict.fromkeys(queries.STATES, 0)
            for facts, count in db.execute("SELECT facts, count(*) FROM models GROUP BY facts").fetchall():
                for state in states:
                    states[state] += count * queries.holds(state, facts)
            collections = db.execute(
                "SELECT c.id, c.name, c.note, (SELECT count(*) FROM collection_models cm WHERE cm.collection_id = c.id) AS count "
                "FROM collections c ORDER BY c.position, c.id"
            ).fetchall()
        made = {
            "types": list(types), "bases": list(bases), "collections": [dict(row) for row in collections],
            "counts": {"types": types, "bases": bases, "states": states},
        }  # fmt: skip
        self._facets = (revision, made)
        return made

    def tags_beginning(self, beginning: str, limit: int = 30) -> list[dict[str, Any]]:
        """Tags for completion: ``tag``, ``count`` (of models), ``own`` (some model has it from the person). The person's first, then the most used.

        For an empty beginning only the person's own.
        """
        start = key(beginning)
        which, values = ("key >= ? AND key < ?", [start, start + "\U0010ffff"]) if start else ("own = 1", [])
        with self._db.reading() as db:
            rows = db.execute(
                f"SELECT max(tag) AS tag, count(DISTINCT model_id) AS count, max(own) AS own FROM tags WHERE {which} "
                "GROUP BY key ORDER BY own DESC, count DESC, key LIMIT ?",
                (*values, limit),
            ).fetchall()
        return [{"tag": row["tag"], "count": row["count"], "own": bool(row["own"])} for row in rows]


def _order(wanted: Wanted) -> tuple[str, list[Any]]:
    if wanted.sort == "collection" and wanted.collection:
        place = "SELECT cm.position FROM collection_models cm JOIN collections c ON c.id = cm.collection_id WHERE c.key = ? AND cm.model_id = m.id"
        return f"({place}), m.id DESC", [key(wanted.collection)]
    return SORTS.get(wanted.sort, SORTS["registered"]), []


def _where(wanted: Wanted) -> tuple[str, list[Any]]:
    chosen = {"type": wanted.type, "base": wanted.base, "is": wanted.state, "collection": wanted.collection}
    terms = [queries.Term(field, plain(one)) for field, one in chosen.items() if one and (field != "is" or one in queries.STATES)]
    conditions, values = queries.conditions(terms + queries.parse(wanted.query))
    if wanted.hide > 0:
        conditions.append(queries.shown(wanted.hide))
    return " AND ".join(conditions) or "1", values


def _card(row: sqlite3.Row, video: str, video_level: int) -> Card:
    bases = decoded(row["base_models"], [])
    here, broken, missing, newer = row["here"], bool(row["broken"]), bool(row["missing"]), row["newer"]
    state = "local" if row["id"] < 0 else "downloaded" if here else "registered"
    state = "broken" if broken else "missing" if missing and not here else "update" if newer == 1 else state
    return Card(
        id=row["id"], name=row["name"], type=row["type"], base_model=bases[0] if bases else "", creator=row["creator"], nsfw=bool(row["nsfw"]),
        nsfw_level=row["nsfw_level"], state=state, thumbnail=row["thumbnail"], version_count=row["version_count"], gone=bool(row["gone"]),
        registered=row["registered"], level=row["level"], thumbnail_level=row["thumbnail_level"], blurhash=row["blurhash"],
        favourite=bool(row["favourite"]), rating=row["rating"], size=row["bytes"], files=here, newer=newer, broken=broken, missing=missing,
        video=video, video_level=video_level,
    )  # fmt: skip
