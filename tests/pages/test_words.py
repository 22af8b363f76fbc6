"""Sets of trigger words in the page: kept, changed, put in another order, removed and brought back, by two browsers at once."""

from __future__ import annotations

from typing import Any

import pytest

from demo.specials import SPECIAL
from tests.pages import steps

pytestmark = pytest.mark.once
MODEL = SPECIAL["many_versions"].model_id
SETS = """() => [...document.querySelectorAll('.cm-word-set')].map(n => n.querySelector('b')?.textContent || '')"""


def sets(app: Any) -> list[dict[str, Any]]:
    return app.get(f"/civitai-manager/models/{MODEL}").json()["word_sets"]


def keep(page: Any, name: str, words: str) -> None:
    adder = page.locator(".cm-word-box details")
    if adder.get_attribute("open") is None:
        adder.locator("summary").click()
    adder.get_by_label("Name of the word set").fill(name)
    adder.get_by_label("Words of the set").fill(words)
    adder.get_by_role("button", name="Keep as a set").click()
    page.wait_for_selector(f".cm-word-set b:text-is('{name}')")


def shows(page: Any, *names: str) -> None:
    page.wait_for_function(f"names => JSON.stringify(({SETS})()) === JSON.stringify(names)", arg=list(names))


def test_sets_are_kept_changed_ordered_removed_and_brought_back(app: Any, browser: Any) -> None:
    app.register(str(MODEL))
    page = browser.open(app.url)
    steps.open_model(page, MODEL)
    page.wait_for_selector(".cm-word-box")
    for name, words in (("portrait", "face, soft light"), ("night", "stars"), ("ink", "ink wash")):
        keep(page, name, words)
    shows(page, "portrait", "night", "ink")

    page.get_by_label("Move ink up").click()
    shows(page, "portrait", "ink", "night")
    page.wait_for_function("() => document.activeElement.getAttribute('aria-label') === 'Move ink up'")
    page.keyboard.press("Enter")
    shows(page, "ink", "portrait", "night")
    assert [one["name"] for one in sets(app)] == ["ink", "portrait", "night"]
    page.wait_for_function("() => document.activeElement.getAttribute('aria-label') === 'Move ink down'", timeout=5_000)

    page.get_by_label("Change portrait").click()
    form = page.locator(".cm-word-set.cm-open")
    form.get_by_label("Words of the set").fill("face, hard light")
    form.get_by_label("Negative prompt of the set").fill("blurry")
    form.get_by_label("Weight of the set").fill("0.7")
    form.get_by_label("Version that the set is for").select_option(index=1)
    form.get_by_role("button", name="Save").click()
    page.locator(".cm-word-set", has_text="face, hard light").get_by_text("weight 0.7").wait_for()
    one = sets(app)[1]
    assert (one["words"], one["negative"], one["weight"]) == ("face, hard light", "blurry", 0.7) and one["version_id"]

    page.get_by_label("Remove portrait").click()
    shows(page, "ink", "night")
    assert [each["name"] for each in sets(app)] == ["ink", "night"]
    page.locator(".cm-word-box").get_by_role("button", name="Undo").click()
    shows(page, "ink", "portrait", "night")
    assert {**sets(app)[1], "id": 0} == {**one, "id": 0}
    for each in sets(app):
        app.post(f"/civitai-manager/words/{each['id']}/delete", json={})
    shows(page)
    assert browser.errors == []


def test_two_browsers_change_one_set_and_lose_nothing(app: Any, browser: Any) -> None:
    app.register(str(MODEL))
    made = app.post(f"/civitai-manager/models/{MODEL}/words", json={"name": "both", "words": "first"}).json()["id"]
    pages = [browser.open(app.url) for _ in range(2)]
    for page in pages:
        steps.open_model(page, MODEL)
        page.get_by_label("Change both").click()
    pages[0].locator(".cm-word-set.cm-open").get_by_label("Words of the set").fill("second")
    pages[1].locator(".cm-word-set.cm-open").get_by_label("Negative prompt of the set").fill("third")
    pages[0].locator(".cm-word-set.cm-open").get_by_role("button", name="Save").click()
    pages[0].locator(".cm-word-text", has_text="second").wait_for()
    pages[1].wait_for_timeout(1500)  # it has heard of the change, and what is typed there is as it was
    assert pages[1].locator(".cm-word-set.cm-open").get_by_label("Negative prompt of the set").input_value() == "third"
    pages[1].locator(".cm-word-set.cm-open").get_by_role("button", name="Save").click()
    pages[1].locator(".cm-word-text", has_text="third").wait_for()
    one = next(each for each in sets(app) if each["id"] == made)
    assert (one["words"], one["negative"]) == ("second", "third")
    pages[1].get_by_label("Change both").click()
    app.post(f"/civitai-manager/words/{made}/delete", json={})
    pages[1].get_by_text("This set was removed elsewhere. What you typed: second").wait_for()
    assert browser.errors == []
