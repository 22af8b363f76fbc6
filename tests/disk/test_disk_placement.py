"""Where files belong, and subfolders by template."""

from __future__ import annotations

from pathlib import Path

import pytest
from civitai_manager_libs.disk import placement
from civitai_manager_libs.errors import BadSetting
from civitai_manager_libs.host import FOLDER_KINDS
from civitai_manager_libs.settings import check_template

MODEL_TYPES = {
    "Checkpoint": "checkpoint", "TextualInversion": "embedding", "Hypernetwork": "hypernetwork",
    "AestheticGradient": "aesthetic_gradient", "LORA": "lora",
    "LoCon": "lycoris", "DoRA": "lora", "Controlnet": "controlnet", "Upscaler": "upscaler", "MotionModule": "motion_module", "VAE": "vae",
    "TextEncoder": "text_encoder", "UNet": "unet", "CLIPVision": "clip_vision", "Poses": "poses", "Wildcards": "wildcards", "Workflows": "workflows",
    "ComfyWorkflows": "workflows", "Detection": "detection", "VisionLanguage": "other", "CLIP": "text_encoder", "LLM": "other", "Other": "other",
    "SomethingNew": "other", "": "other",
}  # fmt: skip
FILE_TYPES = {
    "VAE": "vae", "Negative": "embedding", "Text Encoder": "text_encoder", "Vision Encoder": "clip_vision", "CLIPVision": "clip_vision",
    "UNet": "unet",
    "Diffusion Model": "unet", "ControlNet": "controlnet", "Upscaler": "upscaler", "Enhancement LoRA": "lora", "Workflow": "workflows",
    "Training Data": "other",
}  # fmt: skip
WITH_THE_MODEL = ("Model", "Pruned Model", "Config", "Archive", "Other", "", None, "SomethingNew")


@pytest.mark.parametrize(("model_type", "kind"), MODEL_TYPES.items())
def test_file_type_first_then_model_type(model_type: str, kind: str) -> None:
    for file_type in WITH_THE_MODEL:
        assert placement.folder_kind(file_type, model_type, "x.safetensors", "SafeTensor") == kind
    for file_type, own in FILE_TYPES.items():
        assert placement.folder_kind(file_type, model_type, "x.safetensors", "SafeTensor") == own
    assert kind in FOLDER_KINDS


def test_checkpoints_that_are_not_whole() -> None:
    assert placement.folder_kind("Model", "Checkpoint", "anything.vae.pt", "PickleTensor") == "vae"
    assert placement.folder_kind("Model", "Checkpoint", "flux-Q4_K.gguf", "GGUF") == "unet"
    assert placement.folder_kind("Model", "Checkpoint", "flux", "GGUF") == "unet"
    assert placement.folder_kind("Model", "LORA", "x.gguf", "GGUF") == "lora"
    assert placement.folder_kind("Config", "Checkpoint", "x.yaml", "Other") == "checkpoint"
    assert placement.folder_kind(None, None, None, None) == "other"


def test_companion() -> None:
    assert placement.is_companion("Config") and not placement.is_companion("Model") and not placement.is_companion(None)


VALUES = {"base_model": "SDXL 1.0", "creator": "a/b", "model": "../..", "version": "CON", "type": "LORA", "model_id": 12, "version_id": None}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("", ""),
        ("   ", ""),
        ("{base_model}", "SDXL 1.0"),
        ("{base_model}/{creator}/{model}", "SDXL 1.0/a_b/_"),
        ("{type}\\{version}", "LORA/_CON"),
        ("{model_id} - {version_id}", "12 - Unknown"),
        ("my//./loras/", "my/loras"),
        ("{base_model}<x>", "SDXL 1.0_x_"),
    ],
)
def test_subfolder(template: str, expected: str) -> None:
    assert placement.subfolder(template, VALUES) == expected


def test_subfolder_never_escapes(tmp_path: Path) -> None:
    from .test_disk_names import PIECES

    for value in PIECES:
        relative = placement.subfolder("{base_model}/{creator}{model}", {"base_model": value, "creator": value, "model": value})
        assert len(relative.split("/")) == 2 and not {"", ".", ".."} & set(relative.split("/")), (value, relative)
        assert tmp_path in (tmp_path / relative).resolve().parents


@pytest.mark.parametrize(
    "template", ["{modle}", "{}", "{0}", "{model.__class__}", "{model", "model}", "{{model}}", "/x", "\\x", "C:/x", "../x", "a/../b", "~/x", "a\0"]
)
def test_bad_templates(template: str) -> None:
    with pytest.raises(BadSetting):
        check_template(template)
    with pytest.raises(BadSetting):
        placement.subfolder(template, VALUES)


def test_a_bad_template_names_the_part() -> None:
    with pytest.raises(BadSetting, match=r"\{modle\}.*\{base_model\}"):
        check_template("{modle}/{type}")


def test_default_folders(tmp_path: Path) -> None:
    folders = placement.default_folders(tmp_path)
    assert set(folders) == set(FOLDER_KINDS) and all(paths and all(path.is_absolute() for path in paths) for paths in folders.values())
    assert folders["lora"] == [tmp_path / "models" / "Lora"] and folders["unet"] == folders["checkpoint"] == [
        tmp_path / "models" / "Stable-diffusion"
    ]
    assert folders["embedding"][0] == tmp_path / "embeddings"
    (tmp_path / "models" / "embeddings").mkdir(parents=True)
    assert placement.default_folders(tmp_path)["embedding"][0] == tmp_path / "models" / "embeddings"
    (tmp_path / "embeddings").mkdir()
    assert placement.default_folders(tmp_path)["embedding"][0] == tmp_path / "embeddings"
    assert placement.default_folders(Path("relative"))["vae"][0].is_absolute()


@pytest.mark.parametrize(
    ("kind", "extension", "below", "otherwise"),
    [
        ("wildcards", "sd-dynamic-prompts", "wildcards", "models/wildcards"),
        ("motion_module", "sd-webui-animatediff", "model", "models/AnimateDiff"),
        ("aesthetic_gradient", "stable-diffusion-webui-aesthetic-gradients", "aesthetic_embeddings", "models/aesthetic_embeddings"),
    ],
)
def test_an_extension_that_is_not_installed_gets_no_folder(tmp_path: Path, kind: str, extension: str, below: str, otherwise: str) -> None:
    assert placement.default_folders(tmp_path)[kind] == [tmp_path / otherwise]
    (tmp_path / otherwise).mkdir(parents=True)
    (tmp_path / "extensions" / extension).mkdir(parents=True)
    assert placement.default_folders(tmp_path)[kind] == [tmp_path / "extensions" / extension / below, tmp_path / otherwise]
