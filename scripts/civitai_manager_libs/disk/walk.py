"""Every model file below some folders, each once, with what ``stat`` says of it: fast enough to be asked for 10,000 files at every scan."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import logging
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from .local_models import is_model_file

log = logging.getLogger(__name__)

TEMPORARY = re.compile(r"\.cm-[0-9a-f]{16}\.tmp")
"""What ``atomic.write`` leaves when its process is killed."""
PART = ".part"


class Root(msgspec.Struct, frozen=True):
    """A folder to walk. ``kind``: of ``host.FOLDER_KINDS``, or '' when the folder does not tell."""

    path: str
    kind: str = ""


class Found(msgspec.Struct):
    """A model file. Device and inode as the catalog keeps them; 0 on Windows, where only opening a file tells them."""

    path: str
    kind: str
    size: int
    mtime_ns: int
    device: int
    inode: int


class Walked(msgspec.Struct):
    """``absent``: folders (and links to some) that could not be listed, so that nothing may be concluded from what was not found below them.

    ``parts``: unfinished downloads, of whichever program; ``temporary``: our own half-written small files.
    """

    files: list[Found]
    absent: list[str]
    parts: list[str]
    temporary: list[str]


def signed(number: int) -> int:
    """SQLite's integers are signed: Windows' file ids and some devices use the highest bit."""
    return number - (1 << 64) if number >= 1 << 63 else number


def lines(text: str) -> list[str]:
    """A setting that has one thing in each line."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def excluder(patterns: Sequence[str]) -> Callable[[str, str], bool]:
    """Whether a file or folder is left out, by its name and path. A pattern without a slash is for names, one with a slash for whole paths."""
    names = [pattern.casefold() for pattern in patterns if not re.search(r"[/\\]", pattern.rstrip("/\\"))]
    paths = [pattern.replace("\\", "/").casefold().rstrip("/") for pattern in patterns if re.search(r"[/\\]", pattern.rstrip("/\\"))]
    if not names and not paths:
        return lambda name, path: False
    by_name = re.compile("|".join(fnmatch.translate(name.rstrip("/\\")) for name in names) or r"(?!)")
    by_path = re.compile("|".join(fnmatch.translate(path) for path in paths) or r"(?!)")
    return lambda name, path: bool(by_name.match(name.casefold()) or (paths and by_path.match(path.replace("\\", "/").casefold())))


def walk(roots: Iterable[Root], patterns: Sequence[str] = (), check: Callable[[], None] = lambda: None) -> Walked:
    """All model files. An inner root is walked before the one around it, so that its kind counts; of equal ones the first.

    A folder is entered once however it is reached (links, loops, mounts). A link to a file counts only when the file itself was not found;
    of several hard links the first counts. Hidden names are left out. ``check`` is called for each folder and may raise.
    """
    walker = _Walker(excluder(patterns), check)
    # Roots without a kind come last: what the host knows says more.
    for root in sorted(roots, key=lambda root: (not root.kind, -len(Path(root.path).parts))):
        walker.root(root)
    walker.follow_links()
    return walker.walked


class _Walker:
    def __init__(self, excluded: Callable[[str, str], bool], check: Callable[[], None]) -> None:
        self.walked = Walked([], [], [], [])
        self._excluded = excluded
        self._check = check
        self._folders: set[tuple[int, int]] = set()
        self._inodes: set[tuple[int, int]] = set()
        self._links: list[tuple[str, str]] = []

    def root(self, root: Root) -> None:
        waiting = [root.path]  # a stack of its own: a deep tree must not meet the recursion limit
        while waiting:
            folder = waiting.pop()
            self._check()
            try:
                status = os.stat(folder)  # noqa: PTH116 - no Path objects here: they would take longer than all the rest
                if (status.st_dev, status.st_ino) in self._folders:
                    continue
                self._folders.add((status.st_dev, status.st_ino))
                with os.scandir(folder) as entries:
                    children = sorted(entries, key=lambda entry: entry.name)
            except OSError as exc:
                self._not_listed(folder, exc)
                continue
            below: list[str] = []
            for child in children:
                self._entry(child, root.kind, below)
            waiting.extend(reversed(below))

    def _entry(self, entry: os.DirEntry[str], kind: str, below: list[str]) -> None:
        name = entry.name
        if name.startswith("."):
            if TEMPORARY.fullmatch(name):
                self.walked.temporary.append(entry.path)
            return
        model = is_model_file(name)
        try:
            if not model and entry.is_file(follow_symlinks=False):  # most of them: pictures and sidecars
                if name.endswith(PART) and is_model_file(name.removesuffix(PART)) and not self._excluded(name, entry.path):
                    self.walked.parts.append(entry.path)
                return
            linked, folder = entry.is_symlink(), entry.is_dir()
            if not folder and not model:
                if linked and not os.path.exists(entry.path):  # noqa: PTH110 - may be a folder on a drive that is not there
                    self.walked.absent.append(entry.path)
                return
            name.encode()
            if self._excluded(name, entry.path):
                return
            if folder:
                below.append(entry.path)
            elif linked:
                self._links.append((entry.path, kind))
            elif entry.is_file(follow_symlinks=False):
                self._add(entry.path, kind, entry.stat(follow_symlinks=False))
        except UnicodeEncodeError:  # the catalog cannot keep it
            log.warning("models: a name that is not text is left out: %s", ascii(entry.path))
        except OSError as exc:
            self._not_listed(entry.path, exc)

    def follow_links(self) -> None:
        """Links to files that were not met under their own names."""
        paths = {found.path for found in self.walked.files} if self._links else set()
        for path, kind in self._links:
            try:
                status = os.stat(path)  # noqa: PTH116
                if os.path.realpath(path) not in paths:
                    self._add(path, kind, status)
            except OSError as exc:
                self._not_listed(path, exc)

    def _add(self, path: str, kind: str, status: os.stat_result) -> None:
        place = (status.st_dev, status.st_ino)
        if status.st_ino and place in self._inodes:
            return
        self._inodes.add(place)
        self.walked.files.append(Found(path, kind, status.st_size, status.st_mtime_ns, signed(status.st_dev), signed(status.st_ino)))

    def _not_listed(self, path: str, exc: OSError) -> None:
        self.walked.absent.append(path)
        if exc.errno not in (errno.ENOENT, errno.ENOTDIR):
            log.warning("models: %s cannot be read (%s)", path, exc.strerror)


def sweep(paths: Iterable[str], older_than: float) -> int:
    """Remove temporary files that were last written before a moment (seconds since 1970); how many went."""
    count = 0
    for path in map(Path, paths):
        with contextlib.suppress(OSError):  # another's, gone already: not worth a word
            if path.stat().st_mtime < older_than:
                path.unlink()
                count += 1
    return count
