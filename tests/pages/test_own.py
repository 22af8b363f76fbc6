"""What is a person's own about a model: the note, and the picture on its card. A refresh keeps both."""

from __future__ import annotations

from typing import Any

from demo.specials import SPECIAL
from tests.pages import steps

MODEL = SPECIAL["variants_same_name"].model_id


def thumbnail(app: Any) -> str:
    return next(card["thumbnail"] for card in app.cards() if card["id"] == MODEL)


def test_a_note_is_kept_over_a_reload_and_found_by_the_search(app: Any, browser: Any, demo: Any) -> None:
    app.register(str(MODEL))
    page = browser.open(app.url)
    steps.open_model(page, MODEL)
    page.fill("#cm_note textarea, #cm_note input", "Zirkusfarben: works best at 0.7")
    page.locator("#cm_note textarea, #cm_note input").first.blur()
    page.wait_for_function("async () => (await (await fetch('/civitai-manager/cards?q=zirkusfarben')).json()).total === 1", timeout=10_000)
    steps.reload(page)
    steps.shown(page, MODEL)
    page.wait_for_function("() => document.querySelector('#cm_note textarea, #cm_note input')?.value.startsWith('Zirkusfarben')")
    page.click("#cm_refresh")
    page.wait_for_selector("#cm_progress:has-text('Refreshed')", timeout=15_000)
    page.wait_for_function("() => document.querySelector('#cm_note textarea, #cm_note input')?.value.startsWith('Zirkusfarben')")
    assert browser.errors == []


def test_another_picture_on_the_card_stays_over_a_refresh(app: Any, browser: Any, demo: Any) -> None:
    app.register(str(MODEL))
    page = browser.open(app.url)
    steps.open_model(page, MODEL)
    before = thumbnail(app)
    for _ in range(2):
        page.get_by_label("Next picture, from Civitai").click()
    page.wait_for_function("() => { const i = document.querySelector('.cm-picture img:not([data-cm-src])'); return i && i.naturalWidth > 0; }")
    page.get_by_label("Use this picture on the card").click()
    page.wait_for_function("tag => !(document.querySelector('.cm-card img')?.src || tag).includes(tag)", arg=before, timeout=15_000)
    chosen = thumbnail(app)
    assert chosen and chosen != before
    app.register(str(MODEL))
    assert thumbnail(app) == chosen
    assert browser.errors == []


def test_an_example_video_comes_without_telling_where_this_page_is(app: Any, browser: Any, demo: Any) -> None:
    case = SPECIAL["video_preview"]
    app.register(str(case.model_id))
    page = browser.open(app.url)
    steps.open_model(page, case.model_id)
    demo.forget()
    page.get_by_label("Next picture, from Civitai").click()
    page.wait_for_function("() => { const v = document.querySelector('.cm-picture video'); return v && v.src.startsWith('blob:'); }")
    asked = [one for one in demo.requests if str(149_000_000 + (case.model_id - 4_000_000) * 100) in one["path"] or "sea" in one["path"]]
    assert asked and all("Referer" not in one["headers"] and "Cookie" not in one["headers"] for one in demo.requests), demo.requests
    address = page.evaluate("() => document.querySelector('.cm-picture video').src")
    page.get_by_label("Next picture, from Civitai").click()
    page.wait_for_function("() => { const i = document.querySelector('.cm-picture img:not([data-cm-src])'); return i && i.naturalWidth > 0; }")
    assert page.evaluate("url => fetch(url).then(() => 'there', () => 'gone')", address) == "gone", "its memory is given back"
    assert page.locator(".cm-picture video").count() == 0
