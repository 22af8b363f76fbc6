"""Recipes in a real browser: made by hand and from dropped pictures, edited, searched, taken back, copied; two browsers at once."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.hostapp.harness import until
from tests.pages import steps
from tests.recipes import recipe_shapes as shapes

OURS = {"X-Civitai-Manager": "1"}
DROP = """([selector, name, type, data]) => {
    const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, {type: type}));
    const target = document.querySelector(selector);
    for (const kind of ["dragenter", "dragover", "drop"]) {
        target.dispatchEvent(new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true}));
    }
}"""


class Recipes:
    """What a test asks the server beside the page."""

    def __init__(self, app: Any) -> None:
        self.url = f"{app.url}/civitai-manager/recipes"

    def get(self, path: str = "", **query: Any) -> Any:
        return requests.get(self.url + path, params=query, timeout=20).json()

    def post(self, path: str = "", **body: Any) -> Any:
        return requests.post(self.url + path, json=body, headers=OURS, timeout=20).json()

    def names(self, **query: Any) -> list[str]:
        return [one["name"] for one in self.get(**query)["items"]]


@pytest.fixture
def recipes(app: Any) -> Recipes:
    made = Recipes(app)
    while ids := [one["id"] for one in made.get(limit=500)["items"]]:
        made.post("/delete", ids=ids)
    made.post("/purge")
    return made


def view(browser: Any, app: Any, **options: Any) -> Any:
    page = browser.open(app.url, **options)
    page.wait_for_selector(steps.CONNECTED if not options.get("width") else ".cm-connection:not(.cm-lost)")
    page.click('[data-view="recipes"]')
    page.wait_for_selector(".cm-recipes .cm-count:not(:has-text('Loading'))", state="attached")
    return page


def count(page: Any, text: str) -> None:
    page.wait_for_selector(f".cm-recipes .cm-count:text-is('{text}')", timeout=15_000)


def drop(page: Any, data: bytes, name: str = "00001.png", kind: str = "image/png", selector: str = ".cm-recipe-box") -> None:
    page.evaluate(DROP, [selector, name, kind, base64.b64encode(data).decode()])


def open_one(page: Any, number: int) -> None:
    page.click(f'.cm-recipes .cm-card[data-id="{number}"]')
    shown(page, number)


def shown(page: Any, number: int) -> None:
    page.wait_for_function("id => window.civitaiManager.recipeEditor.view()?.id === id", arg=number, timeout=15_000)


def saved(recipes: Recipes, number: int, **values: Any) -> dict[str, Any]:
    def as_wanted() -> Any:
        now = recipes.get(f"/{number}")
        return now if all(now[name] == value for name, value in values.items()) else None

    return until(as_wanted, 15, f"{values} was not saved: {recipes.get(f'/{number}')}")


@pytest.mark.once
def test_a_recipe_by_hand(app: Any, browser: Any, recipes: Recipes) -> None:
    page = view(browser, app)
    page.wait_for_selector(".cm-recipes .cm-empty:has-text('No recipes yet')")
    page.click(".cm-recipes .cm-empty [data-recipe-new=hand]")
    page.wait_for_selector(".cm-recipe-panel .cm-own-body:not([hidden])")
    (number,) = [one["id"] for one in recipes.get()["items"]]
    page.keyboard.type("Harbour at night")
    page.fill('[data-field="prompt"]', "a harbour at night, lanterns")
    page.fill('[data-field="negative"]', "blurry")
    page.fill('[data-field="note"]', "for the calendar")
    page.fill('[data-field="collection"]', "Harbours")
    page.get_by_label("Add a tag").last.fill("sea")
    page.keyboard.press("Enter")
    page.get_by_label("Name of the new model").fill("lantern_style")
    page.keyboard.press("Enter")
    page.get_by_label("Name of the new parameter").fill("Sampler")
    page.get_by_label("Value of the new parameter").fill("Euler a")
    page.keyboard.press("Enter")
    page.click(".cm-recipe-panel .cm-favourite")
    told = saved(recipes, number, name="Harbour at night", note="for the calendar", collection="Harbours", favourite=True, tags=["sea"])
    assert told["prompt"] == "a harbour at night, lanterns, <lora:lantern_style:1>" and told["negative"] == "blurry"
    assert told["parameters"] == {"Sampler": "Euler a"} and [(one["name"], one["weight"]) for one in told["models"]] == [("lantern_style", 1)]
    page.wait_for_function("() => document.querySelector('[data-field=prompt]').value.endsWith('<lora:lantern_style:1>')")
    weight = page.locator(".cm-recipe-weight")
    weight.fill("0.6")
    weight.blur()
    told = saved(recipes, number, prompt="a harbour at night, lanterns, <lora:lantern_style:0.6>")
    steps.reload(page)
    page.wait_for_function("() => document.querySelector('[data-field=note]')?.value === 'for the calendar'")
    assert page.locator(".cm-recipe-panel .cm-own-chip").inner_text().strip() == "sea"
    page.keyboard.press("Escape")
    assert browser.errors == []


@pytest.mark.once
def test_an_answer_that_comes_late_takes_neither_the_cursor_nor_what_was_typed_since(app: Any, browser: Any, recipes: Recipes) -> None:
    number = recipes.post(name="slow")["id"]
    page = view(browser, app)
    open_one(page, number)
    held: list[Any] = []
    page.route(f"**/recipes/{number}*", lambda route: held.append(route) if route.request.method == "POST" else route.continue_())
    model, parameter = page.get_by_label("Name of the new model"), page.get_by_label("Value of the new parameter")
    model.fill("first")
    with page.expect_request(lambda request: request.method == "POST" and f"/recipes/{number}" in request.url):
        page.keyboard.press("Enter")
    assert model.input_value() == ""
    model.fill("second")
    parameter.focus()
    held[0].continue_()
    page.unroute(f"**/recipes/{number}*")
    saved(recipes, number, prompt="<lora:first:1>")
    page.wait_for_selector(".cm-recipe-models > li")
    page.keyboard.type("Euler")
    assert (model.input_value(), parameter.input_value()) == ("second", "Euler")


@pytest.mark.once
def test_a_dropped_picture_becomes_a_recipe_and_equal_ones_are_told(app: Any, browser: Any, recipes: Recipes) -> None:
    page = view(browser, app)
    picture = shapes.picture("PNG", shapes.INFOTEXT, size=(256, 384))
    drop(page, picture)
    count(page, "1 recipe")
    page.wait_for_selector(".cm-recipe-picture.cm-loaded")
    assert page.locator('[data-field="prompt"]').input_value().startswith("masterpiece, a lake at dusk")
    assert page.locator(".cm-recipe-models > li").count() == 2 and page.locator('.cm-recipes .cm-badge:has-text("2 models missing")').count() == 1
    number = recipes.get()["items"][0]["id"]
    assert requests.get(f"{recipes.url}/{number}/picture", timeout=20).content == picture
    drop(page, picture, "again.png")
    page.wait_for_selector(".cm-recipe-notice:has-text('There is an equal recipe')")
    page.click(".cm-recipe-notice >> text=Open the existing one")
    shown(page, number)
    drop(page, picture, "again.png")
    page.click(".cm-recipe-notice >> text=Make it anyway")
    count(page, "2 recipes")
    page.wait_for_selector(".cm-recipe-equal:has-text('Equal to')")
    before = [job["id"] for job in app.jobs() if job["kind"] == "register"]
    drop(page, b"\x00\x01nothing" * 20, "x.bin", "application/octet-stream")
    page.wait_for_selector("text=is no picture, no recipe and no text")
    assert page.locator(".cm-drop:visible").count() == 0
    assert [job["id"] for job in app.jobs() if job["kind"] == "register"] == before, "nothing is registered"
    assert browser.errors == [] or all("400" in error for error in browser.errors)


@pytest.mark.once
def test_history_search_delete_undo_and_copy(app: Any, browser: Any, recipes: Recipes) -> None:
    number = recipes.post(infotext=shapes.INFOTEXT, name="Dusk")["id"]
    recipes.post(infotext="a castle\nSteps: 5, Seed: 1, Size: 8x8", name="Castle", tags=["stone"], collection="Old")
    page = view(browser, app)
    count(page, "2 recipes")
    open_one(page, number)
    field = page.locator('[data-field="prompt"]')
    field.fill("something else")
    field.blur()
    saved(recipes, number, prompt="something else")
    page.click(".cm-recipe-panel summary:has-text('History: 1 earlier state')")
    page.click(".cm-recipe-history >> text=Show what was before")
    page.wait_for_selector(".cm-recipe-earlier:has-text('a lake at dusk')")
    page.click(".cm-recipe-earlier >> text=Bring this back")
    told = saved(recipes, number, negative="blurry,\nlow quality")
    until(lambda: recipes.get(f"/{number}")["prompt"].startswith("masterpiece"), 10, "the earlier prompt")
    assert len(told["models"]) <= 2 and len(recipes.get(f"/{number}")["models"]) == 2 and len(recipes.get(f"/{number}")["history"]) == 2
    page.wait_for_function("() => document.querySelector('[data-field=prompt]').value.startsWith('masterpiece')")
    for query, found in (("cast", "1 recipe"), ("#stone", "1 recipe"), ("glow", "1 recipe"), ("zzz", "0 recipes"), ("", "2 recipes")):
        page.fill(".cm-recipes .cm-search-recipes", query)
        count(page, found)
    page.select_option('[data-recipe-filter="collection"]', "Old")
    count(page, "1 recipe")
    page.click(".cm-recipes .cm-clear-filters")
    count(page, "2 recipes")
    page.click(".cm-recipe-panel >> text=Make a copy")
    count(page, "3 recipes")
    page.wait_for_function("() => document.querySelector('.cm-recipe-name').value === 'Dusk (copy)'")
    page.click(".cm-recipe-panel button:text-is('Delete')")
    count(page, "2 recipes")
    page.click(".cm-recipe-notice >> text=Take it back")
    count(page, "3 recipes")
    page.locator('.cm-recipes .cm-card[aria-label^="Castle"]').click(modifiers=["Control"])
    page.wait_for_selector(".cm-recipe-foot:has-text('1 selected')")
    page.click(".cm-recipe-foot button:text-is('Delete')")
    count(page, "2 recipes")
    page.select_option('[data-recipe-filter="state"]', "deleted")
    count(page, "1 recipe")
    page.click(".cm-recipes >> text=Empty the trash")
    page.click("dialog button:text-is('Delete 1 recipe for good')")
    count(page, "0 recipes")
    assert sorted(recipes.names()) == ["Dusk", "Dusk (copy)"]
    assert browser.errors == []


@pytest.mark.once
def test_two_browsers_lose_nothing(app: Any, browser: Any, recipes: Recipes) -> None:
    number = recipes.post(infotext=shapes.INFOTEXT, name="Both")["id"]
    one, two = view(browser, app), view(browser, app)
    for page in (one, two):
        open_one(page, number)
    one.fill('[data-field="note"]', "from the first")
    two.fill('[data-field="negative"]', "from the second")
    two.locator('[data-field="negative"]').blur()
    saved(recipes, number, note="from the first", negative="from the second")
    one.wait_for_function("() => document.querySelector('[data-field=negative]').value === 'from the second'", timeout=15_000)
    two.wait_for_function("() => document.querySelector('[data-field=note]').value === 'from the first'", timeout=15_000)
    one.locator('[data-field="note"]').focus()
    one.keyboard.type(" and more")
    recipes.post(f"/{number}", set={"note": "from elsewhere", "name": "Renamed"}, add_tags=["x"])
    saved(recipes, number, name="Renamed", tags=["x"])
    one.wait_for_function("() => document.querySelector('.cm-recipe-name').value === 'Renamed'", timeout=15_000)
    assert "and more" in one.locator('[data-field="note"]').input_value(), "what is being typed stays"
    states = [recipes.get(f"/{number}/history/{entry['id']}") for entry in recipes.get(f"/{number}")["history"]]
    assert any(state["note"].startswith("from") for state in states)
    assert browser.errors == []


@pytest.mark.once
def test_sharing_and_pictures(app: Any, browser: Any, recipes: Recipes) -> None:
    number = recipes.post(infotext=shapes.INFOTEXT, name="Shared", note="mine")["id"]
    page = view(browser, app)
    open_one(page, number)
    with page.expect_file_chooser() as chooser:
        page.click(".cm-recipe-panel >> text=Choose a picture")
    chooser.value.set_files({"name": "x.jpg", "mimeType": "image/jpeg", "buffer": shapes.picture("JPEG", size=(300, 200))})
    page.wait_for_selector(".cm-recipe-picture.cm-loaded")
    with page.expect_download() as download:
        page.click('[data-cm-send="file"]')
    data = Path(download.value.path()).read_bytes()
    assert download.value.suggested_filename == "Shared.jpg" and "masterpiece" in shapes.comment_of(data)
    page.click(".cm-recipe-panel >> text=Remove the picture")
    page.wait_for_selector(".cm-recipe-picture", state="hidden")
    saved(recipes, number, picture="")
    recipes.post("/delete", ids=[number])
    recipes.post("/purge")
    drop(page, data, "got.jpg", "image/jpeg")
    until(lambda: recipes.get()["items"], 20)
    count(page, "1 recipe")
    back = recipes.get(f"/{recipes.get()['items'][0]['id']}")
    assert (back["name"], back["note"], bool(back["picture"])) == ("Shared", "mine", True)
    assert browser.errors == [] or all("404" in error for error in browser.errors)


@pytest.mark.once
def test_many_recipes_on_a_phone(app: Any, browser: Any, recipes: Recipes) -> None:
    each = [{"name": f"Recipe {place:04d}", "prompt": f"number {place}"} for place in range(1000)]
    told = [{"format": "civitai-manager-recipe", "version": 1, "recipe": one} for one in each]
    answer = requests.post(f"{recipes.url}/drop?name=all.json", json=told, headers=OURS, timeout=60).json()
    assert len(answer["recipes"]) == 1000, answer
    page = view(browser, app, width=390, height=844)
    count(page, "1,000 recipes")
    assert page.locator(".cm-recipes .cm-card").count() < 60
    page.locator(".cm-recipes .cm-scroll").focus()
    page.keyboard.press("End")
    page.wait_for_selector('.cm-recipes .cm-card[aria-label^="Recipe 0000"]')
    page.keyboard.press("Enter")
    page.wait_for_selector(".cm-recipe-panel .cm-own-body:not([hidden])")
    box = page.locator(".cm-recipe-panel").bounding_box()
    assert box["width"] > 280 and page.evaluate("document.documentElement.scrollWidth") <= 390
    page.keyboard.press("Escape")
    page.wait_for_selector(".cm-recipe-panel", state="hidden")
    assert browser.errors == []


@pytest.mark.once
def test_what_is_refused_stays_in_its_field(app: Any, browser: Any, recipes: Recipes) -> None:
    number = recipes.post(name="Harbour", prompt="a harbour")["id"]
    page = view(browser, app)
    open_one(page, number)
    page.fill('[data-field="prompt"]', "sea " * 13_000)
    page.click('[data-field="note"]')
    page.wait_for_selector(".cm-recipe-panel .cm-refused:has-text('too long')")
    page.fill('[data-field="note"]', "another field")
    saved(recipes, number, note="another field", prompt="a harbour")
    page.wait_for_function("() => window.civitaiManager.recipeEditor.view().note === 'another field'")
    assert len(page.input_value('[data-field="prompt"]')) == 52_000
    page.fill('[data-field="prompt"]', "a sea")
    page.click('[data-field="note"]')
    saved(recipes, number, prompt="a sea")
    recipes.post(f"/{number}", set={"prompt": "said elsewhere"})
    page.wait_for_function("() => document.querySelector('[data-field=prompt]').value === 'said elsewhere'")


def test_from_generation_data_of_a_picture_of_civitais(app: Any, browser: Any, recipes: Recipes, demo: Any) -> None:
    page = view(browser, app)
    page.click('[data-view="library"]')
    url = requests.get(f"{demo.url}/api/v1/models?limit=3", timeout=20).json()["items"][0]["modelVersions"][0]["images"][0]["url"]
    given = {"infotext": shapes.INFOTEXT, "title": "Example", "picture": {"url": url, "id": 7, "type": "image", "level": 1}}
    page.evaluate("given => window.civitaiManager.recipeFrom(given)", given)
    count(page, "1 recipe")
    page.wait_for_selector(".cm-recipe-picture.cm-loaded", timeout=20_000)
    (card,) = recipes.get()["items"]
    told = recipes.get(f"/{card['id']}")
    assert (told["name"], told["level"], told["source"]["kind"]) == ("Example", 1, "civitai") and told["source"]["url"].endswith("/images/7")
    assert browser.errors == []


@pytest.mark.once
def test_where_another_version_is_here_the_right_one_is_fetched(app: Any, browser: Any, recipes: Recipes, demo: Any) -> None:
    model = requests.get(f"{demo.url}/api/v1/models/4100002", timeout=20).json()  # Mossy Lemons Look: three versions
    newest, older = model["modelVersions"][:2]
    app.post("/civitai-manager/browse/collect", json={"ids": [model["id"]], "versions": [older["id"]], "confirmed": True})
    steps.download(app, model["id"], "done", 60)
    lora = {"kind": "lora", "name": "elsewhere", "weight": 0.8, "hash": newest["files"][0]["hashes"]["AutoV2"].lower()}
    number = recipes.post(name="Lemons", prompt="lemons, <lora:elsewhere:0.8>", models=[lora])["id"]
    page = view(browser, app)
    open_one(page, number)
    page.click(".cm-recipe-missing >> text=Look for what is missing")
    page.wait_for_selector(".cm-recipe-models:has-text('Another version is here')", timeout=30_000)
    page.click(".cm-recipe-missing >> text=Download what is missing")
    until(lambda: recipes.get(f"/{number}")["models"][0]["here"], 60, "the version that the recipe means")
    page.wait_for_selector(".cm-recipe-models li:has-text('Here')", timeout=20_000)
    page.wait_for_selector(".cm-recipe-missing", state="hidden")
    assert browser.errors == []


def test_a_recipe_goes_into_txt2img(app: Any, browser: Any, recipes: Recipes) -> None:
    number = recipes.post(infotext=shapes.INFOTEXT, name="Sent")["id"]
    page = view(browser, app)
    open_one(page, number)
    if not page.evaluate("window.civitaiManager.host ? window.civitaiManager.host.targets.length : 0"):
        assert page.locator('[data-cm-send="copy"].cm-primary').count() == 1, "alone it is copied"
        return
    page.click('[data-cm-send="txt2img"]')
    page.wait_for_function("() => document.querySelector('#txt2img_prompt textarea').value.startsWith('masterpiece, a lake at dusk')", timeout=30_000)
    assert page.evaluate("document.querySelector('#txt2img_neg_prompt textarea').value").startswith("blurry")
    until(lambda: recipes.get(f"/{number}")["used"] > 0, 10, "its use is noted")
    assert browser.errors == []
