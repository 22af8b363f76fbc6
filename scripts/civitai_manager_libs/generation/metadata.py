"""Civitai's ``meta`` of a picture, in all its forms, as an infotext and what it names.

It is flat, or ``{"id", "meta"}`` around the flat one, or JSON as text; its values are of any type, its names are Civitai's for the well-known
ones ("cfgScale") and the WebUI's own for the rest ("Hires upscale"). Pictures of ComfyUI have their graph in ``comfy``, as JSON text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from . import comfy, infotext, mentions
from .found import Found, of_text
from .mentions import Mention

LONGEST_VALUE = 20_000

WELL_KNOWN = (
    ("Steps", ("steps", "Steps")), ("Sampler", ("sampler", "Sampler")), ("Schedule type", ("Schedule type", "scheduler")),
    ("CFG scale", ("cfgScale", "CFG scale", "cfg")), ("Seed", ("seed", "Seed")), ("Size", ("Size",)), ("Model hash", ("Model hash",)),
    ("Model", ("Model",)), ("VAE hash", ("VAE hash",)), ("VAE", ("VAE",)), ("Variation seed", ("Variation seed",)),
    ("Denoising strength", ("Denoising strength", "denoise")), ("Clip skip", ("clipSkip", "Clip skip")),
)  # fmt: skip
"""The WebUI's names in the WebUI's order, and what Civitai calls them."""
LAST = ("Lora hashes", "TI hashes", "Hashes", "Civitai resources", "Civitai metadata", "Version")
INTERNAL = frozenset({
    "prompt", "negativePrompt", "id", "meta", "width", "height", "resources", "hashes", "civitaiResources", "additionalResources", "comfy", "extra",
    "external", "quantity", "draft", "nsfw", "nsfwLevel", "workflow", "workflowId", "fluxMode", "fluxUltraRaw", "engine", "process", "aspectRatio",
    "baseModel", "sourceImageIds", "versionIds", "modelIds", "models", "vaes", "upscalers", "controlNets", "type", "priority", "outputFormat",
    "disablePoi", "experimental", "enhancedCompatibility", "params", "input", "ecosystem", "remixOfId", "effects", "tools", "techniques",
    "userTags", "openAIQuality", "openAITransparentBackground", "generationType", "Negative prompt", "Prompt", "parameters",
})  # fmt: skip
"""What is said to Civitai's own pages, or written elsewhere: no parameter of the WebUI's."""
NOTHING = frozenset({"", "undefined", "null", "none", "nan"})

_SIZE = re.compile(r"\s*(\d{1,5})\s*[x×*]\s*(\d{1,5})\s*", re.IGNORECASE)


def read(meta: object) -> Found | None:
    """What a ``meta`` tells; None when it tells nothing of how the picture was made. Never raises for what is in it."""
    flat = flattened(meta)
    if isinstance(flat, str):
        told = infotext.parse(flat)
        return of_text(flat.strip(), "api") if told.prompt or told.parameters else None
    if not flat:
        return None
    graph = comfy.read(flat.get("comfy"))
    prompt, negative = text_of(flat.get("prompt")), text_of(flat.get("negativePrompt") or flat.get("Negative prompt"))
    parameters = dict(_parameters(flat))
    named = mentions.merged([*_named(flat), *(graph.resources if graph else [])])
    if graph is not None:
        drawn = infotext.parse(graph.infotext)
        if not prompt:  # the graph's own, with the networks that it loads
            prompt, negative = drawn.prompt, negative or drawn.negative
        parameters = _ordered({**drawn.parameters, **parameters})
    if not prompt and not negative and not parameters and not named:
        return None
    if not prompt and not negative and not named and not parameters.keys() & {"Steps", "Sampler", "Seed", "CFG scale", "Model", "Model hash"}:
        return None
    parameters = _ordered({**parameters, **_told_by(named, prompt, negative, parameters)})
    text = infotext.write(prompt, negative, parameters)
    return of_text(text, "api", named, comfy=graph is not None)


def flattened(meta: object) -> dict[str, Any] | str:
    """Without what is around it. A text that is no JSON is given back: an infotext. {} for anything else."""
    for _ in range(6):
        if isinstance(meta, str):
            try:
                decoded = json.loads(meta, strict=False) if meta.lstrip()[:1] in ("{", '"') else None
            except (ValueError, RecursionError):
                decoded = None
            if decoded is None:
                return meta.replace("\x00", "")
            meta = decoded
        elif isinstance(meta, dict) and "meta" in meta and set(meta) <= {"id", "meta", "url", "hasMeta"}:
            meta = meta["meta"]
        else:
            break
    return {name: value for name, value in meta.items() if isinstance(name, str)} if isinstance(meta, dict) else {}


def text_of(value: object) -> str:
    """A single value as the WebUI writes it; '' for none, and for lists and objects."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return ""
        return str(int(value)) if value == int(value) and abs(value) < 1e18 else repr(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 1 << 80 else ""
    return whole(value)[:LONGEST_VALUE].strip() if isinstance(value, str) else ""


def whole(text: str) -> str:
    """Without NUL and half surrogate pairs, which no database or file takes."""
    text = text.replace("\x00", "")
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _parameters(flat: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values for the infotext, in its order."""
    used = set(INTERNAL)
    for label, names in WELL_KNOWN:
        value = next((text for name in names if (text := text_of(flat.get(name))).lower() not in NOTHING), "")
        used.update(names)
        if label == "Size":
            value = _size(value, flat)
        if label == "Sampler" or label == "Schedule type":
            value = comfy.SAMPLERS.get(value, value) if label == "Sampler" else comfy.SCHEDULERS.get(value, value)
        if value:
            yield label, value
    for name in (*(name for name in flat if name not in LAST), *LAST):
        value = text_of(flat.get(name))
        if name in ("Hashes", "Civitai resources", "Civitai metadata") and isinstance(flat.get(name), (dict, list)):
            value = json.dumps(flat[name], ensure_ascii=False, separators=(",", ":"))
        if name not in used and value and infotext.is_name(name):
            yield name, value
    if "Hashes" not in flat and isinstance(flat.get("hashes"), dict):
        hashes = {name: value for name, value in flat["hashes"].items() if isinstance(name, str) and isinstance(value, str)}
        if hashes:
            yield "Hashes", json.dumps(hashes, ensure_ascii=False, separators=(",", ":"))


def _size(value: str, flat: Mapping[str, Any]) -> str:
    """``832x1216``; from width and height where it is not told."""
    match = _SIZE.fullmatch(value)
    if match:
        return f"{match[1]}x{match[2]}"
    width, height = (mentions.number(flat.get(name)) or 0 for name in ("width", "height"))
    return f"{int(width)}x{int(height)}" if 0 < width < 100_000 and 0 < height < 100_000 else ""


def _ordered(parameters: Mapping[str, str]) -> dict[str, str]:
    first = {label: parameters[label] for label, _ in WELL_KNOWN if label in parameters}
    last = {name: parameters[name] for name in LAST if name in parameters}
    return {**first, **{name: value for name, value in parameters.items() if name not in first and name not in last}, **last}


def _named(flat: Mapping[str, Any]) -> Iterator[Mention]:
    """Resources that are told beside the infotext."""
    yield from mentions.of_resources(flat.get("civitaiResources"))
    yield from mentions.of_resources(flat.get("additionalResources"))
    yield from mentions.of_resources(_named_models(flat.get("resources"), flat))
    for kind, names in (("checkpoint", "models"), ("vae", "vaes"), ("upscaler", "upscalers")):
        for name in _texts(flat.get(names)):
            air = mentions.of_air(name)
            yield air if air is not None else Mention(kind=kind, name=mentions.stem(name))


def _named_models(resources: object, flat: Mapping[str, Any]) -> object:
    """``resources`` name the checkpoint, in old data without its hash, which stands beside."""
    if not isinstance(resources, list):
        return resources
    return [
        {**raw, "hash": flat.get("Model hash")}
        if isinstance(raw, dict) and raw.get("type") == "model" and not raw.get("hash") and raw.get("name") in (None, flat.get("Model"))
        else raw
        for raw in resources
    ]


def _texts(value: object) -> list[str]:
    return [one[: mentions.LONGEST_NAME] for one in value if isinstance(one, str) and one][:50] if isinstance(value, list) else []


def _told_by(named: list[Mention], prompt: str, negative: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """Further parameters, so that the infotext alone tells the hashes and Civitai's numbers that stand beside it."""
    made: dict[str, str] = {}
    if (listed := _civitai_resources(named)) and "Civitai resources" not in parameters:
        made["Civitai resources"] = listed
    told = {(one.kind, one.name.casefold()): one.hash for one in mentions.of(infotext.Infotext(prompt, negative, dict(parameters)))}
    words = {"lora": "lora", "embedding": "embed", "hypernetwork": "hypernet", "vae": "vae", "checkpoint": "model"}
    hashes = {}
    for one in named:
        if one.hash and one.name and one.kind in words and not told.get((one.kind, one.name.casefold())):
            hashes[words[one.kind] + (f":{one.name}" if one.kind not in ("vae", "checkpoint") else "")] = one.hash
    if hashes:
        try:
            before = json.loads(parameters.get("Hashes", "{}"))
        except ValueError:
            before = {}
        before = before if isinstance(before, dict) else {}
        made["Hashes"] = json.dumps({**hashes, **before}, ensure_ascii=False, separators=(",", ":"))
    return made


def _civitai_resources(named: list[Mention]) -> str:
    """``Civitai resources`` for those that have Civitai's number, so that the infotext alone tells them. '' for none."""
    listed = []
    for one in named:
        if one.version_id:
            raw = {"type": "embed" if one.kind == "embedding" else one.kind, "weight": one.weight, "modelVersionId": one.version_id}
            raw |= {"modelId": one.model_id or None, "modelName": one.name or None}
            listed.append({name: value for name, value in raw.items() if value is not None})
    return msgspec.json.encode(listed).decode() if listed else ""
