"""A recipe: what a person keeps of how a picture was made. Its shape, what may be in it, and what a change makes of it; nothing here is stored."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ..errors import BadValue, NotFound, Said
from .own import LONGEST, tag_list
from .texts import key, plain

KINDS = ("checkpoint", "lora", "embedding", "vae", "hypernetwork", "upscaler", "other")
LONGEST_TEXT = {"name": 200, "prompt": 50_000, "negative": 50_000, "note": LONGEST["note"], "collection": 200}  # characters
MOST = 200  # parameters, models, tags
RELOAD = "It may have been changed in another window: reload the page."
DESCRIBES = ("Lora hashes", "TI hashes", "Hashes", "Civitai resources", "Civitai metadata", "Model hash", "Model", "VAE hash", "VAE", "Version")
"""Parameters that name models or the program: the models say it, or it makes no other picture."""
_TOO_MANY = {
    "parameters": Said("These are too many parameters ({count})."),
    "models": Said("These are too many models ({count})."),
    "tags": Said("These are too many tags ({count})."),
}
_TOO_LONG = {
    "name": Said("This name is too long ({count} characters)."),
    "prompt": Said("This prompt is too long ({count} characters)."),
    "negative": Said("This negative prompt is too long ({count} characters)."),
    "note": Said("This note is too long ({count} characters)."),
    "collection": Said("This name of a collection is too long ({count} characters)."),
}
_SPACES = re.compile(r"\s+")


class Mention(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A model that a recipe names. ``id``: of the entry here, 0 elsewhere; ``hash``: in lower case, as long as it was told."""

    kind: str = "other"
    name: str = ""
    weight: float | None = None
    hash: str = ""
    version_id: int = 0
    model_id: int = 0
    id: int = 0


