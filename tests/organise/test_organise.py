"""Plans and what becomes of them, on real files: exactly what a plan names moves, everything can be taken back, nothing is ever lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.disk.trash import OWN
from civitai_manager_libs.errors import Changed, CivitaiManagerError, UsageError
from support import done, failed

from .libraries import LORA, Library, application, contents, missing_from, touch, tree

SIDECARS = (".json", ".civitai.info", ".preview.png", ".txt")


@pytest.fixture
def app(tmp_path: Path) -> Any:
    made = application(tmp_path)
    yield made
    made.close()


@pytest.fixture
def library(tmp_path: Path, app: Any) -> Library:
    return Library(tmp_path, app)


def carry_out(app: Any, plan: dict[str, Any]) -> Any:
    return done(app, app.carry_out(json.loads(json.dumps(plan))))


def models(folder: Path) -> Path:
    return folder / "webui"


# -- move


def test_a_move_takes_all_sidecars_along_and_can_be_taken_back_after_a_restart(tmp_path: Path, app: Any, library: Library) -> None:
    record = library.add(1, where="old", sidecars=(*SIDECARS, ".example.0.png"))
    stranger = library.root / "old" / "model1 notes.txt"
    stranger.write_text("mine")
    app.set_note(1, "a word of mine")
    before = tree(models(tmp_path))
    plan = app.plan_move([1])
    assert plan["count"] == 1 and plan["files"] == 6 and not plan["problems"] and tree(models(tmp_path)) == before, "a plan changes nothing"
    assert all(file["how"] == "move" and Path(file["to"]).parent == library.root / "SD 1.5" / "maker1" for file in plan["groups"][0]["files"])
    result = carry_out(app, plan)
    after = tree(models(tmp_path))
    assert result["files"] == 6 and not missing_from(plan, before, after) and contents(models(tmp_path)) == contents_of(before)
    assert set(after) == {file["to"] for file in plan["groups"][0]["files"]} | {str(stranger)}
    moved = app.services.files.get(record.id)
    assert moved.path == plan["groups"][0]["files"][0]["to"] and moved.unchanged and moved.state == "here" and moved.sha256 == record.sha256
    assert app.services.models.row(1)["note"] == "a word of mine" and {"lora"} in app.host.refreshed
    assert app.host.hashes[moved.path][0] == record.sha256
    assert app.plan_move([1])["groups"] == [], "it is where it belongs"
    app.close()
    again = application(tmp_path)
    try:
        done(again, again.undo())
        assert tree(models(tmp_path)) == before and again.services.files.get(record.id).path == record.path
        assert [batch["undone"] for batch in again.journal()] == [0, 6]
        with pytest.raises(UsageError, match="nothing to undo"):
            again.undo()
    finally:
        again.close()


def contents_of(found: dict[str, str]) -> Any:
    from collections import Counter

    return Counter(found.values())


def test_two_models_of_one_stem_share_what_lies_beside_them(tmp_path: Path, app: Any, library: Library) -> None:
    library.add(1, "same", sidecars=SIDECARS)
    library.add(3, "same", ending=".pt")
    before = tree(models(tmp_path))
    plan = app.plan_move([1])
    assert {file["how"] for file in plan["groups"][0]["files"][1:]} == {"copy"}
    carry_out(app, plan)
    after = tree(models(tmp_path))
    assert not missing_from(plan, before, after) and all((library.root / f"same{ending}").exists() for ending in SIDECARS)
    assert all((library.root / "SD 1.5" / "maker1" / f"same{ending}").exists() for ending in SIDECARS)
    done(app, app.undo())
    assert tree(models(tmp_path)) == before, "the copies went again"
    plan = app.plan_delete([1])
    assert [Path(file["from"]).name for file in plan["groups"][0]["files"]] == ["same.safetensors"], "the other one still needs the rest"
    plan = app.plan_delete([1, 3])
    assert len(plan["groups"]) == 1 and plan["files"] == 6
    carry_out(app, plan)
    assert not list(library.root.iterdir())
    done(app, app.undo())
    assert tree(models(tmp_path)) == before


def test_two_models_of_one_stem_that_part_have_both_what_lies_beside_them(tmp_path: Path, app: Any, library: Library) -> None:
    library.add(1, "same", sidecars=SIDECARS)
    library.add(2, "same", ending=".pt")
    before = contents(models(tmp_path))
    plan = app.plan_move([1, 2])
    assert len(plan["groups"]) == 2 and not plan["problems"]
    carry_out(app, plan)
    assert len(list((library.root / "SD 1.5" / "maker1").iterdir())) == len(list((library.root / "Pony" / "maker2").iterdir())) == 5
    done(app, app.undo())
    assert contents(models(tmp_path)) == before


def test_what_is_in_the_way_is_told_and_nothing_is_overwritten(tmp_path: Path, app: Any, library: Library) -> None:
    library.add(1, sidecars=SIDECARS)
    place = library.root / "SD 1.5" / "maker1"
    place.mkdir(parents=True)
    (place / "MODEL1.json").write_text("another one's")
    plan = app.plan_move([1])
    assert plan["problems"] == 1 and plan["groups"][0]["code"] == "conflict" and "MODEL1.json" in plan["groups"][0]["problem"]
    with pytest.raises(UsageError, match="nothing to do"):
        app.carry_out(plan)
    (place / "MODEL1.json").unlink()
    plan = app.plan_move([1])
    (place / "model1.txt").write_text("it came since")
    before = tree(models(tmp_path))
    with pytest.raises(Changed) as caught:
        app.carry_out(plan)
    assert caught.value.data["reason"] == "conflict" and tree(models(tmp_path)) == before
    (place / "model1.txt").unlink()
    plan = app.plan_move([1])
    touch(library.root / "model1.json")
    with pytest.raises(Changed):
        app.carry_out(plan)


def test_a_failure_in_the_middle_leaves_all_at_the_old_place(tmp_path: Path, app: Any, library: Library) -> None:
    library.add(1, sidecars=SIDECARS)
    before, plan = tree(models(tmp_path)), app.plan_move([1])
    from civitai_manager_libs.actions.organise import carrying

    class Failing(carrying.Worker):
        def _step(self, entry: Any, *, resuming: bool) -> None:
            if entry.source.endswith(".txt"):
                raise OSError(5, "the disk has died")
            super()._step(entry, resuming=resuming)

    worker = carrying.Worker
    carrying.Worker = Failing  # type: ignore[misc]
    try:
        error = failed(app, app.carry_out(plan))
    finally:
        carrying.Worker = worker  # type: ignore[misc]
    assert "the disk has died" in error["message"] and tree(models(tmp_path)) == before
    assert app.services.files.at(library.root / "model1.safetensors") and app.journal()[0]["failed"] == 5


def test_files_that_are_not_ours_to_move_stay(tmp_path: Path) -> None:
    other = tmp_path / "other program"
    app = application(tmp_path, scan_folders=str(other))
    try:
        theirs = Library(tmp_path, app, other).add(1)
        unknown = Library(tmp_path, app).add(2, known=False)
        link = Library(tmp_path, app).root / "link.safetensors"
        link.symlink_to(theirs.path)
        app.services.files.add(link, "", model_id=1, version_id=10, file_id=11, kind="lora")
        plan = app.plan_move([1], [unknown.id])
        assert [one["code"] for one in plan["groups"]] == ["link"] and {one["path"] for one in plan["left"]} == {theirs.path, unknown.path}
        assert {one["code"] for one in app.plan_delete([1])["groups"]} == {"read_only", ""}
        carry_out(app, app.plan_delete([1]))
        assert Path(theirs.path).exists() and not os.path.lexists(link), "the link went, not what it leads to"
        done(app, app.undo())
        assert link.is_symlink() and link.exists()
    finally:
        app.close()


def test_without_a_template_nothing_is_heaped_up(tmp_path: Path) -> None:
    app = application(tmp_path, subfolder_template="")
    try:
        with pytest.raises(UsageError, match="no template"):
            app.plan_move([1])
    finally:
        app.close()


# -- rename


def test_a_rename_tells_what_prompts_must_say_and_keeps_the_ending(tmp_path: Path, app: Any, library: Library) -> None:
    record = library.add(1, "old name", sidecars=SIDECARS)
    (library.root / "old name.metadata.json").write_text(json.dumps({"file_path": str(library.root / "old name.safetensors"), "theirs": 1}))
    plan = app.plan_rename(record.id, "new: name")
    group = plan["groups"][0]
    assert group["old"] == "<lora:old name:1>" and group["new"] == "<lora:new_ name:1>" and group["alias"] == "alias1"
    assert "<lora:alias1:...>" in group["consequence"]
    carry_out(app, plan)
    assert {path.name for path in library.root.iterdir()} == {f"new_ name{ending}" for ending in (*SIDECARS, ".safetensors", ".metadata.json")}
    theirs = json.loads((library.root / "new_ name.metadata.json").read_text())
    assert theirs == {"file_path": str(library.root / "new_ name.safetensors"), "file_name": "new_ name", "theirs": 1}
    carry_out(app, app.plan_rename(record.id, "NEW_ name.safetensors"))
    assert (library.root / "NEW_ name.json").exists()
    done(app, app.undo())
    done(app, app.undo())
    assert (library.root / "old name.safetensors").exists() and app.services.files.get(record.id).path == record.path
    with pytest.raises(UsageError):
        app.plan_rename(record.id, "old name")


# -- delete


def test_delete_goes_by_the_list_and_never_by_the_stem(tmp_path: Path, app: Any, library: Library) -> None:
    record = library.add(1, "RPG", sidecars=SIDECARS)
    library.add(2, "RPG v2", sidecars=SIDECARS)
    library.add(3, "RPG.preview", sidecars=())
    app.set_note(1, "mine")
    before, plan = tree(models(tmp_path)), app.plan_delete([1])
    carry_out(app, plan)
    after = tree(models(tmp_path))
    assert not missing_from(plan, before, after) and {file["from"] for file in plan["groups"][0]["files"]} == set(before) - set(after)
    assert contents(models(tmp_path)) == contents_of(before), "all of it is in the trash"
    card = next(card for card in app.cards()["items"] if card["id"] == 1)
    assert card["state"] == "registered" and not card["missing"] and app.services.models.row(1)["note"] == "mine"
    listed = app.trash()
    assert {one["path"] for one in listed} == set(before) - set(after) and all(one["restorable"] and one["where"] == "own" for one in listed)
    assert all(OWN in one["place"] and not one["place"].endswith(".safetensors") for one in listed)
    done(app, app.scan())
    assert next(card for card in app.cards()["items"] if card["id"] == 1)["state"] == "registered", "a scan does not call it missing"
    done(app, app.restore([one["id"] for one in listed if one["name"].endswith((".safetensors", ".json"))]))
    assert (library.root / "RPG.safetensors").exists() and not (library.root / "RPG.txt").exists() and len(app.trash()) == len(listed) - 2
    assert next(card for card in app.cards()["items"] if card["id"] == 1)["state"] == "downloaded"
    assert app.services.files.get(record.id).state == "here"
    done(app, app.restore([one["id"] for one in app.trash()]))
    assert tree(models(tmp_path)) == before and not list((tmp_path / "webui").rglob(OWN))


def test_what_changed_since_the_plan_is_refused(tmp_path: Path, app: Any, library: Library) -> None:
    library.add(1, sidecars=SIDECARS)
    for change in (lambda: touch(library.root / "model1.txt"), lambda: (library.root / "model1.html").write_text("new"),
                   lambda: (library.root / "model1.safetensors").write_bytes(b"other bytes")):  # fmt: skip
        plan = app.plan_delete([1])
        change()
        before = tree(models(tmp_path))
        with pytest.raises(Changed):
            app.carry_out(plan)
        assert tree(models(tmp_path)) == before


def test_what_a_download_writes_is_refused(tmp_path: Path, app: Any, library: Library) -> None:
    record = library.add(1)
    app.jobs.add_kind("download", app.jobs._kinds["scan"]._replace(run=lambda context: context.wait(60, "a test"), lane="test"))
    job = app.jobs.submit("download", {"target": record.path}, key="x", title="x")
    assert app.plan_delete([1])["groups"][0]["code"] == app.plan_move([1])["groups"][0]["code"] == "being_written"
    app.jobs.cancel(job)
    app.jobs.wait(job, 10)
    assert app.plan_delete([1])["count"] == 1


@pytest.mark.parametrize("forged", ["../../../etc/passwd", "1 999999", "sidecars:/etc/passwd", "part:/etc/x.safetensors.part", "9" * 40])
def test_a_plan_that_we_did_not_make_does_nothing(app: Any, library: Library, forged: str) -> None:
    library.add(1)
    before = tree(library.folder)
    for action in ("move", "rename", "trash", "duplicates", "orphans", "shell"):
        with pytest.raises(CivitaiManagerError):
            app.carry_out({"action": action, "request": {"name": "x"}, "groups": [{"key": forged, "check": "0" * 20}]})
    assert {path for path in before if path not in tree(library.folder)} == set()


def test_undo_says_which_file_is_in_the_way(tmp_path: Path, app: Any, library: Library) -> None:
    library.add(1, sidecars=SIDECARS)
    carry_out(app, app.plan_delete([1]))
    (library.root).mkdir(exist_ok=True)
    (library.root / "model1.txt").write_text("another one")
    before = tree(models(tmp_path))
    with pytest.raises(Changed) as caught:
        app.undo()
    assert caught.value.data["path"] == str(library.root / "model1.txt") and tree(models(tmp_path)) == before
    (library.root / "model1.txt").unlink()
    done(app, app.undo())
    carry_out(app, app.plan_move([1]))
    moved = library.root / "SD 1.5" / "maker1" / "model1.safetensors"
    touch(moved)
    assert done(app, app.undo())["files"] == 5, "only the time differs, and the hash says that it is the same"
    carry_out(app, app.plan_rename(app.services.files.at(library.root / "model1.safetensors").id, "other"))
    (library.root / "other.safetensors").write_bytes(b"changed")
    with pytest.raises(Changed) as caught:
        app.undo()
    assert caught.value.data["path"] == str(library.root / "other.safetensors")


# -- duplicates and orphans


def test_of_copies_one_stays_and_every_byte_is_compared_first(tmp_path: Path, app: Any, library: Library) -> None:
    first = library.add(1, where="a", sidecars=SIDECARS)
    copies = []
    for name in ("b", "c"):
        path = library.root / name / "copy.safetensors"
        path.parent.mkdir()
        path.write_bytes(Path(first.path).read_bytes())
        copies.append(app.services.files.add(path, first.sha256, model_id=None, version_id=None, file_id=None, kind="lora"))
    plan = app.plan_duplicates()
    assert plan["sets"][0]["keep"] == plan["sets"][0]["loaded"] == first.id and plan["count"] == 2
    chosen = app.plan_duplicates({first.sha256: copies[1].id})
    going = {file["from"] for group in chosen["groups"] for file in group["files"]}
    assert chosen["sets"][0]["keep"] == copies[1].id and {first.path, copies[0].path} <= going
    status = Path(copies[0].path).stat()
    Path(copies[0].path).write_bytes(b"x" * status.st_size)  # its time is set back: only reading it tells
    os.utime(copies[0].path, ns=(status.st_atime_ns, status.st_mtime_ns))
    before = tree(models(tmp_path))
    error = failed(app, app.carry_out(plan))
    after = tree(models(tmp_path))
    assert error["failures"] == 1 and "no copy" in error["failed"][0]["message"]
    assert set(before) - set(after) == {copies[1].path} and Path(first.path).exists() and Path(copies[0].path).exists()


def test_one_file_under_two_names_is_no_copy(app: Any, library: Library) -> None:
    first = library.add(1, where="a")
    (library.root / "b").symlink_to(library.root / "a")
    app.services.files.add(library.root / "b" / "model1.safetensors", first.sha256, model_id=1, version_id=10, file_id=11, kind="lora")
    assert [group["code"] for group in app.plan_duplicates()["groups"]] == ["same"]


def test_orphans_are_what_surely_belonged_to_a_model(tmp_path: Path, app: Any, library: Library) -> None:
    library.add(1, "here", sidecars=SIDECARS)
    root = library.root
    for name in ("gone.civitai.info", "gone.json", "gone.png", "README.txt", "notes.json", "photo.png", "loading.safetensors.part", "loading.json",
                 "loading.preview.png", "diffusers.metadata.json", "foreign.pkl", "foreign.civitai.info", "meant.json",
                 "here.preview.preview.png"):  # fmt: skip
        (root / name).write_text("{}")
    (root / "meant.json").write_text(json.dumps({"activation text": "word", "notes": "mine"}))
    (root / "diffusers").mkdir()
    (root / "ours.safetensors.part").write_text("beginning")
    (root / "ours.safetensors.part.json").write_text(json.dumps({"version_id": 1, "file_id": 2, "size": 100}))
    before, plan = tree(models(tmp_path)), app.plan_orphans()
    found = {Path(file["from"]).name for group in plan["groups"] for file in group["files"]}
    assert found == {"gone.civitai.info", "gone.json", "gone.png", "meant.json", "here.preview.preview.png", "ours.safetensors.part",
                     "ours.safetensors.part.json"}  # fmt: skip
    assert [Path(one["path"]).name for one in plan["left"]] == ["loading.safetensors.part"]
    carry_out(app, plan)
    assert set(before) - set(tree(models(tmp_path))) == {str(root / name) for name in found}
    done(app, app.undo())
    assert tree(models(tmp_path)) == before
    assert (tmp_path / LORA).exists()
