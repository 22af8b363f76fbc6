"""Which folder a downloaded file belongs into: by the file's own type first, then by the type of its model.

Types are Civitai's (file types and model types, as of August 2026); the lists grow, so an unknown file type follows the model and an unknown
model type goes to "other". Kinds are those of ``host.FOLDER_KINDS``.

Subfolders follow a template such as ``{base_model}/{creator}``; ``settings.TEMPLATE_PARTS`` are what it may name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..settings import TEMPLATE_PART, check_template
from .names import safe_name

UNKNOWN = "Unknown"

# Keys without blanks and in lower case: "Text Encoder" and "TextEncoder" are one. What is not here goes with its model.
_BY_FILE_TYPE = {
    "vae": "vae",
    "negative": "embedding",
    "textencoder": "text_encoder",
    "visionencoder": "clip_vision",
    "clipvision": "clip_vision",
    "unet": "unet",
    "diffusionmodel": "unet",
    "controlnet": "controlnet",
    "upscaler": "upscaler",
    "enhancementlora": "lora",
    "workflow": "workflows",
    "trainingdata": "other",
}
_BY_MODEL_TYPE = {
    "checkpoint": "checkpoint",
    "textualinversion": "embedding",
    "hypernetwork": "hypernetwork",
    "aestheticgradient": "aesthetic_gradient",
    "lora": "lora",
    "dora": "lora",
    "locon": "lycoris",
    "controlnet": "controlnet",
    "upscaler": "upscaler",
    "motionmodule": "motion_module",
    "vae": "vae",
    "textencoder": "text_encoder",
    "clip": "text_encoder",
    "unet": "unet",
    "clipvision": "clip_vision",
    "poses": "poses",
    "wildcards": "wildcards",
    "workflows": "workflows",
    "comfyworkflows": "workflows",
    "detection": "detection",
}
# Checkpoints that are not whole: a VAE uploaded as "Model", and GGUF, which holds a diffusion model only. (ending of the name, kind)
_CHECKPOINT_ENDINGS = ((".vae.pt", "vae"), (".vae.ckpt", "vae"), (".vae.safetensors", "vae"), (".gguf", "unet"))
_FORMATS = {"gguf": ".gguf"}

# An A1111-shaped folder, the folder for new files first. Where extensions read a kind, it is that of the best-known one, or else one of ours.
_FOLDERS: dict[str, tuple[str, ...]] = {
    "checkpoint": ("models/Stable-diffusion",),
    "lora": ("models/Lora",),
    "lycoris": ("models/LyCORIS",),
    "embedding": ("embeddings", "models/embeddings"),
    "hypernetwork": ("models/hypernetworks",),
    "aesthetic_gradient": ("extensions/stable-diffusion-webui-aesthetic-gradients/aesthetic_embeddings", "models/aesthetic_embeddings"),
    "vae": ("models/VAE",),
    "controlnet": ("models/ControlNet",),
    "upscaler": ("models/ESRGAN",),
    "text_encoder": ("models/text_encoder",),
    "unet": ("models/Stable-diffusion",),
    "clip_vision": ("models/CLIPVision",),
    "motion_module": ("extensions/sd-webui-animatediff/model", "models/AnimateDiff"),
    "poses": ("models/Poses",),
    "wildcards": ("extensions/sd-dynamic-prompts/wildcards", "models/wildcards"),
    "workflows": ("models/Workflows",),
    "detection": ("models/adetailer",),
    "other": ("models/Other",),
}



def _key(text: str | None) -> str:
    return re.sub(r"[^a-z0-9]", "", (text or "").lower())


def folder_kind(file_type: str | None, model_type: str | None, file_name: str | None = "", file_format: str | None = "") -> str:
    """The kind of ``host.FOLDER_KINDS`` for a file; any argument may be empty or unknown.

    ``file_type``: Model, VAE, Config...; ``model_type``: Checkpoint, LORA...; ``file_format``: Civitai's ``metadata.format`` (SafeTensor, GGUF...).
    """
    by_file = _BY_FILE_TYPE.get(_key(file_type))
    if by_file:
        return by_file
    kind = _BY_MODEL_TYPE.get(_key(model_type), "other")
    if kind == "checkpoint" and not is_companion(file_type):
        name = (file_name or "").lower() + _FORMATS.get(_key(file_format), "")
        return next((other for ending, other in _CHECKPOINT_ENDINGS if name.endswith(ending)), kind)
    return kind


def is_companion(file_type: str | None) -> bool:
    """Whether a file (a Config, ``.yaml``) only works beside the model file and under its base name."""
    return _key(file_type) == "config"


def subfolder(template: str, values: Mapping[str, object]) -> str:
    """The template filled in: a relative path with ``/``, every part safe, "" for an empty template. Raises BadSetting as ``check_template``.

    ``values`` maps names of ``settings.TEMPLATE_PARTS`` to anything; what is missing or empty becomes "Unknown". A value never makes a further level.
    """
    template = template.strip()
    check_template(template)

    def fill(match: re.Match[str]) -> str:
        value = values.get(match.group(1))
        return safe_name("" if value is None else str(value), UNKNOWN)

    segments = [segment.strip() for segment in re.split(r"[/\\]", template)]
    return "/".join(safe_name(TEMPLATE_PART.sub(fill, segment), UNKNOWN) for segment in segments if segment.strip(". "))


def default_folders(root: Path) -> dict[str, list[Path]]:
    """The folders of a WebUI that lives in ``root``, by kind as ``host.Host.folders`` gives them. Of several, an existing one comes first.

    A folder of an extension only where that is installed: a folder of its name would make the WebUI refuse to install it later.
    """
    root = Path(root).absolute()

    def there(name: str) -> bool:
        """Whether it is ready to be used: an extension makes its folders when it needs them."""
        return root.joinpath(*name.split("/")[:2] if name.startswith("extensions/") else [name]).is_dir()

    return {
        kind: [root / name for name in sorted(names, key=lambda name: not there(name)) if there(name) or not name.startswith("extensions/")]
        for kind, names in _FOLDERS.items()
    }
