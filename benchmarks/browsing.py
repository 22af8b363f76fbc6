"""How long after Civitai's answer its models are on the screen: the whole way through a real browser, less what the same question takes by itself."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import requests

from demo.server import DemoServer

WORDS = ("valley", "meadow", "fox", "heron", "skyline", "teapot", "mosaic", "lighthouse", "otter")
PARAMETERS = {"limit": "30", "nsfw": "true"}
SEE_FIRST = """() => {
    const list = window.civitaiManager.browsing.list;
    window.firstSeen = 0;
    const seen = () => {
        const card = document.querySelector('.cm-civitai .cm-card:not(.cm-waiting)');
        const here = list.data.answered && list.data.key.includes(window.wantedWord) && card;
        if (here) { window.firstSeen = Date.now(); } else { requestAnimationFrame(seen); }
    };
    requestAnimationFrame(seen);
}"""


def measure(folder: Path) -> list[tuple[str, str, str]]:
    """Asks for words that nobody has asked for before. The demo waits half a second before each answer, as Civitai does."""
    from tests.hostapp.harness import Browser, Standalone

    after, direct = [], []
    with DemoServer(models=1000, latency=0.5) as demo, Standalone(folder, demo) as app, Browser() as browser:
        page = browser.open(app.url)
        page.click('[data-view="civitai"]')
        page.wait_for_selector(".cm-civitai .cm-card:not(.cm-waiting)", timeout=30_000)
        for word in WORDS:
            requests.get(f"{demo.url}/api/v1/models", params={**PARAMETERS, "query": word}, timeout=30)  # the demo draws up its models once
            began = time.perf_counter()
            requests.get(f"{demo.url}/api/v1/models", params={**PARAMETERS, "query": word}, timeout=30)
            alone = time.perf_counter() - began
            page.evaluate("word => { window.wantedWord = word; }", word)
            page.evaluate(SEE_FIRST)
            page.fill(".cm-find", word)
            demo.forget()
            page.press(".cm-find", "Enter")
            page.wait_for_function("() => window.firstSeen > 0", timeout=30_000)
            asked = next(one["time"] for one in demo.requests if one["path"] == "/api/v1/models")
            after.append(page.evaluate("() => window.firstSeen") / 1000 - asked - alone)
            direct.append(alone)
    told = f"{1000 * statistics.median(after):.0f} ms (the answer itself {1000 * statistics.median(direct):.0f} ms)"
    return [("first results after Civitai's answer", told, "150 ms")]
