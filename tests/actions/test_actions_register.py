"""Registering, against the demo Civitai: what may be pasted, batches, failures, thumbnails."""

from __future__ import annotations

import io
from typing import Any

import pytest
from civitai_manager_libs.errors import NotALink, NotFound
from PIL import Image
from support import NOWHERE, done, failed, finished, make_application, until

from demo import files as contents
from demo.catalogue import FIRST, SPECIAL

CASE = SPECIAL["training_data_first"]
DELETED = SPECIAL["deleted"].model_id


def registered(application: Any) -> list[int]:
    return sorted(card["id"] for card in application.cards(limit=1000)["items"])


def hashes(demo: Any) -> dict[str, str]:
    return dict(contents.hashes(demo.catalogue.version(CASE.version_id)[1]["files"][1]["_content"]))


REFERENCES = {
    "model page": lambda demo: f"https://civitai.com/models/{CASE.model_id}/feather-otter?x=1#top",
    "version": lambda demo: f"https://civitai.red/models/{CASE.model_id}?modelVersionId={CASE.version_id}",
    "own address": lambda demo: f"{demo.url}/models/{CASE.model_id}",
    "download link": lambda demo: f"https://civitai.com/api/download/models/{CASE.version_id}?type=Model",
    "version page": lambda demo: f"https://civitai.com/model-versions/{CASE.version_id}",
    "bare id": lambda demo: str(CASE.model_id),
    "AIR": lambda demo: f"urn:air:sdxl:lora:civitai:{CASE.model_id}@{CASE.version_id}",
    "SHA-256": lambda demo: hashes(demo)["SHA256"],
    "AutoV2": lambda demo: hashes(demo)["AutoV2"],
    "AutoV3": lambda demo: hashes(demo)["AutoV3"].lower(),
    "shortcut": lambda demo: f"[InternetShortcut]\r\nURL=https://civitai.com/models/{CASE.model_id}\r\n",
    "webloc": lambda demo: f"<plist><dict><key>URL</key><string>https://civitai.com/models/{CASE.model_id}</string></dict></plist>",
    "in a sentence": lambda demo: f"look at this: https://civitai.com/models/{CASE.model_id}, it is nice",
}


@pytest.mark.parametrize("kind", REFERENCES)
def test_every_kind_of_reference(running: Any, demo: Any, kind: str) -> None:
    result = done(running, running.register(REFERENCES[kind](demo)))
    assert [(one["model_id"], one["name"], one["new"]) for one in result["registered"]] == [(CASE.model_id, "Feather Otter", True)]
    assert registered(running) == [CASE.model_id]
    assert running.cards()["items"][0]["state"] == "registered"


@pytest.mark.parametrize("kind", ["images", "posts"])
def test_image_and_post_links_lead_to_the_model_they_show(running: Any, demo: Any, kind: str) -> None:
    found, _ = running.services.client.transport.get_json("/api/v1/images", {"modelVersionId": CASE.version_id, "limit": 1, "nsfw": "X"})
    (image,) = found["items"]
    number = image["id"] if kind == "images" else image["postId"]
    result = done(running, running.register(f"https://civitai.com/{kind}/{number}"))
    assert result["registered"][0]["model_id"] == CASE.model_id


@pytest.mark.parametrize(
    "text", ["", "   \n", "hello world", "https://example.org/models/5", "https://civitai.com.evil.com/models/5", "https://civitai.com/user/ann"]
)
def test_what_is_no_link_is_refused_at_once_and_says_what_is_accepted(running: Any, demo: Any, text: str) -> None:
    with pytest.raises(NotALink) as caught:
        running.register(text)
    assert "AIR" in caught.value.next_step and "SHA-256" in caught.value.next_step
    assert running.jobs.changes()["jobs"] == [] and demo.requests == []


def test_a_batch_commits_what_it_can_and_names_each_failure(running: Any, demo: Any) -> None:
    good = list(FIRST[:6])
    text = "\n".join([*map(str, good[:3]), str(DELETED), "https://civitai.com/what/is/this", "f" * 64, "2147483646", *map(str, good[3:])])
    job = running.register(text)
    error = failed(running, job)
    assert error["code"] == "some_failed" and "6 of 10" in error["message"]
    assert {one["text"]: one["code"] for one in error["failed"]} == {
        str(DELETED): "not_found", "https://civitai.com/what/is/this": "not_a_link", "f" * 64: "not_found", "2147483646": "not_found",
    }  # fmt: skip
    assert all(one["message"] and one["next_step"] for one in error["failed"])
    assert all(number in error["message"] for number in (str(DELETED), "2147483646"))
    assert registered(running) == sorted(good)
    view = running.jobs.view(job)
    assert (view.done, view.total) == (10, 10)


