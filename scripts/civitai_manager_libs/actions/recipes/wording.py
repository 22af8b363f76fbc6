"""Between a recipe and the WebUI's text: what an infotext says as a recipe, a recipe as an infotext, and models that prompt and list agree about.

A LoRA stands in the prompt (``<lora:NAME:0.8>``) and in the recipe's list of models. Whoever changes one of the two means both: ``synced``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ...catalog.recipe import Mention, Recipe
from ...generation import infotext, mentions

TAGS = {"lora": "lora", "hypernetwork": "hypernet"}
"""The kinds that a prompt loads, and the word for it there."""
LISTED = ("Lora hashes", "TI hashes", "Hashes", "Civitai resources")
"""Parameters that only list models: a recipe's own list takes their place."""
NAMED = {"checkpoint": ("Model", "Model hash"), "vae": ("VAE", "VAE hash")}
_CIVITAI = {"checkpoint": "checkpoint", "lora": "lora", "embedding": "embed", "vae": "vae", "hypernetwork": "hypernet", "upscaler": "upscaler"}
_LONGEST_NAME = 60
_IN_TEXT = re.compile(
    r"(?P<lead>,[ ]{0,9})?<(?P<word>lora|lyco|hypernet):(?P<name>[^<>:\n]{1,300})(?P<rest>(?::[^<>:\n]*)*)>(?P<tail>[ ]{0,9},[ ]{0,9})?",
    re.IGNORECASE,
)
"""As ``mentions.TAG``, with the commas around it."""


def recipe_of(text: str) -> Recipe:
    """What an infotext says, as a recipe that has no name yet."""
    read = infotext.parse(text)
    parameters = {name: value for name, value in read.parameters.items() if name not in LISTED and infotext.PADDING.get(name) != value}
    return Recipe(prompt=read.prompt, negative=read.negative, parameters=parameters, models=mentioned(mentions.of(read)))


def mentioned(found: Iterable[mentions.Mention]) -> list[Mention]:
    """What generation data mention, as a recipe lists it."""
    return [msgspec.convert(msgspec.to_builtins(one), Mention) for one in found]


def infotext_of(recipe: Recipe, names: Mapping[int, str] | None = None) -> str:
    """The recipe as the WebUI reads it. ``names``: of files here, by the mention's id, for models that nothing but Civitai's number names."""
    models = [msgspec.structs.replace(one, name=one.name or (names or {}).get(one.id, "")) for one in recipe.models]
    parameters = {name: value for name, value in recipe.parameters.items() if name not in LISTED}
    for kind, (label, digest) in NAMED.items():
        one = next((one for one in models if one.kind == kind and one.name), None)
        if one is not None and label not in parameters:
            parameters[label] = one.name
            if one.hash:
                parameters[digest] = one.hash[:10]
    for kind, label in (("lora", "Lora hashes"), ("embedding", "TI hashes")):
        told = [f"{one.name}: {one.hash}" for one in models if one.kind == kind and one.hash and one.name and "," not in one.name]
        if told:
            parameters[label] = ", ".join(told)
    resources = [_resource(one) for one in models if one.version_id]
    if resources:
        parameters["Civitai resources"] = json.dumps(resources, ensure_ascii=False)
    return infotext.write(tagged(recipe.prompt, recipe.negative, models), recipe.negative, parameters)


def tagged(prompt: str, negative: str, models: Iterable[Mention]) -> str:
    """The prompt, with a tag for each LoRA of the list that has none in it."""
    there = {one.name.casefold() for one in mentions.tags(f"{prompt}\n{negative}")}
    more = [_tag(one) for one in models if one.kind in TAGS and one.name and one.name.casefold() not in there]
    return ", ".join(part for part in (prompt.rstrip().rstrip(","), *more) if part) if more else prompt


def _tag(one: Mention) -> str:
    return f"<{TAGS[one.kind]}:{one.name}:{_number(one.weight)}>"


def _number(weight: float | None) -> str:
    return f"{1 if weight is None else weight:g}"


