"""Generation data and pictures go from our tab into the tabs of the WebUI around it, by the WebUI's own functions, and are read back there."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image

from tests.hostapp.harness import open_tab, until
from tests.pages.conftest import IN_HOST
from tests.pages.steps import Watch

TEXT = (
    "a heron at dawn, <lora:moss:0.8>, mist\nNegative prompt: blurry,\nlowres\n"
    "Steps: 33, Sampler: Euler a, Schedule type: Karras, CFG scale: 5.5, Seed: 4242, Size: 768x1152, Model hash: 0123456789, Version: v1.10.1"
)
PROMPT, NEGATIVE = "a heron at dawn, <lora:moss:0.8>, mist", "blurry,\nlowres"
in_host = pytest.mark.skipif(not IN_HOST, reason="alone there are no tabs to send to")
READY = "() => window.civitaiManager && window.civitaiManager.host && document.querySelector('#civitai_manager.cm-ready')"


def opened(browser: Any, url: str) -> Any:
    page = browser.open(url)
    page.wait_for_function(READY, timeout=30_000)
    return page


def send(page: Any, target: str, **what: Any) -> Any:
    """The error's sentence, or None when it was sent."""
    script = "([target, what]) => window.civitaiManager.host.send(target, what).then(() => null, (error) => error.message)"
    return page.evaluate(script, [target, what])


def value(page: Any, elem_id: str) -> str:
    field = page.query_selector(f"#{elem_id} textarea, #{elem_id} input[type=number], #{elem_id} input")
    return field.input_value() if field else ""


def values(page: Any, tab: str) -> dict[str, str]:
    names = ("prompt", "neg_prompt", "steps", "sampling", "scheduler", "cfg_scale", "width", "height", "seed")
    return {name: value(page, f"{tab}_{name}") for name in names}


WHOLE = {
    "prompt": PROMPT, "neg_prompt": NEGATIVE, "steps": "33", "sampling": "Euler a", "scheduler": "Karras", "cfg_scale": "5.5", "width": "768",
    "height": "1152", "seed": "4242",
}  # fmt: skip


def data_url(width: int = 96, height: int = 64, kind: str = "PNG") -> str:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (10, 120, 200)).save(out, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(out.getvalue()).decode()}"


def fill(page: Any, elem_id: str, text: str) -> None:
    open_tab(page, elem_id.split("_")[0])
    page.fill(f"#{elem_id} textarea", text)


@in_host
def test_everything_arrives_in_txt2img(app: Any, browser: Any) -> None:
    page = opened(browser, app.url)
    watch = Watch(page)
    assert page.evaluate("window.civitaiManager.host.targets") == ["txt2img", "img2img", "inpaint", "extras"]
    assert send(page, "txt2img", infotext=TEXT) is None
    assert values(page, "txt2img") == WHOLE
    assert page.locator("#txt2img_prompt").is_visible(), "the page went to the tab"
    assert page.evaluate("recalculated.includes('txt2img')"), "the WebUI counts its tokens anew"
    watch.check()


@in_host
def test_only_chosen_parts_change_and_prompts_are_appended(app: Any, browser: Any) -> None:
    page = opened(browser, app.url)
    fill(page, "txt2img_prompt", "an owl,")
    page.fill("#txt2img_neg_prompt textarea", "text")
    assert send(page, "txt2img", infotext=TEXT, parts=["seed"]) is None
    before = values(page, "txt2img")
    assert before["seed"] == "4242"
    assert (before["prompt"], before["neg_prompt"], before["steps"], before["width"]) == ("an owl,", "text", "20", "512")
    assert send(page, "txt2img", infotext=TEXT, parts=["size"]) is None
    assert (value(page, "txt2img_width"), value(page, "txt2img_height"), value(page, "txt2img_steps")) == ("768", "1152", "20")
    assert send(page, "txt2img", infotext=TEXT, parts=["prompt"], mode="append") is None
    assert value(page, "txt2img_prompt") == f"an owl, {PROMPT}"
    assert value(page, "txt2img_neg_prompt") == "text"
    assert send(page, "txt2img", infotext=TEXT, parts=["negative"]) is None
    assert value(page, "txt2img_neg_prompt") == NEGATIVE
    assert value(page, "txt2img_cfg_scale") == "7"
    assert send(page, "txt2img", infotext=TEXT, parts=["parameters"]) is None
    assert values(page, "txt2img") == {**WHOLE, "prompt": f"an owl, {PROMPT}"}


