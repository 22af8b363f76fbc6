from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator

import gradio
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from modules.shared_cmd_options import cmd_opts

GRADIO_MAJOR = int(gradio.__version__.split(".")[0])


def fix_asyncio_event_loop_policy() -> None:
    """A loop for whichever thread asks for one; on Windows the selector loop."""
    base = getattr(asyncio, "WindowsSelectorEventLoopPolicy", None) if sys.platform == "win32" else None

    class AnyThreadEventLoopPolicy(base or asyncio.DefaultEventLoopPolicy):
        def get_event_loop(self) -> asyncio.AbstractEventLoop:
            try:
                return super().get_event_loop()
            except (RuntimeError, AssertionError):
                self.set_event_loop(self.new_event_loop())
                return super().get_event_loop()

    asyncio.set_event_loop_policy(AnyThreadEventLoopPolicy())


def gradio_server_name() -> str | None:
    return cmd_opts.server_name or ("0.0.0.0" if cmd_opts.listen else None)


def get_gradio_auth_creds() -> Iterator[tuple[str, ...]]:
    for credentials in (cmd_opts.gradio_auth or "").split(","):
        if credentials.strip():
            yield tuple(credentials.strip().split(":", 1))


def configure_sigint_handler() -> None:
    """Ctrl-C ends the process at once, without any clean-up, as in the host."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))


def setup_middleware(app) -> None:
    if GRADIO_MAJOR < 4:  # AUTOMATIC1111: GZip works
        app.middleware_stack = None
        app.add_middleware(GZipMiddleware, minimum_size=1000)
        _add_cors(app)
        app.middleware_stack = app.build_middleware_stack()
    else:  # Forge: the built stack is thrown away
        app.user_middleware.insert(0, Middleware(GZipMiddleware, minimum_size=1000))
        _add_cors(app)
        app.build_middleware_stack()


def _add_cors(app) -> None:
    app.user_middleware.insert(0, Middleware(CORSMiddleware, allow_methods=["*"], allow_headers=["*"], allow_credentials=True))


def js(script: str) -> dict[str, str]:
    """A listener's script, under the name that this gradio gives it."""
    return {"_js" if GRADIO_MAJOR < 4 else "js": script}
