"""Routes for recipes: reading by GET, changing by POST with small JSON bodies, pictures and files as their bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ..actions.recipes.making import Making, address
from ..actions.recipes.pictures import BIGGEST
from ..catalog.recipe import Change
from ..catalog.recipe_search import Wanted
from .edits import SELECTED, Body, Id, Ids, Nothing, endpoint
from .replies import answer, body_of, failure, number

if TYPE_CHECKING:
    from ..application import Application

WHOLE = 2 * 1024 * 1024  # bytes of a request with the texts of a recipe
FOREVER = "private, max-age=31536000, immutable"


class Made(Body, Making, kw_only=True):
    """See ``Making``; ``picture``: one of Civitai's, which is fetched by a job."""

    picture: dict[str, Any] | None = None
    ticket: str = ""


class Changed(Body, Change, kw_only=True):
    """See ``Change``. ``sitting``: the same for what is typed in one go."""

    sitting: str = ""
    ticket: str = ""


class ManyChanged(Body):
    ids: list[Id]
    set: dict[str, Any] = {}
    add_tags: list[str] = []
    remove_tags: list[str] = []
    ticket: str = ""


class Restored(Body):
    history: Id
    ticket: str = ""


class Ticket(Body):
    ticket: str = ""


class Purged(Body):
    """All that is in the trash without ``ids``."""

    ids: list[Id] | None = None


class Fetched(Body):
    picture: dict[str, Any]
    ticket: str = ""


def make(application: Application, body: Made) -> dict[str, Any]:
    if body.picture:
        address(body.picture)  # before anything is made
    given = {name: getattr(body, name) for name in Making.__struct_fields__}
    number = (body.picture or {}).get("id")
    if isinstance(number, int) and number > 0:
        given["source"] = msgspec.structs.replace(body.source, url=f"{application.settings.current.civitai_url}/images/{number}")
    made = application.recipes.make(Making(**given), ticket=body.ticket)
    if "id" in made and body.picture:
        made["job"] = application.recipes.fetch_picture(made["id"], body.picture, ticket=body.ticket)
    return made


def change(application: Application, body: Changed, id: int) -> dict[str, Any]:
    given = {name: getattr(body, name) for name in Change.__struct_fields__}
    return {"changed": application.recipes.change(id, Change(**given), sitting=body.sitting[:60])}


def change_many(application: Application, body: ManyChanged) -> dict[str, Any]:
    wanted = Change(set=body.set, add_tags=body.add_tags, remove_tags=body.remove_tags)
    return {"changed": application.recipes.change_many(body.ids, wanted)}


# path below the prefix: the shape of its body, the most bytes of it, and what is done; "{id}" is handed over as a number
EDITS: dict[str, tuple[type[Body], int, Callable[..., Any]]] = {
    "/recipes": (Made, WHOLE, make),
    "/recipes/edit": (ManyChanged, SELECTED, change_many),
    "/recipes/delete": (Ids, SELECTED, lambda app, body: {"changed": app.recipes.delete(body.ids)}),
    "/recipes/undelete": (Ids, SELECTED, lambda app, body: {"changed": app.recipes.undelete(body.ids)}),
    "/recipes/purge": (Purged, SELECTED, lambda app, body: {"changed": app.recipes.purge(body.ids)}),
    "/recipes/{id}": (Changed, WHOLE, change),
    "/recipes/{id}/restore": (Restored, SELECTED, lambda app, body, id: {"changed": app.recipes.restore(id, body.history)}),
    "/recipes/{id}/copy": (Ticket, SELECTED, lambda app, body, id: {"id": app.recipes.copy(id, ticket=body.ticket)}),
    "/recipes/{id}/used": (Nothing, SELECTED, lambda app, body, id: app.recipes.used(id)),
    "/recipes/{id}/picture/remove": (Ticket, SELECTED, lambda app, body, id: app.recipes.remove_picture(id)),
    "/recipes/{id}/picture/fetch": (
        Fetched, SELECTED, lambda app, body, id: {"job": app.recipes.fetch_picture(id, body.picture, ticket=body.ticket)},
    ),
}  # fmt: skip


