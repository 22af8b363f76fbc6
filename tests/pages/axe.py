"""axe-core in the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import axe_playwright_python

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
LOOK = "within => axe.run(within, {resultTypes: ['violations']})"


def findings(page: Any, within: str = "#civitai_manager") -> list[str]:
    """What axe-core calls serious or critical in a part of the page."""
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(AXE)
    found = page.evaluate(LOOK, within)["violations"]
    return [
        f"{one['impact']}: {one['id']} ({one['help']}): {node['target']} {node['html'][:120]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
