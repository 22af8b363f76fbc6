"""The few fields of EXIF in which programs that make pictures keep a text. Only as much of TIFF is read as leads to them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

LONGEST = 4 << 20  # bytes of one field
MOST_ENTRIES = 500

EXIF_IFD = 0x8769
NAMES = {0x9286: "UserComment", 0x010E: "ImageDescription", 0x010F: "Make", 0x0110: "Model", 0x0131: "Software", 0x9C9C: "XPComment"}
TEXT_TYPES = (1, 2, 7)  # bytes, ASCII, undefined


def texts(tiff: bytes) -> Iterator[tuple[str, str]]:
    """Names and texts of the fields, those of the first directory first. Nothing for what is no TIFF."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    for tag, raw in _fields(tiff, start, order):
        if tag == EXIF_IFD:
            for inner, field in _fields(tiff, int.from_bytes(raw[:4], "little" if order == "<" else "big"), order):
                if inner in NAMES:
                    yield NAMES[inner], comment(field) if inner == 0x9286 else _plain(inner, field)
        elif tag in NAMES:
            yield NAMES[tag], comment(raw) if tag == 0x9286 else _plain(tag, raw)


def _fields(tiff: bytes, start: int, order: str) -> Iterator[tuple[int, bytes]]:
    """Tag and bytes of each field of a directory that is wanted."""
    if not 8 <= start <= len(tiff) - 2:
        return
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for place in range(start + 2, start + 2 + 12 * min(count, MOST_ENTRIES), 12):
        if place + 12 > len(tiff):
            return
        tag, kind, length = struct.unpack_from(f"{order}HHI", tiff, place)
        if tag == EXIF_IFD:
            yield tag, tiff[place + 8 : place + 12]
        elif tag in NAMES and kind in TEXT_TYPES:
            at = place + 8 if length <= 4 else struct.unpack_from(f"{order}I", tiff, place + 8)[0]
            yield tag, tiff[at : at + min(length, LONGEST)]


def _plain(tag: int, raw: bytes) -> str:
    if tag == 0x9C9C:
        return raw.decode("utf-16-le", "replace").rstrip("\0")
    return raw.rstrip(b"\0").decode("utf-8", "replace")


def comment(raw: bytes) -> str:
    """A UserComment: eight bytes that name its encoding, then the text. Writers do not agree on the byte order of "UNICODE", so the text tells."""
    code, text = raw[:8], raw[8:]
    if code == b"UNICODE\0":
        return _unicode(text)
    if code in (b"ASCII\0\0\0", b"\0" * 8):
        return text.rstrip(b"\0").decode("utf-8", "replace")
    if code == b"JIS\0\0\0\0\0":
        return text.decode("iso2022_jp", "replace").rstrip("\0")
    return raw.rstrip(b"\0").decode("utf-8", "replace")


def _unicode(text: bytes) -> str:
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return text.decode("utf-16", "replace").rstrip("\0")
    beginning = text[:4000]
    big, little = beginning[0::2].count(0), beginning[1::2].count(0)
    if not big and not little:  # UTF-8 in spite of the mark, or a text without one Latin letter
        try:
            return text.rstrip(b"\0").decode("utf-8")
        except UnicodeDecodeError:
            return text.decode("utf-16-be", "replace").rstrip("\0")
    return text.decode("utf-16-be" if big >= little else "utf-16-le", "replace").rstrip("\0")
