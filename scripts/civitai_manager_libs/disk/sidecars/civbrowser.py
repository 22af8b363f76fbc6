"""``<stem>.civitai.json``: CivBrowser's copy of the version object; and ``<stem>.txt``, the trigger words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..atomic import write_text
from . import claim
from .claim import Claim
from .reading import Unreadable, beside, decode, is_blank, load, read_object

SUFFIX = ".civitai.json"
WORDS = ".txt"
_LONGEST = 64 * 1024  # bytes of a text file that may be trigger words


def path_of(model_file: Path) -> Path:
    return beside(model_file, SUFFIX)


def said(path: Path) -> Claim:
    """Raises Unreadable."""
    raw = load(path)
    return claim.of_model(raw) if "modelVersions" in raw else claim.of_version(raw)


def said_by_words(path: Path) -> Claim:
    """Raises Unreadable."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LONGEST + 1)
    except OSError as exc:
        raise Unreadable(f"cannot be opened ({exc.strerror})") from exc
    if len(raw) > _LONGEST or b"\0" in raw and raw[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        raise Unreadable("is no list of trigger words")
    return Claim(trained_words=claim.texts([word for line in decode(raw).splitlines() for word in line.split(",")]))


def write(model_file: Path, version_raw: Mapping[str, Any]) -> Path | None:
    """As CivBrowser writes it: indent 2, not escaped. Unknown keys stay. None when the file there cannot be read. Raises NoSpace, NotWritable."""
    path = path_of(model_file)
    existing = read_object(path)
    if existing is None and not is_blank(path):
        return None
    content = {**(existing or {}), **version_raw}
    if content != existing:
        write_text(path, json.dumps(content, indent=2, ensure_ascii=False))
    return path
