"""Sidecars for other tools: as each reads them, merged into what is there, and the WebUI's cards after an edit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shapes
import test_interchange_beside as theirs
from civitai_manager_libs.actions.interchange import describing
from civitai_manager_libs.catalog.exchange import Own, WordSet
from civitai_manager_libs.disk.sidecars import api_info, civbrowser, civitai_info, cm_info, lora_manager, webui_json
from civitai_manager_libs.disk.sidecars.ours import Mine
from support import done, make_application

from demo.catalogue import SPECIAL

CASE = SPECIAL["training_data_first"]
ALL = {"write_browser_plus": True, "write_lora_manager": True, "write_stability_matrix": True, "write_civbrowser": True}
ENDINGS = (".api_info.json", ".metadata.json", ".cm-info.json", ".civitai.json")


@pytest.fixture
def writing(tmp_path: Path, demo: Any) -> Iterator[Any]:
    application = make_application(tmp_path, demo, **ALL)
    application.start()
    yield application
    application.close()


def fetched(application: Any) -> Path:
    done(application, application.register(str(CASE.model_id)))
    return Path(done(application, application.download(CASE.version_id))["path"])


def beside(path: Path, ending: str) -> Path:
    return path.with_name(path.stem + ending)


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))


def say(application: Any, number: int, **own: Any) -> list[str]:
    services = application.services
    services.models.set_own(number, **{name: value for name, value in own.items() if name not in ("tags", "word_sets")})
    services.exchange.give({number: Own(tags=own.get("tags", []), word_sets=own.get("word_sets", []))})
    return describing.describe_again(services, number)


def test_off_at_first(running: Any) -> None:
    path = fetched(running)
    assert not [ending for ending in ENDINGS if beside(path, ending).exists()] and beside(path, ".civitai.info").exists()


def test_what_the_page_edits_reaches_the_card(writing: Any) -> None:
    path = fetched(writing)
    writing.set_note(CASE.model_id, "best at night")
    assert "best at night" in load(beside(path, ".json"))["notes"]
    writing.edit_models([CASE.model_id], {"weight": 0.7}, add_tags=["portrait"])
    assert load(beside(path, ".json"))["preferred weight"] == 0.7 and "portrait" in load(beside(path, ".json"))["description"]
    writing.own.add_words(CASE.model_id, name="night", words="moon, stars")
    writing.describe(CASE.model_id)
    assert "moon, stars" in load(beside(path, ".json"))["activation text"]


def test_each_reads_back(writing: Any) -> None:
    path = fetched(writing)
    record = writing.services.files.at(path)
    readers = {
        ".api_info.json": api_info,
        ".metadata.json": lora_manager,
        ".cm-info.json": cm_info,
        ".civitai.json": civbrowser,
        ".civitai.info": civitai_info,
    }
    for ending, reader in readers.items():
        said = reader.said(beside(path, ending))
        assert (said.model_id, said.model_name) == (CASE.model_id, "Feather Otter"), ending
        assert said.version_id == CASE.version_id or ending == ".api_info.json", ending
    matrix = load(beside(path, ".cm-info.json"))
    assert matrix["Source"] == 0 and type(matrix["Source"]) is int and matrix["Hashes"]["SHA256"] == record.sha256.upper()
    assert "\n" not in beside(path, ".cm-info.json").read_text() and matrix["UserTitle"] is None and "InferenceDefaults" in matrix
    assert matrix["ModelType"] == "LORA" and matrix["ImportedAt"][-6] in "+-" and set(matrix) >= set(theirs.cm_info("0" * 64))
    manager = load(beside(path, ".metadata.json"))
    assert (
        manager["sha256"] == record.sha256
        and manager["file_path"].startswith("/")
        and "\\" not in manager["file_path"]
        and manager["size"] == record.size
    )
    assert isinstance(manager["usage_tips"], str) and manager["civitai"]["model"]["name"] == "Feather Otter" and manager["hash_status"] == "completed"
    assert manager["preview_url"].startswith(str(path.parent)) and set(manager) >= set(theirs.metadata(path, "", 0)) - {
        "future_key", "skip_metadata_refresh", "last_checked_at", "autov3",
    }  # fmt: skip
    assert load(beside(path, ".civitai.json"))["modelId"] == CASE.model_id and "modelVersions" in load(beside(path, ".api_info.json"))


def test_what_others_wrote_stays(writing: Any, lora: Path) -> None:
    lora.mkdir(parents=True)
    target = lora / "featherOtter.safetensors"
    old = {
        ".metadata.json": theirs.metadata(target, "", 0, notes="lm's own", tags=["mine"], favorite=True, model_name="My name", future_key={"a": 1}),
        ".cm-info.json": theirs.cm_info("0" * 64, UserTitle="Title", InferenceDefaults={"Steps": 20}, Unknown="kept"),
        ".api_info.json": {"id": 1, "mine": True, "modelVersions": []}, ".civitai.json": {"id": 2, "mine": True},
    }  # fmt: skip
    for ending, content in old.items():
        shapes.put(beside(target, ending), content)
    path = fetched(writing)
    assert path == target
    manager, matrix = load(beside(path, ".metadata.json")), load(beside(path, ".cm-info.json"))
    assert manager["notes"] == "lm's own" and manager["favorite"] and manager["model_name"] == "My name" and manager["future_key"] == {"a": 1}
    assert manager["tags"] == ["mine"] and json.loads(manager["usage_tips"])["strength"] == 0.75 and manager["civitai"]["id"] == CASE.version_id
    assert matrix["UserTitle"] == "Title" and matrix["InferenceDefaults"] == {"Steps": 20} and matrix["Unknown"] == "kept"
    assert matrix["ImportedAt"].startswith("2024") and matrix["VersionId"] == CASE.version_id
    assert all(load(beside(path, ending))["mine"] for ending in (".api_info.json", ".civitai.json"))


def test_what_cannot_be_read_is_left_and_told(writing: Any, lora: Path) -> None:
    lora.mkdir(parents=True)
    for ending in ENDINGS:
        beside(lora / "featherOtter.safetensors", ending).write_bytes(b"{broken")
    done(writing, writing.register(str(CASE.model_id)))
    notes = done(writing, writing.download(CASE.version_id))["notes"]
    assert len([note for note in notes if "left as it is" in note]) == 4
    assert all(beside(lora / "featherOtter.safetensors", ending).read_bytes() == b"{broken" for ending in ENDINGS)


def test_an_edit_reaches_the_card(writing: Any) -> None:
    path = fetched(writing)
    before = load(beside(path, ".json"))
    sets = [WordSet("first, words"), WordSet("second"), WordSet("of another version", version_id=1)]
    assert say(writing, CASE.model_id, note="my note", weight=0.7, negative="bad", favourite=True, tags=["fluffy", "裸"], word_sets=sets) == []
    card = load(beside(path, ".json"))
    assert card["notes"] == "my note\n" + before["notes"] and card["description"].endswith("Tags: fluffy, 裸")
    assert (card["preferred weight"], card["negative text"], card["activation text"]) == (0.7, "bad", "first, words")
    assert card["activation text groups"] == ["first, words", "second"]
    manager = load(beside(path, ".metadata.json"))
    assert (
        manager["notes"] == "my note"
        and manager["favorite"]
        and manager["tags"][-2:] == ["fluffy", "裸"]
        and json.loads(manager["usage_tips"]) == {"strength": 0.7}
    )
    # what we wrote is not the other tool's own: importing it back gives nothing new
    for tool in ("webui", "lora-manager"):
        report = done(writing, writing.import_from(tool, str(path.parent)))
        assert report["taken"] == {} and report["conflicts"] == [], (tool, report["conflicts"])
    # taken back
    writing.services.models.set_own(CASE.model_id, note="", weight=None, negative="", favourite=False)
    assert describing.describe_again(writing.services, CASE.model_id) == []
    card, manager = load(beside(path, ".json")), load(beside(path, ".metadata.json"))
    assert card["notes"] == before["notes"] and card["preferred weight"] == 0 and card["negative text"] == ""
    assert manager["notes"] == "" and manager["favorite"] is False and json.loads(manager["usage_tips"]) == {}


def test_an_edit_in_the_webui_is_kept_and_a_newer_one_here_wins_and_says_what_it_replaced(writing: Any) -> None:
    path = fetched(writing)
    say(writing, CASE.model_id, note="ours", weight=0.7)
    card = load(beside(path, ".json"))
    shapes.put(beside(path, ".json"), {**card, "preferred weight": 0.4, "notes": card["notes"] + "\nadded in the WebUI", "description": "rewritten"})
    say(writing, CASE.model_id, note="ours, longer", tags=["t"])
    card = load(beside(path, ".json"))
    assert card["preferred weight"] == 0.4, "changed there, and not here"
    assert card["notes"].startswith("ours, longer\n") and card["notes"].endswith("added in the WebUI") and card["description"] == "rewritten\nTags: t"
    say(writing, CASE.model_id, weight=0.9)
    card = load(beside(path, ".json"))
    assert card["preferred weight"] == 0.9 and card["extensions"]["civitai_manager"]["replaced"] == {"preferred weight": 0.4}


def test_a_local_file_has_a_card_too_and_further_folders_are_only_read(tmp_path: Path, demo: Any, lora: Path) -> None:
    application = make_application(tmp_path, demo, scan_folders=str(tmp_path / "drive"))
    application.start()
    try:
        mine, _, _ = shapes.model_file(lora, "mine.safetensors")
        away, _, _ = shapes.model_file(tmp_path / "drive", "away.safetensors")
        done(application, application.scan())
        before = shapes.tree_of(tmp_path / "drive")
        for path in (mine, away):
            number = application.services.files.at(path).model_id
            assert number < 0 and say(application, number, note="trained by me", tags=["t"]) == []
        assert load(beside(mine, ".json"))["notes"] == "trained by me" and load(beside(mine, ".json"))["description"] == "Tags: t"
        assert shapes.tree_of(tmp_path / "drive") == before
    finally:
        application.close()


def test_not_when_sidecars_are_not_wanted(tmp_path: Path, demo: Any) -> None:
    application = make_application(tmp_path, demo, write_sidecars=False, **ALL)
    application.start()
    try:
        path = fetched(application)
        assert say(application, CASE.model_id, note="x") == [] and [one.name for one in path.parent.iterdir()] == [path.name]
    finally:
        application.close()


@pytest.mark.parametrize("extensions", [None, "text", [], {"sd_civitai_helper": {"version": "1"}}])
def test_the_record_finds_a_place_and_leaves_others_alone(tmp_path: Path, extensions: Any) -> None:
    model = tmp_path / "x.safetensors"
    old = {"notes": "n", "extensions": extensions, "other": 1}
    shapes.put(tmp_path / "x.json", old)
    webui_json.write(model, mine=Mine(note="mine", weight=0.5))
    card = load(tmp_path / "x.json")
    assert card["notes"] == "mine\nn" and card["other"] == 1
    assert card["extensions"] == extensions or set(card["extensions"]) == {"sd_civitai_helper", "civitai_manager"}
    said = webui_json.said(tmp_path / "x.json")
    assert said.notes == "n" and said.weight is None
    webui_json.write(model, mine=Mine())
    assert load(tmp_path / "x.json") == {**old, "preferred weight": 0}
