"""A bad line between a browser and a server: a TCP proxy that resets connections as proxies, routers and sleeping laptops do.

    with Hostile(app.port) as line:
        line.reset_between(2, 6)
        line.idle(10)
        page = browser.open(line.url)

It runs in one thread of the test's process. What it did is counted, so that a test can be sure that the disturbance really happened.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

TICK = 0.05
RST = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset and drops what is not sent yet


class Connection:
    """A connection from the browser, and the one to the server that belongs to it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writers = reader, [writer]
        self.moved = time.monotonic()
        self.until: float | None = None
        self.over = False

    def reset(self) -> None:
        """Both ends get a real RST."""
        self.over = True
        for writer in self.writers:
            transport: Any = writer.transport
            try:
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
            except OSError:
                pass  # closed already
            transport.abort()


class Hostile:
    """In front of the server at ``port``. ``connections``: accepted so far; ``resets``: ended by this line while both ends still wanted them;
    ``refused``: came while the server itself did not listen; ``outages``: how often the line was down.
    """

    def __init__(self, port: int, *, seed: int | None = None) -> None:
        self.server_port = port
        self.connections = self.resets = self.refused = self.outages = 0
        self.seed = random.randrange(1 << 32) if seed is None else seed
        self._random = random.Random(self.seed)
        self._ages: tuple[float, float] | None = None
        self._idle: float | None = None
        self._open: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._placeholder = self._bound(0)
        self.port = int(self._placeholder.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hostile line", daemon=True)

    # -- what a test asks for

    def reset_between(self, low: float, high: float) -> None:
        """Every connection, also those that are open already, is reset so many seconds from its beginning (or from now)."""

        def act() -> None:
            self._ages = (low, high)
            for connection in self._open:
                connection.until = time.monotonic() + self._random.uniform(low, high)

        self._call(act)

    def idle(self, seconds: float) -> None:
        """A connection on which no byte moved for so long, in either direction, is reset."""

        def act() -> None:
            self._idle = seconds
            for connection in self._open:
                connection.moved = time.monotonic()

        self._call(act)

    def calm(self) -> None:
        """From now on a good line."""

        def act() -> None:
            self._ages = self._idle = None
            for connection in self._open:
                connection.until = None

        self._call(act)

    def down(self) -> None:
        """Reset what is open, refuse what comes."""
        self._call(self._go_down)

    def up(self) -> None:
        """Listen again, on the same port."""
        asyncio.run_coroutine_threadsafe(self._go_up(), self._loop).result(10)

    def outage(self, seconds: float) -> None:
        """Down now, and up by itself after so many seconds. Does not wait."""

        def act() -> None:
            self._go_down()
            self._loop.call_later(seconds, lambda: self._loop.create_task(self._go_up()))

        self._call(act)

    @property
    def is_up(self) -> bool:
        return self._server is not None

    # -- life

    def __enter__(self) -> Hostile:
        print(f"hostile line: seed {self.seed}")
        self._thread.start()
        self.up()
        self._watcher = asyncio.run_coroutine_threadsafe(self._watch(), self._loop)
        return self

    def __exit__(self, *exc: object) -> None:
        async def end() -> None:
            self._go_down()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._placeholder.close()

    def _call(self, act: Callable[[], None]) -> None:
        async def run() -> None:
            act()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    # -- in the loop's thread

    def _bound(self, port: int) -> socket.socket:
        """A socket that has the port and does not listen: whoever connects is refused, and no other program takes the number."""
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
        return made

    async def _go_up(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, sock=self._placeholder, backlog=128)

    def _go_down(self) -> None:
        if self._server is None:
            return
        self.outages += 1
        self._server.close()
        self._server = None
        self._placeholder = self._bound(self.port)
        for connection in list(self._open):
            self._reset(connection)

    def _reset(self, connection: Connection) -> None:
        if not connection.over:
            self.resets += 1
            connection.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        self.connections += 1
        if self._server is None:  # it was on its way when the line went down
            connection.reset()
            return
        if self._ages is not None:
            connection.until = time.monotonic() + self._random.uniform(*self._ages)
        self._open.add(connection)
        try:
            await self._serve(connection)
        except asyncio.CancelledError:
            pass  # the line itself ends; Python 3.11 would complain about a cancelled connection
        finally:
            self._open.discard(connection)
            connection.over = True
            for end in connection.writers:
                end.close()

    async def _serve(self, connection: Connection) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            self.refused += 1
            connection.reset()
            return
        connection.writers.append(writer)
        if connection.over:
            connection.reset()
            return
        await asyncio.gather(self._pump(connection, connection.reader, writer), self._pump(connection, reader, connection.writers[0]))

    async def _pump(self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, to its end. When one end breaks, the other is told by a reset, as if there were nothing between them."""
        try:
            while data := await reader.read(65536):
                connection.moved = time.monotonic()
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:
            connection.reset()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            for connection in list(self._open):
                aged = connection.until is not None and now >= connection.until
                silent = self._idle is not None and now - connection.moved >= self._idle
                if aged or silent:
                    self._reset(connection)
