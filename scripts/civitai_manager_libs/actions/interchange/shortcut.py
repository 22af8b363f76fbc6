"""Civitai Shortcut's own folder, in both layouts (``data_sc/``, or flat), as its original and its fork leave it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...catalog.exchange import Collection, Member, Own
from ...disk.sidecars import civitai_info, claim
from ...disk.sidecars.claim import Claim
from ...disk.sidecars.reading import Unreadable, load
from ...errors import UsageError
from ...reporter import Patience
from ..recipes import documents
from ..recipes import taking as recipes
from .taking import PICTURE, Found, Taking

REGISTRY = "CivitaiShortCut.json"
CLASSES = "CivitaiShortCutClassification.json"
RECIPES = "CivitaiShortCutRecipeCollection.json"
BACKUP = "CivitaiShortCutBackupUrl.json"
INFOS, THUMBNAILS, RECIPE_PICTURES = "sc_infos", "sc_thumb_images", "sc_recipes"
_ID_IN_URL = re.compile(r"/models/([0-9]{1,10})(?![0-9])")


def folder_of(path: Path) -> Path:
    """The folder with its data, from any path a person may give. Raises UsageError."""
    path = path.parent if path.is_file() else path
    tries = [path / "data_sc", path, *(path.parent,) * (path.name in (INFOS, THUMBNAILS, RECIPE_PICTURES)), path / "scripts" / "data_sc"]
    for names in ((REGISTRY,), (INFOS, CLASSES)):
        for folder in tries:
            if any((folder / name).exists() for name in names):
                return folder
    raise UsageError(
        f"{path} holds no data of Civitai Shortcut.", next_step=f"Choose its extension folder, or the folder that holds {REGISTRY} and {INFOS}."
    )


def plan(path: Path, patience: Patience) -> Iterator[dict[str, Any]]:
    """Models first, then the collections that they are in, the recipes, and what is only told."""
    folder = folder_of(path)
    refused: list[dict[str, str]] = []
    registry = _read(folder / REGISTRY, refused)
    entries: dict[int, dict[str, Any]] = {}
    for key, value in (registry or {}).items():
        number = claim.number_id(key) or claim.number_id(claim.obj(value).get("id"))
        if number is None or not isinstance(value, dict):
            refused.append({"path": str(folder / REGISTRY), "reason": f"the entry {key[:40]!r} is no shortcut"})
        else:
            entries.setdefault(number, value)
    cached = _cached(folder, refused)
    if registry is None:  # what was cached is all there is
        entries = {number: {} for number in cached}
    for number, entry in entries.items():
        patience.check()
        yield {"model": number, "entry": _small(entry), "folder": str(folder)}
    classes = _read(folder / CLASSES, refused) or {}
    for name, value in classes.items():
        members = [claim.number_id(one) for one in claim.items(claim.obj(value).get("shortcuts"))]
        ids = list(dict.fromkeys(one for one in members if one is not None))
        lost = [str(one)[:40] for one, number in zip(claim.items(claim.obj(value).get("shortcuts")), members, strict=True) if number is None]
        note = claim.text(claim.obj(value).get("info"))
        coming = [number for number in ids if number in entries]
        yield {"collection": name, "note": "" if note == "None" else note, "ids": ids, "coming": coming, "lost": lost, "folder": str(folder)}
    for name, value in (_read(folder / RECIPES, refused) or {}).items():
        patience.check()
        named = {str(one): {"name": claim.text(entries.get(one, {}).get("name"))} for one in _ids(value)}
        yield {"recipe": name, "entry": value, "registry": named, "folder": str(folder)}
    told: dict[str, Any] = {"deleted": _deleted(folder, set(entries), refused)}
    told["cached_only"] = sorted(set(cached) - set(entries))
    yield {"told": told, "folder": str(folder)}
    for one in refused:
        yield {"refused": one}


def take(taking: Taking, item: Mapping[str, Any]) -> dict[str, Any]:
    if "refused" in item:
        return {"unreadable": [item["refused"]]}
    if "told" in item:
        return {"told": item["told"]}
    if "recipe" in item:
        return _recipe(taking, item)
    if "collection" in item:
        wanted = Collection(item["collection"], item["note"], [Member(number) for number in item["ids"]])
        given = taking.services.exchange.give_collection(wanted, dry_run=taking.dry_run, coming=set(item["coming"]))
        missing = [number for number in item["ids"] if number not in item["coming"] and taking.services.models.row(number) is None]
        return {"collection": given, "dangling": [{"collection": item["collection"], "id": one} for one in [*missing, *item["lost"]]]}
    return taking.take(_found(Path(item["folder"]), int(item["model"]), claim.obj(item["entry"])))


def _found(folder: Path, number: int, entry: dict[str, Any]) -> Found:
    path = folder / INFOS / str(number) / f"{number}.civitai.info"
    unreadable: list[dict[str, str]] = []
    said = Claim()
    if path.exists():
        try:
            said = civitai_info.said(path)
            if said.model_id != number:
                unreadable.append({"path": str(path), "reason": "is about another model" if said.model_id else "is no answer of Civitai's"})
                said = Claim()
        except Unreadable as exc:
            unreadable.append({"path": str(path), "reason": str(exc)})
    name = said.model_name or claim.text(entry.get("name")).strip() or f"Model {number}"
    if said.model is None and said.version is None:
        stub = {"id": number, "name": name, "type": claim.text(entry.get("type")) or "Other", "tags": claim.texts(entry.get("tags"))}
        said.model = {**stub, "nsfw": claim.flag(entry.get("nsfw")), "modelVersions": []}
    said.model_id, said.version_id = number, None  # a shortcut is for the model
    note = claim.text(entry.get("note")).strip()
    return Found(
        where=str(path if path.exists() else folder / REGISTRY), name=name, claim=said, own=Own(note="" if note == "None" else note),
        registered=_time(entry.get("date")), pictures=_pictures(folder, number, said), unreadable=unreadable,
    )  # fmt: skip


def _pictures(folder: Path, number: int, said: Claim) -> list[Path]:
    """The thumbnail; else what was cached of the model's pictures, those of the newest version first. What they are, their bytes tell."""
    thumbnails = [folder / THUMBNAILS / f"{number}.png", folder / THUMBNAILS / f"model_{number}_preview.jpg"]
    versions = claim.items((said.model or {}).get("modelVersions"))
    order = {str(claim.obj(version).get("id")): place for place, version in enumerate(versions)}
    try:
        cached = [
            path for path in sorted((folder / INFOS / str(number)).iterdir()) if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp", ".gif")
        ]
    except OSError:
        cached = []
    cached.sort(key=lambda path: order.get(path.name.split("-")[0], len(order)))
    return [path for path in [*thumbnails, *cached[:5]] if path.is_file()]


