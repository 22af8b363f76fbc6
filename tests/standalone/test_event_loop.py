"""Which loop runs the server, and what is dropped of Windows' noise. The Proactor transport is CPython's own pure Python part."""

from __future__ import annotations

import asyncio
import logging
import sys
from asyncio import proactor_events
from typing import Any

import pytest
from civitai_manager_libs.hosts import event_loop


def test_selector_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    class Proactor:
        pass

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(asyncio, "ProactorEventLoop", Proactor, raising=False)
    assert event_loop.loop_factory("auto") is asyncio.SelectorEventLoop
    assert event_loop.loop_factory("selector") is asyncio.SelectorEventLoop
    assert event_loop.loop_factory("proactor") is Proactor


def test_pythons_own_elsewhere() -> None:
    assert event_loop.loop_factory("auto") is asyncio.new_event_loop
    assert event_loop.loop_factory("proactor") is asyncio.new_event_loop


class ResetSocket:
    """A socket whose peer has reset the connection: shutting it down fails as on Windows."""

    def fileno(self) -> int:
        return 7

    def shutdown(self, how: int) -> None:
        raise ConnectionResetError(10054, "An existing connection was forcibly closed by the remote host")

    def close(self) -> None:
        pass


class Told:
    def connection_lost(self, error: Exception | None) -> None:
        pass


def lose_connection(loop: asyncio.AbstractEventLoop) -> None:
    transport: Any = proactor_events._ProactorSocketTransport.__new__(proactor_events._ProactorSocketTransport)
    transport._loop, transport._sock, transport._protocol, transport._server = loop, ResetSocket(), Told(), None
    transport._called_connection_lost = False
    loop.call_soon(transport._call_connection_lost, None)
    loop.call_soon(loop.stop)
    loop.run_forever()
    transport._sock = None  # what is left here is no real transport: nothing is to be warned of


@pytest.mark.parametrize("filtered", [False, True])
def test_a_reset_connection_is_noise(caplog: pytest.LogCaptureFixture, filtered: bool) -> None:
    loop = asyncio.SelectorEventLoop()
    try:
        if filtered:
            loop.set_exception_handler(event_loop.without_resets)
        with caplog.at_level(logging.ERROR, logger="asyncio"):
            lose_connection(loop)
    finally:
        loop.close()
    assert ("_call_connection_lost" in caplog.text) is not filtered


def test_any_other_reset_is_still_reported(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.SelectorEventLoop()
    loop.set_exception_handler(event_loop.without_resets)

    def fails() -> None:
        raise ConnectionResetError("elsewhere")

    try:
        with caplog.at_level(logging.ERROR, logger="asyncio"):
            loop.call_soon(fails)
            loop.call_soon(loop.stop)
            loop.run_forever()
    finally:
        loop.close()
    assert "elsewhere" in caplog.text


def test_run_ends_what_was_left(recwarn: pytest.WarningsRecorder) -> None:
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("task")

    async def main() -> None:
        asyncio.get_running_loop().task = asyncio.ensure_future(forever())  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    event_loop.run(main(), asyncio.new_event_loop)
    assert ended == ["task"]
