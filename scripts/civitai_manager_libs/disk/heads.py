"""What the first and the last bytes of a model file tell, without reading the rest: a print that recognises it, its health, its kind,
and what its trainer wrote into it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

import msgspec

from .hashing import header_of, tensors_end
from .walk import signed

EDGE = 64 << 10  # bytes at either end that the print is made of
EMPTY_AUTOV3 = "e3b0c44298fc"  # of no bytes: written by trainers that could not compute it
_HEX = re.compile(r"(?:0x)?([0-9a-f]{12,64})", re.IGNORECASE)
_PAGES = (b"<!doctype", b"<html", b"<?xml", b'{"error', b"{\n  \"error")
_ZIPPED = (".zip", ".pt", ".pth", ".ckpt", ".bin")
_SAFETENSORS = (".safetensors", ".sft")

# Names of folders as the WebUIs, ComfyUI and StabilityMatrix have them.
_FOLDERS = {
    "stablediffusion": "checkpoint", "checkpoint": "checkpoint", "checkpoints": "checkpoint", "lora": "lora", "loras": "lora", "lycoris": "lycoris",
    "locon": "lycoris", "embedding": "embedding", "embeddings": "embedding", "textualinversion": "embedding", "hypernetwork": "hypernetwork",
    "hypernetworks": "hypernetwork", "vae": "vae", "vaes": "vae", "controlnet": "controlnet", "esrgan": "upscaler", "realesrgan": "upscaler",
    "swinir": "upscaler", "upscaler": "upscaler", "upscalers": "upscaler", "upscalemodels": "upscaler", "textencoder": "text_encoder",
    "textencoders": "text_encoder", "clip": "text_encoder", "unet": "unet", "diffusionmodels": "unet", "clipvision": "clip_vision",
    "animatediff": "motion_module", "animatediffmodels": "motion_module", "motionmodule": "motion_module", "motionmodules": "motion_module",
    "poses": "poses", "wildcards": "wildcards", "workflows": "workflows", "adetailer": "detection", "ultralytics": "detection",
}  # fmt: skip
# Words in the names of tensors, the telling ones first.
_TENSORS = (
    ("motion_module", "motion_module"), ("hada_w1", "lycoris"), ("lokr_w", "lycoris"), ("oft_", "lycoris"), ("lora_", "lora"), ("lora.", "lora"),
    ("emb_params", "embedding"), ("string_to_param", "embedding"), ("clip_g", "embedding"), ("control_model.", "controlnet"),
    ("controlnet_", "controlnet"), ("input_hint_block", "controlnet"), ("cond_stage_model.", "checkpoint"), ("conditioner.", "checkpoint"),
    ("model.diffusion_model.", "unet"), ("double_blocks.", "unet"), ("joint_blocks.", "unet"), ("vision_model.", "clip_vision"),
    ("text_model.", "text_encoder"), ("encoder.block.", "text_encoder"), ("decoder.up", "vae"), ("decoder.conv_in", "vae"), ("rrdb", "upscaler"),
)  # fmt: skip
_BASES = (
    ("stable-diffusion-v1", "SD 1.5"), ("sd_v1", "SD 1.5"), ("stable-diffusion-v2", "SD 2.1"), ("sd_v2", "SD 2.1"),
    ("stable-diffusion-xl", "SDXL 1.0"), ("sdxl", "SDXL 1.0"), ("stable-diffusion-3", "SD 3"), ("sd3", "SD 3"), ("flux-1-schnell", "Flux.1 S"),
    ("flux", "Flux.1 D"), ("chroma", "Chroma"),
    ("hunyuan", "Hunyuan Video"), ("wan", "Wan Video"), ("qwen", "Qwen"), ("lumina", "Lumina"),
)  # fmt: skip


class Head(msgspec.Struct):
    """``print``: of size, first and last bytes; ``health``: '' cannot be told, whole, truncated, or wrong (not what its name says)."""

    print: str
    health: str
    size: int
    mtime_ns: int
    device: int
    inode: int
    kind: str = ""
    autov3: str = ""
    alias: str = ""


def look(path: Path) -> Head:
    """Read the ends of a file. Raises OSError."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        size = status.st_size
        start = file.read(EDGE)
        file.seek(max(EDGE, size - EDGE))
        end = file.read(EDGE)
        header = header_of(file, size) if path.suffix.lower() in _SAFETENSORS else None
    digest = hashlib.sha256(b"%d:" % size)
    digest.update(start)
    digest.update(end)
    metadata = written(header)
    return Head(
        digest.hexdigest()[:32], _health(path.suffix.lower(), size, start, end or start, header), size, status.st_mtime_ns, signed(status.st_dev),
        signed(status.st_ino), kind_of(path, header), autov3(metadata), alias(metadata),
    )  # fmt: skip


