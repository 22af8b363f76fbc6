"""Pictures as a person looks at them: the galleries, the viewer, how each was made, what is missing fetched, files kept and dropped."""

from __future__ import annotations

import base64
import io
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from demo import build, community
from demo.catalogue import SPECIAL
from tests.hostapp.harness import until
from tests.pages import steps
from tests.pages.conftest import IN_HOST
from tests.pages.test_sending import value

MODEL, VERSION = build.GENERATED_MODEL, build.GENERATED_VERSION
CELL = ".cm-gallery .cm-picture-card:not(.cm-waiting)"
VIEWER = ".cm-viewer[open]"
LORA, LORA_FILE, LORA_VERSION = community.lora(0, 1)


@pytest.fixture(scope="module")
def pictures(make_app: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A product with a model that has a big gallery, and one with a video."""
    with make_app(tmp_path_factory.mktemp("pictures")) as running:
        running.register(f"{MODEL}\n{SPECIAL['video_preview'].model_id}")
        yield running


@pytest.fixture
def page(pictures: Any, browser: Any) -> Any:
    opened = browser.open(pictures.url)
    opened.wait_for_selector(steps.CONNECTED)
    browser.foreign.clear()  # older gradio asks for fonts and scripts of other sites while it loads
    return opened


def open_pictures(page: Any, of: str = "examples", model: int = MODEL) -> None:
    steps.open_model(page, model)
    page.click(".cm-open-pictures")
    page.wait_for_selector(CELL)
    if of != "examples":
        page.click(f".cm-picture-tabs [data-of={of}]")
        page.wait_for_selector(".cm-gallery .cm-count:has-text('so far')")


def number_of(url: str) -> int:
    """A picture of the demo has its number in its UUID."""
    return int(re.search(r"4000-8000-([0-9a-f]{12})", url)[1], 16)


def show(page: Any, number: int) -> None:
    """Open the viewer at the community's picture with this number, however far it is from here."""
    place = page.evaluate("n => window.civitaiManager.pictures.list.data.items.findIndex((one) => one.id === n)", number)
    assert place >= 0
    page.evaluate("at => window.civitaiManager.pictures.list.move(at)", place)
    page.focus(".cm-gallery .cm-scroll")
    page.keyboard.press("Enter")
    page.wait_for_selector(VIEWER)


def made(page: Any) -> str:
    """The prompt that is shown beside the picture."""
    page.wait_for_selector(f"{VIEWER} .cm-made-text, {VIEWER} .cm-made-none")
    return page.evaluate("document.querySelector('.cm-viewer .cm-made-text')?.textContent || ''")


@pytest.mark.once
def test_the_gallery_goes_on_while_one_scrolls(pictures: Any, page: Any, browser: Any, demo: Any) -> None:
    demo.forget()
    steps.open_model(page, MODEL)
    assert not [one for one in demo.requests if one["path"] in ("/api/v1/images",)], "nothing is asked before someone wants it"
    page.click(".cm-open-pictures")
    page.wait_for_selector(CELL)
    assert page.evaluate("document.querySelector('.cm-gallery').contains(document.activeElement)")
    page.click(".cm-picture-tabs [data-of=community]")
    page.wait_for_selector(".cm-gallery .cm-count:has-text('60 pictures so far')")
    for _ in range(9):
        page.focus(".cm-gallery .cm-scroll")
        page.keyboard.press("End")
        page.wait_for_timeout(250)
    until(lambda: page.evaluate("window.civitaiManager.pictures.list.data.items.length") > 240, 20)
    assert page.locator(".cm-gallery [role=option]").count() <= 150
    urls = page.evaluate("window.civitaiManager.pictures.list.data.items.map((one) => one.url)")
    assert len(urls) == len(set(urls))
    asked = [one["path"] for one in demo.requests if one["origin"] == "storage"]
    assert asked and not [path for path in asked if "original=true" in path], "originals only when someone zooms"
    assert {re.search(r"width=(\d+)", path)[1] for path in asked} <= {"450", "800"}
    page.select_option(".cm-gallery select[aria-label=Order]", "Oldest")
    page.wait_for_function(
        "() => { const all = window.civitaiManager.pictures.list.data.items; return all.length && all[0].created < all[all.length - 1].created; }"
    )
    page.select_option(".cm-gallery select[aria-label=Period]", "Day")
    page.wait_for_selector(".cm-gallery .cm-count:not(:has-text('so far')):has-text('pictures')")
    page.select_option(".cm-gallery select[aria-label=Period]", "AllTime")
    page.select_option(".cm-gallery select[aria-label=Version]", "0")
    page.wait_for_selector(".cm-picture-note:has-text('Of all versions together')")
    page.wait_for_selector(CELL)
    page.keyboard.press("Escape")
    page.wait_for_selector(".cm-gallery", state="detached")
    assert browser.errors == [] and browser.foreign == []


def test_what_is_above_the_level_never_shows(pictures: Any, page: Any, demo: Any) -> None:
    """Every frame: no picture of ours that is not below the level is without its blur; in the viewer it is not even asked for."""
    page.evaluate("""() => {
        const cm = window.civitaiManager;
        window.seen = [];
        const look = () => {
            for (const node of document.querySelectorAll(".cm-layer img, .cm-layer video")) {
                const cell = node.closest(".cm-picture-card");
                const item = cell && cm.pictures.list.data.items.find((one) => one.url === cell.dataset.url);
                if (item && !cm.marks.shows(item.level) && getComputedStyle(node).filter === "none") { window.seen.push(item.url); }
            }
            requestAnimationFrame(look);
        };
        look();
    }""")
    open_pictures(page, "community")
    page.wait_for_selector(".cm-gallery .cm-reveal:visible")
    page.evaluate("window.civitaiManager.pictures.list.node.scrollTop = 1500")
    page.wait_for_timeout(700)
    assert page.evaluate("window.seen") == []
    above = page.evaluate("window.civitaiManager.pictures.list.data.items.find((one) => one.level === 16).id")
    demo.forget()
    show(page, above)
    page.wait_for_selector(f"{VIEWER} .cm-stage-veil")
    page.wait_for_timeout(400)
    assert page.locator(f"{VIEWER} .cm-stage img").count() == 0
    assert not [one for one in demo.requests if number_of_path(one) == above and "width=450" not in one["path"]]
    page.click(f"{VIEWER} .cm-stage-veil")
    page.wait_for_selector(f"{VIEWER} .cm-stage img.cm-clear")
    page.keyboard.press("Escape")
    page.select_option(".cm-gallery select[aria-label='Show pictures up to']", "1")
    page.evaluate("window.civitaiManager.marks.set({above: 'hide'})")
    page.wait_for_function(
        "() => { const all = window.civitaiManager.pictures.list.data.items; return all.length && all.every((one) => one.level === 1); }"
    )
    page.evaluate("window.civitaiManager.marks.set({limit: 2, above: 'blur'})")


def number_of_path(entry: dict[str, Any]) -> int:
    found = re.search(r"4000-8000-([0-9a-f]{12})", entry["path"])
    return int(found[1], 16) if found else 0


def test_the_viewer_by_keys_mouse_and_finger(pictures: Any, page: Any, browser: Any, demo: Any) -> None:
    open_pictures(page, "community")
    page.evaluate("window.civitaiManager.marks.set({limit: 31})")
    page.wait_for_selector(CELL)
    page.locator(CELL).first.click()
    page.wait_for_selector(f"{VIEWER} .cm-stage img")
    index = "window.civitaiManager.viewer.index()"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(index) == 2 and "3 of" in page.text_content(".cm-viewer-count")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(index) == 1
    page.keyboard.press("Home")
    assert page.evaluate(index) == 0 and page.locator(".cm-viewer-back").is_disabled()
    page.keyboard.press("End")
    assert page.evaluate(index) >= 59
    page.keyboard.press("Home")
    tall = page.evaluate("window.civitaiManager.pictures.list.data.items.findIndex((one) => one.type === 'image' && one.height > 2 * one.width)")
    for _ in range(tall):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("() => { const i = document.querySelector('.cm-viewer .cm-stage img'); return i && i.complete && i.naturalWidth > 0; }")
    picture, stage = page.locator(f"{VIEWER} .cm-stage img").bounding_box(), page.locator(f"{VIEWER} .cm-stage").bounding_box()
    assert tall >= 0 and picture["height"] <= stage["height"] and picture["width"] <= stage["width"], "a tall picture is seen whole"
    page.keyboard.press("Home")
    # zoom: keys, wheel, double press; the original comes only now
    demo.forget()
    page.keyboard.press("+")
    page.keyboard.press("+")
    until(lambda: any("original=true" in one["path"] for one in demo.requests), 10)
    assert page.evaluate("window.civitaiManager.viewer.scale()") > 2
    page.keyboard.press("0")
    assert page.evaluate("window.civitaiManager.viewer.scale()") == 1
    page.mouse.move(300, 400)
    page.mouse.wheel(0, -400)
    until(lambda: page.evaluate("window.civitaiManager.viewer.scale()") > 1.5, 5)
    before = page.locator(f"{VIEWER} .cm-stage img").bounding_box()["x"]
    page.mouse.down()
    page.mouse.move(380, 400, steps=4)
    page.mouse.up()
    assert page.locator(f"{VIEWER} .cm-stage img").bounding_box()["x"] > before
    page.mouse.dblclick(300, 400)
    assert page.evaluate("window.civitaiManager.viewer.scale()") == 1 and page.evaluate(index) == 0
    swipe = """([from, to]) => {
        const stage = document.querySelector(".cm-stage");
        const finger = {bubbles: true, pointerId: 7, pointerType: "touch", clientY: 300};
        for (const [kind, x] of [["down", from], ["move", to], ["up", to]]) {
            stage.dispatchEvent(new PointerEvent("pointer" + kind, {...finger, clientX: x}));
        }
    }"""
    page.evaluate(swipe, [400, 200])
    assert page.evaluate(index) == 1
    page.evaluate(swipe, [200, 400])
    assert page.evaluate(index) == 0
    # the focus stays inside, Esc closes the uppermost only, and the focus goes back
    for _ in range(25):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || document.querySelector('.cm-viewer').contains(document.activeElement)")
    video = page.evaluate("window.civitaiManager.pictures.list.data.items.findIndex((one) => one.type === 'video')")
    page.evaluate("at => { for (let step = 0; step < at; step += 1) { document.querySelector('.cm-viewer-next').click(); } }", video)
    page.wait_for_selector(f"{VIEWER} .cm-stage video[src^='blob:']")
    page.keyboard.press("Escape")
    page.wait_for_selector(".cm-viewer", state="detached")
    assert page.locator(".cm-gallery[open]").count() == 1
    assert page.evaluate("document.activeElement === document.querySelector('.cm-gallery .cm-scroll')")
    assert page.evaluate("window.civitaiManager.pictures.list.active()") == video, "one is where one was in the viewer"
    page.evaluate("window.civitaiManager.marks.set({limit: 2})")
    assert browser.errors == [] and browser.foreign == []


def test_the_data_is_of_exactly_this_picture(pictures: Any, page: Any, browser: Any) -> None:
    open_pictures(page, "community")
    page.evaluate("window.civitaiManager.marks.set({limit: 31})")
    page.wait_for_function("() => window.civitaiManager.pictures.list.data.items.length >= 60")
    known = page.evaluate("window.civitaiManager.pictures.list.data.items.filter((one) => one.type === 'image').map((one) => one.id)")
    numbers = [one - community.COMMUNITY_IMAGE for one in known if one >= community.COMMUNITY_IMAGE]
    for kind, source in ((1, "api"), (3, "file"), (6, "api"), (8, "api"), (0, "")):
        number = next(one for one in numbers if one % 10 == kind)
        show(page, community.COMMUNITY_IMAGE + number)
        prompt = made(page)
        if source:
            assert f"community picture {number} of model 0," in prompt
            shown = page.get_attribute(f"{VIEWER} [data-source]", "data-source")
            assert shown == source or (kind == 6 and shown == "comfy")
            assert str(1000 + number) in steps.text(page, f"{VIEWER} .cm-made-table")
        else:
            assert "Not available" in steps.text(page, f"{VIEWER} .cm-made-none")
        page.keyboard.press("Escape")
        page.wait_for_selector(".cm-viewer", state="detached")
    # leafing quickly: what comes late for another picture is not shown
    show(page, community.COMMUNITY_IMAGE + next(one for one in numbers if one % 10 == 1))
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    number = page.evaluate("window.civitaiManager.pictures.list.item(window.civitaiManager.viewer.index()).id") - community.COMMUNITY_IMAGE
    page.wait_for_timeout(2500)
    prompt = page.locator(f"{VIEWER} .cm-made-text").first
    assert number % 10 == 0 or prompt.count() == 0 or f"picture {number} of" in prompt.text_content()
    page.evaluate("window.civitaiManager.marks.set({limit: 2})")
    assert browser.errors == []


def test_what_is_missing_is_fetched_and_the_prompt_renamed(pictures: Any, page: Any, browser: Any) -> None:
    open_pictures(page, "community")
    page.wait_for_function("() => window.civitaiManager.pictures.list.data.items.length >= 60")
    ids = page.evaluate("window.civitaiManager.pictures.list.data.items.filter((one) => one.type === 'image').map((one) => one.id)")
    number = next(one for one in ids if one >= community.COMMUNITY_IMAGE and one % 10 == 1)
    show(page, number)
    assert f"<lora:{LORA}_as_uploaded:0.8>" in made(page)
    page.wait_for_selector(f"{VIEWER} .cm-made-list li[data-state=civitai]", timeout=30_000)
    page.click(f"{VIEWER} .cm-fetch-missing")
    page.wait_for_selector(f"{VIEWER} .cm-made-list li[data-state=here]", timeout=60_000)
    page.wait_for_selector(f"{VIEWER} .cm-made[data-renamed]", timeout=30_000)
    assert f"<lora:{LORA}:0.8>" in page.text_content(f"{VIEWER} .cm-made-text")
    assert list(pictures.models.rglob(f"{LORA}.safetensors"))
    assert page.locator(f"{VIEWER} .cm-fetch-missing").count() == 0
    with page.expect_download() as saved:
        page.click(f"{VIEWER} [data-act=save]")
    assert saved.value.suggested_filename == f"image-{number}.txt"
    text = Path(saved.value.path()).read_text(encoding="utf-8")
    assert f"<lora:{LORA}:0.8>" in text and "Negative prompt:" in text and "Steps:" in text
    assert browser.errors == []


def tick(page: Any, *names: str) -> None:
    """Only these parts are to be sent."""
    if not page.evaluate("document.querySelector('.cm-viewer .cm-made-parts').open"):
        page.click(f"{VIEWER} .cm-made-parts summary")
    for name in ("prompt", "negative", "parameters", "size", "seed"):
        page.locator(f"{VIEWER} .cm-made-boxes input[value={name}]").set_checked(name in names)


@pytest.mark.skipif(not IN_HOST, reason="alone there are no tabs to send to")
@pytest.mark.once
def test_only_some_of_it_is_sent(pictures: Any, page: Any, browser: Any) -> None:
    """The boxes below "Only some of it": nothing, one part, two that are appended, and the picture alone."""
    page.evaluate("Promise.all([civitaiManager.host.insert('txt2img', 'an owl'), civitaiManager.host.insert('img2img', 'an owl')])")
    open_pictures(page, "community")
    items = page.evaluate("window.civitaiManager.pictures.list.data.items")
    ids = [one["id"] for one in items if one["type"] == "image" and one["level"] == 1]
    number = next(one for one in ids if one >= community.COMMUNITY_IMAGE and one % 10 == 3)
    show(page, number)
    prompt = made(page)
    page.wait_for_selector(f"{VIEWER} .cm-made-list li")
    tick(page)
    page.click(f"{VIEWER} [data-target=txt2img]")
    page.wait_for_selector(f"{VIEWER} .cm-made-told:has-text('Choose at least one part')")
    tick(page, "seed")
    page.click(f"{VIEWER} [data-target=txt2img]")
    page.wait_for_selector(".cm-layer", state="detached", timeout=30_000)
    until(lambda: value(page, "txt2img_seed") == str(1000 + number - community.COMMUNITY_IMAGE), 10)
    assert (value(page, "txt2img_prompt"), value(page, "txt2img_width"), value(page, "txt2img_steps")) == ("an owl", "512", "20")
    for parts in ((), ("prompt", "negative")):  # the picture alone; then with both prompts, appended
        steps.open_tab(page)
        page.click(".cm-open-pictures")
        page.click(".cm-picture-tabs [data-of=community]")
        page.wait_for_function("id => window.civitaiManager.pictures.list.data.items.some((one) => one.id === id)", arg=number)
        show(page, number)
        prompt = made(page)
        tick(page, *parts)
        page.select_option(f"{VIEWER} .cm-made-parts select", "append")
        page.click(f"{VIEWER} [data-target=img2img]")
        page.wait_for_selector(".cm-layer", state="detached", timeout=30_000)
        page.wait_for_selector("#img2img_image img")
        if not parts:
            assert value(page, "img2img_prompt") == "an owl"
    until(lambda: value(page, "img2img_prompt").startswith(f"an owl, {prompt.split(',')[0]}"), 10)
    assert value(page, "img2img_neg_prompt") == "text,\nwatermark" and value(page, "img2img_seed") == "-1" and value(page, "img2img_width") == "512"
    assert browser.errors == []


@pytest.mark.once
def test_an_unknown_model_is_looked_for_by_its_name(pictures: Any, page: Any, browser: Any) -> None:
    open_pictures(page, "community")
    told = "(one) => one.has_meta && one.type === 'image' && one.level === 1"
    show(page, page.evaluate(f"window.civitaiManager.pictures.list.data.items.find({told}).id"))
    row = page.locator(f"{VIEWER} .cm-made-list [data-state=unknown]").first
    name = row.locator("[translate=no]").first.text_content()
    row.get_by_role("button", name="Look on Civitai").click()
    page.wait_for_selector("#civitai_manager[data-cm-view=civitai]")
    assert page.locator(VIEWER).count() == 0
    assert page.input_value("#cm_civitai_view input[type=search], #cm_civitai_view input.cm-input") == name.replace("_", " ")
    assert browser.errors == []


@pytest.mark.once
def test_examples_are_kept_and_shown_offline(pictures: Any, page: Any, browser: Any, demo: Any) -> None:
    model = SPECIAL["video_preview"].model_id
    open_pictures(page, model=model)
    page.click(".cm-picture-keeping button:text-is('Keep offline')")
    page.wait_for_selector(".cm-picture-keeping:has-text('2 pictures are kept here')", timeout=30_000)
    page.wait_for_function("() => document.querySelectorAll('.cm-gallery .cm-saved-picture:not([hidden])').length === 2")
    demo.forget()
    demo.fault("region")
    page.reload()
    steps.open_tab(page)
    page.wait_for_selector(steps.CONNECTED)
    open_pictures(page, model=model)
    page.wait_for_selector(f"{CELL}.cm-loaded")
    page.locator(CELL).last.click()
    page.wait_for_selector(f"{VIEWER} .cm-stage img[src*='/kept/']")
    page.keyboard.press("Escape")
    assert not [one for one in demo.requests if one["origin"] == "storage"]
    page.click(".cm-picture-tabs [data-of=community]")
    page.wait_for_selector(".cm-gallery .cm-empty:has-text('The pictures could not be read')", timeout=40_000)
    demo.clear_faults()
    page.click(".cm-gallery .cm-empty button:has-text('Look at the examples')")
    page.wait_for_selector(".cm-picture-keeping button:has-text('Remove from this computer')")
    page.click(".cm-picture-keeping button:has-text('Remove from this computer')")
    page.wait_for_selector(".cm-picture-keeping button:text-is('Keep offline')")


DROP = """([data, name, type, how]) => {
    const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, {type: type}));
    const root = document.getElementById("civitai_manager");
    if (how === "drop") { root.dispatchEvent(new DragEvent("drop", {bubbles: true, cancelable: true, dataTransfer: transfer})); }
    else { document.body.dispatchEvent(new ClipboardEvent("paste", {bubbles: true, cancelable: true, clipboardData: transfer})); }
}"""


def image_with(text: str, form: str = "PNG") -> str:
    out = io.BytesIO()
    picture = Image.new("RGB", (64, 96), (90, 120, 150))
    if form == "PNG":
        notes = PngImagePlugin.PngInfo()
        if text:
            notes.add_text("parameters", text)
        picture.save(out, "PNG", pnginfo=notes)
    else:
        comment = b"UNICODE\0" + text.encode("utf-16-be")
        head = struct.pack("<2sHIHHHIIIH", b"II", 42, 8, 1, 0x8769, 4, 1, 26, 0, 1)  # the first directory leads to the one for pictures
        entry = struct.pack("<HHIII", 0x9286, 7, len(comment), 44, 0)
        picture.save(out, form, exif=b"Exif\0\0" + head + entry + comment)
    return base64.b64encode(out.getvalue()).decode()


TEXT = "a dropped hill\nNegative prompt: fog\nSteps: 21, Sampler: Euler a, CFG scale: 7, Seed: 77, Size: 64x96, Version: v1.10.1"


@pytest.mark.parametrize("form, type_, how", [("PNG", "image/png", "drop"), ("JPEG", "image/jpeg", "paste"), ("WEBP", "image/webp", "drop")])
@pytest.mark.once
def test_a_dropped_or_pasted_image_tells_how_it_was_made(page: Any, browser: Any, demo: Any, form: str, type_: str, how: str) -> None:
    demo.forget()
    page.evaluate(DROP, [image_with(TEXT, form), f"mine.{form.lower()}", type_, how])
    page.wait_for_selector(".cm-dropped[open] .cm-made-text:has-text('a dropped hill')")
    assert steps.text(page, ".cm-dropped .cm-layer-title") == f"mine.{form.lower()}"
    assert "fog" in steps.text(page, ".cm-dropped .cm-made")
    assert re.search(r"Seed 77", steps.text(page, ".cm-dropped .cm-made-table").replace("Seed77", "Seed 77"))
    assert "From the image's file" in steps.text(page, ".cm-dropped .cm-made-source")
    page.keyboard.press("Escape")
    page.wait_for_selector(".cm-dropped", state="detached")
    assert not demo.requests and browser.errors == []


PASTE = """([text, selector]) => {
    const transfer = new DataTransfer();
    transfer.setData("text/plain", text);
    document.querySelector(selector).dispatchEvent(new ClipboardEvent("paste", {bubbles: true, cancelable: true, clipboardData: transfer}));
}"""


@pytest.mark.parametrize("place", ["body", "#cm_links textarea"])
@pytest.mark.once
def test_a_pasted_text_of_generation_data_is_read(page: Any, browser: Any, place: str) -> None:
    page.evaluate(PASTE, [TEXT, place])
    page.wait_for_selector(".cm-dropped[open] .cm-made-text:has-text('a dropped hill')")
    assert steps.text(page, ".cm-dropped .cm-made-source") == "From the text" and page.locator(".cm-dropped-frame").is_hidden()
    page.keyboard.press("Escape")
    page.wait_for_selector(".cm-dropped", state="detached")
    page.evaluate(PASTE, ["%%% garbage, Steps: none", place])
    assert page.locator(".cm-layer").count() == 0 and browser.errors == []


@pytest.mark.once
def test_an_image_without_data_says_so_and_links_still_register(pictures: Any, page: Any, browser: Any) -> None:
    page.evaluate(DROP, [image_with(""), "plain.png", "image/png", "drop"])
    page.wait_for_selector(".cm-dropped .cm-made-none:has-text('Not available')")
    page.keyboard.press("Escape")
    entry = base64.b64encode(f"[InternetShortcut]\r\nURL=https://civitai.com/models/{MODEL + 7}\r\n".encode()).decode()
    page.evaluate(DROP, [entry, "one.url", "application/octet-stream", "drop"])
    until(lambda: MODEL + 7 in [one["id"] for one in pictures.cards()], 20)
    page.evaluate(DROP, [base64.b64encode(b"no picture at all").decode(), "torn.png", "image/png", "drop"])
    page.wait_for_selector(".cm-dropped .cm-warning:has-text('This file is no picture')")
    page.keyboard.press("Escape")
    page.evaluate(DROP, [image_with("only a prompt"), "made.png", "image/png", "drop"])
    page.wait_for_selector(".cm-dropped .cm-made-text:has-text('only a prompt')")
    assert "null" not in page.inner_text(".cm-dropped")
    page.evaluate("""data => {
        civitaiManager.dropped.close();  // the browser tells of it later, when the next one is there already
        civitaiManager.readImage(new File([Uint8Array.from(atob(data), (one) => one.charCodeAt(0))], "next.png", {type: "image/png"}));
    }""", image_with("opened at once"))
    page.wait_for_selector(".cm-dropped .cm-made-text:has-text('opened at once')")
    page.wait_for_timeout(300)
    assert page.is_visible(".cm-dropped .cm-made-text:has-text('opened at once')")
    assert browser.errors == [] or all("400" in one for one in browser.errors)


def test_from_the_tab_to_txt2img_in_four_presses(pictures: Any, browser: Any) -> None:
    """Alone there is no txt2img: the same presses lead to the copied text. In a host the fields hold it."""
    page = browser.page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(pictures.url)
    page.wait_for_selector("#tabs, #civitai_manager", state="attached")
    presses = 0
    if page.query_selector("#tabs"):
        steps.open_tab(page)
    page.wait_for_selector(steps.CONNECTED)
    steps.card(page, MODEL).click()
    presses += 1
    page.click(".cm-open-pictures")
    presses += 1
    page.locator(CELL).first.click()
    presses += 1
    prompt = made(page)
    if page.evaluate("Boolean(window.civitaiManager.host && window.civitaiManager.host.targets.includes('txt2img'))"):
        page.click(f"{VIEWER} [data-target=txt2img]")
        until(lambda: page.input_value("#txt2img_prompt textarea") == prompt, 20)
        page.wait_for_selector(".cm-layer", state="detached")
    else:
        page.click(f"{VIEWER} [data-act=copy]")
        until(lambda: page.evaluate("navigator.clipboard.readText()").startswith(prompt), 10)
    presses += 1
    assert presses <= 4 and prompt
