"""The resources that a picture's generation data names: each model, LoRA, embedding, VAE once, with all that is told of it.

One resource is told several times: as ``<lora:NAME:0.8>`` in the prompt, with a hash in ``Lora hashes``, with another in ``Hashes``, and with
Civitai's number in ``Civitai resources``. What agrees in its number, its hash or its name is one mention.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from .infotext import Infotext

MOST = 200
"""Mentions that are kept: a picture has some twenty at most."""
LONGEST_NAME = 300
LONGEST_VALUE = 500  # characters of a name with a hash behind it

KINDS = {
    "checkpoint": "checkpoint", "model": "checkpoint", "refiner": "checkpoint", "unet": "checkpoint", "diffusion_model": "checkpoint",
    "lora": "lora", "locon": "lora", "lycoris": "lora", "lyco": "lora", "dora": "lora", "loha": "lora",
    "embed": "embedding", "embedding": "embedding", "textualinversion": "embedding", "ti": "embedding",
    "vae": "vae", "hypernet": "hypernetwork", "hypernetwork": "hypernetwork", "upscaler": "upscaler",
}  # fmt: skip
"""Our kind by the words that Civitai, its extension and the tags of prompts use."""
ENDINGS = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx")
TAG = re.compile(r"<(lora|lyco|hypernet):([^<>:\n]{1,300})((?::[^<>:\n]*)*)>", re.IGNORECASE)
BUILT_IN_UPSCALERS = frozenset({"none", "lanczos", "nearest", "use same upscaler", "automatic", "antialiased"})

_HASH = re.compile(r"(?:0x)?([0-9a-f]{64}|[0-9a-f]{12}|[0-9a-f]{10}|[0-9a-f]{8})", re.IGNORECASE)
_HASH_AFTER = re.compile(r"^(.*?)\s*[\[(]((?:0x)?[0-9a-f]{8,64})[\])]$", re.IGNORECASE)
_AIR = re.compile(r"(?:urn:)?air:(?:[\w.+-]+:)?([\w.+-]+):civitai:(\d{1,10})(?:@(\d{1,10}))?", re.IGNORECASE | re.ASCII)
_EMBEDDING = re.compile(r"\bembedding:([\w.\-/\\]{1,300})", re.IGNORECASE)


class Mention(msgspec.Struct, kw_only=True):
    """``name``: as a prompt has it, without folder and ending. ``hash``: lower hex of 64, 12, 10 or 8 digits or ''; ``version_id`` 0 unknown."""

    kind: str = "other"
    name: str = ""
    weight: float | None = None
    hash: str = ""
    version_id: int = 0
    model_id: int = 0


# -- from an infotext


def of(text: Infotext) -> list[Mention]:
    """All that an infotext names, the checkpoint first."""
    told = text.parameters
    found = [
        _with_hash("checkpoint", told.get("Model", ""), told.get("Model hash", "")),
        _with_hash("checkpoint", told.get("Refiner", "")),
        _with_hash("checkpoint", told.get("Hires checkpoint", "").removeprefix("Use same checkpoint")),
        *tags(f"{text.prompt}\n{text.negative}"),
        *_listed("lora", told.get("Lora hashes", "")),
        *_listed("embedding", told.get("TI hashes", "")),
        *_add_net(told),
        _with_hash("vae", told.get("VAE", ""), told.get("VAE hash", "")),
        _with_hash("hypernetwork", told.get("Hypernet", "")),
        _upscaler(told.get("Hires upscaler", "")),
        *of_hashes(_json(told.get("Hashes", ""))),
        *of_resources(_json(told.get("Civitai resources", ""))),
    ]
    return merged(one for one in found if one is not None)


def tags(prompt: str) -> Iterator[Mention]:
    """``<lora:NAME:WEIGHT>`` and its like, and ComfyUI's ``embedding:NAME``."""
    for match in TAG.finditer(prompt):
        weights = [part for part in match[3].split(":")[1:] if part.strip()]
        first = next((part for part in weights if "=" not in part), None)
        named = next((part.partition("=")[2] for part in weights if part.strip().lower().startswith(("unet=", "te="))), None)
        yield Mention(kind=KINDS[match[1].lower()], name=match[2].strip(), weight=number(first if first is not None else named))
    for match in _EMBEDDING.finditer(prompt) if "mbedding:" in prompt else ():
        yield Mention(kind="embedding", name=stem(match[1].rstrip(".,")))


def _listed(kind: str, value: str) -> Iterator[Mention]:
    """``Lora hashes: "a: 88e247aa8c3d, b: 935e6755554c"``."""
    for part in value.split(","):
        name, _, digest = part.rpartition(":")
        if name.strip():
            yield Mention(kind=kind, name=name.strip()[:LONGEST_NAME], hash=clean_hash(digest))


def _with_hash(kind: str, name: str, digest: str = "") -> Mention | None:
    """A name that may have its hash behind it in brackets."""
    match = _HASH_AFTER.match(name.strip()[:LONGEST_VALUE])  # its time grows with the square of a stranger's blanks
    if match is not None and (_HASH.fullmatch(match[2])):
        name, digest = match[1], digest or match[2]
    name, digest = name.strip()[:LONGEST_NAME], clean_hash(digest)
    if name in ("None", "Automatic", "none"):
        name = ""
    return Mention(kind=kind, name=stem(name), hash=digest) if name or digest else None


def _add_net(told: Mapping[str, str]) -> Iterator[Mention]:
    """What the older extension "Additional Networks" wrote: ``AddNet Model 1: name(123456789abc)``."""
    for label in told:
        if label.startswith("AddNet Model "):
            made = _with_hash("lora", told[label])
            if made is not None:
                made.weight = number(told.get(f"AddNet Weight A {label[13:]}", told.get(f"AddNet Weight {label[13:]}")))
                yield made


