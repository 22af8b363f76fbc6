"""``scan``, ``verify`` and ``duplicates`` as real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from libraries import bytes_of, made_up, published, write
from support import ROOT

from demo.server import KEY


def test_scan_verify_and_duplicates(tmp_path: Path, demo: Any) -> None:
    def run(*arguments: str, status: int = 0) -> tuple[str, str]:
        own = ["--data-dir", str(tmp_path / "data"), "--models-dir", str(tmp_path / "webui"), "--civitai-url", demo.url]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CIVITAI") and "proxy" not in name.lower()}
        done = subprocess.run(
            [sys.executable, str(ROOT / "main.py"), *own, *arguments], capture_output=True, text=True, timeout=60, check=False,
            env={**kept, "CIVITAI_API_KEY": KEY, "HOME": str(tmp_path)},
        )  # fmt: skip
        assert done.returncode == status and "Traceback" not in done.stderr, done.stderr + done.stdout
        return done.stdout, done.stderr

    model, _, file = next(published(demo))
    folder = tmp_path / "webui/models/Lora"
    for name in ("a", "b"):
        write(folder / f"{name}.safetensors", bytes_of(file))
    mine = write(folder / "mine.safetensors", made_up(1))
    write(folder / "left.safetensors.part", b"x")
    told, _ = run("scan")
    assert "3 files: 2 identified, 1 not on Civitai" in told and "3 new, 0 moved, 0 missing, 0 truncated, 3 requests" in told
    assert "left.safetensors.part" in told and "of another program" in told
    document = json.loads(run("scan", str(folder), "--json")[0])
    assert (document["state"], document["result"]["files"], document["result"]["new"]) == ("done", 3, 0)
    (group,) = json.loads(run("duplicates", "--json")[0])
    assert [Path(path).name for path in group["paths"]] == ["a.safetensors", "b.safetensors"]
    assert "2 times" in run("duplicates")[0]
    assert "3 of 3 files verified" in run("verify")[1]
    status = mine.stat()
    mine.write_bytes(made_up(1)[:-1] + b"?")
    os.utime(mine, ns=(status.st_atime_ns, status.st_mtime_ns))
    told, _ = run("verify", "mine", status=1)
    assert "wrong" in told and "mine.safetensors" in told
    assert json.loads(run("verify", "--json", status=1)[0])["result"]["verified"] == 2
    assert "not a folder" in run("scan", str(tmp_path / "none"), status=2)[1]
    assert "no file to verify" in run("verify", "no such model", status=1)[1]
    assert model["id"] in [card["id"] for card in json.loads(run("list", "is:downloaded", "--json")[0])]
