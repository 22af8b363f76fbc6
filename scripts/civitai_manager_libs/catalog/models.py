"""The models of the library: what the grid and the search need in columns, and Civitai's whole answer beside it.

An entry with a negative id is a file that is only here: ``-id`` of its row in ``local_files``. It is found, tagged and noted like the others.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import zlib
from array import array
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import msgspec

from . import query as queries
from .database import Database, bump, decoded, utc_now, value
from .settle import chunked, settle, unsettled
from .texts import key, plain

log = logging.getLogger(__name__)

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


class VersionEntry(msgspec.Struct):
    """A version's ids and the SHA-256 (lower case or '') of each of its files by file id. ``early_access``: its end, "permanent" or ''."""

    id: int
    files: dict[int, str]
    name: str = ""
    base_model: str = ""
    published: str = ""
    early_access: str = ""


class Entry(msgspec.Struct):
    """A model as it is to be saved. ``search``: everything of Civitai's that a query may look for. Versions newest first."""

    id: int
    name: str
    type: str
    creator: str
    nsfw: bool
    nsfw_level: int
    base_models: list[str]
    published: str
    search: str
    versions: list[VersionEntry]
    refreshed: bool = True
    tags: list[str] = []
    downloads: int = 0
    thumbs: int = 0


class Card(msgspec.Struct):
    """A model as the grid shows it. ``state``: missing, broken, update, downloaded, local or registered; ``level``: NSFW bits that hold, 0 = unrated;
    ``thumbnail_level``: those of the picture; ``size`` in bytes; ``newer``: 1 an update, 2 one in early access."""

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
OWN = ("note", "favourite", "rating", "weight", "negative", "own_level", "follow", "pinned")
"""What a person may set on a model; no refresh touches it."""


