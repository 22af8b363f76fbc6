"""Routes for what goes out of the library and comes in: an export to be saved, a library that the browser sends, other tools' files."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ..actions.interchange.manifest import BIGGEST
from ..errors import UsageError
from . import access
from .edits import SELECTED, Body, Id, endpoint
from .replies import LIMIT, answer, failure, refused

if TYPE_CHECKING:
    from ..application import Application

_JOB = re.compile(r"[0-9a-f]{12}")


class Export(Body):
    """Some models, or everything."""

    ids: list[Id] | None = None
    ticket: str = ""


class ImportLibrary(Body):
    """``file``: as POST import/file named it. ``fetch``: also download what is missing; ``confirmed``: of it pickle files too."""

    file: str
    dry_run: bool = True
    fetch: bool = True
    confirmed: bool = False
    ticket: str = ""


class ImportTool(Body):
    tool: str
    path: str
    dry_run: bool = True
    ticket: str = ""


def _import_library(app: Application, body: ImportLibrary) -> Any:
    job = app.interchange.import_library(body.file, dry_run=body.dry_run, fetch=body.fetch, confirmed=body.confirmed, ticket=body.ticket)
    return {"job": job}


def _import_tool(app: Application, body: ImportTool) -> Any:
    return {"job": app.interchange.import_from(body.tool, body.path[:4096], dry_run=body.dry_run, ticket=body.ticket)}


POSTS: dict[str, tuple[type[Body], int, Callable[..., Any]]] = {
    "/export": (Export, SELECTED, lambda app, body: {"job": app.interchange.export(body.ids, ticket=body.ticket)}),
    "/import/library": (ImportLibrary, LIMIT, _import_library),
    "/import/tool": (ImportTool, LIMIT, _import_tool),
}


async def receive(application: Callable[[], Application], request: Request) -> Response:
    """POST import/file, the bytes of a library: kept until it is imported. {file, size}"""
    reason = access.refusal(request)
    if reason:
        return refused(reason)
    try:
        interchange = application().interchange
        file, path = await run_in_threadpool(interchange.receive)
    except Exception as error:  # noqa: BLE001 - the page needs an answer it can show
        return failure(error)
    size, whole = 0, False
    try:
        with file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > BIGGEST:
                    return failure(UsageError("This file is too big for a library."))
                await run_in_threadpool(file.write, chunk)
        whole = True
    except OSError as error:
        return failure(UsageError(f"The file could not be kept ({error.strerror}).", next_step="Make room on the drive of the program's data."))
    finally:
        if not whole:
            path.unlink(missing_ok=True)
    return await run_in_threadpool(answer, lambda: interchange.received(path))


def routes(application: Callable[[], Application]) -> list[tuple[str, str, Callable[..., Any]]]:
    """What ``web.routes`` adds to the host: method, path, endpoint."""

    def tools(request: Request) -> Response:
        """GET import/tools: the tools that can be imported from."""
        return answer(lambda: {"tools": application().interchange.tools()})

    def exported(request: Request, job_id: str) -> Response:
        """GET exports/JOB: the file that an export has written."""
        try:
            path = application().interchange.exported(job_id[:12])
        except Exception as error:  # noqa: BLE001 - failure() logs it and answers with a sentence
            return failure(error)
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return FileResponse(path, media_type="application/json", filename=path.name, headers=headers)

    def report(request: Request, job_id: str) -> Response:
        """GET import/reports/JOB: the whole report of an import from another tool."""
        try:
            data = application().interchange.report(job_id[:12])
        except Exception as error:  # noqa: BLE001 - failure() logs it and answers with a sentence
            return failure(error)
        name = f"import-{job_id if _JOB.fullmatch(job_id) else 'report'}.json"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return Response(data, media_type="application/json", headers=headers)

    async def file(request: Request) -> Response:
        return await receive(application, request)

    posts: list[tuple[str, str, Callable[..., Any]]] = [("POST", path, endpoint(application, *POSTS[path])) for path in POSTS]
    return [
        ("GET", "/import/tools", tools),
        ("GET", "/exports/{job_id}", exported),
        ("GET", "/import/reports/{job_id}", report),
        ("POST", "/import/file", file),
        *posts,
    ]
