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
opts = options.Options({"outdir_samples": options.OptionInfo("outputs"), "sd_model_checkpoint": options.OptionInfo("")}, config_filename)
state = State()


def reload_hypernetworks() -> None:
    from modules import hypernetworks_list

    hypernetworks_list.refresh()
