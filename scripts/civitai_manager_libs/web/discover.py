"""Routes for looking around on Civitai. Each answers from what is kept; what is being asked is waited for a moment on the server's loop, never in a
worker thread, and the page asks again. So a question that Civitai takes a minute for costs neither, and a broken line loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..civitai.searching import Search
from ..errors import UsageError
from .edits import SELECTED, Body, Id, endpoint
from .replies import LIMIT, NO_STORE, answer, failure

if TYPE_CHECKING:
    from ..application import Application

LONGEST_WAIT = 2.5  # seconds for which one request of the page waits; it gives up after five
MOST_IDS = 500

Looked = tuple[dict[str, Any], Any]  # what is known, and the task that asks for more


class Collect(Body):
    """``ids`` of models, or all of a ``creator``; ``versions``: "", "newest", "all" or ids of versions."""

    ids: list[Id] = []
    creator: str = ""
    versions: str | list[Id] = ""
    confirmed: bool = False
    ticket: str = ""


class NewFollow(Body):
    search: dict[str, Any]
    name: str = ""


class Read(Body):
    """``seen``: the ids of new models that the page has shown."""

    seen: list[Id]


class Nothing(Body):
    ticket: str = ""


def searched(told: dict[str, Any]) -> Search:
    try:
        return msgspec.convert(told, Search)
    except msgspec.ValidationError as exc:
        raise UsageError(f"This search cannot be understood: {exc}", next_step="Reload the page.") from exc


def search_of(request: Request) -> Search:
    """What a request's query asks for. Raises UsageError."""
    query = request.query_params
    told: dict[str, Any] = {name: query[name] for name in ("text", "creator", "tag", "sort", "period", "checkpoint") if query.get(name)}
    told |= {name: query.getlist(name) for name in ("types", "bases") if query.get(name)}
    told |= {name: query[name] != "0" for name in ("mature", "early", "mine") if query.get(name)}
    return searched(told)


async def over(task: Any, seconds: float) -> None:
    """Wait until a task has ended, at most so long."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    task.when_over(lambda: loop.call_soon_threadsafe(event.set))
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


async def looked(look: Callable[[bool], Looked], wait: Callable[[dict[str, Any]], bool]) -> Response:
    """Look; when something is being asked that ``wait`` wants, wait for it a moment and look again. ``look`` is told whether it is the first time."""
    try:
        told, task = await run_in_threadpool(look, True)
        if task is not None and wait(told):
            await over(task, LONGEST_WAIT)
            told, _ = await run_in_threadpool(look, False)
    except Exception as exc:  # noqa: BLE001 - the page needs an answer it can show
        return failure(exc)
    return JSONResponse(told, headers=NO_STORE)


def number(request: Request, name: str, otherwise: float = 0.0) -> float:
    try:
        return float(request.query_params.get(name, otherwise))
    except ValueError:
        return otherwise


def waits(request: Request) -> Callable[[dict[str, Any]], bool]:
    """Nothing to show yet is always waited for; a newer answer only when the page has the present one (``since``) and wants the next."""
    since = number(request, "since")
    return lambda told: told.get("state") != "ready" or (bool(since) and told.get("asked", 0) <= since)


def routes(application: Callable[[], Application]) -> list[tuple[str, str, Callable[..., Any]]]:
    """What ``web.routes`` adds to the host."""

    async def browse(request: Request) -> Response:
        """GET browse?text=&creator=&tag=&types=&bases=&sort=&period=&checkpoint=&mature=&early=&mine=&cursor=&words=&again=&since=&page=&hide=
        &width=: one page of a search; see ``Discover.page``. ``page`` names the page that asks, so that it lets go of what it asked before."""
        query = request.query_params
        options: dict[str, Any] = {
            "cursor": query.get("cursor", "")[:400], "asker": query.get("page", "")[:40], "words": query.get("words") == "1",
            "hide": int(max(0.0, min(32.0, number(request, "hide")))), "width": int(max(0.0, min(4000.0, number(request, "width", 450)))),
        }  # fmt: skip

        def look(first: bool) -> Looked:
            return application().discover.page(search_of(request), again=first and query.get("again") == "1", **options)

        return await looked(look, waits(request))

    async def details(request: Request, model_id: int) -> Response:
        """GET browse/models/ID?again=&since=&page=: a model of Civitai's, registered or not; see ``Discover.details``."""
        query = request.query_params

        def look(first: bool) -> Looked:
            return application().discover.details(model_id, again=first and query.get("again") == "1", asker=query.get("page", "")[:40])

        return await looked(look, waits(request))

    async def options(request: Request) -> Response:
        """GET browse/options: what the menus offer; see ``Discover.options``."""
        return await looked(lambda first: application().discover.options(), lambda told: request.query_params.get("wait") == "1")

    async def names(request: Request) -> Response:
        """GET browse/names?kind=tags|creators&prefix=: what Civitai completes."""
        query = request.query_params

        def look(first: bool) -> Looked:
            return application().discover.names(query.get("kind", ""), query.get("prefix", "")[:100], asker=query.get("page", "")[:40])

        return await looked(look, lambda told: not told["names"])

    def marks(request: Request) -> Response:
        """GET browse/marks?ids=1,2: what the library knows of these models."""
        ids = [int(one) for one in request.query_params.get("ids", "").split(",") if one.isascii() and one.isdigit() and len(one) < 12][:MOST_IDS]
        return answer(lambda: {"marks": application().discover.marks(ids)})

    def follows(request: Request) -> Response:
        """GET follows: what is followed, and how much is new there."""
        return answer(lambda: {"follows": application().discover.follows()})

    posts: dict[str, tuple[type[Body], int, Callable[..., Any]]] = {
        "/browse/collect": (Collect, SELECTED, collect),
        "/follows": (NewFollow, LIMIT, lambda app, body: {"id": app.discover.follow(searched(body.search), body.name)}),
        "/follows/look": (Nothing, LIMIT, lambda app, body: {"job": app.discover.look(ticket=body.ticket)}),
        "/follows/{id}/read": (Read, LIMIT, lambda app, body, id: app.discover.read(id, body.seen)),
        "/follows/{id}/delete": (Nothing, LIMIT, lambda app, body, id: app.discover.unfollow(id)),
    }
    return [
        ("GET", "/browse", browse), ("GET", "/browse/options", options), ("GET", "/browse/names", names), ("GET", "/browse/marks", marks),
        ("GET", "/browse/models/{model_id}", details), ("GET", "/follows", follows),
        *(("POST", path, endpoint(application, *posts[path])) for path in posts),
    ]  # fmt: skip


def collect(application: Application, body: Collect) -> Any:
    job = application.discover.collect(body.ids, creator=body.creator, versions=body.versions, confirmed=body.confirmed, ticket=body.ticket)
    return {"job": job}
