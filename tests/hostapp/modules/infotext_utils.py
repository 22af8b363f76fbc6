"""Buttons that send a picture and its generation text to the fields of another tab."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from PIL import Image

from modules import errors, script_callbacks, shared
from modules.infotext_reading import parse_generation_parameters
from modules.initialize_util import js

sys.modules["modules.generation_parameters_copypaste"] = sys.modules[__name__]  # the older name

paste_fields: dict[str, dict[str, Any]] = {}
registered_param_bindings: list[ParamBinding] = []


@dataclass
class ParamBinding:
    paste_button: Any
    tabname: str
    source_text_component: Any = None
    source_image_component: Any = None
    source_tabname: str | None = None
    override_settings_component: Any = None
    paste_field_names: list[str] = field(default_factory=list)


class PasteField(tuple):
    """A component, and the name of its parameter or a function of all parameters: a pair that knows which of the two it has."""

    def __new__(cls, component: Any, target: Any, *, api: str | None = None) -> PasteField:
        return super().__new__(cls, (component, target))

    def __init__(self, component: Any, target: Any, *, api: str | None = None) -> None:
        super().__init__()
        self.api, self.component = api, component
        self.label = target if isinstance(target, str) else None
        self.function = target if callable(target) else None


def reset() -> None:
    paste_fields.clear()
    registered_param_bindings.clear()


def add_paste_fields(tabname: str, init_img: Any, fields: list[tuple[Any, Any]] | None, override_settings_component: Any = None) -> None:
    made = [one if isinstance(one, PasteField) else PasteField(*one) for one in fields] if fields else fields
    paste_fields[tabname] = {"init_img": init_img, "fields": made, "override_settings_component": override_settings_component}


def register_paste_params_button(params: ParamBinding) -> None:
    registered_param_bindings.append(params)


def picture_with_size(picture: Any) -> tuple[Any, Any, Any]:
    known = shared.opts.send_size and isinstance(picture, Image.Image)
    return (picture, picture.width, picture.height) if known else (picture, gr.update(), gr.update())


def connect_paste_params_buttons() -> None:
    for binding in registered_param_bindings:
        target = paste_fields[binding.tabname]
        fields, picture = target["fields"] or [], target["init_img"]
        sizes = [next((component for component, name in fields if name == label), None) for label in ("Size-1", "Size-2")]
        if binding.source_image_component is not None and picture is not None:
            sized = sizes[0] is not None and binding.tabname != "inpaint"
            binding.paste_button.click(
                fn=picture_with_size if sized else (lambda given: given),
                inputs=[binding.source_image_component],
                outputs=[picture, *sizes] if sized else [picture],
                show_progress=False,
            )
        if binding.source_text_component is not None and target["fields"] is not None:
            settings = binding.override_settings_component or target["override_settings_component"]
            connect_paste(binding.paste_button, fields, binding.source_text_component, settings, binding.tabname)
        binding.paste_button.click(fn=None, inputs=None, outputs=None, show_progress=False, **js(f"switch_to_{binding.tabname}"))


def value_for(component: Any, key: str | Callable[[dict[str, Any]], Any], params: dict[str, Any]) -> Any:
    """The update of one field: nothing where the parameter is missing or does not fit."""
    try:
        value = key(params) if callable(key) else params.get(key)
    except Exception:
        errors.report(f"Error executing {key}", exc_info=True)
        value = None
    if value is None:
        return gr.update()
    if isinstance(value, dict):
        return value
    kind = type(component.value)
    try:
        return gr.update(value=False if kind is bool and value == "False" else float(value) if kind is int else kind(value))
    except (TypeError, ValueError):
        return gr.update()


def settings_from(params: dict[str, Any], handled: set[Any]) -> dict[str, Any]:
    """The list "Override settings": what the text says of settings that differ from the present ones."""
    named = [(info.infotext, name) for name, info in shared.opts.data_labels.items() if getattr(info, "infotext", None)]
    pairs = []
    for label, name in named:
        if label not in handled and params.get(label) is not None and str(params[label]) != str(getattr(shared.opts, name)):
            pairs.append(f"{label}: {params[label]}")
    return gr.update(value=pairs, choices=pairs, visible=bool(pairs))


def connect_paste(button: Any, fields: list[Any], source: Any, settings: Any, tabname: str) -> None:
    handled = {key for _, key in fields}
    targets = [*fields, (settings, lambda params: settings_from(params, handled))] if settings is not None else fields

    def paste(text: str) -> list[Any]:
        text = text or shared.last_parameters()
        params = parse_generation_parameters(text)
        script_callbacks.infotext_pasted_callback(text, params)
        return [value_for(component, key, params) for component, key in targets]

    button.click(fn=paste, inputs=[source], outputs=[component for component, _ in targets], show_progress=False)
    button.click(fn=None, inputs=[], outputs=[], show_progress=False, **js(f"recalculate_prompts_{tabname}"))
