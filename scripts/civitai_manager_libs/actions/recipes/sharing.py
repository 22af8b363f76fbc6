"""A recipe as one file: its picture with the WebUI's text and all of the recipe in it, or, without a picture, a document."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from ...catalog.recipe import Recipe
from ...disk import atomic, names, previews
from ...errors import FileExists, NotWritable, UsageError
from ...generation import embedding
from ..services import Services
from . import documents, pictures, wording

ENDINGS = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


class Shared(NamedTuple):
    """``name``: of the file that it makes."""

    name: str
    mime: str
    data: bytes


def share(services: Services, recipe_id: int, *, plain: bool = False) -> Shared:
    """The file; ``plain``: a document without its picture. Raises NotFound, BadValue for a picture that can hold nothing."""
    recipe = services.recipes.get(recipe_id).recipe
    data = b"" if plain or not recipe.picture else pictures.read(services, recipe.picture) or b""
    if not data:
        return Shared(_name(recipe, ".json"), "application/json", _document(recipe, indent=2).encode())
    if not embedding.can_hold(data):  # GIF, AVIF: nobody looks for texts there
        still = previews.thumbnail(data, 2048)
        if still is None:
            return share(services, recipe_id, plain=True)
        data = still[0]
    kind = previews.sniff(data) or "png"
    made = embedding.embed(data, infotext_of(services, recipe_id, recipe), _document(recipe))
    return Shared(_name(recipe, ENDINGS[kind]), pictures.KINDS[kind], made)


def infotext_of(services: Services, recipe_id: int, recipe: Recipe) -> str:
    """The recipe as the WebUI reads it; what only Civitai's number names has the name of its file here."""
    files = services.files.all() if any(one.version_id and not one.name for one in recipe.models) else []
    stems = {record.version_id: Path(record.path).stem for record in files if record.state == "here" and record.version_id}
    return wording.infotext_of(recipe, {one.id: stems[one.version_id] for one in recipe.models if not one.name and one.version_id in stems})


def save(services: Services, recipe_id: int, folder: Path, *, plain: bool = False) -> Path:
    """Write the file into a folder, under a name that nothing has there; its path. Raises NotFound, UsageError, NotWritable, NoSpace."""
    if not folder.is_dir():
        raise UsageError(f"The folder {folder} is not there.", next_step="Make it, or choose another one.")
    shared = share(services, recipe_id, plain=plain)
    path = folder / shared.name
    for number in range(2, 1000):
        if not path.exists():
            atomic.write(path, shared.data)
            return path
        path = folder / f"{Path(shared.name).stem} ({number}){Path(shared.name).suffix}"
    raise FileExists(f"There are too many files named {shared.name} in {folder}.")


def load(path: Path) -> bytes:
    """A file of a person's. Raises UsageError, NotWritable."""
    try:
        if path.stat().st_size > pictures.BIGGEST:
            raise UsageError(f"{path.name} is too big for a recipe.")
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise UsageError(f"{path} is not there.") from exc
    except OSError as exc:
        raise NotWritable(f"{path} cannot be read ({exc.strerror}).", next_step="Check that it may be read.") from exc


def _document(recipe: Recipe, indent: int | None = None) -> str:
    told: dict[str, Any] = documents.document(recipe)
    return json.dumps(told, ensure_ascii=False, indent=indent)


def _name(recipe: Recipe, ending: str) -> str:
    name = re.sub(r"[/\\]+", "-", recipe.name[:120]) or "Recipe"
    return names.safe_file_name(f"{name}{ending}", "Recipe")
