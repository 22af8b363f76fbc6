"""Routes between the page and the WebUI that it stands in: pictures to be sent, the last generated one, and what the host's cards show."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from .edits import SELECTED, Body, endpoint
from .replies import LIMIT, answer, body_of, failure

if TYPE_CHECKING:
    from ..application import Application

PICTURE = 65 * 1024 * 1024


class Picture(Body):
    url: str
    ticket: str = ""


class Cards(Body):
    """Of each: path ("" when the host does not tell it), kind of its folder, name without extension."""

    cards: list[tuple[str, str, str]]


def last_picture(application: Callable[[], Application]) -> Response:
    try:
        data, kind = application().webui.last_picture()
    except Exception as error:  # noqa: BLE001 - failure() logs it and answers with a sentence
        return failure(error)
    return Response(data, media_type=kind, headers={"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"})


def routes(application: Callable[[], Application]) -> list[tuple[str, str, Callable[..., Any]]]:
    """What ``web.routes`` adds to the host: method, path, endpoint."""

    def last(request: Request) -> Response:
        """GET images/last: infotext, picture (below our routes) and time of the last picture that this WebUI has saved; {} when there is none."""
        return answer(lambda: application().webui.last())

    def picture_of_last(request: Request) -> Response:
        """GET images/last/picture: its bytes."""
        return last_picture(application)

    async def keep(request: Request) -> Response:
        """POST webui/picture, the bytes of a picture: {"key"}, by which it is sent into a tab."""
        body = await body_of(request, PICTURE)
        return body if isinstance(body, Response) else await run_in_threadpool(answer, lambda: {"key": application().webui.keep(body)})

    fetch = endpoint(
        application, Picture, LIMIT, lambda app, body: {"job": app.webui.prepare(body.url, ticket=body.ticket)},
        'Fetch a picture of Civitai: the result of the job is {"key"}, by which it is sent into a tab.',
    )  # fmt: skip
    cards = endpoint(
        application, Cards, SELECTED, lambda app, body: {"cards": app.webui.cards(body.cards)},
        "What the library knows of files that the host shows, in their order; null for others.",
    )  # fmt: skip
    return [
        ("GET", "/images/last", last),
        ("GET", "/images/last/picture", picture_of_last),
        ("POST", "/webui/picture", keep),
        ("POST", "/webui/fetch", fetch),
        ("POST", "/webui/cards", cards),
    ]
