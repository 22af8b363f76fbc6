"""Every screen of the tab, for the tests that look at all of them: languages and access. A new screen is one entry of ``SCREENS``.

Each is a function of a page at our tab that brings it to that screen; it waits until it is there. Every screen begins with a page loaded anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo import build
from demo.specials import SPECIAL
from tests.hostapp.harness import until
from tests.pages import steps

NAMES = ("many_versions", "gguf_variants", "vae_beside", "unrated", "adult", "early_access", "medium_file")
IDS = {name: SPECIAL[name].model_id for name in NAMES}
MODEL = IDS["many_versions"]
FILED = IDS["gguf_variants"]
RUNNING = IDS["medium_file"]
PICTURED = IDS["pictured"] = build.GENERATED_MODEL  # with generation data, and pictures of the community


RECIPE = {
    "name": "harbour", "prompt": "a harbour, <lora:lantern:0.8>", "negative": "blurry", "note": "for later", "collection": "mine", "tags": ["sea"],
    "parameters": {"Sampler": "Euler a"}, "models": [{"kind": "lora", "name": "lantern", "weight": 0.8}],
}  # fmt: skip


def furnish(app: Any) -> None:
    """A library with something of everything: a file that is not where it should be, a download that runs, a failed job, a recipe."""
    app.register("\n".join(map(str, IDS.values())))
    app.post("/civitai-manager/models/edit", json={"ids": list(IDS.values())[:3], "add_tags": ["landscape"], "set": {"favourite": True}})
    made = app.post("/civitai-manager/collections", json={"name": "Keepers"}).json()["id"]
    app.post(f"/civitai-manager/collections/{made}/add", json={"ids": [MODEL]})
    app.post(f"/civitai-manager/models/{MODEL}/words", json={"words": "one, two", "name": "portrait"})
    app.post("/civitai-manager/filters", json={"name": "mine", "filters": {"q": "x"}})
    app.register("999999999")  # Civitai does not know it
    app.post("/civitai-manager/recipes", json=RECIPE)
    ask = {"ids": [FILED], "versions": "newest", "confirmed": True}
    app.post("/civitai-manager/browse/collect", json=ask)
    path = Path(steps.download(app, FILED, "done")["result"]["path"])
    elsewhere = path.parent / "elsewhere"
    elsewhere.mkdir()
    path.rename(elsewhere / path.name)
    scan = app.post("/civitai-manager/scan", json={}).json()["job"]
    until(lambda: any(job["id"] == scan and job["state"] == "done" for job in app.jobs()), 30, "the scan")
    app.demo.fault("drip", path="/model/", rate=50_000, times=1)
    app.post("/civitai-manager/browse/collect", json={**ask, "ids": [RUNNING]})
    steps.download(app, RUNNING, "running")


def settings_for(folder: Path) -> None:
    """Before the start: what some screens need."""
    place = folder / "manager" / "settings.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps({"own_trash": True, "subfolder_template": "{creator}"}), encoding="utf-8")


def view(name: str, ready: str) -> Callable[[Any], None]:
    def show(page: Any) -> None:
        page.click(f'.cm-view[data-view="{name}"]')
        page.wait_for_selector(ready, timeout=20_000)
        page.wait_for_timeout(600)

    return show


def library(page: Any) -> None:
    page.wait_for_selector(".cm-card:not(.cm-waiting)")


def no_match(page: Any) -> None:
    page.fill(".cm-search", "nothing-is-called-so")
    page.press(".cm-search", "Enter")
    page.wait_for_selector(".cm-empty h3")


def first(page: Any) -> None:
    page.route("**/civitai-manager/cards?*", lambda route: route.fulfill(json={"items": [], "total": 0}))
    page.reload()
    from tests.hostapp.harness import open_tab

    open_tab(page)
    page.wait_for_selector(".cm-empty .cm-steps")


def panel(page: Any) -> None:
    library(page)
    steps.card(page, MODEL).click()
    steps.shown(page, MODEL)
    page.wait_for_selector(".cm-own-body:not([hidden])")
    page.wait_for_timeout(800)


def risky(page: Any) -> None:
    """A model of which a part needs money or trust, with a video or without."""
    library(page)
    page.locator(f'.cm-card[data-id="{IDS["early_access"]}"]').click()
    page.wait_for_selector("#civitai_manager.cm-panel-open:not(.cm-choosing)")
    page.wait_for_timeout(800)


def popover(at: int) -> Callable[[Any], None]:
    """One of the boxes beside the search: 0 saved filters, 1 levels of pictures."""

    def show(page: Any) -> None:
        library(page)
        page.locator("#cm_grid .cm-filters .cm-pop > button").nth(at).click()
        page.locator("#cm_grid .cm-filters .cm-pop-box").nth(at).wait_for(state="visible")

    return show


def selected(page: Any) -> None:
    library(page)
    page.evaluate("window.civitaiManager.select.all()")
    page.wait_for_selector("#cm_grid .cm-select:not([hidden])")


def tool(at: int) -> Callable[[Any], None]:
    """One of the boxes of the selection: 0 tags, 1 collections, 2 more."""

    def show(page: Any) -> None:
        selected(page)
        page.locator("#cm_grid .cm-select .cm-pop > button").nth(at).click()
        page.locator("#cm_grid .cm-select .cm-pop-box").nth(at).wait_for(state="visible")
        page.wait_for_timeout(300)

    return show


def plan(page: Any) -> None:
    selected(page)
    page.get_by_label("Delete the files of the selected models").click()
    page.wait_for_selector("dialog.cm-agree[open] .cm-agree-body > :not(.cm-quiet)")


def move_plan(page: Any) -> None:
    tool(2)(page)
    page.click(".cm-menu button:has-text('Move to where')")
    page.wait_for_selector("dialog.cm-agree[open] .cm-agree-body > :not(.cm-quiet)")


def undo_line(page: Any) -> None:
    tool(0)(page)
    page.locator("#cm_grid .cm-select .cm-pop-box input").first.fill("told")
    page.keyboard.press("Enter")
    page.wait_for_selector(".cm-undo-line:not([hidden])")
    page.keyboard.press("Escape")


def import_report(page: Any) -> None:
    """What would be taken from a file."""
    view("health", ".cm-health .cm-tiles")(page)
    page.set_input_files(".cm-interchange input[type=file]", {"name": "library.json", "mimeType": "application/json", "buffer": exported(page)})
    page.wait_for_selector(".cm-interchange .cm-report:not([hidden])")
    page.wait_for_timeout(600)


def exported(page: Any) -> bytes:
    """The library of this page, as its file."""
    base = page.evaluate("window.civitaiManager.base()")
    job = page.request.post(base + "export", data={}, headers={"X-Civitai-Manager": "1"}).json()["job"]
    return until(lambda: (answer := page.request.get(f"{base}exports/{job}")).ok and answer.body(), 20, "the exported library")


def tray(page: Any) -> None:
    library(page)
    if page.get_attribute(".cm-tray-toggle", "aria-expanded") == "false":
        page.click(".cm-tray-toggle")
    page.wait_for_selector(".cm-job")


def help_box(page: Any) -> None:
    page.click(".cm-help summary")
    page.wait_for_selector(".cm-help[open]")


def refused(page: Any) -> None:
    """A press that the server refuses with a sentence."""
    page.evaluate("() => { const cm = window.civitaiManager; cm.post('filters', {name: ''}).catch((error) => cm.say(cm.sentence(error))); }")
    page.wait_for_selector(".cm-says:not([hidden])")


def lost(page: Any) -> None:
    page.route("**/civitai-manager/jobs?*", lambda route: route.abort())
    page.wait_for_selector(".cm-connection.cm-lost", timeout=20_000)


def civitai(page: Any) -> None:
    page.click('.cm-view[data-view="civitai"]')
    page.wait_for_selector(".cm-civitai .cm-card:not(.cm-waiting)", timeout=20_000)


def civitai_panel(page: Any) -> None:
    civitai(page)
    page.locator(".cm-civitai .cm-card:not(.cm-waiting)").first.click()
    page.wait_for_selector(".cm-remote .cm-own-part", timeout=20_000)


def recipes(page: Any) -> None:
    page.click('.cm-view[data-view="recipes"]')
    page.wait_for_selector(".cm-recipes .cm-card:not(.cm-waiting)", timeout=20_000)


def no_recipes(page: Any) -> None:
    page.route("**/civitai-manager/recipes?*", lambda route: route.fulfill(json={"items": [], "total": 0}))
    page.click('.cm-view[data-view="recipes"]')
    page.wait_for_selector(".cm-recipes .cm-empty", timeout=20_000)


def recipe(page: Any) -> None:
    """With an entry in its history."""
    recipes(page)
    page.locator(".cm-recipes .cm-card:not(.cm-waiting)").first.click()
    page.wait_for_selector(".cm-recipe-panel .cm-own-body:not([hidden])")
    page.click(".cm-recipe-panel .cm-favourite")
    page.wait_for_selector(".cm-recipe-history li time", state="attached")
    page.locator(".cm-recipe-panel details:has(.cm-recipe-history) summary").click()
    page.wait_for_timeout(800)


def pictures(page: Any) -> None:
    library(page)
    steps.card(page, PICTURED).click()
    steps.shown(page, PICTURED)
    page.click(".cm-open-pictures")
    page.wait_for_selector(".cm-gallery .cm-picture-card:not(.cm-waiting)", timeout=20_000)


def community(page: Any) -> None:
    pictures(page)
    page.click(".cm-picture-tabs [data-of=community]")
    page.wait_for_selector(".cm-gallery .cm-count:not(:empty)")
    page.wait_for_timeout(1500)


def viewer(page: Any) -> None:
    pictures(page)
    page.focus(".cm-gallery .cm-scroll")
    page.keyboard.press("Enter")
    page.wait_for_selector(".cm-viewer[open] .cm-made-text, .cm-viewer[open] .cm-made-none", timeout=20_000)
    page.wait_for_timeout(1000)


def collections(page: Any) -> None:
    library(page)
    page.click(".cm-open-collections")
    page.wait_for_selector("dialog[open] .cm-collection-name")


SCREENS: dict[str, Callable[[Any], None]] = {
    "library": library,
    "no match": no_match,
    "first": first,
    "panel": panel,
    "panel of early access": risky,
    "saved filters": popover(0),
    "levels": popover(1),
    "selection": selected,
    "tags of the selection": tool(0),
    "collections of the selection": tool(1),
    "more for the selection": tool(2),
    "plan": plan,
    "plan of moves": move_plan,
    "undo": undo_line,
    "tray": tray,
    "help": help_box,
    "refused": refused,
    "lost": lost,
    "civitai": civitai,
    "a model of Civitai": civitai_panel,
    "recipes": recipes,
    "no recipes": no_recipes,
    "a recipe": recipe,
    "pictures": pictures,
    "pictures of the community": community,
    "viewer": viewer,
    "collections": collections,
    "updates": view("updates", ".cm-updates"),
    "health": view("health", ".cm-health .cm-tiles"),
    "report of an import": import_report,
    "settings": view("settings", "#cm_save"),
    "connection": view("connection", ".cm-diagnostics table"),
}
# In these gradio draws a part, or lays its style over ours; the others are ours alone, and looked at on one gradio.
WITH_GRADIO = ("a recipe", "library", "panel", "refused", "viewer", "settings")


def each() -> list[Any]:
    """The names of all screens, as parameters of a test."""
    return [name if name in WITH_GRADIO else pytest.param(name, marks=pytest.mark.once) for name in SCREENS]
