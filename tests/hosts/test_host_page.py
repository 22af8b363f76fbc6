"""In a browser: our tab stands in the host's page, and the host's own work goes on beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hostapp.harness import Browser, Webui, open_tab, until


def generate(page: Any, prompt: str) -> None:
    """The host's own queued event, and its answer."""
    page.locator("#txt2img_prompt textarea").fill(prompt)
    page.locator("#txt2img_generate").click()
    page.wait_for_function("text => document.querySelector('#txt2img_result textarea').value.startsWith(text)", arg=prompt, timeout=15_000)


def test_both_work_side_by_side(tmp_path: Path, demo: Any) -> None:
    with Webui(tmp_path, demo, others=["civitai-shortcut"]) as app, Browser() as browser:
        page = browser.page()
        page.goto(app.url)
        open_tab(page, "txt2img")
        generate(page, "a heron")
        open_tab(page)
        page.wait_for_function("() => window.civitaiManager && window.civitaiManager.page")
        page.locator("#cm_links textarea, #cm_links input").first.fill("4100000")
        page.locator("#cm_register").click()
        until(lambda: [card["id"] for card in app.cards()] == [4100000], 30, "the registered model")
        name = app.cards()[0]["name"]
        page.locator("#cm_grid", has_text=name).first.wait_for(timeout=20_000)
        open_tab(page, "txt2img")
        generate(page, "another heron")
        app.reload()
        page.goto(app.url)
        open_tab(page)
        page.wait_for_function("() => window.civitaiManager && window.civitaiManager.page")
        own = [error for error in browser.errors if "civitai" in error.lower()]
        assert own == []
