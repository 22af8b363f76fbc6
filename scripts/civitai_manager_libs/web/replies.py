"""Answers of the routes: JSON for everything, errors with their next step, and the bodies of requests that change something."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import Busy, CivitaiManagerError, NotFound, RemoteError, UnknownJob, UsageError, explain
from . import access

log = logging.getLogger(__name__)

NO_STORE = {"Cache-Control": "no-store"}
LIMIT = 256 * 1024


def status_of(error: BaseException) -> int:
    """The HTTP status that fits an error; the body says the rest."""
    if isinstance(error, (NotFound, UnknownJob)):
        return 404
    if isinstance(error, UsageError):
        return 400
    if isinstance(error, Busy):
        return 503
    return 502 if isinstance(error, RemoteError) else 409 if isinstance(error, CivitaiManagerError) else 500


def failure(error: BaseException) -> JSONResponse:
    if not isinstance(error, CivitaiManagerError):
        log.error("a route failed", exc_info=error)
    return JSONResponse({"error": explain(error)}, status_code=status_of(error), headers=NO_STORE)


def refused(reason: str) -> JSONResponse:
    told = {"code": "refused", "message": reason, "next_step": "Use the tab of this WebUI; reload it if it is open.", "remedy": ""}
    return JSONResponse({"error": told}, status_code=403, headers=NO_STORE)


def answer(make: Callable[[], Any]) -> Response:
    """What ``make`` gives, as JSON; any failure as a JSON error."""
    try:
        return JSONResponse(make(), headers=NO_STORE)
    except Exception as error:  # noqa: BLE001 - the page needs an answer it can show
        return failure(error)


def number(request: Request, name: str, default: int, low: int, high: int) -> int:
    """A whole number of the query, within its limits whatever was sent."""
    try:
        return min(high, max(low, int(request.query_params.get(name, default))))
    except ValueError:
        return default


async def body_of(request: Request, limit: int) -> bytes | Response:
    """The body of a state-changing request of our own page, or why it is refused."""
    reason = access.refusal(request)
    if reason:
        return refused(reason)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            return failure(UsageError("That is too much at once.", next_step="Choose fewer, or drop fewer links."))
    return bytes(body)
