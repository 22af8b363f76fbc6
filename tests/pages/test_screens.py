"""Every screen: all that is ours is translated, axe-core finds nothing serious, nothing is lost at 200 % zoom or on a phone."""

from __future__ import annotations

from typing import Any

import pytest

from docs.texts import collected
from tests.pages import screens, steps
from tests.pages.axe import findings

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
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"  # nothing is looked at while it fades
# Buttons and fields that a finger can hardly hit; a box of a label is as big as its label.
SMALL = """() => [...document.querySelectorAll("#civitai_manager :is(button, summary, .cm-input)")].filter((node) => {
    const shown = node.closest("label") || node;
    const box = shown.getBoundingClientRect();
    return node.getBoundingClientRect().width > 2 && box.left > -2000 && node.checkVisibility({visibilityProperty: true, opacityProperty: true})
        && (box.width < 23.5 || box.height < 23.5);
}).map((node) => node.localName + " " + (node.id || node.className) + ": " + node.textContent.slice(0, 40))"""
# Every text that is collected, in brackets: what is seen without them has not been translated.
PSEUDO = {text: f"⟦{text}⟧" for text in collected()}
# What is the same in every language: names of things, units, and what a browser or a terminal calls things.
NAMES = {
    "Civitai", "PG", "PG-13", "XXX", "Browser", "Neo", "Lora", "Manager", "StabilityMatrix", "CivBrowser", "GB", "MB", "KB", "TB", "ms", "LORA",
    "SDXL", "SHA-256", "LoRA", "pruned", "full", "fp16", "fp32",
    "AutoV2", "AutoV3", "AIR", "gradio", "Python", "httpx", "uvicorn", "starlette", "fastapi", "Esc", "SafeTensor", "PickleTensor", "start.sh",
    "demo", "URL", "hillOfData", "safetensors", "gentleFlux", "gguf",
}  # fmt: skip
UNTRANSLATED = """(names) => {
    const found = new Set();
    const left = (text) => {
        let rest = text;
        for (let before = ""; before !== rest;) { before = rest; rest = rest.replace(/⟦[^⟦⟧]*⟧/g, " "); }
        return [...rest.matchAll(/[A-Za-z][A-Za-z0-9-]+/g)].map(([word]) => word).filter((word) => !names.includes(word));
    };
    const seen = (node) => node.checkVisibility({visibilityProperty: true}) && node.getClientRects().length > 0;
    const TECHNICAL = "script, style, time, textarea, option:not(:checked), .hide, .sr-only";
    const name = (node) => "   <" + node.localName + " " + (node.className || node.id) + ">";
    const data = (node) => { const near = node.closest("[translate]"); return near && near.getAttribute("translate") === "no"; };
    const mixed = (node) => node.children.length && node.textContent.startsWith("⟦") && node.textContent.endsWith("⟧");  // brackets around a node
    const root = document.getElementById("civitai_manager");
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const [text, parent] = [walker.currentNode.data.trim(), walker.currentNode.parentElement];
        if (!text || parent.closest(TECHNICAL) || data(parent) || mixed(parent) || !seen(parent) || !left(text).length) { continue; }
        found.add(text.slice(0, 160) + name(parent));
    }
    for (const node of root.querySelectorAll("[title], [aria-label], [placeholder], [alt]")) {
        if (data(node) || node.localName === "time" || !seen(node)) { continue; }
        for (const which of ["title", "aria-label", "placeholder", "alt"]) {
            const text = (node.getAttribute(which) || "").trim();
            if (text && left(text).length) { found.add(which + "=" + text.slice(0, 160) + name(node)); }
        }
    }
    return [...found];
}"""


@pytest.fixture
def page(furnished: Any, browser: Any) -> Any:
    return steps.translated(browser, f"{furnished.url}/?__theme=light", PSEUDO)


@pytest.mark.parametrize("name", screens.each())
def test_a_screen_is_for_everybody(page: Any, name: str) -> None:
    """Every text translated; nothing serious in the light and the dark theme; nothing lost at 200 % zoom (640 by 450 for the page) and on a phone."""
    screens.SCREENS[name](page)
    page.add_style_tag(content=STILL)
    steps.settled(page)
    found = [f"not translated (docs/languages.md says why that may be): {one}" for one in page.evaluate(UNTRANSLATED, sorted(NAMES))]
    found += [f"light: {one}" for one in findings(page)]
    page.evaluate("() => document.body.classList.add('dark')")
    steps.settled(page)
    found += [f"dark: {one}" for one in findings(page)]
    for width, height in ((640, 450), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(200)
        found += [f"{width} pixels wide: {one}" for one in page.evaluate(OUTSIDE)]
    found += [f"too small on a phone: {one}" for one in page.evaluate(SMALL)]
    assert not found, "\n".join(found)
