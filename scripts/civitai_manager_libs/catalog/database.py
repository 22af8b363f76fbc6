"""The SQLite file: connections, transactions, migrations, and what to do with a corrupt one.

One file holds the catalog and the jobs. Several processes may use it at once (the tab and the command line): write-ahead logging, short
write transactions, and a ``revision`` that each change raises, so that a page knows when to read again.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from ..errors import Busy, CivitaiManagerError, NoSpace, NotWritable

log = logging.getLogger(__name__)

BUSY_TIMEOUT = 15.0  # seconds that a write waits for another process's transaction

SCHEMA_1 = """
CREATE TABLE models (
    id INTEGER PRIMARY KEY,              -- Civitai's model id
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    creator TEXT NOT NULL,
    nsfw INTEGER NOT NULL,
    nsfw_level INTEGER NOT NULL,         -- bits, 0 = not rated
    base_models TEXT NOT NULL,           -- JSON list of text, newest version first
    version_count INTEGER NOT NULL,
    published TEXT NOT NULL,             -- of the newest version, ISO 8601 or ''
    search TEXT NOT NULL,                -- casefolded text that a query is looked for in
    registered TEXT NOT NULL,            -- first registration, ISO 8601 UTC; never changed by a refresh
    refreshed TEXT NOT NULL,             -- last answer of Civitai, ISO 8601 UTC, '' when known from a sidecar only
    gone INTEGER NOT NULL DEFAULT 0,     -- Civitai no longer knows it
    note TEXT NOT NULL DEFAULT '',       -- the person's own
    thumbnail TEXT NOT NULL DEFAULT '',  -- content tag of the thumbnail file, '' = none
    thumbnail_url TEXT NOT NULL DEFAULT '',
    thumbnail_chosen INTEGER NOT NULL DEFAULT 0   -- the person chose it: a refresh keeps it
);
CREATE INDEX models_by_name ON models (name COLLATE NOCASE, id);
CREATE INDEX models_by_registered ON models (registered DESC, id DESC);
CREATE TABLE bodies (model_id INTEGER PRIMARY KEY REFERENCES models ON DELETE CASCADE, body BLOB NOT NULL);  -- zlib, UTF-8 JSON as received
CREATE TABLE versions (id INTEGER PRIMARY KEY, model_id INTEGER NOT NULL REFERENCES models ON DELETE CASCADE, position INTEGER NOT NULL);
CREATE INDEX versions_by_model ON versions (model_id, position);
CREATE TABLE remote_files (                                  -- a linked VAE belongs to several versions
    version_id INTEGER NOT NULL REFERENCES versions ON DELETE CASCADE,
    file_id INTEGER NOT NULL,
    sha256 TEXT NOT NULL,                                    -- lower case, '' = not known
    PRIMARY KEY (version_id, file_id)
) WITHOUT ROWID;
CREATE INDEX remote_files_by_hash ON remote_files (sha256) WHERE sha256 <> '';
CREATE TABLE local_files (
    path TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL,                                    -- lower case, '' = not known
    model_id INTEGER,
    version_id INTEGER,
    file_id INTEGER,
    added TEXT NOT NULL
);
CREATE INDEX local_files_by_model ON local_files (model_id);
CREATE INDEX local_files_by_hash ON local_files (sha256) WHERE sha256 <> '';
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,                   -- equal requests have equal keys
    title TEXT NOT NULL,
    params TEXT NOT NULL,                -- JSON
    state TEXT NOT NULL,                 -- queued, running, paused, done, failed, cancelled ("waiting" is running, seen closer)
    owner TEXT,                          -- the engine that works on it; NULL: nobody
    request TEXT,                        -- pause or cancel, asked by another process
    progress TEXT NOT NULL DEFAULT '{}', -- JSON, as last saved
    result TEXT,                         -- JSON
    error TEXT,                          -- JSON
    created REAL NOT NULL,               -- seconds since 1970
    finished REAL,
    changed INTEGER NOT NULL             -- counter.value at the last change
);
CREATE UNIQUE INDEX jobs_active ON jobs (key) WHERE state IN ('queued', 'running', 'paused');
CREATE INDEX jobs_by_change ON jobs (changed);
CREATE TABLE job_items (
    job_id TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
    position INTEGER NOT NULL,
    params TEXT NOT NULL,
    state TEXT NOT NULL,                 -- queued, done, failed
    result TEXT,
    PRIMARY KEY (job_id, position)
) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('jobs', 0), ('catalog', 0);
"""

MIGRATIONS = (SCHEMA_1,)  # the n-th brings user_version n-1 to n


def utc_now() -> str:
    """Now, ISO 8601 with seconds, UTC."""
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0).isoformat()


class Database:
    """A pool of connections to one file. ``set_aside`` names the corrupt file that was put away when this one was opened."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.set_aside: Path | None = None
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()  # threads of this process queue here instead of spinning in SQLite's busy handler
        self._closed = False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise NotWritable(f"The data folder {self.path.parent} cannot be made ({exc.strerror}).") from exc
        with self._alone():
            try:
                if self.path.exists() and self.path.stat().st_size == 0:  # what a crash of the machine may leave
                    raise sqlite3.DatabaseError("the file is empty")
                self._migrate()
            except sqlite3.OperationalError as exc:
                raise _explained(exc, self.path) from exc
            except (sqlite3.DatabaseError, UnicodeDecodeError) as exc:  # the second: SQLite's words about a damaged schema
                self._put_away(exc)
                self._migrate()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Two programs that start at once must not both migrate."""
        lock = FileLock(f"{self.path}.lock")
        try:
            lock.acquire()
        except OSError as exc:
            raise NotWritable(f"The data folder {self.path.parent} cannot be written to ({exc.strerror}).") from exc
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read with; rows are ``sqlite3.Row``."""
        connection = self._take()
        try:
            yield connection
        except (sqlite3.DatabaseError, UnicodeDecodeError) as exc:
            raise self._failure(exc) from exc
        finally:
            self._give(connection)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is committed, or none."""
        with self._writing:
            connection = self._take()
            try:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                except BaseException:
                    connection.rollback()
                    raise
                connection.execute("COMMIT")
            except sqlite3.IntegrityError:
                raise
            except (sqlite3.DatabaseError, UnicodeDecodeError) as exc:
                raise self._failure(exc) from exc
            finally:
                if connection.in_transaction:
                    connection.rollback()
                self._give(connection)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        try:
            return self._connect()
        except sqlite3.DatabaseError as exc:
            raise self._failure(exc) from exc

    def _give(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < 8:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.text_factory = _text
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _migrate(self) -> None:
        connection = self._connect()
        try:
            if self._marker.exists():
                faults = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
                if faults != ["ok"]:
                    raise sqlite3.DatabaseError(f"malformed: {faults}")
                self._marker.unlink()
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise CivitaiManagerError(
                    f"The catalog {self.path} was written by a newer version of Civitai Manager.",
                    next_step="Update Civitai Manager, then start again.",
                )
            connection.execute("PRAGMA journal_mode = WAL")
            for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
                connection.executescript(f"BEGIN IMMEDIATE;{script};PRAGMA user_version = {number};COMMIT;")
        finally:
            connection.close()

    @property
    def _marker(self) -> Path:
        """Present when damage was met while running: the next start then checks the whole file."""
        return self.path.with_name(self.path.name + ".damaged")

    def _failure(self, exc: sqlite3.DatabaseError | UnicodeDecodeError) -> Exception:
        if isinstance(exc, UnicodeDecodeError) or "malformed" in str(exc) or "not a database" in str(exc):
            with contextlib.suppress(OSError):
                self._marker.touch()
            return CivitaiManagerError(
                "The catalog file is damaged.",
                next_step="Restart: it is then set aside and rebuilt from your models folder. Your model files are not touched.",
            )
        return _explained(exc, self.path)

    def _put_away(self, exc: Exception) -> None:
        """Keep a corrupt catalog under a dated name (something may yet be read from it) and make room for a new one."""
        aside = self.path.with_name(f"{self.path.stem}.broken-{datetime.datetime.now():%Y%m%d-%H%M%S}{self.path.suffix}")
        try:
            for ending in ("", "-wal", "-shm"):
                source = self.path.with_name(self.path.name + ending)
                if source.exists():
                    os.replace(source, aside.with_name(aside.name + ending))
            self._marker.unlink(missing_ok=True)
        except OSError as error:
            raise NotWritable(f"The damaged catalog {self.path} could not be set aside ({error.strerror}).") from exc
        self.set_aside = aside
        log.warning("catalog: %s was damaged (%s) and was set aside as %s", self.path, exc, aside.name)


def _text(raw: bytes) -> str:
    """A damaged text costs some of its letters, not the row."""
    return raw.decode("utf-8", "replace")


def decoded(text: str | None, otherwise: Any) -> Any:
    """A column of JSON; ``otherwise`` when it is empty or damaged."""
    try:
        return json.loads(text) if text else otherwise
    except ValueError:
        log.warning("catalog: a value cannot be read and is left out: %.40s", text)
        return otherwise


def _explained(exc: sqlite3.DatabaseError, path: Path) -> Exception:
    text = str(exc)
    if "full" in text:
        return NoSpace(f"There is no space left for the catalog {path}.")
    if "readonly" in text or "unable to open" in text:
        return NotWritable(f"The catalog {path} cannot be opened for writing.")
    if "locked" in text or "busy" in text:
        return Busy("Another program is writing to the catalog.")
    return exc


def bump(connection: sqlite3.Connection, counter: str) -> int:
    """Raise a counter inside a transaction; its new value."""
    connection.execute("UPDATE counters SET value = value + 1 WHERE name = ?", (counter,))
    return value(connection, counter)


def value(connection: sqlite3.Connection, counter: str) -> int:
    return int(connection.execute("SELECT value FROM counters WHERE name = ?", (counter,)).fetchone()[0])