class Models:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._lock = threading.Lock()
        self._found: OrderedDict[Wanted, tuple[int, array[int]]] = OrderedDict()
        self._facets: tuple[int, dict[str, Any]] | None = None

    def save(self, entry: Entry, body: dict[str, Any]) -> bool:
        """Insert or refresh; True when it is new. A refresh keeps all that is the person's: notes, tags, collections, a chosen thumbnail."""
        with self._db.writing() as db:
            new = self._save(db, entry, body)
            settle(db, [entry.id])
            bump(db, "catalog")
        return new

    def save_all(self, entries: Iterable[tuple[Entry, dict[str, Any]]]) -> int:
        """Many in one transaction; how many were new."""
        with self._db.writing() as db:
            saved = [(entry.id, self._save(db, entry, body)) for entry, body in entries]
            settle(db, [model_id for model_id, _ in saved])
            bump(db, "catalog")
        return sum(new for _, new in saved)

    def _save(self, db: sqlite3.Connection, entry: Entry, body: dict[str, Any]) -> bool:
        now = utc_now()
        columns = {
            "id": entry.id, "name": plain(entry.name), "type": plain(entry.type), "creator": plain(entry.creator), "nsfw": entry.nsfw,
            "nsfw_level": entry.nsfw_level, "base_models": json.dumps(entry.base_models), "version_count": len(entry.versions),
            "published": plain(entry.published), "search": "", "registered": now, "refreshed": now if entry.refreshed else "",
            "downloads": entry.downloads, "thumbs": entry.thumbs, "settled": 1,
        }  # fmt: skip
        told = {  # what comes from elsewhere than Civitai does not undo what Civitai has said of it
            "refreshed": "CASE excluded.refreshed WHEN '' THEN refreshed ELSE excluded.refreshed END",
            "gone": "CASE excluded.refreshed WHEN '' THEN gone ELSE 0 END",
        }
        updates = {**{name: f"excluded.{name}" for name in columns if name not in ("id", "registered")}, **told}
        statement = (
            f"INSERT INTO models ({', '.join(columns)}) VALUES ({', '.join(':' + name for name in columns)}) "
            f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = {made}' for name, made in updates.items())}"
        )
        packed = zlib.compress(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"), 6)
        new = db.execute("SELECT 1 FROM models WHERE id = ?", (entry.id,)).fetchone() is None
        db.execute(statement, columns)
        db.execute("INSERT INTO bodies VALUES (?, ?) ON CONFLICT (model_id) DO UPDATE SET body = excluded.body", (entry.id, packed))
        db.execute(
            "INSERT INTO texts (model_id, search) VALUES (?, ?) ON CONFLICT (model_id) DO UPDATE SET search = excluded.search",
            (entry.id, plain(entry.search)),
        )
        db.execute("DELETE FROM versions WHERE model_id = ?", (entry.id,))
        db.executemany(
            "INSERT OR REPLACE INTO versions (id, model_id, position, name, base_model, published, early_access) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (version.id, entry.id, place, plain(version.name), plain(version.base_model), plain(version.published), version.early_access)
                for place, version in enumerate(entry.versions)
            ],
        )
        db.executemany(
            "INSERT OR REPLACE INTO remote_files VALUES (?, ?, ?)",
            [(version.id, file_id, sha256) for version in entry.versions for file_id, sha256 in version.files.items()],
        )
        db.execute("DELETE FROM bases WHERE model_id = ?", (entry.id,))
        db.executemany("INSERT OR IGNORE INTO bases VALUES (?, ?)", [(entry.id, plain(base)) for base in entry.base_models])
        db.execute("DELETE FROM tags WHERE model_id = ? AND own = 0", (entry.id,))
        db.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?, 0, ?)", [(key(tag), entry.id, plain(tag)) for tag in entry.tags if key(tag)])
        return new

    def body(self, model_id: int) -> dict[str, Any] | None:
        """Civitai's last answer for the model, decoded; None when the model is not registered, or when the answer is damaged."""
        with self._db.reading() as db:
            row = db.execute("SELECT body FROM bodies WHERE model_id = ?", (model_id,)).fetchone()
        try:
            return json.loads(zlib.decompress(row["body"]), strict=False) if row else None
        except (zlib.error, ValueError, TypeError) as exc:
            log.warning("catalog: what Civitai said of model %s is damaged (%s); refresh it", model_id, exc)
            return None

    def row(self, model_id: int) -> sqlite3.Row | None:
        with self._db.reading() as db:
            return db.execute("SELECT * FROM models WHERE id = ?", (model_id,)).fetchone()

    def unsettled(self, limit: int = 200) -> list[int]:
        """Models that an older version of this program wrote, and that are to be saved anew from their bodies."""
        with self._db.reading() as db:
            return unsettled(db, limit)

    def keep_as_they_are(self, model_ids: Iterable[int]) -> None:
        """These can not be saved anew: there is no body of theirs."""
        with self._db.writing() as db:
            model_ids = list(model_ids)
            db.executemany("UPDATE models SET settled = 1 WHERE id = ?", [(model_id,) for model_id in model_ids])
            settle(db, model_ids)
            bump(db, "catalog")

    def early(self) -> list[int]:
        """Models with an update in early access, which may end at any time: settle them now and then."""
        return self.ids(Wanted(state="early"))

    def settle(self, model_ids: Iterable[int | None]) -> None:
        """Sum up anew, because time has passed (early access ends) or an older program wrote them."""
        with self._db.writing() as db:
            settle(db, model_ids)
            bump(db, "catalog")

    def model_of_version(self, version_id: int) -> int | None:
        with self._db.reading() as db:
            row = db.execute("SELECT model_id FROM versions WHERE id = ?", (version_id,)).fetchone()
        return row["model_id"] if row else None

    def versions_with_hashes(self, digests: Iterable[str]) -> dict[str, tuple[int, int, int]]:
        """(model, version, file) of each SHA-256 (lower case) that a saved model names; the oldest version of several."""
        found: dict[str, tuple[int, int, int]] = {}
        with self._db.reading() as db:
            for digest in set(digests) - {""}:
                row = db.execute(
                    "SELECT v.model_id, v.id, r.file_id FROM remote_files r JOIN versions v ON v.id = r.version_id "
                    "WHERE r.sha256 = ? ORDER BY v.id LIMIT 1",
                    (digest,),
                ).fetchone()
                if row:
                    found[digest] = tuple(row)
        return found

    # -- what is the person's

    def set_own(self, model_id: int, **columns: Any) -> None:
        """Set some of ``OWN`` (and, when a library is restored, ``registered``)."""
        unknown = set(columns) - {*OWN, "registered"}
        if unknown:
            raise ValueError(f"not a person's: {unknown}")
        self._change(model_id, ", ".join(f"{name} = ?" for name in columns), *columns.values())

    def set_note(self, model_id: int, note: str) -> None:
        self.set_own(model_id, note=note)

    def set_gone(self, model_id: int) -> None:
        """Civitai no longer knows it; what we have of it stays."""
        self._change(model_id, "gone = 1")

    def set_checked(self, model_ids: Iterable[int], at: float) -> None:
        """When updates were last looked for."""
        with self._db.writing() as db:
            db.executemany("UPDATE models SET checked = ? WHERE id = ?", [(at, model_id) for model_id in model_ids])

    def set_thumbnail(self, model_id: int, tag: str, url: str, *, chosen: bool = False, level: int = 0, blurhash: str = "") -> None:
        """``tag``: of the thumbnail file's content, '' for none. ``chosen``: by the person, so that a refresh keeps it. ``level``: its NSFW bit."""
        self._change(
            model_id,
            "thumbnail = ?, thumbnail_url = ?, thumbnail_chosen = ?, thumbnail_level = ?, blurhash = ?",
            tag, url, chosen, level, blurhash,
        )  # fmt: skip

    def forget(self, model_ids: Iterable[int]) -> None:
        """Remove entries with all that is known and noted of them. Files are not touched; those of a removed entry are no longer identified."""
        with self._db.writing() as db:
            for model_id in model_ids:
                db.execute("UPDATE local_files SET model_id = NULL, version_id = NULL, file_id = NULL WHERE model_id = ?", (model_id,))
                db.execute("DELETE FROM models WHERE id = ?", (model_id,))
            bump(db, "catalog")

    def adopt(self, local_id: int, model_id: int) -> None:
        """A file that was only here is known now: what the person said of ``local_id`` goes over to ``model_id``; nothing is overwritten."""
        with self._db.writing() as db:
            old = db.execute("SELECT * FROM models WHERE id = ?", (local_id,)).fetchone()
            new = db.execute("SELECT * FROM models WHERE id = ?", (model_id,)).fetchone()
            if old is None or new is None:
                return
            note = "\n".join(dict.fromkeys(one for one in (new["note"], old["note"]) if one))
            db.execute(
                "UPDATE models SET note = ?, favourite = max(favourite, ?), rating = max(rating, ?), weight = coalesce(weight, ?), "
                "negative = CASE negative WHEN '' THEN ? ELSE negative END, own_level = coalesce(own_level, ?), used = max(used, ?) WHERE id = ?",
                (note, old["favourite"], old["rating"], old["weight"], old["negative"], old["own_level"], old["used"], model_id),
            )
            db.execute("INSERT OR IGNORE INTO tags SELECT key, ?, 1, tag FROM tags WHERE model_id = ? AND own = 1", (model_id, local_id))
            db.execute(
                "INSERT OR IGNORE INTO collection_models SELECT collection_id, ?, position, note FROM collection_models WHERE model_id = ?",
                (model_id, local_id),
            )
            db.execute("UPDATE word_sets SET model_id = ? WHERE model_id = ?", (model_id, local_id))
            db.execute("DELETE FROM models WHERE id = ?", (local_id,))
            settle(db, [model_id])
            bump(db, "catalog")

    def _change(self, model_id: int, assignments: str, *values: Any) -> None:
        with self._db.writing() as db:
            db.execute(f"UPDATE models SET {assignments} WHERE id = ?", (*values, model_id))
            settle(db, [model_id])
            bump(db, "catalog")

    # -- what is looked at

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
        with self._db.reading() as db:
            for some in chunked(model_ids):
                marks = ", ".join("?" * len(some))
                rows.update((row["id"], row) for row in db.execute(f"SELECT {', '.join(SHOWN)} FROM models WHERE id IN ({marks})", some))
        return [_card(rows[model_id]) for model_id in model_ids if model_id in rows]

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
        """Tags for completion, the most used ones first: ``tag``, ``count`` (of models), ``own`` (some model has it from the person)."""
        start = key(beginning)
        with self._db.reading() as db:
            rows = db.execute(
                "SELECT max(tag) AS tag, count(DISTINCT model_id) AS count, max(own) AS own FROM tags WHERE key >= ? AND key < ? "
                "GROUP BY key ORDER BY own DESC, count DESC, key LIMIT ?",
                (start, start + "\U0010ffff", limit),
            ).fetchall()
        return [{"tag": row["tag"], "count": row["count"], "own": bool(row["own"])} for row in rows]


