"""``<stem>.civitai.info``: Civitai's version object, extended by its model and creator, as Civitai Helper began it and many tools read it."""

from __future__ import annotations

import datetime
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..atomic import disk_error, replace, write_json
from . import claim
from .claim import Claim
from .reading import beside, is_blank, load, read_object

log = logging.getLogger(__name__)

SUFFIX = ".civitai.info"
# What tools take from the model into the version's file. The by-id answer leaves empty ones out; readers expect the lists.
_MODEL_KEYS = (
    "name", "type", "nsfw", "poi", "description", "tags", "allowNoCredit", "allowCommercialUse", "allowDerivatives", "allowDifferentLicense",
)  # fmt: skip
_LISTS = ("trainedWords", "files", "images")
# What describes one version and must not survive from another one's file.
_VERSION_KEYS = frozenset({
    "id", "modelId", "name", "createdAt", "updatedAt", "publishedAt", "status", "trainedWords", "baseModel", "baseModelType", "earlyAccessEndsAt",
    "earlyAccessConfig", "earlyAccessDeadline", "earlyAccessTimeFrame", "paidAccess", "availability", "usageControl", "uploadType", "air",
    "trainingStatus", "trainingDetails", "description", "stats", "model", "creator", "files", "images", "downloadUrl", "index", "nsfwLevel",
    "covered", "skeleton_file",
})  # fmt: skip


def path_of(model_file: Path) -> Path:
    return beside(model_file, SUFFIX)


def read(path: Path) -> dict[str, Any] | None:
    """The object of a ``.civitai.info`` file in any of its encodings; None when there is none or it cannot be read."""
    return read_object(path)


def said(path: Path) -> Claim:
    """What the file says to us; a skeleton stands for a file that Civitai did not know. Raises Unreadable.

    The name is also that of Civitai Shortcut's copies of whole model objects.
    """
    raw = load(path)
    if "modelVersions" in raw:
        return claim.of_model(raw)
    found = claim.of_version(raw)
    if claim.flag(raw.get("skeleton_file")) or claim.flag(claim.obj(claim.obj(raw.get("extensions")).get("sd_civitai_helper")).get("skeleton_file")):
        found.not_found, found.version, found.version_id, found.model_id = True, None, None, None
    return found


def compose(version_raw: Mapping[str, Any], model_raw: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The file's content from the raw API objects: a version (nested in a model, or of its own) and its model (may be empty)."""
    model_raw = model_raw or {}
    info = dict(version_raw)
    if not info.get("modelId") and model_raw.get("id"):
        info["modelId"] = model_raw["id"]
    own = info.get("model")
    model = dict(own) if isinstance(own, Mapping) else {}
    model.update({key: model_raw[key] for key in _MODEL_KEYS if model_raw.get(key) is not None})
    if model:
        model.setdefault("tags", [])
        model.setdefault("description", None)
    info["model"] = model
    if not isinstance(info.get("creator"), Mapping) and isinstance(model_raw.get("creator"), Mapping):
        info["creator"] = model_raw["creator"]
    info.setdefault("description", None)
    for key in _LISTS:
        if not isinstance(info.get(key), list):
            info[key] = []
    return info


def write(model_file: Path, version_raw: Mapping[str, Any], model_raw: Mapping[str, Any] | None = None) -> Path:
    """Write the file beside ``model_file`` and return its path; what other tools have put into an existing one stays.

    An existing file that cannot be read is kept under a dated name. Raises NoSpace, NotWritable.
    """
    path = path_of(model_file)
    existing = read(path)
    if existing is None and not is_blank(path):
        _set_aside(path)
    info = _merged(existing or {}, compose(version_raw, model_raw))
    if info != existing:
        # Escaped: Civitai Helper reads the file in the platform's default encoding, and ASCII is right in all of them.
        write_json(path, info, ascii_only=True)
    return path


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    same = not old.get("id") or old.get("id") == new.get("id")
    kept = {key: value for key, value in old.items() if same or key not in _VERSION_KEYS}
    kept.pop("skeleton_file", None)
    for key, value in new.items():
        before = kept.get(key)
        if key == "model" and isinstance(before, dict):
            value = {**before, **value}
        elif key == "images":
            value = _with_local_files(before, value)
        if value is not None or key not in kept:
            kept[key] = value
    helper = kept["extensions"].get("sd_civitai_helper") if isinstance(kept.get("extensions"), dict) else None
    if isinstance(helper, dict) and helper.get("skeleton_file"):
        # The mark of "not found on Civitai", with which Civitai Helper leaves a file out: no longer true.
        kept["extensions"] = {**kept["extensions"], "sd_civitai_helper": {**helper, "skeleton_file": False}}
    return kept


def _with_local_files(old: Any, new: list[Any]) -> list[Any]:
    """The new images, each with what only the old entry of the same URL knew (``local_file``: where Civitai Helper has put it)."""
    known = {image["url"]: image for image in old if isinstance(image, dict) and isinstance(image.get("url"), str)} if isinstance(old, list) else {}
    return [{**known.get(str(image.get("url")), {}), **image} if isinstance(image, dict) else image for image in new]


def _set_aside(path: Path) -> None:
    aside = path.with_name(f"{path.name}.broken-{datetime.datetime.now():%Y%m%d-%H%M%S}")
    try:
        if not os.path.lexists(aside):
            replace(path, aside)
    except OSError as exc:
        raise disk_error(exc, path.parent) from exc
    log.warning("sidecar: %s could not be read and was kept as %s", path, aside.name)
