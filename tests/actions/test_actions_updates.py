"""The check for newer versions: what it costs, what it finds, what it keeps, and that it can be stopped; the list of what it found."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from civitai_manager_libs.actions import register, updates
from civitai_manager_libs.application import Application
from civitai_manager_libs.catalog.files import LocalFile
from civitai_manager_libs.civitai import merging
from civitai_manager_libs.errors import NotFound
from support import ROOT, done, failed, finished, make_application, until

from demo.server import DemoServer

FIRST = 4_100_000


@pytest.fixture
def demo() -> Iterator[DemoServer]:
    """A demo of its own: things happen to its models."""
    with DemoServer(models=1000, seed=3) as server:
        yield server


@pytest.fixture
def application(tmp_path: Any, demo: DemoServer) -> Iterator[Application]:
    made = make_application(tmp_path, demo)
    made.start()
    yield made
    made.close()


def fill(application: Application, count: int, first: int = 0) -> None:
    """Register models, each with a record of a file of its newest version; the files themselves are not needed here."""
    services = application.services
    fetched = services.client.models(range(FIRST + first, FIRST + first + count))
    services.models.save_all((register.entry_of(one.value), one.raw) for one in fetched)
    services.files.put(
        LocalFile(f"/models/{one.value.id}.safetensors", 1000, 1, model_id=one.value.id, version_id=version.id, file_id=version.files[0].id)
        for one in fetched
        for version in one.value.versions[:1]
    )


def asked(demo: DemoServer) -> list[str]:
    return [one["path"] for one in demo.requests if one["origin"] == "api"]


def check(application: Application, **options: Any) -> dict[str, Any]:
    result = done(application, application.check_updates(**options))
    assert isinstance(result, dict)
    return result


def test_a_thousand_models_cost_ten_requests(application: Application, demo: DemoServer) -> None:
    fill(application, 1000)
    for number in range(0, 1000, 50):
        demo.catalogue.publish(FIRST + number, "v9.0", notes="<p>Sharper &amp; <b>calmer</b>.</p>")
    demo.catalogue.publish(FIRST + 1, "v9.0", early_until="2999-01-01T00:00:00.000Z")
    demo.catalogue.publish(FIRST + 2, "v9.0", early_until="permanent")
    demo.catalogue.unlisted.add(FIRST + 3)  # a real person's: only asked for by itself
    demo.catalogue.remove(FIRST + 4)
    demo.forget()
    before = time.time()
    result = check(application)
    assert result == {
        "checked": 1000, "with_updates": 20, "early_access_only": 2, "gone": 1, "failed": 0, "requests": 12, "unlisted": {"count": 0, "ids": []},
        "problems": [],
    }  # fmt: skip
    paths = asked(demo)
    assert len(paths) == 12 and paths.count("/api/v1/models") == 10
    assert {f"/api/v1/models/{FIRST + 3}", f"/api/v1/models/{FIRST + 4}"} < set(paths)
    models = application.services.models
    assert all(models.row(FIRST + number)["checked"] >= before for number in range(1000))
    assert models.row(FIRST + 4)["gone"] and not models.row(FIRST + 3)["gone"]
    assert models.body(FIRST + 4), "what is known of it stays"
    asked_when = application.updates()["asked"]
    assert asked_when["models"] == 1000 and asked_when["never"] == 0 and before <= asked_when["oldest"] <= asked_when["newest"]

    demo.forget()
    assert check(application)["requests"] == 11, "one that is gone is not asked for again"


def test_the_list_tells_what_is_new_and_what_must_wait(application: Application, demo: DemoServer) -> None:
    fill(application, 10)
    here = {number: demo.catalogue.model(FIRST + number)["modelVersions"][0] for number in range(10)}
    new = demo.catalogue.publish(FIRST + 5, "v9.0", notes="<p>Sharper &amp; <b>calmer</b>.</p><script>alert(1)</script>")
    demo.catalogue.publish(FIRST + 6, "v9.0", early_until="2999-01-01T00:00:00.000Z")
    demo.catalogue.publish(FIRST + 7, "v9.0")
    demo.catalogue.publish(FIRST + 7, "v10.0", early_until="permanent")
    check(application)
    listed = application.updates()
    assert listed["total"] == 3
    items = {item["model_id"]: item for item in listed["items"]}
    five = items[FIRST + 5]
    assert five["here"] == {"version_id": here[5]["id"], "name": here[5]["name"]}
    assert five["early"] is None and five["newest"]["version_id"] == new["id"]
    assert five["newest"]["notes"] == "Sharper & calmer." and five["newest"]["size"] and five["newest"]["file"].startswith("new-")
    assert five["newest"]["base_model"] == here[5]["baseModel"] and five["newest"]["published"] > here[5]["publishedAt"]
    assert items[FIRST + 6]["newest"] is None and items[FIRST + 6]["early"]["early_access"] == "2999-01-01T00:00:00.000Z"
    assert items[FIRST + 7]["newest"]["name"] == "v9.0" and items[FIRST + 7]["early"]["early_access"] == "permanent"
    assert [item["model_id"] for item in listed["items"]][-1] == FIRST + 6, "what can be had comes first"
    window = application.updates(offset=1, limit=1)
    assert window["total"] == 3 and [one["model_id"] for one in window["items"]] == [listed["items"][1]["model_id"]]


def test_a_person_decides_which_versions_count(application: Application, demo: DemoServer) -> None:
    fill(application, 8)
    for number in range(8):
        base = demo.catalogue.model(FIRST + number)["modelVersions"][0]["baseModel"]
        demo.catalogue.publish(FIRST + number, "other base", base="Chroma" if number % 2 else base)
    check(application)
    assert application.updates()["total"] == 8
    edit = application.edit_models
    edit([FIRST, FIRST + 1], {"follow": "base"})
    edit([FIRST + 2], {"follow": "none"})
    edit([FIRST + 3], {"pinned": demo.catalogue.model(FIRST + 3)["modelVersions"][1]["id"]})
    application.own.ignore(FIRST + 4, [demo.catalogue.model(FIRST + 4)["modelVersions"][0]["id"]])
    assert {item["model_id"] - FIRST for item in application.updates()["items"]} == {0, 5, 6, 7}
    assert check(application)["with_updates"] == 4, "no refresh forgets that"
    application.own.ignore(FIRST + 4, [demo.catalogue.model(FIRST + 4)["modelVersions"][0]["id"]], ignored=False)
    assert application.updates()["total"] == 5


def test_what_is_gone_has_no_updates_until_it_is_back(application: Application, demo: DemoServer) -> None:
    fill(application, 1)
    demo.catalogue.publish(FIRST, "v9.0")
    assert check(application)["with_updates"] == 1
    application.services.models.set_gone(FIRST)
    assert application.updates()["total"] == 0 and not application.services.updates.offers([FIRST])
    assert check(application)["with_updates"] == 1, "the list names it again"


def test_an_older_version_that_the_creator_put_first_is_no_update(application: Application, demo: DemoServer) -> None:
    fill(application, 1)
    old = demo.catalogue.publish(FIRST, "recommended")
    old["publishedAt"] = "2020-01-01T00:00:00.000Z"
    assert check(application)["with_updates"] == 0


def test_early_access_that_has_ended_is_an_update_without_a_further_check(application: Application, demo: DemoServer) -> None:
    fill(application, 1)
    soon = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + 2))
    demo.catalogue.publish(FIRST, "v9.0", early_until=soon)
    assert check(application)["early_access_only"] == 1
    until(lambda: application.updates()["items"][0]["newest"], text="the end of the early access")
    assert application.services.models.row(FIRST)["newer"] == 1


def test_only_so_many_are_asked_for_singly_and_the_others_are_told(
    application: Application, demo: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "MOST_SINGLES", 3)
    fill(application, 120)
    application.services.files.forget(f"/models/{FIRST + 119}.safetensors")
    demo.catalogue.unlisted.update(range(FIRST, FIRST + 2))
    demo.catalogue.unlisted.update(range(FIRST + 100, FIRST + 105))
    demo.forget()
    result = check(application, ids=range(FIRST, FIRST + 120))
    assert (result["checked"], result["requests"], len(asked(demo))) == (116, 5, 5)
    assert result["unlisted"] == {"count": 4, "ids": [FIRST + 101, FIRST + 102, FIRST + 103, FIRST + 104]}
    assert application.services.models.row(FIRST + 104)["checked"] == 0 and not application.services.models.row(FIRST + 104)["gone"]
    demo.forget()
    check(application, ids=range(FIRST, FIRST + 120))
    first = [one for one in asked(demo) if one != "/api/v1/models"]
    assert first == [f"/api/v1/models/{FIRST + number}" for number in (101, 102, 103)], "who waited longest is asked first"


def test_a_query_or_ids_choose_and_nothing_to_check_is_said(application: Application, demo: DemoServer) -> None:
    with pytest.raises(NotFound):
        application.check_updates()
    fill(application, 5)
    demo.forget()
    assert check(application, ids=[FIRST, FIRST + 1, -3, 99])["checked"] == 2
    name = application.services.models.row(FIRST + 2)["name"]
    assert check(application, query=f'"{name}"')["checked"] >= 1
    with pytest.raises(NotFound):
        application.check_updates(query="nothing-is-named-so")


def test_what_fails_is_told_and_no_connection_leaves_the_rest_for_later(application: Application, demo: DemoServer, tmp_path: Any) -> None:
    fill(application, 250)
    demo.fault("error", path=r"ids=.*4100150", status=400, times=50)
    result = check(application)
    assert result["failed"] == 100 and result["checked"] == 150 and result["problems"][0]["models"] == 100
    demo.clear_faults()
    demo.stop()
    application.settings.update({"http_timeout": 1.0})
    assert failed(application, application.check_updates())["code"] == "offline"
    demo.start()
    job = application.check_updates()
    assert done(application, job)["checked"] == 250


def test_a_check_that_is_stopped_goes_on_where_it_was(application: Application, demo: DemoServer) -> None:
    fill(application, 400)
    demo.latency = 0.3
    demo.forget()
    job = application.check_updates()
    until(lambda: len(asked(demo)) >= 2)
    application.jobs.pause(job)
    assert finished(application, job).state == "paused"
    done_before = sum(item.state == "done" for item in application.jobs.items(job))
    assert 1 <= done_before < 4
    application.jobs.resume(job)
    assert done(application, job)["checked"] == 400
    assert len(asked(demo)) <= 5, "what was done is not asked for again"


# -- what a list does not know


def test_a_list_takes_nothing_from_a_fuller_answer(application: Application, demo: DemoServer) -> None:
    number = next(n for n in range(60) if len(demo.catalogue.model(FIRST + n)["modelVersions"]) > 1)
    done(application, application.register(f"{demo.url}/models/{FIRST + number}"))
    models = application.services.models
    full = models.body(FIRST + number)
    version = demo.catalogue.model(FIRST + number)["modelVersions"][-1]
    application.services.files.put([LocalFile("/a.safetensors", 1, 1, model_id=FIRST + number, version_id=version["id"])])
    check(application)
    body = models.body(FIRST + number)
    for old, new in zip(full["modelVersions"], body["modelVersions"], strict=True):
        assert {"createdAt", "status", "covered"} <= set(new) and new["createdAt"] == old["createdAt"]
        for before, after in zip(old["files"], new["files"], strict=True):
            assert after["downloadUrl"] == before["downloadUrl"] and "fileId=" in after["downloadUrl"]
            assert after["hashes"] == before["hashes"] and set(before) <= set(after)
        assert [one["url"] for one in new["images"]] == [one["url"] for one in old["images"]] and all("id" in one for one in new["images"])
    new = demo.catalogue.publish(FIRST + number, "v9.0")
    check(application)
    assert [one["id"] for one in models.body(FIRST + number)["modelVersions"]] == [new["id"], *(one["id"] for one in full["modelVersions"])]


def test_merging_keeps_versions_hidden_pictures_and_files_that_lists_leave_out() -> None:
    picture = {"url": "u1", "nsfwLevel": 1}
    file = {
        "id": 7, "sizeKB": 10, "hashes": {"SHA256": "AB", "AutoV3": "CD"}, "downloadUrl": "x?fileId=7", "metadata": {"fp": "fp16"}, "primary": True,
    }  # fmt: skip
    old: dict[str, Any] = {
        "id": 1, "mode": "Archived", "name": "old",
        "modelVersions": [
            {"id": 3, "files": [file], "images": [picture, *({"url": f"u{level + 2}", "nsfwLevel": level} for level in (0, 4))], "paidAccess": {}},
            {"id": 2, "files": [file], "images": [picture], "createdAt": "then"},
            {"id": 1, "files": [file], "images": []},
        ],
    }  # fmt: skip
    new: dict[str, Any] = {
        "id": 1, "name": "new",
        "modelVersions": [
            {"id": 4, "files": [], "images": []},
            {"id": 3, "files": [{**file, "hashes": {}, "metadata": {}, "downloadUrl": "x"}], "images": [{"url": "u1", "nsfwLevel": 1, "id": 5}]},
            {"id": 1, "files": [], "images": []},
        ],
    }  # fmt: skip
    was = copy.deepcopy(old), copy.deepcopy(new)
    merged = merging.over(old, new)
    assert (old, new) == was, "neither is changed"
    assert merged["name"] == "new" and "mode" not in merged
    assert [one["id"] for one in merged["modelVersions"]] == [4, 3, 2, 1]
    third, last = merged["modelVersions"][1], merged["modelVersions"][3]
    assert [one["url"] for one in third["images"]] == ["u1", "u2"], "u6 was removed, u2 is in no list"
    assert third["images"][0]["id"] == 5 and "paidAccess" not in third
    assert third["files"][0] == file and last["files"] == [file]
    assert merging.over(None, new) is new
    replaced = {**new, "modelVersions": [{"id": 3, "files": [{"id": 7, "sizeKB": 11, "hashes": {"SHA256": "EF"}}], "images": []}]}
    assert merging.over(old, replaced)["modelVersions"][0]["files"][0]["hashes"] == {"SHA256": "EF"}, "the creator replaced the file"


# -- killed

CODE = """
import sys
sys.path[:0] = [{root!r}, {scripts!r}, {tests!r}]
from pathlib import Path
from support import make_application
application = make_application(Path({folder!r}), {url!r})
application.start()
job = application.check_updates()
print("started", flush=True)
application.jobs.wait(job, 60)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_check_that_was_killed_goes_on_and_ends_exactly_right(tmp_path: Any, demo: DemoServer) -> None:
    application = make_application(tmp_path, demo)
    application.start()
    fill(application, 500)
    for number in range(0, 500, 5):
        demo.catalogue.publish(FIRST + number, "v9.0")
    application.close()
    code = CODE.format(root=str(ROOT), scripts=str(ROOT / "scripts"), tests=str(ROOT / "tests"), folder=str(tmp_path), url=demo.url)
    demo.latency = 0.2
    demo.forget()
    for wait in (0.1, 0.9, 1.7):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(wait)
        process.kill()
        process.wait()
    demo.latency = 0
    again = make_application(tmp_path, demo)
    again.start()
    try:
        (job,) = [one["id"] for one in again.jobs.changes()["jobs"] if one["kind"] == "updates"]
        result = done(again, job)
        assert (result["checked"], result["with_updates"], result["failed"]) == (500, 100, 0)
        assert again.updates()["total"] == 100
        assert len(asked(demo)) <= 5 + 3, "each kill repeats one request at most"
    finally:
        again.close()
