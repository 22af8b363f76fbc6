"""Put texts into a picture's file, and find our document there, without touching a single pixel.

The WebUI's text goes where the WebUI looks for it (the ``parameters`` text of PNG, the EXIF UserComment of JPEG and WebP). A document of ours goes
into an iTXt chunk of PNG, comments of JPEG, and the EXIF MakerNote of WebP. All that is in the file besides stays as it is.
"""

from __future__ import annotations

import io
import logging
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from ..errors import BadValue

log = logging.getLogger(__name__)

KEYWORD = "civitai-manager-recipe"
"""The name of our document, wherever it is."""
PNG = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_COMMENT = KEYWORD.encode() + b" "
_SEGMENT = 65_533  # bytes in a segment of JPEG at most
_EXIF, _USER_COMMENT, _MAKER_NOTE = 0x8769, 0x9286, 0x927C
LARGEST = 16 << 20
"""Bytes of a document that are read."""


class _Odd(Exception):
    """The file is not built as its kind should be."""


def can_hold(data: bytes) -> bool:
    """Whether it is a picture that texts can be put into."""
    return _kind(data) != ""


def embed(data: bytes, infotext: str, document: str) -> bytes:
    """The same picture with these texts in the place of such texts; '' leaves one out. Raises BadValue for what cannot hold them."""
    writers = {"png": _into_png, "jpeg": _into_jpeg, "webp": _into_webp}
    try:
        return writers[_kind(data)](data, infotext, document)
    except (KeyError, IndexError, _Odd, struct.error) as exc:
        raise BadValue("Nothing can be written into this picture.", next_step="Share it without its picture, or put a PNG in its place.") from exc


def document_in(data: bytes) -> str:
    """Our document in a picture; '' when there is none. Never raises for what is in the file."""
    readers = {"png": _from_png, "jpeg": _from_jpeg, "webp": _from_webp}
    try:
        return readers[_kind(data)](data).decode("utf-8", "replace")
    except (KeyError, IndexError, _Odd, struct.error):
        return ""


def _kind(data: bytes) -> str:
    if data.startswith(PNG):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""


# -- PNG


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(PNG)
    while place + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        if place + 12 + length > len(data):
            raise _Odd
        yield name, data[place + 8 : place + 8 + length]
        place += 12 + length
        if name == b"IEND":
            return
    raise _Odd  # cut off


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), name) + body + struct.pack(">I", zlib.crc32(name + body))


def _into_png(data: bytes, infotext: str, document: str) -> bytes:
    ours = {b"parameters", KEYWORD.encode()}
    out = [PNG]
    for place, (name, body) in enumerate(_chunks(data)):
        if place == 0 and name != b"IHDR":
            raise _Odd
        if name not in _TEXTS or body.partition(b"\0")[0] not in ours:
            out.append(_chunk(name, body))
        if name == b"IHDR":
            out += [_png_text(keyword, text) for keyword, text in (("parameters", infotext), (KEYWORD, document)) if text]
    return b"".join(out)


