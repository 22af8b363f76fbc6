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
from .schema import MIGRATIONS

log = logging.getLogger(__name__)

DAMAGED = ("malformed", "not a database", "vtable constructor failed", "fts5: ")  # the last two: SQLite's words about a damaged search index
BUSY_TIMEOUT = 15.0  # seconds that a write waits for another process's transaction


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
        connection.text_factory = text_of
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
        if isinstance(exc, UnicodeDecodeError) or any(words in str(exc) for words in DAMAGED):
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


def text_of(raw: bytes) -> str:
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
    if "no such module: fts5" in text:
        return CivitaiManagerError(
            f"This Python's SQLite ({sqlite3.sqlite_version}) was built without full-text search.",
            next_step="Install Python from python.org, or your system's own package of it, and start again.",
        )
    if "locked" in text or "busy" in text:
        return Busy("Another program is writing to the catalog.")
    return exc


def bump(connection: sqlite3.Connection, counter: str) -> int:
    """Raise a counter inside a transaction; its new value."""
    connection.execute("UPDATE counters SET value = value + 1 WHERE name = ?", (counter,))
    return value(connection, counter)


def value(connection: sqlite3.Connection, counter: str) -> int:
    return int(connection.execute("SELECT value FROM counters WHERE name = ?", (counter,)).fetchone()[0])
