"""A graph of ComfyUI as nodes and links, and the ways through it. Whatever a file holds is looked at with a limit: nothing here recurses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from . import mentions

MOST_NODES = 3000
LONGEST = 8 << 20  # characters of JSON
LONGEST_TEXT = 20_000

TEXTS = (
    "text", "text_g", "text_l", "clip_l", "t5xxl", "prompt", "wildcard_text", "populated_text", "string", "value", "text_positive", "positive_prompt",
)  # fmt: skip
"""Inputs of text encoders and of nodes that hold a text."""
JOINED = ("text_a", "text_b", "text_c", "text_d", "text1", "text2", "text3", "string1", "string2", "string_a", "string_b", "a", "b")
CHECKPOINTS = ("ckpt_name", "unet_name", "base_ckpt_name", "model_path")
NO_NAMES = frozenset({"", "None", "none"})

# The widgets of the page's own form, in their order, for the classes that nearly every graph is made of.
WIDGETS: dict[str, tuple[str, ...]] = {
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": ("add_noise", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler", "start_at_step", "end_at_step"),
    "CLIPTextEncode": ("text",), "CheckpointLoaderSimple": ("ckpt_name",), "UNETLoader": ("unet_name", "weight_dtype"), "VAELoader": ("vae_name",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"), "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "EmptyLatentImage": ("width", "height", "batch_size"), "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "CLIPSetLastLayer": ("stop_at_clip_layer",), "UpscaleModelLoader": ("model_name",), "FluxGuidance": ("guidance",),
    "RandomNoise": ("noise_seed", ""), "BasicScheduler": ("scheduler", "steps", "denoise"), "KSamplerSelect": ("sampler_name",),
    "ControlNetLoader": ("control_net_name",), "PrimitiveNode": ("value",), "CLIPTextEncodeFlux": ("clip_l", "t5xxl", "guidance"),
}  # fmt: skip


class Node(msgspec.Struct):
    """``kind``: its class in lower case without blanks. ``links``: of its inputs, by their names: (node, output)."""

    id: str
    kind: str
    inputs: dict[str, Any]
    links: dict[str, tuple[str, int]]


class Graph:
    def __init__(self, nodes: Mapping[str, Node], extra: Mapping[str, Any], airs: list[str]) -> None:
        self.nodes = dict(nodes)
        self.extra = extra
        self.airs = airs
        self._order = {name: place for place, name in enumerate(self.nodes)}

    def order(self, node_id: str) -> int:
        return self._order[node_id]

    def outputs(self) -> list[str]:
        """Nodes that save or show pictures; all that nobody links to when there are none."""
        saving = [node.id for node in self.nodes.values() if any(word in node.kind for word in ("saveimage", "previewimage", "imagesave"))]
        used = {link[0] for node in self.nodes.values() for link in node.links.values()}
        return saving or [name for name in self.nodes if name not in used]

    def upstream(self, starts: Iterable[str]) -> set[str]:
        """Everything that these depend on, they included."""
        seen: set[str] = set()
        todo = list(starts)
        while todo:
            name = todo.pop()
            if name not in seen and name in self.nodes:
                seen.add(name)
                todo += [link[0] for link in self.nodes[name].links.values()]
        return seen

    def chain(self, node: Node, name: str) -> list[Node]:
        """The nodes along one input, from the nearest on, each going on by the input of the same name or of those that models and latents have."""
        found: list[Node] = []
        seen = {node.id}
        link = node.links.get(name)
        while link is not None and link[0] in self.nodes and link[0] not in seen:
            node = self.nodes[link[0]]
            seen.add(node.id)
            found.append(node)
            following = (name, "model", "guider", "latent_image", "samples", "latent", "lora_stack", "basic_pipe", "any", "*", "")
            link = next((node.links[one] for one in following if one in node.links), None)
            if link is None and len(node.links) == 1:  # a reroute, a switch
                (link,) = node.links.values()
        stacks = [one.links["lora_stack"] for one in found if "lora_stack" in one.links]
        for link in stacks:
            found += [self.nodes[one] for one in sorted(self.upstream([link[0]]), key=self.order) if one not in seen]
            seen |= self.upstream([link[0]])
        return found

    def value(self, node: Node, name: str) -> str:
        """A number or a text of an input as text; of a linked node its own value. '' for none."""
        for _ in range(8):
            if name in node.links:
                following = self.nodes.get(node.links[name][0])
                if following is None:
                    return ""
                node = following
                name = next((one for one in (name, "value", "int", "float", "number", "Number", "seed", "Value", "string") if one in node.inputs), "")
            else:
                got = node.inputs.get(name)
                if isinstance(got, float) and got == int(got) and abs(got) < 1e18:
                    got = int(got)
                return str(got)[:200] if isinstance(got, (int, float, str)) and not isinstance(got, bool) else ""
        return ""

    def prompt(self, node: Node, name: str, side: str) -> str:
        """The texts behind a conditioning input, joined. ``side``: "positive" or "negative", for nodes that pass both on."""
        texts: list[str] = []
        seen: set[tuple[str, str]] = set()
        todo: list[tuple[Node, str]] = [(node, name)]
        if name in node.inputs and name not in node.links and isinstance(node.inputs[name], str):
            return node.inputs[name][:LONGEST_TEXT].strip()
        while todo and len(seen) < MOST_NODES:
            holder, key = todo.pop(0)
            link = holder.links.get(key)
            following = self.nodes.get(link[0]) if link else None
            if link is None or following is None or (following.id, side) in seen:
                continue
            seen.add((following.id, side))
            if "zeroout" in following.kind:
                continue
            both = "positive" in following.links and "negative" in following.links
            wanted = ("negative" if link[1] == 1 else "positive") if both else side
            own = [text for one in self._texts(following, wanted) if (text := one.strip())]
            texts += [one for one in own if one not in texts]
            if both:
                todo.append((following, wanted))
            elif not own:
                todo += [(following, one) for one in following.links if one not in ("clip", "model", "vae", "image", "control_net", "mask", "pixels")]
        return "\n".join(texts)[:LONGEST_TEXT]

    def _texts(self, node: Node, side: str) -> Iterator[str]:
        """The texts that a node holds, or that it takes from nodes of texts."""
        if side in node.inputs and isinstance(node.inputs[side], str):  # loaders that encode themselves
            yield node.inputs[side]
            return
        for name in (*TEXTS, *JOINED):
            if isinstance(node.inputs.get(name), str) and (name not in ("value", "a", "b") or "clip" not in node.links):
                yield node.inputs[name][:LONGEST_TEXT]
            elif name in node.links and name in TEXTS and "clip" in node.links:
                yield self._linked_text(node, name)

    def _linked_text(self, node: Node, name: str) -> str:
        """What a text encoder takes from other nodes, in the order of their inputs."""
        texts: list[str] = []
        todo, seen = [node.links[name][0]], {node.id}
        while todo and len(seen) < 200:
            one = self.nodes.get(todo.pop(0))
            if one is None or one.id in seen:
                continue
            seen.add(one.id)
            own = [one.inputs[key][:LONGEST_TEXT] for key in (*TEXTS, *JOINED) if isinstance(one.inputs.get(key), str) and one.inputs[key].strip()]
            texts += own[:1] if "populated_text" in one.inputs else own
            texty = ("text", "string", "prompt", "any", "input")
            todo += [one.links[key][0] for key in one.links if key in (*TEXTS, *JOINED) or key.startswith(texty)]
        return ", ".join(texts)[:LONGEST_TEXT]


def decoded(raw: object) -> Graph | None:
    """A graph of an object or of JSON; None when it is none."""
    if isinstance(raw, (str, bytes)):
        raw = _json(raw)
    if not isinstance(raw, dict):
        return None
    inner = raw.get("prompt")
    if isinstance(inner, (dict, str)) and not isinstance(raw.get("inputs"), dict) and "class_type" not in raw:
        graph = decoded_nodes(_json(inner) if isinstance(inner, str) else inner)
        if graph is not None:
            return graph
    if isinstance(raw.get("workflow"), (dict, str)):
        workflow = raw["workflow"]
        if (graph := of_page(_json(workflow) if isinstance(workflow, str) else workflow)) is not None:
            return graph
    return decoded_nodes(raw) or of_page(raw)


def decoded_nodes(raw: object) -> Graph | None:
    nodes: dict[str, Node] = {}
    for name, body in raw.items() if isinstance(raw, dict) else ():
        if isinstance(body, dict) and isinstance(body.get("class_type"), str) and isinstance(body.get("inputs"), dict) and len(nodes) < MOST_NODES:
            nodes[str(name)] = _node(str(name), body["class_type"], body["inputs"])
    if not isinstance(raw, dict) or not nodes:
        return None
    extra, listed = _json(raw.get("extraMetadata")), raw.get("extra")
    airs = listed.get("airs") if isinstance(listed, dict) else None
    airs = [air for air in airs if isinstance(air, str)][:100] if isinstance(airs, list) else []
    return Graph(nodes, extra if isinstance(extra, dict) else {}, airs)


def of_page(raw: object) -> Graph | None:
    """The form of ComfyUI's page (``nodes`` with ``widgets_values``, ``links``) as a graph; widgets only of the classes in ``WIDGETS``."""
    if not isinstance(raw, dict) or not isinstance(raw.get("nodes"), list):
        return None
    sources = {
        link[0]: [str(link[1]), link[2]] for link in raw.get("links") or ()
        if isinstance(link, list) and len(link) >= 5 and isinstance(link[0], int) and isinstance(link[2], int)
    }  # fmt: skip
    nodes: dict[str, Node] = {}
    for one in raw["nodes"][:MOST_NODES]:
        if not isinstance(one, dict) or not isinstance(one.get("type"), str) or one.get("mode") in (2, 4):  # never, bypassed
            continue
        values, kind = one.get("widgets_values"), one["type"]
        inputs: dict[str, Any] = dict(values) if isinstance(values, dict) else {}
        if isinstance(values, list):
            inputs = {name: value for name, value in zip(WIDGETS.get(kind, ()), values, strict=False) if name}
        for slot in one.get("inputs") or ():
            if isinstance(slot, dict) and isinstance(slot.get("link"), int) and slot["link"] in sources:
                inputs[str(slot.get("name"))] = sources[slot["link"]]
        nodes[str(one.get("id"))] = _node(str(one.get("id")), kind, inputs)
    return Graph(nodes, {}, []) if nodes else None


