"""Our part in the WebUI's own pages, in a browser: names as it loads the files, its cards, its prompts, and what it generates."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import requests

from demo import community, files
from tests.hostapp.harness import Browser, Webui, open_tab, until
from tests.hostapp.hostile import Hostile
from tests.pages import steps
from tests.pages.axe import findings
from tests.pages.test_sending import PROMPT, TEXT, opened, send, value
from tests.scan.libraries import made_up, write

OF_THREE = 4_100_002  # Mossy Lemons Look: three versions
MAJOR = int(gr.__version__.split(".")[0])
pytestmark = pytest.mark.skipif(MAJOR > 4, reason="no WebUI has this gradio")


def scan(app: Webui) -> None:
    job = app.post("/civitai-manager/scan", json={}).json()["job"]
    until(lambda: next((one for one in app.jobs() if one["id"] == job and one["state"] == "done"), None), 60, "the scan")


def named(app: Webui, name: str) -> dict[str, Any]:
    return next(card for card in app.cards() if card["name"] == name)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, demo: Any) -> Iterator[Webui]:
    app = Webui(tmp_path_factory.mktemp("joined"), demo, arguments=["--hostapp-work-seconds", "0.2"])
    write(app.models / "Lora" / "moss.safetensors", made_up(1, ss_network_module="networks.lora", ss_output_name="moss_v3"))
    write(app.models / "Lora" / "fern.safetensors", made_up(2, ss_network_module="networks.lora"))
    write(app.models / "Stable-diffusion" / "real" / "heron.safetensors", made_up(3))
    with app:
        scan(app)
        model = named(app, "moss")["id"]
        words = {"words": "mossy, green", "name": "plain", "negative": "dry"}
        assert app.post(f"/civitai-manager/models/{model}/words", json=words).status_code == 200
        assert app.post("/civitai-manager/models/edit", json={"ids": [model], "set": {"weight": 0.7, "note": "best in shade"}}).status_code == 200
        yield app


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


def choose(page: Any, name: str) -> None:
    page.fill(".cm-search", name)
    page.locator(".cm-card", has_text=name).first.click()
    page.wait_for_selector("#civitai_manager.cm-panel-open:not(.cm-choosing)", timeout=15_000)


def test_use_puts_name_weight_and_words_into_the_prompt(app: Webui, browser: Browser) -> None:
    page = opened(browser, app.url)
    choose(page, "moss")
    use = page.locator("[data-cm-now=use]")
    page.wait_for_selector("[data-cm-now=use][title='<lora:moss_v3:0.7>, mossy, green']", timeout=15_000)
    assert use.text_content() == "Use in txt2img"
    use.click()
    page.wait_for_function("() => document.querySelector('#txt2img_prompt textarea').offsetParent")
    assert value(page, "txt2img_prompt") == "<lora:moss_v3:0.7>, mossy, green"
    assert value(page, "txt2img_neg_prompt") == "dry"
    open_tab(page)
    use.click()
    page.get_by_text("It is in txt2img already.").wait_for(state="attached")
    assert value(page, "txt2img_prompt") == "<lora:moss_v3:0.7>, mossy, green"
    open_tab(page)
    page.get_by_label("Stay in this tab").check()
    page.locator("[data-cm-use=img2img]").click()
    page.get_by_text("Added to img2img.").wait_for()
    assert page.locator("#civitai_manager").is_visible()
    assert value(page, "img2img_prompt") == "<lora:moss_v3:0.7>, mossy, green"
    page.get_by_label("Stay in this tab").uncheck()


def test_a_checkpoint_is_chosen_in_the_webui(app: Webui, browser: Browser) -> None:
    page = opened(browser, app.url)
    choose(page, "heron")
    page.get_by_role("button", name="Use this checkpoint").click()
    until(lambda: app.status()["checkpoint"] == "real/heron.safetensors", 15, "the checkpoint")
    page.wait_for_function("() => document.querySelector('#setting_sd_model_checkpoint input').value.includes('heron')")
    assert "Model: heron" in page.evaluate("window.civitaiManager.host.read('txt2img')")["infotext"]


def cards_shown(page: Any, app: Webui) -> list[str]:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("webui/cards") else None)
    open_tab(page, "txt2img")
    page.get_by_role("tab", name="Lora").or_(page.locator("#txt2img_extra_tabs > .tab-nav > button", has_text="Lora")).first.click()
    page.wait_for_selector("#txt2img_lora_cards .card", state="visible")
    return asked


def test_a_card_of_the_webui_tells_what_the_library_knows(app: Webui, browser: Browser) -> None:
    page = opened(browser, app.url)
    asked = cards_shown(page, app)
    assert asked == [] and page.locator(".cm-host-card").count() == 0, "nothing is done for cards that nobody points at"
    page.hover("#txt2img_lora_cards .card[data-name=moss]")
    overlay = page.locator(".cm-host-card")
    overlay.get_by_text("best in shade").wait_for()
    overlay.get_by_role("button", name="Add trigger words").click()
    overlay.get_by_text("Added to the prompt.").wait_for()
    assert findings(page, ".cm-host-card") == []
    assert value(page, "txt2img_prompt") == "mossy, green"
    page.hover("#txt2img_lora_cards .card[data-name=fern]")
    overlay.get_by_text("best in shade").wait_for(state="hidden")
    overlay.get_by_role("button", name="Add trigger words").click()
    overlay.get_by_text("It names no trigger words.").wait_for()
    page.mouse.move(5, 5)
    overlay.wait_for(state="hidden")
    assert len(asked) == 1, "one request for all cards of the page"
    page.hover("#txt2img_lora_cards .card[data-name=moss]")
    overlay.get_by_role("button", name="Open in the manager").click()
    page.wait_for_selector("#civitai_manager.cm-panel-open:not(.cm-choosing)", timeout=15_000)
    assert "moss" in steps.text(page, "#cm_head")


def test_switched_off_the_webui_keeps_its_pages_to_itself(app: Webui, browser: Browser) -> None:
    page = opened(browser, app.url)
    page.wait_for_selector("#cm_resources_txt2img", state="attached", timeout=15_000)
    page.click(".cm-view[data-view=settings]")
    for name in ("host_cards", "host_prompt_button"):
        page.locator(f"#cm_set_{name} input").uncheck()
    page.click("#cm_save")
    page.get_by_text("Saved:").wait_for()
    try:
        page = opened(browser, app.url)
        asked = cards_shown(page, app)
        page.hover("#txt2img_lora_cards .card[data-name=moss]")
        page.wait_for_timeout(800)
        assert asked == [] and page.locator("#cm_resources_txt2img").count() == 0
    finally:
        open_tab(page)
        page.click(".cm-view[data-view=settings]")
        for name in ("host_cards", "host_prompt_button"):
            page.locator(f"#cm_set_{name} input").check()
        page.click("#cm_save")
        page.get_by_text("Saved:").wait_for()


def test_what_is_generated_is_known_as_used_and_as_the_last_picture(app: Webui, browser: Browser) -> None:
    assert app.get("/civitai-manager/images/last").json() == {}
    page = opened(browser, app.url)
    open_tab(page, "txt2img")
    begun = time.time()
    page.fill("#txt2img_prompt textarea", "a wood <lora:moss_v3:0.5>")
    page.click("#txt2img_generate")
    last = until(lambda: app.get("/civitai-manager/images/last").json(), 20, "the last picture")
    assert last["infotext"].startswith("a wood <lora:moss_v3:0.5>") and last["at"] >= begun
    picture = app.get(f"/civitai-manager/{last['picture']}")
    assert picture.headers["content-type"] == "image/png" and picture.content.startswith(b"\x89PNG")
    until(lambda: app.get("/civitai-manager/cards?sort=used").json()["items"][0]["name"] in ("moss", "heron"), 20, "the order by use")
    unused = until(lambda: app.get("/civitai-manager/statistics").json()["unused"], 10)
    assert unused["recorded"] > 0
    assert send(page, "img2img", infotext=last["infotext"], picture=f"{app.url}/civitai-manager/{last['picture']}") is None
    assert value(page, "img2img_prompt") == "a wood <lora:moss_v3:0.5>"


def test_a_send_on_a_broken_line_arrives_when_it_is_back(app: Webui, browser: Browser) -> None:
    with Hostile(app.port) as line:
        page = opened(browser, line.url)
        watch = steps.Watch(page)
        line.down()
        page.evaluate("text => { window.sent = window.civitaiManager.host.send('txt2img', {infotext: text}).then(() => true, String); }", TEXT)
        page.wait_for_timeout(2500)
        assert value(page, "txt2img_prompt") == ""
        line.up()
        assert page.evaluate("window.sent") is True
        assert value(page, "txt2img_prompt") == PROMPT
        watch.check()


def test_after_reload_ui_it_is_sent_all_the_same(app: Webui, browser: Browser) -> None:
    app.reload()
    page = opened(browser, app.url)
    assert send(page, "txt2img", infotext=TEXT) is None
    assert value(page, "txt2img_prompt") == PROMPT


def test_a_host_without_infotext_utils_loses_only_the_sending(tmp_path: Path, demo: Any, browser: Browser) -> None:
    with Webui(tmp_path, demo, arguments=["--hostapp-without-infotext"]) as app:
        page = opened(browser, app.url)
        assert page.evaluate("window.civitaiManager.host.targets") == []
        assert "Copy the data" in send(page, "txt2img", infotext=TEXT)
        page.evaluate("window.civitaiManager.host.insert('txt2img', '<lora:moss:1>')")
        assert value(page, "txt2img_prompt") == "<lora:moss:1>"
        assert page.evaluate("window.civitaiManager.host.read('txt2img')")["parameters"]["Steps"] == "20"
        assert "Traceback" not in app.log()


def test_beside_the_prompt_stands_what_it_names(app: Webui, browser: Browser) -> None:
    page = opened(browser, app.url)
    open_tab(page, "txt2img")
    page.fill("#txt2img_prompt textarea", "a wood, <lora:moss:0.5>, <lora:nowhere-to-be-found:1>")
    page.click("#cm_resources_txt2img")
    box = page.locator(".cm-resources-box")
    box.locator("li[data-state=here]", has_text="Here, by its name only").wait_for()
    assert "0.5" in box.locator("li", has_text="moss").first.text_content()
    box.locator("li[data-state=unknown]", has_text="nowhere-to-be-found").wait_for(timeout=30_000)
    for theme in ("light", "dark"):
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
        page.wait_for_timeout(600)  # colours fade
        assert findings(page, ".cm-resources-box") == [], theme
    page.keyboard.press("Escape")
    box.wait_for(state="hidden")
    page.click("#cm_resources_txt2img")
    box.locator("li", has_text="moss").get_by_role("button").click()
    page.wait_for_selector("#civitai_manager.cm-panel-open:not(.cm-choosing)", timeout=15_000)
    assert "moss" in steps.text(page, "#cm_head")


def test_what_the_prompt_lacks_is_fetched_and_named_as_the_file(app: Webui, browser: Browser) -> None:
    """By the hash of the data that was sent there, which no field keeps; and of data that was pasted whole into the prompt."""
    stem, file, _version = community.lora(0, 1)
    hashes = f"made_elsewhere: {autov3(file)}"
    text = f"a wood, <lora:made_elsewhere:0.5>\nSteps: 31, Sampler: Euler a, Seed: 5, Size: 512x512, Lora hashes: \"{hashes}\""
    page = opened(browser, app.url)
    assert send(page, "txt2img", infotext=text) is None
    page.click("#cm_resources_txt2img")
    box = page.locator(".cm-resources-box")
    box.locator("li[data-state=civitai]").wait_for(timeout=30_000)
    box.get_by_role("button", name="Fetch what is missing (1)").click()
    box.locator("li[data-state=here]").wait_for(timeout=60_000)
    page.wait_for_function("wanted => document.querySelector('#txt2img_prompt textarea').value === wanted", arg=f"a wood, <lora:{stem}:0.5>")
    assert list(app.models.rglob(f"{stem}.safetensors"))
    page.keyboard.press("Escape")
    page.reload()
    page = opened(browser, app.url)
    open_tab(page, "txt2img")
    page.fill("#txt2img_prompt textarea", text)
    page.click("#cm_resources_txt2img")
    box = page.locator(".cm-resources-box")
    box.locator("li[data-state=here]").wait_for(timeout=30_000)
    box.get_by_role("button", name="Make names match the files").click()
    page.wait_for_function("wanted => document.querySelector('#txt2img_prompt textarea').value === wanted", arg=f"a wood, <lora:{stem}:0.5>")
    assert value(page, "txt2img_steps") == "31"


def test_another_version_of_it_is_here(app: Webui, browser: Browser) -> None:
    """It is told so, and the one that the prompt means is fetched beside it."""
    stem, file, version = community.lora(1, 1)
    newest, older, *_ = requests.get(f"{app.demo.url}/api/v1/models/{OF_THREE}", timeout=20).json()["modelVersions"]
    assert newest["id"] == version
    app.post("/civitai-manager/browse/collect", json={"ids": [OF_THREE], "versions": [older["id"]], "confirmed": True})
    steps.download(app, OF_THREE, "done", 60)
    page = opened(browser, app.url)
    text = f"a wood, <lora:elsewhere:0.5>\nSteps: 31, Sampler: Euler a, Seed: 5, Size: 512x512, Lora hashes: \"elsewhere: {autov3(file)}\""
    assert send(page, "txt2img", infotext=text) is None
    page.click("#cm_resources_txt2img")
    box = page.locator(".cm-resources-box")
    box.locator("li[data-state=other_version]", has_text="Another version is here").wait_for(timeout=30_000)
    box.get_by_role("button", name="Fetch what is missing (1)").click()
    box.locator("li[data-state=here]").wait_for(timeout=60_000)
    page.wait_for_function("wanted => document.querySelector('#txt2img_prompt textarea').value === wanted", arg=f"a wood, <lora:{stem}:0.5>")
    assert len(list(app.models.rglob("mossyLemonsLook_*.safetensors"))) == 2, "the other version stays"


def autov3(file: dict[str, Any]) -> str:
    return files.hashes(file["_content"])["AutoV3"].lower()
