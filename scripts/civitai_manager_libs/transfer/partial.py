"""What has arrived so far: ``NAME.part`` with the bytes, and beside it ``NAME.part.json`` with what they are bytes of."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec


class Identity(msgspec.Struct):
    """Which bytes these are. A part is only continued when ``sha256`` (or, unknown, version, file and size) is the same."""

    version_id: int = 0
    file_id: int = 0
    size: int | None = None
    sha256: str = ""
    etag: str = ""
    last_modified: str = ""
    total: int | None = None

    def same_file(self, other: Identity) -> bool:
        if self.sha256 and other.sha256:
            return self.sha256 == other.sha256
        return (self.version_id, self.file_id, self.size) == (other.version_id, other.file_id, other.size)

    @property
    def validator(self) -> str:
        """For If-Range: a strong ETag, else the date; '' when the server gave neither."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified


class Part:
    """The two files of an unfinished download of ``target``."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self.state = target.with_name(target.name + ".part.json")

    def known(self) -> Identity | None:
        """What the state file says the part is of; None when there is none that can be read."""
        try:
            return msgspec.json.decode(self.state.read_bytes(), type=Identity)
        except (OSError, msgspec.DecodeError, msgspec.ValidationError):
            return None

    def offset(self, identity: Identity) -> int:
        """How many bytes of this very file are here already. Our part of another file is removed; one that is not known as ours is set aside."""
        known = self.known()
        if not self.path.exists():
            self.remove()
            return 0
        if known is None:
            if self.path.stat().st_size:
                self.set_aside("unknown", of=self.path.name)
            self.remove()
            return 0
        if not known.same_file(identity):
            self.remove()
            return 0
        identity.etag, identity.last_modified, identity.total = known.etag, known.last_modified, known.total
        return self.path.stat().st_size

    def save(self, identity: Identity) -> None:
        temporary = self.state.with_name(self.state.name + ".new")
        temporary.write_bytes(msgspec.json.encode(identity))
        os.replace(temporary, self.state)

    def remove(self) -> None:
        for path in (self.path, self.state, self.state.with_name(self.state.name + ".new")):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def place(self) -> None:
        """Give the whole file its name, in one step and never over another file. Raises FileExistsError.

        The state file stays until ``remove``: should the process die before the file is in the catalog, it tells whose it is.
        """
        try:
            os.link(self.path, self.target)  # fails when the name is taken, unlike rename on POSIX
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if self.target.exists():
                raise FileExistsError(str(self.target)) from None
            self.path.rename(self.target)
        self.path.unlink(missing_ok=True)

    def set_aside(self, reason: str, of: str = "") -> Path:
        """Keep the bytes under a clear name that no loader takes for a model: ``NAME.reason``, numbered when that exists."""
        name = of or self.target.name
        number, aside = 1, self.target.with_name(f"{name}.{reason}")
        while aside.exists():
            number += 1
            aside = self.target.with_name(f"{name}.{reason}-{number}")
        self.path.rename(aside)
        self.remove()
        return aside
