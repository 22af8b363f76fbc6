"""Read what can still be read from a damaged catalog that was set aside."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from .files import LocalFile

log = logging.getLogger(__name__)

MODEL = "SELECT b.body, m.registered, m.note, m.thumbnail_url, m.thumbnail_chosen FROM models m JOIN bodies b ON b.model_id = m.id WHERE m.id = ?"
FILE = ("path", "size", "mtime_ns", "sha256", "model_id", "version_id", "file_id")  # in every version of the file


class Saved(NamedTuple):
    """A model from the damaged file: Civitai's answer, and what only the person knows."""

    body: dict[str, Any]
    registered: str
    note: str
    thumbnail_url: str
    thumbnail_chosen: bool


def models(path: Path) -> Iterator[Saved]:
    """Each model whose rows are still readable; an unreadable one costs only itself. Never raises for the damage."""
    with _opened(path) as connection:
        for model_id in _values(connection, "SELECT id FROM models", "SELECT model_id FROM bodies"):
            for row in _rows(connection, MODEL, model_id):
                try:
                    body = json.loads(zlib.decompress(row[0]), strict=False)
                except (zlib.error, ValueError, TypeError):
                    continue
                yield Saved(body, str(row[1]), str(row[2]), str(row[3]), bool(row[4]))


def files(path: Path) -> Iterator[LocalFile]:
    """Each record of a local file that is still readable; whether it holds is for the caller to see (``LocalFile.unchanged``)."""
    with _opened(path) as connection:
        for name in _values(connection, "SELECT path FROM local_files"):
            for row in _rows(connection, f"SELECT {', '.join(FILE)} FROM local_files WHERE path = ?", name):
                try:
                    yield msgspec.convert(dict(zip(FILE, row, strict=True)), LocalFile)
                except msgspec.ValidationError:
                    continue


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
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
