from __future__ import annotations

from modules import shared
from modules.util import walk_models


def refresh() -> None:
    shared.hypernetworks.clear()
    shared.hypernetworks.update(walk_models([shared.cmd_opts.hypernetwork_dir], (".pt",)))