@in_host
def test_a_picture_goes_with_it_into_img2img_inpaint_and_extras(app: Any, browser: Any) -> None:
    page = opened(browser, app.url)
    for target, place in (("img2img", "img2img_image"), ("inpaint", "img2maskimg"), ("extras", "extras_image")):
        assert send(page, target, infotext=TEXT, picture=data_url()) is None
        page.wait_for_function("id => document.querySelector('#' + id + ' img, #' + id + ' canvas')", arg=place, timeout=10_000)
        assert page.locator(f"#{place}").is_visible()
    assert values(page, "img2img") == WHOLE, "the size of the data counts, not that of the picture"
    script = "async () => { const i = document.querySelector('#img2img_image img'); await i.decode(); return [i.naturalWidth, i.naturalHeight]; }"
    size = page.evaluate(script)
    assert size == [96, 64]
    assert send(page, "img2img", infotext=TEXT, picture=data_url(), parts=["prompt"]) is None
    assert value(page, "img2img_width") == "768"


@in_host
def test_what_cannot_be_sent_is_said_and_changes_nothing(app: Any, browser: Any) -> None:
    page = opened(browser, app.url)
    fill(page, "txt2img_prompt", "an owl")
    assert "no generation data" in send(page, "txt2img", infotext="  ")
    assert "no picture" in send(page, "img2img", infotext=TEXT, picture="data:text/plain;base64,aGVsbG8=")
    assert "takes a picture" in send(page, "extras", infotext=TEXT)
    assert "nothing of what was chosen" in send(page, "txt2img", infotext="just a prompt", parts=["seed"])
    assert "no such tab" in send(page, "sketch", infotext=TEXT)
    assert "video" in send(page, "img2img", infotext=TEXT, picture="https://image.civitai.com/x/00000000-0000-0000-0000-000000000000/original=true/a.mp4")
    assert value(page, "txt2img_prompt") == "an owl"
    assert value(page, "txt2img_seed") == "-1"


@in_host
def test_the_fields_are_read_and_sent_back_as_they_were(app: Any, browser: Any) -> None:
    page = opened(browser, app.url)
    assert send(page, "txt2img", infotext=TEXT) is None
    found = page.evaluate("window.civitaiManager.host.read('txt2img')")
    assert found["prompt"] == PROMPT and found["negative"] == NEGATIVE
    assert found["parameters"] == {
        "Steps": "33", "Sampler": "Euler a", "Schedule type": "Karras", "CFG scale": "5.5", "Seed": "4242", "Size": "768x1152",
    }  # fmt: skip
    assert send(page, "img2img", infotext=found["infotext"]) is None
    assert values(page, "img2img") == WHOLE
    again = page.evaluate("window.civitaiManager.host.read('img2img')")
    assert again["parameters"]["Denoising strength"] == "0.75"
    page.evaluate("window.civitaiManager.host.insert('img2img', '<lora:fern:1>')")
    page.evaluate("window.civitaiManager.host.insert('img2img', 'ugly', {negative: true})")
    assert value(page, "img2img_prompt") == f"{PROMPT}, <lora:fern:1>"
    assert value(page, "img2img_neg_prompt") == f"{NEGATIVE}, ugly"


@in_host
def test_two_browsers_do_not_meet(app: Any, browser: Any) -> None:
    one, two = opened(browser, app.url), opened(browser, app.url)
    other = TEXT.replace("heron", "crane").replace("4242", "77")
    start = "text => { window.sent = window.civitaiManager.host.send('txt2img', {infotext: text}).then(() => true, (error) => error.message); }"
    one.evaluate(start, TEXT)
    two.evaluate(start, other)
    assert one.evaluate("window.sent") is True and two.evaluate("window.sent") is True
    assert values(one, "txt2img") == WHOLE
    assert values(two, "txt2img") == {**WHOLE, "prompt": PROMPT.replace("heron", "crane"), "seed": "77"}


def test_alone_there_is_nothing_to_send_to(app: Any, browser: Any) -> None:
    if IN_HOST:
        pytest.skip("this gradio is tested in the host")
    page = opened(browser, app.url)
    assert page.evaluate("window.civitaiManager.host.targets") == []
    assert "Copy the data" in send(page, "txt2img", infotext=TEXT)
    assert page.evaluate("window.civitaiManager.host.read('txt2img').catch((error) => error.message)").startswith("This WebUI has no such tab")
    assert until(lambda: app.get("/civitai-manager/images/last").json() == {})
