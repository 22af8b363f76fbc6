"""``<stem>.metadata.json``: Lora Manager's, schema 1.1. It keeps keys that it does not know, and so do we."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..atomic import write_json
from . import claim
from .claim import Claim
from .ours import Mine, Record
from .reading import beside, is_blank, load, read_object

SUFFIX = ".metadata.json"
# What its user sets there: kept, unless it is empty and we know something.
_THEIRS = ("notes", "tags", "favorite", "usage_tips", "exclude", "preview_url", "preview_nsfw_level", "modified", "model_name", "base_model",
           "trainedWords")  # fmt: skip
_TIPS = (("strength_range", "strength"), ("clip_strength", "clip strength"), ("clip_skip", "clip skip"))


def path_of(model_file: Path) -> Path:
    return beside(model_file, SUFFIX)


def said(path: Path) -> Claim:
    """Raises Unreadable. Tags that Civitai has too are Civitai's; usage tips that have no place here become a line of the note."""
    raw = load(path)
    civitai = claim.obj(raw.get("civitai"))
    found = claim.of_version(civitai)
    found.raw = raw
    if found.version is not None and not found.model_id:
        found.version = None
    model = claim.obj(civitai.get("model"))
    known = {tag.casefold() for tag in claim.texts(model.get("tags"))}
    record, tips = Record(raw), _tips(raw.get("usage_tips"))
    known |= {tag.casefold() for tag in claim.texts(record.written.get("tags"))}
    if record.written.get("strength") is not None and tips.get("strength") == record.written["strength"]:
        tips["strength"] = None
    hashed = claim.text(raw.get("hash_status")) in ("", "completed")
    found.sha256 = claim.sha256(raw.get("sha256")) if hashed else ""
    found.autov3 = claim.autov3(raw.get("autov3"))
    found.size = claim.whole(raw.get("size"))
    found.model_name = claim.text(raw.get("model_name")) or found.model_name
    found.base_model = found.base_model or claim.text(raw.get("base_model"))
    found.description = found.description or claim.text(raw.get("modelDescription"))
    found.nsfw_level = found.nsfw_level or claim.whole(raw.get("preview_nsfw_level")) or 0
    found.tags = [tag for tag in claim.texts(raw.get("tags")) if tag.casefold() not in known]
    found.favourite = claim.flag(record.theirs("favorite"))
    found.weight = claim.weight(tips.get("strength"))
    found.notes = "\n".join(one for one in (claim.text(record.theirs("notes")).strip(), _told(tips)) if one)
    words = [word for word in claim.texts(raw.get("trainedWords")) if word not in found.trained_words]
    found.sets = [", ".join(words)] if words and civitai else []
    found.trained_words = found.trained_words or words
    found.preview = claim.text(raw.get("preview_url"))
    found.gone = claim.flag(raw.get("civitai_deleted"))
    found.not_found = not found.model_id
    return found


def _tips(raw: object) -> dict[str, Any]:
    """``usage_tips`` is JSON within a text; hands have edited it."""
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError):
            return {}
    return claim.obj(raw)


def _told(tips: dict[str, Any]) -> str:
    parts = [f"{name} {claim.text(tips[key]).strip()}" for key, name in _TIPS if claim.text(tips.get(key)).strip()]
    low, high = claim.number(tips.get("strength_min")), claim.number(tips.get("strength_max"))
    if not claim.text(tips.get("strength_range")).strip() and low is not None and high is not None:
        parts.insert(0, f"strength {low:g} to {high:g}")
    return f"Usage: {', '.join(parts)}" if parts else ""


