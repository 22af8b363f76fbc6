"""One running product for all page tests of a gradio: in the app shaped like the host on 3.41.2 and 4.40, alone on the current one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from demo.server import DemoServer
from tests.hostapp.harness import Browser, Process, Standalone, Webui
from tests.pages import screens

IN_HOST = int(gr.__version__.split(".")[0]) < 5


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is marked "once" touches nothing that gradio draws: it is driven on the current gradio only."""
    for item in items:
        if IN_HOST and item.get_closest_marker("once"):
            item.add_marker(pytest.mark.skip(reason="driven on the current gradio: nothing of it is gradio's"))


@pytest.fixture(scope="session")
def demo() -> Iterator[DemoServer]:
    with DemoServer(models=24, seed=1) as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def make_app(demo: DemoServer) -> Any:
    """A product of this gradio's kind in a folder of its own."""

    def make(folder: Path, demo: Any = demo, **options: Any) -> Process:
        return (Webui if IN_HOST else Standalone)(folder, demo, **options)

    return make


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory, make_app: Any) -> Iterator[Process]:
    with make_app(tmp_path_factory.mktemp("pages")) as running:
        yield running


@pytest.fixture(scope="session")
def furnished(make_app: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A product with something of everything, for those who look at all screens."""
    folder = tmp_path_factory.mktemp("furnished")
    screens.settings_for(folder)
    with make_app(folder) as running:
        screens.furnish(running)
        yield running


@pytest.fixture(autouse=True)
def clear(demo: DemoServer, browser: Browser) -> Iterator[None]:
    """No test leaves faults, errors or pages to the next."""
    demo.clear_faults()
    browser.errors.clear()
    yield
    demo.clear_faults()
    browser.forget()
