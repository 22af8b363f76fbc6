"""Give a file another place: nothing is overwritten, and a kill at any moment leaves the bytes at the old place, at the new one, or at both.

Within a drive by ``link`` and ``unlink``; to another drive by a copy that is on the disk and has been read again before the old one goes. Each
function may be called again after a kill (``resuming``) and then finishes what it began.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from ..errors import DiskError, FileExists, NoSpace
from ..reporter import Patience
from . import hashing, space
from .atomic import disk_error
from .names import same_name_exists

BLOCK = 1 << 20
SPARE = 16 << 20  # bytes that stay free on the drive
# What file systems without hard links say, and Linux of files of other users.
NO_LINKS = {errno.EPERM, errno.EACCES, errno.EMLINK, *(getattr(errno, name, errno.ENOSYS) for name in ("ENOSYS", "EOPNOTSUPP", "ENOTSUP"))}

Progress = Callable[[int], None]


def move(source: Path, target: Path, patience: Patience, progress: Progress, *, resuming: bool = False) -> None:
    """Move a file (a link itself, not what it leads to). Folders are made. Raises FileExists, NoSpace, NotWritable, DiskError, Stopped.

    After an error the file is where it was.
    """
    with _explained(target):
        if resuming:
            clean(source, target)
        if not os.path.lexists(source):
            if resuming and os.path.lexists(target):
                return
            raise _gone(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if _is_case_only(source, target):
            source.rename(target)
        elif os.path.lexists(target):
            if not (resuming and equal(source, target, patience, progress)):
                raise _taken(target)
            _drop_source(source, target, keep_target=True)
        elif _is_same_drive(source, target.parent):
            if not _move_within(source, target):
                _move_across(source, target, patience, progress)
        else:
            _move_across(source, target, patience, progress)


def copy(source: Path, target: Path, patience: Patience, progress: Progress, *, resuming: bool = False) -> None:
    """A copy of its own, with the same times. Raises as ``move``."""
    with _explained(target):
        if resuming:
            clean(source, target)
        if not source.exists():
            raise _gone(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(target):
            if resuming and equal(source, target, patience, progress):
                return
            raise _taken(target)
        _copy(source, target, patience, progress)


def drop(copied: Path, original: Path, patience: Patience) -> None:
    """Remove a copy that ``copy`` has made, which the original must equal in every byte. Raises DiskError."""
    with _explained(copied):
        if not os.path.lexists(copied):
            return
        if not original.is_file() or copied.samefile(original) or not equal(original, copied, patience):
            raise DiskError(
                f"{copied} is no longer a copy of {original}, so it was left.", next_step="Look at both, and remove one yourself.", path=str(copied)
            )
        copied.unlink()


def clean(source: Path, target: Path) -> None:
    """Remove what a killed copy has left under its temporary name."""
    temporary_of(source, target).unlink(missing_ok=True)


def same(path: Path, size: int, mtime_ns: int) -> bool:
    """Whether a file (or a link) is there with this size and time, so that it is the one that is meant."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return found.st_size == size and found.st_mtime_ns == mtime_ns


def remove_empty(folder: Path, roots: Collection[Path]) -> None:
    """Remove a folder that has become empty, and those around it, below one of ``roots``."""
    with contextlib.suppress(OSError):  # not empty, or not ours to remove
        while folder not in roots and any(root in folder.parents for root in roots):
            folder.rmdir()
            folder = folder.parent


def is_one_entry(first: Path, second: Path) -> bool:
    """Whether two spellings are one entry of a folder, on a file system that ignores case or Unicode form."""
    return first == second or (first.parent == second.parent and same_name_exists(second.parent, second.name) == first)


