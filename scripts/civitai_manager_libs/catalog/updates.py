"""Which models have newer versions than those that are here, and when that was last asked."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterable
from typing import Any

import msgspec

from .database import Database
from .settle import chunked, is_early, offered


class NewVersion(msgspec.Struct):
    """A version that is an update; ``follows``: the version here that it comes after. ``early_access``: '' when everybody may have it."""

    id: int
    name: str
    base_model: str
    published: str
    early_access: str
    follows: int
    follows_name: str


class Offer(msgspec.Struct):
    """A model with newer versions, as its creator orders them. ``free``: those that everybody may have now."""

    model_id: int
    name: str
    type: str
    creator: str
    thumbnail: str
    level: int
    checked: float
    settled_newer: int
    follow: str
    versions: list[NewVersion]

    @property
    def free(self) -> list[NewVersion]:
        return [version for version in self.versions if not version.early_access]


class Updates:
    def __init__(self, database: Database) -> None:
        self._db = database

    def to_check(self, model_ids: Iterable[int] | None = None) -> list[int]:
        """Models of Civitai's, the ones first that were not checked for the longest time: these, or all with files here."""
        with self._db.reading() as db:
            if model_ids is None:
                rows = db.execute("SELECT id, checked FROM models WHERE id > 0 AND here > 0").fetchall()
            else:
                rows = [row for some in chunked(sorted(set(model_ids))) for row in _rows(db, "id, checked", some) if row["id"] > 0]
        return [row["id"] for row in sorted(rows, key=lambda row: (row["checked"], row["id"]))]

    def with_files(self, model_ids: Iterable[int]) -> list[int]:
        """Those of these models that have files here and are not known to be gone, in the order given."""
        model_ids = list(model_ids)
        with self._db.reading() as db:
            found = {row["id"] for some in chunked(model_ids) for row in _rows(db, "id, here, gone", some) if row["here"] and not row["gone"]}
        return [model_id for model_id in model_ids if model_id in found]

    def counted(self, model_ids: Iterable[int]) -> dict[str, int]:
        """How many of these models have an update, one in early access only, and how many are gone."""
        with self._db.reading() as db:
            rows = [row for some in chunked(sorted(set(model_ids))) for row in _rows(db, "newer, gone", some)]
        return {
            "with_updates": sum(row["newer"] == 1 for row in rows), "early_access_only": sum(row["newer"] == 2 for row in rows),
            "gone": sum(row["gone"] for row in rows),
        }  # fmt: skip

    def asked(self) -> dict[str, Any]:
        """``models``: how many have files here; ``never``: not checked yet; ``oldest``, ``newest``: checks of the others, seconds since 1970."""
        with self._db.reading() as db:
            row = db.execute(
                "SELECT count(*) AS models, coalesce(sum(checked = 0), 0) AS never, min(nullif(checked, 0)) AS oldest, "
                "max(nullif(checked, 0)) AS newest FROM models WHERE id > 0 AND here > 0"
            ).fetchone()
        return {"models": row["models"], "never": row["never"], "oldest": row["oldest"] or 0, "newest": row["newest"] or 0}

    def offers(self, model_ids: Iterable[int], now: datetime.datetime | None = None) -> dict[int, Offer]:
        """What is newer of these models, by id; those without anything newer are left out."""
        moment = (now or datetime.datetime.now(datetime.timezone.utc)).strftime("%Y-%m-%dT%H:%M:%S")
        made = {}
        with self._db.reading() as db:
            for some in chunked(list(dict.fromkeys(model_ids))):
                for row in _rows(db, "id, name, type, creator, thumbnail, level, checked, newer, follow, pinned, gone", some):
                    if not row["gone"] and (offer := _offer(db, row, moment)):
                        made[offer.model_id] = offer
        return made


def _offer(db: sqlite3.Connection, row: sqlite3.Row, moment: str) -> Offer | None:
    versions = db.execute(
        "SELECT id, name, base_model, published, early_access FROM versions WHERE model_id = ? ORDER BY position", (row["id"],)
    ).fetchall()
    here = {one[0] for one in db.execute("SELECT version_id FROM local_files WHERE model_id = ? AND state = 'here'", (row["id"],))}
    ignored = {one[0] for one in db.execute("SELECT version_id FROM ignored_versions WHERE model_id = ?", (row["id"],))}
    newer = [
        NewVersion(
            one["id"], one["name"], one["base_model"], one["published"], one["early_access"] if is_early(one["early_access"], moment) else "",
            follows["id"], follows["name"],
        )
        for one, follows in offered(row["follow"], row["pinned"], versions, here, ignored)
    ]  # fmt: skip
    if not newer:
        return None
    return Offer(
        row["id"], row["name"], row["type"], row["creator"], row["thumbnail"], row["level"], row["checked"], row["newer"], row["follow"], newer
    )


def _rows(db: sqlite3.Connection, columns: str, ids: list[int]) -> list[sqlite3.Row]:
    return db.execute(f"SELECT {columns} FROM models WHERE id IN ({', '.join('?' * len(ids))})", ids).fetchall()
