"""``<stem>.json``: the WebUI's own metadata of a model ("user metadata"), which the user edits on the cards and other extensions extend.

So it is only ever added to: a key that has a value keeps it, unknown keys stay, and a file that cannot be read is not touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...errors import DiskError
from ..atomic import write_json
from .plain_text import text_of
from .reading import beside, is_blank, read_object

SUFFIX = ".json"
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_SD_VERSIONS = (
    (re.compile(r"SD 1\.", re.IGNORECASE), "SD1"),
    (re.compile(r"SD 2\.", re.IGNORECASE), "SD2"),
    # All trained on SDXL; "Pony V7" is not.
    (re.compile(r"SDXL\b|(Pony|Illustrious|NoobAI)$", re.IGNORECASE), "SDXL"),
)
_NETWORK_TAG = re.compile(r"<(lora|lyco|hypernet):[^<>]*>", re.IGNORECASE)


def path_of(model_file: Path) -> Path:
    return beside(model_file, SUFFIX)


def read(path: Path) -> dict[str, Any] | None:
    """The object of a metadata file; None when there is none or it cannot be read."""
    return read_object(path)


def sd_version(base_model: str | None) -> str:
    """The WebUI's "sd version" (SD1, SD2, SDXL) of a Civitai base model, or "": other words break the WebUI's filter."""
    return next((version for pattern, version in _SD_VERSIONS if pattern.match(base_model or "")), "")


def activation_text(trained_words: Iterable[str]) -> str:
    """Trigger words as one prompt text: trimmed, each once, without the network tags that the WebUI adds by itself."""
    words = (re.sub(r"\s+", " ", _NETWORK_TAG.sub("", word)).strip(" ,") for word in trained_words if isinstance(word, str))
    return ", ".join(dict.fromkeys(word for word in words if word))


def write(
    model_file: Path,
    *,
    description: str | None = "",
    base_model: str | None = "",
    trained_words: Iterable[str] = (),
    model_id: int | None = None,
    version_id: int | None = None,
    sha256: str | None = "",
    url: str = "",
) -> Path:
    """Add what is known (all optional) to the metadata beside ``model_file``; returns its path.

    ``description`` is HTML and becomes text; ``url`` goes into the notes. An existing file is only rewritten when something is new.
    Raises DiskError when it cannot be read (it is left as it is), NoSpace, NotWritable.
    """
    path = path_of(model_file)
    if str(path).casefold() == str(model_file).casefold():
        raise DiskError(f"{path.name} is the model itself: there is no place for metadata beside it.", next_step="", path=str(path))
    existing = read(path)
    if existing is None and not is_blank(path):
        raise DiskError(
            f"{path.name} is not the WebUI's kind of metadata and was left as it is.",
            next_step="Repair or rename that file, then try again. The model file itself is fine.",
            path=str(path),
        )
    known = {
        "description": text_of(description),
        "sd version": sd_version(base_model),
        "activation text": activation_text(trained_words),
        "notes": url,
        "modelId": model_id,
        "modelVersionId": version_id,
        "sha256": (sha256 or "").upper(),
    }
    merged = dict(existing or {})
    for key, value in known.items():
        if value not in _EMPTY and merged.get(key) in _EMPTY:
            merged[key] = value
    if merged != existing:
        write_json(path, merged)
    return path
