"""The page: txt2img with a job of its own, the extensions' tabs, and Settings with "Reload UI"."""

from __future__ import annotations

import time

import gradio as gr

from modules import infotext_utils, script_callbacks, shared, ui_gradio_extensions
from modules.call_queue import wrap_queued_call
from modules.initialize_util import GRADIO_MAJOR
from modules.shared_cmd_options import cmd_opts
from modules.ui_components import ToolButton


def generate(prompt: str, negative: str, steps: float) -> str:
    """The host's own queued work: takes two seconds (or ``--hostapp-work-seconds``), one at a time."""
    time.sleep(cmd_opts.hostapp_work_seconds)
    return f"{prompt}\nNegative prompt: {negative}\nSteps: {int(steps)}, Sampler: Euler a, Size: 512x512, Version: v1.10.1"


def create_txt2img() -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as interface, gr.Row(elem_id="txt2img_toprow"):
        with gr.Column():
            prompt = gr.Textbox(label="Prompt", elem_id="txt2img_prompt", lines=3)
            negative = gr.Textbox(label="Negative prompt", elem_id="txt2img_neg_prompt", lines=3)
            steps = gr.Slider(minimum=1, maximum=150, step=1, value=20, label="Sampling steps", elem_id="txt2img_steps")
        with gr.Column():
            button = gr.Button("Generate", elem_id="txt2img_generate", variant="primary")
            ToolButton("↙", elem_id="paste")
            result = gr.Textbox(label="Generation text", elem_id="txt2img_result", lines=3)
        button.click(wrap_queued_call(generate), inputs=[prompt, negative, steps], outputs=[result])
        infotext_utils.add_paste_fields("txt2img", None, [(prompt, "Prompt"), (negative, "Negative prompt"), (steps, "Steps")])
    return interface


def create_settings() -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as interface:
        reload_button = gr.Button("Reload UI", elem_id="settings_restart_gradio", variant="primary")
        reload_button.click(shared.state.request_restart, inputs=[], outputs=[])
    return interface


def create_ui() -> gr.Blocks:
    ui_gradio_extensions.reload_javascript()
    infotext_utils.reset()
    interfaces = [(create_txt2img(), "txt2img", "txt2img")]
    interfaces += script_callbacks.ui_tabs_callback()
    script_callbacks.ui_settings_callback()
    interfaces.append((create_settings(), "Settings", "settings"))
    shared.tab_names = [label for _, label, _ in interfaces]
    with gr.Blocks(analytics_enabled=False, title="Stable Diffusion") as demo:
        with gr.Tabs(elem_id="tabs"):
            for interface, label, elem_id in interfaces:
                with gr.TabItem(label, id=elem_id, elem_id=f"tab_{elem_id}"):
                    interface.render()
        infotext_utils.connect_paste_params_buttons()
        gr.HTML('<div class="versions">version: <a href="#">v1.10.1</a></div>', elem_id="footer")
    return demo


def launch_arguments() -> dict:
    """What the host passes to ``launch``, without what this gradio no longer takes."""
    arguments = {
        "server_port": cmd_opts.port,
        "prevent_thread_lock": True,
        "root_path": f"/{cmd_opts.subpath.strip('/')}" if cmd_opts.subpath else "",
        "app_kwargs": {"docs_url": "/docs", "redoc_url": "/redoc"},
    }
    if GRADIO_MAJOR >= 5:
        arguments["ssr_mode"] = False
    return arguments
