from __future__ import annotations

from typing import Any

import gradio as gr


def ToolButton(*args: Any, **kwargs: Any) -> gr.Button:
    """A small button. A function, because gradio writes a file beside each class that is made from a component."""
    return gr.Button(*args, elem_classes=[*kwargs.pop("elem_classes", []), "tool"], **kwargs)
