"""What can be asked of Civitai's list of models, and which of its answers are what was asked for.

A text search of Civitai's cuts its window first and filters afterwards: pages may be short or empty while more follow, and some filters are not
applied at all. So the answer is filtered again here. Facts: civitai/civitai, ``model-search.service.ts`` (August 2026).
"""

from __future__ import annotations

import datetime
from typing import Any

import msgspec

from ..errors import UsageError
from .payloads import Model
from .values import parse_time

SORTS = ("Highest Rated", "Most Downloaded", "Most Liked", "Most Discussed", "Most Collected", "Most Images", "Newest", "Oldest")
PERIODS = {"AllTime": 0, "Year": 365, "Month": 31, "Week": 7, "Day": 1}
CHECKPOINTS = ("Trained", "Merge")
TYPES = (
    "Checkpoint", "LORA", "LoCon", "DoRA", "TextualInversion", "Hypernetwork", "AestheticGradient", "Controlnet", "Upscaler", "MotionModule", "VAE",
    "Poses", "Wildcards", "Workflows", "Detection", "Other",
)  # fmt: skip
BASES = (
    "SD 1.5", "SDXL 1.0", "Pony", "Illustrious", "NoobAI", "Flux.1 D", "Flux.1 S", "Flux.1 Kontext", "Flux.1 Krea", "Flux.2 D", "Chroma",
    "HiDream", "Qwen", "ZImageTurbo", "Anima", "Wan Video", "SD 1.5 LCM", "SD 1.5 Hyper", "SD 2.1", "SD 3", "SD 3.5 Large", "SD 3.5 Medium",
    "SDXL Lightning", "SDXL Hyper", "SDXL Turbo", "Stable Cascade", "PixArt a", "Kolors", "AuraFlow", "Lumina", "Hunyuan Video", "Other",
)  # fmt: skip
"""Both for the time until Civitai has told its own lists."""
MOST_VALUES = 40
LONGEST = 200


class Search(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """``mature``: models and pictures above PG too; ``early``: also what can only be had for money so far; ``mine``: the account's favourites."""

    text: str = ""
    creator: str = ""
    tag: str = ""
    types: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    sort: str = SORTS[0]
    period: str = "AllTime"
    checkpoint: str = ""
    mature: bool = True
    early: bool = True
    mine: bool = False

    @property
    def whole(self) -> bool:
        """Whether the models of an answer have all their versions and pictures."""
        return self.mature and not self.bases


def checked(search: Search) -> Search:
    """The search without blanks at the ends and empty values. Raises UsageError for what cannot be asked."""
    texts = {name: " ".join(getattr(search, name).split()) for name in ("text", "creator", "tag")}
    texts["creator"] = texts["creator"].removeprefix("@")
    texts["tag"] = texts["tag"].removeprefix("#").strip()
    lists = {name: tuple(dict.fromkeys(one.strip() for one in getattr(search, name) if one.strip())) for name in ("types", "bases")}
    if search.sort not in SORTS or search.period not in PERIODS or search.checkpoint not in ("", *CHECKPOINTS):
        raise UsageError("This order, time or kind of checkpoint is none that Civitai knows.", next_step="Choose one from the menus.")
    long = [one for one in (*texts.values(), *lists["types"], *lists["bases"]) if len(one) > LONGEST]
    if long or any(len(one) > MOST_VALUES for one in lists.values()):
        raise UsageError("This is too much to search for at once.", next_step="Search for fewer words.")
    return msgspec.structs.replace(search, **texts, **lists)  # type: ignore[arg-type]


def parameters(search: Search, cursor: str, limit: int) -> dict[str, Any]:
    """The query of GET /models. The order is left out of a text search, which knows none; ``favorites`` even as false needs a key."""
    asked: dict[str, Any] = {
        "limit": limit, "query": search.text, "username": search.creator, "tag": search.tag, "types": list(search.types),
        "baseModels": list(search.bases), "sort": "" if search.text else search.sort, "period": "" if search.period == "AllTime" else search.period,
        "checkpointType": search.checkpoint, "nsfw": "true" if search.mature else "", "favorites": "true" if search.mine else "", "cursor": cursor,
    }  # fmt: skip
    return {name: value for name, value in asked.items() if value not in ("", [])}


def fits(model: Model, search: Search, now: datetime.datetime) -> bool:
    """Whether a model of an answer is what was asked for."""
    if not search.early and model.versions and all(version.early_access(now) for version in model.versions):
        return False
    if not search.text:
        return True  # a list is filtered well
    creator = model.creator.username if model.creator else ""
    if search.creator and creator.casefold() != search.creator.casefold():
        return False
    if search.tag and search.tag.casefold() not in (tag.casefold() for tag in model.tags):
        return False
    if search.types and model.type.casefold() not in (one.casefold() for one in search.types):
        return False
    if search.bases and not {version.base_model for version in model.versions} & set(search.bases):
        return False
    return _in_time(model, search.period, now)


def _in_time(model: Model, period: str, now: datetime.datetime) -> bool:
    days = PERIODS[period]
    published = [moment for version in model.versions if (moment := parse_time(version.published_at))]
    return not days or not published or max(published) >= now - datetime.timedelta(days=days)