def compose(
    model_file: Path,
    model_raw: Mapping[str, Any],
    version_raw: Mapping[str, Any],
    *,
    size: int,
    sha256: str,
    autov3: str | None,
    at: float,
    kind: str,
) -> dict[str, Any]:
    """The file's content. ``autov3``: "" not computed, None the file has none; ``at``: seconds since 1970; ``kind``: of ``host.FOLDER_KINDS``."""
    model = {name: model_raw.get(name) for name in ("name", "type", "nsfw", "poi", "description", "tags") if name in model_raw}
    version = {**{name: value for name, value in version_raw.items() if name != "model"}, "modelId": model_raw.get("id"), "model": model}
    version.update({"creator": model_raw["creator"]} if model_raw.get("creator") else {})
    version["images"] = [_light(image) for image in claim.items(version.get("images"))]
    content: dict[str, Any] = {
        "file_name": model_file.stem,
        "model_name": claim.text(model_raw.get("name")) or model_file.stem,
        "file_path": _slashes(model_file),
        "size": size,
        "modified": at,
        "sha256": sha256.lower(),
        "base_model": claim.text(version_raw.get("baseModel")) or "Unknown",
        "preview_url": "",
        "preview_nsfw_level": 0,
        "notes": "",
        "from_civitai": True,
        "civitai": version,
        "tags": claim.texts(model_raw.get("tags")),
        "modelDescription": claim.text(model_raw.get("description")),
        "civitai_deleted": False,
        "favorite": False,
        "exclude": False,
        "db_checked": False,
        "metadata_source": "civitai_api",
        "hash_status": "completed" if sha256 else "pending",
        **({"autov3": autov3} if autov3 != "" else {}),
    }
    if kind in ("lora", "lycoris"):
        return {**content, "usage_tips": "{}"}
    return {**content, "sub_type": "embedding" if kind == "embedding" else "checkpoint"}


def write(model_file: Path, content: Mapping[str, Any], mine: Mine, preview: Path | None = None, level: int = 0) -> Path | None:
    """What its user has set stays, and so do unknown keys; ``mine`` is kept in step as ``ours`` says. None when the file there cannot be read.

    Raises NoSpace, NotWritable.
    """
    path = path_of(model_file)
    existing = read_object(path)
    if existing is None and not is_blank(path):
        return None
    old = existing or {}
    new = {**old, **content}
    for name in _THEIRS:
        if old.get(name) not in (None, "", [], {}, "{}", False, 0) and (name != "base_model" or old[name] != "Unknown"):
            new[name] = old[name]
    if preview and not old.get("preview_url"):
        new["preview_url"], new["preview_nsfw_level"] = _slashes(preview), level
    record = Record(new)
    record.text("notes", mine.note.strip())
    record.value("favorite", mine.favourite, False)
    _set_tags(record, mine.tags)
    if "usage_tips" in new:
        _set_weight(record, mine.weight)
    record.keep()
    if new != existing:
        write_json(path, new)
    return path


def _set_tags(record: Record, tags: list[str]) -> None:
    """Ours are added; those that we added before and that are no longer ours go."""
    before = claim.texts(record.written.get("tags"))
    there = [tag for tag in claim.texts(record.content.get("tags")) if tag not in before or tag in tags]
    added = [tag for tag in tags if tag in before or tag not in there]
    record.content["tags"] = list(dict.fromkeys([*there, *tags]))
    record.written["tags"] = added
    if not added:
        del record.written["tags"]


def _set_weight(record: Record, weight: float | None) -> None:
    tips = _tips(record.content["usage_tips"])
    inner = Record(tips, {"civitai_manager": {"written": {"strength": record.written.get("strength")}}})
    inner.value("strength", weight, None)
    if tips.get("strength") is None:
        tips.pop("strength", None)
    record.content["usage_tips"] = json.dumps(tips)
    if weight is not None:
        record.written["strength"] = weight
    else:
        record.written.pop("strength", None)


def _light(image: Any) -> Any:
    """Without the workflow, as Lora Manager keeps it: it can be megabytes."""
    meta = image.get("meta") if isinstance(image, dict) else None
    if not isinstance(meta, dict) or "comfy" not in meta:
        return image
    return {**image, "meta": {name: value for name, value in meta.items() if name != "comfy"}}


def _slashes(path: Path) -> str:
    return str(path.absolute()).replace("\\", "/")