def _read(path: Path, refused: list[dict[str, str]]) -> dict[str, Any] | None:
    """None when it cannot be read; {} when it is not there."""
    try:
        return load(path)
    except Unreadable as exc:
        if not path.exists():
            return None if path.name == REGISTRY else {}
        if str(exc) in ("is empty", "holds null only"):
            return {}
        refused.append({"path": str(path), "reason": str(exc)})
        return None


def _cached(folder: Path, refused: list[dict[str, str]]) -> list[int]:
    try:
        names = sorted(path.name for path in (folder / INFOS).iterdir() if path.is_dir())
    except FileNotFoundError:
        return []
    except OSError as exc:
        refused.append({"path": str(folder / INFOS), "reason": f"cannot be opened ({exc.strerror})"})
        return []
    return [number for name in names if name.isascii() and name.isdigit() and (number := claim.number_id(name))]


def _small(entry: dict[str, Any]) -> dict[str, Any]:
    """What is needed of a registry entry: it goes through the job's items."""
    return {name: entry[name] for name in ("type", "name", "tags", "nsfw", "note", "date") if name in entry}


def _time(raw: object) -> str:
    """Local time without a zone, as ISO 8601 in UTC; "" when it is none."""
    try:
        moment = datetime.datetime.strptime(claim.text(raw).strip(), "%Y-%m-%d %H:%M:%S")
        return moment.astimezone(datetime.timezone.utc).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


def _ids(recipe: Any) -> list[int]:
    return [one for raw in claim.items(claim.obj(recipe).get("shortcuts")) if (one := claim.number_id(raw)) is not None]


def _recipe(taking: Taking, item: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe with its picture, which it may have lost (a renamed one has; the file may be deleted)."""
    registry = {int(number): entry for number, entry in item["registry"].items()}
    recipe, _, picture = documents.of_shortcut(item["recipe"], item["entry"], registry)
    path = Path(item["folder"]) / RECIPE_PICTURES / picture
    data, state = b"", "none"
    if picture:
        try:
            data = path.read_bytes() if path.stat().st_size <= PICTURE else b""
            state = "there"
        except OSError:
            state = "lost"
    taken = recipes.take(taking.services, recipe, data, dry_run=taking.dry_run)
    told = {name: taken[name] for name in ("name", "what", "prompt")}
    where = str(Path(item["folder"]) / RECIPES)
    return {"recipe": {**told, "picture": state}, "where": where, "name": recipe.name, "conflicts": taken["conflicts"], "notes": taken["notes"]}


def _deleted(folder: Path, registered: set[int], refused: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Models that were registered once: the only trash there is."""
    found: dict[int, str] = {}
    for key, name in (_read(folder / BACKUP, refused) or {}).items():
        match = _ID_IN_URL.search(key.removeprefix("url="))
        number = claim.number_id(match.group(1)) if match else None
        if number is not None and number not in registered:
            found.setdefault(number, claim.text(name))
    return [{"id": number, "name": name} for number, name in found.items()]
