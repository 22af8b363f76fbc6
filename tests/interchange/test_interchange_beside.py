"""Import from the tools that write files beside the models: each shape, each trap, nothing written to their folders."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import shapes
from civitai_manager_libs.catalog.exchange import Own, WordSet
from support import done


def own(application: Any, number: int) -> Any:
    return application.services.exchange.own([number])[number]


def run(application: Any, tool: str, path: Path, dry_run: bool = False) -> dict[str, Any]:
    before = shapes.tree_of(path)
    report = done(application, application.import_from(tool, str(path), dry_run=dry_run))
    assert shapes.tree_of(path) == before, "theirs is only read"
    return report


def row(application: Any, number: int) -> Any:
    return application.services.models.row(number)


# -- Civitai Helper


def test_helper(offline: Any, lora: Path) -> None:
    path, digest, size = shapes.model_file(lora / "style", "otter v1.0.safetensors")
    info = shapes.version(11, 1, sha256=digest, size=size, words=["otter style, fur", "Ünïcode"])
    info["extensions"] = {"sd_civitai_helper": {"version": "1.8", "last_update": 1700000000, "skeleton_file": False}}
    info["creator"] = "{}"  # the literal text
    shapes.put(lora / "style" / "otter v1.0.civitai.info", info, encoding="cp1252")
    metadata = {"description": "d", "sd version": "SDXL", "activation text": "otter style, fur || Ünïcode || my own, words", "preferred weight": 0.8,
                "negative text": "blurry", "notes": "mine", "extensions": {"sd_civitai_helper": {}}}  # fmt: skip
    shapes.put(lora / "style" / "otter v1.0.json", metadata)
    (lora / "style" / "otter v1.0.preview.png").write_bytes(shapes.picture("WEBP"))
    (lora / "style" / "otter v1.0.example.0.png").write_bytes(b"not a picture")
    report = run(offline, "civitai-helper", lora)
    assert report["models"] == {"new": 1, "known": 0, "local": 0, "nothing": 0} and report["files"] == 1 and report["unreadable"] == []
    assert row(offline, 1)["name"] == "Model 1" and row(offline, 1)["refreshed"] == "" and row(offline, 1)["here"] == 1
    assert own(offline, 1) == Own(note="mine", weight=0.8, negative="blurry", word_sets=[WordSet("my own, words", version_id=11)]), (
        "not Civitai's words"
    )
    record = offline.services.files.at(path)
    assert (record.sha256, record.model_id, record.version_id, record.file_id, record.kind) == (digest, 1, 11, 110, "lora")
    assert record.health == "", "nobody has compared the hash"
    assert offline.thumbnail(1) is not None
    assert offline.model_view(1)["versions"][0]["trained_words"] == ["otter style, fur", "Ünïcode"]


def test_helper_skeleton_and_what_civitai_does_not_know(offline: Any, lora: Path) -> None:
    path, _, _ = shapes.model_file(lora, "mine.safetensors")
    skeleton = {"id": "", "modelId": "", "name": "", "trainedWords": [], "model": {}, "skeleton_file": True,
                "extensions": {"sd_civitai_helper": {"version": "1.8", "skeleton_file": True}}}  # fmt: skip
    shapes.put(lora / "mine.civitai.info", skeleton)
    shapes.put(lora / "mine.json", {"modelId": "Model not found", "activation text": "me", "notes": "trained by me", "preferred weight": 0})
    report = run(offline, "civitai-helper", lora)
    assert report["models"]["local"] == 1
    record = offline.services.files.at(path)
    assert record.model_id == -record.id and row(offline, -record.id)["name"] == "mine" and row(offline, -record.id)["type"] == "LORA"
    assert own(offline, -record.id) == Own(note="trained by me", word_sets=[WordSet("me")])
    assert run(offline, "civitai-helper", lora)["models"]["local"] == 1 and len(offline.services.models.ids()) == 1


def test_notes_that_programs_wrote_are_no_notes(offline: Any, lora: Path) -> None:
    for number, notes in enumerate(
        ["https://civitai.com/models/1, https://civitai.com/api/download/models/11", "https://civitai.com/models/1", "see https://x.org"]
    ):
        shapes.model_file(lora, f"m{number}.safetensors")
        shapes.put(lora / f"m{number}.json", {"modelId": number + 1, "modelVersionId": number + 11, "notes": notes, "sha256": "A" * 64})
    run(offline, "webui", lora)
    assert [own(offline, number).note for number in (1, 2, 3)] == ["", "", "see https://x.org"]


def test_an_info_without_its_file_and_a_file_that_does_not_fit(offline: Any, lora: Path) -> None:
    shapes.put(lora / "gone.civitai.info", shapes.version(21, 2, sha256="a" * 64, size=5000))
    path, _, _ = shapes.model_file(lora, "cut.safetensors")
    shapes.put(lora / "cut.civitai.info", shapes.version(31, 3, sha256="b" * 64, size=999_424))
    report = run(offline, "civitai-helper", lora)
    notes = {Path(one["where"]).name: one["note"] for one in report["notes"]}
    assert notes["gone.civitai.info"] == "No model file lies beside it." and "another size" in notes["cut.civitai.info"]
    assert row(offline, 2)["here"] == 0 and offline.services.files.at(path).sha256 == "", "the hash is of another file"


# -- Browser+ and Neo


def test_browser_plus(offline: Any, lora: Path) -> None:
    path, digest, size = shapes.model_file(lora, "otter_v2.safetensors")
    newer, mine = shapes.version(42, 4, name="v2", sha256="c" * 64, size=77), shapes.version(41, 4, sha256=digest, size=size)
    shapes.put(lora / "otter_v2.api_info.json", shapes.model(4, [newer, mine]))
    shapes.put(
        lora / "otter_v2.json", {"modelId": 4, "modelVersionId": 41, "sha256": digest.upper(), "activation text": "otter style", "unpackList": []}
    )
    (lora / "otter_v2.html").write_text("<html>")
    (lora / "otter_v2_0.jpg").write_bytes(shapes.picture())
    run(offline, "browser-plus", lora)
    record = offline.services.files.at(path)
    assert (record.model_id, record.version_id, record.sha256) == (4, 41, digest)
    assert [one["id"] for one in offline.model_view(4)["versions"]] == [42, 41] and own(offline, 4) == Own()


def test_browser_plus_without_the_json_finds_the_version_by_size(offline: Any, lora: Path) -> None:
    path, digest, size = shapes.model_file(lora, "otter.safetensors")
    shapes.put(
        lora / "otter.api_info.json",
        shapes.model(4, [shapes.version(42, 4, sha256="c" * 64, size=77), shapes.version(41, 4, sha256=digest, size=size)]),
    )
    run(offline, "browser-plus", lora)
    assert offline.services.files.at(path).version_id == 41


def test_browser_plus_model_not_found(offline: Any, lora: Path) -> None:
    path, digest, _ = shapes.model_file(lora, "own.safetensors")
    shapes.put(lora / "own.json", {"modelId": "Model not found", "modelVersionId": "Model not found", "sha256": digest.upper()})
    assert run(offline, "browser-plus", lora)["models"]["local"] == 1
    assert offline.services.files.at(path).model_id < 0


@pytest.mark.parametrize("groups", [["hero, armor", "night scene"], "hero, armor\nnight scene", [None, "hero, armor", 5, "night scene"]])
def test_neo(offline: Any, lora: Path, groups: Any) -> None:
    path, digest, size = shapes.model_file(lora, "neo.safetensors")
    shapes.put(lora / "neo.api_info.json", shapes.version(51, 5, sha256=digest, size=size, words=["hero, armor"]))
    shapes.put(lora / "neo.json", {
        "modelId": "5", "modelVersionId": "51", "modelPageURL": "https://civitai.com/models/5", "sd version": "NoobAI",
        "activation text": "hero, armor, night scene",
        "activation text groups": groups, "sha256": digest,
    })  # fmt: skip
    (lora / "images").mkdir()
    (lora / "images" / "neo_0.png").write_bytes(shapes.picture("PNG"))
    run(offline, "browser-neo", lora)
    assert offline.services.files.at(path).version_id == 51, "ids may be texts"
    assert "night scene" in [one.words for one in own(offline, 5).word_sets] and "hero, armor" not in [one.words for one in own(offline, 5).word_sets]


# -- Lora Manager


def metadata(path: Path, digest: str, size: int, **more: Any) -> dict[str, Any]:
    civitai = {**shapes.version(61, 6, sha256=digest, size=size), "creator": {"username": "ann"}, "customImages": [{"id": "x"}]}
    return {
        "file_name": path.stem, "model_name": "My name for it", "file_path": str(path).replace("\\", "/"), "size": size, "modified": 1700000000.5,
        "sha256": digest, "base_model": "SDXL 1.0", "preview_url": str(path.with_suffix(".webp")), "preview_nsfw_level": 4, "notes": "lm note",
        "from_civitai": True, "civitai": civitai, "tags": ["style", "animal", "mine"], "modelDescription": "<p>x</p>", "civitai_deleted": False,
        "favorite": True, "exclude": False, "db_checked": False, "skip_metadata_refresh": False, "metadata_source": "civitai_api",
        "last_checked_at": 0, "hash_status": "completed", "autov3": None,
        "usage_tips": json.dumps({"strength": 0.75, "strength_min": 0.5, "strength_max": 1}),
        "future_key": {"a": 1}, **more,
    }  # fmt: skip


def test_lora_manager(offline: Any, lora: Path) -> None:
    path, digest, size = shapes.model_file(lora, "lm.safetensors")
    shapes.put(lora / "lm.metadata.json", metadata(path, digest, size))
    (lora / "lm.webp").write_bytes(shapes.picture("WEBP"))
    (lora / "lm.example.0.jpeg").write_bytes(shapes.picture())
    report = run(offline, "lora-manager", lora)
    assert own(offline, 6) == Own(note="lm note\nUsage: strength 0.5 to 1", tags=["mine"], favourite=True, weight=0.75)
    assert report["taken"] == {"note": 1, "favourite": 1, "weight": 1, "tags": 1}
    record = offline.services.files.at(path)
    assert (record.model_id, record.version_id, record.sha256) == (6, 61, digest) and offline.thumbnail(6)


@pytest.mark.parametrize(
    ("tips", "weight"),
    [("{}", None), ("", None), (None, None), ("{broken", None), ({"strength": "0.6"}, 0.6), ('{"strength": null}', None), ("[1]", None),
     ('{"strength": 1e400}', None),
     ('{"strength": 0}', None)],
)  # fmt: skip
def test_lora_manager_usage_tips(offline: Any, lora: Path, tips: Any, weight: float | None) -> None:
    path, digest, size = shapes.model_file(lora, "lm.safetensors")
    shapes.put(lora / "lm.metadata.json", metadata(path, digest, size, usage_tips=tips))
    run(offline, "lora-manager", lora)
    assert own(offline, 6).weight == weight


def test_lora_manager_pending_hashes_deleted_models_and_files_of_one_own(offline: Any, lora: Path) -> None:
    path, digest, size = shapes.model_file(lora, "a.safetensors")
    shapes.put(lora / "a.metadata.json", metadata(path, "0" * 64, size, hash_status="pending", civitai_deleted=True, autov3="0xABCDEF012345"))
    other, _, size = shapes.model_file(lora, "b.safetensors")
    shapes.put(
        lora / "b.metadata.json", metadata(other, "", size, civitai={}, from_civitai=False, trainedWords=["w"], tags=["t"], hash_status="failed")
    )
    run(offline, "lora-manager", lora)
    assert row(offline, 6)["gone"] == 1 and offline.services.files.at(path).autov3 == "abcdef012345" and offline.services.files.at(path).sha256 == ""
    local = offline.services.files.at(other).model_id
    assert local < 0 and own(offline, local).tags == ["t"] and own(offline, local).note.startswith("lm note")


# -- StabilityMatrix


def cm_info(digest: str, **more: Any) -> dict[str, Any]:
    return {
        "ModelId": 7, "ModelName": "Seven", "ModelDescription": "<p>x</p>", "Nsfw": False, "Tags": ["style"], "ModelType": "LORA", "VersionId": 71,
        "VersionName": "v1", "VersionDescription": None, "AuthorUsername": "ann", "BaseModel": "Pony", "RemoteFileName": "seven.safetensors",
        "RemoteFileId": 710, "FileMetadata": {"fp": "fp16", "size": "full", "format": "SafeTensor"},
        "ImportedAt": "2024-01-01T00:00:00.0000000+01:00",
        "Hashes": {"SHA256": digest.upper(), "CRC32": "0", "BLAKE3": "B" * 64}, "TrainedWords": ["seven"],
        "Stats": {"favoriteCount": 0, "commentCount": 0, "thumbsUpCount": 1, "downloadCount": 2, "ratingCount": 0, "rating": 0},
        "UserTitle": "My Seven",
        "ThumbnailImageUrl": None, "InferenceDefaults": None, "Source": 0, "SourceUrl": None, **more,
    }  # fmt: skip


def test_stability_matrix(offline: Any, lora: Path) -> None:
    path, digest, _ = shapes.model_file(lora, "seven.safetensors")
    shapes.put(lora / "seven.cm-info.json", cm_info(digest), indent=None)
    (lora / "seven.preview.jpeg").write_bytes(shapes.picture("PNG"))
    run(offline, "stability-matrix", lora)
    record = offline.services.files.at(path)
    assert (record.model_id, record.version_id, record.file_id, record.sha256) == (7, 71, 710, digest)
    view = offline.model_view(7)
    assert (view["name"], view["creator"], view["versions"][0]["base_model"]) == ("Seven", "ann", "Pony")
    assert own(offline, 7).note == "My Seven" and offline.thumbnail(7)


@pytest.mark.parametrize(
    "more",
    [{"Source": "OpenModelDb", "ModelId": None}, {"Source": 1, "ModelId": None, "VersionId": None}, {"Source": 3}, {"ModelId": None}, {"ModelId": 0}],
)
def test_stability_matrix_models_of_other_sources(offline: Any, lora: Path, more: dict[str, Any]) -> None:
    path, digest, _ = shapes.model_file(lora, "seven.safetensors")
    shapes.put(lora / "seven.cm-info.json", cm_info(digest, **more))
    assert run(offline, "stability-matrix", lora)["models"]["local"] == 1
    assert offline.services.files.at(path).model_id < 0


def test_stability_matrix_wrong_types_and_missing_keys(offline: Any, lora: Path) -> None:
    path, digest, _ = shapes.model_file(lora, "seven.safetensors")
    broken = cm_info(digest, ModelId="7", VersionId="71", Source="Civitai", Tags="style", TrainedWords=None, Stats=[], FileMetadata="x", Nsfw="true")
    shapes.put(lora / "seven.cm-info.json", {key: value for key, value in broken.items() if key != "Hashes"})
    run(offline, "stability-matrix", lora)
    assert offline.services.files.at(path).model_id == 7 and row(offline, 7)["nsfw"] == 1


# -- CivBrowser


def test_civbrowser(offline: Any, lora: Path) -> None:
    path, digest, size = shapes.model_file(lora, "civ.safetensors")
    shapes.put(lora / "civ.civitai.json", shapes.version(81, 8, sha256=digest, size=size, words=["裸"]), indent=2)
    (lora / "civ.txt").write_text("裸, more", encoding="utf-8")
    shapes.model_file(lora, "plain.safetensors")
    (lora / "plain.txt").write_text("a caption of something")  # not CivBrowser's
    report = run(offline, "civbrowser", lora)
    assert report["models"] == {"new": 1, "known": 0, "local": 0, "nothing": 0}
    assert offline.services.files.at(path).version_id == 81


def test_endings_that_can_be_read_in_two_ways(offline: Any, lora: Path) -> None:
    """``a.civitai.json`` is CivBrowser's of ``a``, or the WebUI's of ``a.civitai``: the model file decides."""
    shapes.model_file(lora, "a.civitai.safetensors")
    shapes.put(lora / "a.civitai.json", {"modelId": 9, "modelVersionId": 91, "notes": "webui's", "activation text": ""})
    shapes.model_file(lora, "b.safetensors")
    shapes.put(lora / "b.civitai.json", shapes.version(101, 10))
    shapes.put(lora / "workflow.json", {"nodes": []})  # no model beside it: nothing of theirs
    run(offline, "civbrowser", lora)
    assert sorted(offline.services.models.ids()) == [9, 10] and own(offline, 9).note == "webui's"


# -- together


def test_all_tools_in_one_folder_agree_or_say_so(offline: Any, lora: Path) -> None:
    path, digest, size = shapes.model_file(lora, "x.safetensors")
    shapes.put(lora / "x.civitai.info", shapes.version(61, 6, sha256=digest, size=size))
    shapes.put(lora / "x.metadata.json", metadata(path, digest, size))
    shapes.put(lora / "x.cm-info.json", cm_info(digest))
    shapes.put(lora / "x.json", {"notes": "webui note"})
    report = run(offline, "all", lora)
    assert offline.services.files.at(path).model_id == 6
    assert "name different models (6, 6, 7)" in report["notes"][0]["note"]
    assert own(offline, 6).note == "lm note\nUsage: strength 0.5 to 1\nMy Seven\nwebui note"


def test_ours_is_kept_on_conflict(offline: Any, lora: Path) -> None:
    path, digest, size = shapes.model_file(lora, "lm.safetensors")
    shapes.put(lora / "lm.metadata.json", metadata(path, digest, size))
    run(offline, "lora-manager", lora)
    offline.services.models.set_own(6, note="ours", weight=0.3, rating=4)
    for dry_run in (True, False):
        report = run(offline, "lora-manager", lora, dry_run=dry_run)
        assert [(one["field"], one["ours"], one["theirs"]) for one in report["conflicts"]] == [("weight", 0.3, 0.75)] and report["taken"] == {
            "note": 1
        }
    assert own(offline, 6).note == "ours\nlm note\nUsage: strength 0.5 to 1" and own(offline, 6).weight == 0.3 and own(offline, 6).rating == 4


def test_what_we_know_of_a_file_is_not_changed_by_another_claim(offline: Any, lora: Path) -> None:
    path, digest, size = shapes.model_file(lora, "x.safetensors")
    shapes.put(lora / "x.civitai.info", shapes.version(11, 1, sha256=digest, size=size))
    run(offline, "civitai-helper", lora)
    (lora / "x.civitai.info").unlink()
    shapes.put(lora / "x.cm-info.json", cm_info(digest))
    report = run(offline, "stability-matrix", lora)
    assert report["conflicts"][0] | {"name": "", "where": ""} == {"field": "model", "ours": 1, "theirs": 7, "name": "", "where": ""}
    assert offline.services.files.at(path).model_id == 1 and own(offline, 1).note == "My Seven" and row(offline, 7) is None


def test_a_local_entry_gives_what_was_said_of_it_to_the_model(offline: Any, lora: Path) -> None:
    path, digest, size = shapes.model_file(lora, "x.safetensors")
    shapes.put(lora / "x.json", {"notes": "before", "modelId": "Model not found"})
    run(offline, "webui", lora)
    (lora / "x.json").unlink()
    shapes.put(lora / "x.civitai.info", shapes.version(11, 1, sha256=digest, size=size))
    run(offline, "civitai-helper", lora)
    assert offline.services.models.ids() == [1] and own(offline, 1).note == "before" and offline.services.files.at(path).model_id == 1


def test_files_elsewhere_are_recognised_by_hash_and_else_told(offline: Any, lora: Path, tmp_path: Path) -> None:
    here, digest, size = shapes.model_file(lora, "here.safetensors", "same")
    shapes.put(lora / "here.civitai.info", shapes.version(11, 1, sha256=digest, size=size))
    run(offline, "civitai-helper", lora)
    comfy = tmp_path / "comfy" / "loras"
    path, digest, size = shapes.model_file(comfy, "there.safetensors", "same")
    shapes.put(comfy / "there.metadata.json", metadata(path, digest, size, civitai={}, notes="by hash"))
    path, digest, size = shapes.model_file(comfy, "unknown.safetensors")
    shapes.put(comfy / "unknown.metadata.json", metadata(path, digest, size, civitai=None, notes="lost?"))
    path, digest, size = shapes.model_file(comfy, "by id.safetensors")
    shapes.put(comfy / "by id.metadata.json", metadata(path, digest, size))
    report = run(offline, "lora-manager", comfy)
    assert own(offline, 1).note.startswith("by hash") and own(offline, 6).favourite
    assert report["models"] == {"new": 1, "known": 1, "local": 0, "nothing": 1}
    assert any("has no model here to belong to" in one["note"] for one in report["notes"]) and offline.services.files.at(path) is None


def test_versions_of_one_model_come_together(offline: Any, lora: Path) -> None:
    for number in (11, 13, 12):
        _, digest, size = shapes.model_file(lora, f"v{number}.safetensors")
        shapes.put(lora / f"v{number}.civitai.info", shapes.version(number, 1, sha256=digest, size=size))
    run(offline, "civitai-helper", lora)
    assert [one["id"] for one in offline.model_view(1)["versions"]] == [13, 12, 11] and row(offline, 1)["here"] == 3


def test_loops_and_names_that_are_no_text(offline: Any, lora: Path) -> None:
    _, digest, size = shapes.model_file(lora / "deep", "x.safetensors")
    shapes.put(lora / "deep" / "x.civitai.info", shapes.version(11, 1, sha256=digest, size=size))
    (lora / "deep" / "loop").symlink_to(lora)
    (lora / "away").symlink_to(lora / "nowhere")
    with open(os.fsencode(lora) + b"/\xff\xfe.civitai.info", "wb") as file:
        file.write(b"{}")
    report = done(offline, offline.import_from("civitai-helper", str(lora)))
    assert report["models"]["new"] == 1 and report["unreadable"][0]["reason"] == "has a name that is not text"


def test_the_whole_report_is_more_than_the_jobs_result(offline: Any, lora: Path) -> None:
    lora.mkdir(parents=True)
    for number in range(150):
        (lora / f"{number}.civitai.info").write_text("{broken")
    job = offline.import_from("civitai-helper", str(lora), dry_run=True)
    result = done(offline, job)
    assert len(result["unreadable"]) == 100 and result["counts"]["unreadable"] == 150
    assert len(offline.import_report(job)["unreadable"]) == 150 == len(offline.import_report(job)["items"])
