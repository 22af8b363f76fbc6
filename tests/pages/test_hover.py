"""A card's short video: only when somebody rests there, one at a time, only what may be seen, without telling Civitai where this page is."""

from __future__ import annotations

from typing import Any

import pytest

from demo.specials import SPECIAL
from tests.pages import steps

pytestmark = pytest.mark.once
VIDEO, FILM, PLAIN = (SPECIAL[name].model_id for name in ("video_preview", "only_video", "many_versions"))
PLAYS = """() => {
    const video = document.querySelector('.cm-card[data-id="%s"] .cm-video');
    return video && video.muted && video.src.startsWith('blob:') && !video.paused;
}"""
NONE = "() => !document.querySelector('.cm-video')"


def asked(demo: Any) -> list[dict[str, Any]]:
    return [one for one in demo.requests if ".mp4" in one["path"]]


def only(page: Any) -> None:
    """These three are the first cards whatever else is registered."""
    page.fill(".cm-search", "is:registered #hovering")
    page.press(".cm-search", "Enter")
    page.wait_for_selector(".cm-count:text-is('3 models')")
    page.wait_for_selector(".cm-card:not(.cm-waiting)")
    page.mouse.move(2, 2)


@pytest.fixture
def three(app: Any) -> Any:
    app.register("\n".join(map(str, (VIDEO, FILM, PLAIN))))
    app.post("/civitai-manager/models/edit", json={"ids": [VIDEO, FILM, PLAIN], "add_tags": ["hovering"], "set": {"own_level": None}})
    cards = {card["id"]: card for card in app.cards()}
    assert cards[VIDEO]["video"].endswith(".mp4") and "width=450" in cards[VIDEO]["video"] and cards[PLAIN]["video"] == ""
    return app


def test_it_plays_where_the_mouse_rests_and_nowhere_else(three: Any, browser: Any, demo: Any) -> None:
    page = browser.open(three.url)
    only(page)
    demo.forget()
    steps.card(page, PLAIN).hover()
    page.wait_for_timeout(600)
    assert asked(demo) == [] and page.evaluate(NONE)
    steps.card(page, VIDEO).hover()
    page.wait_for_function(PLAYS % VIDEO)
    steps.card(page, FILM).hover()
    page.wait_for_function(PLAYS % FILM)
    assert page.locator(".cm-video").count() == 1, "one at a time"
    assert asked(demo) and all("Referer" not in one["headers"] and "Cookie" not in one["headers"] for one in asked(demo))
    page.mouse.move(2, 2)
    page.wait_for_function(NONE)
    demo.forget()
    box = steps.card(page, VIDEO).bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)  # only passing by
    page.mouse.move(2, 2)
    page.wait_for_timeout(600)
    assert asked(demo) == []

    page.focus(".cm-scroll")
    page.keyboard.press("Home")
    for _ in range(3):
        if page.evaluate("() => Number(document.querySelector('.cm-active').dataset.id)") == VIDEO:
            break
        page.keyboard.press("ArrowRight")
        steps.settled(page)
    page.wait_for_function(PLAYS % VIDEO)
    page.keyboard.press("/")
    page.wait_for_function(NONE)
    assert browser.errors == []


def test_what_may_not_be_seen_is_not_asked_for(three: Any, browser: Any, demo: Any) -> None:
    three.post("/civitai-manager/models/edit", json={"ids": [VIDEO], "set": {"own_level": 16}})
    page = browser.open(three.url)
    only(page)
    demo.forget()
    steps.card(page, VIDEO).hover()
    page.wait_for_timeout(900)
    assert asked(demo) == [] and page.evaluate(NONE)
    steps.card(page, VIDEO).locator(".cm-reveal").click()
    page.mouse.move(2, 2)
    steps.card(page, VIDEO).hover()
    page.wait_for_function(PLAYS % VIDEO)
    page.get_by_label("Which pictures are shown", exact=True).first.click()
    page.select_option("[aria-label='Show pictures up to']", "1")  # what was revealed is veiled again
    page.wait_for_function(NONE)

    calm = browser.open(three.url, reduced_motion="reduce")
    only(calm)
    demo.forget()
    steps.card(calm, FILM).hover()
    calm.wait_for_timeout(900)
    assert asked(demo) == [] and calm.evaluate(NONE)
    assert browser.errors == []
