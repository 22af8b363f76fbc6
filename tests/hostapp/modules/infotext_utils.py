"""Buttons that send a picture's generation text to the fields of another tab."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

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


def reset() -> None:
    paste_fields.clear()
    registered_param_bindings.clear()


def add_paste_fields(tabname: str, init_img: Any, fields: list[tuple[Any, str]]) -> None:
    paste_fields[tabname] = {"init_img": init_img, "fields": fields}


def register_paste_params_button(params: ParamBinding) -> None:
    registered_param_bindings.append(params)


def parse_generation_parameters(text: str) -> dict[str, str]:
    """Prompt, negative prompt and the ``Name: value`` pairs of the last line."""
    *lines, last = text.strip().split("\n")
    pairs = dict(re.findall(r"\s*([\w ]+): ([^,]+)(?:,|$)", last))
    if len(pairs) < 3:
        lines, pairs = [*lines, last], {}
    prompt, _, negative = "\n".join(lines).partition("Negative prompt:")
    return {"Prompt": prompt.strip(), "Negative prompt": negative.strip(), **pairs}


def connect_paste_params_buttons() -> None:
    for binding in registered_param_bindings:
        fields = paste_fields[binding.tabname]["fields"]

        def paste(text: str, fields: list[tuple[Any, str]] = fields) -> list[Any]:
            found = parse_generation_parameters(text)
            return [gr.update(value=found[name]) if name in found else gr.update() for _, name in fields]

        binding.paste_button.click(paste, inputs=[binding.source_text_component], outputs=[component for component, _ in fields])
