"""Each language that is there is complete, and the collector sees what is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docs import scripts, texts
from docs.texts import FOLDER, PLACE, collected, problems

FILES = sorted(path.stem for path in FOLDER.glob("*.json")) if FOLDER.is_dir() else []


@pytest.fixture(scope="module")
def wanted() -> dict[str, str]:
    return collected()


def test_every_language_is_complete(wanted: dict[str, str]) -> None:
    """No text is lacking, none is left over, and the {places} are the same. ``python -m docs.texts LANGUAGE --update`` adds what is new."""
    wrong = {language: found for language in FILES if (found := problems(language, wanted))}
    assert not wrong, "\n".join(f"{language}: {line}" for language, lines in wrong.items() for line in lines[:40])


def test_files_hold_texts_only() -> None:
    for language in FILES:
        told = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
        assert all(isinstance(text, str) and text.strip() == text for pair in told.items() for text in pair), language


def test_what_is_shown_is_collected(wanted: dict[str, str]) -> None:
    """One of each kind: cm.t, a node's text, an attribute, a list, an error and its next step, a setting, a job's title and text, HTML."""
    for text in (
        "{count} models", "Scan my folders", "Search the library", "Biggest first", "Civitai does not accept your API key.",
        "How many downloads run at a time. (1 to 10)", "Parallel downloads", "Register {count} links", "reading files", "Choose a model in the grid.",
        "published {when}", "File name", "Check {count} models for updates", "no {awaits} for {count} s", "byte",
        "reconnecting", "This tag is too long ({count} characters).", "Delete copies of {name}", "It goes to the trash",
    ):  # fmt: skip
        assert text in wanted, text
    assert not [text for text in wanted if "SELECT" in text or text != text.strip() or "class" in text]


def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "FOLDER", tmp_path)
    (tmp_path / "de_DE.json").write_text(json.dumps({"{count} a": "{number} A", "old": "alt", "empty": ""}), encoding="utf-8")
    found = problems("de_DE", {"{count} a": "x.js:1", "new": "y.py:2", "empty": "z.py:3"})
    assert found == [
        "lacks: 'new' (y.py:2)", "lacks: 'empty' (z.py:3)", "has what is not shown any more: 'old'", "has other places: '{count} a' -> '{number} A'",
    ]  # fmt: skip


SCRIPT = """
// "not this"
const a = cm.node("p", {class: "cm-x", title: "A title"}, "Shown words", b ? "One thing" : "Other thing"); /* "nor this" */
if (event.key === "Escape") { cm.text(node, "It's \\u201cdone\\u201d"); }
const r = text.replace(/"[^"]*"/g, ""), key = {"quoted key": 1};
cm.say("Moved " + count + " files");
cm.t(`Template text`);
"""


def test_literals_are_read_with_their_places() -> None:
    found = {literal.text: literal for literal in scripts.literals(SCRIPT)}
    assert "not this" not in found and "nor this" not in found and '[^"]*' not in found
    assert found["A title"].key == "title" and found["cm-x"].key == "class"
    assert (found["Shown words"].call, found["Shown words"].argument) == ("cm.node", 2)
    assert found["Escape"].compared and found["quoted key"].is_key and found["Moved "].joined
    assert found["It's “done”"].call == "cm.text" and found["Template text"].call == "cm.t"
    assert {text for text, literal in found.items() if texts.shown(literal) and not literal.joined} == {
        "A title", "Shown words", "One thing", "Other thing", "It's “done”", "Template text",
    }  # fmt: skip


def test_places_of_templates() -> None:
    assert PLACE.findall("Move {count} files ({size})") == ["count", "size"]
