"""A library of 10,000 files in five roots: the first scan, and the one that finds nothing new."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

FILES = 10_000
ROOTS = ("models/Lora", "models/Stable-diffusion", "models/VAE", "embeddings", "models/ESRGAN")


def fill(root: Path) -> None:
    """Tiny safetensors files, no two alike, with the sidecars that such folders have."""
    for number in range(FILES):
        body = random.Random(number).randbytes(300)
        header = json.dumps({"w": {"dtype": "U8", "shape": [300], "data_offsets": [0, 300]}}).encode()
        path = root / ROOTS[number % 5] / f"folder {number % 50}" / f"{number}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(len(header).to_bytes(8, "little") + header + body)
        path.with_suffix(".preview.png").touch()
        path.with_suffix(".json").write_text("{}")


def measure(made: Any, root: Path) -> list[tuple[str, str, str]]:
    fill(root)
    times, result = [], {}
    for _ in range(4):
        began = time.perf_counter()
        view = made.jobs.wait(made.scan(), 900)
        times.append(time.perf_counter() - began)
        assert view.state == "done" and view.result["files"] == FILES, view
        result = result or view.result
    return [
        (f"first scan of {FILES} files", f"{times[0]:.1f} s, {result['requests']} requests", "-"),
        ("second scan, nothing changed", f"{min(times[1:]):.2f} s", "under 1 s"),
    ]