@contextlib.contextmanager
def _explained(target: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as exc:
        raise _taken(target) from exc
    except OSError as exc:
        raise disk_error(exc, target.parent) from exc


def _gone(source: Path) -> DiskError:
    return DiskError(f"{source} is no longer there.", next_step="Scan the library, then try again.", path=str(source))


def _taken(target: Path) -> FileExists:
    return FileExists(f"There is another file at {target}.", path=str(target))


def _is_case_only(source: Path, target: Path) -> bool:
    """The same entry of a folder on a file system that ignores case or Unicode form, under another spelling."""
    return source != target and os.path.lexists(target) and is_one_entry(source, target) and os.path.samestat(source.lstat(), target.lstat())


def _is_same_drive(source: Path, folder: Path) -> bool:
    return source.lstat().st_dev == folder.stat().st_dev


def _move_within(source: Path, target: Path) -> bool:
    """False when these are two drives after all (a folder that is mounted in two places)."""
    if os.name == "nt":
        source.rename(target)  # never overwrites there
        return True
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError as exc:
        if exc.errno == errno.EXDEV:
            return False
        if exc.errno not in NO_LINKS:
            raise
        if os.path.lexists(target):  # a file system without hard links
            raise _taken(target) from None
        source.rename(target)
        return True
    _drop_source(source, target)
    return True


def _move_across(source: Path, target: Path, patience: Patience, progress: Progress) -> None:
    if stat.S_ISLNK(source.lstat().st_mode):
        raise DiskError(f"{source} is a link, which cannot go to another drive.", next_step="Move the file that it leads to.", path=str(source))
    _copy(source, target, patience, progress)
    _drop_source(source, target)


def _drop_source(source: Path, target: Path, *, keep_target: bool = False) -> None:
    """The last step of a move. When it cannot be done (the file is open on Windows, the folder is read-only) the new name goes again."""
    try:
        source.unlink()
    except OSError:
        if not keep_target:
            with contextlib.suppress(OSError):
                target.unlink()
        raise


def _copy(source: Path, target: Path, patience: Patience, progress: Progress) -> None:
    """The bytes under a temporary name, on the disk, read again and compared; then the name, if it is still free."""
    before = source.stat()
    if space.free(target.parent) < before.st_size + SPARE:
        raise NoSpace(f"{source.name} does not fit into {target.parent}.", folder=str(target.parent))
    temporary = temporary_of(source, target)
    try:
        with source.open("rb", buffering=0) as reading, temporary.open("wb") as writing:
            digest = hashlib.sha256()
            while block := reading.read(BLOCK):
                patience.check()
                digest.update(block)
                writing.write(block)
                progress(len(block))
            writing.flush()
            os.fsync(writing.fileno())
        after = source.stat()
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise DiskError(f"{source} is being written.", next_step="Wait until that has ended, then try again.", path=str(source))
        written, _ = hashing.digests(temporary, patience, lambda _: None)
        if written != digest.hexdigest():
            raise DiskError(
                f"The copy of {source.name} in {target.parent} is not what was written.", next_step="That disk may be failing: check it.",
                path=str(target),
            )  # fmt: skip
        with contextlib.suppress(OSError):  # a file system without modes
            temporary.chmod(stat.S_IMODE(before.st_mode))
        os.utime(temporary, ns=(before.st_atime_ns, before.st_mtime_ns))
        _name(temporary, target)
        _flush_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_of(source: Path, target: Path) -> Path:
    """Always the same, so that a later run writes over what a killed one left; hidden, and named as the scan's sweep knows them."""
    key = hashlib.sha1(f"{source}\0{target}".encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    return target.with_name(f".cm-{key[:16]}.tmp")


def _name(temporary: Path, target: Path) -> None:
    if os.name == "nt":
        temporary.rename(target)
        return
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise _taken(target) from None
        temporary.rename(target)


def _flush_folder(folder: Path) -> None:
    """The new name is on the disk before the old one goes. Not on Windows, where folders cannot be flushed."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def equal(source: Path, target: Path, patience: Patience, progress: Progress = lambda _: None) -> bool:
    """The same file under two names, or two with equal bytes."""
    first, second = source.lstat(), target.lstat()
    if os.path.samestat(first, second):
        return True
    if not (stat.S_ISREG(first.st_mode) and stat.S_ISREG(second.st_mode)) or first.st_size != second.st_size:
        return False
    return hashing.digests(source, patience, progress)[0] == hashing.digests(target, patience, lambda _: None)[0]
