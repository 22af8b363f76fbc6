"""The page: txt2img with a job of its own, img2img, Extras, the extensions' tabs, and Settings with "Reload UI"."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from PIL import Image

from modules import images, infotext_utils, script_callbacks, sd_models, shared, ui_extra_networks, ui_gradio_extensions
from modules.call_queue import wrap_queued_call
from modules.initialize_util import GRADIO_MAJOR, js
from modules.shared_cmd_options import cmd_opts
from modules.ui_components import ToolButton

SAMPLERS = ["DPM++ 2M", "DPM++ SDE", "Euler a", "Euler", "DDIM", "UniPC"]
SCHEDULERS = ["Automatic", "Uniform", "Karras", "Exponential", "SGM Uniform"]
UPSCALERS = ["Latent", "None", "Lanczos", "R-ESRGAN 4x+", "4x-UltraSharp"]


def named_resources(prompt: str) -> str:
    """What the host adds to a picture's text: the checkpoint and the LoRA of the prompt, with their hashes."""
    import networks

    wanted = re.findall(r"<lora:([^:>]+)", prompt)
    found = [one for one in networks.available_networks.values() if one.name in wanted or one.get_alias() in wanted]
    hashes = ", ".join(f"{one.get_alias()}: {one.shorthash()}" for one in found)
    chosen = str(shared.opts.sd_model_checkpoint)
    parts = [f"Model: {chosen.rpartition('.')[0] or chosen}"] if chosen else []
    return "".join(f", {part}" for part in [*parts, *([f'Lora hashes: "{hashes}"'] if hashes else [])])


def generate(prompt: str, negative: str, steps: float) -> str:
    """The host's own queued work: takes two seconds (or ``--hostapp-work-seconds``), one at a time."""
    time.sleep(cmd_opts.hostapp_work_seconds)
    known = f"Steps: {int(steps)}, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 1, Size: 512x512"
    text = f"{prompt}\nNegative prompt: {negative}\n{known}{named_resources(prompt)}, Version: v1.10.1"
    images.save_image(Image.new("RGB", (64, 64), (70, 90, 160)), text)
    return text


@dataclass
class Fields:
    """The fields of one tab, and what of a picture's text goes into each."""

    tab: str
    paste: list[Any] = field(default_factory=list)

    def add(self, component: Any, key: Any) -> Any:
        self.paste.append(infotext_utils.PasteField(component, key))
        return component

    def prompts(self) -> tuple[Any, Any]:
        with gr.Column(elem_id=f"{self.tab}_prompt_container"):
            look: dict[str, Any] = {"show_label": False, "lines": 3, "value": ""}
            prompt = gr.Textbox(label="Prompt", elem_id=f"{self.tab}_prompt", placeholder="Prompt", **look)
            negative = gr.Textbox(label="Negative prompt", elem_id=f"{self.tab}_neg_prompt", placeholder="Negative prompt", **look)
        return self.add(prompt, "Prompt"), self.add(negative, "Negative prompt")

    def tools(self) -> Any:
        with gr.Row(elem_id=f"{self.tab}_tools"):
            paste = ToolButton("↙", elem_id="paste" if self.tab == "txt2img" else f"{self.tab}_paste")
            ToolButton("🗑️", elem_id=f"{self.tab}_clear_prompt")
        self.add(gr.Dropdown(label="Styles", elem_id=f"{self.tab}_styles", choices=[], value=[], multiselect=True), lambda d: d.get("Styles array"))
        return paste

    def slider(self, name: str, label: str, low: float, high: float, step: float, value: float, key: Any = None) -> Any:
        made = gr.Slider(minimum=low, maximum=high, step=step, value=value, label=label, elem_id=f"{self.tab}_{name}")
        return self.add(made, key or label)

    def sampling(self) -> Any:
        self.add(gr.Dropdown(label="Sampling method", elem_id=f"{self.tab}_sampling", choices=SAMPLERS, value=SAMPLERS[0]), sampler_of)
        self.add(gr.Dropdown(label="Schedule type", elem_id=f"{self.tab}_scheduler", choices=SCHEDULERS, value=SCHEDULERS[0]), scheduler_of)
        return self.slider("steps", "Sampling steps", 1, 150, 1, 20, "Steps")

    def size(self) -> None:
        self.slider("width", "Width", 64, 2048, 8, 512, "Size-1")
        self.slider("height", "Height", 64, 2048, 8, 512, "Size-2")
        gr.Slider(minimum=1, maximum=100, step=1, value=1, label="Batch count", elem_id=f"{self.tab}_batch_count")
        self.slider("batch_size", "Batch size", 1, 8, 1, 1)

    def seed(self) -> None:
        self.add(gr.Number(label="Seed", value=-1, precision=0, elem_id=f"{self.tab}_seed"), "Seed")
        extra = gr.Checkbox(label="Extra", value=False, elem_id=f"{self.tab}_subseed_show")
        self.add(extra, lambda d: "Variation seed" in d or "Seed resize from-1" in d)
        self.add(gr.Number(label="Variation seed", value=-1, precision=0, elem_id=f"{self.tab}_subseed"), "Variation seed")
        self.slider("subseed_strength", "Variation strength", 0, 1, 0.01, 0, "Variation seed strength")

    def overrides(self) -> Any:
        return gr.Dropdown([], label="Override settings", elem_id=f"{self.tab}_override_settings", visible=False, multiselect=True)

    def hires(self) -> None:
        on = gr.Checkbox(label="Hires. fix", value=False, elem_id="txt2img_hr-checkbox")
        self.add(on, lambda d: "Denoising strength" in d and ("Hires upscale" in d or "Hires upscaler" in d))
        self.add(gr.Dropdown(label="Upscaler", elem_id="txt2img_hr_upscaler", choices=UPSCALERS, value="Latent"), "Hires upscaler")
        self.slider("hires_steps", "Hires steps", 0, 150, 1, 0)
        self.slider("denoising_strength", "Denoising strength", 0, 1, 0.01, 0.7)
        self.slider("hr_scale", "Upscale by", 1, 4, 0.05, 2, "Hires upscale")


