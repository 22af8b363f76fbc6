"""The host executes our script as it does: beside a package of the same name, without a dependency, without starting anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import requests

from tests.hostapp import events
from tests.hostapp.harness import EXTENSION, Webui, audit, until

TAB = "Civitai Manager"


def page_config(app: Webui) -> str:
    return app.get("/config").text


def test_the_tab_is_there_beside_a_package_of_the_same_name(tmp_path: Path, demo: Any) -> None:
    with Webui(tmp_path, demo, others=["civitai-shortcut"]) as app:
        assert app.status()["tabs"] == ["txt2img", "img2img", "Extras", TAB, "Civitai Shortcut", "Settings"]
        config = page_config(app)
        assert "civitai_manager" in config
        assert "loaded from civitai-shortcut" in config
        assert "***" not in app.log()


def test_a_taken_name_is_one_clear_error_and_the_host_works(tmp_path: Path, demo: Any) -> None:
    with Webui(tmp_path, demo, others=["a-name-taken"]) as app:
        assert app.status()["tabs"] == ["txt2img", "img2img", "Extras", "Name taken", "Settings"]
        assert "loaded from name-taken" in page_config(app)
        log = app.log()
        assert log.count("Civitai Manager: its tab is not added, because another extension uses the name civitai_manager_libs") == 1
        assert "a-name-taken" in log
        assert "Traceback" not in log


def test_a_missing_dependency_is_one_clear_error_and_the_host_works(tmp_path: Path, demo: Any) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "nh3.py").write_text("raise ModuleNotFoundError(\"No module named 'nh3'\", name='nh3')\n")
    with Webui(tmp_path / "app", demo, environment={"PYTHONPATH": str(blocked)}) as app:
        assert app.status()["tabs"] == ["txt2img", "img2img", "Extras", "Settings"]
        log = app.log()
        assert log.count("Civitai Manager: its tab is not added, because the Python package nh3 is missing") == 1
        assert "pip install" in log
        assert "Traceback" not in log


def test_the_start_is_quiet(tmp_path: Path, demo: Any) -> None:
    """No connection, no look-up, no process by us, and no pip; a request shows that the record works."""
    record, pip_log = tmp_path / "audit.txt", tmp_path / "pip.txt"
    before = len(demo.requests)
    with Webui(tmp_path / "app", demo, arguments=["--hostapp-audit", str(record)], environment={"PIP_LOG": str(pip_log)}) as app:
        ours = [line for line in audit(record) if any(f"/{EXTENSION}/" in file for file in line["stack"])]
        assert ours == []
        assert len(demo.requests) == before
        assert not pip_log.exists()
        assert app.register("4100000")["state"] == "done"
        assert any(f"/{EXTENSION}/" in file for line in audit(record) for file in line["stack"])


def test_reload_ui_leaves_one_engine_and_loses_no_job(tmp_path: Path, demo: Any) -> None:
    with Webui(tmp_path, demo) as app:

        def ours() -> list[str]:
            return [name for name in app.status()["threads"] if "civitai" in name]

        engine = ours()
        assert engine
        assert app.register("4100000")["state"] == "done"
        demo.latency = 0.7
        try:
            answer = app.post("/civitai-manager/register", json={"text": "4100001\n4100002\n4100003\n4100004\n4100005"})
            assert answer.status_code == 200, answer.text
            app.reload()
            app.reload()
            assert app.status()["reloads"] == 2
            assert sum(name == engine[0] for name in ours()) == 1
        finally:
            demo.latency = 0.0
        until(lambda: [job["state"] for job in app.jobs()] == ["done", "done"], 30, "the end of both jobs")
        assert len(app.cards()) == 6
        assert app.status()["tabs"].count(TAB) == 1
        assert "***" not in app.log()


def test_routes_are_behind_the_hosts_login(tmp_path: Path, demo: Any) -> None:
    with Webui(tmp_path, demo, arguments=["--gradio-auth", "ada:secret"]) as app:
        reads = [f"/civitai-manager/{name}" for name in ("jobs?since=0", "cards", "thumbnail/4100000", "diagnostics")]
        for path in reads:
            assert app.get(path).status_code == 401, path
        assert app.post("/civitai-manager/register", json={"text": "4100000"}).status_code == 401
        assert app.post("/civitai-manager/reach", json={"text": ""}).status_code == 401
        assert app.post("/civitai-manager/jobs/none/cancel").status_code == 401
        session = requests.Session()
        assert session.post(f"{app.url}/login", data={"username": "ada", "password": "secret"}, timeout=10).status_code == 200
        assert app.register("4100000", session)["state"] == "done"
        for path in reads:
            assert app.get(path, session).status_code == 200, path
        app.reload()
        assert app.get("/civitai-manager/cards").status_code == 401


@pytest.mark.parametrize("native", ["false", "true"])
def test_without_a_queue_and_below_a_path(tmp_path: Path, demo: Any, native: str) -> None:
    """Also with gradio's own bar wanted: without the queue it is not possible (gradio 3 would not start), so there is none."""
    environment = {"CIVITAI_MANAGER_NATIVE_PROGRESS": native}
    with Webui(tmp_path, demo, arguments=["--no-gradio-queue", "--subpath", "sd"], environment=environment) as app:
        assert TAB in app.status()["tabs"]
        assert app.register("4100000")["state"] == "done"
        assert not has_bar(app)
        sections = app.get("/civitai-manager/diagnostics").json()["sections"]
        queue = next(section["rows"] for section in sections if section["title"] == "Queue")
        assert queue[0][:2] == ["queue", "off" if gr.__version__.startswith("3.") else "on"], "from gradio 4 on it cannot be off"


def test_the_bar_is_a_setting_of_the_next_start(tmp_path: Path, demo: Any) -> None:
    """It is read before the application starts, from the file, and again at each "Reload UI"."""
    app = Webui(tmp_path, demo)
    app.data_dir.mkdir()
    file = app.data_dir / "settings.json"
    file.write_text('{"native_progress": true}')
    with app:
        assert has_bar(app)
        file.write_text('{"native_progress": false}')
        assert has_bar(app)
        app.reload()
        assert not has_bar(app)
        assert "***" not in app.log()


def has_bar(app: Webui) -> bool:
    """Whether something of ours is drawn through the host's queue when a registration was started."""
    config = events.page_config(app.url)
    place = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "cm_started")
    return any(one["queue"] is not False and one["outputs"] == [place] for one in config["dependencies"])


def test_without_a_page_nothing_is_started(tmp_path: Path, demo: Any) -> None:
    """``--nowebui``: the API alone, which is not behind the page's login."""
    app = Webui(tmp_path, demo, arguments=["--nowebui"])
    app.is_ready = lambda response: response.status_code == 200  # type: ignore[method-assign]
    with app:
        assert app.get("/civitai-manager/cards").status_code == 404
        assert not any("civitai" in name for name in app.status()["threads"])


def test_settings_stay_outside_of_what_the_host_serves(tmp_path: Path, demo: Any) -> None:
    app = Webui(tmp_path, demo)
    app.data_dir = app.data_path / "civitai"
    with app:
        assert app.register("4100000")["state"] == "done"
        assert not list(app.data_path.rglob("settings.json"))
        assert "lies in the WebUI's own folder" in app.log()
