"""Pictures and files for the tests of recipes, made in memory."""

from __future__ import annotations

import io
import json
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

INFOTEXT = """masterpiece, a lake at dusk, <lora:glow:0.8>, 夕焼け
Negative prompt: blurry,
low quality
Steps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 123, Size: 64x96, Model hash: 1ad6ca7f70, Model: dream, Lora hashes: "glow: 88e247aa8c3d", Version: v1.10.1"""  # noqa: E501


def picture(kind: str = "PNG", infotext: str = "", size: tuple[int, int] = (64, 96), mode: str = "RGB", **options: Any) -> bytes:
    """A small picture with an infotext where the WebUI puts it."""
    image = Image.new(mode, size)
    image.putdata([((x * 7 + y) % 256, (x + y * 3) % 256, (x * y) % 256, 128)[: len(mode)] for y in range(size[1]) for x in range(size[0])])
    out = io.BytesIO()
    if kind == "PNG" and infotext:
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("parameters", infotext)
    elif infotext:
        options["exif"] = user_comment(infotext)
    image.save(out, kind, **options)
    return out.getvalue()


def user_comment(text: str, **more: Any) -> bytes:
    exif = Image.Exif()
    exif[0x8769] = {0x9286: b"UNICODE\0" + text.encode("utf-16-be")}
    for name, value in more.items():
        exif[{"orientation": 0x0112, "make": 0x010F}[name]] = value
    return exif.tobytes()


def comment_of(data: bytes) -> str:
    """What the WebUI reads of a picture: ``parameters``, or the UserComment as piexif's helper decodes it."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        if "parameters" in image.info:
            return str(image.info["parameters"])
        raw = image.getexif().get_ifd(0x8769).get(0x9286, b"")
    kind, body = raw[:8], raw[8:]
    return body.decode("utf-16-be") if kind == b"UNICODE\0" else body.decode("ascii") if kind == b"ASCII\0\0\0" else ""


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGBA").tobytes()


LORA_MANAGER: dict[str, Any] = {
    "id": "0f8fad5b-d9cb-469f-a165-70867728950e", "file_path": "C:/other/recipes/0f8fad5b-d9cb-469f-a165-70867728950e.webp", "title": "Dusk",
    "modified": 1700000500.5, "created_date": 1700000000.5, "base_model": "SDXL 1.0",
    "loras": [
        {"hash": "88E247AA8C3D00112233445566778899AABBCCDDEEFF00112233445566778899", "file_name": "glow", "strength": "0.8", "modelVersionId": 77,
         "modelName": "Glow", "modelVersionName": "v1", "isDeleted": False, "exclude": False},
        {"hash": "", "file_name": "", "strength": 0.5, "modelVersionId": 78, "modelName": "Gone", "isDeleted": True},
        {"hash": "aa", "file_name": "out", "strength": 1, "exclude": True}, None, {},
    ],
    "checkpoint": {"type": "checkpoint", "modelId": 5, "modelVersionId": 50, "modelName": "Dream", "hash": "1ad6ca7f70"},
    "gen_params": {"prompt": "a lake", "negative_prompt": "blurry", "steps": 25, "sampler": "Euler a", "cfg_scale": 7.0, "seed": 123,
                   "size": "64x96", "clip_skip": None, "denoising_strength": "0.4", "raw_metadata": {"x": 1}},
    "fingerprint": "88e2:0.80|78:0.50", "has_workflow": False, "tags": ["evening", {"name": "öl"}], "preview_nsfw_level": 4, "folder": "",
    "source_path": "https://civitai.com/images/1",
}  # fmt: skip


def lora_manager(**changes: Any) -> bytes:
    return json.dumps({**LORA_MANAGER, **changes}).encode()


SHORTCUT: dict[str, Any] = {
    "My recipe": {
        "description": "free text",
        "generate": {
            "prompt": "1girl, <lora:glow:0.8>, a\nsecond line",
            "negativePrompt": "bad hands",
            "options": {"Steps": "20", "Sampler": "DPM++ 2M Karras", "CFG scale": "7", "Seed": "123", "Size": "512x768",
                        "Lora hashes": '"glow', "x": 'y"'},
        },
        "classification": "portraits", "image": "3f0d9c0e-1111-4222-8333-444444444444.png", "shortcuts": ["37458", "x", "37458"],
    },
    "Renamed": {"description": "None", "generate": None, "classification": None},
    "Lost": {"description": None, "generate": {"prompt": "p", "negativePrompt": None, "options": {}}, "classification": "", "image": "gone.png",
             "shortcuts": []},
}  # fmt: skip
