"""The server's event loop when we run alone, and what Windows' Proactor loop needs.

Windows: when a browser resets a connection, the Proactor loop logs "WinError 10054" from ``_call_connection_lost``, and an ``accept`` that
fails (WinError 64) closes the listening socket for good (cpython #93821). The selector loop has neither. In a WebUI the loop is the host's.
"""

from __future__ import annotations

import asyncio
import sys
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


def without_resets(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An exception handler that drops only the noise of a connection that its peer has reset; the protocol knows of that already."""
    error = context.get("exception")
    where = f"{context.get('message', '')} {context.get('handle', '')}"
    if isinstance(error, ConnectionResetError | ConnectionAbortedError) and "_call_connection_lost" in where:
        return
    loop.default_exception_handler(context)