def _node(name: str, kind: str, inputs: Mapping[str, Any]) -> Node:
    links = {
        str(key): (str(value[0]), value[1]) for key, value in inputs.items()
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], (str, int)) and isinstance(value[1], int) and len(str(value[0])) < 200
    }  # fmt: skip
    return Node(name, kind[:200].lower().replace(" ", ""), {str(key): value for key, value in inputs.items()}, links)


def _json(raw: object) -> object:
    """Decoded JSON; NaN, which Python writes into it, and control characters are accepted. None for what is none, or too long."""
    if not isinstance(raw, (str, bytes)) or len(raw) > LONGEST:
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    try:
        return json.loads(raw, strict=False)
    except (ValueError, RecursionError):
        return None


# -- what single nodes name


def model_name(node: Node) -> str:
    """The checkpoint that a node loads, '' for none."""
    return next((node.inputs[key] for key in CHECKPOINTS if isinstance(node.inputs.get(key), str) and node.inputs[key] not in NO_NAMES), "")


def loras(node: Node) -> Iterator[tuple[str, float | None]]:
    """The LoRAs that a node loads, with their weights: loaders of one, stacks of several, rows that can be switched off."""
    inputs = node.inputs
    if isinstance(inputs.get("lora_name"), str) and inputs["lora_name"] not in NO_NAMES:
        strengths = (inputs.get(key) for key in ("strength_model", "lora_model_strength", "strength", "weight"))
        yield inputs["lora_name"], next((got for one in strengths if (got := mentions.number(one)) is not None), None)
    for key, value in inputs.items():
        if isinstance(value, dict) and isinstance(value.get("lora"), str):  # rows of rgthree's loader
            if value.get("on", True) is not False and value["lora"] not in NO_NAMES:
                yield value["lora"], mentions.number(value.get("strength"))
        elif key.startswith("lora_name_") and isinstance(value, str) and value not in NO_NAMES:
            place = key.removeprefix("lora_name_")
            if inputs.get(f"switch_{place}", "On") in ("On", True):
                strengths = (inputs.get(f"{one}_{place}") for one in ("model_weight", "model_str", "lora_wt", "strength", "strength_model"))
                yield value, next((got for one in strengths if (got := mentions.number(one)) is not None), None)
    listed = inputs.get("loras")
    rows = listed.get("__value__") if isinstance(listed, dict) else listed
    for row in rows if isinstance(rows, list) else ():  # Lora Manager's loader
        if isinstance(row, dict) and isinstance(row.get("name"), str) and row.get("active", True) is not False:
            yield row["name"], mentions.number(row.get("strength"))
