"""Folders as other tools leave them, shaped as facts about their sources tell. Everything is written below the folder that is given."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

PNG, JPEG, WEBP = "PNG", "JPEG", "WEBP"


def picture(kind: str = JPEG, color: tuple[int, int, int] = (200, 40, 40)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 48), color).save(out, kind)
    return out.getvalue()


def weights(seed: str, size: int = 2048) -> bytes:
    """A tiny whole safetensors file."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + (hashlib.sha256(seed.encode()).digest() * (size // 32 + 1))[:size]


def model_file(folder: Path, name: str, seed: str = "") -> tuple[Path, str, int]:
    """(path, SHA-256, size) of a new model file."""
    data = weights(seed or name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name, hashlib.sha256(data).hexdigest(), len(data)


def put(path: Path, value: Any, *, encoding: str = "utf-8", indent: int | None = 4, ascii_only: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode(encoding))
    return path


def version(
    number: int, model: int, *, name: str = "v1", sha256: str = "", size: int = 0, words: list[str] | None = None, **more: Any
) -> dict[str, Any]:
    """The body of ``/model-versions/N``."""
    file = {
        "id": number * 10, "sizeKB": size / 1024, "name": "theirs.safetensors", "type": "Model", "pickleScanResult": "Success",
        "virusScanResult": "Success", "metadata": {"fp": "fp16", "size": "full", "format": "SafeTensor"},
        "hashes": {"AutoV2": sha256[:10].upper(), "SHA256": sha256.upper(), "CRC32": "0A0B0C0D", "BLAKE3": "B" * 64},
        "downloadUrl": f"https://civitai.com/api/download/models/{number}", "primary": True,
    }  # fmt: skip
    return {
        "id": number, "modelId": model, "name": name, "createdAt": "2024-01-01T00:00:00.000Z", "updatedAt": "2024-01-01T00:00:00.000Z",
        "publishedAt": "2024-01-02T00:00:00.000Z", "trainedWords": words if words is not None else ["otter style"], "baseModel": "SDXL 1.0",
        "baseModelType": "Standard", "description": "<p>a note of the creator</p>", "stats": {"downloadCount": 5, "ratingCount": 0, "rating": 0},
        "model": {"name": f"Model {model}", "type": "LORA", "nsfw": False, "poi": False, "tags": ["style", "animal"], "description": "<p>all</p>"},
        "files": [file] if sha256 or size else [], "images": [{"url": f"https://image.civitai.com/x/{number}.jpeg", "nsfwLevel": 1}],
        "downloadUrl": f"https://civitai.com/api/download/models/{number}", **more,
    }  # fmt: skip


def model(number: int, versions: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """The body of ``/models/N``: nested versions name no model (since March 2024)."""
    nested = [{key: value for key, value in one.items() if key not in ("modelId", "model")} for one in versions]
    return {
        "id": number, "name": f"Model {number}", "type": "LORA", "nsfw": False, "nsfwLevel": 1, "tags": ["style", "animal"],
        "description": "<p>all</p>", "creator": {"username": "ann", "image": None},
        "stats": {"downloadCount": 7, "thumbsUpCount": 3}, "modelVersions": nested, **more,
    }  # fmt: skip


def tree_of(*folders: Path) -> dict[str, tuple[int, str]]:
    """Everything below: names, times and bytes. Equal before and after: nobody wrote there."""
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            found[str(path)] = (path.lstat().st_mtime_ns if not path.is_dir() else 0, hashlib.sha256(data).hexdigest())
    return found


# -- Civitai Shortcut


def entry(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number, "type": "LORA", "name": f"Shortcut {number}", "tags": ["style"], "nsfw": False,
        "url": f"https://civitai.com/api/v1/models/{number}", "versionid": number * 100, "imageurl": "https://image.civitai.com/a/width=450/1.jpeg",
        "note": "", "date": "2023-08-04 10:11:12", **more,
    }  # fmt: skip


def shortcut(folder: Path) -> Path:
    """A folder of Civitai Shortcut with every trap that its facts list; returns the folder that holds the registry."""
    registry: dict[str, Any] = {
        "101": entry(101, note="my note", name="Whole"),
        "102": entry(102, note="None"),  # a bug wrote the word
        "103": {**entry(103, tags=[{"name": "old"}, {"name": "form"}]), "nsfw": True},
        "104": {key: value for key, value in entry(104).items() if key not in ("note", "date", "imageurl", "versionid", "nsfw")},
        "105": entry(105, versionid=None, imageurl=None, note=None, date="yesterday"),
        "106": entry(106, versionid="", imageurl="", name="Gone from the cache"),
        "107": entry(107, note="note of the truncated one"),
        "108": entry(108),
        "x9": entry(0),
        "109": None,
        "110": "text",
    }
    put(folder / "CivitaiShortCut.json", registry)
    for number in (101, 102, 103, 104, 105):
        versions = [version(number * 100 + 1, number), version(number * 100, number)]
        put(folder / "sc_infos" / str(number) / f"{number}.civitai.info", model(number, versions, name=f"Cached {number}"))
    (folder / "sc_infos" / "107").mkdir(parents=True)
    whole = json.dumps(model(107, [version(10700, 107)]))
    (folder / "sc_infos" / "107" / "107.civitai.info").write_text(whole[: len(whole) // 2])
    put(folder / "sc_infos" / "108" / "108.civitai.info", {"error": "No model with id 108"})
    put(folder / "sc_infos" / "999" / "999.civitai.info", model(999, [version(99900, 999)]))  # cached, not registered
    put(folder / "sc_infos" / "101_1700000000.json", {"a": "backup of dead code"})
    (folder / "sc_thumb_images").mkdir()
    (folder / "sc_thumb_images" / "101.png").write_bytes(picture(PNG))
    (folder / "sc_thumb_images" / "102.png").write_bytes(picture(WEBP))  # the name lies
    (folder / "sc_infos" / "103" / "10300-abc.png").write_bytes(b"\0\0\0\x18ftypmp42" + b"\0" * 200)  # a video
    (folder / "sc_infos" / "103" / "10301-def.png").write_bytes(picture(JPEG))
    (folder / "sc_thumb_images" / "model_104_preview.jpg").write_bytes(picture(JPEG))
    put(folder / "CivitaiShortCutClassification.json", {
        "Favourites": {"info": "the best", "shortcuts": ["105", "101", "105", "424242", "abc"]},
        "Empty": {"info": None, "shortcuts": []},
        "Broken": None,
        "Ünïcode 裸": {"info": "None", "shortcuts": ["103"]},
    })  # fmt: skip
    options = {"Steps": "20", "Sampler": "DPM++ 2M Karras", "Lora hashes": '"a', "Size": "512x768"}
    put(folder / "CivitaiShortCutRecipeCollection.json", {
        "My recipe": {"description": "d", "generate": {"prompt": "1girl", "negativePrompt": "bad", "options": options}, "classification": "portraits",
                      "image": "here.png", "shortcuts": ["101"]},
        "Renamed": {"description": "", "generate": {"prompt": "x", "negativePrompt": "", "options": {}}, "classification": None},
        "Nothing": {"description": "", "generate": None, "classification": None, "image": None, "shortcuts": []},
        "Lost": {"description": "", "generate": None, "classification": None, "image": "../../lost.png", "shortcuts": []},
    })  # fmt: skip
    (folder / "sc_recipes").mkdir()
    (folder / "sc_recipes" / "here.png").write_bytes(picture(PNG))
    put(folder / "CivitaiShortCutBackupUrl.json", {
        "url=https://civitai.com/models/101": "Whole", "url=https://civitai.com/models/777": "Deleted one", "nonsense": None,
    })  # fmt: skip
    put(folder / "CivitaiShortCutSetting.json", {"image_style": {}, "config_path": "x"})
    return folder
