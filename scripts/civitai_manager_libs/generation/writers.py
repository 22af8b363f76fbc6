"""Whose text it is: the WebUI's, ComfyUI's, SwarmUI's, Fooocus' or NovelAI's, and what each tells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from . import comfy, infotext, mentions, metadata
from .found import Found, of_text

ORDER = ("parameters", "UserComment", "prompt", "workflow", "ImageDescription", "Make", "Model", "XPComment", "comment", "Comment")
"""The texts that may tell, the most telling first."""


def understood(texts: Mapping[str, str]) -> Found | None:
    """What the texts of a picture's file (``pictures.texts``) tell; None when they tell nothing."""
    if texts.get("Software") == "NovelAI" and (found := _novel(texts)) is not None:
        return found
    for name in ORDER:
        if name in texts and (found := read(metadata.whole(texts[name]), sure=name in ("parameters", "UserComment"))) is not None:
            return found
    return None


def read(text: str, *, sure: bool = False) -> Found | None:
    """One text of a file. ``sure``: it stands where only generation data does, so that a prompt alone counts."""
    text = text.strip("\0 \r\n\t").removeprefix("prompt:").removeprefix("Prompt:").removeprefix("workflow:").removeprefix("Workflow:")
    if text.lstrip()[:1] == "{":
        raw = _object(text)
        if raw is not None:
            return _json(raw)
    told = infotext.parse(text)
    if not told.parameters and not (sure and text):
        return None
    return of_text(text[: infotext.LONGEST], "file")


def _object(text: str) -> dict[str, Any] | None:
    try:
        raw = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return raw if isinstance(raw, dict) else None


def _json(raw: dict[str, Any]) -> Found | None:
    if isinstance(raw.get("sui_image_params"), dict):
        return _swarm(raw)
    if (found := comfy.read(raw)) is not None:
        return found
    if "fooocus_scheme" in raw or "metadata_scheme" in raw or "Prompt" in raw or "full_prompt" in raw or "base_model" in raw:
        return _fooocus(raw)
    found = metadata.read(raw)
    return None if found is None else Found(source="file", infotext=found.infotext, resources=found.resources, comfy=found.comfy)


def _made(prompt: object, negative: object, values: Mapping[str, object], more: list[mentions.Mention], tags: str = "") -> Found | None:
    text_of = metadata.text_of
    parameters = {name: text for name, value in values.items() if (text := text_of(value)) and text.lower() not in metadata.NOTHING}
    prompt = " ".join(part for part in (text_of(prompt), tags) if part)
    if not prompt and len(parameters) < infotext.FEWEST:
        return None
    return of_text(infotext.write(prompt, text_of(negative), parameters), "file", more)


def _swarm(raw: Mapping[str, Any]) -> Found | None:
    """SwarmUI: ``sui_image_params``; its LoRAs and their weights are two lists."""
    told = raw["sui_image_params"]
    names, weights = told.get("loras"), told.get("loraweights")
    names = names if isinstance(names, list) else str(names).split(",") if names else []
    weights = weights if isinstance(weights, list) else str(weights).split(",") if weights else []
    tags = [_tag(name, weights[place] if place < len(weights) else 1) for place, name in enumerate(names[:50]) if isinstance(name, str)]
    values = {
        "Steps": told.get("steps"), "Sampler": comfy.SAMPLERS.get(str(told.get("sampler")), told.get("sampler")),
        "Schedule type": comfy.SCHEDULERS.get(str(told.get("scheduler")), told.get("scheduler")), "CFG scale": told.get("cfgscale"),
        "Seed": told.get("seed"), "Size": _size(told.get("width"), told.get("height")), "Model": mentions.stem(str(told.get("model") or "")),
        "VAE": mentions.stem(str(told.get("vae") or "")),
    }  # fmt: skip
    return _made(told.get("prompt"), told.get("negativeprompt"), values, _swarm_hashes(raw), " ".join(tag for tag in tags if tag))


def _swarm_hashes(raw: Mapping[str, Any]) -> list[mentions.Mention]:
    """``sui_models``: name, param ("model", "loras") and hash of each file."""
    found = []
    for one in raw["sui_models"] if isinstance(raw.get("sui_models"), list) else ():
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            kind = mentions.KINDS.get(str(one.get("param")).rstrip("s").lower(), "other")
            name = mentions.stem(one["name"])[: mentions.LONGEST_NAME]
            found.append(mentions.Mention(kind=kind, name=name, hash=mentions.clean_hash(str(one.get("hash") or ""))))
    return found[: mentions.MOST]


def _fooocus(raw: Mapping[str, Any]) -> Found | None:
    """Fooocus, its JSON (names in lower case, or with blanks in RuinedFooocus), which lists LoRAs as [name, weight, hash]."""
    told = {str(name).lower().replace(" ", "_"): value for name, value in raw.items()}
    rows = told.get("loras") if isinstance(told.get("loras"), list) else []
    rows = [row for row in rows if isinstance(row, list) and len(row) >= 2 and isinstance(row[0], str)][:50]  # type: ignore[union-attr]
    more = [
        mentions.Mention(kind="lora", name=mentions.stem(row[0]), weight=mentions.number(row[1]), hash=mentions.clean_hash(str(row[2])))
        for row in rows if len(row) >= 3
    ]  # fmt: skip
    size = str(told.get("resolution") or "").strip("()[] ").replace(" ", "").replace(",", "x")
    sampler, scheduler = told.get("sampler") or told.get("sampler_name"), told.get("scheduler")
    values = {
        "Steps": told.get("steps"), "Sampler": comfy.SAMPLERS.get(str(sampler), sampler),
        "Schedule type": comfy.SCHEDULERS.get(str(scheduler), scheduler), "CFG scale": told.get("guidance_scale") or told.get("cfg"),
        "Seed": told.get("seed"), "Size": size or _size(told.get("width"), told.get("height")), "Model hash": told.get("base_model_hash"),
        "Model": mentions.stem(str(told.get("base_model") or told.get("base_model_name") or "")), "Version": told.get("version"),
    }  # fmt: skip
    tags = " ".join(tag for row in rows if (tag := _tag(row[0], row[1])))
    return _made(told.get("prompt"), told.get("negative_prompt") or told.get("negative"), values, more, tags)


def _novel(texts: Mapping[str, str]) -> Found | None:
    """NovelAI, as the WebUI reads it."""
    told = _object(texts.get("Comment", ""))
    if told is None:
        return None
    values = {
        "Steps": told.get("steps"), "Sampler": comfy.SAMPLERS.get(str(told.get("sampler")).removeprefix("k_"), told.get("sampler")),
        "CFG scale": told.get("scale"), "Seed": told.get("seed"), "Size": _size(told.get("width"), told.get("height")),
    }  # fmt: skip
    return _made(texts.get("Description") or told.get("prompt"), told.get("uc"), values, [])


def _tag(name: str, weight: object) -> str:
    """A LoRA in the WebUI's words; '' for what no prompt can name."""
    stem, value = mentions.stem(name.strip()), mentions.number(weight)
    return f"<lora:{stem}:{metadata.text_of(1.0 if value is None else value)}>" if stem and stem != "None" and not set(stem) & set("<>:\n") else ""


def _size(width: object, height: object) -> str:
    numbers = [mentions.identity(one) for one in (width, height)]
    return f"{numbers[0]}x{numbers[1]}" if all(numbers) else ""
