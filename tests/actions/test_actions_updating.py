"""Updates: the new file first, whole and verified; then what the person set beside the old one; the old one last, or never."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.actions import updating
from civitai_manager_libs.application import Application
from civitai_manager_libs.catalog.files import LocalFile
from civitai_manager_libs.civitai import payloads
from support import ROOT, done, finished, make_application, parts_below, sha256

from demo import build
from demo.server import KEY, DemoServer

FIRST = 4_100_000
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(64)


@pytest.fixture
def demo() -> Iterator[DemoServer]:
    with DemoServer(models=40, seed=1) as server:
        yield server


@pytest.fixture
def application(tmp_path: Path, demo: DemoServer) -> Iterator[Application]:
    made = make_application(tmp_path, demo, after_update="trash", own_trash=True)
    made.start()
    yield made
    made.close()


def of_type(demo: DemoServer, kind: str) -> int:
    return next(FIRST + n for n in range(40) if demo.catalogue.model(FIRST + n)["type"] == kind)


def fetch(application: Application, demo: DemoServer, model: int, **options: Any) -> Path:
    """Download the model's newest version; where it is."""
    return Path(done(application, application.download_link(f"{demo.url}/models/{model}", **options))["path"])


def check(application: Application) -> dict[str, Any]:
    return dict(done(application, application.check_updates()))


def update(application: Application, *models: int, **options: Any) -> dict[str, Any]:
    return dict(done(application, application.update(models, **options)))


def test_the_new_version_takes_the_place_of_the_old_one(application: Application, demo: DemoServer, tmp_path: Path) -> None:
    model = of_type(demo, "LORA")
    folder = tmp_path / "webui/models/Lora/mine"
    old = fetch(application, demo, model, folder=str(folder))
    for preview in folder.glob("*.preview.*"):
        preview.unlink()
    old.with_suffix(".preview.png").write_bytes(PICTURE)
    card = old.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), "preferred weight": 0.7, "notes": "my own words"}))
    application.edit_models([model], {"note": "of the model"})
    version = demo.catalogue.publish(model, "v9.0")
    assert check(application)["with_updates"] == 1
    begun = update(application, model)
    assert begun["skipped"] == [] and len(begun["started"]) == 1
    assert begun["started"][0]["replaces"] == str(old)
    result = done(application, begun["started"][0]["job"])
    new = Path(result["path"])
    assert new.parent == folder and new != old and sha256(new) == result["sha256"] and result["verified"]
    assert result["version_id"] == version["id"] and result["replaced"]["path"] == str(old)
    done(application, result["replaced"]["job"])
    assert not old.exists() and not card.exists(), "what lies beside it goes with it"
    assert new.with_suffix(".preview.png").read_bytes() == PICTURE and len(list(folder.glob("*.preview.*"))) == 1
    words = json.loads(new.with_suffix(".json").read_text())
    assert words["preferred weight"] == 0.7 and "my own words" in words["notes"]
    assert [entry["path"] if "path" in entry else entry["source"] for entry in application.trash()], "it can be given back"
    assert application.updates()["total"] == 0
    assert application.services.models.row(model)["note"] == "of the model"
    skipped = update(application, model)["skipped"]
    assert skipped[0]["code"] == "nothing_to_download"


def test_the_old_file_stays_when_the_setting_says_so(demo: DemoServer, tmp_path: Path) -> None:
    application = make_application(tmp_path, demo, after_update="keep")
    application.start()
    try:
        model = of_type(demo, "LORA")
        old = fetch(application, demo, model)
        demo.catalogue.publish(model, "v9.0")
        check(application)
        result = done(application, update(application, model)["started"][0]["job"])
        assert result["replaced"]["job"] == "" and old.exists() and Path(result["path"]).exists()
        assert application.updates()["total"] == 0
    finally:
        application.close()


@pytest.mark.parametrize("fault", ["wrong_bytes", "forbidden"])
def test_a_failed_update_leaves_the_old_file_untouched(application: Application, demo: DemoServer, fault: str) -> None:
    model = of_type(demo, "LORA")
    old = fetch(application, demo, model)
    before = {path: path.read_bytes() for path in old.parent.iterdir()}
    demo.catalogue.publish(model, "v9.0")
    check(application)
    demo.fault(fault)
    job = update(application, model)["started"][0]["job"]
    assert finished(application, job).state == "failed"
    after = {path: path.read_bytes() for path in old.parent.iterdir() if path in before}
    assert after == before
    demo.clear_faults()
    if fault == "forbidden":
        application.jobs.retry(job)
        result = done(application, job)
        done(application, result["replaced"]["job"])
        assert not old.exists() and Path(result["path"]).exists()