def sampler_of(params: dict[str, Any]) -> Any:
    """The sampler, without the scheduler that older texts have at its end."""
    name = str(params.get("Sampler") or "")
    return next((known for known in SAMPLERS if name in (known, *(f"{known} {scheduler}" for scheduler in SCHEDULERS))), None)


def scheduler_of(params: dict[str, Any]) -> Any:
    ending = next((one for one in SCHEDULERS if str(params.get("Sampler") or "").endswith(f" {one}")), None)
    named = params.get("Schedule type")
    return ending if named in (None, "Automatic") and ending else named if named in SCHEDULERS else None


def picture(label: str, elem_id: str, **options: Any) -> Any:
    more = {"source": "upload", **options} if GRADIO_MAJOR < 4 else {"sources": ["upload"]}
    return gr.Image(label=label, elem_id=elem_id, interactive=True, type="pil", image_mode="RGBA", **more)


def paste_button(button: Any, tab: str, source: Any) -> None:
    infotext_utils.register_paste_params_button(infotext_utils.ParamBinding(paste_button=button, tabname=tab, source_text_component=source))


def create_txt2img() -> gr.Blocks:
    fields = Fields("txt2img")
    with gr.Blocks(analytics_enabled=False) as interface:
        with gr.Row(elem_id="txt2img_toprow"):
            prompt, negative = fields.prompts()
            with gr.Column(elem_id="txt2img_actions_column"):
                button = gr.Button("Generate", elem_id="txt2img_generate", variant="primary")
                paste = fields.tools()
        with gr.Tabs(elem_id="txt2img_extra_tabs", elem_classes=["extra-networks"]):
            with gr.Tab("Generation", id="txt2img_generation"), gr.Row():
                with gr.Column(elem_id="txt2img_settings"):
                    steps = fields.sampling()
                    fields.hires()
                    fields.size()
                    fields.slider("cfg_scale", "CFG Scale", 1, 30, 0.5, 7, "CFG scale")
                    fields.seed()
                    overrides = fields.overrides()
                with gr.Column():
                    result = gr.Textbox(label="Generation text", elem_id="txt2img_result", lines=3)
            ui_extra_networks.create_tabs("txt2img")
        button.click(wrap_queued_call(generate), inputs=[prompt, negative, steps], outputs=[result])
        infotext_utils.add_paste_fields("txt2img", None, fields.paste, overrides)
        paste_button(paste, "txt2img", prompt)
    return interface


