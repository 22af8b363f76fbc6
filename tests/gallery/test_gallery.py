"""The community's gallery against the demo Civitai: paging both ways, what is not the end, failures, slow answers, and pictures' bytes."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from civitai_manager_libs.actions.gallery import browsing, errands
from civitai_manager_libs.civitai import images
from civitai_manager_libs.civitai.gallery import Query, read
from civitai_manager_libs.errors import CivitaiManagerError, ServiceDown, UsageError
from support import NOWHERE, make_application, until

from demo import build, community

MODEL = build.GENERATED_MODEL
VERSION = build.GENERATED_VERSION


def page(application: Any, **query: Any) -> dict[str, Any]:
    """The page when it is there: asked again as the page does."""
    asked = Query(**query)

    def there() -> dict[str, Any] | None:
        found = application.pictures.gallery(asked)
        return None if "pending" in found else found

    return until(there, 20, "a page of pictures")


def everything(application: Any, **query: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """All pictures, page after page, and the cursors."""
    found: list[dict[str, Any]] = []
    cursors: list[str] = []
    while True:
        got = page(application, **query, cursor=cursors[-1] if cursors else "")
        found += got["items"]
        if not got["next"]:
            return found, cursors
        assert got["next"] not in cursors
        cursors.append(got["next"])


@pytest.mark.parametrize("of", [{"version": VERSION}, {"model": MODEL}])
def test_all_pages_each_picture_once(running: Any, demo: Any, of: dict[str, int]) -> None:
    found, cursors = everything(running, **of, limit=200)
    ids = [one["id"] for one in found]
    assert len(ids) == len(set(ids)) > 390 and len(cursors) >= 2
    assert all(("|" in cursor) == ("version" in of) for cursor in cursors), "one path's cursors are numbers, the other's are offsets"
    assert {one["level"] for one in found} == {1, 2, 4, 8, 16} and {one["type"] for one in found} == {"image", "video"}
    assert all(one["url"].startswith(demo.storage_url) and one["created"] and one["post_id"] for one in found)
    one = next(one for one in found if one["id"] == community.COMMUNITY_IMAGE + 1)
    assert one["page"] == f"{demo.url}/images/{one['id']}"
    assert one["has_meta"] and one["hash"] and (one["width"], one["height"]) == community.SIZES[1]
    before = len(demo.requests)
    assert page(running, **of, limit=200)["items"] == found[:200], "the second time from memory"
    assert len(demo.requests) == before


def test_levels_sorts_and_periods_are_asked_for(running: Any, demo: Any) -> None:
    clean, _ = everything(running, version=VERSION, level=1)
    assert clean and {one["level"] for one in clean} == {1}
    oldest = page(running, version=VERSION, sort="Oldest")["items"]
    assert [one["created"] for one in oldest] == sorted(one["created"] for one in oldest)
    assert 0 < len(page(running, version=VERSION, period="Day")["items"]) < 30
    asked = [entry["query"] for entry in demo.requests if entry["path"] == "/api/v1/images"]
    assert "sort=Oldest" in asked[-2] and "period=Day" in asked[-1] and all("withMeta=true" in query for query in asked)
    for bad in ({"sort": "Random"}, {"period": "Hour"}, {"level": 0}, {"version": 0}):
        with pytest.raises(UsageError):
            running.pictures.gallery(Query(**{"version": VERSION, **bad}))


def test_what_is_not_rated_or_blocked_is_not_let_through(running: Any) -> None:
    raw = {"id": 1, "url": "https://image.civitai.com/x/u/original=true/1.jpeg", "nsfwLevel": "None", "browsingLevel": 0}
    assert read(raw, Query(version=1)).picture.level == 0, "the old word for it is the one for PG, too"


def test_an_empty_page_with_a_cursor_is_passed_over(running: Any, demo: Any) -> None:
    demo.fault("empty_page", path="/images", cursor=True, times=2)
    found = page(running, model=MODEL, limit=50)
    assert len(found["items"]) == 50 and found["next"]
    demo.fault("empty_page", path="/images", cursor=True)
    with pytest.raises(ServiceDown, match="ran out of time") as caught:
        page(running, model=MODEL, limit=60)
    assert "choose one version" in caught.value.next_step


def test_a_page_that_was_promised_is_not_taken_for_the_end(running: Any, demo: Any) -> None:
    first = page(running, model=MODEL, limit=50)
    demo.fault("empty_page", path="/images", times=1)
    with pytest.raises(ServiceDown, match="before this page was complete"):
        page(running, model=MODEL, limit=50, cursor=first["next"])
    assert page(running, model=MODEL, limit=50, cursor=first["next"])["items"], "asked again, it comes"


@pytest.mark.parametrize("fault, options, code", [
    ("error", {"status": 524, "html": True}, "service_down"), ("error", {"status": 500}, "service_down"), ("html_page", {}, "service_down"),
    ("region", {}, "region_blocked"), ("close", {}, "service_down"),
])  # fmt: skip
def test_failures_are_failures(tmp_path: Any, demo: Any, fault: str, options: dict[str, Any], code: str) -> None:
    application = make_application(tmp_path, demo, http_timeout=3, http_retry_delay=0.01)
    application.start()
    try:
        demo.fault(fault, path="/images", **options)
        with pytest.raises(CivitaiManagerError) as caught:
            page(application, version=VERSION)
        assert caught.value.as_dict()["next_step"] and caught.value.code in (code, "bad_answer")
        demo.clear_faults()
        assert page(application, version=VERSION)["items"], "the failure is told once; then it is asked anew"
    finally:
        application.close()


def test_offline_the_last_page_remains(tmp_path: Any, demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    application = make_application(tmp_path, demo)
    application.start()
    try:
        before = page(application, version=VERSION)
        monkeypatch.setattr(browsing, "FRESH", -1.0)
        application.settings._overrides.update(civitai_url=NOWHERE)
        application.settings.update({})
        found = until(lambda: (got := application.pictures.gallery(Query(version=VERSION))) and "items" in got and got, 15)
        assert found["items"] == before["items"] and found["as_of"] == before["as_of"] and found["error"]["code"] == "offline"
    finally:
        application.close()


def test_a_slow_answer_holds_up_nobody(running: Any, demo: Any) -> None:
    demo.fault("slow", path="modelId=", seconds=2)
    threads = threading.active_count()
    begun = time.monotonic()
    for _ in range(5):
        for number in range(12):
            got = running.pictures.gallery(Query(model=MODEL + number))
            assert set(got) == {"pending", "text"}
    assert time.monotonic() - begun < 1.0
    assert threading.active_count() <= threads + errands.AT_A_TIME
    assert len([one for one in demo.requests if "modelId=" in one["query"]]) <= errands.AT_A_TIME, "equal questions are asked once"
    assert len(page(running, model=MODEL)["items"]) == 100


def test_what_nobody_waits_for_is_given_up(running: Any, demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands, "FORGOTTEN", 0.3)
    demo.fault("error", status=503, retry_after=30, path="/images")
    assert running.pictures.gallery(Query(version=VERSION))["pending"] >= 0
    known = running.pictures._errands._known
    until(lambda: not known, 5, "the end of what nobody waits for")


def test_which_addresses_are_civitais() -> None:
    for bad in ("https://example.org/a/b/original=true/1.png", "file:///etc/passwd", "https://civitai.com.example.org/x", "http://169.254.169.254/x"):
        assert not images.is_civitais(bad, "http://127.0.0.1:7862")
    assert images.is_civitais("https://image.civitai.com/a/b/c.jpeg", "https://civitai.com")
    assert not images.is_civitais("http://127.0.0.1:80/a", "https://civitai.com") and not images.is_civitais("https://user@civitai.com/", "")
    assert images.is_civitais("https://mirror.example/a", "https://mirror.example/") and not images.is_civitais("http://10.0.0.1/a", "")
