from __future__ import annotations

import os
from dataclasses import dataclass

from modules import shared
from modules.paths_internal import models_path
from modules.util import walk_models

model_path = f"{models_path}/Stable-diffusion"
checkpoints_list: dict[str, CheckpointInfo] = {}


@dataclass
class CheckpointInfo:
    """``name``: the path below the folder, with its extension, which is what the list of checkpoints shows here (the host adds a short hash)."""

    filename: str
    name: str
    name_for_extra: str

    @property
    def title(self) -> str:
        return self.name


class ModelData:
    """No model is loaded in this app; the attribute is where the host keeps the loaded one."""

    def __init__(self) -> None:
        self.sd_model = None


model_data = ModelData()


def _info(stem: str, path: str) -> CheckpointInfo:
    bases = [base for base in (shared.cmd_opts.ckpt_dir, model_path) if base and os.path.abspath(path).startswith(os.path.abspath(base))]
    return CheckpointInfo(path, os.path.relpath(path, bases[0]) if bases else os.path.basename(path), stem)


def list_models() -> None:
    checkpoints_list.clear()
    found = walk_models([model_path, shared.cmd_opts.ckpt_dir], (".ckpt", ".safetensors", ".gguf"))
    checkpoints_list.update({stem: _info(stem, path) for stem, path in found.items()})


def titles() -> list[str]:
    return [info.title for info in checkpoints_list.values()]
