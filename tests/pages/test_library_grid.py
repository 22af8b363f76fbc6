"""The grid of the library as a person uses it: search, filters, keys, the selection and what is done with it, and levels of pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.specials import SPECIAL
from tests.hostapp.harness import until
from tests.pages import steps

NAMES = ("variants_same_name", "many_versions", "gguf_variants", "vae_beside", "digit_username", "unrated", "adult")
IDS = {name: SPECIAL[name].model_id for name in NAMES}
ADULT, UNRATED, PLAIN = IDS["adult"], IDS["unrated"], IDS["many_versions"]
CHOSEN = '.cm-card[aria-selected="true"]'
COUNT = ".cm-count:text-is('{}')"


@pytest.fixture(scope="module")
def library(make_app: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A product with these models and none else, and a template for folders."""
    folder = tmp_path_factory.mktemp("library")
    settings = folder / "manager" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"subfolder_template": "{creator}", "own_trash": True}), encoding="utf-8")
    with make_app(folder) as running:
        running.register("\n".join(map(str, IDS.values())))
        post(running, "models/edit", ids=list(IDS.values()), add_tags=["landscape"])
        yield running


@pytest.fixture
def page(library: Any, browser: Any) -> Any:
    opened = browser.open(library.url)
    opened.wait_for_selector(COUNT.format(f"{len(IDS)} models"))
    opened.wait_for_selector(".cm-card:not(.cm-waiting)")
    opened.wait_for_selector('[data-filter="type"] option[value="Checkpoint"]', state="attached")  # the menus have their words
    return opened


def shown(page: Any) -> list[int]:
    return page.evaluate(
        "() => [...document.querySelectorAll('.cm-card')].sort((a, b) => a.ariaPosInSet - b.ariaPosInSet).map(n => Number(n.dataset.id))"
    )


def chosen(page: Any) -> set[int]:
    return set(page.evaluate("s => [...document.querySelectorAll(s)].map(n => Number(n.dataset.id))", CHOSEN))


def search(page: Any, text: str) -> None:
    page.fill(".cm-search", text)
    page.press(".cm-search", "Enter")


def tags_of(app: Any, tag: str) -> set[int]:
    return {item["id"] for item in app.get("/civitai-manager/cards", params={"q": f"#{tag}"}).json()["items"]}


