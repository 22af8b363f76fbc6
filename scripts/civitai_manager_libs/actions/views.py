"""What a page or the terminal shows of a registered model, from the catalog alone."""

from __future__ import annotations

import datetime
from typing import Any

from ..catalog.files import LocalFile
from ..civitai import payloads
from ..civitai.payloads import File, Model, Version
from .services import Services
from .subject import risk


def model_view(services: Services, model_id: int) -> dict[str, Any] | None:
    """A registered model with its versions and files, JSON-ready; None when it is not registered. Descriptions are Civitai's raw HTML."""
    row, body = services.models.row(model_id), services.models.body(model_id)
    if row is None or body is None:
        return None
    own = {name: row[name] for name in ("name", "creator", "registered", "refreshed", "note", "thumbnail")}
    return {**seen(services, payloads.model(body)), **own, "gone": bool(row["gone"])}


def seen(services: Services, model: Model) -> dict[str, Any]:
    """The same for any model of Civitai's, registered or not: ``registered`` is then ''."""
    here = services.files.of_model(model.id)
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "id": model.id, "name": model.name, "type": model.type, "creator": model.creator.username if model.creator else "", "nsfw": model.nsfw,
        "nsfw_level": model.nsfw_level, "description": model.description, "tags": model.tags, "mode": model.mode,
        "url": f"{services.settings.civitai_url}/models/{model.id}", "registered": "", "refreshed": "", "note": "", "thumbnail": "", "gone": False,
        "versions": [_version(version, here, now) for version in model.versions],
    }  # fmt: skip


def _version(version: Version, here: list[LocalFile], now: datetime.datetime) -> dict[str, Any]:
    return {
        "id": version.id, "name": version.name, "base_model": version.base_model, "published": version.published_at, "air": version.air,
        "early_access": version.early_access(now), "usage_control": version.usage_control, "trained_words": version.trained_words,
        "description": version.description,
        "images": [{name: getattr(image, name) for name in ("url", "type", "nsfw_level", "width", "height")} for image in version.images],
        "files": [_file(version, file, here) for file in version.files],
    }  # fmt: skip


def _file(version: Version, file: File, here: list[LocalFile]) -> dict[str, Any]:
    local = [one.path for one in here if one.version_id == version.id and one.file_id == file.id and one.unchanged]
    return {
        "id": file.id, "name": file.name, "type": file.type, "size": file.size, "label": file.label, "scan": file.scan,
        "scan_message": file.scan_message, "risk": risk(file), "primary": file is version.primary, "sha256": file.sha256, "local": local,
    }  # fmt: skip