def _png_text(keyword: str, text: str) -> bytes:
    """As the WebUI's Pillow writes it: Latin-1 where that is enough."""
    try:
        if keyword != KEYWORD:
            return _chunk(b"tEXt", keyword.encode() + b"\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        pass
    return _chunk(b"iTXt", keyword.encode() + b"\0\0\0\0\0" + text.encode("utf-8", "replace"))


def _from_png(data: bytes) -> bytes:
    for name, body in _chunks(data):
        keyword, _, rest = body.partition(b"\0")
        if name == b"iTXt" and keyword == KEYWORD.encode():
            packed, text = rest[:1], rest[2:].split(b"\0", 2)[-1]
            return _unpacked(text) if packed == b"\1" else text[:LARGEST]
    return b""


def _unpacked(raw: bytes) -> bytes:
    """Some programs pack what they copy; a small file may hold a text that would fill the memory."""
    try:
        return zlib.decompressobj().decompress(raw, LARGEST)
    except zlib.error:
        return b""


# -- JPEG


def _segments(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """(marker and body of each segment before the pixels, the rest of the file)."""
    found: list[tuple[int, bytes]] = []
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
        elif marker == 0xDA:
            return found, data[place:]
        else:
            (length,) = struct.unpack_from(">H", data, place + 2)
            if length < 2:
                break
            found.append((marker, data[place + 4 : place + 2 + length]))
            place += 2 + length
    raise _Odd


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _into_jpeg(data: bytes, infotext: str, document: str) -> bytes:
    segments, rest = _segments(data)
    is_exif = [marker == 0xE1 and body[:6] == b"Exif\0\0" for marker, body in segments]
    before = next((body[6:] for (_, body), is_one in zip(segments, is_exif, strict=True) if is_one), b"")
    exif = b"Exif\0\0" + _exif(before, infotext, "")
    if len(exif) > _SEGMENT:
        raise BadValue("The prompts are too long for a JPEG.", next_step="Share it without its picture, or put a PNG in its place.")
    kept = [
        (marker, body)
        for (marker, body), is_one in zip(segments, is_exif, strict=True)
        if not is_one and not (marker == 0xFE and body.startswith(_COMMENT))
    ]
    at = 1 if kept and kept[0][0] == 0xE0 else 0  # JFIF's own segment comes first
    raw = document.encode("utf-8", "replace")
    size = _SEGMENT - len(_COMMENT)
    comments = [(0xFE, _COMMENT + raw[start : start + size]) for start in range(0, len(raw), size)]
    return b"".join([b"\xff\xd8", *(_segment(*one) for one in [*kept[:at], (0xE1, exif), *comments, *kept[at:]]), rest])


def _from_jpeg(data: bytes) -> bytes:
    segments, _ = _segments(data)
    return b"".join(body[len(_COMMENT) :] for marker, body in segments if marker == 0xFE and body.startswith(_COMMENT))[:LARGEST]


# -- WebP


def _riff(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, place)
        if place + 8 + length > len(data):
            raise _Odd
        yield name, data[place + 8 : place + 8 + length]
        place += 8 + length + (length & 1)


def _into_webp(data: bytes, infotext: str, document: str) -> bytes:
    chunks = list(_riff(data))
    if not chunks:
        raise _Odd
    before = next((body.removeprefix(b"Exif\0\0") for name, body in chunks if name == b"EXIF"), b"")
    head = next((body for name, body in chunks if name == b"VP8X"), None) or _extended(data, chunks[0][0])
    head = bytes([head[0] | 0x08]) + head[1:]  # there is EXIF
    exif = (b"EXIF", _exif(before, infotext, document))
    kept = [(name, body) for name, body in chunks if name not in (b"VP8X", b"EXIF")]
    last = next((place for place, (name, _) in enumerate(kept) if name == b"XMP "), len(kept))
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(one)) + one + b"\0" * (len(one) & 1) for name, one in [(b"VP8X", head), *kept[:last], exif, *kept[last:]]
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _extended(data: bytes, first: bytes) -> bytes:
    """The head that a simple file lacks: whether it has transparency, and its size."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
            (width, height), clear = image.size, image.mode == "RGBA"
    except Exception as exc:  # decoders raise whatever they like
        raise _Odd from exc
    alpha = 0x10 if clear and first == b"VP8L" else 0
    return bytes([alpha, 0, 0, 0]) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]


def _from_webp(data: bytes) -> bytes:
    for name, body in _riff(data):
        if name == b"EXIF":
            note = _ifd(_loaded(body.removeprefix(b"Exif\0\0"))).get(_MAKER_NOTE, b"")
            note = note if isinstance(note, bytes) else b""
            return note.removeprefix(_COMMENT)[:LARGEST] if note.startswith(_COMMENT) else b""
    return b""


# -- EXIF


def _exif(before: bytes, infotext: str, document: str) -> bytes:
    """EXIF data with our texts in it, and all that Pillow understands of what was there."""
    exif = _loaded(before)
    inner = {tag: value for tag, value in _ifd(exif).items() if tag not in (_USER_COMMENT, _MAKER_NOTE)}
    if infotext:
        inner[_USER_COMMENT] = _comment(infotext)
    if document:
        inner[_MAKER_NOTE] = _COMMENT + document.encode("utf-8", "replace")
    exif[_EXIF] = inner
    try:
        return _plain(exif.tobytes())
    except Exception:  # a stranger's value that cannot be written again
        log.info("a picture's EXIF data cannot be kept", exc_info=True)
        fresh = _loaded(b"")
        fresh[_EXIF] = {tag: value for tag, value in inner.items() if tag in (_USER_COMMENT, _MAKER_NOTE)}
        return _plain(fresh.tobytes())


def _comment(text: str) -> bytes:
    """As the WebUI's piexif reads it: with the name of its alphabet in front; UTF-16 has no byte order mark there."""
    return b"ASCII\0\0\0" + text.encode() if text.isascii() else b"UNICODE\0" + text.encode("utf-16-be", "replace")


def _plain(exif: bytes) -> bytes:
    return exif.removeprefix(b"Exif\0\0")


def _loaded(raw: bytes) -> Any:
    from PIL import Image

    exif = Image.Exif()
    try:
        exif.load(b"Exif\0\0" + raw if raw else b"")
        dict(exif)
    except Exception:  # noqa: BLE001 - broken EXIF data is no EXIF data
        return Image.Exif()
    return exif


def _ifd(exif: Any) -> dict[int, Any]:
    try:
        return dict(exif.get_ifd(_EXIF))
    except Exception:  # noqa: BLE001 - see _loaded
        return {}