def create_img2img() -> gr.Blocks:
    fields = Fields("img2img")
    with gr.Blocks(analytics_enabled=False) as interface:
        with gr.Row(elem_id="img2img_toprow"):
            prompt, _ = fields.prompts()
            with gr.Column(elem_id="img2img_actions_column"):
                gr.Button("Generate", elem_id="img2img_generate", variant="primary")
                paste = fields.tools()
        with gr.Tabs(elem_id="img2img_extra_tabs", elem_classes=["extra-networks"]):
            with gr.Tab("Generation", id="img2img_generation"), gr.Column(elem_id="img2img_settings"):
                with gr.Tabs(elem_id="mode_img2img"):
                    with gr.TabItem("img2img", id="img2img", elem_id="img2img_img2img_tab"):
                        init_img = picture("Image for img2img", "img2img_image")
                    with gr.TabItem("Sketch", id="img2img_sketch", elem_id="img2img_img2img_sketch_tab"):
                        picture("Image for img2img", "img2img_sketch")
                    with gr.TabItem("Inpaint", id="inpaint", elem_id="img2img_inpaint_tab"):
                        masked = picture("Image for inpainting with mask", "img2maskimg", **({"tool": "sketch"} if GRADIO_MAJOR < 4 else {}))
                fields.sampling()
                fields.size()
                fields.slider("cfg_scale", "CFG Scale", 1, 30, 0.5, 7, "CFG scale")
                fields.slider("denoising_strength", "Denoising strength", 0, 1, 0.01, 0.75)
                fields.seed()
                areas = ["Whole picture", "Only masked"]
                fields.add(gr.Radio(areas, value=areas[0], type="index", label="Inpaint area", elem_id="img2img_inpaint_full_res"), "Inpaint area")
                overrides = fields.overrides()
            ui_extra_networks.create_tabs("img2img")
        infotext_utils.add_paste_fields("img2img", init_img, fields.paste, overrides)
        infotext_utils.add_paste_fields("inpaint", masked, fields.paste, overrides)
        paste_button(paste, "img2img", prompt)
    return interface


def create_extras() -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as interface, gr.Tabs(elem_id="mode_extras"), gr.TabItem("Single Image", id="single_image"):
        infotext_utils.add_paste_fields("extras", picture("Source", "extras_image"), None)
    return interface


def create_settings() -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as interface:
        reload_button = gr.Button("Reload UI", elem_id="settings_restart_gradio", variant="primary")
        reload_button.click(shared.state.request_restart, inputs=[], outputs=[])
    return interface


def add_quicksettings() -> None:
    """The checkpoint's list above the tabs, and the hidden button by which the cards choose one."""

    def choose(title: str | None) -> Any:
        known = sd_models.titles()
        found = next((one for one in known if title in (one, one.rpartition(".")[0])), None)
        if found:
            shared.opts.sd_model_checkpoint = found
        return gr.update(value=shared.opts.sd_model_checkpoint or None, choices=known)

    with gr.Row(elem_id="quicksettings"):
        box = gr.Dropdown(sd_models.titles(), label="Stable Diffusion checkpoint", elem_id="setting_sd_model_checkpoint", interactive=True)
        hidden = gr.Button("Change checkpoint", elem_id="change_checkpoint", elem_classes=["hostapp-hidden"])
    box.change(choose, inputs=[box], outputs=[box])
    script = "(v) => { const name = desiredCheckpointName; desiredCheckpointName = ''; return [name || v]; }"
    hidden.click(choose, inputs=[box], outputs=[box], **js(script))
    known = {name: getattr(shared.opts, name) for name in ("extra_networks_default_multiplier", "extra_networks_add_text_separator")}
    gr.Textbox(json.dumps(known), elem_id="settings_json", elem_classes=["hostapp-hidden"])


def create_ui() -> gr.Blocks:
    ui_gradio_extensions.reload_javascript()
    infotext_utils.reset()
    interfaces = [(create_txt2img(), "txt2img", "txt2img"), (create_img2img(), "img2img", "img2img"), (create_extras(), "Extras", "extras")]
    interfaces += script_callbacks.ui_tabs_callback()
    script_callbacks.ui_settings_callback()
    interfaces.append((create_settings(), "Settings", "settings"))
    shared.tab_names = [label for _, label, _ in interfaces]
    with gr.Blocks(analytics_enabled=False, title="Stable Diffusion") as demo:
        add_quicksettings()
        infotext_utils.connect_paste_params_buttons()
        with gr.Tabs(elem_id="tabs"):
            for interface, label, elem_id in interfaces:
                with gr.TabItem(label, id=elem_id, elem_id=f"tab_{elem_id}"):
                    interface.render()
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
