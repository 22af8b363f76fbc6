"""Everybody can use the tab: by keys, without motion, with a screen reader. ``test_screens`` looks at every screen."""

from __future__ import annotations

from typing import Any

from tests.hostapp.harness import open_tab
from tests.pages import screens


def opened(browser: Any, app: Any, **options: Any) -> Any:
    page = browser.page(**options)
    page.goto(f"{app.url}/?__theme=light")
    open_tab(page)
    page.wait_for_selector("#civitai_manager.cm-ready .cm-connection:not(.cm-lost)")
    return page


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
