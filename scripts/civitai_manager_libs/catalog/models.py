"""The models of the library: what the grid and the search need in columns, and Civitai's whole answer beside it.

An entry with a negative id is a file that is only here: ``-id`` of its row in ``local_files``. It is found, tagged and noted like the others.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from .database import bump, utc_now
from .grid import EVERYTHING, Card, Grid, Wanted
from .settle import chunked, settle, unsettled
from .texts import key, plain

log = logging.getLogger(__name__)

__all__ = ["EVERYTHING", "OWN", "Card", "Entry", "Models", "VersionEntry", "Wanted"]


class VersionEntry(msgspec.Struct):
    """A version's ids and the SHA-256 (lower case or '') of each of its files by file id. ``early_access``: its end, "permanent" or ''."""

    id: int
    files: dict[int, str]
    name: str = ""
    base_model: str = ""
    published: str = ""
    early_access: str = ""


class Entry(msgspec.Struct):
    """A model as it is to be saved. ``search``: everything of Civitai's that a query may look for. Versions newest first.

    ``pictures``: NSFW bit and BlurHash by address; those of the thumbnail are kept. ``video``: address and NSFW bit of the first example video.
    """

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
    pictures: dict[str, tuple[int, str]] = {}
    video: tuple[str, int] | None = None


OWN = ("note", "favourite", "rating", "weight", "negative", "own_level", "follow", "pinned")
"""What a person may set on a model; no refresh touches it."""


class Models(Grid):
    """Everything about models: what ``Grid`` shows, and what changes it."""

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

    def renew(self, entries: Iterable[tuple[Entry, dict[str, Any]]]) -> int:
        """Save entries of an older program anew, unless somebody has done it since they were read; how many of them are done now."""
        entries = list(entries)
        with self._db.writing() as db:
            old = set(_unsettled_of(db, [entry.id for entry, _ in entries]))
            for entry, body in entries:
                if entry.id in old:
                    self._save(db, entry, body)
            settle(db, old)
            bump(db, "catalog")
        return len(entries)

    def keep(self, model_ids: Iterable[int]) -> int:
        """Entries of an older program that cannot be saved anew: there is no body of theirs. How many."""
        model_ids = list(model_ids)
        with self._db.writing() as db:
            db.executemany("UPDATE models SET settled = 1 WHERE id = ?", [(model_id,) for model_id in model_ids])
            settle(db, model_ids)
            bump(db, "catalog")
        return len(model_ids)

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
        thumbnail = db.execute("SELECT thumbnail_url FROM models WHERE id = ?", (entry.id,)).fetchone()[0]
        if thumbnail in entry.pictures:
            db.execute("UPDATE models SET thumbnail_level = ?, blurhash = ? WHERE id = ?", (*entry.pictures[thumbnail], entry.id))
        db.execute(
            "INSERT INTO texts (model_id, search) VALUES (?, ?) ON CONFLICT (model_id) DO UPDATE SET search = excluded.search",
            (entry.id, plain(entry.search)),
        )
        db.execute("DELETE FROM videos WHERE model_id = ?", (entry.id,))
        if entry.video:
            db.execute("INSERT INTO videos VALUES (?, ?, ?)", (entry.id, *entry.video))
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

    def count_unsettled(self) -> int:
        with self._db.reading() as db:
            return int(db.execute("SELECT count(*) FROM models WHERE settled = 0").fetchone()[0])

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
        values = [plain(one) if isinstance(one, str) else one for one in columns.values()]
        self._change(model_id, ", ".join(f"{name} = ?" for name in columns), *values)

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


def _unsettled_of(db: sqlite3.Connection, ids: list[int]) -> Iterator[int]:
    for some in chunked(ids):
        marks = ", ".join("?" * len(some))
        yield from (row[0] for row in db.execute(f"SELECT id FROM models WHERE settled = 0 AND id IN ({marks})", some).fetchall())
