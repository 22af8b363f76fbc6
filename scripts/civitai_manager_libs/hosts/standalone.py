"""Alone in a browser: our own server around gradio, with model folders of a WebUI that is named or of our own."""

from __future__ import annotations

import errno
import inspect
import logging
import os
import signal
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..disk.placement import default_folders
from ..errors import UsageError
from ..settings import LOOPBACK, SettingsStore
from . import diagnostics
from . import event_loop as loops

log = logging.getLogger(__name__)

TITLE = "Civitai Manager"
STOP_SECONDS = 3
LOOK_EVERY = 0.02  # seconds between two looks of gradio's queue for events; from gradio 5 on it looks a thousand times a second, 5 % of a core


class StandaloneHost:
    """Model folders without a WebUI (``host.Host``): those of the WebUI in ``settings.models_dir``, or below ``data_dir``."""

    name = "standalone"

    def __init__(self, settings: SettingsStore, data_dir: Path) -> None:
        self._settings = settings
        self._data_dir = Path(data_dir)

    def language(self) -> str:
        return ""

    def folders(self) -> dict[str, list[Path]]:
        chosen = self._settings.current.models_dir
        return default_folders(Path(chosen).expanduser() if chosen else self._data_dir)

    def refresh(self, kinds: set[str]) -> None:
        """Nothing here keeps a list of files."""

    def known_sha256(self, path: Path, kind: str) -> str:
        return ""

    def remember_sha256(self, path: Path, kind: str, sha256: str, tensors: str = "") -> None:
        """Nothing here keeps hashes but the catalog."""

    def prompt_name(self, path: Path, kind: str) -> str:
        """As every WebUI understands it: the file's name."""
        return path.name if kind in ("checkpoint", "unet") else path.stem


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises UsageError when the port is taken or not allowed, with what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE or getattr(exc, "winerror", None) in (10048, 10013):
            raise UsageError(
                f"Port {port} is in use.",
                next_step=f"Is Civitai Manager running already? Open {address(host, port)}, or choose another port: --port {port + 1}",
            ) from None
        raise UsageError(f"The server cannot listen on {host}, port {port} ({exc.strerror}).", next_step="Choose another port: --port 7871") from None


def address(host: str, port: int) -> str:
    """The address to open in a browser on this computer."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}"


def theme() -> Any:
    """gradio's theme with the system's fonts: nothing is fetched from other sites."""
    import gradio as gr
    from gradio.themes.utils import fonts

    class SystemFont(fonts.Font):
        def __str__(self) -> str:
            return str(self.name)  # gradio quotes names, and a quoted "system-ui" is not the system's font

    return gr.themes.Default(
        font=[SystemFont("system-ui"), SystemFont("sans-serif")], font_mono=[SystemFont("ui-monospace"), SystemFont("monospace")]
    )


def create_app(application: Any, auth: tuple[str, str] | None = None) -> Any:
    """The FastAPI application: our routes first, then gradio's page at ``/``, behind the same login."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    import gradio as gr
    from fastapi import FastAPI
    from starlette.routing import Mount

    from ..ui.compat import queue_arguments
    from ..ui.native import Queueing
    from ..ui.tab import build, head
    from ..web import routes
    from .login import login_dependencies

    limits = queue_arguments()
    native = application.settings.current.native_progress
    blocks: Any = build(lambda: application, Queueing(native=native, limit=limits.get("default_concurrency_limit")))
    blocks.queue(**limits)
    queue: Any = getattr(blocks, "_queue", None)
    if hasattr(queue, "sleep_when_free"):
        queue.sleep_when_free = max(LOOK_EVERY, queue.sleep_when_free)
    app = FastAPI(title=TITLE, docs_url=None, redoc_url=None, openapi_url=None)
    options: dict[str, Any] = {"auth": auth, "ssr_mode": False, "show_error": True, "theme": theme(), "head": head(), "footer_links": []}
    known = inspect.signature(gr.mount_gradio_app).parameters
    for name in ("theme", "head"):
        if name not in known:  # before gradio 6: attributes of the page
            setattr(blocks, name, options[name])
    if "auth" not in known and auth is not None:  # gradio 3: the page's own; without this there would be no login
        blocks.auth, blocks.auth_message = [auth], None
    gr.mount_gradio_app(app, blocks, path="/", **{name: value for name, value in options.items() if name in known})
    mounts: list[Any] = [route for route in app.router.routes if isinstance(route, Mount)]
    page = mounts[-1].app
    place = diagnostics.Place("standalone", blocks, page, settings=application.settings)
    routes.add(app, lambda: application, login_dependencies(page), partial(diagnostics.report, lambda: application, place))
    # The page answers every path, so it comes last. (It must be mounted first: our routes need its login.)
    app.router.routes[:] = [*(route for route in app.router.routes if route not in mounts), *mounts]
    return app


def serve(
    application: Any,
    host: str = "127.0.0.1",
    port: int = 7861,
    auth: tuple[str, str] | None = None,
    event_loop: str = "auto",
    say: Callable[[str], None] = log.info,
    started: Callable[[], None] | None = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM, then close the application. ``say`` gets lines for the person; ``started`` is called when the server listens.

    Raises UsageError when the port cannot be had; the application was not started then.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            say(f"Civitai Manager is ready: {address(host, port)}")
            if started is not None:
                started()

    listener = listen(host, port)
    port = listener.getsockname()[1]
    if host not in LOOPBACK and auth is None:
        say(
            "WARNING: everyone who can reach this computer over the network can use this page without a login: see the library, download to this "
            "computer, change the settings, and use your key. Add a login: --auth NAME:PASSWORD"
        )
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        application.start()
        config = uvicorn.Config(
            create_app(application, auth), loop="none", log_level="warning", access_log=False, timeout_graceful_shutdown=STOP_SECONDS
        )
        loops.run(Server(config).serve(sockets=[listener]), loops.loop_factory(event_loop))
    except KeyboardInterrupt:
        say("Stopping ...")
    finally:
        application.close()
        listener.close()
        signal.signal(signal.SIGTERM, previous)


def _interrupt(number: int, frame: Any) -> None:
    """SIGTERM ends like Ctrl-C: uvicorn raises the signal again after its own shutdown, and its default would skip ours."""
    raise KeyboardInterrupt
