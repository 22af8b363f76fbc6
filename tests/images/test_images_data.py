"""Generation data of exactly this picture, whatever of Civitai works: by number, by version, from its file; and never "none" for a failure."""

from __future__ import annotations

import time
from typing import Any

import pytest
from civitai_manager_libs.actions.images import data as image_data
from civitai_manager_libs.actions.images.data import Picture
from civitai_manager_libs.application import Application
from civitai_manager_libs.civitai.gallery import Picture as Shown
from civitai_manager_libs.civitai.gallery import Told
from civitai_manager_libs.reporter import Plain
from support import done, failed, make_application

from demo.catalogue import SPECIAL
from demo.community import COMMUNITY_IMAGE
from demo.server import DemoServer
from demo.shapes import uuid
from demo.told import WAYS

CASE = SPECIAL["told_in_files"]
FIRST = 149_000_000 + (CASE.model_id - 4_000_000) * 100


def picture(demo: DemoServer, number: int, *, known_id: bool = True, version: int | None = CASE.version_id) -> dict[str, Any]:
    """As a page has it: with the address of a small variant, which holds nothing."""
    url = f"{demo.storage_url}/xG1nkqKTMzGDvpLrqFT7WA/{uuid(number)}/width=450/{number}.jpeg"
    return {"url": url, "id": number if known_id else 0, "type": "image", "version_id": version}


def look(application: Application, asked: dict[str, Any], **more: Any) -> dict[str, Any]:
    told = application.images.data(asked, **more)
    found: dict[str, Any] = told["data"] if "data" in told else done(application, told["job"])["data"]
    return found


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("known_id", [True, False])
def test_every_way_in_which_it_is_told(running: Application, demo: DemoServer, way: str, known_id: bool) -> None:
    number = FIRST + WAYS.index(way)
    data = look(running, picture(demo, number, known_id=known_id))
    expected = {"nothing": ("none", ""), "nested": ("found", "api"), "comfy_meta": ("found", "api"), "comfy": ("found", "comfy")}
    assert (data["state"], data["source"]) == expected.get(way, ("found", "file"))
    if way in ("png", "exif", "webp"):
        assert data["parameters"]["Seed"] == str(number) and data["negative"] == "text,\nwatermark"
        assert data["parameters"]["ADetailer prompt"] == "a, b: c"
        names = {one["name"]: one["hash"] for one in data["resources"]}
        assert names == {"linenMorning_v10": "0123456789", "linenSail": "88e247aa8c3d", "4x-Linen": ""}
    if way == "nested":
        assert data["parameters"]["Seed"] == "12345678901234" and data["parameters"]["Clip skip"] == "2" and data["parameters"]["CFG scale"] == "7"
        assert [(one["name"], one["hash"]) for one in data["resources"] if one["kind"] == "lora"] == [("linenSail", "88e247aa8c3d")]
    if way.startswith("comfy"):
        assert data["prompt"] == f"a graph of picture {number}" and data["comfy"] and data["parameters"]["Schedule type"] == "Karras"
        assert data["parameters"]["Size"] == "320x480" and data["parameters"]["Model"] == "someCheckpoint_v2"
    demo.forget()
    assert {**look(running, picture(demo, number)), "checked": 0} == {**data, "checked": 0}
    assert not demo.requests, "it is remembered"


def test_the_original_is_read_and_nothing_smaller(running: Application, demo: DemoServer) -> None:
    look(running, picture(demo, FIRST))
    (asked,) = [one["path"] for one in demo.requests if one["origin"] == "storage"]
    assert "/original=true/" in asked


def test_another_pictures_data_are_never_taken(running: Application, demo: DemoServer) -> None:
    """The list by number answers with other pictures; the version's own list, then the file, know the right one."""
    demo.fault("wrong_image", "imageId=")
    nested, png = FIRST + WAYS.index("nested"), FIRST + WAYS.index("png")
    assert look(running, picture(demo, nested))["prompt"] == "a nested sail"
    assert look(running, picture(demo, png, version=None))["parameters"]["Seed"] == str(png)
    nothing = FIRST + WAYS.index("nothing")
    assert look(running, picture(demo, nothing))["state"] == "none", "its version tells that there is nothing"
    error = failed(running, running.images.data(picture(demo, FIRST + 1000, version=None))["job"])
    assert error["code"] == "service_down" and error["next_step"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"name": "rate_limit_silent"}, "rate_limited"), ({"name": "error", "status": 500}, "service_down"), ({"name": "challenge"}, "service_down"),
        ({"name": "region"}, "region_blocked"), ({"name": "empty_page"}, "service_down"),
    ],
)  # fmt: skip
def test_a_failure_is_none_of_the_answers(running: Application, demo: DemoServer, fault: dict[str, Any], code: str) -> None:
    """Nobody who could know answers, and the file has nothing: a failure, and the next try finds out."""
    nothing = picture(demo, FIRST + WAYS.index("nothing"), version=None)
    demo.fault(path="/api/v1/images", **fault)
    demo.fault(path="/api/v1/model-versions", **fault)
    assert failed(running, running.images.data(nothing)["job"], 90)["code"] == code
    assert running.services.generation.data(Picture(url=nothing["url"]).key) is None
    demo.clear_faults()
    assert look(running, nothing)["state"] == "none"


def test_the_file_helps_when_the_list_does_not_work(running: Application, demo: DemoServer) -> None:
    demo.fault("error", "/api/v1/images", status=500)
    assert look(running, picture(demo, FIRST))["source"] == "file"


