"""The tab in another language: texts that are put together, data that stays, the WebUI's language. ``test_screens`` looks at every text."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.pages import screens
from tests.pages.steps import translated


def test_english_costs_nothing(furnished: Any, browser: Any) -> None:
    page = browser.open(furnished.url)
    page.wait_for_selector(".cm-card:not(.cm-waiting)")
    told = page.evaluate("() => ({active: window.civitaiManager.words.active, language: window.civitaiManager.words.language})")
    assert told == {"active": False, "language": "en"}


def test_texts_that_are_put_together_are_found_again(furnished: Any, browser: Any) -> None:
    """By templates, in parts, in sentences; numbers and dates as the language has them; data as it is."""
    words = {
        "{count} models": "{count} Modelle", "{count} model": "{count} Modell", "Move {count} files ({size})": "{count} Dateien ({size}) verschieben",
        "Running": "Läuft", "reading files": "Dateien werden gelesen", "{name} is gone from Civitai.": "{name} gibt es auf Civitai nicht mehr.",
        "What is registered and downloaded here stays as it is.": "Was hier ist, bleibt.", "published {when}": "veröffentlicht {when}",
        "Downloaded": "Heruntergeladen",
        "{state}: show it": "{state}: zeigen", "Not rated": "Unbewertet", "Name": "Bezeichnung",
        "Models on {base} usually need {needs}.": "Modelle auf {base} brauchen meist {needs}.", "the Flux VAE": "das Flux-VAE",
        "There is no VAE in the library.": "Kein VAE ist da.", "{count} failed. {reasons}": "{count} fehlgeschlagen. {reasons}",
        "it is being written": "wird geschrieben",
    }  # fmt: skip
    page = translated(browser, furnished.url, words, locale="de-DE")
    of = "text => window.civitaiManager.words.of(text)"
    assert page.evaluate(of, "1,284 models") == "1.284 Modelle"
    assert page.evaluate(of, "Move 3 files (4.1 GB)") == "3 Dateien (4,1 GB) verschieben"
    assert page.evaluate(of, "Running · reading files") == "Läuft · Dateien werden gelesen"
    assert page.evaluate(of, "Running · a_file.safetensors") == "Läuft · a_file.safetensors"
    assert page.evaluate(of, "A. B is gone from Civitai. What is registered and downloaded here stays as it is.") == (
        "A. B gibt es auf Civitai nicht mehr. Was hier ist, bleibt."
    )
    assert page.evaluate(of, "Models on Flux.1 usually need the Flux VAE. There is no VAE in the library.") == (
        "Modelle auf Flux.1 brauchen meist das Flux-VAE. Kein VAE ist da."
    )
    assert page.evaluate(of, "2 failed. Running: it is being written; b.pt: it is being written") == (
        "2 fehlgeschlagen. Running: wird geschrieben; b.pt: wird geschrieben"
    )
    assert page.evaluate(of, "Downloaded (1,284)") == "Heruntergeladen (1.284)"
    assert page.evaluate(of, "Not rated: show it") == "Unbewertet: zeigen"
    assert page.evaluate(of, "in 3 days") == "in 3 Tagen" and page.evaluate(of, "1 year ago") == "vor 1 Jahr"
    assert page.evaluate(of, "models of mine") == "models of mine"
    assert (
        page.evaluate("window.civitaiManager.t('Move {count} files ({size})', {count: 12345, size: '4.1 GB'})")
        == "12.345 Dateien (4,1 GB) verschieben"
    )
    page.wait_for_selector(f".cm-count:text-is('{len(screens.IDS)} Modelle')")
    # a model called as one of our words stays itself, and a text that is set again and again is not written again and again
    assert page.evaluate(
        """async () => {
        const cm = window.civitaiManager;
        const [name, state] = [cm.node("span", {translate: "no"}, "Name"), cm.node("span", {}, "Name")];
        cm.root().append(name, state);
        await new Promise((done) => setTimeout(done, 50));
        let changes = 0;
        new MutationObserver((records) => { changes += records.length; }).observe(state, {childList: true, characterData: true, subtree: true});
        for (let at = 0; at < 20; at += 1) { cm.text(state, "Name"); await new Promise((done) => setTimeout(done, 1)); }
        const told = [name.textContent, state.textContent, changes];
        name.remove();
        state.remove();
        return told;
    }"""
    ) == ["Name", "Bezeichnung", 0]
    assert browser.errors == []


def test_the_webuis_language_is_followed(make_app: Any, tmp_path: Any, browser: Any) -> None:
    """A real file and the WebUI's real option; alone, the browser's languages."""
    from tests.pages.conftest import IN_HOST

    if not IN_HOST:
        pytest.skip("alone there is no WebUI whose language could be followed; tests/web/test_words.py has the browser's")
    app = make_app(tmp_path)
    (app.data_path / "config.json").write_text(json.dumps({"localization": "zh-Hant (Stable)"}), encoding="utf-8")
    folder = app.extensions / "civitai-manager" / "localizations"
    folder.mkdir(exist_ok=True)
    (folder / "zh_TW.json").write_text(json.dumps({"Settings": "設定"}), encoding="utf-8")
    with app:
        page = browser.open(app.url)
        page.wait_for_selector(".cm-view:text-is('設定')")
        assert page.evaluate("window.civitaiManager.words.language") == "zh_TW"


def test_the_files_names_are_those_of_languages() -> None:
    from civitai_manager_libs.web import words

    for path in words.FOLDER.glob("*.json"):
        assert re.fullmatch(words.LANGUAGE, path.stem), path.name
