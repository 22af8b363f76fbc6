"""Pictures whose generation data only their own original files hold, in each way in which programs write it.

The API says null of all of them, but for the last two: one with its data nested and of odd types, one with ComfyUI's graph as text.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from typing import Any

from PIL import Image, PngImagePlugin

from .build import Json, make_image
from .community import graph

UNICODE = b"UNICODE\0"
SIZE = (320, 480)
TEXT = (
    "a linen sail, <lora:linenSail:0.7>,\nmorning light\nNegative prompt: text,\nwatermark\n"
    'Steps: 24, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: {seed}, Size: 320x480, Model hash: 0123456789, '
    'Model: linenMorning_v10, Denoising strength: 0.35, Hires upscale: 1.5, Hires upscaler: 4x-Linen, ADetailer model: face.pt, '
    'ADetailer prompt: "a, b: c", Lora hashes: "linenSail: 88e247aa8c3d", Version: v1.10.1'
)
WAYS = ("png", "exif", "webp", "comfy", "nothing", "nested", "comfy_meta")
"""What is special about each picture, in their order."""


def images(first: int) -> list[Json]:
    """One picture for each of ``WAYS``, with the numbers from ``first`` on."""
    made = []
    for place, way in enumerate(WAYS):
        image = make_image(first + place, ("hills", "sea", "arches", "vase")[place % 4], size=SIZE, meta=_meta(way, first + place))
        text = json.dumps(graph(f"a graph of picture {first + place}", place, SIZE)) if way == "comfy" else TEXT.format(seed=first + place)
        image.update(_parameters="" if way in ("nothing", "nested", "comfy_meta") else text, _form=way)
        made.append(image)
    return made


def _meta(way: str, number: int) -> Json | None:
    if way == "comfy_meta":
        return {"comfy": json.dumps({"prompt": graph(f"a graph of picture {number}", 7, SIZE), "workflow": {"nodes": []}}), "versionIds": [4_200_000]}
    if way != "nested":
        return None
    return {
        "prompt": "a nested sail", "negativePrompt": "text", "steps": "30", "cfgScale": 7.0, "seed": 12_345_678_901_234, "sampler": "Euler a",
        "Clip skip": "2", "Size": "320x480", '"preprocessor': "none", "hashes": {"model": "0123456789", "lora:linenSail": "0x88e247aa8c3d"},
        "resources": [{"type": "lora", "name": "linenSail", "weight": 0.7}, {"type": "model", "name": "linenMorning_v10", "hash": "0123456789"}],
        "civitaiResources": [{"type": "checkpoint", "modelVersionId": 4_200_000, "modelVersionName": "v1.0"}],
        "Model": "linenMorning_v10", "Hires upscale": "1.5", "Created Date": "2026-03-05T13:51:18.17Z", "extra": {"remixOfId": 5}, "nsfw": False,
    }  # fmt: skip


def exif(comment: bytes) -> bytes:
    """EXIF with nothing but a UserComment. (Not every version of Pillow can write one.)"""
    main = struct.pack("<HHHIII", 1, 0x8769, 4, 1, 26, 0)  # one entry: where the directory of EXIF is
    inner = struct.pack("<HHHIII", 1, 0x9286, 7, len(comment), 44, 0)
    return b"Exif\0\0II*\0\x08\0\0\0" + main + inner + comment


def written(picture: Image.Image, text: str, form: str) -> tuple[bytes, str]:
    """The file of a picture with its text in it, and its MIME type."""
    out = io.BytesIO()
    if form in ("exif", "webp"):
        comment = UNICODE + text.encode("utf-16-le" if form == "exif" else "utf-16-be")
        picture.save(out, "JPEG" if form == "exif" else "WEBP", quality=92, exif=exif(comment))
        return out.getvalue(), "image/jpeg" if form == "exif" else "image/webp"
    notes: Any = PngImagePlugin.PngInfo()
    add: Callable[..., None] = notes.add_itxt if not text.isascii() else notes.add_text
    add("prompt" if form == "comfy" else "parameters", text)
    picture.save(out, "PNG", pnginfo=notes, compress_level=1)
    return out.getvalue(), "image/png"
