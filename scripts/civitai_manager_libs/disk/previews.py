"""Pictures: what they really are, thumbnails of them, and the preview beside a model file."""

from __future__ import annotations

import io
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from .atomic import write
from .sidecars.reading import beside

if TYPE_CHECKING:
    from PIL import Image as PILImage

log = logging.getLogger(__name__)

# Bigger pictures than this are refused: a small file can claim any size.
MAX_PIXELS = 60_000_000
# And so are those that need more pixels at once in memory, at up to some 12 bytes each. Most JPEG are decoded at a fraction of their size.
MAX_DECODED = 16_000_000
# A JPEG of thumbnail size with more bytes than this is packed anew.
MAX_BYTES = 120_000
# Decoders for what the web serves; the others of Pillow are no business of a stranger's file (EPS starts a program).
_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "AVIF", "BMP", "TIFF")
_NEUTRAL = (128, 128, 128)
# Registrations work side by side, and a picture may need much memory: one at a time, always in the same thread, whose freed memory the next one uses.
_WORKER = ThreadPoolExecutor(1, thread_name_prefix="civitai-manager-picture")

# The names under which the WebUI looks for a preview, in its order; see the facts on sidecars.
WEBUI_EXTENSIONS = ("png", "jpg", "jpeg", "webp", "gif")
WEBUI_SUFFIXES = tuple(f".{extension}" for extension in WEBUI_EXTENSIONS) + tuple(f".preview.{extension}" for extension in WEBUI_EXTENSIONS)


