"""Registered models: what the grid and the search need in columns, and Civitai's whole answer beside it."""

from __future__ import annotations

import json
import logging
import sqlite3
import zlib
from typing import Any

import msgspec

from .database import Database, bump, decoded, utc_now, value

log = logging.getLogger(__name__)

SORTS = {
    "registered": "m.registered DESC, m.id DESC",
    "name": "m.name COLLATE NOCASE, m.id",
    "published": "m.published DESC, m.id DESC",
}


class VersionEntry(msgspec.Struct):
    """A version's ids and the SHA-256 (lower case or '') of each of its files by file id."""

    id: int
    files: dict[int, str]


class Entry(msgspec.Struct):
    """A model as it is to be registered. ``search``: everything that a query may look for."""

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


class Card(msgspec.Struct):
    """A model as the grid shows it."""

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


class Models:
    def __init__(self, database: Database) -> None:
        self._db = database

    def save(self, entry: Entry, body: dict[str, Any]) -> bool:
        """Insert or refresh; True when it is new. A refresh keeps note, date of registration, collections and a chosen thumbnail."""
        now = utc_now()
        columns = {
            "id": entry.id, "name": entry.name, "type": entry.type, "creator": entry.creator, "nsfw": entry.nsfw, "nsfw_level": entry.nsfw_level,
            "base_models": json.dumps(entry.base_models), "version_count": len(entry.versions), "published": entry.published, "search": entry.search,
            "registered": now, "refreshed": now if entry.refreshed else "",
        }  # fmt: skip
        kept = ("id", "registered")
        statement = (
            f"INSERT INTO models ({', '.join(columns)}) VALUES ({', '.join(':' + name for name in columns)}) "
            "ON CONFLICT (id) DO UPDATE SET gone = 0, "
            + ", ".join(f"{name} = excluded.{name}" for name in columns if name not in kept)
        )
        packed = zlib.compress(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"), 6)
        with self._db.writing() as db:
            new = db.execute("SELECT 1 FROM models WHERE id = ?", (entry.id,)).fetchone() is None
            db.execute(statement, columns)
            db.execute("INSERT INTO bodies VALUES (?, ?) ON CONFLICT (model_id) DO UPDATE SET body = excluded.body", (entry.id, packed))
            db.execute("DELETE FROM versions WHERE model_id = ?", (entry.id,))
            db.executemany(
                "INSERT OR REPLACE INTO versions VALUES (?, ?, ?)", [(version.id, entry.id, place) for place, version in enumerate(entry.versions)]
            )
            db.executemany(
                "INSERT OR REPLACE INTO remote_files VALUES (?, ?, ?)",
                [(version.id, file_id, sha256) for version in entry.versions for file_id, sha256 in version.files.items()],
            )
            bump(db, "catalog")
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

    def model_of_version(self, version_id: int) -> int | None:
        with self._db.reading() as db:
            row = db.execute("SELECT model_id FROM versions WHERE id = ?", (version_id,)).fetchone()
        return row["model_id"] if row else None

    def set_note(self, model_id: int, note: str) -> None:
        self._change(model_id, "note = ?", note)

    def set_own(self, model_id: int, registered: str, note: str) -> None:
        """Put back what only the person's own catalog knew: the first registration (ISO 8601 UTC) and the note."""
        self._change(model_id, "registered = ?, note = ?", registered, note)

    def set_gone(self, model_id: int) -> None:
        """Civitai no longer knows it; what we have of it stays."""
        self._change(model_id, "gone = 1")

    def set_thumbnail(self, model_id: int, tag: str, url: str, *, chosen: bool = False) -> None:
        """``tag``: the content tag of the thumbnail file, '' for none. ``chosen``: by the person, so that a refresh keeps it."""
        self._change(model_id, "thumbnail = ?, thumbnail_url = ?, thumbnail_chosen = ?", tag, url, chosen)

    def _change(self, model_id: int, assignments: str, *values: Any) -> None:
        with self._db.writing() as db:
            db.execute(f"UPDATE models SET {assignments} WHERE id = ?", (*values, model_id))
            bump(db, "catalog")

    def revision(self) -> int:
        """Grows with each change of the catalog, by whichever process."""
        with self._db.reading() as db:
            return value(db, "catalog")

    def cards(
        self, query: str = "", *, type: str = "", base: str = "", state: str = "", sort: str = "registered", offset: int = 0, limit: int = 200
    ) -> tuple[list[Card], int]:
        """A window of the matching models and how many there are. Every word of ``query`` must occur in the model's search text or its note."""
        where, values = _where(query, type, base, state)
        order = SORTS.get(sort, SORTS["registered"])
        with self._db.reading() as db:
            total = db.execute(f"SELECT count(*) FROM models m WHERE {where}", values).fetchone()[0]
            rows = db.execute(
                f"SELECT m.*, EXISTS (SELECT 1 FROM local_files f WHERE f.model_id = m.id) AS here FROM models m "
                f"WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",
                (*values, limit, offset),
            ).fetchall()
        return [_card(row) for row in rows], total

    def facets(self) -> dict[str, list[str]]:
        """The types and base models that occur, for the filters."""
        with self._db.reading() as db:
            types = [row[0] for row in db.execute("SELECT DISTINCT type FROM models ORDER BY type")]
            bases = {name for row in db.execute("SELECT DISTINCT base_models FROM models") for name in decoded(row[0], [])}
        return {"types": types, "bases": sorted(bases)}


def _where(query: str, type: str, base: str, state: str) -> tuple[str, list[Any]]:
    conditions, values = ["1"], []
    for word in query.casefold().split():
        conditions.append("m.search || ' ' || m.note LIKE ? ESCAPE '\\'")
        values.append("%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%")
    if type:
        conditions.append("m.type = ?")
        values.append(type)
    if base:
        conditions.append("json_valid(m.base_models) AND EXISTS (SELECT 1 FROM json_each(m.base_models) WHERE value = ?)")
        values.append(base)
    if state in ("downloaded", "registered"):
        conditions.append(f"{'' if state == 'downloaded' else 'NOT '}EXISTS (SELECT 1 FROM local_files f WHERE f.model_id = m.id)")
    return " AND ".join(conditions), values


def _card(row: sqlite3.Row) -> Card:
    bases = decoded(row["base_models"], [])
    return Card(
        id=row["id"], name=row["name"], type=row["type"], base_model=bases[0] if bases else "", creator=row["creator"], nsfw=bool(row["nsfw"]),
        nsfw_level=row["nsfw_level"], state="downloaded" if row["here"] else "registered", thumbnail=row["thumbnail"],
        version_count=row["version_count"], gone=bool(row["gone"]), registered=row["registered"],
    )  # fmt: skip
