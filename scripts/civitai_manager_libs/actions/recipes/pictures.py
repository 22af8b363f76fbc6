"""The pictures of recipes: kept in our data folder byte for byte, since their data is in them, with a small one beside each.

A file is named by its content, so equal pictures are one file, and an earlier state of a recipe still finds its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import re
import time
from pathlib import Path
from typing import NamedTuple

from ...disk import atomic, previews
from ...errors import BadValue
from ..services import Services

log = logging.getLogger(__name__)

BIGGEST = 64 << 20
"""Bytes of a picture."""
KINDS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif", "avif": "image/avif"}
LONGEST = 720  # pixels of the small one
_NAME = re.compile(rf"[0-9a-f]{{32}}\.({'|'.join(KINDS)})")
_YOUNG = 3600.0  # seconds in which a file without an owner may be about to get one


class Stored(NamedTuple):
    """``name``: its file's; ``width`` and ``height`` in pixels, 0 when they cannot be read."""

    name: str
    width: int
    height: int


def look(data: bytes) -> Stored:
    """What storing these bytes gives. Raises BadValue when they are no picture."""
    kind = previews.sniff(data)
    if kind in ("mp4", "webm"):
        raise BadValue("A video cannot be the picture of a recipe.", next_step="Use a still of it.")
    if kind not in KINDS:
        raise BadValue("This is no picture that can be kept.", next_step="Accepted are PNG, JPEG, WebP, GIF and AVIF.")
    if len(data) > BIGGEST:
        raise BadValue(f"This picture is too big ({len(data) >> 20} MB).", next_step=f"At most {BIGGEST >> 20} MB are kept.")
    return Stored(f"{hashlib.sha256(data).hexdigest()[:32]}.{kind}", *_size(data))


def store(services: Services, data: bytes) -> Stored:
    """Keep a picture and make its small one. Raises BadValue, NoSpace, NotWritable."""
    stored = look(data)
    small = previews.thumbnail(data, LONGEST)
    if small is None and previews.sniff(data) != "avif":  # not every Pillow reads that
        raise BadValue("This picture is broken or too big to be shown.", next_step="Choose another one.")
    path = file_of(services, stored.name)
    if not path.is_file() or path.stat().st_size != len(data):
        atomic.write(path, data)
    else:
        with contextlib.suppress(OSError):
            path.touch()  # young again: see sweep
    if small is not None:
        atomic.write(_small(path), small[0])
    return stored


def safe(name: str) -> str:
    """The name, if a picture of ours can have it: it then leads nowhere else. Raises BadValue."""
    if not _NAME.fullmatch(name):
        raise BadValue("This is no picture of a recipe.")
    return name


def file_of(services: Services, name: str) -> Path:
    """Where a picture of this name is. Raises BadValue for a name that no picture of ours has."""
    return services.recipe_folder / safe(name)[:2] / name


def read(services: Services, name: str) -> bytes | None:
    """The original's bytes; None when the file is gone."""
    try:
        return file_of(services, name).read_bytes()
    except (OSError, BadValue):
        return None


def thumbnail(services: Services, name: str) -> bytes | None:
    """The small one, as JPEG; it is made anew when it is missing."""
    with contextlib.suppress(BadValue):
        path = file_of(services, name)
        with contextlib.suppress(OSError):
            return _small(path).read_bytes()
        data = read(services, name)
        made = previews.thumbnail(data, LONGEST) if data else None
        if made is not None:
            atomic.write(_small(path), made[0])
            return made[0]
    return None


def mime(name: str) -> str:
    return KINDS.get(name.rpartition(".")[2], "application/octet-stream")


def sweep(services: Services) -> int:
    """Delete pictures that no recipe and no earlier state of one has any more; how many. What was stored just now may be about to get its recipe."""
    wanted, count, now = services.recipes.pictures(), 0, time.time()
    for path in services.recipe_folder.glob("[0-9a-f][0-9a-f]/*"):
        if not _NAME.fullmatch(path.name) or path.name in wanted:
            continue
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > _YOUNG:
                path.unlink()
                _small(path).unlink(missing_ok=True)
                count += 1
    return count


def _small(path: Path) -> Path:
    return path.with_name(f"{path.stem}.small.jpg")


def _size(data: bytes) -> tuple[int, int]:
    from PIL import Image

    Image.init()
    try:
        with Image.open(io.BytesIO(data), formats=[name for name in ("PNG", "JPEG", "MPO", "WEBP", "GIF", "AVIF") if name in Image.OPEN]) as image:
            width, height = image.size
            return (height, width) if _turned(image) else (width, height)
    except Exception:  # decoders meet broken files and raise whatever they like
        log.info("a picture's size cannot be read", exc_info=True)
        return 0, 0


def _turned(image: object) -> bool:
    """Whether EXIF says that it lies on its side."""
    try:
        return image.getexif().get(0x0112) in (5, 6, 7, 8)  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - see _size
        return False
