"""Take a recipe over: from a file, another tool, another machine, or a damaged catalog. What is here already is added to, never overwritten."""

from __future__ import annotations

from typing import Any

import msgspec

from ...catalog.exchange import joined
from ...catalog.recipe import Recipe, joined_tags
from ...catalog.recipes import Kept
from ...errors import BadValue
from ..services import Services
from . import pictures


def take(services: Services, theirs: Recipe, picture: bytes = b"", *, dry_run: bool = False, again: bool = False) -> dict[str, Any]:
    """What became of it, JSON-ready: ``what`` is new, known (added to what is here) or deleted (it is in the trash here, and stays there); ``id``
    (0 in a dry run); ``picture``: whether it has one now; ``conflicts`` and ``notes``. ``again``: also when there is one with the same content.

    Raises NoSpace, NotWritable.
    """
    conflicts: list[dict[str, Any]] = []
    notes: list[str] = []
    kept = services.recipes.with_uid(theirs.uid) if theirs.uid else None
    kept = kept or (None if again else _same(services, theirs))
    if picture:
        try:
            stored = pictures.look(picture) if dry_run else pictures.store(services, picture)
            theirs = msgspec.structs.replace(theirs, picture=stored.name, width=stored.width, height=stored.height)
        except BadValue as exc:
            notes.append(f"{theirs.name}: its picture was left. {exc.message}")
    outcome: dict[str, Any] = {"name": theirs.name, "conflicts": conflicts, "notes": notes, "prompt": bool(theirs.prompt)}
    if kept is None:
        number = 0 if dry_run else services.recipes.make(theirs)
        return {**outcome, "what": "new", "id": number, "picture": bool(theirs.picture)}
    if kept.deleted:
        notes.append(f"{kept.recipe.name}: it was deleted here, and stays in the trash.")
        return {**outcome, "what": "deleted", "id": kept.id, "picture": bool(kept.recipe.picture)}
    merged = _merged(kept.recipe, theirs, conflicts)
    if not dry_run:
        services.recipes.add(kept.id, lambda ours: _merged(ours, theirs, []))
    return {**outcome, "what": "known", "id": kept.id, "picture": bool(merged.picture)}


def _same(services: Services, theirs: Recipe) -> Kept | None:
    """A recipe here that makes the same picture and has the same name is the same one."""
    for one in services.recipes.equal_to(theirs):
        if one["name"] == theirs.name and not one["deleted"]:
            return services.recipes.get(one["id"])
    return None


def _merged(ours: Recipe, theirs: Recipe, conflicts: list[dict[str, Any]]) -> Recipe:
    """Ours, with what theirs adds. What we have otherwise is told."""
    made: dict[str, Any] = {"tags": [*ours.tags, *joined_tags(ours.tags, theirs.tags)], "note": joined(ours.note, theirs.note)}
    made["favourite"] = ours.favourite or theirs.favourite
    for name in ("prompt", "negative", "collection", "level", "parameters", "models"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        if not mine:
            made[name] = other
        elif other and _plain(mine) != _plain(other):
            conflicts.append({"field": f"recipe: {name}", "name": ours.name, "ours": _told(mine), "theirs": _told(other)})
    if not ours.picture and theirs.picture:
        made.update(picture=theirs.picture, width=theirs.width, height=theirs.height)
    return msgspec.structs.replace(ours, **made)


def _plain(value: Any) -> Any:
    return [msgspec.structs.replace(one, id=0) for one in value] if isinstance(value, list) else value


def _told(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(one.name for one in value)[:100]
    return ", ".join(f"{name}: {one}" for name, one in value.items())[:100] if isinstance(value, dict) else str(value)[:100]
