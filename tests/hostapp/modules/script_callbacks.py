"""The host's callbacks: lists of functions by the moment at which they are called; an exception in one is printed and stops no other."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modules import errors, extensions, timer

CATEGORIES = ("app_started", "before_ui", "ui_tabs", "ui_settings", "infotext_pasted", "image_saved", "script_unloaded", "on_reload", "model_loaded")


@dataclass
class ScriptCallback:
    script: str
    callback: Callable[..., Any]
    name: str


@dataclass
class ImageSaveParams:
    """A saved picture: PIL's, what it was made with (None here), its path, and its texts: the infotext is "parameters"."""

    image: Any
    p: Any
    filename: str
    pnginfo: dict[str, Any]


callback_map: dict[str, list[ScriptCallback]] = {category: [] for category in CATEGORIES}


def clear_callbacks() -> None:
    for callbacks in callback_map.values():
        callbacks.clear()


def _add(category: str, function: Callable[..., Any], name: str | None) -> None:
    filename = next((frame.filename for frame in inspect.stack() if frame.filename != __file__), "unknown file")
    extension = extensions.find_extension(filename)
    label = f"{extension.canonical_name if extension else 'base'}/{os.path.basename(filename)}/{category}"
    callback_map[category].append(ScriptCallback(filename, function, f"{label}/{name}" if name else label))


def _call(category: str, *args: Any) -> list[Any]:
    results = []
    for entry in list(callback_map[category]):
        try:
            results.append(entry.callback(*args))
            timer.startup_timer.record(f"{os.path.basename(entry.script)}: {category}")
        except Exception:
            errors.report(f"Error executing callback {category} for {entry.script}", exc_info=True)
    return results


def on_app_started(callback, *, name=None):
    _add("app_started", callback, name)


def on_before_ui(callback, *, name=None):
    _add("before_ui", callback, name)


def on_ui_tabs(callback, *, name=None):
    _add("ui_tabs", callback, name)


def on_ui_settings(callback, *, name=None):
    _add("ui_settings", callback, name)


def on_infotext_pasted(callback, *, name=None):
    _add("infotext_pasted", callback, name)


def on_image_saved(callback, *, name=None):
    _add("image_saved", callback, name)


def on_script_unloaded(callback, *, name=None):
    _add("script_unloaded", callback, name)


def on_before_reload(callback, *, name=None):
    _add("on_reload", callback, name)


def on_model_loaded(callback, *, name=None):
    _add("model_loaded", callback, name)


def app_started_callback(demo, app) -> None:
    _call("app_started", demo, app)


def before_ui_callback() -> None:
    _call("before_ui")


def ui_tabs_callback() -> list[Any]:
    return [tab for tabs in _call("ui_tabs") for tab in tabs or []]


def ui_settings_callback() -> None:
    _call("ui_settings")


def infotext_pasted_callback(infotext: str, params: dict[str, Any]) -> None:
    _call("infotext_pasted", infotext, params)


def image_saved_callback(params: ImageSaveParams) -> None:
    _call("image_saved", params)


def script_unloaded_callback() -> None:
    for entry in reversed(list(callback_map["script_unloaded"])):
        try:
            entry.callback()
        except Exception:
            errors.report(f"Error executing callback script_unloaded for {entry.script}", exc_info=True)


def app_reload_callback() -> None:
    _call("on_reload")
