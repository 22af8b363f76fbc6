"""Who may change something over our routes: only our own page. Who may use them at all is the host's login (``hosts.login``)."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request

HEADER = "x-civitai-manager"


def refusal(request: Request) -> str:
    """Why a state-changing request is not ours, or "". Another site's page cannot send the header without a preflight that nobody grants.

    ``Sec-Fetch-Site`` is the browser's own word and holds behind proxies that rewrite Host; without it the origin must be the host that was asked.
    """
    if request.headers.get(HEADER) != "1":
        return "The request does not come from the Civitai Manager page."
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return "" if site in ("same-origin", "none") else "The request comes from another site."
    origin = request.headers.get("origin")
    if origin is None or urlsplit(origin).netloc == request.headers.get("host"):
        return ""
    return "The request comes from another site."
