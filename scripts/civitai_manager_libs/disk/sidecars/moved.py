"""Sidecars that name files by their paths, after these have moved: Lora Manager's and StabilityMatrix's. Nothing else in them is touched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..atomic import write_json, write_text
from .reading import read_object


def correct(path: Path, renames: Mapping[str, str]) -> bool:
    """Put new paths into the place of old ones; whether there were any. Raises NoSpace, NotWritable."""
    known = {old.replace("\\", "/"): new for old, new in renames.items()}
    if path.name.endswith(".metadata.json"):
        content = read_object(path) or {}
        changed = _changed(content, ("file_path", "preview_url"), known, slashes=True)
        if "file_path" in changed:
            changed["file_name"] = Path(changed["file_path"]).stem
        if changed:
            write_json(path, {**content, **changed})
        return bool(changed)
    if path.name.endswith(".cm-info.json"):
        content = read_object(path) or {}
        changed = _changed(content, ("ThumbnailImageUrl",), known, slashes=False)
        if changed:
            write_text(path, json.dumps({**content, **changed}, ensure_ascii=False, separators=(",", ":")))
        return bool(changed)
    return False


def _changed(content: Mapping[str, Any], keys: tuple[str, ...], renames: Mapping[str, str], *, slashes: bool) -> dict[str, str]:
    found = {}
    for key in keys:
        value = content.get(key)
        new = renames.get(value.replace("\\", "/")) if isinstance(value, str) else None
        if new and new != value:
            found[key] = new.replace("\\", "/") if slashes else new
    return found
