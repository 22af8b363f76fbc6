"""Tools that keep what they know beside the model files: Civitai Helper, Browser+ and Neo, Lora Manager, StabilityMatrix, CivBrowser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ...catalog.exchange import Own, WordSet
from ...catalog.recipe import Recipe
from ...disk import local_models
from ...disk.sidecars import api_info, civbrowser, civitai_info, claim, cm_info, finding, lora_manager, webui_json
from ...disk.sidecars.claim import Claim
from ...disk.sidecars.reading import Unreadable, load
from ...reporter import Patience
from ..recipes import documents
from ..recipes import taking as recipes
from .taking import PICTURE, Found, Taking

Reader = Callable[[Path], Claim]

# In the order of trust: the first that says something holds.
READERS: dict[str, Reader] = {
    ".civitai.info": civitai_info.said,
    ".api_info.json": api_info.said,
    ".metadata.json": lora_manager.said,
    ".cm-info.json": cm_info.said,
    ".civitai.json": civbrowser.said,
    ".json": webui_json.said,
    ".txt": civbrowser.said_by_words,
}
TOOLS: dict[str, tuple[str, ...]] = {
    "civitai-helper": (".civitai.info", ".json"),
    "browser-plus": (".api_info.json", ".json"),
    "browser-neo": (".api_info.json", ".json"),
    "lora-manager": (".metadata.json",),
    "stability-matrix": (".cm-info.json",),
    "civbrowser": (".civitai.json", ".json", ".txt"),
    "webui": (".json",),
    "all": tuple(READERS),
}
ONLY_BESIDE_MODELS = (".json", ".txt")
RECIPE = ".recipe.json"
"""Lora Manager's recipes, each with its picture beside it."""


def plan(tool: str, root: Path, patience: Patience) -> Iterator[dict[str, Any]]:
    """An item for each model file with sidecars of this tool, or for sidecars that have lost theirs."""
    for one in finding.groups(root, TOOLS[tool], ONLY_BESIDE_MODELS):
        patience.check()
        if isinstance(one, finding.Refused):
            yield {"refused": {"path": one.path, "reason": one.reason}}
        elif set(one.sidecars) != {".txt"}:  # by itself it may be anything
            yield {"group": msgspec.to_builtins(one)}
    if ".metadata.json" in TOOLS[tool]:
        for path in finding.ending(root, RECIPE, patience.check):
            yield {"recipe_file": str(path)}


def take(taking: Taking, item: Mapping[str, Any]) -> dict[str, Any]:
    if "refused" in item:
        return {"unreadable": [item["refused"]]}
    if "recipe_file" in item:
        return _recipe(taking, Path(item["recipe_file"]))
    group = msgspec.convert(item["group"], finding.Group)
    return taking.take(found(group))


def _recipe(taking: Taking, path: Path) -> dict[str, Any]:
    """A recipe of Lora Manager's. Its picture lies beside it, whatever path was noted on whichever machine."""
    try:
        told = load(path)
    except Unreadable as exc:
        return {"unreadable": [{"path": str(path), "reason": str(exc)}]}
    recipe = documents.of_lora_manager(told, path.name)
    stem = path.name[: -len(RECIPE)]
    named = Path(claim.text(told.get("file_path")).replace("\\", "/")).name
    names = [one for one in dict.fromkeys([named, *(stem + ending for ending in (".webp", ".png", ".jpg", ".jpeg"))]) if one]
    picture = next((beside for name in names if (beside := path.with_name(name)).is_file()), None)
    data, state = b"", "none" if picture else "lost"
    try:
        if picture is not None and picture.stat().st_size <= PICTURE:
            data, state = picture.read_bytes(), "there"
    except OSError:
        state = "lost"
    recipe = _completed(recipe, data)
    taken = recipes.take(taking.services, recipe, data, dry_run=taking.dry_run)
    said = {name: taken[name] for name in ("name", "what", "prompt")}
    return {"recipe": {**said, "picture": state}, "where": str(path), "name": recipe.name, "conflicts": taken["conflicts"], "notes": taken["notes"]}


def _completed(recipe: Recipe, picture: bytes) -> Recipe:
    """A recipe without any text has the one that is in its picture."""
    if recipe.prompt or recipe.negative or recipe.parameters or not picture:
        return recipe
    try:
        told = documents.read(picture, "")[0].recipe
    except Unreadable:
        return recipe
    models = recipe.models or told.models
    return msgspec.structs.replace(recipe, prompt=told.prompt, negative=told.negative, parameters=told.parameters, models=models)


def found(group: finding.Group) -> Found:
    """What the sidecars of one stem say together."""
    said: list[Claim] = []
    unreadable: list[dict[str, str]] = []
    for suffix, reader in READERS.items():
        if suffix not in group.sidecars or (suffix == ".txt" and ".civitai.json" not in group.sidecars):
            continue
        path = group.path(group.sidecars[suffix])
        try:
            said.append(reader(path))
        except Unreadable as exc:
            unreadable.append({"path": str(path), "reason": str(exc)})
    whole = claim.merged(said)
    notes = []
    if not group.models and said:
        notes.append("No model file lies beside it.")
    if len({one.model_id for one in said if one.model_id}) > 1:
        ids = ", ".join(str(one.model_id) for one in said if one.model_id)
        notes.append(f"Its files name different models ({ids}); the first was taken.")
    first = group.path(next(iter(group.sidecars.values())))
    return Found(
        where=str(first), name=whole.model_name or group.stem, claim=whole, own=own_of(whole), models=[group.path(name) for name in group.models],
        pictures=_pictures(group, whole), unreadable=unreadable, notes=notes,
    )  # fmt: skip


def own_of(said: Claim) -> Own:
    """What the person said, without what is only a copy of Civitai's trigger words."""
    known = _parts(said.trained_words)
    if said.model is not None and not known:
        known = _parts(
            [word for version in claim.items(said.model.get("modelVersions")) for word in claim.texts(claim.obj(version).get("trainedWords"))]
        )
    sets = [one for one in said.sets if not set(_parts([one])) <= set(known)]
    return Own(
        note=said.notes, tags=said.tags, favourite=said.favourite, weight=said.weight, negative=said.negative,
        word_sets=[WordSet(one, version_id=said.version_id) for one in sets],
    )  # fmt: skip


def _parts(words: list[str]) -> list[str]:
    """Single words as they are compared: without the network tags that some tools put into them."""
    cut = (webui_json.activation_text([word]) for word in words)
    return [part.strip().casefold() for word in cut for part in re.split(r"[,\n]", word) if part.strip()]


def _pictures(group: finding.Group, said: Claim) -> list[Path]:
    """The previews of any tool, told apart by their content later. One that a sidecar names must lie in its own folder."""
    model = group.path(group.models[0] if group.models else f"{group.stem}.safetensors")
    pictures = [path for path in local_models.sidecar_files(model) if path.suffix.lower().lstrip(".") in local_models.PICTURES]
    named = Path(said.preview.replace("\\", "/")).name if said.preview and "://" not in said.preview else ""
    if named and (path := group.path(named)) not in pictures and path.suffix.lower().lstrip(".") in local_models.PICTURES and path.is_file():
        pictures.insert(0, path)
    return sorted(pictures, key=lambda path: path.suffix.lower() in (".mp4", ".webm"))
