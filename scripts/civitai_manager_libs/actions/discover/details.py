"""What the side panel shows of a model that need not be registered."""

from __future__ import annotations

import datetime
from typing import Any

from ...civitai import images
from ...civitai.payloads import File, Model, Version
from ...disk.sidecars.plain_text import text_of
from ..services import Services
from ..subject import risk
from . import cards

LETTERS = 6_000  # of a description
WIDTH = 512  # pixels of the panel's pictures


def told(services: Services, model: Model) -> dict[str, Any]:
    """The card's fields, and: url, about (the creator's words as plain text), tags, mark, and versions with pictures, words and files."""
    now = datetime.datetime.now(datetime.timezone.utc)
    mark = services.answers.marks([model.id])
    card = cards.shown([cards.card(model)], mark, WIDTH)[0]
    return {
        **card, "url": f"{services.settings.civitai_url}/models/{model.id}", "about": text_of(model.description)[:LETTERS],
        "tags": model.tags, "list": [_version(version, model, now) for version in model.versions],
    }  # fmt: skip


def _version(version: Version, model: Model, now: datetime.datetime) -> dict[str, Any]:
    primary = version.primary
    return {
        "id": version.id, "name": version.name, "base": version.base_model, "published": version.published_at or "",
        "early": version.early_access(now) or "", "usage": version.usage_control, "words": version.trained_words[:100],
        "about": text_of(version.description)[:LETTERS], "downloads": version.download_count or 0,
        "pictures": [
            {**cards.picture(image, model.id, version), "small": images.still(image.url, WIDTH)} for image in version.images if image.type != "audio"
        ],
        "files": [_file(file, file is primary) for file in version.files],
    }  # fmt: skip


def _file(file: File, primary: bool) -> dict[str, Any]:
    about = {name: getattr(file, name) for name in ("id", "name", "type", "label", "scan")}
    return {**about, "size": file.size or 0, "risk": risk(file), "primary": primary}
