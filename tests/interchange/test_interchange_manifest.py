"""The manifest: exported, imported on an empty machine, exported again, it is the same; ours is kept; damage costs only what is damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shapes
from civitai_manager_libs.catalog.exchange import Collection, Member, Own, WordSet
from civitai_manager_libs.catalog.follows import MOST
from civitai_manager_libs.civitai.searching import Search
from civitai_manager_libs.errors import FileExists, UsageError
from support import NOWHERE, done, failed, finished, make_application, sha256, until

from demo.catalogue import FIRST, SPECIAL

CASE, HILL, GONE = SPECIAL["training_data_first"], SPECIAL["medium_file"], SPECIAL["video_preview"].model_id


@pytest.fixture
def other(tmp_path: Path, demo: Any) -> Iterator[Any]:
    """Another machine, empty."""
    application = make_application(tmp_path / "other", demo)
    application.start()
    yield application
    application.close()


def document(path: Path, *, dates: bool = False) -> dict[str, Any]:
    found = json.loads(path.read_text("utf-8"))
    if not dates:
        found.pop("exported")
        for model in found["models"]:
            model.pop("registered", None)
    return found


def export(application: Any, path: Path, **more: Any) -> dict[str, Any]:
    done(application, application.export_library(str(path), **more))
    return document(path)


def library(application: Any, tmp_path: Path) -> None:
    """Models with and without files, one that is gone, files that only are here, and everything a person can say."""
    done(application, application.register("\n".join(map(str, [CASE.model_id, HILL.model_id, GONE, *FIRST[:5]]))))
    for version in (CASE.version_id, HILL.version_id):
        done(application, application.download(version, confirmed=True))
    local, digest, _ = shapes.model_file(tmp_path / "webui" / "models" / "Lora" / "mine", "trained by me.safetensors")
    lost, _, _ = shapes.model_file(tmp_path / "webui" / "models" / "Lora", "lost.safetensors")
    for path in (local, lost):
        shapes.put(path.with_suffix(".json"), {"modelId": "Model not found", "notes": f"note of {path.stem}"})
    done(application, application.scan())
    done(application, application.import_from("webui", str(tmp_path / "webui" / "models" / "Lora")))
    lost.unlink()
    done(application, application.scan())
    services = application.services
    mine = services.files.with_hash(digest)[0].model_id
    services.exchange.give({
        CASE.model_id: Own(note="line one\nÜnïcode 裸", tags=["b", "A"], favourite=True, rating=4, weight=0.8, negative="blurry", level=4,
                           follow="base",
                           pinned=CASE.version_id, ignored=[5, 6], word_sets=[WordSet("x, y", "set", "neg", 0.5, CASE.version_id), WordSet("z")]),
        FIRST[0]: Own(note="only registered"), mine: Own(tags=["self"], rating=5),
    })  # fmt: skip
    services.exchange.give_collection(Collection("Zoo", "all animals", [Member(FIRST[1], "why"), Member(CASE.model_id), Member(mine)]))
    services.exchange.give_collection(Collection("Empty", "", []))
    services.exchange.give_filters({"Big ones": {"query": "is:downloaded", "sort": "size"}})
    follow = application.discover.follow(Search(creator="oakandink"), "Öl")
    services.follows.looked(follow, [FIRST[6]], [FIRST[5], FIRST[6]], "2026-01-02T03:04:05.000Z")
    services.models.set_gone(GONE)


def test_round_trip(running: Any, other: Any, demo: Any, tmp_path: Path) -> None:
    library(running, tmp_path)
    first = export(running, tmp_path / "first.json")
    assert first["format"] == "civitai-manager-library" and first["version"] == 1 and first["recipes"] == []
    assert len(first["models"]) == 10 and all(model["key"] for model in first["models"])
    case = next(model for model in first["models"] if model.get("id") == CASE.model_id)
    (file,) = case["files"]
    assert case["air"].startswith("urn:air:") and case["air"].endswith(f":civitai:{CASE.model_id}") and file["air"].endswith(f"@{CASE.version_id}")
    assert (file["kind"], file["path"]) == ("lora", "featherOtter.safetensors") and len(file["sha256"]) == 64
    local = next(model for model in first["models"] if model["name"] == "trained by me")
    assert local["key"].startswith("sha256:") and local["files"][0]["path"] == "mine/trained by me.safetensors"
    assert [model["files"][0]["missing"] for model in first["models"] if model["name"] == "lost"] == [True]

    # the one file that Civitai does not have was carried over by hand, to another place
    carried = tmp_path / "other" / "webui" / "models" / "Lora" / "mine"
    carried.mkdir(parents=True)
    shutil.copy(tmp_path / "webui" / "models" / "Lora" / "mine" / "trained by me.safetensors", carried)
    kept = demo.catalogue.fixed[GONE]
    demo.catalogue.fixed[GONE] = {**kept, "_found": False}
    demo.forget()
    try:
        dry = done(other, other.import_library(str(tmp_path / "first.json"), dry_run=True))
        assert not [one for one in demo.requests if one["origin"] == "api"] and other.services.models.ids() == []
        report = done(other, other.import_library(str(tmp_path / "first.json")))
    finally:
        demo.catalogue.fixed[GONE] = kept
    for key in ("models", "taken", "unreadable", "missing", "here", "dangling"):
        assert dry[key] == report[key], key
    assert report["models"] == {"new": 8, "known": 0, "local": 2, "nothing": 0} and report["here"] == 1
    assert report["missing"]["files"] == 2 == report["missing"]["obtainable"]
    assert [one["path"] for one in demo.requests if one["origin"] == "api" and "download" not in one["path"]] == ["/api/v1/models"], (
        "one request for all"
    )
    fetched = done(other, report["restore"])
    assert fetched["downloaded"] == 2 and fetched["failures"] == 0
    for model in first["models"]:
        for file in model.get("files", []):
            if not file.get("missing"):
                path = next(folder / file["path"] for folder in other.host.folders()[file["kind"]] if (folder / file["path"]).exists())
                assert sha256(path) == file["sha256"]
    second = export(other, tmp_path / "second.json")
    for model in second["models"]:
        assert model == next(one for one in first["models"] if one["key"] == model["key"])
    assert sorted(model["key"] for model in second["models"]) == sorted(model["key"] for model in first["models"])
    assert {**second, "models": None} == {**first, "models": None}
    (follow,) = other.services.follows.all()
    assert (follow.name, follow.search["creator"], follow.news, follow.known) == ("Öl", "oakandink", [FIRST[6]], [FIRST[5], FIRST[6]])
    assert dry["taken"]["follows"] == 1 and follow.since.startswith("2026-01-02T03:04:05")
    assert all(other.thumbnail(number) for number in (CASE.model_id, FIRST[0])), "pictures came too"


def test_again_changes_nothing_and_ours_is_kept(running: Any, demo: Any, tmp_path: Path) -> None:
    library(running, tmp_path)
    first = export(running, tmp_path / "first.json")
    report = done(running, running.import_library(str(tmp_path / "first.json")))
    assert report["taken"] == {} and report["conflicts"] == [] and "restore" not in report and report["missing"]["files"] == 0
    assert export(running, tmp_path / "second.json") == first
    running.services.models.set_own(CASE.model_id, note="newer words", weight=0.1, rating=1)
    report = done(running, running.import_library(str(tmp_path / "first.json")))
    assert {(one["field"], one["ours"], one["theirs"]) for one in report["conflicts"]} == {("weight", 0.1, 0.8), ("rating", 1, 4)}
    own = running.services.exchange.own([CASE.model_id])[CASE.model_id]
    assert own.note == "newer words\nline one\nÜnïcode 裸" and (own.weight, own.rating) == (0.1, 1)


def test_files_that_are_here_under_another_name_are_not_fetched(running: Any, other: Any, demo: Any, tmp_path: Path) -> None:
    done(running, running.register(str(CASE.model_id)))
    path = Path(done(running, running.download(CASE.version_id))["path"])
    export(running, tmp_path / "first.json")
    elsewhere = tmp_path / "other" / "webui" / "models" / "VAE" / "deep" / "renamed.safetensors"
    elsewhere.parent.mkdir(parents=True)
    shutil.copy(path, elsewhere)
    report = done(other, other.import_library(str(tmp_path / "first.json")))
    assert report["here"] == 1 and "restore" not in report
    record = other.services.files.at(elsewhere)
    assert (record.model_id, record.version_id, record.health) == (CASE.model_id, CASE.version_id, "verified")


def test_without_a_connection_it_waits_and_goes_on(running: Any, tmp_path: Path, demo: Any) -> None:
    library(running, tmp_path)
    export(running, tmp_path / "first.json")
    away = make_application(tmp_path / "away", NOWHERE, http_timeout=1)
    away.start()
    try:
        job = away.import_library(str(tmp_path / "first.json"))
        assert failed(away, job)["code"] == "offline"
    finally:
        away.close()
    back = make_application(tmp_path / "away", demo)
    back.start()
    try:
        back.jobs.retry(job)
        assert done(back, job)["models"]["new"] == 8
    finally:
        back.close()


def test_a_file_that_civitai_replaced_is_told_not_fetched(running: Any, other: Any, tmp_path: Path) -> None:
    done(running, running.register(str(CASE.model_id)))
    done(running, running.download(CASE.version_id))
    export(running, tmp_path / "first.json")
    raw = document(tmp_path / "first.json", dates=True)
    raw["models"][0]["files"][0]["sha256"] = "ab" * 32
    (tmp_path / "first.json").write_text(json.dumps(raw))
    report = done(other, other.import_library(str(tmp_path / "first.json")))
    result = done(other, report["restore"])
    assert result["downloaded"] == 0 and "no longer has this file" in result["failed"][0]["message"]


def test_pickles_need_to_be_confirmed(running: Any, other: Any, tmp_path: Path) -> None:
    case = SPECIAL["pickle_safe"]
    done(running, running.register(str(case.model_id)))
    done(running, running.download(case.version_id, confirmed=True))
    export(running, tmp_path / "first.json")
    report = done(other, other.import_library(str(tmp_path / "first.json")))
    result = done(other, report["restore"])
    assert result["downloaded"] == 0 and "pickle" in result["failed"][0]["message"]
    report = done(other, other.import_library(str(tmp_path / "first.json"), confirmed=True))
    assert done(other, report["restore"])["downloaded"] == 1


@pytest.mark.parametrize(
    "below", ["../../evil.safetensors", "/etc/evil.safetensors", "C:\\evil.safetensors", "a/../../b.safetensors", "con", "x\0y", ""]
)
def test_paths_of_strangers_stay_inside(running: Any, other: Any, tmp_path: Path, below: str) -> None:
    done(running, running.register(str(CASE.model_id)))
    done(running, running.download(CASE.version_id))
    export(running, tmp_path / "first.json")
    raw = document(tmp_path / "first.json", dates=True)
    raw["models"][0]["files"][0]["path"] = below
    raw["models"].append({"key": "sha256:" + "cd" * 32, "files": [{"kind": "lora", "path": below, "size": 5, "sha256": "cd" * 32, "missing": True}]})
    (tmp_path / "first.json").write_text(json.dumps(raw))
    report = done(other, other.import_library(str(tmp_path / "first.json")))
    done(other, report["restore"])
    outside = [path for path in (tmp_path / "other").rglob("*.safetensors") if tmp_path / "other" / "webui" / "models" / "Lora" != path.parent]
    assert outside == [] and not list(tmp_path.glob("evil*")), outside
    assert all(str(tmp_path) in record.path for record in other.services.files.all())


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b'{"format": "x", "version": 1}', b'{"format": "civitai-manager-library", "version": 99}', b"\0" * 99]
)
def test_what_is_no_manifest(offline: Any, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    error = failed(offline, offline.import_library(str(tmp_path / "x.json")))
    assert error["code"] == "usage" and error["message"]
    with pytest.raises(UsageError):
        offline.import_library(str(tmp_path / "nowhere.json"))


def test_damaged_entries_cost_only_themselves(offline: Any, tmp_path: Path) -> None:
    sha = "ab" * 32
    raw = {
        "format": "civitai-manager-library", "version": 1, "future": {"a": 1}, "recipes": [{"x": 1}],
        "models": [
            None, 5, {"key": 5}, {"key": "civitai:0", "id": 0}, {"key": "civitai:x", "id": 2**70}, {"key": "a", "files": [{"sha256": "nonsense"}]},
            {"key": f"sha256:{sha}", "name": "good", "unknown": 1, "own": {"note": "kept", "rating": 99, "level": -5, "weight": 1e9, "follow": "what",
             "tags": ["ok", "", "  "], "ignored": [-1, 7]}, "files": [{"kind": "lora", "path": "good.safetensors", "size": 7, "sha256": sha}]},
            {"key": f"sha256:{sha}", "name": "twice"}, {"key": "file:lora/nofile", "own": {"note": "lost"}},
        ],
        "collections": [None, {"name": "C", "members": [{"model": key} for key in (f"sha256:{sha}", "civitai:5", "civitai:x", "what")]}],
        "saved_filters": {"f": {"query": "x"}},
        "follows": [
            3, {"name": "all", "search": {}}, {"search": {"creator": 5}}, {"name": "\0", "search": {"tag": "cat"}, "since": "3000-01-01T00:00:00Z",
             "known": "x", "news": [1, "2", None]}, *({"search": {"text": f"word {number}"}} for number in range(300)),
        ],
    }  # fmt: skip
    (tmp_path / "x.json").write_text(json.dumps(raw))
    report = done(offline, offline.import_library(str(tmp_path / "x.json")))
    assert len(report["unreadable"]) == 9 and len(report["dangling"]) == 3
    (number,) = offline.services.models.ids()
    assert offline.services.exchange.own([number])[number] == Own(note="kept", tags=["ok"], ignored=[7])
    assert {one["field"] for one in report["conflicts"]} == {"rating", "level", "weight", "follow"}
    assert [one.members for one in offline.services.exchange.collections()] == [[Member(number)]]
    assert report["recipes"] == [] and any(one["path"] == "recipe 1" for one in report["unreadable"])
    assert offline.services.files.all()[0].state == "missing"
    follows = offline.services.follows.all()
    assert report["taken"]["follows"] == len(follows) == MOST and sum("cannot be understood" in one["note"] for one in report["notes"]) == 2
    (cat,) = [one for one in follows if one.search.get("tag") == "cat"]
    assert cat.name == "#cat" and cat.since < "2999" and (cat.known, cat.news) == ([], [1])


def test_an_export_never_replaces_another_file(running: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"precious": 1}')
    with pytest.raises(FileExists):
        running.export_library(str(tmp_path / "mine.json"))
    for path in (tmp_path, tmp_path / "no" / "where.json"):
        with pytest.raises(UsageError):
            running.export_library(str(path))
    export(running, tmp_path / "library.json")
    export(running, tmp_path / "library.json")
    assert (tmp_path / "mine.json").read_text() == '{"precious": 1}'


def test_some_models_only(running: Any, tmp_path: Path) -> None:
    done(running, running.register("\n".join(map(str, FIRST[:4]))))
    running.services.exchange.give_collection(Collection("C", "", [Member(FIRST[0]), Member(FIRST[3])]))
    found = export(running, tmp_path / "some.json", model_ids=[FIRST[0], FIRST[1], 999])
    assert sorted(model["id"] for model in found["models"]) == sorted(FIRST[:2])
    assert found["collections"] == [{"name": "C", "members": [{"model": f"civitai:{FIRST[0]}"}]}]


def test_a_stopped_restore_goes_on(running: Any, other: Any, demo: Any, tmp_path: Path) -> None:
    done(running, running.register("\n".join(map(str, [CASE.model_id, HILL.model_id]))))
    for version in (CASE.version_id, HILL.version_id):
        done(running, running.download(version))
    export(running, tmp_path / "first.json")
    demo.latency = 0.3
    job = done(other, other.import_library(str(tmp_path / "first.json")))["restore"]
    until(lambda: other.jobs.view(job).state == "running")
    other.jobs.pause(job)
    assert finished(other, job).state in ("paused", "done")
    demo.latency = 0.0
    if other.jobs.view(job).state == "paused":
        other.jobs.resume(job)
    result = done(other, job)
    assert result["failures"] == 0 and result["downloaded"] == 2, result
    assert other.services.models.row(HILL.model_id)["here"] == 1 == other.services.models.row(CASE.model_id)["here"]
