"""The host's built-in Lora extension: the list of LoRA files that it knows."""

from __future__ import annotations

import hashlib
import json
import struct

from modules import shared
from modules.util import walk_models

available_networks: dict[str, NetworkOnDisk] = {}
forbidden_network_aliases: set[str] = {"none", "addams"}


class NetworkOnDisk:
    """A file, its name, and the name that whoever trained it gave it (``alias``)."""

    def __init__(self, name: str, filename: str) -> None:
        self.name, self.filename = name, filename
        self.alias = header(filename).get("ss_output_name") or name

    def get_alias(self) -> str:
        """What the prompt names it by: an option of the host."""
        by_file = shared.opts.lora_preferred_name == "Filename" or self.alias.lower() in forbidden_network_aliases
        return self.name if by_file else self.alias

    def shorthash(self) -> str:
        """The beginning of the hash of what follows the header, as the host writes it into "Lora hashes"."""
        with open(self.filename, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            file.seek(8 + length)
            return hashlib.sha256(file.read()).hexdigest()[:12]


def header(filename: str) -> dict[str, str]:
    """The metadata of a safetensors file; nothing when it has none or is none."""
    try:
        with open(filename, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            found = json.loads(file.read(min(length, 1_000_000))).get("__metadata__", {})
            return found if isinstance(found, dict) else {}
    except (OSError, ValueError, struct.error, AttributeError):
        return {}


def list_available_networks() -> None:
    available_networks.clear()
    folders = [shared.cmd_opts.lora_dir, shared.cmd_opts.lyco_dir_backcompat]
    found = walk_models(folders, (".pt", ".ckpt", ".safetensors"))
    available_networks.update({name: NetworkOnDisk(name, path) for name, path in found.items()})
    forbidden_network_aliases.clear()
    aliases = [one.alias.lower() for one in available_networks.values()]
    forbidden_network_aliases.update({"none", "addams"} | {alias for alias in aliases if aliases.count(alias) > 1})