class Recipes:
    """The endpoints that are no small JSON."""

    def __init__(self, application: Callable[[], Application]) -> None:
        self.application = application

    def cards(self, request: Request) -> Response:
        """GET recipes?q=&offset=&limit=&collection=&state=&tag=&hide=&sort=: one page of the recipes (``recipe_search.Wanted``)."""
        query = request.query_params
        chosen = {name: query[name][:200] for name in ("collection", "state", "tag", "sort") if query.get(name)}
        wanted = Wanted(query=query.get("q", "")[:400], hide=number(request, "hide", 0, 0, 32), **chosen)
        window = {"offset": number(request, "offset", 0, 0, 1 << 31), "limit": number(request, "limit", 200, 1, 500)}
        return answer(lambda: self.application().recipes.cards(wanted, **window))

    def facets(self, request: Request) -> Response:
        """GET recipes/facets: collections, tags and states that there are, and how many recipes of each."""
        return answer(lambda: self.application().recipes.facets())

    def view(self, request: Request, recipe_id: int) -> Response:
        """GET recipes/ID: all of one recipe, and the list of its history."""
        return answer(lambda: self.application().recipes.view(recipe_id))

    def state(self, request: Request, recipe_id: int, history_id: int) -> Response:
        """GET recipes/ID/history/ID: what it was before a change."""
        return answer(lambda: self.application().recipes.state(recipe_id, history_id))

    def thumbnail(self, request: Request, recipe_id: int) -> Response:
        """GET recipes/ID/thumbnail?v=TAG: a small picture that never changes under its address."""
        return self._picture(request, recipe_id, small=True)

    def picture(self, request: Request, recipe_id: int) -> Response:
        """GET recipes/ID/picture?v=TAG: the original, byte for byte."""
        return self._picture(request, recipe_id, small=False)

    def _picture(self, request: Request, recipe_id: int, *, small: bool) -> Response:
        try:
            data, kind, tag = self.application().recipes.picture(recipe_id, small=small)
        except Exception as error:  # noqa: BLE001 - failure() logs it and answers with a sentence
            return failure(error)
        etag = f'"{tag}{"s" if small else ""}"'
        age = FOREVER if tag and request.query_params.get("v", "").partition(".")[0] == tag else "private, no-cache"
        headers = {"ETag": etag, "Cache-Control": age, "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(data, media_type=kind, headers=headers)

    def file(self, request: Request, recipe_id: int) -> Response:
        """GET recipes/ID/file?plain=1: the recipe as one file to be saved; a document without its picture when ``plain``."""
        try:
            shared = self.application().recipes.share(recipe_id, plain=request.query_params.get("plain") == "1")
        except Exception as error:  # noqa: BLE001 - failure() logs it and answers with a sentence
            return failure(error)
        plain = "".join(one if one.isascii() and (one.isalnum() or one in " ._-()") else "_" for one in shared.name)
        headers = {
            "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(shared.name, safe='')}",
            "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
        }  # fmt: skip
        return Response(shared.data, media_type=shared.mime, headers=headers)

    async def drop(self, request: Request) -> Response:
        """POST recipes/drop?name=&anyway=1&ticket=: the bytes of a file; see ``making.from_file``."""
        query = request.query_params
        name, anyway, ticket = query.get("name", "")[:200], query.get("anyway") == "1", query.get("ticket", "")[:40]
        return await self._bytes(request, lambda data: self.application().recipes.from_file(data, name, anyway=anyway, ticket=ticket))

    async def set_picture(self, request: Request, recipe_id: int) -> Response:
        """POST recipes/ID/picture?level=: the bytes of its new picture."""
        level = number(request, "level", 0, 0, 63)
        return await self._bytes(request, lambda data: self.application().recipes.set_picture(recipe_id, data, level))

    async def _bytes(self, request: Request, act: Callable[[bytes], Any]) -> Response:
        raw = await body_of(request, BIGGEST + 1)
        return raw if isinstance(raw, Response) else await run_in_threadpool(answer, lambda: act(raw))


def routes(application: Callable[[], Application]) -> list[tuple[str, str, Callable[..., Response | Awaitable[Response]]]]:
    """What ``web.routes`` adds to the host: method, path, endpoint. Words come before numbers, so that none is taken for one."""
    reading = Recipes(application)
    return [
        ("GET", "/recipes", reading.cards),
        ("GET", "/recipes/facets", reading.facets),
        ("GET", "/recipes/{recipe_id}", reading.view),
        ("GET", "/recipes/{recipe_id}/history/{history_id}", reading.state),
        ("GET", "/recipes/{recipe_id}/thumbnail", reading.thumbnail),
        ("GET", "/recipes/{recipe_id}/picture", reading.picture),
        ("GET", "/recipes/{recipe_id}/file", reading.file),
        ("POST", "/recipes/drop", reading.drop),
        *(("POST", path, endpoint(application, *EDITS[path])) for path in sorted(EDITS, key=lambda path: "{" in path)),
        ("POST", "/recipes/{recipe_id}/picture", reading.set_picture),
    ]
