"""Files that are either as they were or completely new: written beside the target, flushed to the disk, then swapped in.

Also the one place that turns the operating system's refusals into the errors for people: ``disk_error``.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
import time
from pathlib import Path
from typing import Any

from ..errors import DiskError, NoSpace, NotWritable

# ERROR_HANDLE_DISK_FULL and ERROR_DISK_FULL of Windows arrive as EINVAL-like numbers of their own.
_WINDOWS_FULL = (39, 112)
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_REASONS = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "it is read-only",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.EEXIST: "there is a file of this name, not a folder",
    errno.ENAMETOOLONG: "the path is too long for this file system",
    errno.EFBIG: "its file system cannot hold a file of this size",
    errno.ENOENT: "it cannot be created there",
}


def disk_error(exc: OSError, folder: Path) -> DiskError:
    """The error for people of a failed write into ``folder``: NoSpace when the disk or the quota is full, otherwise NotWritable with the reason."""
    if exc.errno in _FULL or getattr(exc, "winerror", None) in _WINDOWS_FULL:
        return NoSpace(f"There is no space left for {folder}.", folder=str(folder))
    reason = _REASONS.get(exc.errno or 0, exc.strerror or type(exc).__name__)
    return NotWritable(f"The folder {folder} cannot be written to: {reason}.", folder=str(folder), reason=reason)


def replace(source: Path, target: Path) -> None:
    """``os.replace`` that waits a moment on Windows, where a virus scanner or a viewer may hold the target. Raises OSError."""
    for delay in (0.05, 0.2, 0.5) if os.name == "nt" else ():
        try:
            os.replace(source, target)
            return
        except PermissionError:
            time.sleep(delay)
    os.replace(source, target)


def write(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` in one step; missing folders are made.

    The mode of an existing file stays, a symlink stays a symlink (the file it leads to is replaced). On failure the old file is
    untouched and nothing is left behind. Raises NoSpace, NotWritable.
    """
    target = Path(os.path.realpath(path))
    # The name is short and hidden whatever the target's is: no length limit is met, and no scan takes it for a file of the user.
    temporary = target.parent / f".cm-{secrets.token_hex(8)}.tmp"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Not mkstemp: its mode 0600 would lock out other users of a shared models folder. 0666 is cut by the umask.
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
            with os.fdopen(handle, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            _copy_mode(target, temporary)
            replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise disk_error(exc, target.parent) from exc


def _copy_mode(source: Path, target: Path) -> None:
    try:
        target.chmod(stat.S_IMODE(source.stat().st_mode))
    except OSError:
        pass  # no old file, or a file system without modes


def write_text(path: Path, text: str) -> None:
    """``write`` as UTF-8, newlines as they are. Half characters (lone surrogates) become ``?``, so that every reader can decode the file."""
    write(path, text.encode("utf-8", "replace"))


def write_json(path: Path, value: Any, *, ascii_only: bool = False) -> None:
    """``write`` as JSON with indent 4, as the WebUI and its extensions do. ``ascii_only`` escapes everything else (readers that guess encodings)."""
    write_text(path, json.dumps(value, indent=4, ensure_ascii=ascii_only))
