"""The Settings view, made from ``settings.FIELDS``: one typed input for each, with its sentence. A secret's value never goes to the page."""

from __future__ import annotations

import json
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr
from msgspec import Meta

from ..errors import UsageError
from ..settings import FIELDS, SECRETS
from . import compat, native, render
from .native import NOT_NATIVE, Queueing

if TYPE_CHECKING:
    from ..application import Application
    from ..settings import SettingsStore

Bind = Callable[..., Any]

GROUPS = {
    "Account": ("api_key", "civitai_url"),
    "Downloads": ("parallel_downloads", "subfolder_template", "write_sidecars", "resume_at_start", "models_dir"),
    "Scan": ("scan_folders", "scan_exclude", "hash_threads"),
    "Files": ("own_trash", "after_update"),
    "Pictures": ("keep_examples", "examples_limit"),
    "Interchange": ("write_browser_plus", "write_lora_manager", "write_stability_matrix", "write_civbrowser"),
    "Page": ("language",),
    "WebUI": ("host_cards", "host_prompt_button"),
    "Connection": ("proxy", "http_timeout", "download_timeout", "http_retry_delay", "repair_host_queue", "native_progress"),
}
TITLES = {"write_browser_plus": "Browser+ and Neo", "write_lora_manager": "Lora Manager", "write_stability_matrix": "StabilityMatrix",
          "write_civbrowser": "CivBrowser",
          "api_key": "API key", "civitai_url": "Civitai address", "http_timeout": "Answer timeout (s)", "download_timeout": "Download timeout (s)",
          "http_retry_delay": "First retry after (s)", "native_progress": "Gradio's own progress bar",
          "scan_folders": "Further model folders", "scan_exclude": "Left out of scans", "hash_threads": "Threads for hashing",
          "own_trash": "Our own trash", "after_update": "Old file after an update",
          "keep_examples": "Keep example pictures", "examples_limit": "Room for kept pictures (MB)",
          "host_cards": "On the WebUI's cards", "host_prompt_button": "Resources beside the prompt",
          "repair_host_queue": "Repair the WebUI's queue", "models_dir": "Models folder"}  # fmt: skip


REMOVE = {"api_key": "Remove key", "proxy": "Remove proxy"}
LONG = ("scan_folders", "scan_exclude")
"""Texts of several lines."""
FEW = 3


def grouped() -> list[tuple[str, list[str]]]:
    """Every field exactly once; one that no group names is under "More"."""
    named = {name for names in GROUPS.values() for name in names}
    groups = [(title, [name for name in names if name in FIELDS]) for title, names in GROUPS.items()]
    rest = [name for name in FIELDS if name not in named]
    return [*groups, ("More", rest)] if rest else groups


def title(name: str) -> str:
    return TITLES.get(name, name.replace("_", " ").capitalize())


def type_and_sentence(name: str) -> tuple[type, str]:
    """A field's plain type, and its sentence with the limits in words."""
    base, *rest = typing.get_args(FIELDS[name].type)
    meta = next((entry for entry in rest if isinstance(entry, Meta)), Meta())
    limits = f" ({meta.ge:,} to {meta.le:,})" if meta.ge is not None and meta.le is not None else ""
    return base, f"{meta.description or ''}{limits}"


def choices(name: str) -> dict[str, str]:
    """The values that a setting can have, each with what the page calls it; none for one that takes any."""
    _, *rest = typing.get_args(FIELDS[name].type)
    found = next((entry.extra for entry in rest if isinstance(entry, Meta) and entry.extra), {})
    return dict(found.get("choices", {}))


def secret_state(store: SettingsStore, name: str) -> str:
    if name in store.overridden:
        return "Set by the environment or the command line."
    return "A value is set." if getattr(store.current, name) else "Not set."


