"""Routes for pictures: how they were made, and where the models are that they were made with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ..generation.pictures import LARGEST
from .edits import Body, endpoint
from .replies import LIMIT, answer, body_of

if TYPE_CHECKING:
    from ..application import Application

TEXTS = 4 * 1024 * 1024  # bytes of a request with an infotext


class OfPicture(Body):
    """``picture``: url, id, type, model_id, version_id; what else it has is passed over. ``again``: look anew."""

    picture: dict[str, Any]
    again: bool = False
    ticket: str = ""


class Resolve(Body):
    infotext: str | None = None
    mentions: list[dict[str, Any]] | None = None
    ticket: str = ""


class Fetch(Body):
    mentions: list[dict[str, Any]] = []
    version_ids: list[int] = []
    confirmed: bool = False
    ticket: str = ""


class Rename(Body):
    """``add``: tags for LoRAs that are told by number only, too."""

    infotext: str
    add: bool = False


# path below the prefix: the shape of its body, the most bytes of it, and what is done
ASKED: dict[str, tuple[type[Body], int, Callable[..., Any]]] = {
    "/images/data": (OfPicture, LIMIT, lambda app, body: app.images.data(body.picture, again=body.again, ticket=body.ticket)),
    "/resources/resolve": (Resolve, TEXTS, lambda app, body: app.images.resolve(body.infotext, body.mentions, ticket=body.ticket)),
    "/resources/fetch": (
        Fetch, LIMIT, lambda app, body: app.images.fetch_missing(body.mentions, body.version_ids, confirmed=body.confirmed, ticket=body.ticket)
    ),
    "/resources/rename": (Rename, TEXTS, lambda app, body: app.images.rename(body.infotext, add=body.add)),
}  # fmt: skip


def routes(application: Callable[[], Application]) -> list[tuple[str, str, Callable[..., Any]]]:
    """What ``web.routes`` adds to the host: method, path, endpoint."""

    async def read(request: Request) -> Response:
        """POST images/read?picture=1 with the bytes of a picture's file as the body, or without ``picture`` also of a text file: what it tells."""
        content = await body_of(request, LARGEST)
        if isinstance(content, Response):
            return content
        picture = bool(request.query_params.get("picture"))
        return await run_in_threadpool(answer, lambda: application().images.read(content, picture=picture))

    return [("POST", "/images/read", read), *(("POST", path, endpoint(application, *ASKED[path])) for path in ASKED)]
