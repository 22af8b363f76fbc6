"""Scan, copies, trash and undo, the numbers, a person's own data, and updates, through the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.hostapp.harness import until
from tests.pages import steps
from tests.scan.libraries import bytes_of, made_up, published, write


def show(page: Any, view: str) -> None:
    page.click(f".cm-view[data-view={view}]")
    page.wait_for_selector(f"#civitai_manager[data-cm-view={view}]")


def scan(page: Any) -> str:
    """Press the button and wait for what the line says when it is done."""
    show(page, "health")
    page.evaluate("() => { window.scansBefore = [...civitaiManager.jobs.values()].filter((job) => job.kind === 'scan' && job.finished).length; }")
    page.get_by_role("button", name="Scan my folders").click()
    page.wait_for_function(
        "() => [...civitaiManager.jobs.values()].filter((job) => job.kind === 'scan' && job.finished).length > window.scansBefore", timeout=60_000
    )
    page.wait_for_selector(".cm-follows [data-kind=scan][data-state=done]", timeout=30_000)
    return steps.text(page, ".cm-follows [data-kind=scan]")


@pytest.fixture
def own_app(make_app: Any, tmp_path: Path) -> Any:
    """A library of its own: files that Civitai does not know, one of them twice, one broken."""
    app = make_app(tmp_path / "app")
    folder = app.models / "Lora"
    for number in range(3):
        write(folder / f"own-{number}.safetensors", made_up(number))
    write(folder / "own-0-again.safetensors", made_up(0))
    write(folder / "broken.safetensors", made_up(7)[:-20])
    with app as running:
        yield running


@pytest.mark.once
def test_a_scan_copies_to_the_trash_and_back(own_app: Any, browser: Any) -> None:
    folder = own_app.models / "Lora"
    page = browser.open(own_app.url)
    page.locator(".cm-steps").get_by_role("button", name="Scan my folders").click()  # the empty library offers it
    page.wait_for_selector("#civitai_manager[data-cm-view=health] .cm-follows [data-kind=scan][data-state=done]", timeout=60_000)
    told = steps.text(page, ".cm-follows [data-kind=scan]")
    assert "5 files found" in told and "5 new" in told and "1 truncated" in told, told

    copies = page.get_by_role("region", name="Copies")
    copies.get_by_role("button", name="Look for them").click()
    copies.get_by_text("the WebUI loads this one").wait_for()
    assert copies.locator("input[type=radio]").count() == 2
    other = copies.locator("input[type=radio]:not(:checked)")
    going = copies.locator(".cm-files .cm-path").text_content()
    other.click()
    page.wait_for_function("was => document.querySelector('.cm-files .cm-path')?.textContent !== was", arg=going)
    gone = Path(copies.locator(".cm-files .cm-path").text_content())
    assert gone.exists() and gone.name.startswith("own-0")
    copies.get_by_role("button", name="Move 1 file").click()
    trash = page.get_by_role("region", name="Trash")
    trash.get_by_role("button", name=f"Restore {gone.name}").wait_for(timeout=30_000)
    assert sorted(path.name for path in folder.glob("*.safetensors")) == sorted(
        {"own-0.safetensors", "own-0-again.safetensors", "own-1.safetensors", "own-2.safetensors", "broken.safetensors"} - {gone.name}
    )
    page.get_by_role("region", name="What was done").get_by_role("button", name="Undo").first.click()
    until(gone.exists, 30, "the file")
    trash.get_by_text("Nothing that was deleted here is in the trash.").wait_for(timeout=30_000)

    page.get_by_role("region", name="Leftovers").get_by_role("button", name="Look for them").click()
    page.get_by_text("There is nothing to tidy up.").wait_for()


@pytest.mark.once
def test_what_a_person_says_of_a_file_that_is_only_here(own_app: Any, browser: Any) -> None:
    page = browser.open(own_app.url)
    scan(page)
    show(page, "library")
    page.locator(".cm-card", has_text="own-1").first.click()
    page.wait_for_selector("#civitai_manager.cm-panel-open:not(.cm-choosing)", timeout=15_000)
    page.get_by_text("Only here: Civitai does not know this file.").wait_for()
    assert not page.locator("#cm_download").is_visible()
    page.get_by_role("button", name="Favourite").click()
    page.fill("[aria-label='Add a tag']", "x" * 101)
    page.press("[aria-label='Add a tag']", "Enter")
    page.wait_for_selector(".cm-refused:has-text('Not saved.')")
    page.wait_for_function("() => document.querySelector('[aria-label=\"Add a tag\"]').value.length === 101")  # what was refused is not lost
    page.fill("[aria-label='Add a tag']", "painterly")
    page.press("[aria-label='Add a tag']", "Enter")
    page.get_by_label("Preferred weight").fill("0.65")
    page.get_by_label("Negative words").fill("blurry")
    page.get_by_label("Rating", exact=True).select_option("4")
    page.get_by_text("Add a word set").click()
    page.get_by_label("Words of the set").fill("own style, ink")
    page.get_by_role("button", name="Keep as a set").click()
    page.wait_for_selector("[data-cm-now=use][title='<lora:own-1:0.65>, own style, ink']", timeout=15_000)

    scan(page)  # a scan finds the same file again and changes nothing of this
    steps.reload(page)
    show(page, "library")
    page.wait_for_selector(".cm-favourite[aria-pressed=true]", timeout=20_000)
    page.get_by_label("Remove the tag painterly").wait_for()
    assert page.get_by_label("Preferred weight").input_value() == "0.65"
    assert page.get_by_label("Negative words").input_value() == "blurry"
    assert page.get_by_label("Rating", exact=True).input_value() == "4"
    assert "own-1.safetensors" in steps.text(page, ".cm-own-files")


def test_what_a_person_says_survives_a_refresh(app: Any, browser: Any, demo: Any) -> None:
    model = demo.catalogue.model(4_100_003)["id"]
    app.register(str(model))
    page = browser.open(app.url)
    steps.open_model(page, model)
    page.get_by_role("button", name="Favourite").click()
    page.fill("[aria-label='Add a tag']", "keeper")
    page.press("[aria-label='Add a tag']", "Enter")
    page.get_by_label("Remove the tag keeper").wait_for()
    page.get_by_label("Negative words").focus()
    page.keyboard.type("half a wo")
    page.click("#cm_refresh")
    page.wait_for_selector("#cm_progress:has-text('Refreshed')", timeout=20_000)
    page.get_by_label("Negative words").press("End")
    page.keyboard.type("rd")
    page.get_by_label("Negative words").blur()
    page.wait_for_function("async id => (await civitaiManager.get('models/' + id)).negative === 'half a word'", arg=model)
    steps.reload(page)
    page.wait_for_selector(".cm-favourite[aria-pressed=true]", timeout=20_000)
    page.get_by_label("Remove the tag keeper").wait_for()
    page.get_by_label("Remove the tag keeper").click()
    page.get_by_label("Remove the tag keeper").wait_for(state="detached")
    assert browser.errors == []


@pytest.mark.once
def test_the_numbers_are_shown_and_lead_to_the_grid(own_app: Any, browser: Any) -> None:
    if own_app.get("/civitai-manager/statistics").status_code != 200:
        pytest.skip("this version has no statistics")
    page = browser.open(own_app.url)
    scan(page)
    page.wait_for_selector(".cm-tile:has-text('files here') b:text-is('5')", timeout=20_000)
    for name in ("By type", "By drive", "Growth", "Biggest"):
        part = page.get_by_role("region", name=name)
        part.wait_for()
        assert part.locator("svg[role=img][aria-label]").count() >= 1
    page.get_by_text("Broken: 1 file").click()
    page.locator("[data-list='is:broken']").get_by_role("button", name="Show them in the library").click()
    page.wait_for_selector(".cm-count:text-is('1 model')")
    assert page.input_value(".cm-search") == "is:broken"
    page.locator(".cm-card", has_text="broken").first.wait_for()


@pytest.mark.once
def test_updates_are_listed_chosen_and_fetched(make_app: Any, browser: Any, demo: Any, tmp_path: Path) -> None:
    app = make_app(tmp_path / "app")
    model, version, file = next(one for one in published(demo) if len(one[0]["modelVersions"]) > 1 and one[0]["modelVersions"][0] is not one[1])
    old = write(app.models / "Lora" / "old.safetensors", bytes_of(file))
    with app:
        if app.get("/civitai-manager/updates").status_code != 200:
            pytest.skip("this version has no updates")
        page = browser.open(app.url)
        scan(page)
        show(page, "updates")
        page.get_by_role("button", name="Check for updates").click()
        row = page.locator(f".cm-offer[data-model='{model['id']}']")
        row.wait_for(timeout=30_000)
        page.get_by_text("Last checked").wait_for()
        assert version["name"] in row.text_content()
        row.get_by_role("checkbox").check()
        page.get_by_role("button", name="Update 1 model").click()
        row.wait_for(state="detached", timeout=60_000)
        assert any(path != old for path in app.models.rglob("*.safetensors"))
        assert browser.errors == []
