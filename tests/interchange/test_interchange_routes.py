"""What the page sends out and takes in: an export that is saved, a library that is sent, another tool's folder; over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import shapes
from civitai_manager_libs.actions.interchange.page import KEPT
from civitai_manager_libs.application import Application
from civitai_manager_libs.web import routes
from support import done, finished, make_application, served

from demo.catalogue import SPECIAL
from demo.server import DemoServer

OURS = {"x-civitai-manager": "1"}
MODELS = [SPECIAL[name].model_id for name in ("many_versions", "variants_same_name", "digit_username")]
TICKET = "0123456789ab"


@pytest.fixture
def application(running: Application) -> Application:
    return running


@pytest.fixture
def url(running: Application) -> Iterator[str]:
    with served(running) as address:
        yield f"{address}{routes.PREFIX}"


def post(url: str, path: str, body: Any = None, raw: bytes | None = None, status: int = 200, headers: dict[str, str] | None = None) -> Any:
    options: dict[str, Any] = {"data": raw} if raw is not None else {"json": body or {}}
    answer = requests.post(f"{url}/{path}", headers=OURS if headers is None else headers, timeout=20, **options)
    assert answer.status_code == status, answer.text
    return answer.json()


def saved(url: str, job: str) -> requests.Response:
    return requests.get(f"{url}/exports/{job}", timeout=20)


def test_a_selection_is_exported_saved_and_imported_elsewhere(application: Application, url: str, demo: DemoServer, tmp_path: Path) -> None:
    done(application, application.register("\n".join(map(str, MODELS))))
    application.edit_models(MODELS[:1], {"note": "for the poster"}, add_tags=["keeper"])
    job = post(url, "export", {"ids": MODELS[:2], "ticket": TICKET})["job"]
    assert job == TICKET == post(url, "export", {"ids": MODELS[:2], "ticket": TICKET})["job"]
    result = done(application, job)
    answer = saved(url, job)
    assert answer.status_code == 200 and f'filename="{Path(result["path"]).name}"' in answer.headers["content-disposition"]
    assert [one["id"] for one in answer.json()["models"]] == sorted(MODELS[:2])
    everything = post(url, "export", {})["job"]
    done(application, everything)
    assert len(saved(url, everything).json()["models"]) == 3

    other = make_application(tmp_path / "other", demo)
    other.start()
    try:
        with served(other) as address:
            there = f"{address}{routes.PREFIX}"
            sent = post(there, "import/file", raw=answer.content)
            assert sent["size"] == len(answer.content)
            dry = done(other, post(there, "import/library", {"file": sent["file"]})["job"])
            assert dry["dry_run"] and dry["models"]["new"] == 2 and other.cards()["total"] == 0, "looked at, and nothing taken"
            real = done(other, post(there, "import/library", {"file": sent["file"], "dry_run": False, "fetch": False})["job"])
            assert real["models"]["new"] == 2 and other.cards()["total"] == 2
            view = other.model_view(MODELS[0])
            assert view is not None and view["note"] == "for the poster" and view["own_tags"] == ["keeper"]
    finally:
        other.close()


def test_what_is_no_library_is_refused_and_not_kept(application: Application, url: str) -> None:
    folder = application.data_dir / "imports"
    for raw in (b"", b"\x89PNG", b'{"format": "something else"}', json.dumps({"models": []}).encode()):
        told = post(url, "import/file", raw=raw, status=400)["error"]
        assert "no library" in told["message"] and told["next_step"]
    assert list(folder.iterdir()) == []
    damaged = post(url, "import/file", raw=b'{"format": "civitai-manager-library", "version": 1, "models": [')["file"]
    view = finished(application, post(url, "import/library", {"file": damaged})["job"])
    assert view.state == "failed" and view.error and "damaged" in view.error["message"]
    for name in ("../settings.json", "../../etc/passwd", "nothing.json", "", "a\\b.json"):
        told = post(url, "import/library", {"file": name}, status=400)["error"]
        assert "not here any more" in told["message"]


def test_only_our_page_sends_and_only_exports_are_given_out(application: Application, url: str, tmp_path: Path) -> None:
    assert post(url, "import/file", raw=b"x", status=403, headers={})["error"]["code"] == "refused"
    assert post(url, "export", {}, status=403, headers={})["error"]["code"] == "refused"
    elsewhere = application.export_library(str(tmp_path / "private.json"))
    done(application, elsewhere)
    assert saved(url, elsewhere).status_code == 404, "an export of the command line is where it was wanted, and nowhere else"
    assert saved(url, "0" * 12).status_code == 404
    assert requests.get(f"{url}/import/reports/{elsewhere}", timeout=20).status_code == 404


def test_old_exports_make_room(application: Application, url: str) -> None:
    jobs = []
    for _ in range(KEPT + 2):
        jobs.append(post(url, "export", {})["job"])
        done(application, jobs[-1])
    assert len(list((application.data_dir / "exports").iterdir())) == KEPT
    assert saved(url, jobs[0]).status_code == 404 and saved(url, jobs[-1]).status_code == 200


def test_another_tool_is_looked_at_first(application: Application, url: str, tmp_path: Path) -> None:
    tools = requests.get(f"{url}/import/tools", timeout=20).json()["tools"]
    assert {"civitai-shortcut", "lora-manager", "stability-matrix"} <= {one["id"] for one in tools} and all(one["name"] for one in tools)
    folder = shapes.shortcut(tmp_path / "sc")
    job = post(url, "import/tool", {"tool": "civitai-shortcut", "path": f" {folder} ", "ticket": TICKET})["job"]
    assert job == TICKET
    dry = done(application, job)
    assert dry["dry_run"] and dry["models"]["new"] == 8 and application.cards()["total"] == 0
    report = requests.get(f"{url}/import/reports/{job}", timeout=20)
    assert report.headers["content-disposition"].startswith("attachment") and len(report.json()["items"]) > 8
    done(application, post(url, "import/tool", {"tool": "civitai-shortcut", "path": str(folder), "dry_run": False})["job"])
    assert application.cards()["total"] == 8
    for body in ({"tool": "none", "path": str(folder)}, {"tool": "all", "path": str(tmp_path / "nowhere")}, {"tool": "all", "path": " "}):
        assert post(url, "import/tool", body, status=400)["error"]["message"]
