"""Paths for every test: the package as the host sees it (``scripts/`` first), the demo Civitai and the host-shaped app from the root."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "scripts"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import pytest  # noqa: E402


@pytest.fixture(scope="session")
def demo_server():
    """One demo Civitai for all tests that share one; use ``demo``, which starts each test without faults."""
    from demo.server import DemoServer

    with DemoServer(models=40, seed=1) as server:
        yield server


@pytest.fixture
def demo(demo_server):
    def calm() -> None:
        demo_server.clear_faults()
        demo_server.forget()
        demo_server.latency, demo_server.expiry = 0.0, 86_400.0
        demo_server.start()

    calm()
    yield demo_server
    calm()


@pytest.fixture
def running(tmp_path, demo):
    """A started application on the demo, with its data below ``tmp_path``."""
    from support import make_application

    application = make_application(tmp_path, demo)
    application.start()
    yield application
    application.close()
