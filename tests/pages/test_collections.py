"""Collections in the page: made, renamed, noted, put in order and deleted; the order of the models in one; notes on why a model is in one."""

from __future__ import annotations

from typing import Any

import pytest

from demo.specials import SPECIAL
from tests.pages import steps

pytestmark = pytest.mark.once
MODELS = [SPECIAL[name].model_id for name in ("many_versions", "variants_same_name", "digit_username")]
NAMES = "() => [...document.querySelectorAll('.cm-collection-name')].map(n => n.textContent)"
ORDER = "() => [...document.querySelectorAll('.cm-card')].sort((a, b) => a.ariaPosInSet - b.ariaPosInSet).map(n => Number(n.dataset.id))"


def post(app: Any, path: str, **body: Any) -> Any:
    answer = app.post(f"/civitai-manager/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def known(app: Any) -> list[dict[str, Any]]:
    return app.get("/civitai-manager/facets").json()["collections"]


def lists(page: Any, names: list[str]) -> None:
    page.wait_for_function(f"names => JSON.stringify(({NAMES})()) === JSON.stringify(names)", arg=names)


@pytest.fixture
def two(app: Any) -> Any:
    app.register("\n".join(map(str, MODELS)))
    for one in known(app):
        post(app, f"collections/{one['id']}/delete")
    for name in ("Autumn", "Winter"):
        made = post(app, "collections", name=name)["id"]
        post(app, f"collections/{made}/add", ids=MODELS)
    return app


def test_collections_are_made_renamed_noted_ordered_and_deleted(two: Any, browser: Any) -> None:
    page = browser.open(two.url)
    page.get_by_label("Collections: names, notes, order").click()
    lists(page, ["Autumn", "Winter"])
    page.locator("dialog[open]").get_by_label("Name of the new collection").fill("Spring")
    page.keyboard.press("Enter")
    lists(page, ["Autumn", "Winter", "Spring"])
    page.get_by_label("Move Spring up").click()
    lists(page, ["Autumn", "Spring", "Winter"])
    page.get_by_label("Change Autumn").click()
    page.locator("dialog[open]").get_by_label("Name", exact=True).fill("Late autumn")
    page.locator("dialog[open]").get_by_label("Note on the collection").fill("for the poster")
    page.locator("dialog[open]").get_by_role("button", name="Save").click()
    lists(page, ["Late autumn", "Spring", "Winter"])
    page.get_by_text("for the poster").wait_for()
    page.get_by_label("Change Spring").click()
    page.locator("dialog[open]").get_by_label("Name", exact=True).fill("Winter")
    page.locator("dialog[open]").get_by_role("button", name="Save").click()
    page.get_by_text("There is a collection named Winter already.").wait_for()
    page.keyboard.press("Escape")
    page.get_by_label("Delete Winter").click()
    page.get_by_role("button", name="Delete the collection; its 3 models stay").click()
    lists(page, ["Late autumn", "Spring"])
    assert [(one["name"], one["note"], one["count"]) for one in known(two)] == [("Late autumn", "for the poster", 3), ("Spring", "", 0)]
    page.locator(".cm-collection-name", has_text="Late autumn").click()
    page.wait_for_selector(".cm-count:text-is('3 models')")
    assert page.input_value('[data-filter="sort"]') == "collection"
    assert [error for error in browser.errors if "409" not in error and "400" not in error] == []


def test_models_are_put_in_order_and_noted(two: Any, browser: Any) -> None:
    page = browser.open(two.url)
    page.select_option('[data-filter="collection"]', "Autumn")
    page.select_option('[data-filter="sort"]', "collection")
    page.wait_for_function(f"ids => JSON.stringify(({ORDER})()) === JSON.stringify(ids)", arg=MODELS)
    first, second, third = MODELS
    page.focus(".cm-scroll")
    page.keyboard.press("Home")
    page.keyboard.press("Alt+ArrowRight")
    page.wait_for_function(f"ids => JSON.stringify(({ORDER})()) === JSON.stringify(ids)", arg=[second, first, third])
    steps.card(page, third).locator(".cm-tick").click()
    page.click(".cm-select-tools button:has-text('Collect')")
    page.get_by_role("button", name="To the front").click()
    page.wait_for_function(f"ids => JSON.stringify(({ORDER})()) === JSON.stringify(ids)", arg=[third, second, first])
    page.keyboard.press("Escape")

    steps.card(page, first).click()
    steps.shown(page, first)
    note = page.get_by_label("Note in Autumn")
    note.fill("the light")
    note.blur()
    page.wait_for_function(
        "async id => (await civitaiManager.get('models/' + id)).collections.some(one => one.name === 'Autumn' && one.note === 'the light')", arg=first
    )
    assert [card["id"] for card in two.get("/civitai-manager/cards", params={"q": '"the light"'}).json()["items"]] == [first]
    page.get_by_label("Take out of Winter").click()
    page.get_by_label("Take out of Winter").wait_for(state="detached")
    assert note.input_value() == "the light"
    assert browser.errors == []
