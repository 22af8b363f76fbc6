"""What a person does: paste a link, look at the model, download it, find it. In a real browser against the demo Civitai."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from demo.specials import SPECIAL
from tests.hostapp.harness import open_tab, until
from tests.pages import steps

# What we draw ourselves whose text stands out less than 4.5 to 1 from what is behind it.
CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const linear = (value) => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
    const behind = (node) => {
        for (; node; node = node.parentElement) {
            const colour = rgba(getComputedStyle(node).backgroundColor);
            if (colour[3] > 250) { return colour; }
        }
        return [255, 255, 255];
    };
    const names = [".cm-name", ".cm-card-facts", ".cm-count", ".cm-view", ".cm-tray-summary", ".cm-connection-word", ".cm-search", "select.cm-input"];
    return names.map((name) => {
        const node = document.querySelector("#civitai_manager " + name);
        const [a, b] = [light(rgba(getComputedStyle(node).color)), light(behind(node))];
        return [name, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    }).filter(([name, ratio]) => ratio < 4.5);
}"""


@pytest.fixture(scope="module")
def fresh_app(make_app: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A product in which nothing was ever registered, without a key of the environment's."""
    with make_app(tmp_path_factory.mktemp("fresh"), key="") as running:
        yield running


def test_an_empty_library_shows_what_to_do(fresh_app: Any, browser: Any) -> None:
    page = browser.open(fresh_app.url)
    page.wait_for_selector(".cm-empty", state="visible")
    assert "Paste a link" in steps.text(page, ".cm-empty") and "--demo" in steps.text(page, ".cm-empty")
    page.click("text=Open settings")
    page.wait_for_selector("#cm_set_api_key", state="visible")
    assert browser.errors == []
    ours = [url for url in browser.foreign if "fonts.g" not in url and "cdnjs" not in url]  # gradio 3 and 4 ask for these themselves
    assert ours == []


def test_register_by_link_opens_the_model(app: Any, browser: Any, demo: Any) -> None:
    page = browser.open(app.url)
    steps.register(page, steps.link(demo, "variants_same_name"))
    ids = SPECIAL["variants_same_name"]
    steps.card(page, ids.model_id).wait_for(timeout=15_000)
    steps.shown(page, ids.model_id)
    assert page.input_value("#cm_links textarea") == ""
    assert steps.text(page, "#cm_head .cm-title") == next(card["name"] for card in app.cards() if card["id"] == ids.model_id)
    page.wait_for_function("() => { const i = document.querySelector('#cm_head img[data-cm-src]'); return i && i.complete && i.naturalWidth > 0; }")
    assert browser.errors == []


def test_not_a_link_says_what_is_accepted_and_keeps_the_text(app: Any, browser: Any) -> None:
    page = browser.open(app.url)
    steps.register(page, "hello, world")
    page.wait_for_selector("text=This is not a Civitai link", timeout=10_000)
    assert page.input_value("#cm_links textarea") == "hello, world"
    assert page.evaluate("window.civitaiManager.page") is True


def test_files_switch_and_folder_and_name_follow(app: Any, browser: Any, demo: Any) -> None:
    ids = SPECIAL["variants_same_name"]
    app.register(str(ids.model_id))
    page = browser.open(app.url)
    steps.open_model(page, ids.model_id)
    files = page.locator("#cm_file label:has(input)")
    assert files.count() > 1
    before = page.input_value("#cm_chosen textarea, #cm_chosen input")
    name = page.input_value("#cm_name input, #cm_name textarea")
    files.nth(1).click()
    page.wait_for_function("before => document.querySelector('#cm_chosen textarea, #cm_chosen input').value !== before", arg=before)
    until(lambda: page.input_value("#cm_name input, #cm_name textarea") != name, 10, "another file name")


def test_versions_switch(app: Any, browser: Any) -> None:
    ids = SPECIAL["many_versions"]
    app.register(str(ids.model_id))
    page = browser.open(app.url)
    steps.open_model(page, ids.model_id)
    before = page.input_value("#cm_chosen textarea, #cm_chosen input")
    steps.choose_option(page, "#cm_version", "v37")
    page.wait_for_function("before => document.querySelector('#cm_chosen textarea, #cm_chosen input').value !== before", arg=before)
    until(lambda: "v37" in page.input_value("#cm_name input, #cm_name textarea"), 10, "the version's file name")


def test_download_runs_in_the_tray_and_ends_verified(app: Any, browser: Any, demo: Any) -> None:
    ids = SPECIAL["medium_file"]
    app.register(str(ids.model_id))
    demo.fault("drip", rate=8_000_000)
    page = browser.open(app.url)
    steps.open_model(page, ids.model_id)
    page.click("#cm_download")
    page.wait_for_selector(".cm-tray-summary:has-text('1 running')", timeout=10_000)
    page.wait_for_function(r"() => /\d+ %.*of 67\.1 MB.*MB\/s/.test(document.querySelector('.cm-tray-summary').textContent)", timeout=15_000)
    page.click(".cm-tray-line [data-verb=pause]")
    steps.download(app, ids.model_id, "paused")
    page.wait_for_selector(".cm-tray-summary:has-text('1 paused')")
    demo.clear_faults()
    page.click(".cm-tray-line [data-verb=resume]")
    found = steps.download(app, ids.model_id, "done")
    assert found["result"]["verified"]
    page.wait_for_selector("#cm_file_state:has-text('Downloaded:')", timeout=15_000)
    page.wait_for_selector(f'.cm-card[data-id="{ids.model_id}"] .cm-badge:has-text("Downloaded")', timeout=15_000)
    page.wait_for_selector("#cm_download:has-text('Download again')")
    assert browser.errors == []


def test_a_risky_file_asks_first(app: Any, browser: Any) -> None:
    ids = SPECIAL["pickle_danger"]
    app.register(str(ids.model_id))
    page = browser.open(app.url)
    steps.open_model(page, ids.model_id)
    assert "dangerous" in steps.text(page, "#cm_file_state")
    count = len(app.jobs())
    page.click("#cm_download")
    page.wait_for_selector("text=tick the box", timeout=10_000)
    assert len(app.jobs()) == count
    page.check("#cm_confirm input")
    steps.settled(page)
    page.click("#cm_download")
    assert steps.download(app, ids.model_id, "done")["result"]["path"]


def test_a_failure_has_its_sentence_and_the_button_for_the_next_step(app: Any, browser: Any, demo: Any) -> None:
    ids = SPECIAL["wrong_hash"]
    app.register(str(ids.model_id))
    page = browser.open(app.url)
    steps.open_model(page, ids.model_id)
    page.click("#cm_download")
    failed = page.locator(f'.cm-job[data-job="{steps.download(app, ids.model_id, "failed")["id"]}"][data-state="failed"]')
    failed.wait_for(timeout=20_000)  # the tray opens by itself
    assert "SHA-256" in failed.text_content()
    demo.forget()
    failed.locator("[data-verb=retry]").click()
    until(lambda: any(f"/{ids.file_id}." in entry["path"] for entry in demo.requests), 20, "the second try")
    again = steps.download(app, ids.model_id, "failed")
    assert again["error"]["code"] == "hash_mismatch"
    failed.wait_for(timeout=20_000)
    failed.locator("[data-verb=dismiss]").click()
    failed.wait_for(state="detached", timeout=15_000)
    assert again["id"] not in [view["id"] for view in app.jobs()]


def test_a_stranger_s_text_is_inert(app: Any, browser: Any) -> None:
    ids = SPECIAL["hostile_description"]
    app.register(str(ids.model_id))
    page = browser.open(app.url)
    title = page.title()
    steps.open_model(page, ids.model_id)
    page.wait_for_selector("#cm_about .cm-prose")
    html = page.inner_html("#cm_panel")
    assert not re.search(r"<(script|iframe|form|style|object)\b", html.replace("<style></style>", ""), re.I)
    assert page.locator(".cm-prose :is(img, button, [onclick], [style])").count() == 0
    assert "Plain text" in steps.text(page, "#cm_about")
    assert page.locator("#cm_words .cm-chip").first.text_content().startswith("<script>")
    page.locator("#cm_words .cm-chip").first.click()
    page.locator("#cm_head .cm-title").hover()
    assert page.title() == title
    assert page.locator(f'.cm-card[data-id="{ids.model_id}"] .cm-name b').count() == 0


def test_settings_are_saved_and_refused_with_a_reason(fresh_app: Any, browser: Any) -> None:
    app = fresh_app
    page = browser.open(app.url)
    page.click('[data-view="settings"]')
    field = "#cm_set_parallel_downloads input"
    page.wait_for_function("s => document.querySelector(s).value === '3'", arg=field)
    page.fill(field, "5")
    page.fill("#cm_set_api_key input", "not-the-right-key-77")
    page.click("#cm_save")
    page.wait_for_selector("#cm_saved:has-text('Saved')")
    page.wait_for_selector("#cm_state_api_key:has-text('A value is set')")
    assert page.input_value("#cm_set_api_key input") == ""
    page.fill(field, "99")
    page.click("#cm_save")
    page.wait_for_selector("text=The earlier value was kept", timeout=10_000)
    page.reload()
    page.wait_for_selector("#civitai_manager", state="attached")
    if page.query_selector("#tabs"):
        open_tab(page)
    page.wait_for_selector(field, state="visible")  # the view survives a reload
    page.wait_for_function("s => document.querySelector(s).value === '5'", arg=field)
    assert "not-the-right-key-77" not in page.content() and "not-the-right-key-77" not in app.log()
    assert "not-the-right-key-77" not in app.get("/config").text
    page.click("#cm_test_key")
    page.wait_for_selector("#cm_test_result:has-text('does not accept your API key')", timeout=20_000)
    page.click("#cm_remove_api_key")
    page.wait_for_selector("#cm_state_api_key:has-text('Not set')")


def test_keyboard(app: Any, browser: Any) -> None:
    app.register("\n".join(str(SPECIAL[name].model_id) for name in ("variants_same_name", "many_versions", "medium_file")))
    page = browser.open(app.url)
    page.wait_for_selector(".cm-card")
    page.wait_for_selector(".cm-card:not(.cm-waiting)")
    page.focus(".cm-scroll")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('.cm-scroll').getAttribute('aria-activedescendant') === 'cm_card_1'")
    page.keyboard.press("Enter")
    steps.shown(page, int(page.get_attribute("#cm_card_1", "data-id")))
    page.keyboard.press("Escape")
    page.wait_for_selector("#cm_panel", state="hidden")
    assert page.evaluate("document.activeElement.classList.contains('cm-scroll')")
    page.keyboard.press("End")
    last = len(app.cards()) - 1
    page.wait_for_function("id => document.querySelector('.cm-scroll').getAttribute('aria-activedescendant') === id", arg=f"cm_card_{last}")


def test_a_phone_s_width(app: Any, browser: Any) -> None:
    ids = SPECIAL["many_versions"]
    app.register(str(ids.model_id))
    page = browser.open(app.url, width=390, height=800)
    steps.open_model(page, ids.model_id)
    box = page.locator("#cm_panel").bounding_box()
    grid = page.locator("#cm_library").bounding_box()
    assert abs(box["width"] - grid["width"]) <= 4, "the panel is a sheet over the grid"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"), "nothing is wider than the screen"
    page.click("#cm_head .cm-close")
    page.wait_for_selector("#cm_panel", state="hidden")
    small = page.evaluate(
        """() => [...document.querySelectorAll('#civitai_manager .cm-icon, #civitai_manager .cm-view, #cm_register')]
        .filter(node => node.offsetParent && (node.offsetWidth < 43.5 || node.offsetHeight < 43.5)).map(node => node.outerHTML)"""
    )
    assert small == []


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_in_both_themes(app: Any, browser: Any, dark: bool) -> None:
    """The contrast of what we draw ourselves is at least 4.5 to 1 against what is behind it."""
    app.register(str(SPECIAL["many_versions"].model_id))
    page = browser.page(dark=dark)
    page.goto(app.url + ("/?__theme=dark" if dark else "/?__theme=light"))
    open_tab(page)
    page.wait_for_selector(".cm-card .cm-name")
    assert page.evaluate(CONTRAST) == []
