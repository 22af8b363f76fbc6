"""One file from Civitai's storage to a verified file on disk, whatever happens on the way.

The API answers a download with a redirect to a signed link on another host. The key goes to the API only. The link is used again for each
reconnect until the storage refuses it; then the API is asked for a fresh one (civitai-api.md 2.1 to 2.3).
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import random
import re
import time
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import msgspec
import requests

from ..disk.atomic import disk_error
from ..errors import (
    FileExists,
    HashMismatch,
    Interrupted,
    LoginRequired,
    NotFound,
    Offline,
    QuotaExceeded,
    RateLimited,
    Said,
    ServiceDown,
    WrongContent,
)
from ..reporter import Patience, Reporter
from .partial import Identity, Part
from .sink import BLOCK, Sink
from .wire import BROKEN_LINE, Wire, ask, problem, reader, shut

log = logging.getLogger(__name__)

TRANSIENT = frozenset({408, 425, 500, 502, 503, 504, *range(520, 528)})
TEXTUAL = ("text/html", "application/json", "application/xml", "text/xml", "application/problem+json")
MAX_DELAY = 30.0  # seconds between two reconnects
BYTE = Said("byte")
LONGEST_DEMAND = 900.0  # seconds; a longer Retry-After ends the job, resumable, with the time from which it is welcome


class Wanted(msgspec.Struct):
    """What to fetch. ``textual``: the file itself is text (a workflow, a config), so a text answer is not refused."""

    url: str
    target: Path
    identity: Identity
    textual: bool = False


class Arrived(msgspec.Struct):
    """A file in its place. ``verified``: its SHA-256 is the one that Civitai gives (False when Civitai gives none)."""

    path: Path
    size: int
    sha256: str
    verified: bool


class _Again(Exception):
    """This try is over; another one may do better. ``fresh``: ask the API for a new link first."""

    def __init__(self, reason: str, *, fresh: bool = False, delay: float | None = None) -> None:
        super().__init__(reason)
        self.fresh = fresh
        self.delay = delay


class Download:
    """``stall_limit``: seconds without a single byte, over all reconnects, after which it stops as resumable; ``retry_delay``: the first one."""

    def __init__(self, wanted: Wanted, wire: Wire, patience: Patience, reporter: Reporter, *, stall_limit: float, retry_delay: float) -> None:
        self.wanted = wanted
        self.wire = wire
        self.patience = patience
        self.reporter = reporter
        self.stall_limit = stall_limit
        self.retry_delay = retry_delay
        self.part = Part(wanted.target)
        self.identity = wanted.identity
        self._link = ""
        self._total: int | None = None
        self._resumed = False
        self._restarted = False
        self._failures = 0
        self._refusals = 0  # links that the storage did not honour, since the last progress
        self._furthest = 0  # bytes; only what goes beyond is progress
        self._last_byte = time.monotonic()
        self._awaited = ""  # what the line is to bring next

    def run(self) -> Arrived:
        """Fetch, verify, and put in place. Raises RemoteError, TransferError, DiskError, or ``Stopped``; what arrived is then kept."""
        if self.wanted.target.exists():
            raise FileExists(f"{self.wanted.target.name} exists already.")
        try:
            offset = self.part.offset(self.identity)
            self.part.save(self.identity)  # before the part is made: a part without a state is somebody else's
            sink = Sink(self.part.path)
        except OSError as exc:
            raise disk_error(exc, self.wanted.target.parent) from exc
        try:
            try:
                if offset:
                    self._resumed = True
                    self._total = self.identity.total
                    sink.adopt(offset, self.patience, self.reporter)
                digest = self._fetch_whole(sink)
                sink.sync()
            except BaseException:
                sink.close()
                if sink.written == 0:  # nothing half-written in sight
                    with contextlib.suppress(OSError):
                        self.part.remove()
                raise
            finally:
                sink.close()
            return self._settle(digest, sink.written)
        except OSError as exc:
            if isinstance(exc, requests.RequestException):
                raise
            raise disk_error(exc, self.wanted.target.parent) from exc

    # -- the whole file, over as many connections as it takes

    def _fetch_whole(self, sink: Sink) -> str:
        self._last_byte = time.monotonic()
        while True:
            while self._total is None or sink.written < self._total:
                self.patience.check()
                try:
                    self._one_connection(sink)
                except _Again as again:
                    self._pause(str(again), again.delay, again)
                except BROKEN_LINE as exc:
                    self.patience.check()  # a socket that was shut because someone pressed pause is no failure
                    log.info("download %s: connection lost at %d bytes (%s)", self.wanted.target.name, sink.written, type(exc).__name__)
                    self._pause(problem(exc), None, exc)
            self.reporter.update(text="verifying")
            self._await("")
            digest = sink.sha256()
            if self._good(digest) or not self._suspicious(sink):
                return digest
            log.warning("download %s: wrong hash after a broken transfer; once more from zero", self.wanted.target.name)
            self._restarted, self._resumed, self._total, self._link = True, False, None, ""
            self._furthest, self._last_byte = 0, time.monotonic()
            sink.restart()
            self.reporter.update(bytes_done=0, text="the bytes do not fit together; once more from the start")

    def _good(self, digest: str) -> bool:
        return not self.identity.sha256 or digest == self.identity.sha256

    def _suspicious(self, sink: Sink) -> bool:
        """A wrong hash may be the transfer's fault when parts were joined or the length is not the announced one: worth one more try."""
        return not self._restarted and (self._resumed or (self.identity.size is not None and sink.written != self.identity.size))

    def _pause(self, reason: str, delay: float | None, cause: Exception) -> None:
        """Wait before the next try; give up, resumable, when nothing has arrived for too long."""
        silent = time.monotonic() - self._last_byte
        if silent >= self.stall_limit:
            if isinstance(cause, Offline):
                raise Offline(f"The connection is lost: nothing has arrived for {silent:.0f} s.", next_step=Interrupted.next_step) from cause
            raise Interrupted(f"Nothing has arrived for {silent:.0f} s{f' ({reason})' if reason else ''}.") from cause
        if isinstance(cause, _Again) and cause.fresh:
            self._link = ""
        demanded = delay or 0.0
        if demanded > LONGEST_DEMAND:
            until = datetime.datetime.now().astimezone() + datetime.timedelta(seconds=demanded)
            raise RateLimited("Civitai asks to wait before the download goes on.", until=until.isoformat(timespec="seconds")) from cause
        self._last_byte += demanded  # a pause that was asked for is no silence
        if demanded:
            self._failures += 1
            self.patience.wait(demanded, reason)
            return
        if delay is None:
            delay = min(MAX_DELAY, self.retry_delay * 2 ** min(self._failures, 8)) * random.uniform(0.8, 1.2)
        self._failures += 1
        self.reporter.update(text=f"{reason}, reconnecting" if reason else "reconnecting", awaits=self._awaited)  # how long, the reporter adds
        self.patience.wait(min(delay, max(0.1, self.stall_limit - silent)), "")

    # -- one connection

    def _one_connection(self, sink: Sink) -> None:
        headers = {"Accept-Encoding": "identity"}
        if sink.written:
            headers["Range"] = f"bytes={sink.written}-"
            if self.identity.validator:
                headers["If-Range"] = self.identity.validator
        self.reporter.update(text=None if self._awaited else "connecting", bytes_done=sink.written)  # else it is said to be reconnecting
        with contextlib.closing(self._open(headers)) as response:
            if not self._accept(response, sink):
                return
            with self.patience.stopping(lambda: shut(response)):
                self._copy(response, sink)

    def _open(self, headers: dict[str, str]) -> requests.Response:
        """The storage's answer: by the link that worked before, else by asking the API for one. Redirects are followed without the key."""
        url, authorized = (self._link, False) if self._link else (self.wanted.url, True)
        for _ in range(6):
            if self._awaited != BYTE:
                self._await("answer from Civitai" if authorized else "answer from the storage")
            response = ask(self.wire, url, headers, authorized=authorized, patience=self.patience)
            if response.status_code not in (301, 302, 303, 307, 308):
                if authorized and response.status_code not in (200, 206, 416):
                    self._refused(response)
                return response
            target = urljoin(url, response.headers.get("Location", ""))
            response.close()
            if urlsplit(target).path.startswith("/login"):
                raise LoginRequired()
            if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
                raise WrongContent("Civitai sends the download to an address without encryption.")
            url, authorized = target, False
            self._link = target
        raise ServiceDown("Civitai sends the download round in circles.")

    def _await(self, thing: str) -> None:
        """Say what a silence from here on would wait for. Once bytes are awaited, a new connection changes nothing: they are what does not come."""
        if thing != self._awaited:
            self._awaited = thing
            self.reporter.update(awaits=thing)

    def _refused(self, response: requests.Response) -> None:
        """The API gave no link: say why, or try again later when it is only busy."""
        with contextlib.closing(response):
            body = response.raw.read(65536, decode_content=True) or b""
            status, demanded = response.status_code, self.wire.retry_after(response.headers)
            if status in TRANSIENT or (status == 429 and demanded is not None):
                raise _Again(f"Civitai is busy ({status})", delay=demanded)
            error = self.wire.denial(status, response.headers, body)
            if isinstance(error, RateLimited) and not isinstance(error, QuotaExceeded):
                raise _Again("Civitai asks to slow down", delay=demanded)
            raise error

    def _accept(self, response: requests.Response, sink: Sink) -> bool:
        """Check the answer against what is here; True when its body is to be appended."""
        status = response.status_code
        if status == 206:
            return self._accept_range(response, sink)
        if status == 200:
            self._check_content(response)
            if sink.written:  # the server ignored the range, or the file has changed: from zero
                self.reporter.update(text="starting again from the first byte")
                sink.restart()
            length = response.headers.get("Content-Length")
            self._learn(response, int(length) if length and length.isdigit() else None)
            return True
        if status == 416:
            self._beyond(response, sink)
            return False
        if status in (400, 401, 403, 404, 410):
            self._refusals += 1
            if self._refusals > 4:
                raise NotFound(
                    "The storage does not hand out this file.", next_step="Try again later; refresh the model to see whether the file was replaced."
                )
            raise _Again("the link has expired", fresh=True, delay=0 if self._refusals == 1 else None)
        if status in TRANSIENT or status == 429:
            raise _Again(f"the storage is busy ({status})", delay=self.wire.retry_after(response.headers))
        raise ServiceDown(f"The storage answered with status {status}.")

    def _accept_range(self, response: requests.Response, sink: Sink) -> bool:
        match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if not match or int(match[1]) != sink.written:
            sink.restart()
            raise _Again("the server sent another part than asked for", fresh=True)
        self._check_content(response)
        self._learn(response, int(match[3]) if match[3] != "*" else int(match[2]) + 1)
        return True

    def _beyond(self, response: requests.Response, sink: Sink) -> None:
        """416: there is nothing behind what we have. Either it is whole, or it is not this file at all."""
        match = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", "").strip())
        if match and int(match[1]) == sink.written and sink.written:
            self._total = sink.written
            return
        self._refusals += 1
        if self._refusals > 4:
            raise ServiceDown("The storage refuses every part of this file.")
        sink.restart()
        self._total = None
        raise _Again("the server refuses to go on from here; starting from zero", fresh=True, delay=0 if self._refusals == 1 else None)

    def _learn(self, response: requests.Response, total: int | None) -> None:
        self._total = total
        self.identity.total = total
        self.identity.etag = response.headers.get("ETag", "")
        self.identity.last_modified = response.headers.get("Last-Modified", "")
        self.part.save(self.identity)
        if total:
            self.reporter.update(bytes_total=total)
        self._await(BYTE)
        self.reporter.update(text="", awaits=BYTE)  # connected; that is no byte yet

    def _check_content(self, response: requests.Response) -> None:
        kind = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
        if kind in TEXTUAL and not self.wanted.textual:
            body = response.raw.read(65536, decode_content=True) or b""
            raise WrongContent(f"The server sent {kind} instead of a model file: {_first_words(body)}")

    def _copy(self, response: requests.Response, sink: Sink) -> None:
        """Append the body. A body that ends early is a lost connection."""
        read = reader(response)
        first = sink.written == 0
        while block := read(BLOCK):
            if first and not self.wanted.textual and block.lstrip()[:9].lower().startswith((b"<!doctype", b"<html", b"<?xml", b'{"error"')):
                raise WrongContent(f"The server sent a text instead of a model file: {_first_words(block)}")
            first = False
            try:
                sink.write(block)
            except OSError as exc:  # the disk's fault, not the line's
                raise disk_error(exc, self.wanted.target.parent) from exc
            if sink.written > self._furthest:  # what only repeats what was here before is no progress
                self._furthest = sink.written
                self._last_byte = time.monotonic()
                self._failures = self._refusals = 0
            self.reporter.update(bytes_done=sink.written)
            self.patience.check()
        if self._total is None:
            self._total = sink.written
        elif sink.written < self._total:
            raise _Again("the connection was closed too early")

    # -- the end

    def _settle(self, digest: str, size: int) -> Arrived:
        if not self._good(digest):
            aside = self.part.set_aside("wrong-hash")
            raise HashMismatch(
                f"The downloaded file is not the one that Civitai describes: its SHA-256 begins with {digest[:10]}, "
                f"expected was {self.identity.sha256[:10]}. It was kept as {aside.name}.",
                path=str(aside),
            )
        try:
            self.part.place()
        except FileExistsError:
            raise FileExists(f"{self.wanted.target.name} appeared while it was downloaded; the download is kept as {self.part.path.name}.") from None
        return Arrived(self.wanted.target, size, digest, bool(self.identity.sha256))


def _first_words(body: bytes) -> str:
    text = re.sub(r"<[^>]*>|\s+", " ", body[:4096].decode("utf-8", "replace"))
    return " ".join(text.split())[:120]
