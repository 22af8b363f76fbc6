"""The server's event loop when we run alone, and what Windows' Proactor loop needs.

Windows: when a browser resets a connection, the Proactor loop logs "WinError 10054" from ``_call_connection_lost`` and leaves the socket open,
and an ``accept`` that fails (WinError 64) closes the listening socket for good (cpython #93821). The selector loop has neither. In a WebUI the
loop is the host's. Ours comes from a factory, never from a policy: those are deprecated from Python 3.14 and ignored by uvicorn from 0.36.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import proactor_events
from collections.abc import Callable, Coroutine
from typing import Any

LOOPS = ("auto", "selector", "proactor")


def loop_factory(name: str = "auto") -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the loop. ``auto``: the selector loop on Windows, Python's own choice elsewhere. ``proactor`` exists on Windows only."""
    if name == "proactor" and sys.platform == "win32":
        return asyncio.ProactorEventLoop
    if name == "selector" or sys.platform == "win32":
        return asyncio.SelectorEventLoop
    return asyncio.new_event_loop


def run(main: Coroutine[Any, Any, Any], factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Run to the end on a loop of our own (``asyncio.Runner`` exists from Python 3.11 on only)."""
    loop = factory()
    if type(loop).__name__ == "ProactorEventLoop":
        loop.set_exception_handler(without_resets)
    try:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(main)
    finally:
        try:
            pending = asyncio.all_tasks(loop)
            for task in pending:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


class _Informed(asyncio.BaseProtocol):
    """Stands in for a protocol that knows already that its connection is lost."""


class _Closing:
    """A socket that can only be closed: no ``shutdown``, which is what fails when the peer has reset the connection."""

    def __init__(self, sock: Any) -> None:
        self.fileno = sock.fileno
        self.close = sock.close


def without_resets(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An exception handler that drops only the noise of a connection that its peer has reset, and finishes the clean-up that it broke off.

    ``_call_connection_lost`` tells the protocol first and then shuts the socket down. Where that fails, the socket stays open and the server
    goes on counting the connection. So it is called again, by a protocol and a socket with which nothing can fail.
    """
    error, transport = context.get("exception"), _lost(context.get("handle"))
    if not isinstance(error, ConnectionResetError | ConnectionAbortedError) or transport is None:
        loop.default_exception_handler(context)
        return
    if error.__context__ is not None:  # the protocol has failed as well, and that is an error like any other
        loop.default_exception_handler(context)
    transport._protocol = _Informed()
    transport._sock = _Closing(transport._sock)
    transport._call_connection_lost(None)


def _lost(handle: Any) -> Any:
    """The Proactor transport whose end failed in this handle, or None. Without a socket its clean-up is done: then the protocol had failed."""
    callback: Any = getattr(handle, "_callback", None)
    transport: Any = getattr(callback, "__self__", None)
    theirs: Any = proactor_events._ProactorBasePipeTransport
    if not isinstance(transport, theirs) or callback.__name__ != "_call_connection_lost" or transport._sock is None:
        return None
    return transport