def test_only_the_failed_ones_are_done_again(running: Any, demo: Any) -> None:
    demo.fault("error", path=f"/models/{FIRST[1]}", status=500)
    job = running.register("\n".join(map(str, FIRST[:4])))
    assert failed(running, job)["failed"][0]["code"] == "service_down"
    demo.clear_faults()
    demo.forget()
    running.jobs.retry(job)
    result = done(running, job)
    assert len(result["registered"]) == 4 and registered(running) == sorted(FIRST[:4])
    assert [one["path"] for one in demo.requests if one["origin"] == "api"] == [f"/api/v1/models/{FIRST[1]}"]


def test_unknown_ids_are_told_by_name(running: Any) -> None:
    error = failed(running, running.register(str(DELETED)))
    assert (error["code"], error["message"]) == ("not_found", f"Civitai does not know model {DELETED}.")


def test_offline_stops_early_and_a_retry_does_the_rest(running: Any, demo: Any) -> None:
    done(running, running.register(str(FIRST[0])))
    demo.stop()
    job = running.register("\n".join(map(str, FIRST[:12])))
    error = failed(running, job, 5)
    assert error["code"] == "offline" and "library here stays usable" in error["next_step"]
    assert running.cards()["total"] == 1 and running.model_view(FIRST[0])["name"] and running.thumbnail(FIRST[0]) is not None
    demo.start()
    running.jobs.retry(job)
    assert len(done(running, job)["registered"]) == 12


def test_offline_from_the_start(tmp_path: Any) -> None:
    application = make_application(tmp_path, NOWHERE)
    application.start()
    try:
        assert failed(application, application.register("5"), 5)["code"] == "offline"
        assert failed(application, application.test_key(), 5)["code"] == "offline"
    finally:
        application.close()


def test_a_pause_in_a_batch_keeps_what_has_come(running: Any, demo: Any) -> None:
    demo.latency = 0.1
    job = running.register("\n".join(map(str, FIRST)))
    until(lambda: running.jobs.view(job).done >= 3)
    running.jobs.pause(job)
    assert finished(running, job).state == "paused"
    kept = registered(running)
    assert 3 <= len(kept) < 24
    demo.latency = 0.0
    demo.forget()
    running.jobs.resume(job)
    assert len(done(running, job)["registered"]) == 24
    asked = [one["path"] for one in demo.requests if one["origin"] == "api"]
    assert 24 - len(kept) <= len(asked) <= 24 - len(kept) + 4, "only what was under way is fetched again"


def test_a_gone_model_keeps_what_we_have(running: Any, demo: Any) -> None:
    done(running, running.register(str(CASE.model_id)))
    running.set_note(CASE.model_id, "mine")
    demo.fault("error", path=f"/models/{CASE.model_id}", status=500, times=0)
    kept = demo.catalogue.fixed[CASE.model_id]
    try:
        demo.catalogue.fixed[CASE.model_id] = {**kept, "_found": False}
        error = failed(running, running.refresh(CASE.model_id))
    finally:
        demo.catalogue.fixed[CASE.model_id] = kept
    assert error["code"] == "not_found" and "Feather Otter is gone" in error["message"]
    view = running.model_view(CASE.model_id)
    assert view["gone"] and view["note"] == "mine" and len(view["versions"][0]["files"]) == 2 and running.thumbnail(CASE.model_id)
    done(running, running.refresh(CASE.model_id))
    assert not running.model_view(CASE.model_id)["gone"]
    with pytest.raises(NotFound):
        running.refresh(999)


def test_again_is_a_refresh(running: Any, demo: Any) -> None:
    done(running, running.register(str(CASE.model_id)))
    running.set_note(CASE.model_id, "mine")
    before = running.model_view(CASE.model_id)
    result = done(running, running.register(f"https://civitai.com/models/{CASE.model_id}"))
    assert (result["new"], result["refreshed"]) == (0, 1)
    after = running.model_view(CASE.model_id)
    assert (after["registered"], after["note"], after["thumbnail"]) == (before["registered"], "mine", before["thumbnail"])
    assert running.cards()["total"] == 1


