"""What stands before the API: the log of requests, the latency, and the faults that answer instead of it or spoil its answer."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from .api import answer
from .faults import API, Fault
from .listing import TOO_MANY

if TYPE_CHECKING:
    from .server import DemoServer

HTML = {"Content-Type": "text/html; charset=utf-8"}
CHALLENGE = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser before you go on.</body></html>"
MAINTENANCE = "<!DOCTYPE html><html><body><h1>We're adjusting a few things, be back in a few minutes…</h1></body></html>"
REGION = "Access to this service is not available in your region due to legal restrictions."
UNEXPECTED = "An unexpected error occurred"
BESIDE = ("key_rejected", "undefined_url", "wrong_image")  # asked for by the endpoints themselves


def page(text: str, status: int, **headers: str) -> Response:
    return Response(text.encode(), status, {**HTML, **headers})


def instead(fault: Fault) -> Any:
    """The answer that a fault gives in place of the API's, or None."""
    status = int(fault.get("status", 500))
    if fault.name == "rate_limit":
        return answer({"error": "Rate limit exceeded, please retry shortly."}, 429, {"Retry-After": str(fault.get("retry_after", 1))})
    if fault.name == "rate_limit_silent":
        return answer({"error": "Too many requests"}, 429)
    if fault.name == "paging_limit":
        return answer({"error": TOO_MANY}, 429)
    if fault.name == "challenge":
        return page(CHALLENGE, 403, **{"cf-mitigated": "challenge"})
    if fault.name == "maintenance":
        return page(MAINTENANCE, 503)
    if fault.name == "region":
        return answer({"error": REGION, "code": "REGION_BLOCKED"}, 451)
    if fault.name == "html_page":
        return page("<!DOCTYPE html><html><body><h1>Civitai</h1></body></html>", 200)
    if fault.name != "error":
        return None
    if status == 500 and not fault.get("html", False):
        body = (
            {"message": UNEXPECTED, "error": "URI malformed"}
            if fault.get("old", False)
            else {"error": UNEXPECTED, "message": UNEXPECTED, "code": "INTERNAL_SERVER_ERROR"}
        )
        return answer(body, 500, {"Cache-Control": "no-store"})
    if status == 503 and not fault.get("html", False):
        return answer(
            {"error": "Server busy, please retry shortly."}, 503, {"Retry-After": str(fault.get("retry_after", 2)), "Cache-Control": "no-store"}
        )
    return page(f"<!DOCTYPE html><html><head><title>civitai.com | {status}</title></head><body><h1>Error {status}</h1></body></html>", status)


class Gate:
    """ASGI application around the API."""

    def __init__(self, app: Any, demo: DemoServer) -> None:
        self.app, self.demo = app, demo

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/__demo__"):
            return await self.app(scope, receive, send)
        query = scope["query_string"].decode("latin-1")
        headers = {key.decode("latin-1").title(): value.decode("latin-1") for key, value in scope["headers"]}
        entry = self.demo.note("api", scope["method"], scope["path"], query, headers)
        if self.demo.latency:
            await asyncio.sleep(self.demo.latency)
        fault = self.demo.faults.take(API, f"{scope['path']}?{query}" if query else scope["path"], but=BESIDE)

        async def noted(message: Any) -> None:
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
                message["headers"] = [*message["headers"], (b"server", b"cloudflare"), (b"cf-cache-status", b"DYNAMIC")]
            await send(message)

        if fault is None:
            return await self.app(scope, receive, noted)
        if fault.name == "slow":
            await asyncio.sleep(float(fault.get("seconds", 1)))
            return await self.app(scope, receive, noted)
        made = instead(fault)
        if made is not None:
            return await made(scope, receive, noted)
        return await self.spoiled(fault, scope, receive, noted)

    async def spoiled(self, fault: Fault, scope: Any, receive: Any, send: Any) -> None:
        """The real answer, empty, with control characters in it, cut off, or stalled."""
        kept: list[Any] = []

        async def keep(message: Any) -> None:
            kept.append(message)

        await self.app(scope, receive, keep)
        body = b"".join(message.get("body", b"") for message in kept[1:])
        if fault.name == "empty_page":
            found = json.loads(body)
            empty = {**found, "items": [], "metadata": found.get("metadata", {}) if fault.get("cursor", False) else {}}
            return await answer(empty)(scope, receive, send)
        if fault.name == "control_characters":
            body = re.sub(rb'":"(?=[^"])', b'":"\x01\t', body, count=20)
            kept[0]["headers"] = [pair for pair in kept[0]["headers"] if pair[0] != b"content-length"] + [
                (b"content-length", str(len(body)).encode())
            ]
            await send(kept[0])
            return await send({"type": "http.response.body", "body": body})
        await send(kept[0])
        await send({"type": "http.response.body", "body": body[: int(fault.get("after", 0))], "more_body": True})
        if fault.name == "stall":
            await asyncio.sleep(float(fault.get("seconds", 30)))
        # Returning before the announced length is reached makes the server close the connection.
        return None
