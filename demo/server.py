"""The demo Civitai as one object: two origins on two ports of this computer, started in threads of this process.

with DemoServer(models=40) as demo:
    requests.get(demo.url + "/api/v1/models/4100000")
    demo.fault("error", status=503, times=2)
"""

from __future__ import annotations

import collections
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any

import uvicorn

from .api import Api
from .catalogue import Catalogue
from .faults import Fault, Faults
from .gate import Gate
from .storage import StorageServer

KEY = "demo-key-0123456789abcdef"
DAY = 86_400.0


class DemoServer:
    """A Civitai of our own. `latency` (seconds) is waited before every answer; `expiry` is how long signed links live; port 0 means any free one.

    `requests` is the log: dicts with origin ("api" or "storage"), method, path, query, headers (a summary), key ("demo", "other" or ""), time,
    status, sent.
    """

    def __init__(
        self,
        models: int = 40,
        seed: int = 1,
        latency: float = 0.0,
        port: int = 0,
        storage_port: int = 0,
        *,
        era: str = "2026-08",
        host: str = "127.0.0.1",
    ) -> None:
        self.catalogue, self.faults, self.latency, self.expiry = Catalogue(models, seed, era), Faults(), latency, DAY
        self.keys, self._host = {KEY}, host
        self._log: collections.deque[dict[str, Any]] = collections.deque(maxlen=20_000)
        self._ports = [port, storage_port]
        self._api: tuple[uvicorn.Server, threading.Thread] | None = None
        self._storage: StorageServer | None = None
        for at in (0, 1):
            if not self._ports[at]:
                self._ports[at] = _free_port(host)

    @property
    def url(self) -> str:
        """The API origin, such as http://127.0.0.1:7862."""
        return f"http://{self._host}:{self._ports[0]}"

    @property
    def storage_url(self) -> str:
        """The origin of files and pictures."""
        return f"http://{self._host}:{self._ports[1]}"

    # Running

    def start(self) -> DemoServer:
        """Start whichever origin does not run; both come back on the ports they had."""
        self.start_storage()
        self.start_api()
        return self

    def stop(self) -> None:
        """Close both origins: connections are refused from then on."""
        self.stop_api()
        self.stop_storage()

    def __enter__(self) -> DemoServer:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start_api(self) -> None:
        if self._api:
            return
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self._host, self._ports[0]))
        listener.listen(128)
        config = uvicorn.Config(
            Gate(Api(self).app(), self), log_config=None, access_log=False, log_level="critical", server_header=False, lifespan="off", http="h11",
            ws="none",
            loop="asyncio", timeout_graceful_shutdown=1, timeout_keep_alive=30,
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="demo-api", daemon=True)
        thread.start()
        until = time.monotonic() + 10
        while not server.started:
            if time.monotonic() > until or not thread.is_alive():
                raise RuntimeError(f"the demo's API did not start on {self.url}")
            time.sleep(0.005)
        self._api = (server, thread)

    def stop_api(self) -> None:
        if self._api:
            server, thread = self._api
            server.should_exit = True
            thread.join(10)
            self._api = None

    def start_storage(self) -> None:
        if self._storage is None:
            self._storage = StorageServer(self, self._host, self._ports[1])

    def stop_storage(self) -> None:
        if self._storage:
            self._storage.close()
            self._storage = None

    # Switches and the log

    def fault(self, name: str, path: str = "", times: int | None = None, **options: Any) -> Fault:
        """Switch a fault on (see faults.NAMES): `path` a regular expression, `times` how often, then the fault's own options. Raises ValueError."""
        return self.faults.add(name, path, times, **options)

    def clear_faults(self) -> None:
        self.faults.clear()

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Requests seen, oldest first."""
        return list(self._log)

    def forget(self) -> None:
        """Empty the log."""
        self._log.clear()

    def note(self, origin: str, method: str, path: str, query: str, headers: Mapping[str, str]) -> dict[str, Any]:
        """Enter a request into the log; the caller adds the status."""
        keep = ("User-Agent", "Range", "If-Range", "Accept", "Referer", "Cookie", "Content-Type")
        given = headers.get("Authorization") or ""
        entry: dict[str, Any] = {
            "origin": origin, "method": method, "path": path, "query": query, "headers": {key: headers.get(key) for key in keep if headers.get(key)},
            "key": "" if not given else "demo" if given.partition(" ")[2] in self.keys else "other", "time": time.time(), "status": None,
        }  # fmt: skip
        self._log.append(entry)
        return entry


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
