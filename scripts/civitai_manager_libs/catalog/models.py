"""The models of the library: what the grid and the search need in columns, and Civitai's whole answer beside it.

An entry with a negative id is a file that is only here: ``-id`` of its row in ``local_files``. It is found, tagged and noted like the others.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import zlib
from collections.abc import Iterable
from typing import Any

import msgspec

from . import query as queries
from .database import Database, bump, decoded, utc_now, value
from .settle import settle, unsettled

log = logging.getLogger(__name__)

SORTS = {
    "registered": "m.registered DESC, m.id DESC",
    "name": "m.name COLLATE NOCASE, m.id",
    "published": "m.published DESC, m.id DESC",
    "downloads": "m.downloads DESC, m.id DESC",
    "liked": "m.thumbs DESC, m.id DESC",
    "rating": "m.rating DESC, m.id DESC",
    "size": "m.bytes DESC, m.id DESC",
    "used": "m.used DESC, m.id DESC",
}
LEVEL_BITS = (1, 2, 4, 8, 16)
"""PG, PG-13, R, X, XXX. 0 is unrated and counts as the strictest."""


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
    """What the grid is asked for. Empty fields do not filter. ``state``: of ``query.STATES``; ``hide``: the highest NSFW bit that is shown, 0 all."""

    query: str = ""
    type: str = ""
    base: str = ""
    state: str = ""
    collection: str = ""
    hide: int = 0
    sort: str = "registered"


EVERYTHING = Wanted()

OWN = ("note", "favourite", "rating", "weight", "negative", "own_level", "follow", "pinned")
"""What a person may set on a model; no refresh touches it."""


class Models:
    def __init__(self, database: Database) -> None:
        self._db = database

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
            "id": entry.id, "name": entry.name, "type": entry.type, "creator": entry.creator, "nsfw": entry.nsfw, "nsfw_level": entry.nsfw_level,
            "base_models": json.dumps(entry.base_models), "version_count": len(entry.versions), "published": entry.published, "search": entry.search,
            "registered": now, "refreshed": now if entry.refreshed else "", "downloads": entry.downloads, "thumbs": entry.thumbs,
        }  # fmt: skip
        kept = ("id", "registered")
        statement = (
            f"INSERT INTO models ({', '.join(columns)}) VALUES ({', '.join(':' + name for name in columns)}) "
            "ON CONFLICT (id) DO UPDATE SET gone = 0, "
            + ", ".join(f"{name} = excluded.{name}" for name in columns if name not in kept)
        )
        packed = zlib.compress(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"), 6)
        new = db.execute("SELECT 1 FROM models WHERE id = ?", (entry.id,)).fetchone() is None
        db.execute(statement, columns)
        db.execute("INSERT INTO bodies VALUES (?, ?) ON CONFLICT (model_id) DO UPDATE SET body = excluded.body", (entry.id, packed))
        db.execute("DELETE FROM versions WHERE model_id = ?", (entry.id,))
        db.executemany(
            "INSERT OR REPLACE INTO versions (id, model_id, position, name, base_model, published, early_access) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (version.id, entry.id, place, version.name, version.base_model, version.published, version.early_access)
                for place, version in enumerate(entry.versions)
            ],
        )
        db.executemany(
            "INSERT OR REPLACE INTO remote_files VALUES (?, ?, ?)",
            [(version.id, file_id, sha256) for version in entry.versions for file_id, sha256 in version.files.items()],
        )
        db.execute("DELETE FROM bases WHERE model_id = ?", (entry.id,))
        db.executemany("INSERT OR IGNORE INTO bases VALUES (?, ?)", [(entry.id, base) for base in entry.base_models])
        db.execute("DELETE FROM tags WHERE model_id = ? AND own = 0", (entry.id,))
        db.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?, 0)", [(tag, entry.id) for tag in entry.tags])
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

    def ids(self, wanted: Wanted = EVERYTHING) -> list[int]:
        """The ids of all that match, in their order."""
        where, values = _where(wanted)
        with self._db.reading() as db:
            return [row[0] for row in db.execute(f"SELECT m.id FROM models m WHERE {where} ORDER BY {_order(wanted)}", values)]

    def unsettled(self, limit: int = 200) -> list[int]:
        """Models that an older version of this program wrote, and that are to be saved anew from their bodies."""
        with self._db.reading() as db:
            return unsettled(db, limit)

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
            db.execute("INSERT OR IGNORE INTO tags SELECT tag, ?, 1 FROM tags WHERE model_id = ? AND own = 1", (model_id, local_id))
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

    def cards(self, wanted: Wanted = EVERYTHING, *, offset: int = 0, limit: int = 200) -> tuple[list[Card], int]:
        """A window of the matching models and how many there are."""
        where, values = _where(wanted)
        with self._db.reading() as db:
            total = db.execute(f"SELECT count(*) FROM models m WHERE {where}", values).fetchone()[0]
            statement = f"SELECT m.* FROM models m WHERE {where} ORDER BY {_order(wanted)} LIMIT ? OFFSET ?"
            rows = db.execute(statement, (*values, limit, offset)).fetchall()
        return [_card(row) for row in rows], total

    def facets(self) -> dict[str, list[str]]:
        """The types, base models and collections that occur, for the filters."""
        with self._db.reading() as db:
            return {
                "types": [row[0] for row in db.execute("SELECT DISTINCT type FROM models ORDER BY type COLLATE NOCASE")],
                "bases": [row[0] for row in db.execute("SELECT DISTINCT base FROM bases ORDER BY base")],
                "collections": [row[0] for row in db.execute("SELECT name FROM collections ORDER BY position, name")],
            }


def _order(wanted: Wanted) -> str:
    return SORTS.get(wanted.sort, SORTS["registered"])


def _where(wanted: Wanted) -> tuple[str, list[Any]]:
    terms = queries.parse(wanted.query)
    chosen = {"type": wanted.type, "base": wanted.base, "is": wanted.state, "collection": wanted.collection}
    terms += [queries.Term(field, one) for field, one in chosen.items() if one and (field != "is" or one in queries.STATES)]
    conditions, values = queries.conditions(terms)
    if wanted.hide:
        shown = sum(bit for bit in LEVEL_BITS if bit <= wanted.hide)
        conditions.append("m.level & ? > 0")
        values.append(shown)
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
