"""``<stem>.cm-info.json``: StabilityMatrix's "connected model". Its reader is strict: a wrong type anywhere makes it skip the file.

So ``Source`` is an integer, ``Hashes`` is always there, and what is not known is an explicit null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..atomic import write_text
from . import claim
from .claim import Claim
from .reading import beside, is_blank, load, read_object

SUFFIX = ".cm-info.json"
CIVITAI = 0
# Its enumeration; of another word its reader makes Unknown.
_TYPES = ("Checkpoint", "TextualInversion", "Hypernetwork", "DoRA", "LORA", "Controlnet", "LoCon", "VAE", "AestheticGradient", "MotionModule",
          "Poses", "Upscaler", "Wildcards", "Workflows", "Other")  # fmt: skip
_COUNTS = ("favoriteCount", "commentCount", "thumbsUpCount", "downloadCount", "ratingCount")
# What its user sets there, and what only it knows.
_THEIRS = ("UserTitle", "ThumbnailImageUrl", "InferenceDefaults", "ImportedAt", "SourceUrl")


def path_of(model_file: Path) -> Path:
    return beside(model_file, SUFFIX)


def said(path: Path) -> Claim:
    """Raises Unreadable. Its person's own title becomes a note. Models of other sources than Civitai have no ids."""
    raw = load(path)
    source = claim.whole(raw.get("Source"))
    source = source if source is not None else {"civitai": 0, "": 0}.get(claim.text(raw.get("Source")).lower(), 3)
    hashes = claim.obj(raw.get("Hashes"))
    title = claim.text(raw.get("UserTitle")).strip()
    found = Claim(
        sha256=claim.sha256(hashes.get("SHA256")), model_name=claim.text(raw.get("ModelName")), version_name=claim.text(raw.get("VersionName")),
        model_type=claim.text(raw.get("ModelType")), base_model=claim.text(raw.get("BaseModel")), trained_words=claim.texts(raw.get("TrainedWords")),
        description=claim.text(raw.get("VersionDescription")) or claim.text(raw.get("ModelDescription")),
        notes=title if title != claim.text(raw.get("ModelName")) else "", preview=claim.text(raw.get("ThumbnailImageUrl")), raw=raw,
        not_found=source != CIVITAI,
    )  # fmt: skip
    if source == CIVITAI:
        found.model_id, found.version_id = claim.number_id(raw.get("ModelId")), claim.number_id(raw.get("VersionId"))
        found.file_id = claim.number_id(raw.get("RemoteFileId"))
        found.version = _version(raw, found) if found.model_id and found.version_id else None
    return found


def _version(raw: dict[str, Any], found: Claim) -> dict[str, Any]:
    """The version object of Civitai's that the file was made from, as far as it holds it."""
    file = {
        "id": found.file_id or 0, "name": claim.text(raw.get("RemoteFileName")), "type": "Model", "metadata": claim.obj(raw.get("FileMetadata")),
        "hashes": claim.obj(raw.get("Hashes")), "primary": True,
    }  # fmt: skip
    return {
        "id": found.version_id, "modelId": found.model_id, "name": found.version_name, "baseModel": found.base_model,
        "trainedWords": found.trained_words, "description": raw.get("VersionDescription"),
        "files": [file] if found.sha256 or file["name"] else [], "images": [],
        "model": {
            "name": found.model_name, "type": found.model_type, "nsfw": claim.flag(raw.get("Nsfw")), "tags": claim.texts(raw.get("Tags")),
            "description": raw.get("ModelDescription"),
        },
        **({"creator": {"username": claim.text(raw["AuthorUsername"])}} if claim.text(raw.get("AuthorUsername")) else {}),
    }  # fmt: skip


def compose(model_raw: Mapping[str, Any], version_raw: Mapping[str, Any], file_raw: Mapping[str, Any], sha256: str, at: str) -> dict[str, Any]:
    """The file's content from the raw API objects; ``at``: ISO 8601 with an offset."""
    about, stats = claim.obj(file_raw.get("metadata")), claim.obj(model_raw.get("stats"))
    hashes = {name: claim.text(value) for name, value in claim.obj(file_raw.get("hashes")).items() if claim.text(value)}
    kind = claim.text(model_raw.get("type"))
    return {
        "ModelId": claim.number_id(model_raw.get("id")),
        "ModelName": claim.text(model_raw.get("name")),
        "ModelDescription": claim.text(model_raw.get("description")),
        "Nsfw": claim.flag(model_raw.get("nsfw")),
        "Tags": claim.texts(model_raw.get("tags")),
        "ModelType": kind if kind in _TYPES else "Unknown",
        "VersionId": claim.number_id(version_raw.get("id")),
        "VersionName": claim.text(version_raw.get("name")),
        "VersionDescription": claim.text(version_raw.get("description")) or None,
        "AuthorUsername": claim.text(claim.obj(model_raw.get("creator")).get("username")) or None,
        "BaseModel": claim.text(version_raw.get("baseModel")) or None,
        "RemoteFileName": claim.text(file_raw.get("name")) or None,
        "RemoteFileId": claim.number_id(file_raw.get("id")),
        "FileMetadata": {name: claim.text(about.get(name)) or None for name in ("fp", "size", "format")},
        "ImportedAt": at,
        "Hashes": {"SHA256": sha256.upper() or None, "CRC32": hashes.get("CRC32"), "BLAKE3": hashes.get("BLAKE3")},
        "TrainedWords": claim.texts(version_raw.get("trainedWords")),
        "Stats": {**{name: claim.whole(stats.get(name)) or 0 for name in _COUNTS}, "rating": claim.number(stats.get("rating")) or 0},
        "UserTitle": None,
        "ThumbnailImageUrl": None,
        "InferenceDefaults": None,
        "Source": CIVITAI,
        "SourceUrl": None,
    }


def write(model_file: Path, content: Mapping[str, Any], preview: Path | None = None) -> Path | None:
    """Single line, as StabilityMatrix does. What its user set, and unknown keys, stay. None when the file there cannot be read."""
    path = path_of(model_file)
    existing = read_object(path)
    if existing is None and not is_blank(path):
        return None
    old = existing or {}
    kept = {name: old[name] for name in _THEIRS if old.get(name) not in (None, "")}
    new = {**old, **content, **({"ThumbnailImageUrl": str(preview)} if preview else {}), **kept}
    if new != existing:
        write_text(path, json.dumps(new, ensure_ascii=False, separators=(",", ":")))
    return path
