"""Updates and statistics as the page and the terminal have them: real HTTP, real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from civitai_manager_libs.application import Application
from civitai_manager_libs.web import routes
from support import ROOT, done, make_application, served

from demo.server import KEY, DemoServer

OURS = {"x-civitai-manager": "1"}
FIRST = 4_100_000


@pytest.fixture
def demo() -> Iterator[DemoServer]:
    with DemoServer(models=40, seed=1) as server:
        yield server


@pytest.fixture
def lora(demo: DemoServer) -> int:
    return next(FIRST + n for n in range(40) if demo.catalogue.model(FIRST + n)["type"] == "LORA")


@pytest.fixture
def application(tmp_path: Path, demo: DemoServer) -> Iterator[Application]:
    made = make_application(tmp_path, demo)
    made.start()
    yield made
    made.close()


@pytest.fixture
def url(application: Application) -> Iterator[str]:
    with served(application) as address:
        yield f"{address}{routes.PREFIX}"


def test_a_page_checks_lists_and_updates(application: Application, demo: DemoServer, url: str, lora: int) -> None:
    def post(path: str, **body: Any) -> Any:
        answer = requests.post(f"{url}/{path}", json=body, headers=OURS, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert requests.post(f"{url}/updates/check", json={}, timeout=30).status_code == 403, "another site's page"
    assert requests.post(f"{url}/updates/check", json={}, headers=OURS, timeout=30).status_code == 404, "nothing to check is said"
    assert requests.post(f"{url}/updates", json={"ids": []}, headers=OURS, timeout=30).status_code == 400
    old = Path(done(application, application.download_link(f"{demo.url}/models/{lora}"))["path"])
    version = demo.catalogue.publish(lora, "v9.0")
    assert done(application, post("updates/check")["job"])["with_updates"] == 1
    listed = requests.get(f"{url}/updates", params={"limit": 10}, timeout=30).json()
    assert listed["total"] == 1 and listed["items"][0]["newest"]["version_id"] == version["id"]
    assert requests.get(f"{url}/updates", params={"q": "no such thing"}, timeout=30).json()["total"] == 0
    assert requests.get(f"{url}/updates", params={"offset": "x", "limit": "-5"}, timeout=30).json()["total"] == 1
    post(f"models/{lora}/ignore", versions=[version["id"]])
    assert requests.get(f"{url}/updates", timeout=30).json()["total"] == 0
    post(f"models/{lora}/ignore", versions=[version["id"]], ignored=False)
    post("models/edit", ids=[lora], set={"follow": "none"})
    assert requests.get(f"{url}/updates", timeout=30).json()["total"] == 0
    post("models/edit", ids=[lora], set={"follow": "any"})
    begun = done(application, post("updates", ids=[lora])["job"])
    new = Path(done(application, begun["started"][0]["job"])["path"])
    assert new.exists() and old.exists(), "the default keeps the old file"
    told = requests.get(f"{url}/statistics", timeout=30).json()
    assert told["total"]["files"] == 2 and told["total"]["bytes"] == old.stat().st_size + new.stat().st_size
    assert told["types"][0]["name"] == "LORA" and told["drives"][0]["files"] == 2 and told["drives"][0]["free"] > 0


@pytest.fixture
def run(tmp_path: Path, demo: DemoServer) -> Callable[..., tuple[str, str]]:
    def command(*arguments: str, status: int = 0) -> tuple[str, str]:
        own = ["--data-dir", str(tmp_path / "data"), "--models-dir", str(tmp_path / "webui"), "--civitai-url", demo.url]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CIVITAI") and "proxy" not in name.lower()}
        environment = {**kept, "CIVITAI_API_KEY": KEY, "HOME": str(tmp_path), "CIVITAI_MANAGER_AFTER_UPDATE": "trash",
                       "CIVITAI_MANAGER_OWN_TRASH": "true"}  # fmt: skip
        ended = subprocess.run(
            [sys.executable, str(ROOT / "main.py"), *own, *arguments], capture_output=True, text=True, timeout=90, check=False, env=environment
        )
        assert ended.returncode == status and "Traceback" not in ended.stderr, ended.stderr + ended.stdout
        return ended.stdout, ended.stderr

    return command


def test_the_terminal_checks_updates_and_counts(run: Callable[..., tuple[str, str]], demo: DemoServer, lora: int) -> None:
    assert "no model to check" in run("updates", status=1)[1]
    old = Path(json.loads(run("download", f"{demo.url}/models/{lora}", "--json")[0])["result"]["path"])
    demo.catalogue.publish(lora, "v9.0")
    told, counted = run("updates")
    assert "-> v9.0" in told and "1 model checked with 1 request: 1 with updates" in counted and old.exists()
    document = json.loads(run("updates", "--apply", "--json")[0])
    assert document["check"]["with_updates"] == 1 and document["updates"][0]["newest"]["name"] == "v9.0"
    (one,) = document["applied"]["downloads"]
    assert one["state"] == "done" and Path(one["path"]).exists() and not old.exists(), "the way to the trash is waited for"
    told, counted = run("updates", "type:lora", "--apply")
    assert told == "" and "0 with updates" in counted
    told = run("stats")[0]
    assert "1 file," in told and "LORA" in told and "free)" in told and "which models are used is not recorded" in told
    assert json.loads(run("stats", "--json")[0])["total"]["files"] == 1


def test_the_terminal_says_what_was_left_out(run: Callable[..., tuple[str, str]], demo: DemoServer) -> None:
    pickle = next(FIRST + n for n in range(40) if demo.catalogue.model(FIRST + n)["type"] == "Upscaler")
    run("download", f"{demo.url}/models/{pickle}", "--yes")
    demo.catalogue.publish(pickle, "v9.0")
    assert "skipped" in run("updates", "--apply", status=1)[1]
    assert "done" in run("updates", "--apply", "--yes")[0]
