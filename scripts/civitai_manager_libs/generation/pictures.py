"""The generation data that a picture's own file holds, read from its bytes without decoding a single pixel.

- PNG: the texts of tEXt, zTXt and iTXt chunks (``parameters`` of the WebUI, Fooocus and SwarmUI, ``prompt`` and ``workflow`` of ComfyUI), and eXIf;
- JPEG and WebP: EXIF, whose UserComment holds the WebUI's text in UTF-16, and the fields in which ComfyUI's savers put a graph;
- a GIF's and a JPEG's comment.

A file is a stranger's: whatever it says of its lengths is checked, what is compressed is unpacked up to a limit, and what makes no sense is no text.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from . import exif, writers
from .found import Found

LARGEST = 64 << 20
"""Bytes of a file that are looked at."""
LONGEST = 4 << 20
"""Bytes of one text, unpacked."""
MOST = 200  # texts of one file
ALL = 16 << 20  # bytes of all texts of one file

PNG = b"\x89PNG\r\n\x1a\n"


def kind(data: bytes) -> str:
    """The MIME type of a picture by its first bytes, '' for what is none."""
    if data.startswith(PNG):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return "image/gif" if data[:6] in (b"GIF87a", b"GIF89a") else ""


def read(data: bytes) -> Found | None:
    """How the picture was made; None when its file does not tell, or is no picture. Never raises for what is in the file."""
    return writers.understood(texts(data[:LARGEST]))


def texts(data: bytes) -> dict[str, str]:
    """The texts in a picture's file by their names; those of EXIF are named as its fields are."""
    readers = {"image/png": _png, "image/jpeg": _jpeg, "image/webp": _webp, "image/gif": _gif}
    found: dict[str, str] = {}
    left = ALL
    reader = readers.get(kind(data))
    for name, text in reader(data) if reader else ():
        left -= len(text)
        if len(found) >= MOST or left < 0:
            break
        if text.strip("\0 \r\n\t"):
            found.setdefault(name, text)
    return found


def _png(data: bytes) -> Iterator[tuple[str, str]]:
    place = len(PNG)
    while place + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + min(length, LONGEST * 2)] if name in (b"tEXt", b"zTXt", b"iTXt", b"eXIf") else b""
        place += 12 + length
        if name == b"eXIf":
            yield from exif.texts(body)
        elif body and (read := _chunk(name, body)) is not None:
            yield read
        if name == b"IEND":
            return


def _chunk(name: bytes, body: bytes) -> tuple[str, str] | None:
    keyword, nul, rest = body.partition(b"\0")
    if not nul or not 0 < len(keyword) < 80:
        return None
    key = keyword.decode("latin-1")
    if name == b"tEXt":
        return key, _loose(rest)
    if name == b"zTXt":
        return key, _loose(_unpacked(rest[1:]))
    packed, rest = rest[:1], rest[2:]
    _, nul, rest = rest.partition(b"\0")  # the language
    _, also, text = rest.partition(b"\0")  # the keyword in that language
    if not (nul and also):
        return None
    return key, (_unpacked(text) if packed == b"\1" else text)[:LONGEST].decode("utf-8", "replace")


def _loose(raw: bytes) -> str:
    """A tEXt chunk is Latin-1 by its standard; many programs write UTF-8 there."""
    raw = raw[:LONGEST]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _unpacked(raw: bytes) -> bytes:
    """Inflated, up to ``LONGEST`` bytes: a small file may hold a text that would fill the memory."""
    try:
        return zlib.decompressobj().decompress(raw, LONGEST)
    except zlib.error:
        return b""


def _jpeg(data: bytes) -> Iterator[tuple[str, str]]:
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
            continue
        if marker in (0xD9, 0xDA):  # the end, or pixels from here on
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            place += 2
            continue
        (length,) = struct.unpack_from(">H", data, place + 2)
        body = data[place + 4 : place + 2 + length]
        if length < 2:
            return
        if marker == 0xE1 and body[:6] == b"Exif\0\0":
            yield from exif.texts(body[6:])
        elif marker == 0xFE:
            yield "comment", body.decode("utf-8", "replace")
        place += 2 + length


def _webp(data: bytes) -> Iterator[tuple[str, str]]:
    place = 12
    while place + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, place)
        if name == b"EXIF":
            yield from exif.texts(data[place + 8 : place + 8 + length].removeprefix(b"Exif\0\0"))
        place += 8 + length + (length & 1)


def _gif(data: bytes) -> Iterator[tuple[str, str]]:
    """The comments before the first picture's data and after it are found by their mark, without reading the pictures."""
    place = data.find(b"!\xfe")
    if place < 0:
        return
    text, place = b"", place + 2
    while place < len(data) and data[place] and len(text) < LONGEST:
        text += data[place + 1 : place + 1 + data[place]]
        place += 1 + data[place]
    yield "comment", text.decode("utf-8", "replace")
