"""Contents of the demo's model files: real bytes, made from a file's number, never stored.

A file is a short head of its own (a safetensors header, a pickle, a GGUF magic, or the whole of a small zip or text) followed by a body of
1 MiB blocks. All files share one pseudo-random block; the first 32 bytes of each block name file, revision and block number, so no two
files are alike and any range of a 4 GiB file can be sent without making the rest.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import random
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

BLOCK = 1 << 20
MARK = 32
HEADER = 2048
SMALLEST = 16 << 10


@dataclass(frozen=True)
class Content:
    """What the bytes of a file are made from. `number` alone decides the bytes of two files with equal size, kind and title."""

    number: int
    size: int
    kind: str = "safetensors"
    title: str = ""
    revision: int = 0

    @property
    def etag(self) -> str:
        """A strong validator, quoted as in the header."""
        return '"' + hashlib.md5(f"{self.number}:{self.size}:{self.revision}".encode(), usedforsecurity=False).hexdigest() + '"'


@functools.lru_cache(maxsize=1)
def _shared() -> memoryview:
    return memoryview(random.Random("civitai-manager-demo").randbytes(BLOCK))


def _safetensors_head(content: Content) -> bytes:
    """An 8-byte little-endian length and a JSON header of fixed length that describes the body exactly."""
    size = content.size - 8 - HEADER
    even = size - size % 2
    tensors: dict[str, object] = {
        "__metadata__": {
            "format": "pt",
            "modelspec.title": content.title[:120],
            "modelspec.sai_model_spec": "1.0.0",
            "demo.file": str(content.number),
        },
        "model.weight": {"dtype": "F16", "shape": [even // 2], "data_offsets": [0, even]},
    }
    if size % 2:
        tensors["model.last"] = {"dtype": "U8", "shape": [1], "data_offsets": [even, size]}
    header = json.dumps(tensors, separators=(",", ":")).encode()
    return HEADER.to_bytes(8, "little") + header.ljust(HEADER)


def _zip_whole(content: Content) -> bytes:
    """A real archive, stored (not compressed), of roughly the wanted size."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        texts = {"readme.txt": f"{content.title}\n", "poses/standing.json": '{"people": []}\n', "wildcards/colours.txt": "amber\ncobalt\nmoss\n"}
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), text)
        filler = max(0, content.size - 900)
        archive.writestr(zipfile.ZipInfo("preview.bin", (2026, 1, 1, 0, 0, 0)), b"".join(_body(content, 0, filler)))
    return out.getvalue()


def _text_whole(content: Content) -> bytes:
    line = (
        f"# {content.title}\nmodel:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n"
        f"  params:\n    linear_start: 0.00085\n    demo_file: {content.number}\n"
    )
    return line.encode() if content.size < 4096 else (line * (content.size // len(line.encode()) + 1)).encode()[: content.size]


@functools.lru_cache(maxsize=256)
def head(content: Content) -> bytes:
    """The bytes before the shared blocks; for zip and text the whole file."""
    if content.kind == "safetensors":
        return _safetensors_head(content)
    if content.kind == "zip":
        return _zip_whole(content)
    if content.kind == "text":
        return _text_whole(content)
    return {"pickle": b"\x80\x02}q\x00.", "gguf": b"GGUF\x03\x00\x00\x00", "onnx": b"\x08\x08"}[content.kind]


def size(content: Content) -> int:
    """Exact size in bytes (zip and text are only roughly as large as asked for)."""
    return len(head(content)) if content.kind in ("zip", "text") else content.size


def _body(content: Content, start: int, stop: int) -> Iterator[bytes | memoryview]:
    shared = _shared()
    while start < stop:
        block, offset = divmod(start, BLOCK)
        end = min(BLOCK, offset + stop - start)
        if offset < MARK:
            mark = hashlib.sha256(b"%d:%d:%d" % (content.number, content.revision, block)).digest()
            yield mark[offset : min(MARK, end)]
        if end > MARK:
            yield shared[max(offset, MARK) : end]
        start += end - offset


def data(content: Content, start: int = 0, stop: int | None = None) -> Iterator[bytes | memoryview]:
    """The bytes [start, stop) as buffers of at most 1 MiB."""
    first = head(content)
    stop = size(content) if stop is None else min(stop, size(content))
    if start < len(first):
        yield first[start : min(stop, len(first))]
    yield from _body(content, max(0, start - len(first)), stop - len(first))


def read(content: Content) -> bytes:
    """The whole file; for small ones."""
    return b"".join(data(content))


# Hashes of the large benchmark file, computed once with `hashes` below (tests/demo checks the smaller ones; this one takes some ten seconds).
KNOWN: dict[Content, dict[str, str]] = {
    Content(1, 4 << 30, "safetensors", "four gibibytes"): {
        "AutoV1": "B8187ED6",
        "AutoV2": "0735430FAF",
        "SHA256": "0735430FAFB8FFA23775F1FAD31E100E71EF12C60EE76762EB1CD32789828001",
        "CRC32": "DEFA234A",
        "AutoV3": "F617B8B2F3E6",
        "SHA256_12": "0735430FAFB8",
    }
}


@functools.cache
def hashes(content: Content) -> dict[str, str]:
    """Every hash Civitai publishes, except BLAKE3, of the real bytes. Form and length as in civitai's scanner."""
    if content in KNOWN:
        return KNOWN[content]
    length = int.from_bytes(b"".join(data(content, 0, 8)), "little")
    skip = 8 if length >= 16 << 20 else 8 + length
    whole, tail, crc, at = hashlib.sha256(), hashlib.sha256(), 0, 0
    for piece in data(content):
        whole.update(piece)
        crc = zlib.crc32(piece, crc)
        if at + len(piece) > skip:
            tail.update(piece[max(0, skip - at) :])
        at += len(piece)
    sha = whole.hexdigest().upper()
    found = {
        "AutoV2": sha[:10],
        "SHA256": sha,
        "CRC32": crc.to_bytes(4, "little").hex().upper(),
        "AutoV3": tail.hexdigest()[:12].upper(),
        "SHA256_12": sha[:12],
    }
    if at >= 2 << 20:
        middle = hashlib.sha256(b"".join(data(content, 0x100000, 0x110000))).hexdigest()
        found = {"AutoV1": middle[:8].upper(), **found}
    return found
