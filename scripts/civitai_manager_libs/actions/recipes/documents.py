"""A recipe as a document of ours, in files and in pictures, and what is read from the documents and files of others.

    {"format": "civitai-manager-recipe", "version": 1, "program": VERSION, "recipe": {...}}

Several recipes are a list of such documents. Nothing here raises for what is in a file but Unreadable.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

import msgspec

from ... import __version__
from ...catalog.recipe import Mention, Recipe, Source, usable
from ...disk.sidecars import claim as claims
from ...disk.sidecars.reading import Unreadable, decode
from ...generation import embedding, infotext, pictures
from . import wording

FORMAT, VERSION = "civitai-manager-recipe", 1
LORA_MANAGER = "Recipe metadata:"
_PARAMETERS = {
    "steps": "Steps", "sampler": "Sampler", "scheduler": "Schedule type", "cfg_scale": "CFG scale", "cfg": "CFG scale", "seed": "Seed",
    "size": "Size", "clip_skip": "Clip skip", "denoising_strength": "Denoising strength", "vae": "VAE",
}  # fmt: skip
"""Lora Manager's names of parameters, and the WebUI's."""


class Read(NamedTuple):
    """A recipe from a file. ``picture``: the bytes of its picture, or the ``name`` of the file beside that is its picture."""

    recipe: Recipe
    picture: bytes = b""
    name: str = ""


# -- ours


def document(recipe: Recipe) -> dict[str, Any]:
    """Without what is only true here: the numbers of its models, when it was used, and the file name of its picture."""
    models = [msgspec.structs.replace(one, id=0) for one in recipe.models]
    bare = msgspec.structs.replace(recipe, models=models, picture="", width=0, height=0, used=0.0)
    return {"format": FORMAT, "version": VERSION, "program": __version__, "recipe": msgspec.to_builtins(bare)}


def of_document(told: Any) -> Recipe:
    """Raises Unreadable."""
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise Unreadable("is no recipe of this program")
    if not isinstance(told.get("version"), int) or told["version"] > VERSION:
        raise Unreadable("was written by a newer version of Civitai Manager")
    return recipe_from(told.get("recipe"))


def recipe_from(told: Any) -> Recipe:
    """A recipe that left this program. Raises Unreadable; a model that makes no sense costs only itself."""
    told = dict(claims.obj(told))
    models = [one for raw in claims.items(told.pop("models", [])) if (one := _model(raw)) is not None]
    try:
        recipe = msgspec.convert(told, Recipe)
    except (msgspec.ValidationError, ValueError) as exc:
        raise Unreadable(f"holds a recipe that makes no sense ({str(exc)[:100]})") from exc
    recipe.models = models
    if not any((recipe.name, recipe.prompt, recipe.negative, recipe.parameters, models, recipe.note, recipe.picture)):
        raise Unreadable("holds an empty recipe")
    recipe.name = recipe.name or wording.name_of(recipe)
    if not (len(recipe.uid) == 32 and all(one in "0123456789abcdef" for one in recipe.uid)):
        recipe.uid = uid_of("recipe", recipe)
    return usable(recipe)


def _model(raw: Any) -> Mention | None:
    try:
        return msgspec.structs.replace(msgspec.convert(raw, Mention), id=0)
    except msgspec.ValidationError:
        return None


def uid_of(tool: str, recipe: Recipe) -> str:
    """What stands for a recipe that has no number of ours: the same for the same content."""
    parts = [tool, recipe.name, recipe.prompt, recipe.negative, json.dumps(recipe.parameters, sort_keys=True)]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


# -- any file


def read(data: bytes, name: str = "") -> list[Read]:
    """The recipes in a file of any kind: a picture (at worst a recipe that is only that picture), JSON, or a text. Raises Unreadable."""
    if embedding.can_hold(data) or pictures.kind(data) or data[4:12] in (b"ftypavif", b"ftypavis"):
        return [_of_picture(data, name)]
    if not data.strip(b"\0 \t\r\n"):
        raise Unreadable("is empty")
    text = decode(data)
    if text.lstrip()[:1] in ("{", "["):
        return _of_json(text, name)
    if "\0" in text or sum(not one.isprintable() and one not in "\r\n\t" for one in text[:2000]) > 20:
        raise Unreadable("is no picture, no recipe and no text")
    made = wording.recipe_of(text)
    return [Read(_named(made, PurePath(name).stem, Source(kind="file", title=name)))]


def _of_picture(data: bytes, name: str) -> Read:
    source = Source(kind="image", title=name[:200])
    if told := embedding.document_in(data):
        try:
            return Read(of_document(json.loads(told, strict=False)), data)
        except (ValueError, Unreadable, RecursionError):
            pass  # damaged on its way: what else is in the picture still holds
    texts = pictures.texts(data)
    for text in texts.values():
        _, marked, rest = text.partition(LORA_MANAGER)
        if marked:
            try:
                found, _ = json.JSONDecoder(strict=False).raw_decode(rest.strip())
            except (ValueError, RecursionError):
                continue
            return Read(of_lora_manager(claims.obj(found), name), data)
    found_data = pictures.read(data)
    made = wording.recipe_of(found_data.infotext) if found_data else Recipe()
    if found_data:
        made.models = wording.mentioned(found_data.resources)
    return Read(_named(made, "" if made.prompt else PurePath(name).stem, source), data)


def _named(made: Recipe, title: str, source: Source) -> Recipe:
    made.name, made.source = wording.name_of(made, title), source
    return usable(made)


def _of_json(text: str, name: str) -> list[Read]:
    try:
        told = json.loads(text, strict=False)
    except (ValueError, RecursionError, MemoryError) as exc:
        raise Unreadable("is cut off or no JSON") from exc
    if isinstance(told, list) or (isinstance(told, dict) and told.get("format") == FORMAT):
        return [Read(of_document(one)) for one in (told if isinstance(told, list) else [told])]
    if not isinstance(told, dict):
        raise Unreadable("holds no recipe")
    if "gen_params" in told or "loras" in told:
        return [Read(of_lora_manager(told, name), name=PurePath(claims.text(told.get("file_path")).replace("\\", "/")).name)]
    if told and all(isinstance(one, dict) and ("generate" in one or "classification" in one or "description" in one) for one in told.values()):
        return [Read(*of_shortcut(title, one, {})) for title, one in told.items()]
    raise Unreadable("holds no recipe")


# -- of other tools


def of_lora_manager(told: Mapping[str, Any], name: str = "") -> Recipe:
    """Its ``*.recipe.json``, and what it puts into pictures. LoRAs that the person has taken out are left out."""
    given = claims.obj(told.get("gen_params"))
    parameters = {}
    for key, value in given.items():
        label, text = _PARAMETERS.get(key), claims.text(value).strip()
        if label and text:
            parameters[label] = text
    models = [_checkpoint(told.get("checkpoint"))]
    models += [_lora(claims.obj(one)) for one in claims.items(told.get("loras")) if not claims.flag(claims.obj(one).get("exclude"))]
    base = claims.text(told.get("base_model")).strip()
    tags = claims.texts(told.get("tags")) + ([base] if base and base.lower() not in ("unknown", "other") else [])
    level = claims.whole(told.get("preview_nsfw_level")) or 0
    created = claims.number(told.get("created_date"))
    source = claims.text(told.get("source_path")).strip()
    recipe = Recipe(
        name=claims.text(told.get("title")).strip(), prompt=claims.text(given.get("prompt")), negative=claims.text(given.get("negative_prompt")),
        parameters=parameters, models=[one for one in models if one is not None], tags=tags, note=claims.text(told.get("notes")),
        favourite=claims.flag(told.get("favorite")), level=level if 0 <= level <= 63 else 0, created=created if created and created > 0 else 0.0,
        source=Source(kind="import", tool="Lora Manager", title=name[:200], url=source if source.startswith(("http://", "https://")) else ""),
    )  # fmt: skip
    recipe.name = recipe.name or wording.name_of(recipe, PurePath(name.removesuffix(".recipe.json")).stem)
    number = claims.text(told.get("id")).replace("-", "").lower()
    is_uid = len(number) == 32 and all(one in "0123456789abcdef" for one in number)
    recipe.uid = number if is_uid else uid_of("lora-manager", recipe)
    return usable(recipe)


def _lora(told: Mapping[str, Any]) -> Mention | None:
    name = claims.text(told.get("file_name")) or claims.text(told.get("modelName"))
    weight = claims.number(told.get("strength"))
    if weight is None:
        weight = claims.number(told.get("weight"))
    return _mention("lora", told, name, weight)


def _checkpoint(raw: Any) -> Mention | None:
    if isinstance(raw, str):
        return Mention(kind="checkpoint", name=raw.strip()) if raw.strip() else None
    told = claims.obj(raw)
    name = claims.text(told.get("file_name")) or claims.text(told.get("modelName")) or claims.text(told.get("name"))
    return _mention("checkpoint", told, name, None)


def _mention(kind: str, told: Mapping[str, Any], name: str, weight: float | None) -> Mention | None:
    version = claims.number_id(told.get("modelVersionId")) or claims.number_id(told.get("id")) or 0
    digest = claims.text(told.get("hash")).strip().lower()
    if not (name.strip() or version or digest):
        return None
    return Mention(kind=kind, name=name.strip(), weight=weight, hash=digest, version_id=version, model_id=claims.number_id(told.get("modelId")) or 0)


def of_shortcut(name: str, raw: Any, registry: Mapping[int, Mapping[str, Any]]) -> tuple[Recipe, bytes, str]:
    """A recipe of Civitai Shortcut's, no bytes, and the file name of its picture. ``registry``: its shortcuts by id, for their names.

    It splits the line of parameters at every comma and colon, so its options are put together again and read as the WebUI writes them. What it
    names of models are Civitai's entries, not files: they go into no prompt.
    """
    told = claims.obj(raw)
    made = claims.obj(told.get("generate"))
    line = ", ".join(f"{key.strip()}: {claims.text(value)}" for key, value in claims.obj(made.get("options")).items() if claims.text(value).strip())
    prompt, negative = claims.text(made.get("prompt")).strip(), claims.text(made.get("negativePrompt")).strip()
    recipe = _with_line(prompt, negative, line)
    for number in dict.fromkeys(one for raw in claims.items(told.get("shortcuts")) if (one := claims.number_id(raw)) is not None):
        entry = claims.obj(registry.get(number))
        recipe.models.append(Mention(name=claims.text(entry.get("name")).strip(), model_id=number))
    note = claims.text(told.get("description")).strip()
    collection = claims.text(told.get("classification")).strip()
    recipe.name = name.strip() or wording.name_of(recipe)
    recipe.note, recipe.collection = ("" if one == "None" else one for one in (note, collection))
    recipe.source = Source(kind="import", tool="Civitai Shortcut", title=name[:200])
    recipe.uid = uid_of("civitai-shortcut", recipe)
    return usable(recipe), b"", PurePath(claims.text(told.get("image")).replace("\\", "/")).name


def _with_line(prompt: str, negative: str, line: str) -> Recipe:
    """Prompts that are known apart, and a line of parameters that is to be read."""
    told = wording.recipe_of(", ".join([line, *(f"{name}: {value}" for name, value in infotext.PADDING.items())])) if line else Recipe()
    made = wording.recipe_of(infotext.write(prompt, negative, told.parameters))
    return msgspec.structs.replace(made, prompt=prompt, negative=negative, parameters=told.parameters)
