"""The bad line of the connection tests does what it says: real resets, real refusals, and the same port after an outage."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.hostapp.harness import free_port, until
from tests.hostapp.hostile import Hostile


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back whatever it gets; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        try:
            with connection:
                while data := connection.recv(4096):
                    connection.sendall(data)
        except OSError:
            pass

    def accept() -> None:
        try:
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
        except OSError:
            pass

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def connect(line: Hostile) -> socket.socket:
    return socket.create_connection(("127.0.0.1", line.port), timeout=10)


def says(connection: socket.socket, text: bytes) -> bytes:
    connection.sendall(text)
    return connection.recv(len(text))


def lives(connection: socket.socket) -> float:
    """Seconds until it is reset, while bytes move all the time."""
    begun = time.monotonic()
    with pytest.raises(ConnectionResetError):
        while says(connection, b"x"):
            time.sleep(0.02)
    return time.monotonic() - begun


def test_a_calm_line_passes_everything_and_an_end_in_either_direction(echo: int) -> None:
    with Hostile(echo) as line, connect(line) as connection:
        data = bytes(range(256)) * 4000
        threading.Thread(target=connection.sendall, args=(data,), daemon=True).start()
        got = b""
        while len(got) < len(data):
            got += connection.recv(65536)
        assert got == data
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
        assert (line.connections, line.resets, line.refused, line.outages) == (1, 0, 0, 0)


def test_every_connection_is_reset_at_a_random_age(echo: int) -> None:
    with Hostile(echo, seed=7) as line:
        early = connect(line)
        assert says(early, b"early") == b"early"
        line.reset_between(0.3, 0.8)
        ages = [lives(early), *(lives(connect(line)) for _ in range(2))]
        assert all(age > 0.25 for age in ages) and len({round(age, 2) for age in ages}) > 1, ages
        assert line.resets == line.connections == 3
        line.calm()
        with connect(line) as late:
            time.sleep(1)
            assert says(late, b"late") == b"late"


def test_an_idle_connection_is_reset_and_a_busy_one_is_not(echo: int) -> None:
    with Hostile(echo) as line:
        line.idle(0.6)
        with connect(line) as busy, connect(line) as silent:
            for _ in range(10):
                assert says(busy, b"still here") == b"still here"
                time.sleep(0.1)
            with pytest.raises(ConnectionResetError):
                silent.recv(1)
            assert line.resets == 1


def test_an_outage_resets_refuses_and_comes_back_on_the_same_port(echo: int) -> None:
    with Hostile(echo) as line, connect(line) as connection:
        assert says(connection, b"before") == b"before"
        line.outage(1)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
        with pytest.raises(ConnectionRefusedError):
            connect(line)
        until(lambda: line.is_up, 10)
        with connect(line) as after:
            assert says(after, b"after") == b"after"
        line.down()
        with pytest.raises(ConnectionRefusedError):
            connect(line)
        line.up()
        with connect(line) as again:
            assert says(again, b"again") == b"again"
        assert line.outages == 2 and line.resets >= 1


def test_a_server_that_does_not_listen_is_a_reset_not_a_silence() -> None:
    with Hostile(free_port()) as line:
        with pytest.raises(ConnectionResetError), connect(line) as connection:
            connection.recv(1)
        assert line.refused == 1
