"""POST routes for what a person says of models: each takes a small JSON object, checked by its shape, and answers at once.

Everything is added, removed or set by itself, never a whole list replaced: two pages may be open at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ..errors import UsageError
from .replies import LIMIT, answer, body_of, failure

if TYPE_CHECKING:
    from ..application import Application

Id = Annotated[int, msgspec.Meta(ge=-(1 << 62), le=1 << 62)]
SELECTED = 4 * 1024 * 1024  # bytes of a request that names models: some 400,000 of them


class Body(msgspec.Struct, kw_only=True):
    def given(self) -> dict[str, Any]:
        """What was sent, as arguments."""
        return {name: got for name in self.__struct_fields__ if (got := getattr(self, name)) is not msgspec.UNSET}


class Edit(Body):
    """``set``: marks by their names (``catalog.models.OWN``)."""

    ids: list[Id]
    set: dict[str, Any] = {}
    add_tags: list[str] = []
    remove_tags: list[str] = []
    ticket: str = ""


class Check(Body):
    """Models by their ids, or by a query; all with files here when both are empty."""

    ids: list[Id] = []
    query: str = ""
    ticket: str = ""


class Scan(Body):
    """Some folders, or everything."""

    folders: list[str] = []
    ticket: str = ""


class Update(Body):
    ids: list[Id]
    confirmed: bool = False
    ticket: str = ""


class Ignore(Body):
    versions: list[Id]
    ignored: bool = True


class NewCollection(Body):
    name: str
    note: str = ""


class ChangedCollection(Body):
    name: str | None = None
    note: str | None = None


class Nothing(Body):
    pass


class Ids(Body):
    ids: list[Id]


class Moved(Body):
    """``before``: of what these are put, or None for the end."""

    ids: list[Id]
    before: Id | None = None


class NoteOf(Body):
    id: Id
    note: str


class Words(Body):
    words: str
    name: str = ""
    negative: str = ""
    weight: float | None = None
    version_id: Id | None = None


class ChangedWords(Body):
    words: str | msgspec.UnsetType = msgspec.UNSET
    name: str | msgspec.UnsetType = msgspec.UNSET
    negative: str | msgspec.UnsetType = msgspec.UNSET
    weight: float | None | msgspec.UnsetType = msgspec.UNSET
    version_id: Id | None | msgspec.UnsetType = msgspec.UNSET


class Before(Body):
    before: Id | None = None


class Filters(Body):
    name: str
    filters: dict[str, Any]


class Name(Body):
    name: str


def edit(application: Application, body: Edit) -> Any:
    return application.edit_models(body.ids, body.set, add_tags=body.add_tags, remove_tags=body.remove_tags, ticket=body.ticket)


def reworded(act: Callable[..., Any]) -> Callable[..., Any]:
    """Change a set of words, and then the files beside the model that it belongs to."""

    def run(app: Application, body: Any, id: int) -> None:
        model_id = app.own.model_of_words(id)
        act(app.own, body, id)
        app.describe(model_id)

    return run


def add_words(app: Application, body: Words, id: int) -> Any:
    made = app.own.add_words(id, **body.given())
    app.describe(id)
    return {"id": made}


# path below the prefix: the shape of its body, the most bytes of it, and what is done; "{id}" is handed over as a number
EDITS: dict[str, tuple[type[Body], int, Callable[..., Any]]] = {
    "/models/edit": (Edit, SELECTED, edit),
    "/updates/check": (Check, SELECTED, lambda app, body: {"job": app.check_updates(body.ids, body.query[:400], ticket=body.ticket)}),
    "/updates": (Update, SELECTED, lambda app, body: {"job": app.update(body.ids, confirmed=body.confirmed, ticket=body.ticket)}),
    "/scan": (Scan, LIMIT, lambda app, body: {"job": app.scan(body.folders, ticket=body.ticket)}),
    "/verify": (Check, SELECTED, lambda app, body: {"job": app.verify(body.ids, body.query[:400], ticket=body.ticket)}),
    "/models/{id}/ignore": (Ignore, LIMIT, lambda app, body, id: app.own.ignore(id, body.versions, body.ignored)),
    "/models/{id}/words": (Words, LIMIT, add_words),
    "/words/{id}": (ChangedWords, LIMIT, reworded(lambda own, body, id: own.change_words(id, **body.given()))),
    "/words/{id}/delete": (Nothing, LIMIT, reworded(lambda own, body, id: own.delete_words(id))),
    "/words/{id}/move": (Before, LIMIT, reworded(lambda own, body, id: own.move_words(id, body.before))),
    "/collections": (NewCollection, LIMIT, lambda app, body: {"id": app.own.create_collection(body.name, body.note)}),
    "/collections/move": (Moved, LIMIT, lambda app, body: app.own.move_collections(body.ids, body.before)),
    "/collections/{id}": (ChangedCollection, LIMIT, lambda app, body, id: app.own.change_collection(id, **body.given())),
    "/collections/{id}/delete": (Nothing, LIMIT, lambda app, body, id: app.own.delete_collection(id)),
    "/collections/{id}/add": (Ids, SELECTED, lambda app, body, id: {"changed": app.own.add_to_collection(id, body.ids)}),
    "/collections/{id}/remove": (Ids, SELECTED, lambda app, body, id: {"changed": app.own.remove_from_collection(id, body.ids)}),
    "/collections/{id}/note": (NoteOf, LIMIT, lambda app, body, id: app.own.note_in_collection(id, body.id, body.note)),
    "/collections/{id}/order": (Moved, SELECTED, lambda app, body, id: app.own.move_in_collection(id, body.ids, body.before)),
    "/filters": (Filters, LIMIT, lambda app, body: app.own.save_filters(body.name, body.filters)),
    "/filters/delete": (Name, LIMIT, lambda app, body: app.own.delete_filters(body.name)),
}


def routes(application: Callable[[], Application]) -> list[tuple[str, str, Callable[..., Any]]]:
    """What ``web.routes`` adds to the host: method, path, endpoint."""
    return [("POST", path, endpoint(application, *EDITS[path])) for path in EDITS]


def endpoint(
    application: Callable[[], Application], shape: type[Body], limit: int, act: Callable[..., Any], text: str = ""
) -> Callable[[Request], Awaitable[Response]]:
    """A route with a JSON body of this shape. ``text``: what it is for (``docs/routes.md``), where the docstring of what is called does not."""

    async def endpoint(request: Request) -> Response:
        raw = await body_of(request, limit)
        if isinstance(raw, Response):
            return raw
        try:
            body = msgspec.json.decode(raw or b"{}", type=shape)
            numbers = msgspec.convert(request.path_params, dict[str, Id], strict=False)
        except (msgspec.MsgspecError, ValueError) as exc:
            return failure(UsageError(f"This request cannot be understood: {str(exc)[:200]}.", next_step="Reload the page."))

        def run() -> Any:
            result = act(application(), body, **numbers)
            return {"ok": True} if result is None else result

        return await run_in_threadpool(answer, run)

    endpoint.__doc__ = text
    return endpoint