def _resource(one: Mention) -> dict[str, Any]:
    told: dict[str, Any] = {"type": _CIVITAI.get(one.kind, "other"), "modelVersionId": one.version_id}
    return {**told, "weight": one.weight} if one.weight is not None else told


def name_of(recipe: Recipe, title: str = "") -> str:
    """A name for a recipe that has none: the title of what it was made from, else how its prompt begins."""
    prompt = mentions.TAG.sub("", title or recipe.prompt)
    prompt = re.sub(r":[0-9.]{1,6}(?=\))|\bBREAK\b|[()\[\]]+", " ", prompt)
    words = ", ".join(part for one in prompt.split(",") if (part := " ".join(one.split())))
    if len(words) > _LONGEST_NAME:
        end = max(words.rfind(" ", 20, _LONGEST_NAME + 1), words.rfind(",", 20, _LONGEST_NAME + 1))
        words = words[: end if end > 0 else _LONGEST_NAME].strip(" ,") + "…"
    return words or "Recipe"


# -- prompt and list


def synced(before: Recipe, after: Recipe) -> Recipe:
    """The state after a change, in which prompt, parameters and list of models name the same ones."""
    after = msgspec.structs.replace(after, parameters=dict(after.parameters), models=list(after.models))
    if before.models != after.models:
        _spell(before, after)
    if (before.prompt, before.negative) != (after.prompt, after.negative):
        _list(before, after)
    return after


def _spell(before: Recipe, after: Recipe) -> None:
    """Bring what the list now says into the prompts and the parameters."""
    now = {one.id: one for one in after.models if one.id}
    for old in before.models:
        new = now.get(old.id)
        if new == old:
            continue
        if old.kind in TAGS and old.name:
            if new is not None and not new.name:
                new = msgspec.structs.replace(new, name=old.name)
            after.prompt, after.negative = (_retagged(text, old.name, new) for text in (after.prompt, after.negative))
        if old.kind in NAMED:
            _name(after, old.kind, new if new is not None and new.kind == old.kind else None)
    for one in after.models:
        if not one.id and one.kind in NAMED:
            _name(after, one.kind, one)
    after.prompt = tagged(after.prompt, after.negative, [one for one in after.models if not one.id])


def _name(recipe: Recipe, kind: str, one: Mention | None) -> None:
    label, digest = NAMED[kind]
    recipe.parameters.pop(digest, None)
    recipe.parameters.pop(label, None)
    if one is not None and one.name:
        recipe.parameters[label] = one.name
        if one.hash:
            recipe.parameters[digest] = one.hash[:10]


def _retagged(text: str, name: str, new: Mention | None) -> str:
    """A prompt in which a model's tags have its new name and weight; without one they are gone, and a comma with them."""

    def written(match: re.Match[str]) -> str:
        lead, tail = match["lead"] or "", match["tail"] or ""
        if match["name"].strip().casefold() != name.casefold():
            return match[0]
        if new is None or new.kind not in TAGS:
            before = text[: match.start()].rpartition("\n")[2].strip()
            return ", " if lead and tail else tail if before and not lead else ""
        parts = match["rest"].split(":")[1:]
        place = next((place for place, part in enumerate(parts) if "=" not in part), None)
        if place is None:
            parts.insert(0, _number(new.weight))
        else:
            parts[place] = _number(new.weight)
        return f"{lead}<{match['word']}:{new.name}:{':'.join(parts)}>{tail}"

    return _IN_TEXT.sub(written, text)


def _list(before: Recipe, after: Recipe) -> None:
    """Bring what the prompts now say into the list."""
    were = {one.name.casefold() for one in mentions.tags(f"{before.prompt}\n{before.negative}")}
    are = {one.name.casefold(): one for one in mentions.tags(f"{after.prompt}\n{after.negative}") if one.kind in TAGS}
    kept = []
    for one in after.models:
        name = one.name.casefold()
        if one.kind in TAGS and name in are:
            told = are.pop(name)
            kept.append(one if told.weight is None or told.weight == one.weight else msgspec.structs.replace(one, weight=told.weight))
        elif not (one.kind in TAGS and name in were):
            kept.append(one)
    after.models = [*kept, *mentioned(are.values())]
