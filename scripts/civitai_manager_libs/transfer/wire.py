"""The line itself: one request that can be left, reading what has arrived, and what it looks like when the line breaks."""

from __future__ import annotations

import contextlib
import http.client
import queue
import socket
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import requests
import urllib3

from ..errors import Offline, RemoteError
from ..reporter import Patience

BROKEN_LINE = (Offline, requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)


class Opener(Protocol):
    """One request as ``civitai.transport`` makes it: streamed, redirects not followed, the key only where it belongs."""

    def __call__(self, url: str, headers: Mapping[str, str], *, authorized: bool) -> requests.Response: ...


class Wire(NamedTuple):
    """How requests are made, what a refusal of the API means, and how many seconds an answer asks to wait (None: it does not)."""

    open: Opener
    denial: Callable[[int, Mapping[str, str], bytes], RemoteError]
    retry_after: Callable[[Mapping[str, str]], float | None]


def ask(wire: Wire, url: str, headers: Mapping[str, str], *, authorized: bool, patience: Patience) -> requests.Response:
    """One request, in a thread of its own: connecting and the first bytes may take 40 s, and a request to stop must not wait for them."""
    answers: queue.SimpleQueue[requests.Response | BaseException] = queue.SimpleQueue()
    left = threading.Event()

    def work() -> None:
        try:
            response = wire.open(url, headers, authorized=authorized)
        except BaseException as exc:  # noqa: BLE001 - it is raised again where it is waited for
            answers.put(exc)
            return
        answers.put(response)
        if left.is_set():
            response.close()

    threading.Thread(target=work, name="civitai-manager-connect", daemon=True).start()
    while True:
        try:
            answer = answers.get(timeout=0.25)
        except queue.Empty:
            try:
                patience.check()
            except BaseException:
                left.set()
                raise
            continue
        if isinstance(answer, BaseException):
            raise answer
        return answer


def reader(response: requests.Response) -> Callable[[int], bytes]:
    """Read what has arrived, without waiting for a full block: a slow line still shows progress and can be stopped."""
    original = getattr(response.raw, "_original_response", None)
    return original.read1 if original is not None else response.raw.read


def shut(response: requests.Response) -> None:
    """Wake a thread that waits for bytes which do not come."""
    with contextlib.suppress(Exception):
        if hasattr(response.raw, "shutdown"):  # urllib3 from 2.3 on
            response.raw.shutdown()
        else:
            response.raw.connection.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]


def problem(exc: Exception) -> str:
    """What is wrong with a broken line; "" when it only fell silent."""
    if isinstance(exc, (requests.Timeout, urllib3.exceptions.TimeoutError, socket.timeout)):
        return ""
    return "no connection" if isinstance(exc, Offline) else "the connection was lost"
