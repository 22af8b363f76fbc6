"""Which file here, or which version on Civitai, a hash, a version's number or a name means: for the resources that pictures name."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterable
from pathlib import PurePath

import msgspec

from .database import Database
from .files import COLUMNS, LocalFile, trainers_names
from .settle import chunked


class Known(msgspec.Struct):
    """A version that Civitai has told of."""

    version_id: int
    model_id: int
    model: str
    type: str
    name: str


class Resources:
    def __init__(self, database: Database) -> None:
        self._db = database

    # -- files here

    def with_hash(self, digest: str) -> list[LocalFile]:
        """Files here with this hash (lower hex): SHA-256 or its first 12 or 10 digits, or the hash of a network's tensors."""
        if not re.fullmatch(r"[0-9a-f]{10,64}", digest):
            return []
        with self._db.reading() as db:
            found = _files(db, "sha256 <> '' AND sha256 >= ? AND sha256 < ?", digest, digest + "g")  # g: after every digit
            return found or (_files(db, "autov3 <> '' AND autov3 = ?", digest) if len(digest) == 12 else [])

    def of_version(self, version_id: int) -> list[LocalFile]:
        with self._db.reading() as db:
            model = db.execute("SELECT model_id FROM versions WHERE id = ?", (version_id,)).fetchone()
            if model is None:  # no index leads there without the model
                return _files(db, "version_id = ?", version_id)
            return _files(db, "model_id = ? AND version_id = ?", model[0], version_id)

    def of_model(self, model_id: int) -> list[LocalFile]:
        with self._db.reading() as db:
            return _files(db, "model_id = ?", model_id)

    def named(self, stems: Iterable[str]) -> dict[str, list[LocalFile]]:
        """Files here by their names without endings, in any case, then those whose trainer named them so. Reads all names once."""
        wanted = {stem.casefold() for stem in stems if stem}
        if not wanted:
            return {}
        found: dict[str, list[int]] = {}
        with self._db.reading() as db:
            rows = db.execute("SELECT id, path, alias, sha256, kind FROM local_files WHERE state = 'here'").fetchall()
            for row in rows:
                stem = PurePath(row["path"]).stem.casefold()
                if stem in wanted:
                    found.setdefault(stem, []).append(row["id"])
            for name, numbers in trainers_names(rows).items():
                if name in wanted:
                    found.setdefault(name, []).extend(number for number in numbers if number not in found[name])
            return {stem: [file for number in numbers for file in _files(db, "id = ?", number)] for stem, numbers in found.items()}

    def title_of(self, model_id: int) -> str:
        with self._db.reading() as db:
            row = db.execute("SELECT name FROM models WHERE id = ?", (model_id,)).fetchone()
        return row[0] if row else ""

    # -- versions on Civitai

    def versions(self, version_ids: Iterable[int]) -> dict[int, Known]:
        """What is known of these versions: of the library's, else what was told earlier."""
        found: dict[int, Known] = {}
        with self._db.reading() as db:
            for some in chunked(sorted(set(version_ids))):
                marks = ", ".join("?" * len(some))
                for row in db.execute(f"SELECT version_id, model_id, model, type, name FROM told_versions WHERE version_id IN ({marks})", some):
                    if row["model_id"]:
                        found[row["version_id"]] = Known(*row)
                for row in db.execute(
                    "SELECT v.id, v.model_id, m.name AS model, m.type, v.name FROM versions v JOIN models m ON m.id = v.model_id "
                    f"WHERE v.id IN ({marks})",
                    some,
                ):
                    found[row["id"]] = Known(*row)
        return found

    def version_of_hash(self, digest: str) -> int:
        """The oldest version with a file of this hash, as far as it is known; 0 when it is not."""
        with self._db.reading() as db:
            if re.fullmatch(r"[0-9a-f]{10,64}", digest):
                row = db.execute(
                    "SELECT version_id FROM remote_files WHERE sha256 <> '' AND sha256 >= ? AND sha256 < ? ORDER BY version_id LIMIT 1",
                    (digest, digest + "g"),
                ).fetchone()
                if row:
                    return int(row[0])
            row = db.execute("SELECT version_id FROM told_hashes WHERE hash = ?", (digest,)).fetchone()
        return int(row[0]) if row else 0

    def unknown(self, hashes: Iterable[str], version_ids: Iterable[int], since: float) -> tuple[set[str], set[int]]:
        """Those that Civitai did not know when it was asked after ``since`` (seconds since 1970)."""
        with self._db.reading() as db:
            gone = {
                one for one in hashes
                if db.execute("SELECT 1 FROM told_hashes WHERE hash = ? AND version_id = 0 AND checked > ?", (one, since)).fetchone()
            }
            lost = {
                one for one in version_ids
                if db.execute("SELECT 1 FROM told_versions WHERE version_id = ? AND model_id = 0 AND checked > ?", (one, since)).fetchone()
            }  # fmt: skip
        return gone, lost

    def remember_hashes(self, found: Iterable[tuple[str, int]], now: float | None = None) -> None:
        """Hashes and the versions that they mean; 0: Civitai does not know it."""
        moment = time.time() if now is None else now
        with self._db.writing() as db:
            db.executemany("INSERT OR REPLACE INTO told_hashes VALUES (?, ?, ?)", [(digest, version, moment) for digest, version in found])

    def remember_versions(self, found: Iterable[tuple[int, int, str, str, str]], now: float | None = None) -> None:
        """Versions: number, model's number (0: Civitai does not know it), model's name, type, version's name."""
        moment = time.time() if now is None else now
        with self._db.writing() as db:
            db.executemany("INSERT OR REPLACE INTO told_versions VALUES (?, ?, ?, ?, ?, ?)", [(*one, moment) for one in found])


def _files(db: sqlite3.Connection, condition: str, *values: object) -> list[LocalFile]:
    rows = db.execute(f"SELECT {COLUMNS} FROM local_files WHERE state = 'here' AND {condition} ORDER BY added, path", values)
    return [LocalFile(*row) for row in rows]
