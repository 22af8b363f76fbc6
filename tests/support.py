"""What several tests need: an application on real folders, a host of a few folders, and ways to wait."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastapi
import uvicorn
from civitai_manager_libs.application import Application
from civitai_manager_libs.disk.placement import default_folders
from civitai_manager_libs.jobs.board import View
from civitai_manager_libs.settings import SettingsStore
from civitai_manager_libs.web import routes

from demo.server import KEY, DemoServer

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts"
PACKAGE = SCRIPTS / "civitai_manager_libs"
NOWHERE = "http://127.0.0.1:9"  # nothing listens there


class FolderHost:
    """A host (``host.Host``) whose folders are those of a WebUI in ``root``; ``refreshed`` and ``hashes`` collect what it was told."""

    name = "folders for a test"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.refreshed: list[set[str]] = []
        self.hashes: dict[str, tuple[str, int]] = {}

    def folders(self) -> dict[str, list[Path]]:
        return default_folders(self.root)

    def refresh(self, kinds: set[str]) -> None:
        self.refreshed.append(kinds)

    def language(self) -> str:
        return ""

    def known_sha256(self, path: Path, kind: str) -> str:
        known = self.hashes.get(str(path))
        return known[0] if known and known[1] == path.stat().st_mtime_ns else ""

    def remember_sha256(self, path: Path, kind: str, sha256: str, tensors: str = "") -> None:
        self.hashes[str(path)] = (sha256, path.stat().st_mtime_ns)

    def prompt_name(self, path: Path, kind: str) -> str:
        return path.stem


def make_application(folder: Path, demo: DemoServer | str, key: str = KEY, **settings: Any) -> Application:
    """An application that is not started: data in ``folder``/data, models in ``folder``/webui, Civitai at ``demo``."""
    overrides = {
        "civitai_url": demo if isinstance(demo, str) else demo.url, "api_key": key, "http_retry_delay": 0.05, "http_timeout": 10,
        "download_timeout": 5, **settings,
    }  # fmt: skip
    store = SettingsStore(folder / "settings.json", environ={}, overrides=overrides)
    return Application(folder / "data", store, FolderHost(folder / "webui"))


def finished(application: Application, job_id: str, seconds: float = 30.0) -> View:
    """The job's view when it has ended (or was paused); fails when it does not."""
    view = application.jobs.wait(job_id, seconds)
    assert view.state in ("done", "failed", "cancelled", "paused"), f"after {seconds:.0f} s: {view}"
    return view


def done(application: Application, job_id: str, seconds: float = 30.0) -> Any:
    """The result of a job that must go well."""
    view = finished(application, job_id, seconds)
    assert view.state == "done", f"{view.state}: {view.error}"
    return view.result


def failed(application: Application, job_id: str, seconds: float = 30.0) -> dict[str, Any]:
    """The error of a job that must fail."""
    view = finished(application, job_id, seconds)
    assert view.state == "failed", f"{view.state}: {view.result}"
    assert view.error is not None
    return view.error


def until(what: Callable[[], Any], seconds: float = 10.0, text: str = "what was waited for") -> Any:
    """The first true answer of ``what``; fails after ``seconds``."""
    end = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < end, f"{text} did not come within {seconds:.0f} s; last: {answer!r}"
        time.sleep(0.02)
    return answer


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def parts_below(folder: Path) -> list[Path]:
    """What unfinished downloads and writes leave."""
    return [path for path in folder.rglob("*") if ".part" in path.name or path.name.startswith(".cm-")]


@contextlib.contextmanager
def served(application: Application) -> Iterator[str]:
    """Our routes over real HTTP, for as long as this lasts; the server's address (they lie below ``routes.PREFIX``)."""
    app = fastapi.FastAPI()
    routes.add(app, lambda: application)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
