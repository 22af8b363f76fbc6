"""An application without a network: what importers do, they do offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import NOWHERE, make_application


@pytest.fixture
def offline(tmp_path: Path) -> Any:
    application = make_application(tmp_path, NOWHERE, http_timeout=1)
    application.start()
    yield application
    application.close()


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    """The host's folder of networks."""
    return tmp_path / "webui" / "models" / "Lora"
