"""``import`` and ``export`` as a person types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import shapes
from support import NOWHERE, ROOT

from demo.catalogue import SPECIAL
from demo.server import KEY

CASE = SPECIAL["training_data_first"]


def run(folder: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "main.py"), "--data-dir", str(folder / "data"), "--models-dir", str(folder / "webui"), "--civitai-url", url]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CIVITAI") and "proxy" not in name.lower()}
    environment = {
        **kept,
        "CIVITAI_API_KEY": KEY,
        "HOME": str(folder),
        "CIVITAI_MANAGER_HTTP_RETRY_DELAY": "0.05",
        "CIVITAI_MANAGER_HTTP_TIMEOUT": "5",
    }
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, env=environment, cwd=folder)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_import_a_tools_folder(tmp_path: Path) -> None:
    folder = shapes.shortcut(tmp_path / "sc")
    dry = run(tmp_path, NOWHERE, "import", "civitai-shortcut", str(folder), "--dry-run")
    assert dry.returncode == 1 and "This is what would be done." in dry.stdout and "8 new" in dry.stdout
    assert "unreadable" in dry.stderr and "is cut off" in dry.stderr and "424242" in dry.stderr and "recipes: 4 new" in dry.stdout
    assert json.loads(run(tmp_path, NOWHERE, "list", "--json").stdout) == []
    real = json.loads(run(tmp_path, NOWHERE, "import", "civitai-shortcut", str(folder), "--json").stdout)
    assert real["models"]["new"] == 8 and real["dry_run"] is False and len(real["items"]) > 8
    assert len(json.loads(run(tmp_path, NOWHERE, "list", "--json").stdout)) == 8
    assert run(tmp_path, NOWHERE, "import", "nonsense", str(folder)).returncode == 2
    assert run(tmp_path, NOWHERE, "import", "lora-manager", str(tmp_path / "nowhere")).returncode == 2


def test_export_and_import_a_manifest(tmp_path: Path, demo: Any) -> None:
    assert run(tmp_path, demo.url, "download", str(CASE.model_id)).returncode == 0
    out = run(tmp_path, demo.url, "export", str(tmp_path / "library.json"))
    assert out.returncode == 0 and "1 model, 1 file of" in out.stdout
    other = tmp_path / "other"
    other.mkdir()
    told = run(other, demo.url, "import", "manifest", str(tmp_path / "library.json"))
    assert told.returncode == 0, told.stderr
    assert "1 missing" in told.stdout and "downloaded: 1" in told.stdout
    assert (other / "webui" / "models" / "Lora" / "featherOtter.safetensors").exists()
    again = json.loads(run(other, demo.url, "import", "manifest", str(tmp_path / "library.json"), "--json").stdout)
    assert again["result"]["here"] == 1 and "fetched" not in again["result"]
    assert run(other, demo.url, "export", str(other)).returncode == 2
