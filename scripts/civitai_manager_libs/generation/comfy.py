"""ComfyUI's graph of a picture, read for what a person wants to know: prompts, sampler, seed, size, models.

A graph (the "prompt" of its API) is ``{node id: {"class_type", "inputs"}}``; an input is a value, or a link ``[node id, output]``. The way goes
backwards: from the sampler to the texts through whatever mixes conditioning, and to the checkpoint through whatever changes the model. Nodes of
unknown classes are passed through by their links. The "workflow" of its page is turned into a graph first, for the well-known classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from . import graphs, infotext, mentions
from .found import Found, of_text
from .graphs import Graph, Node
from .mentions import Mention

SAMPLERS = {
    "euler": "Euler", "euler_ancestral": "Euler a", "lms": "LMS", "heun": "Heun", "dpm_2": "DPM2", "dpm_2_ancestral": "DPM2 a", "ddim": "DDIM",
    "dpm_fast": "DPM fast", "dpm_adaptive": "DPM adaptive", "dpmpp_2s_ancestral": "DPM++ 2S a", "dpmpp_sde": "DPM++ SDE",
    "dpmpp_sde_gpu": "DPM++ SDE",
    "dpmpp_2m": "DPM++ 2M", "dpmpp_2m_sde": "DPM++ 2M SDE", "dpmpp_2m_sde_gpu": "DPM++ 2M SDE", "dpmpp_3m_sde": "DPM++ 3M SDE",
    "dpmpp_3m_sde_gpu": "DPM++ 3M SDE", "uni_pc": "UniPC", "uni_pc_bh2": "UniPC", "lcm": "LCM", "plms": "PLMS", "ddpm": "DDPM",
    "res_multistep": "Res Multistep",
}  # fmt: skip
"""The WebUI's name of a sampler by ComfyUI's."""
SCHEDULERS = {
    "karras": "Karras", "exponential": "Exponential", "simple": "Simple", "normal": "Normal", "sgm_uniform": "SGM Uniform", "ddim_uniform": "DDIM",
    "beta": "Beta", "kl_optimal": "KL Optimal", "align_your_steps": "Align Your Steps",
}  # fmt: skip


MOST_SAMPLERS = 50
"""Samplers that are compared: a graph has one to five."""


def read(raw: object) -> Found | None:
    """What a graph tells: an object or JSON, alone or as ``{"prompt": graph, "workflow": ...}``. None when there is no sampler in it."""
    graph = graphs.decoded(raw)
    if graph is None:
        return None
    extra = graph.extra
    sampler = _sampler(graph)
    if sampler is None:
        return None
    prompt, negative = _prompts(graph, sampler)
    parameters = _parameters(graph, sampler)
    named = [*_resources(graph, sampler), *_airs(graph)]
    told = _told(extra)
    prompt, negative = told.get("prompt") or prompt, told.get("negativePrompt") or negative
    tags = [f"<lora:{one.name}:{_weight(one.weight)}>" for one in named if one.kind == "lora" and one.name and ":" not in one.name]
    written = {one.name for one in mentions.tags(prompt)}
    prompt = " ".join([prompt, *(tag for tag in dict.fromkeys(tags) if tag.split(":")[1] not in written)]).strip()
    named += list(mentions.of_resources(told.get("resources")))
    if not prompt and not negative and not named:
        return None
    numbered = [
        {"type": one.kind, "weight": one.weight, "modelVersionId": one.version_id, "modelId": one.model_id}
        for one in mentions.merged(named)
        if one.version_id
    ]
    if numbered:
        shown = [{name: value for name, value in one.items() if value} for one in numbered]
        parameters["Civitai resources"] = msgspec.json.encode(shown).decode()
    return of_text(infotext.write(prompt, negative, parameters), "comfy", named, comfy=True)


def _told(extra: Mapping[str, Any]) -> dict[str, Any]:
    """What Civitai's generator adds to its graphs: prompt and negativePrompt as the person wrote them, resources."""
    return {
        name: value for name, value in extra.items()
        if (name in ("prompt", "negativePrompt") and isinstance(value, str)) or (name == "resources" and isinstance(value, list))
    }  # fmt: skip


def _weight(weight: float | None) -> str:
    value = 1.0 if weight is None else round(weight, 4)
    return str(int(value)) if value == int(value) else str(value)


# -- the sampler


def _sampler(graph: Graph) -> Node | None:
    """The sampler that makes the picture: the first one of those that follow one another, the later ones refine."""
    samplers = [node for node in graph.nodes.values() if _is_sampler(node)]
    ends = graph.upstream(graph.outputs()) if samplers else set()
    samplers = ([node for node in samplers if node.id in ends] or samplers)[:MOST_SAMPLERS]
    if not samplers:
        return None
    ids = {node.id for node in samplers}
    depth = {node.id: len((graph.upstream([node.id]) - {node.id}) & ids) for node in samplers}
    return min(samplers, key=lambda node: (depth[node.id], "detailer" in node.kind, graph.order(node.id)))


