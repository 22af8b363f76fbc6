from __future__ import annotations

import os

from modules import options, shared_cmd_options
from modules.paths_internal import data_path, extensions_builtin_dir, extensions_dir, models_path, script_path  # noqa: F401
from modules.shared_state import State

cmd_opts = shared_cmd_options.cmd_opts
parser = shared_cmd_options.parser
demo = None
sd_upscalers: list = []
hypernetworks: dict[str, str] = {}
tab_names: list[str] = []
OptionInfo = options.OptionInfo
config_filename = os.path.join(data_path, "config.json")
opts = options.Options(
    {
        "outdir_samples": OptionInfo("outputs"), "sd_model_checkpoint": OptionInfo("", infotext="Model hash"), "send_size": OptionInfo(True),
        "extra_networks_default_multiplier": OptionInfo(1.0), "extra_networks_add_text_separator": OptionInfo(" "),
        "CLIP_stop_at_last_layers": OptionInfo(1, infotext="Clip skip"),
    },
    config_filename,
)  # fmt: skip
state = State()


def last_parameters() -> str:
    """The text of the last picture, which the host takes when it is asked to paste nothing."""
    try:
        with open(os.path.join(data_path, "params.txt"), encoding="utf8") as file:
            return file.read()
    except OSError:
        return ""


def reload_hypernetworks() -> None:
    from modules import hypernetworks_list

    hypernetworks_list.refresh()
