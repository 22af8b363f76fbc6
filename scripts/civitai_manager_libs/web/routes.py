"""The page's own routes, all below ``/civitai-manager/``: small JSON answers, thumbnails, and our scripts.

``def`` routes touch the database and run in worker threads; ``jobs`` is ``async`` and only reads memory, because every page asks it every second.
No pydantic model appears in a signature: hosts bring pydantic 1 or 2.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ..catalog.models import Wanted
from ..errors import NotFound, UsageError
from . import access, assets, discover, edits, gallery, images, interchange, organise, recipes, webui, words
from .replies import LIMIT, answer, body_of, failure, number, refused

if TYPE_CHECKING:
    from ..application import Application

log = logging.getLogger(__name__)

PREFIX = "/civitai-manager"
VERBS = ("pause", "resume", "cancel", "retry", "dismiss")
MODEL = (
    "id", "name", "type", "creator", "url", "gone", "favourite", "rating", "weight", "negative", "own_level", "level", "follow", "pinned", "own_tags",
    "collections", "word_sets", "ignored", "newer", "checked", "files", "advice",
)  # fmt: skip
VERSION = ("id", "name", "base_model", "published", "early_access", "here", "newer", "ignored", "trained_words", "air")


def wanted(request: Request) -> Wanted:
    """Which models a request is about; what makes no sense does not filter."""
    query = request.query_params
    chosen = {name: query[name][:200] for name in ("type", "base", "state", "collection", "sort") if query.get(name)}
    return Wanted(query=query.get("q", "")[:400], hide=number(request, "hide", 0, 0, 32), **chosen)


async def with_text(request: Request, name: str, act: Callable[[str, str], Any]) -> Response:
    """What ``act`` makes of the text under ``name`` and of the ticket, if there is one, in the JSON body of a state-changing request, in a worker
    thread; refusals as JSON errors. A ticket names one press: what is sent twice with the same one starts one job."""
    body = await body_of(request, LIMIT)
    if isinstance(body, Response):
        return body
    try:
        sent = json.loads(body)
        text, ticket = sent[name], sent.get("ticket", "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        text, ticket = None, ""
    if not isinstance(text, str) or not isinstance(ticket, str):
        return failure(UsageError(f'The body must be {{"{name}": "..."}}.'))
    return await run_in_threadpool(answer, lambda: act(text, ticket))


class Routes:
    """The endpoints, for one application. ``application()`` is asked each time: Reload UI replaces it. ``diagnose``: see ``add``."""

    def __init__(self, application: Callable[[], Application], diagnose: Callable[[str], Any] | None = None) -> None:
        self.application = application
        self.diagnose = diagnose

    async def jobs(self, request: Request) -> Response:
        """GET jobs?since=SEQ&boot=ID: the jobs that changed since then, and the catalog's revision. Memory only."""
        since, boot = number(request, "since", 0, 0, 1 << 62), request.query_params.get("boot", "")
        return answer(lambda: self.application().jobs.changes(since, boot))

    async def diagnostics(self, request: Request) -> Response:
        """GET diagnostics: versions, queue, server, data and settings, for a bug report, without secrets. The loop is named here, because only what
        runs on it can; the rest is looked at in a worker thread."""
        diagnose, loop = self.diagnose, type(asyncio.get_running_loop()).__name__
        if diagnose is None:
            return failure(NotFound("There are no diagnostics here.", next_step=""))
        return await run_in_threadpool(answer, lambda: diagnose(loop))

    def cards(self, request: Request) -> Response:
        """GET cards?q=&offset=&limit=&type=&base=&state=&collection=&hide=&sort=: one page of the library (``catalog.models.Wanted``)."""
        window = {"offset": number(request, "offset", 0, 0, 1 << 31), "limit": number(request, "limit", 200, 1, 500)}
        return answer(lambda: self.application().cards(wanted(request), **window))

    def ids(self, request: Request) -> Response:
        """GET ids?q=&type=&base=&state=&collection=&hide=: the ids of all that match, their number and their bytes, for "select all"."""
        return answer(lambda: self.application().ids(wanted(request)))

    def facets(self, request: Request) -> Response:
        """GET facets: types, base models, collections and saved filters that there are, and how many models of each."""
        return answer(lambda: self.application().facets())

    def tags(self, request: Request) -> Response:
        """GET tags?prefix=: tags that begin so."""
        return answer(lambda: {"tags": self.application().tags(request.query_params.get("prefix", "")[:100])})

    def filters(self, request: Request) -> Response:
        """GET filters: what was saved under a name."""
        return answer(lambda: {"filters": self.application().own.filters()})

    def updates(self, request: Request) -> Response:
        """GET updates?q=&offset=&limit=: models with newer versions, a page of them."""
        window = {"offset": number(request, "offset", 0, 0, 1 << 31), "limit": number(request, "limit", 100, 1, 500)}
        return answer(lambda: self.application().updates(request.query_params.get("q", "")[:400], **window))

    def statistics(self, request: Request) -> Response:
        """GET statistics: the state of the library in numbers. A sleeping drive may take a while to answer: this waits in a thread of its own."""
        return answer(lambda: self.application().statistics())

    def model(self, request: Request, model_id: int) -> Response:
        """GET models/ID: what the side panel's own part shows of a model: the person's data, the files here, versions without their pictures."""

        def told() -> dict[str, Any]:
            view = self.application().model_view(model_id)
            if view is None:
                raise NotFound(f"The model {model_id} is not registered.")
            versions = [{name: version[name] for name in VERSION if name in version} for version in view["versions"]]
            host = self.application().host
            files = [{**one, "prompt_name": host.prompt_name(Path(one["path"]), one["kind"])} for one in view["files"]]
            return {**{name: view[name] for name in MODEL if name in view}, "versions": versions, "files": files}

        return answer(told)

    def thumbnail(self, request: Request, model_id: int) -> Response:
        """GET thumbnail/ID?v=HASH: a picture that never changes under its address."""
        try:
            found = self.application().thumbnail(model_id)
        except Exception as error:  # noqa: BLE001 - failure() logs it and answers with a sentence
            return failure(error)
        if found is None:
            return failure(NotFound("There is no preview picture.", next_step=""))
        data, kind, etag = found
        age = "private, max-age=31536000, immutable" if request.query_params.get("v") == etag else "private, no-cache"
        headers = {"ETag": f'"{etag}"', "Cache-Control": age, "X-Content-Type-Options": "nosniff"}
        if f'"{etag}"' in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(data, media_type=kind, headers=headers)

    def act(self, request: Request, job_id: str, verb: str) -> Response:
        """POST jobs/ID/VERB: pause, resume, cancel, retry or dismiss a job."""
        reason = access.refusal(request)
        if reason:
            return refused(reason)
        if verb not in VERBS:
            return failure(UsageError(f"There is no action named {verb[:40]!r}."))

        def run() -> dict[str, Any]:
            getattr(self.application().jobs, verb)(job_id)
            return {"ok": True}

        return answer(run)

    async def register(self, request: Request) -> Response:
        """POST register {"text": "...", "ticket": "..."}: starts a job, answers with its id."""
        return await with_text(request, "text", lambda text, ticket: {"job": self.application().register(text, ticket=ticket)})

    async def reach(self, request: Request) -> Response:
        """POST reach {"text": "", "ticket": "..."}: asks Civitai whether it is there; starts a job, answers with its id."""
        return await with_text(request, "text", lambda text, ticket: {"job": self.application().reach(ticket=ticket)})

    async def choose_thumbnail(self, request: Request, model_id: int) -> Response:
        """POST models/ID/thumbnail {"url": "...", "ticket": "..."}, one of the model's own pictures: starts a job, answers with its id."""
        return await with_text(request, "url", lambda url, ticket: {"job": self.application().choose_thumbnail(model_id, url, ticket=ticket)})

    def asset(self, request: Request, name: str) -> Response:
        """GET assets/NAME: our own scripts.js and style.css."""
        if not assets.files(name):
            return failure(NotFound("There is no such file.", next_step=""))
        data = assets.read(name)
        etag = f'"{hashlib.sha256(data).hexdigest()[:20]}"'
        # Under its stamp a file never changes: the browser need not ask for it again.
        stamped = request.query_params.get("v") == assets.stamp(name)
        age = "private, max-age=31536000, immutable" if stamped else "private, no-cache"
        headers = {"ETag": etag, "Cache-Control": age, "X-Content-Type-Options": "nosniff"}
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(data, media_type="text/javascript" if name.endswith(".js") else "text/css", headers=headers)