class Source(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where a recipe came from. ``kind``: hand, image, fields (the WebUI's present ones), civitai, recipe, file, import."""

    kind: str = "hand"
    title: str = ""
    url: str = ""
    version_id: int = 0
    tool: str = ""


class Recipe(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What may leave this machine and come back. ``picture``: the file name of the original among our pictures; ``level``: its NSFW bits."""

    uid: str = ""
    name: str = ""
    prompt: str = ""
    negative: str = ""
    parameters: dict[str, str] = {}
    models: list[Mention] = []
    tags: list[str] = []
    note: str = ""
    collection: str = ""
    favourite: bool = False
    level: int = 0
    picture: str = ""
    width: int = 0
    height: int = 0
    source: Source = msgspec.field(default_factory=Source)
    created: float = 0.0
    used: float = 0.0


class ModelChange(msgspec.Struct, kw_only=True):
    """Of the model with this ``id``, some values."""

    id: int
    kind: str | msgspec.UnsetType = msgspec.UNSET
    name: str | msgspec.UnsetType = msgspec.UNSET
    weight: float | None | msgspec.UnsetType = msgspec.UNSET
    hash: str | msgspec.UnsetType = msgspec.UNSET
    version_id: int | msgspec.UnsetType = msgspec.UNSET
    model_id: int | msgspec.UnsetType = msgspec.UNSET


class Change(msgspec.Struct, kw_only=True):
    """What a person does to a recipe: single fields (``set``: name, prompt, negative, note, collection, favourite, level), single parameters (None
    takes one away), tags and models added and removed. Never a whole recipe, so that two pages that are open at once lose nothing."""

    set: dict[str, Any] = {}
    parameters: dict[str, str | None] = {}
    add_tags: list[str] = []
    remove_tags: list[str] = []
    add_models: list[Mention] = []
    change_models: list[ModelChange] = []
    remove_models: list[int] = []


TEXTS = ("name", "prompt", "negative", "note", "collection")
FIELDS = (*TEXTS, "favourite", "level", "parameters", "models", "tags", "picture", "width", "height")
"""What a person can change, and what an entry of the history brings back."""


def checked(recipe: Recipe) -> Recipe:
    """The recipe as it is stored. Raises BadValue for what makes no sense or is longer than anybody types."""
    recipe = msgspec.structs.replace(recipe, **{name: text(name, getattr(recipe, name)) for name in TEXTS})
    recipe.parameters = _parameters({}, recipe.parameters)
    recipe.models = [mention(one) for one in recipe.models]
    recipe.tags = list(tag_list(recipe.tags).values())
    recipe.level = _level(recipe.level)
    for what in _TOO_MANY:
        if len(getattr(recipe, what)) > MOST:
            raise BadValue(_TOO_MANY[what].format(count=f"{len(getattr(recipe, what)):,}"), next_step=f"Keep at most {MOST}.")
    return recipe


def usable(recipe: Recipe) -> Recipe:
    """The same, with what cannot be kept cut off or left out: for what comes from damaged or foreign files. Never raises."""
    recipe = msgspec.structs.replace(recipe, **{name: plain(getattr(recipe, name))[: LONGEST_TEXT[name]] for name in TEXTS})
    parameters = {plain(name).strip(): plain(value) for name, value in recipe.parameters.items()}
    recipe.parameters = {name: value for name, value in list(parameters.items())[:MOST] if name and len(name) <= 100 and len(value) <= 20_000}
    recipe.models = [_tame(one) for one in recipe.models[:MOST]]
    recipe.tags = [tag for one in recipe.tags[:MOST] if (tag := " ".join(plain(one).split())[: LONGEST["tag"]])]
    recipe.level = recipe.level if 0 <= recipe.level <= 63 else 0
    return checked(recipe)


def text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadValue(f"This is no text ({name}): {str(value)[:60]!r}.")
    value = plain(value).replace("\0", "").replace("\r\n", "\n")
    value = " ".join(value.split()) if name in ("name", "collection") else value.strip()
    if len(value) > LONGEST_TEXT[name]:
        raise BadValue(_TOO_LONG[name].format(count=f"{len(value):,}"), next_step=f"Shorten it to {LONGEST_TEXT[name]:,} characters.")
    return value


def _level(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 63:
        return value
    raise BadValue(f"This is no level of pictures: {str(value)[:60]!r}.")


def _parameters(before: Mapping[str, str], given: Mapping[str, str | None]) -> dict[str, str]:
    """Parameters with some set anew, in their order; a name in another case means the same one."""
    names = {key(name): name for name in before}
    made = dict(before)
    for name, value in given.items():
        name = " ".join(plain(name).split())
        if not name or len(name) > 100 or (value is not None and len(value) > 20_000):
            raise BadValue(f"This is no parameter: {name[:60]!r}.", next_step="Give it a short name and a value.")
        name = names.setdefault(key(name), name)
        if value is None:
            made.pop(name, None)
        else:
            made[name] = plain(value).replace("\0", "").strip()
    return made


def mention(one: Mention) -> Mention:
    """A mention as it is stored. Raises BadValue."""
    weight = one.weight
    if weight is not None and not (math.isfinite(weight) and abs(weight) <= 100):
        raise BadValue(f"This is no weight: {weight!r}.", next_step="Give a number such as 0.8.")
    name = " ".join(plain(one.name).replace("\0", "").split())
    if len(name) > 500 or not (name or one.hash or one.version_id or one.model_id):
        raise BadValue("This names no model.", next_step="Give a name of at most 500 characters.")
    if not all(0 <= number < 1 << 53 for number in (one.version_id, one.model_id, one.id)):
        raise BadValue("This is no id of a model.")
    return Mention(
        kind=one.kind if one.kind in KINDS else "other", name=name, weight=weight, hash=hash_of(one.hash), version_id=one.version_id,
        model_id=one.model_id, id=one.id,
    )  # fmt: skip


def _tame(one: Mention) -> Mention:
    number = {name: value if 0 <= (value := getattr(one, name)) < 1 << 53 else 0 for name in ("version_id", "model_id", "id")}
    weight = one.weight if one.weight is not None and math.isfinite(one.weight) and abs(one.weight) <= 100 else None
    named = number["version_id"] or number["model_id"] or hash_of(one.hash)
    return msgspec.structs.replace(one, name=plain(one.name).strip()[:500] or ("" if named else "?"), weight=weight, **number)


def hash_of(raw: str) -> str:
    """A hash as hashes are compared; "" for what is none."""
    value = raw.strip().lower().removeprefix("0x")
    return value if 6 <= len(value) <= 64 and all(one in "0123456789abcdef" for one in value) else ""


def changed(recipe: Recipe, change: Change) -> Recipe:
    """The recipe after a change. Raises BadValue, NotFound (a model that is no longer in it)."""
    made: dict[str, Any] = {}
    for name, value in change.set.items():
        if name in TEXTS:
            made[name] = text(name, value)
        elif name == "favourite" and value in (0, 1, True, False):
            made[name] = bool(value)
        elif name == "level":
            made[name] = _level(value)
        else:
            raise BadValue(f"{name}: this value cannot be used: {str(value)[:60]!r}.")
    made["parameters"] = _parameters(recipe.parameters, change.parameters)
    made["models"] = _models(recipe.models, change)
    tags = {key(tag): tag for tag in recipe.tags}
    for name in tag_list(change.remove_tags):
        tags.pop(name, None)
    made["tags"] = list({**tags, **{name: tag for name, tag in tag_list(change.add_tags).items() if name not in tags}}.values())
    return checked(msgspec.structs.replace(recipe, **made))


def _models(before: list[Mention], change: Change) -> list[Mention]:
    gone = set(change.remove_models)
    models = {one.id: one for one in before if one.id not in gone}
    for one in change.change_models:
        if one.id not in models:
            raise NotFound("This model is no longer in the recipe.", next_step=RELOAD)
        values = {name: got for name in one.__struct_fields__ if (got := getattr(one, name)) is not msgspec.UNSET}
        models[one.id] = msgspec.structs.replace(models[one.id], **values)
    return [*models.values(), *(msgspec.structs.replace(one, id=0) for one in change.add_models)]


def differing(before: Recipe, after: Recipe) -> list[str]:
    """The fields in which two states differ; the picture's measures go with it."""
    return [name for name in FIELDS if name not in ("width", "height") and getattr(before, name) != getattr(after, name)]


def fingerprint(recipe: Recipe) -> str:
    """Equal for recipes that make the same picture: prompts, parameters, and models by hash (else by id or name) with their weights; "" for one that
    says nothing."""
    parameters = sorted(f"{key(name)}={_even(value)}" for name, value in recipe.parameters.items() if name not in DESCRIBES)
    models = sorted(f"{one.hash[:10] or one.version_id or key(one.name)}:{1.0 if one.weight is None else one.weight:.2f}" for one in recipe.models)
    parts = [_even(recipe.prompt), _even(recipe.negative), "|".join(parameters), "|".join(models)]
    if not any(parts):
        return ""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def _even(value: str) -> str:
    return _SPACES.sub(" ", value).strip().rstrip(",")


def spoken(recipe: Recipe) -> tuple[list[str], list[str]]:
    """(all that a search looks through, the names in it that are found by any three letters)."""
    names = [recipe.name, *recipe.tags, *(one.name for one in recipe.models), recipe.collection]
    values = [f"{name} {value}" for name, value in recipe.parameters.items() if name not in DESCRIBES]
    return [*names, recipe.prompt, recipe.negative, recipe.note, recipe.source.title, *values], names


def joined_tags(ours: Iterable[str], theirs: Iterable[str]) -> list[str]:
    known = {key(tag) for tag in ours}
    return [tag for name, tag in tag_list(theirs).items() if name not in known]
