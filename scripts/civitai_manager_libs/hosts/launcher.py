"""From the command line's words to a served application; ``--demo`` included."""

from __future__ import annotations

import argparse
import logging
import socket
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import platformdirs

from ..application import Application
from ..settings import SettingsStore, default_data_dir, default_file
from .standalone import StandaloneHost, serve

log = logging.getLogger(__name__)

DEMO_FOLDER = "civitai-manager-demo"
DEMO_PORTS = (7862, 7863)
DEMO_MODELS = 18
DEMO_DOWNLOADS = 3
DEMO_SECONDS = 120.0


def say(line: str) -> None:
    """A line for the person at the terminal, at once. What its encoding has no word for is escaped: no console may stop the start."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)  # noqa: T201 -- this is the program's voice


def make(arguments: argparse.Namespace, data_dir: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Application:
    """The application of the global options ``data_dir``, ``models_dir`` and ``civitai_url``; not started. ``overrides`` are further settings.

    Its data are in ``--data-dir``, else in ``data_dir``, else in the user's folders. Raises BadSetting.
    """
    chosen = dict(overrides or {})
    if arguments.models_dir:
        chosen["models_dir"] = str(arguments.models_dir.expanduser().absolute())
    if arguments.civitai_url and "civitai_url" not in chosen:
        chosen["civitai_url"] = arguments.civitai_url
    folder = arguments.data_dir.expanduser().absolute() if arguments.data_dir else data_dir
    settings = SettingsStore(folder / "settings.json" if folder else default_file(), overrides=chosen)
    return Application(folder or default_data_dir(), settings, StandaloneHost(settings, folder or default_data_dir()))


def launch(arguments: argparse.Namespace) -> None:
    """Serve until stopped. ``arguments``: as ``main.py`` parses them. Raises CivitaiManagerError when it cannot start."""
    started = None
    with ExitStack() as stack:
        if arguments.demo:
            application = make(arguments, Path(platformdirs.user_cache_dir(DEMO_FOLDER, appauthor=False)), demo_settings(stack))
            say(f"Demo: a small Civitai of our own runs on this computer, nothing leaves it. The demo's library is in {application.data_dir}")
            started = threading.Thread(target=furnish, args=(application,), name="demo-library", daemon=True).start
        else:
            application = make(arguments)
        host = "0.0.0.0" if arguments.listen else "127.0.0.1"
        serve(application, host, arguments.port, arguments.auth, arguments.event_loop, say=say, started=started)


def demo_settings(stack: ExitStack) -> dict[str, Any]:
    """Start the demo Civitai; it stops with ``stack``. Its ports stay the same where they can, because the library keeps the pictures' addresses."""
    from demo.server import KEY, DemoServer

    api, storage = DEMO_PORTS if all(map(free, DEMO_PORTS)) else (0, 0)
    server = stack.enter_context(DemoServer(models=40, seed=1, port=api, storage_port=storage))
    return {"civitai_url": server.url, "api_key": KEY, "proxy": ""}


def free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


def furnish(application: Application) -> None:
    """An empty demo library gets some models, a few of them downloaded, through the jobs that a person would start."""
    from demo.catalogue import FIRST

    try:
        if application.cards(limit=1)["total"]:
            return
        ids = FIRST[:DEMO_MODELS]
        wait(application, application.register("\n".join(str(number) for number in ids)))
        started = 0
        for number in ids:
            if started < DEMO_DOWNLOADS and download_first(application, number):
                started += 1
    except Exception:  # a demo without its library is still a demo; the log says why it is empty
        log.warning("civitai-manager: the demo's library could not be filled", exc_info=True)


def download_first(application: Application, model_id: int) -> bool:
    """Start the download of a model's first safe file, if it has one."""
    view = application.model_view(model_id)
    for version in (view or {}).get("versions", [])[:1]:
        for file in version["files"][:1]:
            if not file["risk"]:
                application.download(version["id"], file["id"])
                return True
    return False


def wait(application: Application, job: str | list[str]) -> None:
    """Until these jobs have ended, but not for ever."""
    wanted = {job} if isinstance(job, str) else set(job)
    until = time.monotonic() + DEMO_SECONDS
    while time.monotonic() < until:
        jobs = application.jobs.changes(0, "")["jobs"]
        if all(view["state"] in ("done", "failed", "cancelled") for view in jobs if view["id"] in wanted):
            return
        time.sleep(0.2)
