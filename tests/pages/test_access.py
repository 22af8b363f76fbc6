"""Everybody can use the tab: axe-core finds nothing serious on any screen, and it works by keys, at 200 % zoom, on a phone, and without motion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest

from tests.hostapp.harness import open_tab
from tests.pages import screens

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
LOOK = "() => axe.run('#civitai_manager', {resultTypes: ['violations']})"
# What stands outside of the window, and in no box that scrolls by itself: at 200 % and on a phone nobody should have to scroll sideways.
OUTSIDE = """() => {
    const width = document.documentElement.clientWidth;
    const found = document.documentElement.scrollWidth > width + 1 ? ["the page itself scrolls: " + document.documentElement.scrollWidth] : [];
    const scrolls = (node) => {
        for (let at = node.parentElement; at && at !== document.body; at = at.parentElement) {
            if (/auto|scroll/.test(getComputedStyle(at).overflowX) && at.scrollWidth > at.clientWidth + 1) { return true; }
        }
        return false;
    };
    for (const node of document.querySelectorAll("#civitai_manager :is(button, input, select, textarea, a, h2, h3, p, summary, td)")) {
        const box = node.getBoundingClientRect();
        const seen = node.checkVisibility({visibilityProperty: true, opacityProperty: true});
        if (box.width < 2 || box.height < 2 || box.left < -2000 || !seen || scrolls(node) || (box.right <= width + 1 && box.left >= -1)) { continue; }
        const place = Math.round(box.left) + " to " + Math.round(box.right);
        found.push(node.localName + " " + (node.id || node.className) + " " + place + ": " + node.textContent.slice(0, 40));
    }
    return found;
}"""
# Buttons and fields that a finger can hardly hit; a box of a label is as big as its label.
SMALL = """() => [...document.querySelectorAll("#civitai_manager :is(button, summary, .cm-input)")].filter((node) => {
    const shown = node.closest("label") || node;
    const box = shown.getBoundingClientRect();
    return node.getBoundingClientRect().width > 2 && box.left > -2000 && node.checkVisibility({visibilityProperty: true, opacityProperty: true})
        && (box.width < 23.5 || box.height < 23.5);
}).map((node) => node.localName + " " + (node.id || node.className) + ": " + node.textContent.slice(0, 40))"""


@pytest.fixture(scope="module")
def furnished(make_app: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("access")
    screens.settings_for(folder)
    with make_app(folder) as running:
        screens.furnish(running)
        yield running


def opened(browser: Any, app: Any, **options: Any) -> Any:
    page = browser.page(**options)
    page.goto(f"{app.url}/?__theme=light")
    open_tab(page)
    page.wait_for_selector("#civitai_manager.cm-ready .cm-connection:not(.cm-lost)")
    return page


def findings(page: Any) -> list[str]:
    """What axe-core calls serious or critical in our part of the page."""
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(AXE)
    found = page.evaluate(LOOK)["violations"]
    return [
        f"{one['impact']}: {one['id']} ({one['help']}): {node['target']} {node['html'][:120]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("name", screens.each())
def test_a_screen_is_for_everybody(furnished: Any, browser: Any, name: str) -> None:
    """Nothing serious in the light and the dark theme; nothing lost at 200 % zoom (a window of 640 by 450 for the page) and on a phone."""
    page = opened(browser, furnished)
    screens.SCREENS[name](page)
    page.wait_for_timeout(400)  # what fades in has faded in
    found = [f"light: {one}" for one in findings(page)]
    page.evaluate("() => document.body.classList.add('dark')")
    page.wait_for_timeout(800)  # colours fade, too
    found += [f"dark: {one}" for one in findings(page)]
    for width, height in ((640, 450), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(350)
        found += [f"{width} pixels wide: {one}" for one in page.evaluate(OUTSIDE)]
    found += [f"too small on a phone: {one}" for one in page.evaluate(SMALL)]
    assert not found, "\n".join(found)


def test_keys_reach_everything_in_the_order_of_the_eye(furnished: Any, browser: Any) -> None:
    """From the links over the views and the search to the cards and the tray; each stop can be seen, and has a name."""
    page = opened(browser, furnished)
    screens.library(page)
    page.focus("#cm_links textarea")
    stops: list[dict[str, Any]] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        stop = page.evaluate("""() => {
            const at = document.activeElement;
            const ours = at.closest("#civitai_manager");
            if (!ours) { return null; }
            const box = at.getBoundingClientRect();
            const labels = at.labels && at.labels.length ? at.labels[0].textContent : "";
            const label = at.getAttribute("aria-label") || at.getAttribute("title") || labels || at.textContent || "";
            const ring = (node) => {
                const now = getComputedStyle(node);
                return (now.outlineStyle !== "none" && parseFloat(now.outlineWidth) > 0) || now.boxShadow !== "none";
            };
            const places = ["#cm_bar", "#cm_navigation", ".cm-filters", ".cm-scroll", "#cm_grid", ".cm-tray"];
            return {what: at.localName + " " + (at.id || at.className), label: label.trim().slice(0, 40), seen: box.width > 2 && box.bottom > 0,
                ring: ring(at) || ring(at.parentElement), place: places.findIndex((one) => at.closest(one))};
        }""")
        if stop is None:
            break
        stops.append(stop)
    assert [stop for stop in stops if not stop["seen"] or not stop["label"] or not stop["ring"]] == []
    places = [stop["place"] for stop in stops]
    assert places == sorted(places), stops
    assert {0, 1, 2, 3, 5} <= set(places), stops


def test_nothing_moves_for_those_who_do_not_want_it(furnished: Any, browser: Any) -> None:
    page = opened(browser, furnished, reduced_motion="reduce")
    screens.tray(page)
    moving = page.evaluate("""() => [...document.querySelectorAll("#civitai_manager *")].filter((node) => {
        const style = getComputedStyle(node);
        const longest = (text) => Math.max(...text.split(",").map((one) => parseFloat(one) * (one.includes("ms") ? 0.001 : 1)));
        return (style.animationName !== "none" && longest(style.animationDuration) > 0.01) || longest(style.transitionDuration) > 0.01;
    }).map((node) => node.localName + " " + (node.id || node.className))""")
    assert moving == []


def test_a_screen_reader_hears_what_happens(furnished: Any, browser: Any) -> None:
    """What changes by itself is in live regions: the connection, the number of models, refusals, jobs that end."""
    page = opened(browser, furnished)
    screens.library(page)
    live = page.evaluate("""() => [".cm-connection-word", ".cm-count", ".cm-says", ".cm-kept"].filter((one) =>
        !document.querySelector(one).closest('[role="status"], [role="alert"], [aria-live="polite"]'))""")
    assert live == []
