"""Hashes as Civitai computes them, and what the header of a safetensors file tells. All hex is in lower case. Reading errors are OSError."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ..reporter import Patience, Plain, Reporter

BLOCK = 1 << 20
# The safetensors library refuses longer headers; Civitai's scanner skips a header only below its own limit.
MAX_HEADER = 100_000_000
SCANNER_HEADER = 16 << 20


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


def safetensors_header(path: Path) -> dict[str, Any] | None:
    """The header's JSON (tensor names, ``__metadata__``), or None when the file is no safetensors file or ends within its header."""
    with Path(path).open("rb") as file:
        length = _header_length(file)
        return None if length is None else _parse(file.read(length))


def safetensors_complete(path: Path) -> bool | None:
    """Whether the file is exactly as long as its header says, without reading the tensors. None: it is no safetensors file."""
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(9)
        length = int.from_bytes(start[:8], "little")
        if len(start) < 9 or not 2 <= length <= MAX_HEADER or start[8:] != b"{":
            return None
        if size < 8 + length:
            return False
        file.seek(8)
        header = _parse(file.read(length))
    if header is None:
        return None
    try:
        end = max((int(tensor["data_offsets"][1]) for name, tensor in header.items() if name != "__metadata__"), default=0)
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return size == 8 + length + end


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
