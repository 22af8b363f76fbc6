"""The host's own ways to run, each behind a line that resets every connection after 2 to 6 seconds: what is pressed comes out, once."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hostapp.harness import Browser, Webui, open_tab
from tests.hostapp.hostile import Hostile
from tests.hostapp.proxy import Proxy
from tests.hosts.test_host_page import generate
from tests.pages import steps

MODELS = range(4_100_000, 4_100_008)
CONSOLE = ("ERR_CONNECTION_", "ERR_EMPTY_RESPONSE", "ERR_SOCKET_NOT_CONNECTED", "ERR_INCOMPLETE")


@contextlib.contextmanager
def in_front(app: Webui, below: str) -> Iterator[Hostile]:
    """The bad line, before a reverse proxy when the app is below a path."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(Proxy(app.url, below)).port if below else app.port
        yield stack.enter_context(Hostile(port))


def log_in(page: Any, url: str) -> None:
    page.goto(url)
    page.get_by_label("username").fill("ada")
    page.get_by_label("password").fill("secret")
    page.get_by_role("button", name="Login").click()
    page.wait_for_selector("#tabs", timeout=30_000)


@pytest.mark.parametrize("arguments", [["--no-gradio-queue"], ["--gradio-auth", "ada:secret"], ["--subpath", "sd"]], ids=lambda found: found[0])
def test_what_is_pressed_comes_out_once(tmp_path: Path, demo: Any, arguments: list[str]) -> None:
    below = "sd" if "--subpath" in arguments else ""
    demo.forget()
    demo.latency = 1.0  # so that the work outlives some connections
    with Webui(tmp_path, demo, arguments=arguments) as app, in_front(app, below) as line, Browser() as browser:
        url = f"{line.url}/{below}/" if below else line.url
        page = browser.page()
        if "--gradio-auth" in arguments:
            log_in(page, url)
        steps.arrive(page, line, url)
        browser.errors.clear()  # before a login, and below a path, gradio itself asks for what is not there
        watch = steps.Watch(page)
        steps.register(page, "\n".join(map(str, MODELS)))
        page.wait_for_selector(".cm-tray-summary:has-text('1 running')", timeout=20_000)
        page.wait_for_selector(".cm-tray-summary:has-text('No job is running, 1 finished')", timeout=60_000)
        page.wait_for_selector(f".cm-count:text-is('{len(MODELS)} models')", timeout=30_000)
        asked = collections.Counter(entry["path"] for entry in demo.requests if entry["path"].startswith("/api/v1/models/"))
        assert asked == {f"/api/v1/models/{number}": 1 for number in MODELS}
        watch.check()
        assert [error for error in browser.errors if not any(word in error for word in CONSOLE)] == []
        assert line.resets
        line.calm()
        if not below:  # the proxy of these tests passes no WebSocket, which gradio 3 wants for a queued event
            open_tab(page, "txt2img")
            generate(page, "a heron")
            watch.check()
    demo.latency = 0.0