def test_a_file_that_cannot_be_had_is_a_failure(running: Application, demo: DemoServer) -> None:
    demo.fault("storage_error", "original=true", status=500)
    assert failed(running, running.images.data(picture(demo, FIRST))["job"], 90)["code"] == "service_down"
    assert running.images.data(picture(demo, FIRST)).keys() == {"job"}


def test_offline(tmp_path: Any, demo: DemoServer) -> None:
    asked = picture(demo, FIRST)
    demo.stop()
    application = make_application(tmp_path, demo)
    application.start()
    try:
        error = failed(application, application.images.data(asked)["job"])
        assert error["code"] == "offline" and error["next_step"]
        demo.start()
        assert look(application, asked)["state"] == "found"
    finally:
        application.close()


def test_none_is_looked_at_again_after_a_week_or_when_asked(running: Application, demo: DemoServer) -> None:
    nothing = picture(demo, FIRST + WAYS.index("nothing"))
    assert look(running, nothing)["state"] == "none"
    assert "data" in running.images.data(nothing)
    assert "job" in running.images.data(nothing, again=True)
    key = Picture(url=nothing["url"]).key
    running.services.generation.keep([(key, {"state": "none"})], now=time.time() - image_data.ASK_AGAIN - 1)
    assert "job" in running.images.data(nothing)


def test_what_was_found_is_not_lost_to_a_later_none(running: Application) -> None:
    running.services.generation.keep([("x", {"state": "found", "infotext": "a"})])
    running.services.generation.keep([("x", {"state": "none"})])
    kept = running.services.generation.data("x")
    assert kept is not None and kept["infotext"] == "a"


def test_a_registered_models_old_answer_is_enough(running: Application, demo: DemoServer) -> None:
    """Answers of 2023 hold the data of each picture: nobody is asked."""
    number = FIRST + 5
    asked = picture(demo, number)
    done(running, running.register(str(f"{demo.url}/models/{CASE.model_id}")))
    body = running.services.models.body(CASE.model_id)
    assert body is not None
    for image in body["modelVersions"][0]["images"]:
        if uuid(number) in image["url"]:
            image["meta"] = {"prompt": "as it was told in 2023", "steps": 20, "seed": 1}
    from civitai_manager_libs.actions.register import entry_of
    from civitai_manager_libs.civitai import payloads

    running.services.models.save(entry_of(payloads.model(body)), body)
    assert running.images.data({**asked, "model_id": CASE.model_id})["data"]["prompt"] == "as it was told in 2023"


def test_what_came_along_is_kept(running: Application, demo: DemoServer) -> None:
    asked = picture(demo, FIRST)
    image_data.learn(running.services, [Told(Shown(url=asked["url"], id=FIRST), {"prompt": "told with a list", "steps": 3})])
    assert running.images.data(asked)["data"]["prompt"] == "told with a list"
    other = picture(demo, FIRST + 1)
    content = running.services.client.original(other["url"])
    image_data.data_of(running.services, {**other, "level": 1, "width": 5}, content, True, Plain())
    assert running.images.data(other)["data"]["parameters"]["Seed"] == str(FIRST + 1)


@pytest.mark.parametrize("telling", [True, False])
def test_of_a_kept_picture_without_data_that_is_known_unless_it_is_a_smaller_variant(running: Application, demo: DemoServer, telling: bool) -> None:
    number = COMMUNITY_IMAGE + 7
    bare = {"url": f"{demo.storage_url}/xG1nkqKTMzGDvpLrqFT7WA/{uuid(number)}/original=true/{number}.mp4", "id": number, "type": "video"}
    image_data.data_of(running.services, bare, b"a film", telling, Plain())
    demo.fault("close")
    told = running.images.data(bare)
    assert told["data"]["state"] == "none" if telling else told.get("data") is None and told["job"]


def test_of_a_kept_picture_nothing_is_claimed_when_civitai_could_not_be_asked(running: Application, demo: DemoServer) -> None:
    number = COMMUNITY_IMAGE + 7
    bare = {"url": f"{demo.storage_url}/xG1nkqKTMzGDvpLrqFT7WA/{uuid(number)}/original=true/{number}.mp4", "id": number, "type": "video"}
    demo.fault("region")
    image_data.data_of(running.services, bare, b"a film", True, Plain())
    assert running.services.generation.data(uuid(number)) is None


def test_a_video_has_no_file_to_read(running: Application, demo: DemoServer) -> None:
    number = COMMUNITY_IMAGE + 7
    url = f"{demo.storage_url}/xG1nkqKTMzGDvpLrqFT7WA/{uuid(number)}/original=true/{number}.mp4"
    assert look(running, {"url": url, "id": number, "type": "video", "version_id": None})["state"] == "none"
    assert not [one for one in demo.requests if one["origin"] == "storage"]


def test_looking_at_many_pictures_leaves_no_list_of_jobs(running: Application, demo: DemoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    first = running.images.data(picture(demo, FIRST))["job"]
    done(running, first)
    second = running.images.data(picture(demo, FIRST + 1))["job"]
    done(running, second)
    assert {one["id"] for one in running.jobs.changes()["jobs"]} == {first, second}, "a page may not have read the first yet"
    monkeypatch.setattr(image_data, "READ_BY", 0.0)
    done(running, running.images.data(picture(demo, FIRST + 2))["job"])
    assert len(running.jobs.changes()["jobs"]) == 1
