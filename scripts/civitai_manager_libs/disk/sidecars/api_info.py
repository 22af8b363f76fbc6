"""``<stem>.api_info.json``: Browser+ keeps Civitai's model object there, its heir Neo the version object (or else the model's)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..atomic import write_json
from . import claim
from .claim import Claim
from .reading import beside, is_blank, load, read_object

SUFFIX = ".api_info.json"


def path_of(model_file: Path) -> Path:
    return beside(model_file, SUFFIX)


def said(path: Path) -> Claim:
    """Raises Unreadable."""
    raw = load(path)
    return claim.of_model(raw) if "modelVersions" in raw else claim.of_version(raw)


def write(model_file: Path, model_raw: Mapping[str, Any]) -> Path | None:
    """The model object, as Browser+ reads it; what others have put there stays. None when that cannot be read. Raises NoSpace, NotWritable."""
    path = path_of(model_file)
    existing = read_object(path)
    if existing is None and not is_blank(path):
        return None
    if existing and "modelVersions" not in existing and "modelId" in existing:
        return path  # Neo's form of it, which Neo looks for
    content = {**(existing or {}), **model_raw}
    if content != existing:
        write_json(path, content, ascii_only=True)
    return path