def _health(suffix: str, size: int, start: bytes, end: bytes, header: dict[str, Any] | None) -> str:
    if not size:
        return "truncated"
    if start.lstrip()[:16].lower().startswith(_PAGES):
        return "wrong"  # what a download without a key, or of an outage, leaves
    if suffix in _SAFETENSORS:
        if header is None:
            length = int.from_bytes(start[:8], "little")
            # A sound beginning whose header goes on beyond the end of the file; anything else is no safetensors file.
            return "truncated" if size < 9 or (start[8:9] == b"{" and size < 8 + length) else "wrong"
        expected = tensors_end(header, int.from_bytes(start[:8], "little"))
        return "" if expected is None else "whole" if expected == size else "truncated"
    if suffix == ".gguf":
        return "whole" if start[:4] in (b"GGUF", b"FUGG") else "wrong"
    if suffix in _ZIPPED and start[:4] in (b"PK\3\4", b"PK\5\6"):
        return "whole" if b"PK\5\6" in end or b"PK\6\6" in end else "truncated"
    if suffix == ".zip":
        return "wrong"
    if suffix == ".7z":
        expected = 32 + int.from_bytes(start[12:20], "little") + int.from_bytes(start[20:28], "little")
        return "wrong" if start[:6] != b"7z\xbc\xaf\x27\x1c" else "whole" if size >= expected else "truncated"
    if suffix == ".rar":
        return "whole" if start[:6] == b"Rar!\x1a\x07" else "wrong"
    return ""


def written(header: Mapping[str, Any] | None) -> dict[str, str]:
    """What the trainer wrote into a safetensors header."""
    metadata = (header or {}).get("__metadata__")
    return {str(key): value for key, value in metadata.items() if isinstance(value, str)} if isinstance(metadata, dict) else {}


def autov3(metadata: Mapping[str, str]) -> str:
    """The first 12 digits of the tensors' hash as the trainer wrote it (a claim: some tools change tensors and keep the words), or ''."""
    for key in ("sshs_model_hash", "modelspec.hash_sha256"):
        match = _HEX.fullmatch(metadata.get(key, "").strip())
        if match and not match.group(1).lower().startswith(EMPTY_AUTOV3):
            return match.group(1).lower()[:12]
    return ""


def alias(metadata: Mapping[str, str]) -> str:
    """The name that its trainer gave a network, by which the WebUI knows it too (AUTOMATIC1111 1.10.1, ``networks.py``)."""
    return metadata.get("ss_output_name", "").strip()[:200]


def base_model(metadata: Mapping[str, str]) -> str:
    """Civitai's word for the base model that the trainer names, or ''."""
    told = f"{metadata.get('modelspec.architecture', '')} {metadata.get('ss_base_model_version', '')}".lower()
    return next((base for part, base in _BASES if part in told), "")


def trigger_words(metadata: Mapping[str, str]) -> list[str]:
    """The trigger phrase, else the tags that every training picture of some set has."""
    if phrase := metadata.get("modelspec.trigger_phrase", "").strip():
        return [phrase[:200]]
    try:
        sets = json.loads(metadata.get("ss_tag_frequency", ""))
    except (ValueError, RecursionError):
        return []
    words: dict[str, None] = {}
    for tags in sets.values() if isinstance(sets, dict) else []:
        counted = {str(tag).strip(): count for tag, count in tags.items() if isinstance(count, int)} if isinstance(tags, dict) else {}
        most = max(counted.values(), default=0)
        words.update(dict.fromkeys(tag for tag, count in counted.items() if count == most and tag))
    return list(words)[:5]


def kind_of_folder(path: PurePath) -> str:
    """The kind of a file by the nearest folder with a telling name, or ''."""
    return next((kind for parent in path.parents if (kind := _FOLDERS.get(re.sub(r"[^a-z]", "", parent.name.lower())))), "")


def kind_of(path: PurePath, header: Mapping[str, Any] | None) -> str:
    """The kind of a file in a folder whose kind nobody knows: by the folder's name, else by its tensors, else 'other'."""
    if kind := kind_of_folder(path):
        return kind
    metadata = written(header)
    architecture = metadata.get("modelspec.architecture", "")
    if architecture.endswith("/textual-inversion"):
        return "embedding"
    if "ss_network_module" in metadata or architecture.endswith("/lora"):
        return "lycoris" if "lycoris" in metadata.get("ss_network_module", "") else "lora"
    return _by_tensors(str(name).lower() for name in header or {} if name != "__metadata__") or "other"


def _by_tensors(names: Iterable[str]) -> str:
    text = "\n".join(names)
    return next((kind for part, kind in _TENSORS if part in text), "")