def _is_sampler(node: Node) -> bool:
    takes = node.inputs.keys()
    return ("positive" in takes and ("seed" in takes or "noise_seed" in takes or "sampler_name" in takes or "sampler" in takes)) or (
        "samplercustomadvanced" in node.kind and "guider" in takes
    )


def _inputs(graph: Graph, sampler: Node) -> Iterator[Node]:
    """The sampler, and the nodes that hold its noise, sigmas, guidance and latent picture, which newer graphs have apart."""
    yield sampler
    for name in ("noise", "sigmas", "sampler", "guider", "latent_image", "latent", "samples", "model", "basic_pipe", "script", "sdxl_tuple"):
        yield from graph.chain(sampler, name)


def _first(graph: Graph, nodes: list[Node], *names: str) -> str:
    """The first value of these names in these nodes, links to nodes of a number or text followed."""
    for node in nodes:
        for name in names:
            value = graph.value(node, name)
            if value:
                return value
    return ""


def _parameters(graph: Graph, sampler: Node) -> dict[str, str]:
    nodes = list(_inputs(graph, sampler))
    sampled = _first(graph, nodes, "sampler_name")
    scheduled = _first(graph, nodes, "scheduler")
    latent = [node for node in nodes if "latent" in node.kind or "empty" in node.kind or "loader" in node.kind]
    width, height = (_first(graph, latent, name, f"empty_latent_{name}") for name in ("width", "height"))
    models = [graphs.model_name(node) for node in [*graph.chain(sampler, "model"), *nodes]]
    clip = _first(graph, [node for node in graph.nodes.values() if "clip" in node.kind or "loader" in node.kind], "stop_at_clip_layer", "clip_skip")
    denoise = mentions.number(_first(graph, [sampler, *graph.chain(sampler, "sigmas")], "denoise"))
    made = {
        "Steps": _first(graph, nodes, "steps"),
        "Sampler": SAMPLERS.get(sampled, sampled),
        "Schedule type": SCHEDULERS.get(scheduled, scheduled),
        "CFG scale": _first(graph, nodes, "cfg"),
        "Distilled CFG Scale": _first(graph, [node for node in graph.nodes.values() if "fluxguidance" in node.kind], "guidance"),
        "Seed": _first(graph, nodes, "seed", "noise_seed"),
        "Size": f"{width}x{height}" if width.isdigit() and height.isdigit() else "",
        "Model": next((mentions.stem(name) for name in models if name and not mentions.of_air(name)), ""),
        "Denoising strength": _weight(denoise) if denoise is not None and 0 < denoise < 1 else "",
        "Clip skip": str(abs(int(float(clip)))) if mentions.number(clip) is not None and 1 < abs(float(clip)) < 13 else "",
    }
    return {name: value for name, value in made.items() if value}


# -- the prompts


def _prompts(graph: Graph, sampler: Node) -> tuple[str, str]:
    """Positive and negative. A guider without a negative one has ``conditioning`` only."""
    holders = [sampler, *graph.chain(sampler, "guider"), *graph.chain(sampler, "basic_pipe"), *graph.chain(sampler, "sdxl_tuple")]
    positive = next((text for node in holders for name in ("positive", "conditioning") if (text := graph.prompt(node, name, "positive"))), "")
    negative = next((text for node in holders if (text := graph.prompt(node, "negative", "negative"))), "")
    return positive, negative if negative != positive else ""


# -- the resources


def _resources(graph: Graph, sampler: Node) -> Iterator[Mention]:
    """Checkpoint and LoRAs on the sampler's way; VAE and upscalers anywhere in the graph."""
    way = graph.chain(sampler, "model") or list(graph.nodes.values())
    conditioned = graph.upstream([sampler.id])
    way = [*way, *(node for node in graph.nodes.values() if node.id in conditioned and node not in way)]
    for node in way:
        if name := graphs.model_name(node):
            yield _mention("checkpoint", name)
    for node in reversed(way):
        for name, weight in graphs.loras(node):
            yield _mention("lora", name, weight)
    for node in graph.nodes.values():
        for kind, key in (("vae", "vae_name"), ("upscaler", "upscale_model_name"), ("other", "control_net_name")):
            if isinstance(node.inputs.get(key), str) and node.inputs[key] not in ("", "None", "Baked VAE"):
                yield _mention(kind, node.inputs[key])
        if "upscalemodelloader" in node.kind and isinstance(node.inputs.get("model_name"), str):
            yield _mention("upscaler", node.inputs["model_name"])


def _mention(kind: str, name: str, weight: float | None = None) -> Mention:
    air = mentions.of_air(name)
    if air is not None:
        return msgspec.structs.replace(air, kind=kind if air.kind == "other" else air.kind, weight=weight)
    return Mention(kind=kind, name=mentions.stem(name)[: mentions.LONGEST_NAME], weight=weight)


def _airs(graph: Graph) -> Iterator[Mention]:
    """What Civitai's own graphs list beside their nodes."""
    for air in graph.airs:
        if (one := mentions.of_air(air)) is not None:
            yield one
