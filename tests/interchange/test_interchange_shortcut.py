"""Import from Civitai Shortcut: both layouts, every trap of its files, nothing written to them."""

from __future__ import annotations

import datetime
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import shapes
from civitai_manager_libs.errors import UsageError
from PIL import Image
from support import done


def ids(application: Any) -> list[int]:
    return sorted(application.services.models.ids())


def own(application: Any, number: int) -> Any:
    return application.services.exchange.own([number])[number]


def run(application: Any, path: Path, dry_run: bool = False) -> dict[str, Any]:
    return done(application, application.import_from("civitai-shortcut", str(path), dry_run=dry_run))


@pytest.mark.parametrize("layout", ["data_sc", "flat", "the folder itself", "a file in it"])
def test_everything_that_is_there_comes_over(offline: Any, tmp_path: Path, layout: str) -> None:
    extension = tmp_path / "civitai-shortcut"
    folder = shapes.shortcut(extension if layout == "flat" else extension / "data_sc")
    (extension / "scripts" / "data_sc").mkdir(parents=True, exist_ok=True)
    shapes.put(extension / "scripts" / "data_sc" / "CivitaiShortCutSetting.json", {"another": "one, which nobody uses"})
    before = shapes.tree_of(extension)
    chosen = {"data_sc": extension, "flat": extension, "the folder itself": folder, "a file in it": folder / "CivitaiShortCut.json"}[layout]
    report = run(offline, chosen)
    assert shapes.tree_of(extension) == before, "theirs is only read"
    assert ids(offline) == [101, 102, 103, 104, 105, 106, 107, 108]
    assert report["models"] == {"new": 8, "known": 0, "local": 0, "nothing": 0}
    body = offline.services.models.body(101)
    assert (body["name"], len(body["modelVersions"]), body["creator"]["username"]) == ("Cached 101", 2, "ann")
    assert {one: own(offline, one).note for one in ids(offline)} == {
        101: "my note", 102: "", 103: "", 104: "", 105: "", 106: "", 107: "note of the truncated one", 108: "",
    }  # fmt: skip
    assert own(offline, 101).tags == [], "the tags are Civitai's"
    expected = datetime.datetime(2023, 8, 4, 10, 11, 12).astimezone(datetime.timezone.utc).isoformat()
    assert offline.services.models.row(101)["registered"] == expected
    assert offline.services.models.row(105)["registered"][:4] == str(datetime.datetime.now().year), "of an unreadable date nothing is made"


def test_the_report_says_what_was_not_taken_and_why(offline: Any, tmp_path: Path) -> None:
    report = run(offline, shapes.shortcut(tmp_path / "sc"))
    reasons = {Path(one["path"]).name: one["reason"] for one in report["unreadable"]}
    assert reasons["107.civitai.info"] == "is cut off or no JSON" and reasons["108.civitai.info"] == "is no answer of Civitai's"
    assert sum("is no shortcut" in one["reason"] for one in report["unreadable"]) == 3, "x9, 109 and 110"
    assert {"collection": "Favourites", "id": 424242} in report["dangling"] and {"collection": "Favourites", "id": "abc"} in report["dangling"]
    assert report["deleted"] == [{"id": 777, "name": "Deleted one"}] and report["cached_only"] == [999]
    assert {one["name"]: (one["picture"], one["prompt"]) for one in report["recipes"]} == {
        "My recipe": ("there", True), "Renamed": ("none", True), "Nothing": ("none", False), "Lost": ("lost", False),
    }  # fmt: skip
    assert report["counts"]["unreadable"] == len(report["unreadable"]) == 5
    assert any("only the name is known yet" in one["note"] for one in report["notes"]), "three have no body, and there is no network"


def test_collections_keep_their_order_and_their_words(offline: Any, tmp_path: Path) -> None:
    run(offline, shapes.shortcut(tmp_path / "sc"))
    found = {one.name: (one.note, [member.model_id for member in one.members]) for one in offline.services.exchange.collections()}
    assert found == {"Favourites": ("the best", [105, 101]), "Empty": ("", []), "Broken": ("", []), "Ünïcode 裸": ("", [103])}
    assert [one.name for one in offline.services.exchange.collections()] == ["Favourites", "Empty", "Broken", "Ünïcode 裸"]


def test_pictures_are_what_their_bytes_are(offline: Any, tmp_path: Path) -> None:
    run(offline, shapes.shortcut(tmp_path / "sc"))
    for number in (101, 102, 103, 104):
        data, mime, _ = offline.thumbnail(number)
        assert mime == "image/jpeg" and Image.open(io.BytesIO(data)).size == (32, 48)
    assert offline.thumbnail(105) is None