class SettingsView:
    """Components and handlers of the Settings view. ``basis`` holds the values as the page got them, so that only what a person changed is saved."""

    def __init__(self, application: Callable[[], Application], queueing: Queueing = NOT_NATIVE) -> None:
        self.application = application
        self.queueing = queueing
        self.fields: dict[str, Any] = {}
        self.states: dict[str, Any] = {}
        self.removers: dict[str, Any] = {}

    def build(self, page: gr.Blocks, bind: Bind, ticket: Any) -> None:
        with gr.Column(elem_id="cm_fields"):
            self.basis = gr.Textbox(elem_id="cm_basis", label="basis", show_label=False, container=False)
            for heading, names in grouped():
                compat.html(render.tag("h3", heading, class_="cm-group"), f"cm_group_{heading.lower()}")
                for name in names:
                    self._field(name)
        with gr.Row(elem_id="cm_save_row"):
            self.save = gr.Button("Save", variant="primary", elem_id="cm_save")
            self.saved = compat.html("", "cm_saved")
        self._bind(page, bind, ticket)

    def _field(self, name: str) -> None:
        kind, sentence = type_and_sentence(name)
        common: dict[str, Any] = {"label": title(name), "info": sentence, "elem_id": f"cm_set_{name}", "interactive": True}
        if name in SECRETS:
            self.fields[name] = gr.Textbox(type="password", lines=1, max_lines=1, placeholder="A new value; empty keeps the present one", **common)
            with gr.Row(elem_id=f"cm_secret_{name}"):
                self.states[name] = compat.html("", f"cm_state_{name}")
                if name == "api_key":
                    self.test = gr.Button("Test key", elem_id="cm_test_key")
                self.removers[name] = gr.Button(REMOVE[name], elem_id=f"cm_remove_{name}")
            if name == "api_key":
                self.test_result = compat.html("", "cm_test_result")
        elif offered := choices(name):
            self.fields[name] = self._menu(name, offered, common)
        elif kind is bool:
            self.fields[name] = gr.Checkbox(**common)
        elif kind in (int, float):
            self.fields[name] = gr.Number(precision=0 if kind is int else None, **common)
        else:
            self.fields[name] = gr.Textbox(lines=3 if name in LONG else 1, max_lines=12 if name in LONG else 1, **common)

    def _menu(self, name: str, offered: dict[str, str], common: dict[str, Any]) -> Any:
        """Few are buttons, whose words can be translated; gradio writes the choice of a menu into a field."""
        if len(offered) <= FEW:
            return gr.Radio([(label, value) for value, label in offered.items()], **common)
        return compat.menu(offered, **common)

    @property
    def outputs(self) -> list[Any]:
        return [self.basis, *self.fields.values(), *self.states.values(), *self.removers.values()]

    def _bind(self, page: gr.Blocks, bind: Bind, ticket: Any) -> None:
        bind(page.load, self.load, None, self.outputs, action="show the settings", on_error="keep")
        shown = [self.saved, *self.outputs]
        bind(self.save.click, self.store, [self.basis, *self.fields.values()], shown, action="save the settings")
        pressed = bind(self.test.click, self.start_test, None, self.test_result, action="test the key", ticket=ticket)
        native.show_bar(bind, pressed, self.test_result, ticket, lambda: self.application().jobs, self.queueing)
        for name, button in self.removers.items():
            bind(button.click, self._remover(name), None, shown, action=f"remove {name}")

    # -- handlers ------------------------------------------------------------------------------------------------------------------------------

    def load(self) -> Any:
        """The present values; of a secret only whether it is set."""
        store = self.application().settings
        values = {name: getattr(store.current, name) for name in self.fields if name not in SECRETS}
        fixed = {name for name in self.fields if name in store.overridden}
        updates: list[Any] = [json.dumps(values)]
        for name in self.fields:
            sentence = type_and_sentence(name)[1]
            told = f"{sentence} Set by the environment or the command line, not changeable here." if name in fixed else sentence
            updates.append(gr.update(value=values.get(name, ""), interactive=name not in fixed, info=told))
        updates += [render.tag("p", secret_state(store, name), class_="cm-quiet") for name in self.states]
        updates += [gr.update(interactive=name not in fixed and bool(getattr(store.current, name))) for name in self.removers]
        return tuple(updates)

    def store(self, basis: str, *values: Any) -> Any:
        try:
            before = json.loads(basis or "")
        except ValueError:
            raise UsageError("The settings have not been read yet, so nothing was saved.", next_step="Reload the page and try again.") from None
        store = self.application().settings
        changes: dict[str, Any] = {}
        for name, value in zip(self.fields, values, strict=True):
            if name in store.overridden:
                continue
            if name in SECRETS:
                if value and value.strip():
                    changes[name] = value
            elif value != before.get(name):
                changes[name] = value
        if not changes:
            return (render.tag("p", "Nothing was changed.", class_="cm-line", role="status"), *self.load())
        had_key = bool(store.current.api_key)
        now = store.update(changes)
        told = f"Saved: {', '.join(title(name) for name in changes)}."
        if had_key and not now.api_key:
            told += " The API key was removed, because it was not made for this server. If the server needs one, enter it."
        return (render.tag("p", told, class_="cm-line cm-good", role="status"), *self.load())

    def _remover(self, name: str) -> Callable[[], Any]:
        def remove() -> Any:
            self.application().settings.update({name: ""})
            return (render.tag("p", f"{title(name)} removed.", class_="cm-line cm-good", role="status"), *self.load())

        remove.__qualname__ = f"SettingsView.remove_{name}"
        return remove

    def start_test(self, ticket: str) -> str:
        return render.job(self.application().test_key(ticket=ticket or ""), "Asking Civitai…")
