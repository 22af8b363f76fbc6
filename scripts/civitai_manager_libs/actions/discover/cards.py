"""What the grid shows of a model of Civitai's, small enough to be kept by the thousand."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from ...catalog.answers import Mark
from ...civitai import images
from ...civitai.payloads import Image, Model, Version

PICTURES = 6  # of a card: the first of each level, so that every person sees one that they may see
LADDER = (96, 320, 450, 512, 800)  # widths that the image server keeps
ADULT = 4  # the lowest level at which what a creator calls adult may be seen

Json = dict[str, Any]


def card(model: Model) -> Json:
    """id, name, type, creator, of its newest version: version_id, version, base, published, early ('' for everybody's), size; versions (how many),
    free: some version is everybody's; nsfw, level, downloads, likes, pictures."""
    now = datetime.datetime.now(datetime.timezone.utc)
    newest = model.versions[0] if model.versions else None
    early = [version.early_access(now) or "" for version in model.versions]
    primary = newest.primary if newest else None
    return {
        "id": model.id, "name": model.name or f"Model {model.id}", "type": model.type, "creator": model.creator.username if model.creator else "",
        "version_id": newest.id if newest else 0, "version": newest.name if newest else "", "base": newest.base_model if newest else "",
        "published": (newest.published_at or "") if newest else "", "early": early[0] if early else "", "free": "" in early,
        "size": (primary.size or 0) if primary else 0, "versions": len(model.versions), "mode": model.mode, "nsfw": model.nsfw,
        "level": model.nsfw_level, "downloads": model.download_count or 0, "likes": model.thumbs_up_count or 0, "pictures": _pictures(model),
    }  # fmt: skip


def _pictures(model: Model) -> list[Json]:
    """Still ones before videos, of each level the first, in the creator's order."""
    shown = [(image, version) for version in model.versions for image in version.images if image.type != "audio"]
    first: dict[int, Json] = {}
    for image, version in sorted(shown, key=lambda one: one[0].type == "video"):
        first.setdefault(image.nsfw_level, picture(image, model.id, version))
    order = {image.url: place for place, (image, _) in enumerate(shown)}
    return sorted(first.values(), key=lambda one: (one["type"] == "video", order[one["url"]]))[:PICTURES]


def picture(image: Image, model_id: int, version: Version) -> Json:
    """A picture as every part of the page knows it."""
    return {
        "url": image.url, "id": image.id, "type": image.type, "level": image.nsfw_level, "width": image.width, "height": image.height,
        "hash": image.hash, "model_id": model_id, "version_id": version.id,
    }  # fmt: skip


def width_of(pixels: int) -> int:
    """The smallest width of the ladder that fills so many pixels."""
    return next((one for one in LADDER if one >= pixels), LADDER[-1])


def allowed(cards: Iterable[Json], most: int) -> list[Json]:
    """Those that may be seen up to this level (its highest bit; 0: all), each with only the pictures that may."""
    if not most:
        return list(cards)
    found = []
    for one in cards:
        pictures = [picture for picture in one["pictures"] if 0 < picture["level"] <= most]
        if (pictures or (not one["pictures"] and 0 < one["level"] <= most)) and (not one["nsfw"] or most >= ADULT):
            found.append({**one, "pictures": pictures})
    return found


def shown(cards: Iterable[Json], marks: Mapping[int, Mark], width: int) -> list[Json]:
    """Cards as the page gets them: ``small`` addresses of their pictures, at card width, and ``mark``, what the library knows (None: nothing)."""

    def small(picture: Json) -> Json:
        return {**picture, "small": images.still(picture["url"], width)}

    return [{**one, "pictures": [small(picture) for picture in one["pictures"]], "mark": mark_of(marks, one["id"])} for one in cards]


def mark_of(marks: Mapping[int, Mark], model_id: int) -> Json | None:
    mark = marks.get(model_id)
    if mark is None:
        return None
    return {"here": mark.here, "newer": mark.newer, "missing": mark.missing, "broken": mark.broken, "favourite": mark.favourite}
