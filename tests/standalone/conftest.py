from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.server import DemoServer


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoServer]:
    with DemoServer(models=10) as server:
        yield server
