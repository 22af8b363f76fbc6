"""Routes for moving, renaming and deleting: plans, carrying them out, the journal and the trash.

A plan goes to the page and comes back, whole or as far as the person wants it; each file of it is compared with the disk again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from .edits import SELECTED, Body, Id, endpoint
from .replies import LIMIT, answer

if TYPE_CHECKING:
    from ..application import Application

PLAN = 64 * 1024 * 1024  # bytes of a plan that comes back: some 50,000 models with what lies beside them


class Chosen(Body):
    """Models, and single files."""

    ids: list[Id] = []
    files: list[Id] = []


class NewName(Body):
    file: Id
    name: str


class Keep(Body):
    """By hash, which file stays."""

    keep: dict[str, Id] = {}


class Nothing(Body):
    pass


class Plan(Body):
    """What is needed of a plan; the rest of it may be sent along."""

    action: str
    groups: list[dict[str, Any]]
    request: dict[str, Any] = {}
    ticket: str = ""


class Batch(Body):
    batch: str = ""
    ticket: str = ""


class Entries(Body):
    ids: list[Id]
    ticket: str = ""


def carry_out(application: Application, body: Plan) -> Any:
    plan = {"action": body.action, "groups": body.groups, "request": body.request}
    return {"job": application.carry_out(plan, ticket=body.ticket)}


POSTS: dict[str, tuple[type[Body], int, Callable[..., Any]]] = {
    "/plans/move": (Chosen, SELECTED, lambda app, body: app.plan_move(body.ids, body.files)),
    "/plans/rename": (NewName, LIMIT, lambda app, body: app.plan_rename(body.file, body.name)),
    "/plans/delete": (Chosen, SELECTED, lambda app, body: app.plan_delete(body.ids, body.files)),
    "/plans/duplicates": (Keep, SELECTED, lambda app, body: app.plan_duplicates(body.keep)),
    "/plans/orphans": (Nothing, LIMIT, lambda app, body: app.plan_orphans()),
    "/organise": (Plan, PLAN, carry_out),
    "/undo": (Batch, LIMIT, lambda app, body: {"job": app.undo(body.batch, ticket=body.ticket)}),
    "/restore": (Entries, SELECTED, lambda app, body: {"job": app.restore(body.ids, ticket=body.ticket)}),
}


def routes(application: Callable[[], Application]) -> list[tuple[str, str, Callable[..., Any]]]:
    """What ``web.routes`` adds to the host: method, path, endpoint."""

    def journal(request: Request) -> Response:
        """GET journal: the latest actions that moved or deleted files."""
        return answer(lambda: {"batches": application().journal(200)})

    def trash(request: Request) -> Response:
        """GET trash: what was deleted and can be given back."""
        return answer(lambda: {"files": application().trash()})

    posts = [("POST", path, endpoint(application, *POSTS[path])) for path in POSTS]
    return [("GET", "/journal", journal), ("GET", "/trash", trash), *posts]
