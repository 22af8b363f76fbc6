"""Into the system's trash, which gives things back, or into a folder of our own on the same drive. Nothing in this project deletes a user's file
in another way.

Of the system's trash only the one of freedesktop.org (Linux) tells where a file is, so only from there it can be given back by us.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import TrashFailed
from . import names
from .atomic import disk_error

log = logging.getLogger(__name__)

OWN = ".civitai-manager-trash"
ENDING = ".deleted"  # no loader takes it for a model, even one that looks into hidden folders
RECYCLED = 2 << 30  # bytes; Windows really deletes what is too big for its Recycle Bin, without a word
_FIXED_DRIVE = 3


def move_to_trash(path: Path) -> None:
    """Move a file, a folder or a link (not what it leads to) to the trash. Raises TrashFailed; then it is still where it was."""
    place = str(Path(path).absolute())
    if not os.path.lexists(place):
        raise TrashFailed(f"{place} could not be moved to the trash: it is not there.", next_step="Refresh the view.", path=place)
    try:
        from send2trash import send2trash  # its import chooses the platform's part and may load system libraries

        send2trash(place)
    except Exception as exc:  # each platform raises its own kinds, on Windows those of COM
        log.warning("trash: %s was not moved", place, exc_info=True)
        reason = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
        raise TrashFailed(f"{place} could not be moved to the trash: {reason}.", path=place) from exc


def system_takes(path: Path, size: int) -> bool:
    """Whether the system's trash surely gives this file back. That of Windows only has local drives, and a limit."""
    if os.name != "nt":
        return True
    import ctypes

    windows: Any = ctypes
    drive = os.path.splitdrive(path.absolute())[0] + "\\"
    return size <= RECYCLED and windows.windll.kernel32.GetDriveTypeW(drive) == _FIXED_DRIVE


# -- our own folder


def own_place(path: Path, roots: Iterable[Path], batch: str, number: int) -> Path:
    """Where a file goes in our own folder: beside its model folder, or within it where that is another drive or may not be written to."""
    name = names.safe_name(path.name)[:80]
    return _own_folder(path, roots) / OWN / batch / f"{number}-{name}{ENDING}"


def _own_folder(path: Path, roots: Iterable[Path]) -> Path:
    root = max((root for root in roots if root in path.parents), key=lambda root: len(root.parts), default=path.parent)
    inside = [folder for folder in reversed(path.parents) if folder == root or root in folder.parents]
    try:
        device = path.parent.stat().st_dev
        for folder in (root.parent, *inside):
            if folder.is_dir() and folder.stat().st_dev == device and os.access(folder, os.W_OK | os.X_OK):
                return folder
    except OSError:
        pass  # the move will say why
    return path.parent


def describe(place: Path, path: Path, size: int, mtime_ns: int, sha256: str, at: float) -> None:
    """Beside a file in our own folder: what it was, for whoever finds it without the catalog. Raises NoSpace, NotWritable.

    Written plainly: a half-written one is written again when the killed deletion is finished.
    """
    told = {"path": str(path), "size": size, "mtime_ns": mtime_ns, "sha256": sha256, "deleted": at}
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _described(place).write_text(json.dumps(told, indent=4), encoding="utf-8")
    except OSError as exc:
        raise disk_error(exc, place.parent) from exc


def _described(place: Path) -> Path:
    return place.with_name(place.name + ".json")


# -- the trash of freedesktop.org


def find(path: Path, size: int, mtime_ns: int) -> Path | None:
    """Where the system's trash has the file that was at ``path``, the latest of several; None when it is not there, or does not tell."""
    if not sys.platform.startswith("linux"):
        return None
    wanted, found = str(path.absolute()), []
    for trash, base in _trashes(path):
        for info in _infos(trash, path):
            told = _path_of(info, base)
            place = trash / "files" / info.name.removesuffix(".trashinfo")
            with contextlib.suppress(OSError):
                status = place.lstat()
                if told is not None and os.path.realpath(told.parent) == os.path.realpath(Path(wanted).parent) and told.name == path.name and (
                    (status.st_size, status.st_mtime_ns) == (size, mtime_ns)
                ):
                    found.append((info.stat().st_mtime_ns, place))
    return max(found)[1] if found else None


def _trashes(path: Path) -> Iterator[tuple[Path, Path]]:
    """Folders that may be the trash of a file, each with what its relative paths are below."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path("~/.local/share").expanduser()).expanduser()
    yield data / "Trash", data
    top = Path(os.path.realpath(path.parent))
    while not top.is_mount() and top != top.parent:
        top = top.parent
    user = os.getuid()
    yield top / ".Trash" / str(user), top
    yield top / f".Trash-{user}", top


def _infos(trash: Path, path: Path) -> list[Path]:
    """The records of files of this name: a second one of it gets a number."""
    stem = path.stem
    try:
        with os.scandir(trash / "info") as entries:
            return [Path(entry.path) for entry in entries if entry.name.startswith(stem) and entry.name.endswith(".trashinfo")]
    except OSError:
        return []


def _path_of(info: Path, base: Path) -> Path | None:
    try:
        for line in info.read_text("utf-8", "surrogateescape").splitlines():
            if line.startswith("Path="):
                return base / urllib.parse.unquote(line.removeprefix("Path="), errors="surrogateescape")
    except OSError:
        pass
    return None


def given_back(place: Path) -> None:
    """Remove what describes a file that is no longer in a trash, and our own folders that are empty now. Never raises."""
    info = place.parent.parent / "info" / f"{place.name}.trashinfo"
    own = is_own(place)
    with contextlib.suppress(OSError):
        (_described(place) if own else info).unlink(missing_ok=True)
        if own:
            place.parent.rmdir()
            place.parent.parent.rmdir()


def tells() -> bool:
    """Whether this system's trash tells what it has: then a file that is in no trash was not put there."""
    return sys.platform.startswith("linux")


def is_own(path: Path) -> bool:
    return OWN in path.parts


def is_within(path: Path) -> bool:
    """Whether a file lies in a trash that we can read."""
    return is_own(path) or (path.parent.name == "files" and (path.parent.parent / "info").is_dir())
