"""A real HTTP server (and a real proxy) on this computer, whose answers a test scripts and whose requests it can read."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from civitai_manager_libs.civitai.transport import Transport
from civitai_manager_libs.reporter import Plain
from civitai_manager_libs.settings import Settings

KEY = "secret-key-0123456789"
CERTIFICATE = Path(__file__).with_name("peer.pem")


class Request:
    """What arrived: method, path with query, headers with lower-case names, body, and when (monotonic)."""

    def __init__(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        self.method = handler.command
        self.path = handler.path
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.body = body
        self.time = time.monotonic()


class Answer:
    """What to send. ``behaviour``: "" or "reset" (close without an answer), "cut" (half a body), "drip" (a byte each 20 ms)."""

    def __init__(
        self, status: int = 200, body: object = None, headers: dict[str, str] | None = None, behaviour: str = "", delay: float = 0.0
    ) -> None:
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
        self.headers = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        self.behaviour = behaviour
        self.delay = delay


def page(status: int, text: str = "Just a moment...", **headers: str) -> Answer:
    """An HTML page, as Cloudflare sends."""
    body = f"<!DOCTYPE html><html><head><title>{text}</title></head></html>".encode()
    return Answer(status, body, {"Content-Type": "text/html; charset=UTF-8", **headers})


class Peer:
    """Answers from ``script`` one after the other (the last one again and again), or from ``answer(request)`` when given."""

    def __init__(self, *script: Answer, answer: Callable[[Request], Answer] | None = None, tls: bool = False) -> None:
        self.script = list(script)
        self.answer = answer
        self.requests: list[Request] = []
        self.running = 0
        self.most_running = 0
        self._lock = threading.Lock()
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                peer._serve(self)

            do_POST = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.authority = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.authority}"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.server.handle_error = lambda request, address: None  # type: ignore[method-assign]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        request = Request(handler, handler.rfile.read(int(handler.headers.get("Content-Length") or 0)))
        with self._lock:
            self.requests.append(request)
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            answer = self.answer(request) if self.answer else (self.script.pop(0) if len(self.script) > 1 else self.script[0])
        try:
            time.sleep(answer.delay)
            self._send(handler, answer)
        except OSError:
            handler.close_connection = True
        finally:
            with self._lock:
                self.running -= 1

    def _send(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        if answer.behaviour == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            handler.connection.close()
            handler.close_connection = True
            return
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        if answer.behaviour == "cut":
            handler.wfile.write(answer.body[: len(answer.body) // 2])
            handler.close_connection = True
        elif answer.behaviour == "drip":
            for byte in answer.body:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(0.02)
        else:
            handler.wfile.write(answer.body)


class Proxy(Peer):
    """A forward proxy for plain http: it sends each request on to ``target`` whatever host was named."""

    def __init__(self, target: Peer) -> None:
        super().__init__(answer=self._forward)
        self.target = target

    def _forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self.target.authority, timeout=5)
        path = "/" + request.path.split("://", 1)[-1].partition("/")[2]
        connection.request(request.method, path, headers={name: value for name, value in request.headers.items() if name != "host"})
        response = connection.getresponse()
        return Answer(response.status, response.read(), {"Content-Type": response.headers["Content-Type"]})


class Waits(Plain):
    """Patience that notes its waits and does not take them in full."""

    def __init__(self, factor: float = 0.0) -> None:
        self.waits: list[float] = []
        self.texts: set[str] = set()
        self.factor = factor

    def wait(self, seconds: float, text: str) -> None:
        self.waits.append(seconds)
        self.texts.add(text)
        time.sleep(seconds * self.factor)


def transport(url: str, patience: Any = None, **changes: Any) -> Transport:
    """A transport to ``url`` with a key and short delays."""
    settings = Settings(**{"civitai_url": url, "api_key": KEY, "http_timeout": 5.0, "http_retry_delay": 0.02, **changes})
    return Transport(lambda: settings, patience, version="0.0", spacing=0.0)


def closed_port() -> int:
    """A port of this computer on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
