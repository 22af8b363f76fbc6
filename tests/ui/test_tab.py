"""The tab as it is built on this gradio: every event bound our way, nothing asked, no secret in it."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from civitai_manager_libs.settings import Settings
from civitai_manager_libs.ui import handlers, tab
from civitai_manager_libs.ui.choice import Chosen, Latest, Request

ROOT = Path(__file__).resolve().parents[2]
UI = ROOT / "scripts" / "civitai_manager_libs" / "ui"
EVENTS = {
    "click",
    "change",
    "input",
    "submit",
    "select",
    "load",
    "then",
    "success",
    "upload",
    "release",
    "blur",
    "focus",
    "key_up",
    "clear",
    "edit",
    "unload",
}


def not_asked() -> Any:
    raise AssertionError("nothing is asked of the application while the tab is built")


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return tab.build(not_asked).get_config_file()


def test_the_tab_is_there(config: dict[str, Any]) -> None:
    ids = {component["props"].get("elem_id") for component in config["components"]}
    assert {
        "civitai_manager",
        "cm_links",
        "cm_register",
        "cm_panel",
        "cm_version",
        "cm_file",
        "cm_download",
        "cm_settings",
        "cm_save",
        "cm_test_key",
    } <= ids
    assert config["title"] == "Civitai Manager"


def test_every_event_is_outside_the_queue_and_not_in_the_api(config: dict[str, Any]) -> None:
    events = [event for event in config["dependencies"] if event.get("backend_fn")]
    assert len(events) >= 10
    for event in events:
        assert event["queue"] is False
        assert event.get("api_name") in (False, None) or event.get("api_visibility") == "private"
        assert not event.get("every") and not event.get("cancels")


def test_the_page_says_nothing_of_the_settings_values(config: dict[str, Any]) -> None:
    for component in config["components"]:
        if (component["props"].get("elem_id") or "").startswith("cm_set_"):
            assert not component["props"].get("value")


def calls(tree: ast.AST) -> Any:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


@pytest.mark.parametrize("path", sorted(UI.glob("*.py")), ids=lambda path: path.name)
def test_events_are_bound_in_one_place_and_nothing_long_lived_is_used(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert not [node.name for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)], "handlers are plain functions"
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "gr"}
    held = {"Progress", "Timer", "State", "BrowserState"} - ({"Progress"} if path.name == "native.py" else set())
    assert not names & held, "nothing that opens a stream or holds one"
    words = {keyword.arg for call in calls(tree) for keyword in call.keywords}
    assert not words & {"every", "cancels", "track_tqdm"}
    if path.name in ("handlers.py", "compat.py"):
        return
    bound = [call.func.attr for call in calls(tree) if isinstance(call.func, ast.Attribute) and call.func.attr in EVENTS and call.args]
    bound = [name for name in bound if name != "load" or re.search(r"page\.load\(", source)]
    assert not bound, "events are bound by handlers.bind"
    versions = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in ("__version__", "MAJOR")]
    assert not versions, "versions are told apart in compat.py"


def test_our_scripts_ask_no_other_site_and_make_no_markup() -> None:
    for path in [ROOT / "style.css", *(ROOT / "javascript").glob("*.js")]:
        source = path.read_text(encoding="utf-8")
        assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)[^\s\"']+", source), path.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", source), path.name
        assert "EventSource" not in source and "WebSocket" not in source, path.name


def test_the_style_has_no_text_colour_of_its_own() -> None:
    style = (ROOT / "style.css").read_text(encoding="utf-8")
    for colour in re.findall(r"(?<![-\w])color:\s*([^;}]+)", style):
        assert colour.strip().removesuffix("!important").strip() in ("inherit",) or colour.strip().startswith("var(--"), colour
    for selector in re.findall(r"(?m)^([#.:\w\[][^{@]*)\{", style):
        for part in re.split(r",(?![^(]*\))", selector):
            assert "#c" in part, f"{part.strip()} is not below our own element"


def test_head_and_loader_name_the_same_files() -> None:
    named = set(re.findall(r"assets/([\w.]+)\?v=", tab.head()))
    assert named == {name.partition("?")[0] for name in json.loads(re.search(r"of (\[.*?\])\)", tab.loader()).group(1))}  # type: ignore[union-attr]
    assert named == {"style.css", "scripts.js"}


def test_choices_travel_as_text() -> None:
    assert Request.read("p4ge:7:12") == Request("p4ge", 7, 12, 0)
    assert Request.read("p4ge:7:12:34") == Request("p4ge", 7, 12, 34)
    assert Request.read("p4ge:7:-12") == Request("p4ge", 7, -12, 0)  # a file that is only here
    for broken in ("", None, "x", "x:1", "x:1:y", ":1:2", "x:-1:2", "x:1:2:3:4", "x:²:2"):
        assert Request.read(broken) == Request()
    assert Chosen.read(str(Chosen(1, 2, 3))) == Chosen(1, 2, 3)
    assert Chosen.read(str(Chosen(-5))) == Chosen(-5)
    for broken in ("", None, "1:2", "a:b:c", "1:2:3:4"):
        assert Chosen.read(broken) == Chosen()


def test_late_choices_are_known_and_pages_are_forgotten() -> None:
    latest = Latest(pages=2)
    latest.see(Request("a", 1, 5))
    latest.see(Request("a", 3, 6))
    latest.see(Request("a", 2, 7))
    assert latest.is_late(Request("a", 2, 7)) and not latest.is_late(Request("a", 3, 6))
    latest.see(Request("b", 1, 1))
    latest.see(Request("c", 1, 1))
    assert not latest.is_late(Request("a", 1, 1)), "forgotten"


def test_proxies_passwords_are_secrets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HTTPS_PROXY", "http://theirs:of-the-environment@proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "*")
    settings = Settings(api_key="0123456789abcdef", proxy="http://me:p%40ssw%20rd@proxy.example:3128")
    application: Any = SimpleNamespace(settings=SimpleNamespace(current=settings))
    told = "0123456789abcdef me:p%40ssw%20rd@proxy.example p@ssw rd p%40ssw%20rd of-the-environment proxy.example me"
    scrubbed = handlers.scrubbed(told, lambda: tab.secrets_of(lambda: application))
    assert scrubbed == "*** ***@proxy.example *** *** *** proxy.example me"
    assert list(tab.parts("")) == list(tab.parts("http://proxy.example:3128")) + [""]
    assert list(tab.parts("you:abc@proxy.example")) == ["you:abc"], "a short password alone would take letters out of other words"
    assert list(tab.secrets_of(not_asked)) == []
