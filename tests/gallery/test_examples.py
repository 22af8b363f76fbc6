"""Example pictures that are kept: the job, its limit, a stop in between, faults, and what is there when Civitai is not."""

from __future__ import annotations

import os
from typing import Any

import pytest
from civitai_manager_libs.actions.gallery.store import Store
from civitai_manager_libs.catalog import generation
from civitai_manager_libs.disk import previews
from civitai_manager_libs.errors import NotFound, UsageError
from support import done, failed, finished, make_application, until

from demo import build
from demo.catalogue import SPECIAL

MODEL, VERSION = build.GENERATED_MODEL, build.GENERATED_VERSION
LARGE = build.GENERATED_MODEL + 4  # five pictures


def listing(application: Any, model: int = MODEL, version: int = 0) -> dict[str, Any]:
    return until(lambda: "items" in (got := application.pictures.examples.listing(model, version)) and got, 10, "the pictures")


def files(application: Any) -> list[Any]:
    return sorted(path for path in (application.data_dir / "examples").rglob("*") if path.is_file())


def change(application: Any, **settings: Any) -> None:
    application.settings._overrides.update(settings)
    application.settings.update({})


def keep(application: Any, model: int = MODEL, version: int = 0) -> Any:
    return done(application, application.pictures.examples.start(model, version))


def test_examples_of_registered_and_other_models(running: Any, demo: Any) -> None:
    done(running, running.register(str(MODEL)))
    demo.forget()
    found = listing(running)
    assert found["title"] and found["version_id"] == VERSION and found["versions"][0]["id"] == VERSION
    assert len(found["items"]) >= 2 and {one["version_id"] for one in found["items"]} == {VERSION} and all(not one["kept"] for one in found["items"])
    assert not demo.requests, "of a registered model nothing is asked"
    other = listing(running, MODEL + 5)
    assert other["items"] and other["model_id"] == MODEL + 5
    with pytest.raises(NotFound):
        until(lambda: "items" in running.pictures.examples.listing(SPECIAL["deleted"].model_id), 10)
    with pytest.raises(NotFound):
        running.pictures.examples.listing(-1)


def test_kept_ones_are_there_without_civitai(running: Any, demo: Any, tmp_path: Any) -> None:
    for model in (MODEL, SPECIAL["video_preview"].model_id):
        done(running, running.register(str(model)))
        count = len(listing(running, model)["items"])
        result = keep(running, model)
        assert result["kept"] == count and result["notes"] == []
        with pytest.raises(UsageError, match="here already"):
            running.pictures.examples.start(model, 0)
    demo.stop()
    found = listing(running)
    assert found["kept"]["count"] == len(found["items"]) > 0 and 0 < found["kept"]["bytes"] <= found["used"] < found["limit"]
    for one in found["items"]:
        (path, kind), (small, small_kind) = running.pictures.file(one["kept"], small=False), running.pictures.file(one["kept"], small=True)
        assert running.data_dir / "examples" in path.parents and path.stat().st_size > small.stat().st_size and small_kind == "image/jpeg"
        assert kind in ("image/png", "image/jpeg") and previews.sniff(path.read_bytes())
    known = [running.images.data(one).get("data") for one in found["items"]]
    assert any(one and one["state"] == "found" and one["prompt"] for one in known), "their data is known without Civitai, too"
    assert sum(bool(one) for one in known) == sum(bool(image["_meta"]) for image in demo.catalogue.version(VERSION)[1]["images"])
    film = next(one for one in listing(running, SPECIAL["video_preview"].model_id)["items"] if one["type"] == "video")
    assert running.pictures.file(film["kept"], small=False)[1] == "video/mp4" and running.pictures.file(film["kept"], small=True)[1] == "image/jpeg"
    for bad in ("", "../../catalog.db", "nothing.png"):
        assert running.pictures.file(bad, small=False) is None
    models = {folder for some in running.host.folders().values() for folder in some}
    assert not any(folder in path.parents for path in files(running) for folder in models)


def test_forgetting_removes_the_files(running: Any) -> None:
    done(running, running.register(str(MODEL)))
    kept = keep(running)["kept"]
    assert files(running)
    assert running.pictures.examples.forget(VERSION)["pictures"] == kept
    assert files(running) == [] and listing(running)["kept"] == {"count": 0, "bytes": 0}


