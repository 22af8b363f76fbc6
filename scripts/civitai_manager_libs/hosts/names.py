"""What the host calls a model file: the name that works in a prompt, or in its list of checkpoints."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

NETWORKS = ("networks", "modules.lora.networks", "modules.lora.lora_load")  # the Lora extension of A1111 and Forge; SD.Next's


def prompt_name(path: Path, kind: str) -> str:
    """'' when the host keeps a list and this file is not in it; the file's name where there is no list to look at. Never raises."""
    try:
        if kind in ("checkpoint", "unet"):
            return _title(path)
        if kind in ("lora", "lycoris"):
            return _network(path)
    except Exception:  # the host's own objects; a name less
        log.debug("civitai-manager: the host's name of %s is not known", path, exc_info=True)
    return path.stem


def _same(path: Path, filename: Any) -> bool:
    """Without asking the disk: a list may be long, and a drive slow."""
    return isinstance(filename, (str, os.PathLike)) and os.path.normcase(Path(filename).absolute()) == os.path.normcase(path.absolute())


def _found(path: Path, entries: Iterable[Any]) -> Any:
    return next((one for one in list(entries) if _same(path, getattr(one, "filename", None))), None)


def _network(path: Path) -> str:
    """A LoRA: its file's name, or what whoever trained it called it, as the host's option ``lora_preferred_name`` says."""
    known = next((listed for name in NETWORKS if isinstance(listed := getattr(sys.modules.get(name), "available_networks", None), dict)), None)
    if known is None:
        return path.stem
    entry = _found(path, known.values())
    if entry is None:
        return ""
    alias = getattr(entry, "get_alias", None)
    return str(alias() if callable(alias) else getattr(entry, "name", None) or path.stem)


def _title(path: Path) -> str:
    """A checkpoint: its title in the host's list, with the short hash that some hosts put at its end."""
    listed = getattr(sys.modules.get("modules.sd_models"), "checkpoints_list", None)
    if not isinstance(listed, dict):
        return path.name
    entry = _found(path, listed.values())
    return str(getattr(entry, "title", None) or getattr(entry, "name", None) or "") if entry is not None else ""
