"""The host's own login, for our routes: a route that is added later is not protected by it (measured on gradio 3.41.2 to 6.31)."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import Depends, HTTPException

log = logging.getLogger(__name__)


def _refuse() -> None:
    raise HTTPException(status_code=401, detail="Not authenticated")


def login_dependencies(app: Any) -> list[Any]:
    """The dependencies of gradio's ``/config`` route, for ``add_api_route(..., dependencies=)``; without a login they let everyone pass.

    ``app``: gradio's own FastAPI application. When it has a login but its check cannot be found, the answer refuses everyone.
    """
    for route in app.routes:
        if getattr(route, "path", "") in ("/config", "/config/") and getattr(route, "dependencies", None):
            return list(route.dependencies)
    if getattr(app, "auth", None) is None:
        return []
    log.error("civitai-manager: the login check of this gradio was not found; the tab's data is closed to everyone")
    return [Depends(_refuse)]