def test_the_limit_lets_the_longest_unseen_go(tmp_path: Any, demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    application = make_application(tmp_path, demo)
    application.start()
    try:
        for model in (MODEL, MODEL + 1, MODEL + 2):
            done(application, application.register(str(model)))
        first = keep(application)
        assert first["let_go"] == {"pictures": 0, "bytes": 0}
        kept = application.pictures.examples._kept
        limit = kept.bytes() + 50_000
        monkeypatch.setattr(Store, "limit", property(lambda store: limit))  # the demo's pictures are far below a megabyte
        let_go = 0
        for model in (MODEL + 1, MODEL + 2):
            view = finished(application, application.pictures.examples.start(model, 0))
            told = view.result or view.error
            let_go += told["let_go"]["pictures"]
            if told["let_go"]["pictures"]:
                assert "let go" in " ".join(told["notes"])
            assert kept.bytes() <= limit
            on_disk = sum(path.stat().st_size for path in files(application))
            assert on_disk == kept.bytes()
        assert let_go > 0 and listing(application)["kept"]["count"] < first["kept"]
    finally:
        application.close()


def test_no_room_at_all(tmp_path: Any, demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    application = make_application(tmp_path, demo)
    application.start()
    monkeypatch.setattr(Store, "limit", property(lambda store: application.settings.current.examples_limit * 1000))
    try:
        change(application, examples_limit=10)
        done(application, application.register(str(MODEL)))
        told = failed(application, application.pictures.examples.start(MODEL, 0))
        assert "room" in told["message"] and told["next_step"]
        assert sum(path.stat().st_size for path in files(application)) <= 10_000
        change(application, examples_limit=0)
        with pytest.raises(UsageError, match="is 0"):
            application.pictures.examples.start(MODEL, 0)
    finally:
        application.close()


def test_a_stopped_job_goes_on_where_it_was(running: Any, demo: Any) -> None:
    done(running, running.register(str(LARGE)))
    total = len(listing(running, LARGE)["items"])
    demo.fault("slow", path="original=true", seconds=1.0)
    job = running.pictures.examples.start(LARGE, 0)
    until(lambda: running.jobs.view(job).done >= 1, 20)
    running.jobs.pause(job)
    assert finished(running, job).state == "paused"
    before = listing(running, LARGE)["kept"]["count"]
    assert 1 <= before < total
    demo.clear_faults()
    demo.forget()
    running.jobs.resume(job)
    assert done(running, job)["kept"] == total == listing(running, LARGE)["kept"]["count"]
    assert len([one for one in demo.requests if "original=true" in one["path"]]) <= total - before + 1, "what is here is not fetched again"


def test_what_a_killed_run_has_left_goes_and_what_is_no_picture_of_ours_stays(running: Any, demo: Any) -> None:
    done(running, running.register(str(MODEL)))
    folder = running.data_dir / "examples"
    own = [folder / "ab" / "cat.png", folder / "holiday" / f"{'0' * 24}.png", folder / "ab" / "deeper" / "x.png", folder / "note.txt"]
    left = [folder / "ab" / f"{'ab' * 12}.png", folder / "ab" / f"{'ab' * 12}.png.small.jpg", folder / "cd" / f"{'cd' * 12}.mp4"]
    young = folder / "cd" / f"{'dc' * 12}.webp"
    for path in (*own, *left, young):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        if path != young:
            os.utime(path, (1, 1))
    keep(running)
    assert all(path.is_file() for path in (*own, young)) and not any(path.exists() for path in left)


def test_one_picture_that_fails_costs_no_other(running: Any, demo: Any) -> None:
    case = SPECIAL["broken_image"].model_id
    done(running, running.register(str(case)))
    demo.fault("html_file", path="original=true", times=1)
    demo.fault("html_file", path="width=1600", times=1)
    told = failed(running, running.pictures.examples.start(case, 0))
    assert "1 of 2" in told["message"] and listing(running, case)["kept"]["count"] == 1
    assert keep(running, case)["kept"] == 1 and listing(running, case)["kept"]["count"] == 2


def test_after_a_download_only_when_the_setting_says_so(tmp_path: Any, demo: Any) -> None:
    for wanted in (False, True):
        application = make_application(tmp_path / str(wanted), demo, keep_examples=wanted)
        application.start()
        try:
            done(application, application.register(str(MODEL)))
            done(application, application.download(VERSION))
            jobs = [view for view in application.jobs.changes()["jobs"] if view["kind"] == "examples"]
            assert len(jobs) == int(wanted)
            if wanted:
                done(application, jobs[0]["id"])
                assert listing(application)["kept"]["count"] == len(listing(application)["items"])
        finally:
            application.close()


def test_data_of_pictures_are_bounded_and_those_of_kept_ones_stay(running: Any, demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "MOST", 100)
    told, store = {"state": "found", "infotext": "a cat"}, running.services.generation
    uuid = "01234567-89ab-cdef-0123-456789abcdef"
    picture = {"url": f"https://image.civitai.com/a/{uuid.upper()}/original=true/1.png", "model_id": 1, "version_id": 2}
    running.services.kept.add(picture, position=0, name="a.png", kind="image/png", size=1)
    store.keep([(uuid, told), ("old", told)], now=1)
    store.keep([(f"none {number}", {"state": "none"}) for number in range(20)], now=2)
    for number in range(30):
        store.keep([(f"{number} {place}", told) for place in range(10)], now=3 + number)
        with running._database.reading() as db:
            assert db.execute("SELECT count(*) FROM generation_data").fetchone()[0] <= 100
    assert store.data(uuid)["infotext"] == "a cat" and store.data("29 9") and not store.data("old") and not store.data("none 1")