def test_a_cancelled_update_leaves_the_old_file_untouched(application: Application, demo: DemoServer) -> None:
    model = of_type(demo, "LORA")
    old = fetch(application, demo, model)
    demo.catalogue.publish(model, "v9.0")
    check(application)
    demo.fault("drip", rate=5000)
    job = update(application, model)["started"][0]["job"]
    time.sleep(0.5)
    assert update(application, model)["started"] == [] or application.jobs.view(job).state in ("running", "queued")
    application.jobs.cancel(job)
    assert finished(application, job).state == "cancelled"
    assert old.exists() and not parts_below(old.parent)


def test_early_access_and_pickles_are_told_and_not_fetched(application: Application, demo: DemoServer) -> None:
    early, pickle = of_type(demo, "LORA"), of_type(demo, "Upscaler")
    old = fetch(application, demo, early), fetch(application, demo, pickle, confirmed=True)
    demo.catalogue.publish(early, "v9.0", early_until="2999-01-01T00:00:00.000Z")
    demo.catalogue.publish(pickle, "v9.0")
    check(application)
    begun = update(application, early, pickle)
    assert begun["started"] == []
    told = {one["model_id"]: one for one in begun["skipped"]}
    assert "early access until 2999-01-01" in told[early]["message"] and told[pickle]["code"] == "needs_confirmation"
    assert all(path.exists() for path in old)
    assert len(update(application, pickle, confirmed=True)["started"]) == 1


def test_what_is_only_read_is_neither_written_to_nor_trashed(application: Application, demo: DemoServer, tmp_path: Path) -> None:
    model = of_type(demo, "LORA")
    here = fetch(application, demo, model)
    elsewhere = tmp_path / "other drive" / here.name
    elsewhere.parent.mkdir()
    here.rename(elsewhere)
    for beside in list(here.parent.iterdir()):
        beside.unlink()
    application.settings.update({"scan_folders": str(elsewhere.parent)})
    done(application, application.scan())
    demo.catalogue.publish(model, "v9.0")
    assert check(application)["with_updates"] == 1
    result = done(application, update(application, model)["started"][0]["job"])
    assert Path(result["path"]).parent == here.parent and elsewhere.exists() and list(elsewhere.parent.iterdir()) == [elsewhere]
    assert "was kept" in " ".join(result["replaced"]["notes"])


def test_the_same_kind_of_file_is_chosen() -> None:
    def file(number: int, **more: Any) -> dict[str, Any]:
        return {"id": number, "name": f"{number}.safetensors", "type": "Model", "sizeKB": 1, "metadata": {"format": "SafeTensor"}, **more}

    kinds = [
        file(1, metadata={"format": "SafeTensor", "fp": "fp16", "size": "pruned"}, primary=True),
        file(2, metadata={"format": "SafeTensor", "fp": "fp32", "size": "full"}),
        file(3, metadata={"format": "GGUF", "quantType": "Q4_K_M"}),
        file(4, type="VAE"),
    ]
    version = payloads.version({"id": 1, "files": kinds}, 1)
    old = payloads.version({"id": 2, "files": [*({**one, "id": one["id"] + 10} for one in kinds)]}, 1)
    assert [updating.matching(version, one).id for one in old.files] == [1, 2, 3, 4]  # type: ignore[union-attr]
    pruned = payloads.file({**kinds[0], "type": "Pruned Model"})
    assert updating.matching(version, pruned).id == 1  # type: ignore[union-attr]
    assert updating.matching(version, payloads.file({**kinds[0], "metadata": {"format": "SafeTensor", "fp": "bf16"}})) is None


def test_each_file_here_is_followed_by_its_like(application: Application, demo: DemoServer) -> None:
    model = next(
        FIRST + n for n in range(40) if demo.catalogue.model(FIRST + n)["type"] == "Checkpoint"
        and len([f for f in demo.catalogue.model(FIRST + n)["modelVersions"][0]["files"] if f["type"] == "Model"]) == 2
    )  # fmt: skip
    files = demo.catalogue.model(model)["modelVersions"][0]["files"]
    olds = [fetch(application, demo, model, file_id=file["id"]) for file in files]
    demo.catalogue.publish(model, "v9.0")
    check(application)
    begun = update(application, model)["started"]
    assert len(begun) == len(files)
    models = [str(path) for path, file in zip(olds, files, strict=True) if file["type"] == "Model"]
    assert sorted(one["replaces"] for one in begun if one["replaces"]) == sorted(models)
    results = [done(application, one["job"]) for one in begun]
    wanted = {file["metadata"].get("fp"): file for file in demo.catalogue.model(model)["modelVersions"][0]["files"] if file["type"] == "Model"}
    assert {wanted[fp]["id"] for fp in wanted} <= {one["file_id"] for one in results}


