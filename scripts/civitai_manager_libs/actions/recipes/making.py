"""Make recipes: from what was said, from a dropped file, from another one; and give one a picture of Civitai's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from ...catalog.recipe import Change, Mention, Recipe, Source, changed, checked
from ...disk.sidecars.reading import Unreadable
from ...errors import BadValue, NotFound, UsageError
from ...jobs.context import Context
from ..services import Services
from . import documents, pictures, taking, wording


class Making(msgspec.Struct, kw_only=True):
    """What a recipe is made from. ``infotext`` first, then single fields over it. ``anyway``: also when there is an equal one."""

    infotext: str = ""
    name: str = ""
    title: str = ""
    prompt: str | None = None
    negative: str | None = None
    parameters: dict[str, str] | None = None
    models: list[Mention] | None = None
    tags: list[str] = []
    note: str = ""
    collection: str = ""
    favourite: bool = False
    source: Source = msgspec.field(default_factory=Source)
    anyway: bool = False


def recipe_of(making: Making) -> Recipe:
    """Raises BadValue."""
    if len(making.infotext) > 400_000:
        raise BadValue("This text is too long for a recipe.")
    made = wording.recipe_of(making.infotext) if making.infotext.strip() else Recipe()
    for name in ("prompt", "negative", "parameters", "models"):
        if (given := getattr(making, name)) is not None:
            setattr(made, name, given)
    for name in ("tags", "note", "collection", "favourite", "source"):
        setattr(made, name, getattr(making, name))
    made.models = [msgspec.structs.replace(one, id=0) for one in made.models]
    made.name = making.name.strip() or wording.name_of(made, making.title)[:200]
    return checked(made)


def make(services: Services, making: Making, ticket: str = "") -> dict[str, Any]:
    """{"id": number}, or {"equal": [{id, name, deleted}]} when there is such a one and it was not wanted anyway. Raises BadValue."""
    made = recipe_of(making)
    made.uid = uid_for(ticket)
    if made.uid and (earlier := services.recipes.with_uid(made.uid)) is not None:
        return {"id": earlier.id}  # the same press, sent twice
    equal = services.recipes.equal_to(made)
    if equal and not making.anyway:
        return {"equal": equal}
    return {"id": services.recipes.make(made)}


def uid_for(ticket: str, place: int = 0) -> str:
    """One press makes one recipe, however often its request arrives."""
    return hashlib.sha256(f"recipe:{ticket}:{place}".encode()).hexdigest()[:32] if ticket else ""


def from_file(services: Services, data: bytes, name: str, *, anyway: bool = False, ticket: str = "") -> dict[str, Any]:
    """What became of each recipe in a file that a person gives: {"recipes": [{id, name, what, conflicts}], "equal": [...]}; ``what``: new or known.

    One of ours that is here already is added to; one that is in the trash is taken back. ``equal``: there are such ones, and nothing was made.
    Raises UsageError for a file that holds none, BadValue, NoSpace, NotWritable.
    """
    try:
        found = documents.read(data, name)
    except Unreadable as exc:
        reason = str(exc)
        said = f"{name} is not taken: it {reason}." if name else f"This file is not taken: it {reason}."
        raise UsageError(said, next_step="Give a picture, a recipe of this program or of another one, or a text.") from exc
    outcomes, equal = [], []
    for place, one in enumerate(found):
        known = services.recipes.with_uid(one.recipe.uid) if one.recipe.uid else None
        if known is None and not one.recipe.uid:
            one.recipe.uid = uid_for(ticket, place)
            known = services.recipes.with_uid(one.recipe.uid) if ticket else None
            same = services.recipes.equal_to(one.recipe)
            if known is None and same and not anyway:
                equal += same
                continue
        if known is not None and known.deleted:
            services.recipes.undelete([known.id])
        if one.picture:
            pictures.store(services, one.picture)  # what cannot be kept is told before anything is made
        told = taking.take(services, one.recipe, one.picture, again=anyway)
        outcomes.append({name: told[name] for name in ("id", "name", "what", "conflicts")})
    return {"recipes": outcomes, "equal": equal}


def copy(services: Services, recipe_id: int, ticket: str = "") -> int:
    """Another recipe like it; its id. Raises NotFound."""
    recipe = services.recipes.get(recipe_id).recipe
    source = Source(kind="recipe", title=recipe.name)
    models = [msgspec.structs.replace(one, id=0) for one in recipe.models]
    name = f"{recipe.name[:190]} (copy)"
    return services.recipes.make(msgspec.structs.replace(recipe, uid=uid_for(ticket), name=name, models=models, source=source, created=0.0, used=0.0))


def change(services: Services, recipe_id: int, wanted: Change, sitting: str = "") -> list[str]:
    """The fields that it changed: those that were meant, and those that follow from them. Raises NotFound, BadValue."""
    return services.recipes.add(recipe_id, lambda before: wording.synced(before, changed(before, wanted)), sitting)


def set_picture(services: Services, recipe_id: int, data: bytes, level: int = 0) -> dict[str, Any]:
    """Raises NotFound, BadValue, NoSpace, NotWritable."""
    services.recipes.get(recipe_id)
    stored = pictures.store(services, data)
    services.recipes.set_picture(recipe_id, stored.name, stored.width, stored.height, level)
    return {"picture": stored.name}


# -- a picture of Civitai's


def address(picture: Mapping[str, Any]) -> str:
    """Where a picture, as the page has it, is fetched from. Raises UsageError."""
    url = str(picture.get("url") or "")
    if not url.startswith(("https://", "http://")):
        raise UsageError("This picture has no address.")
    return url


def start_picture(services: Services, recipe_id: int, picture: Mapping[str, Any], ticket: str = "") -> str:
    """Start the job that fetches it; the job's id. ``picture``: as the page has it (``url``, ``type``, ``level``). Raises NotFound, UsageError."""
    url = address(picture)
    name = services.recipes.get(recipe_id).recipe.name
    level = picture.get("level")
    params = {"recipe": recipe_id, "url": url[:2000], "video": picture.get("type") == "video", "level": level if isinstance(level, int) else 0}
    return services.jobs.submit("recipe_picture", params, key=f"{recipe_id} {url}", title=f"Picture for the recipe {name}", ticket=ticket)


def run_picture(services: Services, context: Context) -> dict[str, Any]:
    """The job. The original, since its data is in it; of a video, or where the original is gone, a still. Raises BadValue, RemoteError."""
    recipe_id, url = int(context.params["recipe"]), str(context.params["url"])
    client = services.client.using(context)
    context.update(awaits="answer from Civitai")
    try:
        data = client.image(url, 1024) if context.params["video"] else client.original(url)
        pictures.look(data)
    except (NotFound, BadValue):
        data = client.image(url, 1024)
    level = int(context.params["level"])
    return {"recipe": recipe_id, **set_picture(services, recipe_id, data, level if 0 <= level <= 63 else 0)}