def _order(wanted: Wanted) -> tuple[str, list[Any]]:
    if wanted.sort == "collection" and wanted.collection:
        place = "SELECT position FROM collection_models cm JOIN collections c ON c.id = cm.collection_id WHERE c.key = ? AND cm.model_id = m.id"
        return f"({place}), m.id DESC", [key(wanted.collection)]
    return SORTS.get(wanted.sort, SORTS["registered"]), []


def _where(wanted: Wanted) -> tuple[str, list[Any]]:
    chosen = {"type": wanted.type, "base": wanted.base, "is": wanted.state, "collection": wanted.collection}
    terms = [queries.Term(field, plain(one)) for field, one in chosen.items() if one and (field != "is" or one in queries.STATES)]
    conditions, values = queries.conditions(terms + queries.parse(wanted.query))
    if wanted.hide > 0:
        conditions.append(queries.shown(wanted.hide))
    return " AND ".join(conditions) or "1", values


def _card(row: sqlite3.Row) -> Card:
    bases = decoded(row["base_models"], [])
    here, broken, missing, newer = row["here"], bool(row["broken"]), bool(row["missing"]), row["newer"]
    state = "local" if row["id"] < 0 else "downloaded" if here else "registered"
    state = "broken" if broken else "missing" if missing and not here else "update" if newer == 1 else state
    return Card(
        id=row["id"], name=row["name"], type=row["type"], base_model=bases[0] if bases else "", creator=row["creator"], nsfw=bool(row["nsfw"]),
        nsfw_level=row["nsfw_level"], state=state, thumbnail=row["thumbnail"], version_count=row["version_count"], gone=bool(row["gone"]),
        registered=row["registered"], level=row["level"], thumbnail_level=row["thumbnail_level"], blurhash=row["blurhash"],
        favourite=bool(row["favourite"]), rating=row["rating"], size=row["bytes"], files=here, newer=newer, broken=broken, missing=missing,
    )  # fmt: skip
