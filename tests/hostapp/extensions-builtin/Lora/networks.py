"""The host's built-in Lora extension: the list of LoRA files that it knows."""

from __future__ import annotations

from modules import shared
from modules.util import walk_models

available_networks: dict[str, str] = {}


def list_available_networks() -> None:
    available_networks.clear()
    folders = [shared.cmd_opts.lora_dir, shared.cmd_opts.lyco_dir_backcompat]
    available_networks.update(walk_models(folders, (".pt", ".ckpt", ".safetensors")))