def test_each_base_model_here_is_followed_when_the_person_says_so(application: Application, demo: DemoServer) -> None:
    model = next(
        FIRST + n for n in range(40) if demo.catalogue.model(FIRST + n)["type"] in ("LORA", "LoCon", "DoRA")
        and len({version["baseModel"] for version in demo.catalogue.model(FIRST + n)["modelVersions"]}) > 1
    )  # fmt: skip
    first, second = demo.catalogue.model(model)["modelVersions"][:2]
    olds = [fetch(application, demo, model, version_id=version["id"]) for version in (first, second)]
    application.edit_models([model], {"follow": "base"})
    demo.catalogue.publish(model, "of another base", base="Chroma")
    assert check(application)["with_updates"] == 0
    new = [demo.catalogue.publish(model, f"v9 {version['baseModel']}", base=version["baseModel"]) for version in (first, second)]
    check(application)
    begun = update(application, model)["started"]
    assert {one["replaces"]: one["version"] for one in begun} == {str(path): version["name"] for path, version in zip(olds, new, strict=True)}
    for one in begun:
        done(application, done(application, one["job"])["replaced"]["job"])
    assert not any(path.exists() for path in olds) and len(application.services.files.of_model(model)) == 2


def test_without_a_like_the_primary_file_is_taken(application: Application, demo: DemoServer) -> None:
    model = of_type(demo, "LORA")
    old = fetch(application, demo, model)
    only = build.make_file(4_990_001, "one.safetensors", metadata={"format": "SafeTensor", "fp": "fp8"})
    only["primary"] = True
    demo.catalogue.publish(model, "v9.0", files=[only])
    check(application)
    begun = update(application, model)["started"]
    assert [one["replaces"] for one in begun] == [str(old)]
    assert Path(done(application, begun[0]["job"])["path"]).name == "one.safetensors"


def test_a_plain_download_of_the_same_file_is_not_disturbed(application: Application, demo: DemoServer) -> None:
    model = of_type(demo, "LORA")
    fetch(application, demo, model)
    version = demo.catalogue.publish(model, "v9.0")
    check(application)
    demo.fault("drip", rate=5000)
    job = application.download(version["id"])
    told = update(application, model)
    assert told["started"] == [] and told["skipped"][0]["code"] == "busy"
    application.jobs.cancel(job)


# -- killed


CODE = """
import os, signal, sys
sys.path[:0] = [{root!r}, {scripts!r}, {tests!r}]
from pathlib import Path
from support import make_application
from civitai_manager_libs.actions import updating
from civitai_manager_libs.actions.organise import replacing
kill = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
if {where!r} == "before":
    replacing.replace = kill
elif {where!r} == "carrying":
    replacing.carry_over = kill
else:
    real = replacing.replace
    def replace(*a):
        real(*a)
        kill()
    replacing.replace = replace
application = make_application(Path({folder!r}), {url!r}, after_update="trash", own_trash=True)
application.start()
job = application.jobs.wait(application.update([{model}]), 30).result["started"][0]["job"]
application.jobs.wait(job, 30)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
@pytest.mark.parametrize("where", ["carrying", "before", "after"])
def test_killed_between_the_new_files_place_and_the_old_ones_way_out(where: str, tmp_path: Path, demo: DemoServer) -> None:
    application = make_application(tmp_path, demo, after_update="trash", own_trash=True)
    application.start()
    model = of_type(demo, "LORA")
    old = fetch(application, demo, model)
    demo.catalogue.publish(model, "v9.0")
    check(application)
    application.close()
    code = CODE.format(
        root=str(ROOT), scripts=str(ROOT / "scripts"), tests=str(ROOT / "tests"), where=where, folder=str(tmp_path), url=demo.url, model=model
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    if where != "after":
        assert old.exists(), "the new file is in place, the old one is still there"
    demo.forget()
    again = make_application(tmp_path, demo, key=KEY, after_update="trash", own_trash=True)
    again.start()
    try:
        end = time.monotonic() + 30
        while old.exists() or any(again.jobs.unfinished(kind) for kind in ("download", "organise")):
            assert time.monotonic() < end, again.jobs.changes()
            time.sleep(0.05)
        here = again.services.files.of_model(model)
        assert len(here) == 1 and here[0].unchanged and here[0].health == "verified" and here[0].path != str(old)
        assert sha256(Path(here[0].path)) == here[0].sha256
        assert not [one for one in demo.requests if one["origin"] == "storage" and "/model/" in one["path"]], "not one byte is fetched twice"
        assert len(again.trash()) >= 1 and again.updates()["total"] == 0
    finally:
        again.close()


def test_an_old_file_that_changed_meanwhile_is_left_alone(application: Application, demo: DemoServer) -> None:
    model = of_type(demo, "LORA")
    old = fetch(application, demo, model)
    demo.catalogue.publish(model, "v9.0")
    check(application)
    demo.fault("slow", path="download", seconds=1)
    job = update(application, model)["started"][0]["job"]
    old.write_bytes(b"mine now")
    result = done(application, job)
    assert old.read_bytes() == b"mine now" and "was kept" in " ".join(result["replaced"]["notes"])
    assert isinstance(application.services.files.at(old), LocalFile)