Route = tuple[str, str, Callable[..., Any]]


def table(application: Callable[[], Application], diagnose: Callable[[str], Any] | None = None) -> list[Route]:
    """Every route: method, path below the prefix, endpoint. ``docs/reference.py`` writes them down."""
    routes = Routes(application, diagnose)
    found: list[Route] = [
        ("GET", "/jobs", routes.jobs),
        ("GET", "/diagnostics", routes.diagnostics),
        ("GET", "/cards", routes.cards),
        ("GET", "/ids", routes.ids),
        ("GET", "/facets", routes.facets),
        ("GET", "/tags", routes.tags),
        ("GET", "/filters", routes.filters),
        ("GET", "/updates", routes.updates),
        ("GET", "/statistics", routes.statistics),
        ("GET", "/models/{model_id}", routes.model),
        ("GET", "/thumbnail/{model_id}", routes.thumbnail),
        ("GET", "/assets/{name}", routes.asset),
        ("POST", "/jobs/{job_id}/{verb}", routes.act),
        ("POST", "/register", routes.register),
        ("POST", "/reach", routes.reach),
        ("POST", "/models/{model_id}/thumbnail", routes.choose_thumbnail),
    ]
    for part in (
        discover,
        edits,
        gallery,
        images,
        interchange,
        organise,
        recipes,
        webui,
        words,
    ):  # a line each
        found += part.routes(application)
    return found


def add(
    app: Any, application: Callable[[], Application], dependencies: list[Any] | None = None, diagnose: Callable[[str], Any] | None = None
) -> None:
    """Add every route to the host's FastAPI app. ``dependencies``: the host's login (``hosts.login.login_dependencies(app)``).

    ``diagnose`` makes the diagnostics from the name of the server's loop (``hosts.diagnostics.report``).
    """
    for method, path, endpoint in table(application, diagnose):
        app.add_api_route(
            PREFIX + path, endpoint, methods=[method], dependencies=list(dependencies or ()), include_in_schema=False, response_model=None
        )