def _upscaler(name: str) -> Mention | None:
    known = name.strip().lower()
    if not known or known in BUILT_IN_UPSCALERS or known.startswith("latent"):
        return None
    return Mention(kind="upscaler", name=stem(name.strip()[:LONGEST_NAME]))


def _json(value: str) -> Any:
    try:
        return json.loads(value, strict=False) if value else None
    except (ValueError, RecursionError):
        return None


# -- from JSON


def of_hashes(hashes: object) -> Iterator[Mention]:
    """``{"model": "1ad6ca7f70", "lora:name": "...", "embed:name": "..."}``, as Civitai's extension for the WebUI writes it."""
    for label, digest in hashes.items() if isinstance(hashes, dict) else ():
        if not isinstance(label, str) or not isinstance(digest, str):
            continue
        kind, _, name = label.partition(":")
        known = KINDS.get(kind.strip().lower())
        if known and clean_hash(digest):
            yield Mention(kind=known, name=name.strip()[:LONGEST_NAME], hash=clean_hash(digest))


def of_resources(resources: object) -> Iterator[Mention]:
    """``resources``, ``civitaiResources`` and ``additionalResources`` of Civitai's data, and ``Civitai resources`` of an infotext."""
    for raw in resources if isinstance(resources, list) else ():
        if not isinstance(raw, dict):
            continue
        name = _text(raw.get("name") or raw.get("modelName"))
        kind = KINDS.get(_text(raw.get("type")).strip().lower().replace(" ", ""), "other")
        weight = next((got for key in ("weight", "strength") if (got := number(raw.get(key))) is not None), None)
        version, model = identity(raw.get("modelVersionId")), identity(raw.get("modelId"))
        if (air := of_air(name)) is not None or (air := of_air(_text(raw.get("air")))) is not None:
            name = "" if of_air(name) else name
            kind, version, model = air.kind if kind == "other" else kind, air.version_id or version, air.model_id or model
        digest = clean_hash(_text(raw.get("hash")))
        if name or version or digest or model:
            name = name.strip()[:LONGEST_NAME] if raw.get("modelName") == name else stem(name.strip()[:LONGEST_NAME])
            yield Mention(kind=kind, name=name, weight=weight, hash=digest, version_id=version, model_id=model)


def of_air(text: str) -> Mention | None:
    """``urn:air:sdxl:lora:civitai:1107767@1253442``."""
    match = _AIR.search(text) if len(text) < 1000 else None
    if match is None:
        return None
    return Mention(kind=KINDS.get(match[1].lower(), "other"), model_id=identity(match[2]), version_id=identity(match[3]))


# -- one resource, one mention


def merged(found: Iterable[Mention]) -> list[Mention]:
    """Each resource once, in the order of its first mention."""
    kept: list[Mention] = []
    for one in found:
        same = next((other for other in kept if is_same(other, one)), None)
        if same is not None:
            add(same, one)
        elif len(kept) < MOST:
            kept.append(msgspec.structs.replace(one))
    return kept


def is_same(one: Mention, other: Mention) -> bool:
    """Whether both mean the same resource: the same number; else, of the same kind, the same hash or name and no different numbers."""
    if one.version_id and other.version_id:
        return one.version_id == other.version_id
    if one.kind != other.kind and "other" not in (one.kind, other.kind):
        return False
    short, long = (one.hash, other.hash) if len(one.hash) <= len(other.hash) else (other.hash, one.hash)
    if short and long.startswith(short):
        return True
    if short and len(short) == len(long):
        return False
    if one.name and other.name:
        return one.name.casefold() == other.name.casefold()
    return one.kind == other.kind == "checkpoint" and _completes(one, other)


def _completes(one: Mention, other: Mention) -> bool:
    """A checkpoint that is told by its hash alone beside one that is told without: only one model is loaded at a time."""
    return (bool(one.name) != bool(other.name)) and (bool(one.hash) != bool(other.hash)) and not (one.version_id or other.version_id)


def add(one: Mention, other: Mention) -> None:
    """Put what another mention of the same resource tells into ``one``."""
    rank = (64, 10, 12, 8)
    if other.hash and (not one.hash or rank.index(len(other.hash)) < rank.index(len(one.hash))):
        one.hash = other.hash
    if one.kind == "other":
        one.kind = other.kind
    one.name = one.name or other.name
    one.weight = other.weight if one.weight is None else one.weight
    one.version_id = one.version_id or other.version_id
    one.model_id = one.model_id or other.model_id


# -- single values


def clean_hash(raw: str) -> str:
    """Lower hex of a hash of a known length, without ``0x``; '' for anything else, and for the zeros that stand for none."""
    match = _HASH.fullmatch(raw.strip().strip('"'))
    digest = match[1].lower() if match else ""
    return digest if digest.strip("0") else ""


def stem(name: str) -> str:
    """The name of a model file as prompts have it: without its folder and a model's ending."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2].strip() or name.strip()
    return next((last[: -len(ending)] for ending in ENDINGS if last.lower().endswith(ending) and len(last) > len(ending)), last)


def number(raw: object) -> float | None:
    """A finite number, also where it is written as text."""
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
        return None
    try:
        made = float(raw)
    except (ValueError, OverflowError):
        return None
    return made if math.isfinite(made) else None


def identity(raw: object) -> int:
    """One of Civitai's numbers, 0 for none."""
    made = number(raw)
    return int(made) if made is not None and made == int(made) and 0 < made <= 2147483647 else 0


def _text(raw: object) -> str:
    return raw if isinstance(raw, str) else str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else ""
