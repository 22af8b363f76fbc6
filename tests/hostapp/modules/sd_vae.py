from __future__ import annotations

from modules import shared
from modules.paths_internal import models_path
from modules.util import walk_models

vae_dict: dict[str, str] = {}


def refresh_vae_list() -> None:
    vae_dict.clear()
    vae_dict.update(walk_models([f"{models_path}/VAE", shared.cmd_opts.vae_dir], (".pt", ".ckpt", ".safetensors")))
