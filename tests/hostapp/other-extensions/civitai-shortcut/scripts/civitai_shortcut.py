from __future__ import annotations

import gradio as gr
from modules import script_callbacks

from scripts.civitai_manager_libs import OWNER


def on_ui_tabs():
    with gr.Blocks(analytics_enabled=False) as interface:
        gr.Markdown(f"loaded from {OWNER}", elem_id="civitai_shortcut_owner")
    return [(interface, "Civitai Shortcut", "civitai_shortcut")]


script_callbacks.on_ui_tabs(on_ui_tabs)
