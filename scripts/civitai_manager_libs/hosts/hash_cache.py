"""The WebUI's own cache of hashes: read, so that nothing is hashed twice, and written, so that its first load is faster.

``modules.hashes`` keeps ``{"mtime", "sha256"}`` under titles such as ``checkpoint/sub/NAME.safetensors`` and ``lora/NAME``, in two parts:
"hashes" with the SHA-256 of whole files, and "hashes-addnet" for networks in safetensors files: of their tensors in AUTOMATIC1111, of the
whole file in Forge.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from hashlib import sha256 as digest_of
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

_PREFIXES = {"lora": "lora", "lycoris": "lora", "hypernetwork": "hypernet", "embedding": "textual_inversion"}
_SHA256 = re.compile(r"[0-9a-f]{64}")
SAME_TIME = 1e-3  # seconds


def title(path: Path, kind: str, checkpoint_folders: list[Path]) -> str:
    """The host's title for a file of a kind, '' when it keeps none. A checkpoint's is its path below the folder of checkpoints."""
    if kind == "checkpoint":
        return f"checkpoint/{_listed(path) or _below(path, checkpoint_folders)}"
    return f"{_PREFIXES[kind]}/{path.stem}" if kind in _PREFIXES else ""


def _listed(path: Path) -> str:
    """As the host's own list has it: forks differ in how they name one."""
    for module in ("modules.sd_models", "modules.sd_checkpoint"):
        listed = getattr(sys.modules.get(module), "checkpoints_list", None)
        for info in list(listed.values()) if isinstance(listed, dict) else []:
            if str(getattr(info, "filename", "")) == str(path):
                return str(getattr(info, "name", "") or "")
    return ""


def _below(path: Path, folders: list[Path]) -> str:
    return next((str(path.relative_to(folder)) for folder in folders if path.is_relative_to(folder)), path.name)


def known(path: Path, kind: str, checkpoint_folders: list[Path]) -> str:
    hashes, name = sys.modules.get("modules.hashes"), title(path, kind, checkpoint_folders)
    if hashes is None or not name:
        return ""
    try:
        kept: Any = hashes.cache("hashes").get(name)
        if not isinstance(kept, dict) or abs(float(kept.get("mtime") or 0) - path.stat().st_mtime) > SAME_TIME:
            return ""
        found = str(kept.get("sha256") or "").lower()
    except Exception:  # the host's code and files; whatever it raises, the file can be hashed
        log.info("the host's hash cache cannot be read", exc_info=True)
        return ""
    # One version of Forge kept the hash of the name, to save time.
    faked = digest_of(path.name.encode("utf-8", "replace")).hexdigest()
    return found if _SHA256.fullmatch(found) and found != faked else ""


def remember(path: Path, kind: str, checkpoint_folders: list[Path], sha256: str, tensors: str) -> None:
    hashes, name = sys.modules.get("modules.hashes"), title(path, kind, checkpoint_folders)
    if hashes is None or not name or not sha256:
        return
    try:
        of_tensors = name.startswith("lora/") and path.suffix.lower() == ".safetensors"
        value = (tensors if _hashes_tensors(hashes) else sha256) if of_tensors else sha256
        if value:
            hashes.cache("hashes-addnet" if of_tensors else "hashes")[name] = {"mtime": os.path.getmtime(path), "sha256": value}  # noqa: PTH204
            dump = getattr(hashes, "dump_cache", None)
            if callable(dump):
                dump()
    except Exception:  # see above; the host computes it itself then
        log.info("the host's hash cache cannot be written", exc_info=True)


def _hashes_tensors(hashes: Any) -> bool:
    """Whether this host's ``sha256`` reads only the tensors of a network when it is asked to."""
    return "addnet_hash_safetensors" in getattr(getattr(getattr(hashes, "sha256", None), "__code__", None), "co_names", ())
