"""What can be asked for of recipes: by the page's routes and the terminal. Each answers at once; what takes time is a job, whose id is returned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ...catalog.recipe import Change, Recipe
from ...catalog.recipe_search import RecipeSearch, Wanted
from ...errors import NotFound
from ..services import Services
from . import making, pictures, sharing
from .making import Making
from .sharing import Shared


class RecipeBook:
    def __init__(self, services: Services, search: RecipeSearch) -> None:
        self._services, self._search = services, search

    # -- looking

    def cards(self, wanted: Wanted, *, offset: int = 0, limit: int = 200) -> dict[str, Any]:
        """A window for the grid: total, offset, items (``recipe_search.Card``), and the revision that it is of."""
        revision = self._search.revision()
        cards, total = self._search.cards(wanted, offset=max(0, offset), limit=max(1, min(limit, 1000)))
        return {"total": total, "offset": offset, "items": msgspec.to_builtins(cards), "revision": revision}

    def ids(self, wanted: Wanted) -> list[int]:
        """The ids of all that match, in their order."""
        return self._search.ids(wanted)

    def facets(self) -> dict[str, Any]:
        """What occurs, for the filters: see ``RecipeSearch.facets``."""
        return self._search.facets()

    def view(self, recipe_id: int) -> dict[str, Any]:
        """A recipe whole, JSON-ready: its fields, ``models`` each with ``here`` and what it was found ``by``, ``history``, ``infotext``,
        ``equal`` (others like it).

        Raises NotFound.
        """
        kept = self._services.recipes.get(recipe_id)
        here = self._search.here(recipe_id)
        told = {**_complete(kept.recipe), "id": kept.id, "changed": kept.changed, "deleted": kept.deleted}
        for one in told["models"]:
            one["by"] = here.get(one["id"], "")
            one["here"] = bool(one["by"])
        return {
            **told, "history": self._services.recipes.history(recipe_id), "equal": self._services.recipes.equal_to(kept.recipe, but=recipe_id),
            "infotext": sharing.infotext_of(self._services, recipe_id, kept.recipe),
        }  # fmt: skip

    def state(self, recipe_id: int, history_id: int) -> dict[str, Any]:
        """What it was before a change, as in ``view``. Raises NotFound."""
        return _complete(self._services.recipes.state(recipe_id, history_id))

    def picture(self, recipe_id: int, *, small: bool) -> tuple[bytes, str, str]:
        """(bytes, MIME type, content tag) of the original, or of the small one. Raises NotFound."""
        name = self._services.recipes.get(recipe_id).recipe.picture
        data = None
        if name:
            data = pictures.thumbnail(self._services, name) if small else pictures.read(self._services, name)
        if not data:
            raise NotFound("This recipe has no picture.", next_step="")
        return data, "image/jpeg" if small else pictures.mime(name), name.partition(".")[0]

    # -- making and changing

    def make(self, wanted: Making, *, ticket: str = "") -> dict[str, Any]:
        """See ``making.make``."""
        return making.make(self._services, wanted, ticket)

    def from_file(self, data: bytes, name: str = "", *, anyway: bool = False, ticket: str = "") -> dict[str, Any]:
        """See ``making.from_file``."""
        return making.from_file(self._services, data, name, anyway=anyway, ticket=ticket)

    def copy(self, recipe_id: int, *, ticket: str = "") -> int:
        return making.copy(self._services, recipe_id, ticket)

    def change(self, recipe_id: int, change: Change, *, sitting: str = "") -> list[str]:
        return making.change(self._services, recipe_id, change, sitting)

    def change_many(self, recipe_ids: Iterable[int], change: Change) -> int:
        return self._services.recipes.change_many(recipe_ids, change)

    def restore(self, recipe_id: int, history_id: int) -> list[str]:
        return self._services.recipes.restore(recipe_id, history_id)

    def used(self, recipe_id: int) -> None:
        self._services.recipes.used(recipe_id)

    def set_picture(self, recipe_id: int, data: bytes, level: int = 0) -> dict[str, Any]:
        return making.set_picture(self._services, recipe_id, data, level)

    def remove_picture(self, recipe_id: int) -> None:
        self._services.recipes.set_picture(recipe_id, "")

    def fetch_picture(self, recipe_id: int, picture: Mapping[str, Any], *, ticket: str = "") -> str:
        """Start the job that fetches a picture of Civitai's for it."""
        return self._services.jobs.started(ticket) or making.start_picture(self._services, recipe_id, picture, ticket)

    # -- the trash

    def delete(self, recipe_ids: Iterable[int]) -> int:
        return self._services.recipes.delete(recipe_ids)

    def undelete(self, recipe_ids: Iterable[int]) -> int:
        return self._services.recipes.undelete(recipe_ids)

    def purge(self, recipe_ids: Sequence[int] | None = None) -> int:
        """Forget what is in the trash for good, and the pictures that nothing has any more."""
        count = self._services.recipes.purge(recipe_ids)
        pictures.sweep(self._services)
        return count

    # -- sharing

    def share(self, recipe_id: int, *, plain: bool = False) -> Shared:
        return sharing.share(self._services, recipe_id, plain=plain)

    def save(self, recipe_id: int, folder: Path, *, plain: bool = False) -> Path:
        return sharing.save(self._services, recipe_id, folder, plain=plain)

    def load(self, path: Path) -> dict[str, Any]:
        """As ``from_file``, from the disk; equal ones are no reason to leave it."""
        return self.from_file(sharing.load(path), path.name, anyway=True)


def _complete(recipe: Recipe) -> dict[str, Any]:
    """All fields, also those that are empty."""
    told = {name: getattr(recipe, name) for name in recipe.__struct_fields__}
    told["models"] = [{name: getattr(one, name) for name in one.__struct_fields__} for one in recipe.models]
    told["source"] = {name: getattr(recipe.source, name) for name in recipe.source.__struct_fields__}
    return told
