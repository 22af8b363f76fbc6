"""The Settings view's handlers with a real settings file."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
from civitai_manager_libs.settings import SettingsStore
from civitai_manager_libs.ui.settings_view import SettingsView, choices

KEY = "0123456789abcdef0123456789abcdef"


def save(view: SettingsView, **changes: Any) -> str:
    """Press Save with these values changed; what is told."""
    basis = view.load()[0]
    present = json.loads(basis)
    return str(view.store(basis, *[changes.get(name, present.get(name, "")) for name in view.fields])[0])


def test_changing_the_server_removes_the_key_and_says_so(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "settings.json", environ={})
    application: Any = SimpleNamespace(settings=store)
    view = SettingsView(lambda: application)
    with gr.Blocks() as page:
        view.build(page, lambda *_arguments, **_options: None, ticket=None)
    assert "Saved: API key." in save(view, api_key=KEY)
    told = save(view, civitai_url="https://civitai.red")
    assert "removed" not in told and store.current.api_key == KEY
    told = save(view, civitai_url="https://mirror.example")
    assert "The API key was removed" in told and store.current.api_key == "" and KEY not in store.path.read_text()
    told = save(view, civitai_url="https://other.example", api_key=KEY)
    assert "removed" not in told and store.current.api_key == KEY


def test_a_setting_with_few_values_is_chosen_not_typed() -> None:
    """Buttons for two, a menu for many; a value that is stored but not offered is a choice, too."""
    assert choices("after_update") == {"keep": "It stays", "trash": "It goes to the trash"}
    assert choices("language")["de_DE"] == "Deutsch" and choices("proxy") == {}
    application: Any = SimpleNamespace()
    view = SettingsView(lambda: application)
    with gr.Blocks():
        view._field("after_update")
        view._field("language")
    assert isinstance(view.fields["after_update"], gr.Radio) and isinstance(view.fields["language"], gr.Dropdown)
    assert view.fields["language"].preprocess("fr_FR") == "fr_FR"
