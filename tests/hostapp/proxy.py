"""A reverse proxy as people put before a WebUI with ``--subpath``: ``/NAME/...`` outside is ``/...`` of the server. Plain requests only."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle is no news."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Proxy:
    """``with Proxy(app.url, "sd") as proxy: browser.open(proxy.url)``. ``outside`` counts requests that were not below the path."""

    def __init__(self, target: str, name: str) -> None:
        self.outside: list[str] = []
        proxy, prefix = self, f"/{name}"

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

            def do_GET(self) -> None:
                if not (self.path + "/").startswith((prefix + "/", prefix + "?")):
                    proxy.outside.append(self.path)
                    self.send_error(404)
                    return
                length = int(self.headers.get("Content-Length") or 0)
                inner = self.path[len(prefix) :]
                answer = requests.request(
                    self.command, target + (inner if inner.startswith("/") else "/" + inner), headers=dict(self.headers), stream=True, timeout=30,
                    data=self.rfile.read(length) if length else None, allow_redirects=False,
                )  # fmt: skip
                body = answer.raw.read(decode_content=False)
                self.send_response(answer.status_code)
                for key, value in answer.headers.items():
                    if key.lower() not in HOP_BY_HOP:
                        self.send_header(key, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_HEAD = do_GET

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}{prefix}/"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
