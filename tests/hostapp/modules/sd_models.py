from __future__ import annotations

from modules import shared
from modules.paths_internal import models_path
from modules.util import walk_models

model_path = f"{models_path}/Stable-diffusion"
checkpoints_list: dict[str, str] = {}


class ModelData:
    """No model is loaded in this app; the attribute is where the host keeps the loaded one."""

    def __init__(self) -> None:
        self.sd_model = None


model_data = ModelData()


def list_models() -> None:
    checkpoints_list.clear()
    checkpoints_list.update(walk_models([model_path, shared.cmd_opts.ckpt_dir], (".ckpt", ".safetensors", ".gguf")))
