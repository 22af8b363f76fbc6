"""Routes for pictures to look at: a version's examples, the community's gallery and kept pictures.

Nothing here waits for Civitai: what is not known yet answers {"pending": seconds}, and the page asks again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ..civitai.gallery import PERIODS, SORTS, Query
from ..errors import NotFound
from .edits import Body, Id, endpoint
from .replies import LIMIT, answer, failure, number

if TYPE_CHECKING:
    from ..application import Application

MOST_ID = 1 << 53
YEAR = "private, max-age=31536000, immutable"


class Version(Body):
    """A version of a model."""

    model: Id
    version: Id = 0
    ticket: str = ""


class Forget(Body):
    """Removes a version's kept pictures from this computer: how many, and their bytes."""

    version: Id


POSTS: dict[str, tuple[type[Body], int, Callable[..., Any]]] = {
    "/examples/keep": (Version, LIMIT, lambda app, body: keep_examples(app, body)),
    "/examples/forget": (Forget, LIMIT, lambda app, body: app.pictures.examples.forget(body.version)),
}


def keep_examples(app: Application, body: Version) -> dict[str, str]:
    """Keeps a version's example pictures with their generation data for when Civitai cannot be reached: starts a job, answers with its id."""
    return {"job": app.jobs.started(body.ticket) or app.pictures.examples.start(body.model, body.version, body.ticket)}


def query_of(request: Request) -> Query:
    given = request.query_params
    return Query(
        model=number(request, "model", 0, 0, MOST_ID), version=number(request, "version", 0, 0, MOST_ID), cursor=given.get("cursor", "")[:200],
        limit=number(request, "limit", 100, 1, 200), sort=given.get("sort", SORTS[0]), period=given.get("period", PERIODS[0]),
        level=number(request, "level", 31, 0, 63),
    )  # fmt: skip


def sent(request: Request, found: tuple[Path, str] | None) -> Response:
    """A picture's file. Its name tells its content, so it may be kept for long."""
    if found is None:
        return failure(NotFound("This picture is no longer here.", next_step="Open the pictures again."))
    path, kind = found
    etag = hashlib.sha1(f"{path.name} {path.stat().st_size}".encode(), usedforsecurity=False).hexdigest()[:20]
    headers = {"ETag": f'"{etag}"', "Cache-Control": YEAR, "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}
    if f'"{etag}"' in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return FileResponse(path, media_type=kind, headers=headers)


def routes(application: Callable[[], Application]) -> list[tuple[str, str, Callable[..., Any]]]:
    """What ``web.routes`` adds to the host: method, path, endpoint."""

    def gallery(request: Request) -> Response:
        """GET gallery?model=&version=&cursor=&limit=&sort=&period=&level=&anew=: a page of the community's pictures."""
        return answer(lambda: application().pictures.gallery(query_of(request), anew=request.query_params.get("anew") == "1"))

    def examples(request: Request) -> Response:
        """GET examples?model=&version=: a version's example pictures, those that are kept here among them."""
        model, version = number(request, "model", 0, -MOST_ID, MOST_ID), number(request, "version", 0, 0, MOST_ID)
        return answer(lambda: application().pictures.examples.listing(model, version))

    def kept(request: Request, name: str) -> Response:
        """GET kept/NAME?size=small: a kept picture."""
        return sent(request, application().pictures.file(name, small=request.query_params.get("size") == "small"))

    posts = [("POST", path, endpoint(application, *POSTS[path])) for path in POSTS]
    reads: list[tuple[str, Callable[..., Any]]] = [("/gallery", gallery), ("/examples", examples), ("/kept/{name}", kept)]
    return [*(("GET", path, act) for path, act in reads), *posts]