def post(app: Any, path: str, **body: Any) -> Any:
    answer = app.post(f"/civitai-manager/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_typed_language_becomes_chips_and_menus(library: Any, page: Any, browser: Any) -> None:
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.className").endswith("cm-search")
    page.keyboard.type("type:checkpoint ")
    page.wait_for_selector(".cm-filter-chip:has-text('Checkpoint')")
    assert page.input_value('[data-filter="type"]') == "Checkpoint"
    assert page.input_value(".cm-search") == ""
    checkpoints = COUNT.format(f"{library.get('/civitai-manager/cards', params={'q': 'type:checkpoint'}).json()['total']} models")
    page.wait_for_selector(checkpoints)
    page.keyboard.type('-base:"SDXL 1.0" gentle')
    page.wait_for_selector(COUNT.format("1 model"))
    page.wait_for_selector(".cm-filter-chip:has-text('not SDXL 1.0')")
    assert page.input_value(".cm-search") == "gentle"
    assert shown(page) == [IDS["gguf_variants"]]
    page.keyboard.press("Escape")
    page.get_by_label("Remove the filter not SDXL 1.0").click()
    page.wait_for_selector(checkpoints)
    page.click(".cm-gridbox .cm-clear-filters")
    page.wait_for_selector(COUNT.format(f"{len(IDS)} models"))
    page.select_option('[data-filter="state"]', "downloaded")
    page.wait_for_selector(".cm-filter-chip:has-text('Downloaded')")
    assert "(7)" in steps.text(page, '[data-filter="state"] option[value="registered"]')
    page.get_by_label("Remove the filter Downloaded").click()
    search(page, "is:fav")
    page.wait_for_selector(".cm-filter-chip:has-text('Favourite')")
    page.wait_for_selector(".cm-empty:has-text('No model matches')")
    page.click(".cm-empty button")
    page.wait_for_selector(COUNT.format(f"{len(IDS)} models"))
    page.select_option('[data-filter="sort"]', "name")
    page.wait_for_function("() => document.querySelector('.cm-card[aria-posinset=\"1\"] .cm-name')?.textContent.startsWith('Cobalt')")
    assert browser.errors == []


def test_filters_are_saved_under_a_name(library: Any, page: Any, browser: Any) -> None:
    search(page, "type:lora #landscape long")
    page.wait_for_selector(".cm-filter-chip:has-text('#landscape')")
    page.get_by_label("Saved filters", exact=True).first.click()
    page.fill("[aria-label='Name for these filters']", "Mine")
    page.click(".cm-pop-box button:text-is('Save')")
    page.wait_for_selector(".cm-saved:text-is('Mine')")
    page.keyboard.press("Escape")
    page.click(".cm-gridbox .cm-clear-filters")
    page.wait_for_selector(COUNT.format(f"{len(IDS)} models"))
    page.get_by_label("Saved filters", exact=True).first.click()
    page.click(".cm-saved:text-is('Mine')")
    page.wait_for_selector(".cm-filter-chip:has-text('#landscape')")
    assert page.input_value(".cm-search") == "long" and page.input_value('[data-filter="type"]') == "LORA"
    page.get_by_label("Saved filters", exact=True).first.click()
    page.get_by_label("Delete the saved filters “Mine”").click()
    page.wait_for_selector(".cm-pop-box:has-text('Nothing is saved yet')")
    assert library.get("/civitai-manager/filters").json()["filters"] == []
    assert browser.errors == []


def test_everything_is_reached_by_keys(page: Any, browser: Any) -> None:
    order = shown(page)
    page.focus(".cm-scroll")
    active = "() => Number(document.querySelector('.cm-active')?.dataset.id)"
    for key, place in (("End", -1), ("Home", 0), ("ArrowRight", 1), ("PageDown", -1), ("PageUp", 0)):
        page.keyboard.press(key)
        page.wait_for_function(f"id => ({active})() === id", arg=order[place])
    page.keyboard.press("Space")
    page.wait_for_selector(CHOSEN)
    assert chosen(page) == {order[0]}
    for _ in range(2):
        page.keyboard.press("Shift+ArrowRight")
    page.wait_for_selector(".cm-select-count:text-is('3 selected')")
    until(lambda: chosen(page) == set(order[:3]), 10, "the range on the cards")
    page.keyboard.press("Control+a")
    page.wait_for_selector(f".cm-select-count:has-text('{len(IDS)} selected')")
    page.keyboard.press("Escape")
    page.wait_for_selector(".cm-select", state="hidden")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    steps.shown(page, order[0])
    assert steps.card(page, order[0]).get_attribute("aria-current") == "true"
    assert browser.errors == []


def test_a_range_and_single_ones_by_mouse(page: Any, browser: Any) -> None:
    order = shown(page)
    steps.card(page, order[0]).locator(".cm-tick").click()
    steps.card(page, order[2]).click(modifiers=["Shift"])
    page.wait_for_selector(".cm-select-count:text-is('3 selected')")
    steps.card(page, order[1]).click(modifiers=["Control"])
    page.wait_for_selector(".cm-select-count:text-is('2 selected')")
    until(lambda: chosen(page) == {order[0], order[2]}, 10, "the two cards")
    assert not page.evaluate("document.getElementById('civitai_manager').classList.contains('cm-panel-open')"), "nothing was opened"
    assert browser.errors == []


def test_the_view_survives_a_reload(page: Any, browser: Any) -> None:
    search(page, "type:lora #landscape")
    page.wait_for_selector(".cm-filter-chip:has-text('#landscape')")
    page.wait_for_selector(".cm-card:not(.cm-waiting)")
    with page.expect_response("**/cards?*sort=name*"):
        page.select_option('[data-filter="sort"]', "name")
    steps.settled(page)
    page.focus(".cm-scroll")
    page.keyboard.press("Space")
    page.wait_for_selector(CHOSEN)
    before, order, count = chosen(page), shown(page), page.text_content(".cm-count")
    steps.reload(page)
    page.wait_for_selector(COUNT.format(count))
    page.wait_for_selector(CHOSEN)
    assert (chosen(page), shown(page)) == (before, order)
    page.wait_for_selector(".cm-filter-chip:has-text('#landscape')")
    page.wait_for_function("""() => document.querySelector('[data-filter="type"]').value === "LORA" """)  # its words come with the counts
    assert page.input_value('[data-filter="sort"]') == "name"
    assert browser.errors == []


def test_many_are_edited_at_once(library: Any, page: Any, browser: Any) -> None:
    order = shown(page)
    for model_id in order[:2]:
        steps.card(page, model_id).locator(".cm-tick").click()
    page.get_by_label("Mark as favourite").click()
    for model_id in order[:2]:
        steps.card(page, model_id).locator(".cm-star").wait_for(state="visible")
    page.click(".cm-select-tools button:has-text('Tags')")
    page.fill("input[aria-label='Tag']", "for the poster")
    page.press("input[aria-label='Tag']", "Enter")
    page.wait_for_selector(".cm-undo-line:has-text('#for the poster added to 2 models.')")
    assert tags_of(library, '"for the poster"') == set(order[:2])
    page.click(".cm-select-tools button:has-text('Collect')")
    page.fill("[aria-label='Name of the new collection']", "Autumn")
    page.press("[aria-label='Name of the new collection']", "Enter")
    page.wait_for_selector(".cm-undo-line:has-text('2 models in “Autumn”.')")
    page.wait_for_selector('[data-filter="collection"] option:has-text("Autumn (2)")', state="attached")
    page.select_option('[data-filter="collection"]', "Autumn")
    page.wait_for_selector(COUNT.format("2 models"))
    page.select_option('[data-filter="sort"]', "collection")
    page.click(".cm-select-tools button:has-text('Collect')")
    page.locator(".cm-select-tools .cm-pop-box:visible button:text-is('Remove')").click()
    page.wait_for_selector(".cm-empty:has-text('No model matches')")
    post(library, "models/edit", ids=order[:2], set={"favourite": False}, remove_tags=["for the poster"])
    assert browser.errors == []


def test_two_browsers_lose_nothing(library: Any, page: Any, browser: Any) -> None:
    other = browser.open(library.url)
    other.wait_for_selector(".cm-card:not(.cm-waiting)")
    both = (page, other)
    for one in both:
        one.focus(".cm-scroll")
        one.keyboard.press("Control+a")
        one.wait_for_selector(f".cm-select-count:has-text('{len(IDS)} selected')")
        one.click(".cm-select-tools button:has-text('Tags')")
    for round_ in range(4):
        for who, one in enumerate(both):
            one.fill("input[aria-label='Tag']", f"told{who}{round_}")
            one.evaluate("() => document.querySelector('[aria-label=\"Tag\"]').form.requestSubmit()")  # without waiting for the other
        for who, one in enumerate(both):
            one.wait_for_selector(f".cm-undo-line:has-text('#told{who}{round_} added')")
            if one.locator("input[aria-label='Tag']").is_hidden():
                one.click(".cm-select-tools button:has-text('Tags')")
    for who in range(2):
        for round_ in range(4):
            assert tags_of(library, f"told{who}{round_}") == set(IDS.values())
    assert browser.errors == []


def fetch(library: Any, page: Any, model_id: int) -> Path:
    steps.open_model(page, model_id)
    page.click("#cm_download")
    job = steps.download(library, model_id, "done")
    return Path(job["result"]["path"])


def test_files_are_moved_and_deleted_by_plans_and_come_back(library: Any, page: Any, browser: Any) -> None:
    """Also after the page was loaded anew: the offer to undo stays."""
    paths = [fetch(library, page, model_id) for model_id in (PLAIN, IDS["gguf_variants"])]
    assert all(path.is_file() for path in paths)
    page.click(".cm-gridbox .cm-clear-filters") if page.locator(".cm-gridbox .cm-clear-filters").is_visible() else page.fill(".cm-search", "")
    page.keyboard.press("Escape")
    page.evaluate("window.civitaiManager.close()")
    page.wait_for_selector(COUNT.format(f"{len(IDS)} models"))
    for model_id in (PLAIN, IDS["gguf_variants"]):
        steps.card(page, model_id).locator('.cm-badge[data-badge="Downloaded"]').wait_for(timeout=15_000)
        steps.card(page, model_id).locator(".cm-tick").click()
    size = page.text_content(".cm-select-count")
    assert "2 selected · " in size

    everything = sorted(path for one in paths for path in one.parent.glob(f"{one.stem}*"))
    page.click(".cm-select-tools button:has-text('Delete…')")
    page.wait_for_selector("dialog .cm-primary:visible")
    listed = page.evaluate("() => [...document.querySelectorAll('dialog .cm-agree-path')].map(n => n.firstChild.textContent.trim())")
    assert sorted(map(Path, listed)) == everything, "exactly the files that go are listed"
    said = steps.text(page, "dialog .cm-primary")
    assert said.startswith(f"Move {len(everything)} files (") and said.endswith(") to the trash")
    page.click("dialog button:text-is('Cancel')")
    assert all(path.is_file() for path in everything)
    page.click(".cm-select-tools button:has-text('Delete…')")
    page.wait_for_selector("dialog .cm-primary:visible")
    page.click("dialog .cm-primary")
    page.wait_for_selector(f".cm-undo-line:has-text('{len(everything)} files moved to the trash.')", timeout=20_000)
    assert not any(path.exists() for path in everything)
    page.wait_for_selector(".cm-select-count:text-is('2 selected')")
    steps.card(page, PLAIN).locator('.cm-badge[data-badge="Downloaded"]').wait_for(state="detached")
    steps.reload(page)
    page.click(".cm-undo-line button:text-is('Undo')")
    page.wait_for_selector(f".cm-undo-line:has-text('{len(everything)} files put back.')", timeout=20_000)
    assert all(path.is_file() for path in everything)
    steps.card(page, PLAIN).locator('.cm-badge[data-badge="Downloaded"]').wait_for()
    page.wait_for_selector(f".cm-select-count:text-is('{size}')")

    page.click(".cm-select-tools button:has-text('More')")
    page.click(".cm-menu button:has-text('Move to where')")
    page.wait_for_selector("dialog:has-text('already where the template says')")
    assert page.locator("dialog .cm-primary").is_hidden()
    page.click("dialog button:text-is('Cancel')")
    mine = sorted(path for path in everything if path.parent == paths[0].parent)
    elsewhere = paths[0].parents[1] / "elsewhere"
    elsewhere.mkdir()
    for path in mine:  # as a person does it
        path.rename(elsewhere / path.name)
    job = post(library, "scan")["job"]
    until(lambda: any(one["id"] == job and one["state"] == "done" for one in library.jobs()), 30, "the scan")
    page.click(".cm-select-tools button:has-text('More')")
    page.click(".cm-menu button:has-text('Move to where')")
    page.wait_for_selector(f"dialog .cm-primary:has-text('Move {len(mine)} files (')")
    listed = page.evaluate("() => [...document.querySelectorAll('dialog .cm-agree-path:not(.cm-to)')].map(n => n.firstChild.textContent.trim())")
    assert sorted(Path(path).name for path in listed) == [path.name for path in mine] and {Path(path).parent for path in listed} == {elsewhere}
    assert steps.text(page, "dialog .cm-to") == str(mine[0].parent)
    page.click("dialog .cm-primary")
    page.wait_for_selector(f".cm-undo-line:has-text('{len(mine)} files moved.')", timeout=20_000)
    assert all(path.is_file() for path in mine)
    page.click(".cm-select-tools button:has-text('More')")
    page.click(".cm-menu button:has-text('Verify files')")
    until(lambda: [job["state"] for job in library.jobs() if job["kind"] == "verify"] == ["done"], 20, "the verification")
    assert browser.errors == []


WATCH = """adult => {
    window.unblurred = [];
    const seen = () => {
        for (const id of adult) {
            for (const image of document.querySelectorAll(`.cm-card[data-id="${id}"] img`)) {
                const style = getComputedStyle(image);
                if (image.complete && image.naturalWidth && style.opacity > 0 && !style.filter.includes("blur")) { window.unblurred.push(id); }
            }
            const head = document.querySelector("#cm_head [data-cm-choice]");
            const image = head && head.dataset.cmChoice.split(":")[2] === String(id) && head.querySelector("img[data-cm-src]");
            if (image && image.naturalWidth && !getComputedStyle(image).filter.includes("blur")) { window.unblurred.push("panel " + id); }
        }
        requestAnimationFrame(seen);
    };
    seen();
}"""


def test_no_picture_above_the_level_is_ever_seen(library: Any, browser: Any) -> None:
    """Looked at in every frame, from the page's first: while it loads, scrolls, and after a choice."""
    page = browser.page()
    page.add_init_script(f"({WATCH})({[ADULT, UNRATED]})")
    page.goto(library.url)
    from tests.hostapp.harness import open_tab

    open_tab(page)
    for model_id in (ADULT, UNRATED):
        page.wait_for_selector(f'.cm-card[data-id="{model_id}"].cm-loaded')
        assert steps.card(page, model_id).locator(".cm-reveal").is_visible()
    assert not steps.card(page, PLAIN).locator(".cm-reveal").is_visible()
    steps.open_model(page, ADULT)
    page.wait_for_selector("#cm_head .cm-veil-thumbnail:has-text('Rated XXX: show it')")
    page.fill(".cm-search", "")
    page.wait_for_selector(COUNT.format(f"{len(IDS)} models"))
    for text in ("lora", "", "checkpoint", ""):
        page.fill(".cm-search", text)
        page.wait_for_timeout(350)
    steps.reload(page)
    page.wait_for_selector(f'.cm-card[data-id="{ADULT}"].cm-loaded')
    page.wait_for_timeout(300)
    assert page.evaluate("window.unblurred") == []

    steps.card(page, UNRATED).locator(".cm-reveal").click()
    page.wait_for_selector(f'.cm-card[data-id="{UNRATED}"].cm-loaded img.cm-clear')
    page.wait_for_timeout(300)
    assert set(page.evaluate("window.unblurred")) == {UNRATED}, "only the one that was pressed"
    assert browser.errors == []


def test_the_level_is_kept_by_the_browser_and_may_hide(library: Any, page: Any, browser: Any) -> None:
    page.get_by_label("Which pictures are shown", exact=True).first.click()
    page.select_option("[aria-label='Pictures above that']", "hide")
    page.wait_for_selector(COUNT.format(f"{len(IDS) - 2} models"))
    assert not {ADULT, UNRATED} & set(shown(page))
    steps.reload(page)
    page.wait_for_selector(COUNT.format(f"{len(IDS) - 2} models"))
    second = browser.open(library.url, context=page.context)
    second.wait_for_selector(COUNT.format(f"{len(IDS) - 2} models"))
    second.get_by_label("Which pictures are shown", exact=True).first.click()
    second.select_option("[aria-label='Show pictures up to']", "31")
    second.wait_for_selector(COUNT.format(f"{len(IDS)} models"))
    page.wait_for_selector(COUNT.format(f"{len(IDS)} models"))  # the other tab follows
    page.wait_for_selector(f'.cm-card[data-id="{ADULT}"] img.cm-clear')
    assert browser.errors == []
