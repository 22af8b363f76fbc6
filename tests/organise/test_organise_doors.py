"""The same through the doors: routes, the command line with the system's own trash, and what an update needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.actions.organise import replacing
from civitai_manager_libs.disk.sidecars import webui_json
from civitai_manager_libs.errors import Changed
from civitai_manager_libs.reporter import Plain
from civitai_manager_libs.web import routes
from support import ROOT, done, until

from .libraries import Library, application, tree

HEADERS = {"X-Civitai-Manager": "1"}


@pytest.fixture
def app(tmp_path: Path) -> Any:
    made = application(tmp_path)
    yield made
    made.close()


def test_plans_go_to_the_page_and_come_back(tmp_path: Path, app: Any) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    server = FastAPI()
    routes.add(server, lambda: app)
    client = TestClient(server)
    library = Library(tmp_path, app)
    record = library.add(1, sidecars=(".json", ".txt"))
    before = tree(tmp_path / "webui")

    def post(path: str, body: dict[str, Any], status: int = 200) -> Any:
        answer = client.post(f"{routes.PREFIX}{path}", json=body, headers=HEADERS)
        assert answer.status_code == status, answer.text
        return answer.json()

    assert client.post(f"{routes.PREFIX}/organise", json={}).status_code == 403
    for path, body in (("move", {"ids": [1]}), ("rename", {"file": record.id, "name": "x"}), ("delete", {"files": [record.id]})):
        plan = post(f"/plans/{path}", body)
        assert plan["count"] == 1 and tree(tmp_path / "webui") == before
        done(app, post("/organise", plan)["job"])
        assert tree(tmp_path / "webui") != before
        assert post("/organise", plan, 409)["error"]["code"] == "changed"
        done(app, post("/undo", {})["job"])
        assert tree(tmp_path / "webui") == before
    assert post("/plans/duplicates", {})["groups"] == post("/plans/orphans", {})["groups"] == []
    done(app, post("/organise", post("/plans/delete", {"ids": [1]}))["job"])
    files = client.get(f"{routes.PREFIX}/trash").json()["files"]
    done(app, post("/restore", {"ids": [file["id"] for file in files]})["job"])
    assert tree(tmp_path / "webui") == before
    assert len(client.get(f"{routes.PREFIX}/journal").json()["batches"]) == 8


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into the trash as the freedesktop specification places it")
def test_from_the_terminal_with_the_systems_trash(tmp_path: Path) -> None:
    app = application(tmp_path)
    Library(tmp_path, app).add(1, sidecars=(".json", ".txt"))
    app.close()
    before = tree(tmp_path / "webui")
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "share")}
    environment = {**os.environ, **home, "CIVITAI_MANAGER_SUBFOLDER_TEMPLATE": "{base_model}"}

    def run(*words: str, status: int = 0) -> Any:
        command = [sys.executable, str(ROOT / "main.py"), "--data-dir", str(tmp_path / "data"), "--models-dir", str(tmp_path / "webui"), "--json"]
        ended = subprocess.run([*command, *words], capture_output=True, text=True, timeout=60, env=environment, cwd=tmp_path)
        assert ended.returncode == status, ended.stdout + ended.stderr
        return json.loads(ended.stdout)

    assert run("move", "--dry-run")["files"] == 3 and tree(tmp_path / "webui") == before
    assert run("move")["result"]["files"] == 3 and (tmp_path / "webui/models/Lora/SD 1.5/model1.json").exists()
    run("undo")
    assert run("delete", "model", status=2)["count"] == 1 and tree(tmp_path / "webui") == before
    run("delete", "model", "--yes")
    assert not list((tmp_path / "webui").rglob("model1*")) and len(list((tmp_path / "share/Trash/files").iterdir())) == 3
    files = run("trash")
    assert [file["where"] for file in files] == ["system"] * 3
    run("restore", str(files[0]["id"]))
    run("undo")
    assert tree(tmp_path / "webui") == before and not list((tmp_path / "share/Trash/info").iterdir())
    assert run("orphans")["count"] == run("duplicates", "--keep-one", "--dry-run")["count"] == 0


def test_an_update_carries_over_what_the_person_set_and_only_then_lets_the_old_file_go(tmp_path: Path) -> None:
    app = application(tmp_path, after_update="trash")
    try:
        library = Library(tmp_path, app)
        old, new = library.add(1, "old", sidecars=(".preview.png",)), library.add(2, "new")
        theirs = {"activation text": "my own words", "preferred weight": 0.7, "notes": "works well", "negative text": "blurry", "vae": "", "x": 1}
        (library.root / "old.json").write_text(json.dumps(theirs))
        webui_json.write(library.root / "new.safetensors", description="of the new one", trained_words=["new word"], url="https://civitai.com/models/1")
        new.health = ""
        with pytest.raises(Changed):
            replacing.replace(app.services, old, new, Plain())
        new.health = "verified"
        job, notes = replacing.replace(app.services, old, new, Plain())
        done(app, job)
        content = json.loads((library.root / "new.json").read_text())
        assert notes == [] and content["activation text"] == "my own words" and content["preferred weight"] == 0.7
        assert content["notes"] == "works well\nhttps://civitai.com/models/1" and content["negative text"] == "blurry"
        assert content["description"] == "of the new one" and (library.root / "new.preview.png").read_bytes() == b"old .preview.png 1"
        assert not list(library.root.glob("old*")) and until(lambda: app.services.files.get(old.id).state == "deleted")
        done(app, app.undo())
        assert (library.root / "old.json").exists()
    finally:
        app.close()
