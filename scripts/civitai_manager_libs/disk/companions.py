"""What a checkpoint needs beside itself: what its own tensors show that it lacks, and what models on its base usually come without.

The first is read, the second is a rule of thumb; whoever shows it must say which is which.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

VAE, TEXT_ENCODER = "vae", "text_encoder"
PARTS = (TEXT_ENCODER, VAE)

# Beginnings of the names of tensors, in the forms of the original trainers, ComfyUI and diffusers.
_HOLDS = {
    VAE: ("first_stage_model.", "vae.", "model.vae."),
    TEXT_ENCODER: ("cond_stage_model.", "conditioner.", "text_encoders.", "text_encoder.", "text_encoder_2.", "text_model.", "te."),
}
_DIFFUSION = ("model.diffusion_model.", "diffusion_model.", "double_blocks.", "joint_blocks.", "transformer_blocks.", "transformer.", "unet.",
              "layers.", "input_blocks.", "single_blocks.", "blocks.")  # fmt: skip


class Usual(NamedTuple):
    """What models on a base need: names for people, and parts of file names by which one of them is recognised (a guess)."""

    encoders: str
    encoder_marks: tuple[str, ...]
    vae: str
    vae_marks: tuple[str, ...]


_FLUX_VAE = ("ae.", "flux", "ae_")
# By the beginning of Civitai's word for the base model, the longest that fits; bases whose checkpoints usually hold everything are not here.
_USUAL = {
    "Flux.1": Usual("CLIP-L and T5-XXL", ("clip_l", "clip-l", "t5xxl", "t5-xxl", "t5_xxl"), "the Flux VAE (ae.safetensors)", _FLUX_VAE),
    "Flux.2": Usual("a Mistral or Qwen3 text encoder", ("mistral", "qwen"), "the Flux.2 VAE", ("flux2", "flux.2", "flux-2")),
    "Flux.2 Klein": Usual("a Qwen3 text encoder", ("qwen",), "the Flux.2 VAE", ("flux2", "flux.2", "flux-2")),
    "Chroma": Usual("T5-XXL", ("t5xxl", "t5-xxl", "t5_xxl"), "the Flux VAE (ae.safetensors)", _FLUX_VAE),
    "SD 3": Usual("CLIP-L, CLIP-G and T5-XXL", ("clip_l", "clip-l", "clip_g", "clip-g", "t5xxl", "t5-xxl", "t5_xxl"), "the SD 3 VAE", ("sd3",)),
    "ZImage": Usual("Qwen3 4B", ("qwen",), "the Flux VAE (ae.safetensors)", _FLUX_VAE),
    "Qwen": Usual("Qwen2.5-VL 7B", ("qwen",), "the Qwen Image VAE", ("qwen",)),
    "Lumina": Usual("Gemma 2 2B", ("gemma",), "the Flux VAE (ae.safetensors)", _FLUX_VAE),
    "HiDream": Usual(
        "CLIP-L, CLIP-G, T5-XXL and Llama 3.1 8B", ("clip_l", "clip_g", "t5xxl", "llama"), "the Flux VAE (ae.safetensors)", _FLUX_VAE
    ),
    "Wan Video": Usual("UMT5-XXL", ("umt5",), "the Wan VAE", ("wan",)),
    "Hunyuan Video": Usual("CLIP-L and Llama 3 8B (LLaVA)", ("clip_l", "llava", "llama"), "the Hunyuan Video VAE", ("hunyuan",)),
    "LTXV": Usual("T5-XXL", ("t5xxl", "t5-xxl", "t5_xxl"), "the LTX VAE", ("ltx",)),
    "AuraFlow": Usual("Pile-T5-XL", ("pile", "t5"), "the SDXL VAE", ("sdxl",)),
    "Pony V7": Usual("Pile-T5-XL", ("pile", "t5"), "the SDXL VAE", ("sdxl",)),
    "Kolors": Usual("ChatGLM3 6B", ("chatglm", "glm"), "the SDXL VAE", ("sdxl",)),
    "PixArt": Usual("T5-XXL", ("t5xxl", "t5-xxl", "t5_xxl"), "the SD 1.5 or SDXL VAE", ("vae",)),
    "Mochi": Usual("T5-XXL", ("t5xxl", "t5-xxl", "t5_xxl"), "the Mochi VAE", ("mochi",)),
}  # fmt: skip


def usual(base_model: str) -> Usual | None:
    """What models on a base usually need beside themselves; None when they usually hold it, or when nobody here knows."""
    fitting = [base for base in _USUAL if base_model.lower().startswith(base.lower())]
    return _USUAL[max(fitting, key=len)] if fitting else None


def lacking(names: Iterable[str]) -> list[str] | None:
    """Which of ``PARTS`` a model with tensors of these names does not hold; None when it is no diffusion model as far as these tell."""
    held: set[str] = set()
    diffusion = False
    for name in names:
        diffusion = diffusion or name.startswith(_DIFFUSION)
        held.update(part for part, beginnings in _HOLDS.items() if part not in held and name.startswith(beginnings))
    return [part for part in PARTS if part not in held] if diffusion else None