def sniff(data: bytes) -> str | None:
    """What the first bytes are: "png", "jpeg", "webp", "gif", "avif", "mp4" or "webm"; None for anything else. Names and types often lie."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data.startswith(b"\x1a\x45\xdf\xa3"):
        return "webm"
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        if brand in (b"avif", b"avis"):
            return "avif"
        return None if brand in (b"heic", b"heix", b"mif1", b"msf1") else "mp4"
    return None


def thumbnail(data: bytes, max_side: int = 512) -> tuple[bytes, str] | None:
    """A JPEG with no side longer than ``max_side``, and "jpeg"; None when the picture is broken, a video, or too big. Never raises.

    Upright by its EXIF orientation, the first frame of an animation, transparency on a neutral grey, no EXIF data.
    """
    try:
        return _WORKER.submit(_thumbnail, data, max_side).result()
    except Exception:  # decoders meet hostile and broken files and raise whatever they like
        log.info("preview: a picture of %d bytes cannot be decoded", len(data), exc_info=True)
        return None


def _thumbnail(data: bytes, max_side: int) -> tuple[bytes, str] | None:
    from PIL import Image

    Image.init()
    with Image.open(io.BytesIO(data), formats=[name for name in _FORMATS if name in Image.OPEN]) as image:
        width, height = image.size
        if width * height > MAX_PIXELS or not _is_modest(image, max_side):
            log.info("preview: a picture of %d x %d pixels is too big", width, height)
            return None
        orientation = _orientation(image)
        if _is_good(image, data, max_side) and orientation is None:
            image.draft("RGB", (image.width // 8 + 1, image.height // 8 + 1))
            image.load()  # decoded at an eighth: enough to notice a broken one
            return data, "jpeg"
        small = _as_rgb(image, max_side)
    if orientation is not None:
        small = small.transpose(orientation)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=85)  # plain: optimizing costs more than all the rest and saves a tenth of 40 KB
    return out.getvalue(), "jpeg"


def whole(data: bytes) -> PILImage.Image | None:
    """The picture in all its pixels, upright, in RGB or RGBA (the first frame of an animation); None when it is broken, a video, or too big."""
    from PIL import Image

    try:
        Image.init()
        with Image.open(io.BytesIO(data), formats=[name for name in _FORMATS if name in Image.OPEN]) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            orientation = _orientation(image)
            image.load()
            clear = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
            made = image.convert("RGBA" if clear else "RGB")
        return made.transpose(orientation) if orientation is not None else made
    except Exception:  # see thumbnail
        log.info("preview: a picture of %d bytes cannot be decoded", len(data), exc_info=True)
        return None


def _is_modest(image: PILImage.Image, max_side: int) -> bool:
    """Make a JPEG be decoded at a fraction of its size (others ignore it), at least twice ``max_side``; whether the rest is little enough.

    A progressive JPEG is kept in memory whole while it is decoded.
    """
    whole = image.width * image.height if image.info.get("progressive") else 0
    if max(image.size) > max_side:
        image.draft("RGB", (max_side * 2, max_side * 2))
    return max(whole, image.width * image.height) <= MAX_DECODED


def _is_good(image: PILImage.Image, data: bytes, max_side: int) -> bool:
    """Whether the picture is a thumbnail as it came: image servers send JPEG of the asked width, and packing it anew costs time and beauty."""
    return image.format == "JPEG" and image.mode == "RGB" and max(image.size) <= max_side and len(data) <= MAX_BYTES and "exif" not in image.info


def _orientation(image: PILImage.Image) -> PILImage.Transpose | None:
    """How to turn the picture upright, by EXIF tag 0x0112; broken EXIF data is no EXIF data."""
    from PIL.Image import Transpose

    try:
        value = image.getexif().get(0x0112)
    except Exception:  # see thumbnail
        log.debug("preview: EXIF data cannot be read", exc_info=True)
        return None
    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return turns.get(value) if isinstance(value, int) else None


def _as_rgb(image: PILImage.Image, max_side: int) -> PILImage.Image:
    """The picture in RGB and in its final size."""
    from PIL import Image

    mode = image.mode
    transparent = mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
    wanted = "RGBA" if transparent else "RGB"
    if mode.startswith("I;16") or mode in ("I", "F"):
        image = _eight_bit(image, max_side)
    if image.mode not in ("L", "LA", "RGB", "RGBA") or "transparency" in image.info:  # the others are made smaller before they are copied
        image = image.convert(wanted)
    image.load()
    image.thumbnail((max_side, max_side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    image = image.convert(wanted)
    if image.mode == "RGBA":
        ground = Image.new("RGB", image.size, _NEUTRAL)
        ground.paste(image, mask=image.getchannel("A"))
        return ground
    return image


def _eight_bit(image: PILImage.Image, max_side: int) -> PILImage.Image:
    """More than 8 bits a pixel as 8: ``convert`` alone would cut off all that is brighter than 255. Floats are 0 to 1 when they fit into that.

    Made smaller first (to twice ``max_side``), because each step needs another copy.
    """
    from PIL import Image

    floats = image.mode == "F"
    wide = image if floats else image.convert("F")
    low, high = wide.getextrema()
    factor = 255.0 if floats and high <= 1.0 else 1 / 257 if high > 255 else 1.0  # type: ignore[operator]
    if max(wide.size) > max_side * 2:
        share = max_side * 2 / max(wide.size)
        wide = wide.resize((max(1, round(wide.width * share)), max(1, round(wide.height * share))), Image.Resampling.BOX)
    return wide.point(lambda value: value * factor + 0.0).convert("L")


def has_webui_preview(model_file: Path) -> bool:
    """Whether the WebUI would find a preview of this model file under any of its names."""
    return any(os.path.lexists(beside(model_file, suffix)) for suffix in WEBUI_SUFFIXES)


def write_beside(model_file: Path, data: bytes) -> Path | None:
    """Write ``<stem>.preview.<true extension>`` and return its path; None when there is a preview already or the WebUI cannot show this kind.

    AVIF is made into JPEG, which the WebUI looks for; a video has no place there (give a still of it). Raises NoSpace, NotWritable.
    """
    kind = sniff(data)
    if kind == "avif":
        converted = thumbnail(data, 1024)
        data, kind = converted if converted else (b"", None)
    if kind not in WEBUI_EXTENSIONS or has_webui_preview(model_file):
        return None
    path = beside(model_file, f".preview.{kind}")
    write(path, data)
    return path
