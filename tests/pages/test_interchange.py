"""Out of the library and into it, through the page: a selection saved as a file, a library from one product to another, another tool's folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from demo.specials import SPECIAL
from tests.hostapp.harness import ROOT
from tests.pages import steps

pytestmark = pytest.mark.once
MODELS = [SPECIAL[name].model_id for name in ("many_versions", "variants_same_name")]


def show(page: Any, view: str) -> None:
    page.click(f".cm-view[data-view={view}]")
    page.wait_for_selector(f"#civitai_manager[data-cm-view={view}]")


def shortcut(folder: Path) -> Path:
    sys.path.insert(0, str(ROOT / "tests" / "interchange"))
    try:
        import shapes
    finally:
        sys.path.pop(0)
    return shapes.shortcut(folder)


def test_a_selection_and_the_library_go_to_another_machine(app: Any, make_app: Any, browser: Any, tmp_path: Path) -> None:
    app.register("\n".join(map(str, MODELS)))
    app.post("/civitai-manager/models/edit", json={"ids": MODELS[:1], "add_tags": ["takealong"]})
    page = browser.open(app.url)
    page.fill(".cm-search", "#takealong")
    page.wait_for_selector(".cm-count:text-is('1 model')")
    steps.card(page, MODELS[0]).locator(".cm-tick").click()
    page.click(".cm-select-tools button:has-text('More')")
    page.click(".cm-menu button:has-text('Export…')")
    page.wait_for_selector(".cm-undo-line:has-text('1 model exported.')", timeout=20_000)
    steps.reload(page)  # the offer to save it stays
    with page.expect_download() as told:
        page.get_by_role("link", name="Save the file").first.click()
    assert "1-models" in told.value.suggested_filename
    told.value.save_as(tmp_path / "some.json")
    assert [one["id"] for one in json.loads((tmp_path / "some.json").read_text("utf-8"))["models"]] == MODELS[:1]

    show(page, "health")
    page.get_by_role("button", name="Export the library").click()
    part = page.get_by_role("region", name="Your library as a file")
    part.get_by_role("link", name="Save the file").wait_for(timeout=20_000)
    with make_app(tmp_path / "other") as other:
        there = browser.open(other.url)
        show(there, "health")
        there.set_input_files(".cm-interchange input[type=file]", str(tmp_path / "some.json"))
        part = there.get_by_role("region", name="Your library as a file")
        part.get_by_role("heading", name="What would be taken").wait_for(timeout=30_000)
        part.get_by_text("Models: 1 new").wait_for()
        assert other.cards() == []
        part.get_by_role("button", name="Import this").click()
        part.get_by_role("heading", name="What was taken").wait_for(timeout=30_000)
        assert [card["id"] for card in other.cards()] == MODELS[:1]
        bad = tmp_path / "bad.json"
        bad.write_text("{}", "utf-8")
        there.set_input_files(".cm-interchange input[type=file]", str(bad))
        part.get_by_text("This file is no library of Civitai Manager.").wait_for()

        folder = shortcut(tmp_path / "sc")
        part = there.get_by_role("region", name="From other tools")
        part.get_by_label("Tool to import from").select_option("civitai-shortcut")
        part.get_by_label("Folder of the tool").fill(str(tmp_path / "nowhere"))
        part.get_by_role("button", name="Look at what there is").click()
        part.get_by_text("is not there").wait_for()
        part.get_by_label("Folder of the tool").fill(str(folder))
        part.get_by_role("button", name="Look at what there is").click()
        part.get_by_text("Models: 8 new").wait_for(timeout=30_000)
        part.get_by_text("could not be read").first.click()
        assert "[object" not in part.text_content()
        assert len(other.cards()) == 1
        with there.expect_download() as told:
            part.get_by_role("link", name="Save the whole report").click()
        assert json.loads(Path(told.value.path()).read_text("utf-8"))["dry_run"] is True
        part.get_by_role("button", name="Import this").click()
        part.get_by_role("heading", name="What was taken").wait_for(timeout=30_000)
        assert len(other.cards()) == 9
    assert [error for error in browser.errors if "400" not in error] == []
