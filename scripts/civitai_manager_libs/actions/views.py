"""What a page or the terminal shows of a registered model, from the catalog alone."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from ..catalog.files import LocalFile
from ..catalog.models import OWN
from ..civitai import payloads
from ..civitai.payloads import File, Model, Version
from ..errors import BadAnswer
from . import companions
from .services import Services
from .subject import risk

SHOWN = (*OWN, "name", "type", "creator", "registered", "refreshed", "thumbnail", "thumbnail_level", "blurhash", "level", "newer", "used", "checked")


def model_view(services: Services, model_id: int) -> dict[str, Any] | None:
    """An entry of the library with versions, files and all that the person said of it, JSON-ready; None when there is none.

    Descriptions are Civitai's raw HTML. An entry without Civitai's answer (a file that is only here, or a damaged answer) has no versions.
    ``files``: what is or was on the disk; ``advice``: see ``companions.advice``. A version's ``here``: a file of it is there; ``newer``: it is newer
    than what is here; ``ignored``.
    """
    row = services.models.row(model_id)
    if row is None:
        return None
    own = services.own.of(model_id)
    model = _model(services, dict(row))
    mine = services.files.ever_of_model(model_id)
    view = {
        **seen(services, model), **{name: row[name] for name in SHOWN}, **own, "favourite": bool(row["favourite"]),
        "gone": bool(row["gone"]), "files": [_record(one) for one in mine],
    }  # fmt: skip
    view["advice"] = companions.advice(services, model, mine)
    if model_id < 0:
        view["url"] = ""
    here = {one.version_id for one in mine if one.state == "here"}
    newest = next((place for place, version in enumerate(view["versions"]) if version["id"] in here), 0)
    since = view["versions"][newest]["published"] if newest else None
    for place, version in enumerate(view["versions"]):
        newer = place < newest and (version["published"] or "9") >= (since or "")  # the creator's order is not always that of time
        version.update(here=version["id"] in here, newer=newer, ignored=version["id"] in own["ignored"])
    return view


def _model(services: Services, row: Mapping[str, Any]) -> Model:
    """What Civitai said, or as much of it as the columns know."""
    body = services.models.body(row["id"])
    try:
        return payloads.model(body or {})
    except BadAnswer:
        return Model(id=row["id"], name=row["name"], type=row["type"], nsfw=bool(row["nsfw"]), nsfw_level=row["nsfw_level"])


def _record(one: LocalFile) -> dict[str, Any]:
    names = ("id", "path", "kind", "size", "sha256", "version_id", "file_id", "state", "health", "verified", "asked")
    return {**{name: getattr(one, name) for name in names}, "name": PurePath(one.path).name}


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
        "images": [{name: getattr(image, name) for name in ("url", "type", "nsfw_level", "width", "height", "hash")} for image in version.images],
        "files": [_file(version, file, here) for file in version.files],
    }  # fmt: skip


def _file(version: Version, file: File, here: list[LocalFile]) -> dict[str, Any]:
    local = [one.path for one in here if one.version_id == version.id and one.file_id == file.id and one.unchanged]
    return {
        "id": file.id, "name": file.name, "type": file.type, "size": file.size, "label": file.label, "scan": file.scan,
        "scan_message": file.scan_message, "risk": risk(file), "primary": file is version.primary, "sha256": file.sha256, "local": local,
    }  # fmt: skip
