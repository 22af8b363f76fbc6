"""How soon the first cards are seen: 10,000 models, the product in a process of its own, Chromium.

The clock starts when the tab's frame is there and shown, which is when a WebUI opens the tab (what gradio needs to load itself comes before and is
not ours), and stops at the first frame that has cards with their names. The page's tasks of over 50 ms in that time are told too, as a sign of a busy
machine. A search is timed from the last letter to the frame that has its answer, the pause after typing (180 ms) included.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import gradio

from .searching import NOWHERE, Words, fill

MODELS = 10_000
TURNS = 9
WATCH = """() => {
    const told = (window.cardsSeen = {shown: 0, seen: 0, work: 0});
    new PerformanceObserver((list) => {
        for (const one of list.getEntries()) { if (told.shown && !told.seen && one.startTime >= told.shown) { told.work += one.duration; } }
    }).observe({type: "longtask", buffered: true});
    const look = () => {
        const root = document.getElementById("civitai_manager");
        if (!told.shown && root && root.offsetParent) { told.shown = performance.now(); }
        const cards = document.querySelectorAll(".cm-card:not(.cm-waiting) .cm-name");
        if (told.shown && cards.length && cards[0].textContent) { requestAnimationFrame(() => { told.seen = performance.now(); }); return; }
        requestAnimationFrame(look);
    };
    look();
}"""
SEARCH = """text => new Promise((done) => {
    const field = document.querySelector(".cm-search");
    const before = document.querySelector(".cm-count").textContent;
    field.value = text;
    const began = performance.now();
    field.dispatchEvent(new Event("input", {bubbles: true}));
    const look = () => {
        const now = document.querySelector(".cm-count").textContent;
        const ready = now !== before && now !== "Loading…" && !document.querySelector(".cm-card.cm-waiting");
        if (ready || performance.now() - began > 10000) { done(performance.now() - began); } else { requestAnimationFrame(look); }
    };
    requestAnimationFrame(look);
})"""


def measure(folder: Path) -> list[tuple[str, str, str]]:
    told = first_cards(folder)
    rows = [
        (f"first cards, 10,000 models{' in a WebUI' if in_webui() else ''}", told["clock"], "under 300 ms"),
        ("  of it in tasks of over 50 ms", told["work"], ""),
        ("  in a browser that was never here", told["cold"], ""),
        ("a search, from the last letter on", told["search"], ""),
    ]
    return [(what, f"{statistics.median(some):.0f} ms median, {max(some):.0f} ms worst", promised) for what, some, promised in rows]


def in_webui() -> bool:
    """With the gradio of a WebUI it is measured in the app shaped like one, from the press on the tab on."""
    return int(gradio.__version__.split(".")[0]) < 5


def first_cards(folder: Path) -> dict[str, list[float]]:
    """Milliseconds until cards are seen: ``clock``, when the browser has our scripts, ``work`` of it in long tasks; ``cold``, when it has none."""
    root = Path(__file__).resolve().parent.parent
    sys.path[:0] = [str(root / "tests")]
    from support import make_application

    from tests.hostapp.harness import Browser, Standalone, Webui, open_tab

    application = make_application(folder, NOWHERE)
    application.data_dir = folder / "manager"
    application.start(serving=False)
    words = Words(seed=1)
    fill(application, MODELS, words)
    application.close()
    told: dict[str, list[float]] = {"clock": [], "cold": [], "work": [], "search": []}
    with (Webui if in_webui() else Standalone)(folder) as app, Browser() as browser:
        for turn in range(TURNS):
            page = browser._chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()  # as a person's: with its cache
            page.add_init_script(f"({WATCH})()")
            for where in ("cold", "clock"):
                page.goto(app.url) if where == "cold" else page.reload()
                open_tab(page)
                page.wait_for_function("() => window.cardsSeen && window.cardsSeen.seen", timeout=60_000)
                seen = page.evaluate("window.cardsSeen")
                told[where].append(seen["seen"] - seen["shown"])
            told["work"].append(page.evaluate("window.cardsSeen.work"))
            if not turn:
                told["search"] = [page.evaluate(SEARCH, word) for word in dict.fromkeys(words.some(12))]
            page.context.close()
    return told
