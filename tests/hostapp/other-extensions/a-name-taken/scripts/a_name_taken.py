from __future__ import annotations

import civitai_manager_libs
import gradio as gr
from modules import script_callbacks


def on_ui_tabs():
    with gr.Blocks(analytics_enabled=False) as interface:
        gr.Markdown(f"loaded from {civitai_manager_libs.OWNER}", elem_id="name_taken_owner")
    return [(interface, "Name taken", "name_taken")]


script_callbacks.on_ui_tabs(on_ui_tabs)