def test_a_dry_run_gives_the_same_report_and_writes_nothing(offline: Any, tmp_path: Path) -> None:
    folder = shapes.shortcut(tmp_path / "sc")
    before = shapes.tree_of(folder)
    first = run(offline, folder, dry_run=True)
    assert ids(offline) == [] and offline.services.exchange.collections() == [] and shapes.tree_of(folder) == before
    real = run(offline, folder)
    for key in ("models", "taken", "unreadable", "dangling", "recipes", "deleted", "collections", "conflicts", "new"):
        assert first[key] == real[key], key


def test_again_changes_nothing_and_ours_is_kept(offline: Any, tmp_path: Path) -> None:
    folder = shapes.shortcut(tmp_path / "sc")
    run(offline, folder)
    offline.services.models.set_own(101, note="my own words", favourite=True)
    again = run(offline, folder)
    assert again["models"] == {"new": 0, "known": 8, "local": 0, "nothing": 0}
    assert own(offline, 101).note == "my own words\nmy note" and own(offline, 101).favourite
    assert again["taken"] == {"note": 1}
    third = run(offline, folder)
    assert third["taken"] == {} and third["conflicts"] == [] and own(offline, 101).note == "my own words\nmy note"
    assert {one["name"]: one["added"] for one in third["collections"]} == {"Favourites": 0, "Empty": 0, "Broken": 0, "Ünïcode 裸": 0}


@pytest.mark.parametrize("content", [b"", b"null", b"{}", b"[]", b'{"101": {"id"', b"\xff\xfe\x00", b"\x00" * 30])
def test_a_registry_that_cannot_be_read_leaves_what_was_cached(offline: Any, tmp_path: Path, content: bytes) -> None:
    folder = shapes.shortcut(tmp_path / "sc")
    (folder / "CivitaiShortCut.json").write_bytes(content)
    report = run(offline, folder)
    nothing = content in (b"", b"null", b"{}") or not content.strip(b"\0")
    assert ids(offline) == ([] if nothing else [101, 102, 103, 104, 105, 107, 108, 999])
    assert nothing or any(one["path"].endswith("CivitaiShortCut.json") for one in report["unreadable"])


def test_other_encodings(offline: Any, tmp_path: Path) -> None:
    folder = tmp_path / "sc"
    shapes.put(folder / "CivitaiShortCut.json", {"5": shapes.entry(5, note="schön", name="Größe")}, encoding="cp1252")
    shapes.put(folder / "CivitaiShortCutClassification.json", {"Ä": {"info": None, "shortcuts": ["5"]}}, encoding="utf-8-sig")
    run(offline, folder)
    assert own(offline, 5).note == "schön" and offline.services.models.row(5)["name"] == "Größe"
    assert [one.name for one in offline.services.exchange.collections()] == ["Ä"]


def test_known_only_by_name_is_completed_when_there_is_a_network(running: Any, demo: Any, tmp_path: Path) -> None:
    from demo.catalogue import FIRST, SPECIAL

    folder, gone = tmp_path / "sc", SPECIAL["deleted"].model_id
    shapes.put(folder / "CivitaiShortCut.json", {str(one): shapes.entry(one, note="n") for one in (*FIRST[:3], gone)})
    report = done(running, running.import_from("civitai-shortcut", str(folder)))
    assert [one["path"] for one in demo.requests if one["origin"] == "api"] == ["/api/v1/models"], "one request for all"
    assert all(running.services.models.body(one)["modelVersions"] and own(running, one).note == "n" for one in FIRST[:3])
    assert running.services.models.row(gone)["name"] == f"Shortcut {gone}" and "Of 1 models Civitai tells nothing" in report["notes"][0]["note"]


def test_a_wrong_folder_is_refused_at_once(offline: Any, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError):
            offline.import_from("civitai-shortcut", str(path))
    with pytest.raises(UsageError, match="no tool"):
        offline.import_from("something", str(tmp_path))


def test_a_stopped_import_goes_on_where_it_was(offline: Any, tmp_path: Path) -> None:
    folder = tmp_path / "sc"
    shapes.put(folder / "CivitaiShortCut.json", {str(one): shapes.entry(one, note=f"note {one}") for one in range(1, 401)})
    job = offline.import_from("civitai-shortcut", str(folder))
    offline.jobs.pause(job)
    view = offline.jobs.wait(job, 20)
    shutil.copy(folder / "CivitaiShortCut.json", tmp_path / "kept.json")
    if view.state == "paused":
        kept = [item for item in offline.jobs.items(job) if item.state == "done"]
        assert len(kept) < 402
        offline.jobs.resume(job)
    result = done(offline, job)
    assert result["models"]["new"] == 400 and len(ids(offline)) == 400
    assert json.loads((tmp_path / "kept.json").read_text())
