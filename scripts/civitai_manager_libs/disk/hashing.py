"""Hashes as Civitai computes them, and what the header of a safetensors file tells. All hex is in lower case. Reading errors are OSError."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ..reporter import Patience, Plain, Reporter

BLOCK = 1 << 20
# The safetensors library refuses longer headers; Civitai's scanner skips a header only below its own limit.
MAX_HEADER = 100_000_000
SCANNER_HEADER = 16 << 20
UNCACHED = 8 << 20  # bytes that ``digests`` leaves in the page cache at a time


def _blocks(file: BinaryIO, patience: Patience) -> Iterator[memoryview]:
    """What is left of the file, in blocks of one buffer that is used again and again."""
    buffer = bytearray(BLOCK)
    view = memoryview(buffer)
    while count := file.readinto(buffer):  # type: ignore[attr-defined]
        patience.check()
        yield view[:count]


def sha256(path: Path, patience: Patience | None = None, reporter: Reporter | None = None) -> str:
    """SHA-256 of the whole file. ``patience`` is asked for each MiB (may raise Stopped), ``reporter`` hears the bytes done."""
    digest = hashlib.sha256()
    done = 0
    with Path(path).open("rb", buffering=0) as file:
        total = os.fstat(file.fileno()).st_size
        for block in _blocks(file, patience or Plain()):  # type: ignore[arg-type]
            digest.update(block)
            done += len(block)
            if reporter is not None:
                reporter.update(bytes_done=done, bytes_total=total)
    return digest.hexdigest()


def autov3(path: Path, patience: Patience | None = None) -> str | None:
    """The first 12 hex digits of the SHA-256 of what follows a safetensors header, or None for any other file."""
    with Path(path).open("rb") as file:
        length = _header_length(file)
        if length is None or _parse(file.read(length)) is None:
            return None
        file.seek(8 + (length if length < SCANNER_HEADER else 0))
        digest = hashlib.sha256()
        for block in _blocks(file, patience or Plain()):
            digest.update(block)
    return digest.hexdigest()[:12]


def digests(path: Path, patience: Patience, progress: Callable[[int], None], *, tensors: bool = False) -> tuple[str, str]:
    """SHA-256 of the whole file and, with ``tensors``, of what follows its safetensors header ('' for other files), in one reading.

    For many big files in the background: the page cache is spared for those who need it, and other threads get their turn after each block.
    ``progress`` hears the bytes of each block.
    """
    whole, tail = hashlib.sha256(), hashlib.sha256()
    with Path(path).open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        length = _header_length(file) if tensors else None
        skip = None if length is None else 8 + (length if length < SCANNER_HEADER else 0)
        file.seek(0)
        _advise(file.fileno(), 0, 0, "POSIX_FADV_SEQUENTIAL")
        done = released = 0
        for block in _blocks(file, patience):  # type: ignore[arg-type]
            whole.update(block)
            if skip is not None:
                tail.update(block[min(len(block), max(0, skip - done)) :])
            done += len(block)
            progress(len(block))
            if size > UNCACHED and done - released >= UNCACHED:
                _advise(file.fileno(), released, done - released, "POSIX_FADV_DONTNEED")
                released = done
            time.sleep(0)
        if size > UNCACHED:
            _advise(file.fileno(), released, 0, "POSIX_FADV_DONTNEED")
    return whole.hexdigest(), tail.hexdigest() if skip is not None else ""


def _advise(handle: int, start: int, length: int, advice: str) -> None:
    """Tell the system how a file is read, where it listens (not on Windows and macOS)."""
    if hasattr(os, "posix_fadvise"):
        try:
            os.posix_fadvise(handle, start, length, getattr(os, advice))
        except OSError:
            pass  # a file system that does not care


def low_priority() -> None:
    """Let this thread run after the others, where the system has priorities of threads (Linux)."""
    if sys.platform == "linux":
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        except OSError:
            pass


def safetensors_header(path: Path) -> dict[str, Any] | None:
    """The header's JSON (tensor names, ``__metadata__``), or None when the file is no safetensors file or ends within its header."""
    with Path(path).open("rb") as file:
        length = _header_length(file)
        return None if length is None else _parse(file.read(length))


def header_of(file: BinaryIO, size: int) -> dict[str, Any] | None:
    """The header of an open safetensors file of this size; None when it is none, or ends within its header."""
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    return _parse(file.read(length)) if 2 <= length <= min(MAX_HEADER, size - 8) else None


def tensors_end(header: dict[str, Any], length: int) -> int | None:
    """How long a file with this header (of ``length`` bytes) must be; None when the header does not tell."""
    try:
        return 8 + length + max((int(tensor["data_offsets"][1]) for name, tensor in header.items() if name != "__metadata__"), default=0)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return None


def _header_length(file: BinaryIO) -> int | None:
    """The length that the first 8 bytes give, when the file can hold it. The position is then at the header."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    return length if 2 <= length <= min(MAX_HEADER, size - 8) else None


def _parse(raw: bytes) -> dict[str, Any] | None:
    if raw[:1] != b"{":
        return None
    try:
        header = json.loads(raw, strict=False)
    except (ValueError, RecursionError):
        return None
    return header if isinstance(header, dict) else None
