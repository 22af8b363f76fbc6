"""In a browser: our tab stands in the host's page, and the host's own work goes on beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from tests.hostapp.harness import Browser, Webui, open_tab, until
from tests.hostapp.proxy import Proxy


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
        # While the page is built anew nobody listens, and for a moment the host answers without our routes: polls may meet both.
        assert [error for error in own if "ERR_CONNECTION" not in error and "civitai-manager/jobs" not in error] == []


def test_below_a_path_behind_a_proxy(tmp_path: Path, demo: Any) -> None:
    """``--subpath``: every request of ours, and every event, goes below the path."""
    with Webui(tmp_path, demo, arguments=["--subpath", "sd"]) as app, Proxy(app.url, "sd") as proxy, Browser() as browser:
        page = browser.open(proxy.url)
        page.wait_for_selector("#civitai_manager.cm-ready .cm-connection:has-text('Connected')")
        page.locator("#cm_links textarea").fill("4100000")
        page.locator("#cm_register").click()
        page.locator('.cm-card[data-id="4100000"]').wait_for(timeout=20_000)
        page.wait_for_selector("#civitai_manager.cm-panel-open:not(.cm-choosing) #cm_download:has-text('Download')")
        page.wait_for_function(
            "() => { const i = document.querySelector('#cm_head img[data-cm-src]'); return i && i.complete && i.naturalWidth > 0; }"
        )
        assert [path for path in proxy.outside if "civitai" in path] == []
        assert [error for error in browser.errors if "civitai" in error.lower()] == []
        check_compression(app)


def check_compression(app: Webui) -> None:
    """Polling passes AUTOMATIC1111's compression, which takes answers of more than 1000 bytes; Forge throws that layer away."""
    assert app.register("\n".join(str(4100001 + number) for number in range(8)))["state"] == "done"
    answer = app.get("/civitai-manager/jobs?since=0")
    assert len(answer.content) > 1000
    assert answer.headers.get("content-encoding") == ("gzip" if int(gr.__version__.split(".")[0]) < 4 else None)
    later = app.get(f"/civitai-manager/jobs?since={answer.json()['seq']}&boot={answer.json()['boot']}").json()
    assert later["jobs"] == [] and later["boot"] == answer.json()["boot"]
