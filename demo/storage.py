"""The storage and picture origin: a small threaded HTTP server on plain sockets, so that resets, wrong lengths and stalls are real ones.

Files: the signed links of `downloads.signed`. Pictures: /<bucket>/<uuid>/<parameters>/<name>. An Authorization header is refused on files.
"""

from __future__ import annotations

import re
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from . import downloads, files, pictures
from .faults import STORAGE, Fault
from .files import Content

if TYPE_CHECKING:
    from .server import DemoServer

VIDEO = Path(__file__).parent / "media" / "waves.mp4"
CHALLENGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser.</body></html>"
LOGIN = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in to Civitai</h1></body></html>"


class Gone(Exception):
    """The connection was ended on purpose."""


def xml(code: str, message: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'.encode()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: StorageServer
    timeout = 60

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the console: requests are in DemoServer.requests."""

    def version_string(self) -> str:
        return "cloudflare"

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError, Gone, ValueError, OSError):
            self.close_connection = True

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        demo, parts = self.server.demo, urlsplit(self.path)
        if self.server.stopping:
            raise Gone
        self.entry = demo.note("storage", self.command, parts.path, parts.query, dict(self.headers))
        if demo.latency:
            time.sleep(demo.latency)
        fault = demo.faults.take(STORAGE, self.path)
        if fault and fault.name == "slow":
            time.sleep(float(fault.get("seconds", 1)))
            fault = None
        if fault and fault.name == "storage_error":
            status = int(fault.get("status", 503))
            return self.answer(status, CHALLENGE if status == 403 else b"<html><body><h1>Service Unavailable</h1></body></html>", "text/html")
        if re.match(r"^/\d+/model/\d+\.", parts.path):
            return self.send_model_file(parts.path, dict(parse_qsl(parts.query)), fault)
        return self.send_picture(parts.path, fault)

    def answer(self, status: int, body: bytes, kind: str = "application/xml", **headers: str) -> None:
        """A whole small answer."""
        self.begin(
            status, {"Content-Type": kind, "Content-Length": str(len(body)), **{key.replace("_", "-"): value for key, value in headers.items()}}
        )
        if self.command != "HEAD":
            self.wfile.write(body)

    def begin(self, status: int, headers: dict[str, str]) -> None:
        self.entry["status"] = status
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value.encode("latin-1", "replace").decode("latin-1"))
        self.end_headers()

    # Files

    def send_model_file(self, path: str, query: dict[str, str], fault: Fault | None) -> None:
        found = self.server.demo.catalogue.file(int(re.findall(r"/(\d+)\.", path)[0]))
        if "Authorization" in self.headers:
            return self.answer(400, xml("InvalidRequest", "Missing x-amz-content-sha256"))
        until = int(query.get("X-Demo-Until") or 0)
        if found is None or query.get("X-Amz-Signature") != downloads.signature(path, until):
            return self.answer(403, xml("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."))
        if until < time.time() * 1000 or fault and fault.name == "expired":
            return self.answer(403, xml("AccessDenied", "Request has expired"))
        if self.command == "HEAD":
            return self.answer(403, xml("SignatureDoesNotMatch", "The request signature does not match the method."))
        content: Content = found[1]["_content"]
        headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", "Last-Modified": "Mon, 01 Sep 2025 10:00:00 GMT"}
        disposition = query.get("response-content-disposition")
        name = fault.name if fault else ""
        if disposition and name != "no_disposition":
            headers["Content-Disposition"] = disposition
        if name in ("json_file", "html_file"):
            body = (
                b'{"error":"Unauthorized","message":"The creator requires you to be logged in to download it"}'[:90] if name == "json_file" else LOGIN
            )
            return self.answer(200, body, "application/json" if name == "json_file" else "text/html; charset=utf-8")
        return self.send_range(content, headers, fault)

    def send_range(self, content: Content, headers: dict[str, str], fault: Fault | None) -> None:
        name, sent = (fault.name, content) if fault else ("", content)
        if fault and name in ("changed_file", "wrong_bytes"):
            sent = replace(content, revision=int(fault.get("revision", 1)))
        headers["ETag"] = sent.etag if name == "changed_file" else content.etag
        if fault and fault.get("same_bytes", False):
            sent = content
        total = files.size(sent)
        start, stop, status = 0, total, 200
        wanted = self.headers.get("Range")
        if wanted and name == "range_416":
            return self.answer(416, b"", Content_Range=f"bytes */{total}")
        if wanted and name not in ("ignore_range", "no_length") and self.headers.get("If-Range") in (None, headers["ETag"], headers["Last-Modified"]):
            span = parse_range(wanted, total)
            if span == "unsatisfiable":
                return self.answer(416, xml("InvalidRange", "The requested range is not satisfiable"), Content_Range=f"bytes */{total}")
            if isinstance(span, tuple):
                (start, stop), status = span, 206
                headers["Content-Range"] = f"bytes {start}-{stop - 1}/{total}"
        length = stop - start
        if fault and name in ("length_short", "length_long"):
            length += int(fault.get("by", 1000)) * (1 if name == "length_long" else -1)
        if name == "no_length":
            headers.update({"Transfer-Encoding": "chunked"})
            headers.pop("Accept-Ranges")
        else:
            headers["Content-Length"] = str(max(0, length))
        self.begin(status, headers)
        return self.send_body(files.data(sent, start, stop), fault)

    def send_body(self, pieces: Iterable[bytes | memoryview], fault: Fault | None) -> None:
        """The bytes, with whatever the fault does to them."""
        name = fault.name if fault else ""
        if fault and ("after" in fault.options or name in ("stall", "close", "reset")):
            self.send_pieces(cut(pieces, int(fault.get("after", 0))))
            self.end_badly(fault)
        elif fault and name == "drip":
            rate = int(fault.get("rate", 10_000))
            for piece in pieces:
                for at in range(0, len(piece), max(1, rate // 10)):
                    self.connection.sendall(piece[at : at + max(1, rate // 10)])
                    if self.server.stopping:
                        raise Gone
                    time.sleep(0.1)
        elif name == "no_length":
            for piece in pieces:
                self.connection.sendall(b"%x\r\n" % len(piece) + bytes(piece) + b"\r\n")
            self.connection.sendall(b"0\r\n\r\n")
        else:
            self.send_pieces(pieces)
        if name in ("length_short", "length_long"):
            raise Gone

    def send_pieces(self, pieces: Iterable[bytes | memoryview]) -> None:
        for piece in pieces:
            self.connection.sendall(piece)
            self.entry["sent"] = self.entry.get("sent", 0) + len(piece)

    def end_badly(self, fault: Fault) -> None:
        if fault.name == "stall":
            until = time.monotonic() + float(fault.get("seconds", 30))
            while time.monotonic() < until and not self.server.stopping:
                time.sleep(0.05)
        if fault.name == "reset":
            # The peer has to have read what was sent, or the reset takes it away again.
            time.sleep(0.05)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        raise Gone

    # Pictures

    def send_picture(self, path: str, fault: Fault | None) -> None:
        match = re.match(r"^/[\w-]+/00000000-0000-4000-8000-([0-9a-f]{12})/([^/]*)/([^/]*)$", path)
        if not match:
            return self.answer(404, b"Not Found", "text/plain")
        number, wanted = int(match[1], 16), dict(part.partition("=")[::2] for part in match[2].split(","))
        found = self.server.demo.catalogue.image(number)
        if found is None:
            if 147_000_000 <= number < 148_000_000:
                return self.send_bytes(*pictures.encoded("rings", number, (96, 96), 96), fault)
            return self.answer(404, b"Not Found", "text/plain")
        image = found[2]
        if image["_fate"] == "missing":
            return self.answer(404, b"ERROR 9425: Image access denied", "text/plain")
        if image["type"] == "video" and wanted.get("anim") != "false" and not match[3].endswith((".jpeg", ".jpg", ".webp")):
            return self.send_bytes(VIDEO.read_bytes(), "video/mp4", fault)
        native = (max(16, image["width"]), max(16, image["height"]))
        width = None if wanted.get("original") == "true" else int(wanted.get("width") or 450)
        text = image["_parameters"] if width is None else ""
        body, kind = pictures.encoded(image["_style"], number, native, width, text, image.get("_form", "png"))
        if image["_fate"] == "broken":
            body = body[: len(body) // 3] + b"\x00" * 40
        return self.send_bytes(body, kind, fault)

    def send_bytes(self, body: bytes, kind: str, fault: Fault | None) -> None:
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Cache-Control": "public, max-age=31536000",
            "Access-Control-Allow-Origin": "*",
        }
        if fault and fault.name == "html_file":
            return self.answer(200, LOGIN, "text/html; charset=utf-8")
        if fault and fault.name == "wrong_bytes":
            body = bytes(len(body))
        self.begin(200, headers)
        return None if self.command == "HEAD" else self.send_body([body], fault)


def cut(pieces: Iterable[bytes | memoryview], after: int) -> Iterable[bytes | memoryview]:
    """The first `after` bytes."""
    for piece in pieces:
        if after <= 0:
            return
        yield piece[:after]
        after -= len(piece)


def parse_range(text: str, total: int) -> tuple[int, int] | str | None:
    """(start, stop) of a single byte range, "unsatisfiable", or None when the header is to be ignored."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", text.strip())
    if not match or not (match[1] or match[2]):
        return None
    if not match[1]:
        last = int(match[2])
        return (max(0, total - last), total) if last else "unsatisfiable"
    start, stop = int(match[1]), min(total, int(match[2]) + 1) if match[2] else total
    if start >= total:
        return "unsatisfiable"
    return (start, stop) if stop > start else None


class StorageServer(socketserver.ThreadingTCPServer):
    """Listens until `close`; all of its connections end with it."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, demo: DemoServer, host: str, port: int) -> None:
        self.demo, self.stopping = demo, False
        self._open: set[socket.socket] = set()
        super().__init__((host, port), Handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="demo-storage", daemon=True)
        self._thread.start()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news here."""

    def close(self) -> None:
        self.stopping = True
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._thread.join(5)
