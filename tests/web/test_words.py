"""The page's language and its dictionary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastapi
import pytest
from civitai_manager_libs.errors import Busy
from civitai_manager_libs.web import routes, words
from starlette.testclient import TestClient
from support import NOWHERE, make_application

KNOWN = ("de_DE", "ja_JP", "ko_KR", "zh_CN", "zh_TW")


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("zh_TW", "zh_TW"), ("zh-TW", "zh_TW"), ("zh-Hant", "zh_TW"), ("zh-Hant (Stable)", "zh_TW"), ("zh-HK", "zh_TW"),
        ("Traditional Chinese", "zh_TW"),
        ("zh_CN", "zh_CN"), ("zh-Hans", "zh_CN"), ("zh", "zh_CN"), ("chinese-all-0313", "zh_CN"), ("zh-SG", "zh_CN"), ("Simplified Chinese", "zh_CN"),
        ("ja", "ja_JP"), ("ja_JP", "ja_JP"), ("ko", "ko_KR"), ("ko-KR", "ko_KR"), ("de-AT", "de_DE"), ("DE", "de_DE"), ("Deutsch", "de_DE"),
        ("en-US", "en"), ("English", "en"), ("fr-FR", ""), ("None", ""), ("zhuang", ""), ("design", ""), ("", ""), ("<script>", ""),
    ],
)  # fmt: skip
def test_names_of_languages(name: str, language: str) -> None:
    assert words.named(name, KNOWN) == language


def test_the_setting_then_the_webui_then_the_browser() -> None:
    assert words.choose("ja_JP", "zh_TW", ["de"], KNOWN) == "ja_JP"
    assert words.choose("en", "zh_TW", ["de"], KNOWN) == "en"
    assert words.choose("auto", "zh_TW", ["de"], KNOWN) == "zh_TW"
    assert words.choose("auto", "", ["fr-FR", "de-AT", "en"], KNOWN) == "de_DE"
    assert words.choose("auto", "fr_FR", ["en-US", "de"], KNOWN) == "en"
    assert words.choose("auto", "", ["fr"], KNOWN) == "en"
    assert words.choose("fr_FR", "", ["de"], KNOWN) == "en"
    assert words.choose("auto", "", ["de"], []) == "en"


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    (tmp_path / "de_DE.json").write_text(json.dumps({"Save": "Speichern", "empty": "", "rtl": True}), encoding="utf-8")
    (tmp_path / "notes.json").write_text("{}", encoding="utf-8")
    assert words.languages(tmp_path) == ["de_DE"]
    assert words.languages(tmp_path / "none") == []
    told = words.dictionary("de_DE", tmp_path)
    assert told == {"language": "de_DE", "locale": "de-DE", "words": {"Save": "Speichern"}}
    (tmp_path / "de_DE.json").write_text(json.dumps({"Save": "Sichern"}), encoding="utf-8")
    assert words.dictionary("de_DE", tmp_path)["words"] == {"Save": "Sichern"}
    assert words.dictionary("en", tmp_path)["words"] == {}


def test_the_route_answers_once_and_then_that_nothing_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "de_DE.json").write_text(json.dumps({"Save": "Speichern"}), encoding="utf-8")
    (tmp_path / "ja_JP.json").write_text("[broken", encoding="utf-8")
    monkeypatch.setattr(words, "FOLDER", tmp_path)
    monkeypatch.setattr(words, "languages", lambda: ["de_DE", "ja_JP"])
    monkeypatch.setattr(words.dictionary, "__defaults__", (tmp_path,))
    application = make_application(tmp_path / "data", NOWHERE)
    app = fastapi.FastAPI()
    routes.add(app, lambda: application)
    with TestClient(app) as client:
        told = client.get(f"{routes.PREFIX}/words", params={"languages": "de-AT,en"})
        assert told.json() == {"language": "de_DE", "locale": "de-DE", "words": {"Save": "Speichern"}}
        again = client.get(f"{routes.PREFIX}/words", params={"languages": "de-AT,en"}, headers={"If-None-Match": told.headers["etag"]})
        assert again.status_code == 304 and not again.content
        assert client.get(f"{routes.PREFIX}/words").json()["words"] == {}
        assert client.get(f"{routes.PREFIX}/words", params={"languages": "ja"}).status_code == 500, "and the page stays in English"


def test_before_the_start_it_says_so() -> None:
    def starting() -> Any:
        raise Busy("Civitai Manager is still starting.")

    app = fastapi.FastAPI()
    routes.add(app, starting)
    with TestClient(app) as client:
        told = client.get(f"{routes.PREFIX}/words")
        assert told.status_code == 503 and told.json()["error"]["message"] == "Civitai Manager is still starting."
