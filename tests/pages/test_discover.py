"""Civitai in the tab, as a person uses it: search, scroll without an end, look, take over, follow; with faults on, and over a reload."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import pytest

from demo.server import DemoServer
from demo.specials import SPECIAL
from tests.hostapp.harness import until
from tests.pages import steps

FIRST = 4_100_000
CARD = ".cm-civitai .cm-card:not(.cm-waiting)"
SCROLL = ".cm-civitai .cm-scroll"
ITEMS = "() => window.civitaiManager.browsing.list.data.items.map((one) => one.id)"
STATE = "() => { const d = window.civitaiManager.browsing.list.data; return {n: d.items.length, ended: d.ended, error: Boolean(d.error)}; }"
TO_THE_END = "() => { const s = document.querySelector('.cm-civitai .cm-scroll'); s.scrollTop = s.scrollHeight; }"
DRAWN = "() => document.querySelectorAll('.cm-civitai .cm-card').length"


@pytest.fixture(scope="module")
def thousand() -> Iterator[DemoServer]:
    with DemoServer(models=1000, seed=5) as server:
        yield server


@pytest.fixture(scope="module")
def product(make_app: Any, thousand: DemoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with make_app(tmp_path_factory.mktemp("discover"), thousand, environment={"CIVITAI_MANAGER_HTTP_RETRY_DELAY": "0.2"}) as running:
        yield running


@pytest.fixture(autouse=True)
def well(thousand: DemoServer) -> Iterator[None]:
    thousand.clear_faults()
    yield
    thousand.clear_faults()


@pytest.fixture
def page(product: Any, browser: Any) -> Any:
    return opened(product, browser)


def opened(product: Any, browser: Any, **options: Any) -> Any:
    made = browser.open(product.url, **options)
    made.wait_for_selector(".cm-connection:has-text('Connected')")
    made.click('[data-view="civitai"]')
    made.wait_for_selector(CARD, timeout=20_000)
    return made


def find(page: Any, text: str) -> None:
    page.fill(".cm-find", text)
    page.press(".cm-find", "Enter")


def card(page: Any, model_id: int) -> Any:
    return page.locator(f'.cm-civitai .cm-card[data-id="{model_id}"]')


def wait_items(page: Any, what: str, timeout: float = 20_000) -> None:
    page.wait_for_function(f"() => {{ const data = window.civitaiManager.browsing.list.data; return {what}; }}", timeout=timeout)


@pytest.mark.once
def test_nothing_is_asked_before_the_view_is_opened_and_only_pictures_of_another_site_after(product: Any, browser: Any, thousand: DemoServer) -> None:
    thousand.forget()
    made = browser.page()
    asked: list[str] = []
    made.on("request", lambda request: asked.append(request.url))
    made.goto(product.url)
    from tests.hostapp.harness import open_tab

    open_tab(made)
    made.wait_for_selector(".cm-connection:has-text('Connected')")
    made.wait_for_timeout(1500)
    assert thousand.requests == [] and not [url for url in asked if "/civitai-manager/browse" in url]
    asked.clear()  # old versions of gradio ask other sites for fonts and scripts while they load
    before = list(browser.foreign)
    made.click('[data-view="civitai"]')
    made.wait_for_selector(CARD, timeout=20_000)
    made.wait_for_selector(".cm-civitai .cm-card.cm-loaded")
    card(made, made.evaluate(ITEMS)[0]).click()
    made.wait_for_selector(".cm-remote .cm-picture.cm-loaded")
    elsewhere = [url for url in asked if not url.startswith((product.url, "data:", "blob:"))]
    assert elsewhere and all(url.startswith(thousand.storage_url) and re.search(r"[/,]width=(320|450|512|800)/", url) for url in elsewhere)
    pictures = [one for one in thousand.requests if one["origin"] == "storage"]
    assert pictures and not [one for one in pictures if one["headers"].get("Referer") or one["headers"].get("Cookie") or one["key"]]
    assert {one["path"] for one in thousand.requests if one["origin"] == "api"} <= {"/api/v1/models", "/api/v1/enums"} | {
        f"/api/v1/models/{made.evaluate(ITEMS)[0]}"
    }
    assert browser.foreign == before and browser.errors == []


def test_a_thousand_results_with_faults_on(page: Any, thousand: DemoServer) -> None:
    faults: list[dict[str, Any]] = [
        {"name": "error", "status": 503, "times": 2}, {"name": "close", "after": 200, "times": 2}, {"name": "rate_limit", "retry_after": 1,
        "times": 1}, {"name": "error", "status": 524, "times": 1}, {"name": "html_page", "times": 1}, {"name": "region", "times": 1},
        {"name": "slow", "seconds": 1, "times": 2},
    ]  # fmt: skip
    page.select_option('[data-find="sort"]', "Oldest")
    wait_items(page, "data.answered && data.key.includes('Oldest')")
    most, end, pressed = 0, time.monotonic() + 120, 0
    while not (state := page.evaluate(STATE))["ended"]:
        assert time.monotonic() < end, state
        if faults and state["n"] > 60 * (8 - len(faults)):
            thousand.fault(path="v1/models", **faults.pop(0))
        if state["error"]:
            page.click(".cm-browse-line button:has-text('Try again')")
            pressed += 1
        page.evaluate(TO_THE_END)
        page.wait_for_timeout(60)
        most = max(most, page.evaluate(DRAWN))
    assert not faults and pressed, "what Civitai refuses is said, and asked again when wanted"
    found = page.evaluate(ITEMS)
    listed = {entry["id"] for entry in thousand.catalogue.index if entry["level"] and not entry["minor"]} - thousand.catalogue.unlisted
    assert len(found) == len(set(found)) and set(found) == listed and len(found) > 1000
    assert most <= 150, "cells are used again"
    page.wait_for_selector(f".cm-civitai .cm-count:has-text('{len(found):,} models')")
    page.focus(SCROLL)
    page.keyboard.press("Home")
    page.wait_for_function("id => document.querySelector('.cm-civitai .cm-active')?.dataset.id === String(id)", arg=found[0])
    page.keyboard.press("End")
    page.wait_for_function("id => document.querySelector('.cm-civitai .cm-active')?.dataset.id === String(id)", arg=found[-1])


@pytest.mark.once
def test_one_comes_back_to_where_one_was(page: Any, browser: Any) -> None:
    find(page, "#landscape ")
    page.wait_for_selector(".cm-civitai .cm-filter-chip:has-text('#landscape')")
    page.select_option('[data-find="sort"]', "Newest")
    wait_items(page, "data.items.length >= 30 && data.key.includes('landscape') && data.key.includes('Newest')")
    for _ in range(2):
        count = page.evaluate(STATE)["n"]
        page.evaluate(TO_THE_END)
        wait_items(page, f"data.items.length > {count}")
    page.evaluate("() => { const s = document.querySelector('.cm-civitai .cm-scroll'); s.scrollTop = s.scrollHeight * 0.7; }")
    page.wait_for_timeout(300)
    page.wait_for_function("() => !document.querySelector('.cm-civitai .cm-card.cm-waiting')")
    seen = "() => [...document.querySelectorAll('.cm-civitai .cm-card:not(.cm-waiting)')].map((n) => n.dataset.id).sort()"
    before, place = page.evaluate(seen), page.evaluate("() => document.querySelector('.cm-civitai .cm-scroll').scrollTop")
    page.click('[data-view="library"]')
    page.click('[data-view="civitai"]')
    came_back = f"before => JSON.stringify(({seen})()) === JSON.stringify(before)"
    page.wait_for_function(came_back, arg=before)
    steps.reload(page)
    wait_items(page, "data.items.length >= 60")
    page.wait_for_function("top => Math.abs(document.querySelector('.cm-civitai .cm-scroll').scrollTop - top) < 60", arg=place)
    page.wait_for_function(came_back, arg=before)
    page.wait_for_selector(".cm-civitai .cm-filter-chip:has-text('#landscape')")
    assert page.input_value('[data-find="sort"]') == "Newest" and browser.errors == []


@pytest.mark.once
def test_a_newer_search_takes_the_place_of_the_older_one(page: Any, thousand: DemoServer) -> None:
    thousand.fault("slow", path="query=meadow", seconds=2)
    find(page, "meadow")
    page.wait_for_selector(".cm-civitai .cm-count:has-text('Asking Civitai')")
    find(page, "valley")
    wait_items(page, "data.answered && data.key.includes('valley') && data.items.length > 0")
    names = "() => window.civitaiManager.browsing.list.data.items.map((one) => one.name)"
    assert all("valley" in name.lower() for name in page.evaluate(names))
    page.wait_for_timeout(2500)
    assert all("valley" in name.lower() for name in page.evaluate(names)), "the late answer is not shown under this name"


@pytest.mark.once
def test_empty_pages_are_followed(page: Any, thousand: DemoServer) -> None:
    find(page, "landscape @oakandink")
    page.wait_for_selector(".cm-civitai .cm-filter-chip:has-text('@oakandink')")
    wait_items(page, "data.pages.length > 3 && data.items.length > 0")
    while not page.evaluate(STATE)["ended"]:
        page.evaluate(TO_THE_END)
        if page.locator(".cm-civitai button:has-text('Look further')").count():
            page.locator(".cm-civitai button:has-text('Look further')").first.click()
        page.wait_for_timeout(100)
    creators = page.evaluate("() => window.civitaiManager.browsing.list.data.items.map((one) => one.creator)")
    assert set(creators) == {"oakandink"}
    assert page.evaluate("() => window.civitaiManager.browsing.list.data.pages.some((one) => one.items.length === 0)"), "some were empty"
    find(page, "xyzzy-nothing")
    page.wait_for_selector(".cm-civitai .cm-empty:has-text('Nothing on Civitai matches')")
    page.click(".cm-civitai .cm-empty button:has-text('Clear filters')")
    page.wait_for_selector(CARD)


@pytest.mark.once
def test_a_failure_is_said_and_a_broken_line_is_survived(page: Any, thousand: DemoServer, browser: Any) -> None:
    thousand.fault("region", path="query=heron")
    find(page, "heron")
    page.wait_for_selector(".cm-civitai .cm-empty:has-text('Civitai could not be asked')")
    assert "region" in steps.text(page, ".cm-civitai .cm-empty").lower()
    thousand.clear_faults()
    page.click(".cm-civitai .cm-empty button:has-text('Try again')")
    wait_items(page, "data.items.length > 0")
    broken = {"left": 3}

    def cut(route: Any) -> None:
        broken["left"] -= 1
        route.abort("connectionreset") if broken["left"] >= 0 else route.continue_()

    page.route("**/civitai-manager/browse?*", cut)
    find(page, "otter")
    wait_items(page, "data.items.length > 0 && data.key.includes('otter')", 30_000)
    assert broken["left"] < 0
    page.unroute("**/civitai-manager/browse?*")


@pytest.mark.once
def test_offline_the_last_answer_is_shown_with_its_date(page: Any, thousand: DemoServer, product: Any) -> None:
    find(page, "fox")
    wait_items(page, "data.items.length > 0 && data.key.includes('fox')")
    find(page, "")
    with sqlite3.connect(product.data_dir / "catalog.db", timeout=20) as db:
        db.execute("UPDATE answers SET asked = asked - 7200")
    thousand.stop_api()
    try:
        find(page, "fox")
        wait_items(page, "data.items.length > 0 && data.key.includes('fox')")
        page.wait_for_selector(".cm-browse-line:has-text('This is what Civitai said 2 hours ago')", timeout=30_000)
        find(page, "never-asked-before")
        page.wait_for_selector(".cm-civitai .cm-empty:has-text('Civitai could not be asked')", timeout=30_000)
    finally:
        thousand.start_api()


@pytest.mark.once
def test_an_old_answer_is_shown_at_once_and_renewed_behind(page: Any, thousand: DemoServer, product: Any) -> None:
    find(page, "badger")
    wait_items(page, "data.items.length > 0 && data.key.includes('badger')")
    before = page.evaluate(ITEMS)
    find(page, "")
    with sqlite3.connect(product.data_dir / "catalog.db", timeout=20) as db:
        db.execute("UPDATE answers SET asked = asked - 7200")
    gone = before[0]
    thousand.catalogue.unlisted.add(gone)
    thousand.fault("slow", path="query=badger", seconds=1.5)
    try:
        find(page, "badger")
        wait_items(page, f"data.items.length > 0 && data.key.includes('badger') && data.items[0].id === {gone}")
        wait_items(page, f"data.items.length > 0 && data.items[0].id !== {gone}")
        assert page.evaluate(ITEMS) == before[1:]
        find(page, "kingfisher")  # while nothing of the older question goes on
        wait_items(page, "data.answered && data.key.includes('kingfisher')")
    finally:
        thousand.catalogue.unlisted.discard(gone)


@pytest.mark.once
def test_everything_by_keys_and_registering_from_the_panel(page: Any, browser: Any) -> None:
    page.select_option('[data-find="types"]', "LORA")
    page.wait_for_selector(".cm-civitai .cm-filter-chip:has-text('LORA')")
    wait_items(page, "data.items.length >= 30 && data.key.includes('LORA')")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.className").endswith("cm-find")
    page.focus(SCROLL)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    steps.settled(page)
    chosen = page.evaluate("() => Number(document.querySelector('.cm-civitai .cm-active').dataset.id)")
    assert page.get_attribute(SCROLL, "aria-activedescendant") == page.evaluate("() => document.querySelector('.cm-civitai .cm-active').id")
    page.keyboard.press("Space")
    page.wait_for_selector(".cm-civitai .cm-select-count:has-text('1 selected')")
    page.keyboard.press("Escape")
    page.wait_for_selector(".cm-civitai .cm-select", state="hidden")
    page.keyboard.press("Enter")
    page.wait_for_selector(".cm-remote:visible .cm-own-part")
    page.focus(".cm-remote .cm-close")
    page.keyboard.press("Escape")
    page.wait_for_selector(".cm-remote", state="hidden")
    assert page.evaluate("document.activeElement.classList.contains('cm-scroll')")
    page.keyboard.press("Enter")
    page.click('.cm-remote [data-cm-remote="register"]')
    steps.shown(page, chosen)
    assert page.get_attribute("#civitai_manager", "data-cm-view") == "civitai", "one stays where one was"
    page.wait_for_selector(f'.cm-civitai .cm-card[data-id="{chosen}"] .cm-badge:has-text("Registered")')
    page.locator("#cm_panel .cm-close").click()
    page.click(".cm-civitai .cm-find-clear")
    assert browser.errors == []


@pytest.mark.once
def test_many_are_registered_and_downloaded_at_once(page: Any, product: Any, browser: Any) -> None:
    find(page, "@papercrane_studio ")
    wait_items(page, "data.items.length > 8 && data.key.includes('papercrane')")
    chosen = page.evaluate(ITEMS)[:6]
    card(page, chosen[0]).locator(".cm-tick").click()
    card(page, chosen[5]).click(modifiers=["Shift"])
    page.wait_for_selector(".cm-civitai .cm-select-count:has-text('6 selected')")
    page.locator(".cm-civitai .cm-select button", has_text="Register").click()
    for model_id in chosen:
        page.wait_for_selector(f'.cm-civitai .cm-card[data-id="{model_id}"] .cm-badge:has-text("Registered")', timeout=30_000)
    assert set(chosen) <= {item["id"] for item in product.cards()}
    types = {entry["id"]: entry["type"] for entry in product.demo.catalogue.index}
    wanted = [model_id for model_id in chosen if types[model_id] == "LORA"] or chosen
    card(page, wanted[0]).locator(".cm-tick").click()
    page.locator(".cm-civitai .cm-select button", has_text="Download the newest").click()
    until(lambda: [job for job in product.jobs() if job["kind"] == "collect" and job["finished"]], 30)
    if not any(job["kind"] == "collect" and (job["result"] or {}).get("skipped") for job in product.jobs()):
        page.wait_for_selector(f'.cm-civitai .cm-card[data-id="{wanted[0]}"] .cm-badge:has-text("Downloaded")', timeout=30_000)
    page.locator(".cm-civitai button:has-text('Register all')").click()
    everything = sum(1 for entry in product.demo.catalogue.index if entry["creator"] == "papercrane_studio" and entry["level"] and not entry["minor"])
    until(lambda: len([item for item in product.cards() if item["creator"] == "papercrane_studio"]) == everything, 60)
    assert browser.errors == []


@pytest.mark.once
def test_a_creator_is_followed(page: Any, browser: Any) -> None:
    find(page, "@saltmarsh ")
    wait_items(page, "data.items.length > 0 && data.key.includes('saltmarsh')")
    page.get_by_label("Followed creators and searches", exact=True).first.click()
    page.click(".cm-pop-box button:text-is('Follow this search')")
    page.wait_for_selector(".cm-pop-box .cm-saved:has-text('@saltmarsh')")
    page.click(".cm-pop-box button:text-is('Look for new models')")
    page.wait_for_selector(".cm-pop-box [data-cm-job]:has-text('Nothing new')", timeout=20_000)
    page.get_by_label("Stop following @saltmarsh").click()
    page.wait_for_selector(".cm-pop-box:has-text('Nothing is followed yet')")
    assert browser.errors == []


@pytest.mark.once
def test_pictures_are_judged_before_they_are_shown(product: Any, browser: Any) -> None:
    made = opened(product, browser)
    adult = SPECIAL["adult"].model_id
    find(made, f"https://civitai.com/models/{adult}")
    card(made, adult).wait_for()
    made.wait_for_selector(f'.cm-civitai .cm-card[data-id="{adult}"].cm-loaded')
    assert card(made, adult).locator("img.cm-clear").count() == 0 and card(made, adult).locator(".cm-reveal").is_visible()
    card(made, adult).click(position={"x": 8, "y": 150})
    made.wait_for_selector(".cm-remote:visible .cm-reveal:visible")
    assert made.locator(".cm-remote img.cm-clear").count() == 0
    card(made, adult).locator(".cm-reveal").click()
    made.wait_for_selector(f'.cm-civitai .cm-card[data-id="{adult}"] img.cm-clear')
    made.locator(".cm-civitai").get_by_label("Which pictures are shown", exact=True).first.click()
    made.locator(".cm-civitai").get_by_label("Pictures above that").select_option("hide")
    made.wait_for_selector(".cm-civitai .cm-empty:has-text('Nothing on Civitai matches')")
    made.locator(".cm-civitai").get_by_label("Pictures above that").select_option("blur")
    card(made, adult).wait_for()


@pytest.mark.once
def test_the_panel_is_a_sheet_on_a_phone(product: Any, browser: Any) -> None:
    made = opened(product, browser, width=390, height=844)
    made.locator(CARD).first.click()
    made.wait_for_selector(".cm-remote:visible, #cm_panel:visible")
    box = made.locator(".cm-remote:visible, #cm_panel:visible").first.bounding_box()
    assert box["width"] >= made.locator("#cm_library").bounding_box()["width"] - 8
    assert made.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    small = made.evaluate(
        """() => [...document.querySelectorAll('.cm-civitai :is(button, select, input, a)')].filter((n) => n.offsetParent)
            .map((n) => [n.className + n.textContent, n.getBoundingClientRect().height]).filter(([, height]) => height < 30)"""
    )
    assert small == []
