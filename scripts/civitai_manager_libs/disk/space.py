"""Room and permission, asked before the first byte of a download arrives."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from .atomic import disk_error


def _existing(path: Path) -> Path:
    """The path itself or its nearest parent that exists."""
    path = Path(path).absolute()
    return next((candidate for candidate in (path, *path.parents) if os.path.exists(candidate)), Path(path.anchor))  # noqa: PTH110 (Path.exists raises)


def free(path: Path) -> int:
    """Bytes that this user can still write where ``path`` is or will be. Raises NotWritable when the place cannot be asked."""
    place = _existing(path)
    try:
        return shutil.disk_usage(place).free
    except OSError as exc:
        raise disk_error(exc, place) from exc


def device(path: Path) -> int:
    """What tells file systems apart: equal for two paths that share their free space."""
    place = _existing(path)
    try:
        return place.stat().st_dev
    except OSError as exc:
        raise disk_error(exc, place) from exc


def check_writable(folder: Path) -> None:
    """Make the folder and really write into it: modes and access rights lie on network drives and as root.

    Raises NotWritable with the reason (read-only, a file in its place, no permission), or NoSpace when not even a byte fits.
    """
    probe = Path(folder) / f".cm-{secrets.token_hex(8)}.tmp"
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        try:
            with probe.open("xb") as out:
                out.write(b"\0" * 4096)
                out.flush()
        finally:
            probe.unlink(missing_ok=True)
    except OSError as exc:
        raise disk_error(exc, Path(folder)) from exc