@pytest.mark.parametrize("name", sorted(set(SPECIAL) - {"deleted", "big_file"}))
def test_every_special_case_can_be_registered_and_shown(running: Any, demo: Any, name: str) -> None:
    case = SPECIAL[name]
    finished_view = finished(running, running.register(str(case.model_id)))
    assert finished_view.state == "done", finished_view.error
    view = running.model_view(case.model_id)
    assert view is not None and view["id"] == case.model_id and view["name"]
    for version in view["versions"]:
        for file in version["files"]:
            choice = running.folder_choices(version["id"], file["id"])
            assert choice["default"] in choice["choices"] and choice["name"]
    assert running.cards(limit=1000)["items"][0]["id"] == case.model_id


def thumbnail(application: Any, case: Any) -> Image.Image | None:
    found = application.thumbnail(case.model_id)
    if found is None:
        return None
    data, mime, tag = found
    assert mime == "image/jpeg" and tag and len(data) < 200_000
    picture = Image.open(io.BytesIO(data))
    picture.load()
    assert max(picture.size) <= 720
    return picture


@pytest.mark.parametrize(
    ("name", "has"), [("video_preview", True), ("only_video", True), ("broken_image", True), ("missing_image", False), ("no_versions", False)]
)
def test_thumbnails_of_any_source(running: Any, name: str, has: bool) -> None:
    result = done(running, running.register(str(SPECIAL[name].model_id)))
    assert (thumbnail(running, SPECIAL[name]) is not None) == has
    if name == "missing_image":
        assert result["registered"][0]["thumbnail_problem"]


def test_a_chosen_thumbnail_survives_a_refresh_and_another_first_picture_replaces_one_that_was_not(running: Any, demo: Any) -> None:
    from civitai_manager_libs.actions import thumbnails

    done(running, running.register(str(CASE.model_id)))
    first = running.thumbnail(CASE.model_id)[2]
    kept = demo.catalogue.fixed[CASE.model_id]
    other = demo.catalogue.fixed[SPECIAL["broken_image"].model_id]["modelVersions"][0]["images"][1]
    changed = {**kept, "modelVersions": [{**kept["modelVersions"][0], "images": [other, *kept["modelVersions"][0]["images"]]}]}
    try:
        demo.catalogue.fixed[CASE.model_id] = changed
        done(running, running.refresh(CASE.model_id))
        second = running.thumbnail(CASE.model_id)[2]
        assert second != first
        red = io.BytesIO()
        Image.new("RGB", (2000, 100), "red").save(red, "PNG")
        assert thumbnails.store(running.services, CASE.model_id, red.getvalue(), "", chosen=True)
        chosen = running.thumbnail(CASE.model_id)[2]
        demo.catalogue.fixed[CASE.model_id] = kept
        done(running, running.refresh(CASE.model_id))
        assert running.thumbnail(CASE.model_id)[2] == chosen
    finally:
        demo.catalogue.fixed[CASE.model_id] = kept


def test_a_secret_in_a_pasted_link_is_forgotten(running: Any, tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    """People paste download links with their key in them."""
    secret = "0123456789abcdef0123456789abcdef"
    with caplog.at_level("DEBUG"):
        done(running, running.register(f"https://civitai.com/api/download/models/{CASE.version_id}?type=Model&token={secret}"))
        finished(running, running.register(f"https://civitai.com/api/download/models/2147483000?token={secret}"))
        with pytest.raises(NotALink) as caught:
            running.register(f"https://civitai.com/nothing?token={secret}")
    assert secret not in str(caught.value)
    assert secret not in str(running.jobs.changes()) and secret not in caplog.text
    running.close()
    for file in (tmp_path / "data").rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes()


def test_the_key_can_be_tested(running: Any, tmp_path: Any, demo: Any) -> None:
    assert done(running, running.test_key())["username"]
    for key, code in (("wrong-key-0000000000000000", "key_rejected"), ("", "login_required")):
        other = make_application(tmp_path / (key or "none"), demo, key=key)
        other.start()
        try:
            assert failed(other, other.test_key())["code"] == code
        finally:
            other.close()


def test_a_slow_civitai_is_told_from_a_dead_program(running: Any, demo: Any) -> None:
    demo.fault("slow", path=f"/models/{CASE.model_id}", times=1, seconds=6)
    job = running.register(str(CASE.model_id))
    view = until(lambda: (one := running.jobs.view(job)).text.startswith("no answer from Civitai for ") and one, 15)
    assert view.state == "running" and view.quiet >= 2 and view.can
    done(running, job)
    assert (running.jobs.view(job).text, running.jobs.view(job).quiet) == ("", 0.0)
