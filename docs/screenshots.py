"""Make the README's pictures anew: runs ``main.py --demo`` in a temporary folder and photographs it with Chromium.

    .test-environments/gradio-current/bin/python docs/screenshots.py [FOLDER]

Needs what ``./test.sh`` sets up (Playwright, Chromium, Pillow). Writes library-light.png, panel-dark.png, viewer-light.png, recipes-light.png,
civitai-dark.png and phone.png to docs/images, or to FOLDER.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "scripts"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from PIL import Image  # noqa: E402

from tests.hostapp.harness import Browser, Standalone, until  # noqa: E402

IMAGES = ROOT / "docs" / "images"
MORE = [4_100_000 + number for number in range(12, 34)]  # generated models of the demo, beside those that it registers by itself
PANEL = 4_100_015
GALLERY = 4_100_000  # has hundreds of pictures of the community
LIMIT = 400_000  # bytes of one picture
LOADED = """() => [...document.querySelectorAll('.cm-card')].every((card) => card.classList.contains('cm-loaded') || !card.querySelector('img'))"""


def furnish(app: Standalone) -> None:
    """Wait for the demo's own library, and add more models to it."""
    until(lambda: sum(card["state"] == "downloaded" for card in app.cards()) >= 3, 90, "the demo's library")
    assert app.register("\n".join(map(str, MORE)), seconds=90)["state"] == "done"
    for job in app.jobs():
        if "dismiss" in job["can"]:
            app.post(f"/civitai-manager/jobs/{job['id']}/dismiss")


def open_page(browser: Browser, app: Standalone, theme: str, width: int, height: int) -> Any:
    page = browser.page(width=width, height=height, dark=theme == "dark")
    page.goto(f"{app.url}/?__theme={theme}")
    page.wait_for_selector(".cm-connection:has-text('Connected')" if width > 700 else ".cm-connection:not(.cm-lost)")
    page.wait_for_selector(".cm-card:not(.cm-waiting)")
    page.wait_for_function(LOADED)
    return page


def download_some(page: Any, app: Standalone) -> None:
    """Two of the cards in sight, as a person does it."""
    for card in (app.cards()[1], app.cards()[4]):
        choose(page, card["id"])
        page.click("#cm_download")
        page.wait_for_selector(f'.cm-card[data-id="{card["id"]}"] .cm-badge:has-text("Downloaded")', timeout=30_000)
    page.evaluate("window.civitaiManager.close()")


def choose(page: Any, model_id: int) -> None:
    page.evaluate("id => window.civitaiManager.choose(id)", model_id)
    page.wait_for_selector("#civitai_manager.cm-panel-open:not(.cm-choosing)")
    page.wait_for_selector("#cm_download:has-text('Download')")
    page.wait_for_function("() => { const i = document.querySelector('#cm_head img[data-cm-src]'); return i && i.complete && i.naturalWidth > 0; }")
    page.wait_for_function(LOADED)


def look_at(page: Any, model_id: int, nth: int) -> None:
    """The n-th picture of the community whose data Civitai tells, in the viewer, with how it was made and where its models are."""
    page.evaluate("model => window.civitaiManager.pictures.open(model, 0, 'community')", model_id)
    page.wait_for_selector(".cm-gallery .cm-picture-card:not(.cm-waiting)")
    page.wait_for_function("() => window.civitaiManager.pictures.list.data.items.length > 20")
    page.evaluate(
        """nth => {
            const list = window.civitaiManager.pictures.list;
            const told = list.data.items.map((one, at) => [one, at]).filter(([one]) => one.has_meta && one.type === "image" && one.level === 1);
            list.move(told[nth][1]);
        }""",
        nth,
    )
    page.focus(".cm-gallery .cm-scroll")
    page.keyboard.press("Enter")
    page.wait_for_selector(".cm-viewer[open] .cm-made-text")


def keep(page: Any) -> None:
    """The picture in the viewer as a recipe, and its name."""
    page.click(".cm-viewer button:has-text('Save as recipe')")
    page.wait_for_selector("#civitai_manager[data-cm-view=recipes]")


def save(page: Any, path: Path) -> None:
    """The page as a PNG; of 256 colours when it would be too large."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)  # pictures fade in
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.save(path, optimize=True)
    if path.stat().st_size > LIMIT:
        picture.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} KB")  # noqa: T201 -- a command's answer


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, Standalone(Path(place), arguments=["--demo"], key="") as app, Browser() as browser:
        furnish(app)
        page = open_page(browser, app, "light", 1280, 800)
        download_some(page, app)
        save(page, folder / "library-light.png")
        page = open_page(browser, app, "dark", 1280, 800)
        choose(page, PANEL)
        save(page, folder / "panel-dark.png")
        page = open_page(browser, app, "light", 1280, 800)
        choose(page, GALLERY)
        look_at(page, GALLERY, 0)
        page.wait_for_timeout(3000)  # where its models are is asked of Civitai
        save(page, folder / "viewer-light.png")
        keep(page)
        for nth in (1, 2, 3):
            look_at(page, GALLERY, nth)
            keep(page)
        page.wait_for_timeout(1500)
        save(page, folder / "recipes-light.png")
        page = open_page(browser, app, "dark", 1280, 800)
        page.evaluate("window.civitaiManager.show('civitai')")
        page.wait_for_selector("#cm_civitai_view .cm-card:not(.cm-waiting)")
        page.wait_for_function(LOADED)
        save(page, folder / "civitai-dark.png")
        page = open_page(browser, app, "light", 390, 844)
        save(page, folder / "phone.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
