"""Which loop runs the server, and what is dropped of Windows' noise. The Proactor transport is CPython's own pure Python part."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import sys
from asyncio import proactor_events
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from civitai_manager_libs.hosts import event_loop
from support import ROOT


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


class Socket:
    """Shutting it down fails as on Windows when the peer has reset the connection."""

    def __init__(self, error: OSError | None) -> None:
        self.error, self.closed, self.shut = error, False, False

    def fileno(self) -> int:
        return 7

    def shutdown(self, how: int) -> None:
        self.shut = True
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed = True


class Protocol:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error, self.told = error, 0

    def connection_lost(self, error: Exception | None) -> None:
        self.told += 1
        if self.error is not None:
            raise self.error


class Server:
    detached = 0

    def _detach(self, transport: Any = None) -> None:  # Python 3.13 names the transport
        self.detached += 1


def reset() -> OSError:
    return ConnectionResetError(10054, "An existing connection was forcibly closed by the remote host")


class Loss:
    """One connection that ends on a Proactor transport, run on a real loop. ``filtered``: with our exception handler."""

    def __init__(self, error: OSError | None, protocol: BaseException | None = None, *, filtered: bool = True) -> None:
        self.socket, self.protocol, self.server = Socket(error), Protocol(protocol), Server()
        loop = asyncio.SelectorEventLoop()
        if filtered:
            loop.set_exception_handler(event_loop.without_resets)
        transport: Any = proactor_events._ProactorSocketTransport.__new__(proactor_events._ProactorSocketTransport)
        transport._loop, transport._sock, transport._protocol, transport._server = loop, self.socket, self.protocol, self.server
        transport._called_connection_lost = False
        try:
            loop.call_soon(transport._call_connection_lost, None)
            loop.call_soon(loop.stop)
            loop.run_forever()
        finally:
            loop.close()
        self.clean = transport._sock is None and transport._server is None
        transport._sock = None  # what is left here is no real transport: nothing is to be warned of

    @property
    def outcome(self) -> tuple[int, bool, int]:
        """How often the protocol was told, whether the socket is closed, how often the server let go."""
        return self.protocol.told, self.socket.closed, self.server.detached


@pytest.fixture
def shown(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """What asyncio has logged."""
    with caplog.at_level(logging.ERROR, logger="asyncio"):
        yield lambda: caplog.text


def test_without_the_filter_it_is_noise_and_a_leak(shown: Callable[[], str]) -> None:
    loss = Loss(reset(), filtered=False)
    assert "_call_connection_lost" in shown()
    assert loss.outcome == (1, False, 0)


@pytest.mark.parametrize("error", [reset(), ConnectionAbortedError(10053, "aborted")])
def test_a_reset_connection_is_dropped_and_cleaned_up(shown: Callable[[], str], error: OSError) -> None:
    loss = Loss(error)
    assert shown() == ""
    assert loss.outcome == (1, True, 1)
    assert loss.clean


def test_a_connection_that_ends_well_is_left_alone(shown: Callable[[], str]) -> None:
    loss = Loss(None)
    assert shown() == "" and loss.socket.shut
    assert loss.outcome == (1, True, 1)


def test_another_error_of_the_socket_is_shown(shown: Callable[[], str]) -> None:
    Loss(OSError(10057, "not connected"))
    assert "not connected" in shown()


def test_an_error_of_the_protocol_is_shown(shown: Callable[[], str]) -> None:
    """Also when it is a reset itself: the clean-up is done then, so it is not that noise."""
    loss = Loss(None, ConnectionResetError("the application's own"))
    assert "the application's own" in shown()
    assert loss.outcome == (1, True, 1)


def test_an_error_of_the_protocol_is_shown_beside_the_noise(shown: Callable[[], str]) -> None:
    loss = Loss(reset(), ValueError("the application's own"))
    assert "the application's own" in shown()
    assert loss.outcome == (1, True, 1)


def test_any_other_reset_is_still_reported(shown: Callable[[], str]) -> None:
    loop = asyncio.SelectorEventLoop()
    loop.set_exception_handler(event_loop.without_resets)

    def _call_connection_lost() -> None:
        raise ConnectionResetError("elsewhere")

    try:
        loop.call_soon(_call_connection_lost)  # the name alone does not count
        loop.call_exception_handler({"message": "in _call_connection_lost", "exception": ConnectionResetError("no handle")})
        loop.call_soon(loop.stop)
        loop.run_forever()
    finally:
        loop.close()
    assert "elsewhere" in shown() and "no handle" in shown()


def test_the_filter_is_there_where_the_proactor_loop_runs() -> None:
    handlers: list[Any] = []

    class ProactorEventLoop(asyncio.SelectorEventLoop):
        pass

    async def main() -> None:
        handlers.append(asyncio.get_running_loop().get_exception_handler())

    for factory in (ProactorEventLoop, asyncio.SelectorEventLoop):
        event_loop.run(main(), factory)
    assert handlers == [event_loop.without_resets, None]


def test_uvicorn_does_not_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows uvicorn 0.36 and newer takes the Proactor loop whatever the policy is. With ``loop="none"`` it takes none, and it serves on ours."""
    uvicorn = pytest.importorskip("uvicorn")
    from uvicorn.loops import asyncio as uvicorns

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(asyncio, "ProactorEventLoop", type("ProactorEventLoop", (), {}), raising=False)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        pass

    assert uvicorns.asyncio_loop_factory(use_subprocess=False) is asyncio.ProactorEventLoop  # type: ignore[attr-defined]
    config = uvicorn.Config(app, loop="none")
    assert config.get_loop_factory() is None
    monkeypatch.undo()
    found: list[str] = []

    class Loop(asyncio.SelectorEventLoop):
        pass

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            found.append(type(asyncio.get_running_loop()).__name__)
            self.should_exit = True

    with socket.create_server(("127.0.0.1", 0)) as listener:
        event_loop.run(Server(uvicorn.Config(app, loop="none", lifespan="off", log_level="warning")).serve(sockets=[listener]), Loop)
    assert found == ["Loop"]


def test_no_policy_anywhere() -> None:
    """Policies are deprecated from Python 3.14, gone in 3.16, and belong to the host."""
    files = [*(ROOT / "scripts").rglob("*.py"), ROOT / "main.py", ROOT / "preload.py"]
    assert not [path.name for path in files if re.search(r"set_event_loop_policy|EventLoopPolicy", path.read_text(encoding="utf-8"))]


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
