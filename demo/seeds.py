"""Recorded answers of Civitai as models of the demo: their ids and texts, with our own files, sizes, hashes and pictures.

Where each recording comes from is told in demo/payloads/README.md. In the era "2025-07" they are shown in the form in which they were recorded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .build import FORMATS, Json, make_file, make_image, make_model, make_version
from .files import Content

FOLDER = Path(__file__).parent / "payloads"
LEVELS = {"None": 1, "Soft": 2, "Mature": 4, "X": 8}
STYLES = ("hills", "arches", "birds", "vase", "geometric", "mountains")


def _kind(name: str) -> str:
    ending = name.rsplit(".", 1)[-1].lower()
    kinds = {"safetensors": "safetensors", "zip": "zip", "yaml": "text", "json": "text", "txt": "text", "gguf": "gguf", "onnx": "onnx"}
    return kinds.get(ending, "pickle")


def _file(raw: Json) -> Json:
    kind = _kind(raw["name"])
    size = 20_000 + int(raw["sizeKB"] * 1024) % 250_000 if raw["sizeKB"] > 250 else max(200, int(raw["sizeKB"] * 1024))
    keep = {
        key: value
        for key, value in raw.items()
        if key in ("pickleScanResult", "pickleScanMessage", "virusScanResult", "virusScanMessage", "scannedAt", "type", "overrideName")
    }
    metadata = raw.get("metadata") or {"format": FORMATS[kind]}
    content = Content(raw["id"], max(size, 4096) if kind == "safetensors" else size, kind, raw["name"])
    return make_file(raw["id"], raw["name"], kind=kind, **{**keep, "metadata": metadata, "primary": bool(raw.get("primary")), "_content": content})


def _image(raw: Json, number: int) -> Json:
    level = raw.get("nsfwLevel") or LEVELS.get(str(raw.get("nsfw")), 1)
    meta = raw.get("meta") if isinstance(raw.get("meta"), dict) else None
    kind = raw.get("type") or "image"
    return make_image(
        number, STYLES[number % len(STYLES)], level=level, size=(raw["width"] or 832, raw["height"] or 1216), meta=meta, type=kind, _parameters=""
    )


def _version(raw: Json, at: int, model: int, taken: set[int]) -> Json:
    images = []
    for n, image in enumerate(raw.get("images") or []):
        number = image.get("id") or 148_000_000 + model % 100_000 * 200 + at * 20 + n
        while number in taken:
            number += 1_000_000
        taken.add(number)
        images.append(_image(image, number))
    # Recorded dates are kept; what the old forms lack is filled in as today's server would.
    skip = ("files", "images", "downloadUrl", "stats", "id", "name", "earlyAccessTimeFrame", "modelId", "createdAt", "updatedAt", "nsfwLevel")
    keep: dict[str, Any] = {key: value for key, value in raw.items() if key not in skip}
    if (keep.get("earlyAccessDeadline") or "9") < "2026":
        keep.pop("earlyAccessDeadline", None)
    stats = {key: (raw.get("stats") or {}).get(key, 0) for key in ("downloadCount", "thumbsUpCount", "thumbsDownCount")}
    version = make_version(
        raw["id"], raw["name"], [_file(file) for file in raw.get("files") or []], images, base=raw.get("baseModel") or "Other", stats=stats
    )
    version.update(
        keep, trainedWords=raw.get("trainedWords") or [], _recorded=raw, _created=raw.get("createdAt") or version["_created"], _model=model
    )
    return version


def seeded(taken: set[int]) -> list[Json]:
    """Every recorded model in full form. `taken` is filled with the picture numbers in use."""
    models = []
    for path in sorted(FOLDER.glob("*.json")):
        raw = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(raw, dict) or "modelVersions" not in raw:
            continue
        versions = [_version(version, at, raw["id"], taken) for at, version in enumerate(raw["modelVersions"])]
        creator = {"username": raw["creator"].get("username"), "image": None} if raw.get("creator") else {}
        keep = {
            key: raw[key]
            for key in ("description", "tags", "minor", "poi", "nsfw", "allowNoCredit", "allowDerivatives", "supportsGeneration", "userId")
            if key in raw
        }
        stats = {
            key: (raw.get("stats") or {}).get(key, 0)
            for key in ("downloadCount", "thumbsUpCount", "thumbsDownCount", "commentCount", "tippedAmountCount")
        }
        models.append(make_model(raw["id"], raw["name"], raw["type"], versions, creator=creator, stats=stats, **keep, _recorded=raw))
    return models
