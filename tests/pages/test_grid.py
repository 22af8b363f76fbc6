"""The grid with many models, and what the page does when answers come late or not at all."""

from __future__ import annotations

import contextlib
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from demo.specials import SPECIAL
from tests.pages import steps

MANY = 10_000


def many_cards(route: Any) -> None:
    """Ten thousand models in the shape of the cards route, without a picture each."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(route.request.url).query).items()}
    offset, limit = int(query["offset"]), int(query["limit"])
    items = [
        {"id": number, "name": f"Model {number}", "type": "LORA", "base_model": "SDXL 1.0", "creator": "someone", "state": "registered",
         "thumbnail": "", "gone": False, "version_count": 1, "nsfw_level": 1}
        for number in range(offset + 1, min(MANY, offset + limit) + 1)
    ]  # fmt: skip
    route.fulfill(status=200, content_type="application/json", body=json.dumps({"total": MANY, "offset": offset, "items": items, "revision": 1}))


@pytest.mark.once
def test_ten_thousand_models_are_a_few_nodes(app: Any, browser: Any) -> None:
    page = browser.page()
    asked: list[str] = []
    page.route("**/civitai-manager/cards?*", lambda route: (asked.append(route.request.url), many_cards(route)))
    page.goto(app.url)
    from tests.hostapp.harness import open_tab

    open_tab(page)
    page.wait_for_selector(".cm-count:text-is('10,000 models')")
    page.wait_for_selector(".cm-card:not(.cm-waiting)")
    assert page.locator(".cm-card").count() < 100
    page.focus(".cm-scroll")
    page.keyboard.press("End")
    page.wait_for_selector(".cm-card .cm-name:text-is('Model 10000')")
    assert page.locator(".cm-card").count() < 100
    page.evaluate("document.querySelector('.cm-scroll').scrollTop = document.querySelector('.cm-spacer').offsetHeight / 2")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.cm-card')].every(n => !n.classList.contains('cm-waiting') && Math.abs(n.dataset.id - 5000) < 100)"
    )
    assert len(asked) < 12, "only what is looked at is fetched"


@pytest.mark.once
def test_an_answer_to_an_older_question_is_dropped(app: Any, browser: Any) -> None:
    app.register("\n".join(str(SPECIAL[name].model_id) for name in ("many_versions", "variants_same_name")))
    page = browser.open(app.url)
    page.wait_for_selector(".cm-card:not(.cm-waiting)")

    held: list[Any] = []
    wanted = str(SPECIAL["many_versions"].model_id)
    page.route("**/cards?q=nothing-has-this*", lambda route: held.append(route))
    with page.expect_request("**/cards?q=nothing-has-this*"):
        page.fill(".cm-search", "nothing-has-this")
    page.fill(".cm-search", wanted)
    page.wait_for_selector(".cm-count:text-is('1 model')")
    for route in held:  # the late answer; the page may have given up the request already
        with contextlib.suppress(Exception):
            route.fulfill(status=200, content_type="application/json", body='{"total": 7, "offset": 0, "items": [], "revision": 1}')
    steps.settled(page)
    assert steps.text(page, ".cm-count") == "1 model"


def test_the_place_survives_a_reload(app: Any, browser: Any) -> None:
    ids = SPECIAL["many_versions"]
    app.register(str(ids.model_id))
    page = browser.open(app.url)
    steps.open_model(page, ids.model_id)
    page.reload()
    from tests.hostapp.harness import open_tab

    open_tab(page)
    steps.shown(page, ids.model_id)
    assert page.input_value(".cm-search") == str(ids.model_id)


@pytest.mark.once
def test_an_outage_is_a_small_mark_and_ends_by_itself(app: Any, browser: Any) -> None:
    page = browser.open(app.url)
    page.wait_for_selector(".cm-connection:has-text('Connected')")
    page.route("**/civitai-manager/jobs?*", lambda route: route.abort())
    page.evaluate("window.civitaiManager.hurry()")
    page.wait_for_selector(".cm-connection.cm-lost:has-text('Reconnecting')", timeout=10_000)
    page.unroute("**/civitai-manager/jobs?*")
    page.wait_for_selector(".cm-connection:not(.cm-lost):has-text('Connected')", timeout=20_000)


@pytest.mark.once
def test_our_scripts_may_be_loaded_twice(app: Any, browser: Any) -> None:
    page = browser.open(app.url)
    page.wait_for_selector(".cm-tray")
    page.evaluate(
        """() => new Promise((done) => {
            const tag = document.createElement("script");
            tag.src = window.civitaiManager.base() + "assets/scripts.js?again";
            tag.onload = done;
            document.head.append(tag);
        })""",
    )
    steps.settled(page)
    assert page.locator(".cm-tray").count() == page.locator(".cm-gridbox").count() == page.locator(".cm-views").count() == 1
    assert browser.errors == []


def test_a_dropped_link_is_registered(app: Any, browser: Any) -> None:
    page = browser.open(app.url)
    page.wait_for_selector("#civitai_manager.cm-ready .cm-connection:has-text('Connected')")
    ids = SPECIAL["pending_scan"]
    page.evaluate(
        """(text) => {
        const data = new DataTransfer();
        data.items.add(new File([text], "model.url", {type: "text/plain"}));
        const root = document.getElementById("civitai_manager");
        for (const name of ["dragenter", "dragover", "drop"]) {
            root.dispatchEvent(new DragEvent(name, {dataTransfer: data, bubbles: true, cancelable: true}));
        }
    }""",
        f"[InternetShortcut]\r\nURL=https://civitai.com/models/{ids.model_id}\r\n",
    )
    steps.card(page, ids.model_id).wait_for(timeout=20_000)  # waits in the page: its requests pass through this thread
    steps.shown(page, ids.model_id)


@pytest.mark.once
def test_only_our_own_page_changes_anything(app: Any) -> None:
    body = {"json": {"text": "https://civitai.com/models/1"}}
    ours = {"X-Civitai-Manager": "1"}
    import requests

    def post(**headers: str) -> int:
        return requests.post(app.url + "/civitai-manager/register", headers=headers, timeout=10, **body).status_code

    host = app.url.removeprefix("http://")
    assert post() == 403
    assert post(**ours, Origin="http://evil.example") == 403
    assert post(**ours, Origin="null") == 403
    assert post(**ours, **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert requests.post(app.url + "/civitai-manager/jobs/x/cancel", timeout=10).status_code == 403
    assert post(**ours, Origin=f"http://{host}") == 200
    assert app.get("/civitai-manager/assets/..%2f..%2fmain.py").status_code == 404
    assert app.get("/civitai-manager/assets/main.py").status_code == 404
    assert app.post("/civitai-manager/jobs/none/explode").status_code == 400
    assert app.post("/civitai-manager/jobs/none/cancel").status_code == 404
    assert app.get("/civitai-manager/jobs?since=0").headers["cache-control"] == "no-store"
