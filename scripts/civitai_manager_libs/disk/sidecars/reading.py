"""JSON written by many programs, in whatever encoding and state it is."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

LIMIT = 64 << 20
"""Bytes. No tool's sidecar comes near it; a bigger file is something else."""
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def beside(model_file: Path, suffix: str) -> Path:
    """``<stem><suffix>`` in the model file's folder; the stem is the name without its last extension, as the WebUI has it."""
    return model_file.with_name(model_file.stem + suffix)


def decode(raw: bytes) -> str:
    """Text of a sidecar: UTF-8 with or without a mark, UTF-16 with one, otherwise cp1252 (older tools used Windows' default encoding)."""
    if raw[:2] in _UTF16:
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in the file, or None: no file, not readable, no JSON, no object. Control characters within strings are accepted."""
    try:
        value = json.loads(decode(path.read_bytes()), strict=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as exc:
        log.info("sidecar: %s cannot be read (%s)", path, exc)
        return None
    return value if isinstance(value, dict) else None


class Unreadable(Exception):
    """Why a file of another tool cannot be used, as words that complete "it ..."."""


def load(path: Path) -> dict[str, Any]:
    """The JSON object in another tool's file, fit to be stored: no half characters, no NaN. Raises Unreadable, whatever is wrong with it."""
    try:
        with path.open("rb") as file:
            raw = file.read(LIMIT + 1)
    except OSError as exc:
        raise Unreadable(f"cannot be opened ({exc.strerror})") from exc
    if len(raw) > LIMIT:
        raise Unreadable(f"is bigger than {LIMIT >> 20} MB")
    if not raw.strip(b"\0 \t\r\n"):
        raise Unreadable("is empty")
    try:
        value = _storable(json.loads(decode(raw), strict=False))
    except (ValueError, RecursionError, MemoryError) as exc:
        raise Unreadable("is cut off or no JSON") from exc
    if not isinstance(value, dict):
        raise Unreadable("holds no JSON object" if value is not None else "holds null only")
    return value


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_storable(one) for one in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(one) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def is_blank(path: Path) -> bool:
    """Whether there is nothing to lose: no such file, or one without any content."""
    try:
        with path.open("rb") as file:
            return not file.read(64).strip(b"\0 \t\r\n") and path.stat().st_size <= 64
    except FileNotFoundError:
        return True
    except OSError:
        return False
