"""Libraries for the tests of moving and deleting: real files with sidecars, in a catalog that knows what they are. Nothing is asked of anyone."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

from civitai_manager_libs.actions.register import entry_of
from civitai_manager_libs.catalog.files import LocalFile
from civitai_manager_libs.civitai import payloads
from civitai_manager_libs.disk.trash import OWN
from support import make_application

NOWHERE = "http://127.0.0.1:9"  # nothing listens there
BASES = ("SDXL 1.0", "SD 1.5", "Pony")
LORA = "webui/models/Lora"


def application(folder: Path, **settings: Any) -> Any:
    made = make_application(folder, NOWHERE, **{"subfolder_template": "{base_model}/{creator}", "own_trash": True, **settings})
    made.start()
    return made


def safetensors(body: bytes, **metadata: str) -> bytes:
    described = {"__metadata__": metadata, "w": {"dtype": "U8", "shape": [len(body)], "data_offsets": [0, len(body)]}}
    raw = json.dumps(described).encode()
    return len(raw).to_bytes(8, "little") + raw + body


def body_of(number: int, name: str, size: int, sha256: str, kind: str = "LORA") -> dict[str, Any]:
    file = {"id": number * 10 + 1, "name": f"{name}.safetensors", "type": "Model", "sizeKB": size / 1024, "primary": True,
            "hashes": {"SHA256": sha256.upper()}, "metadata": {"format": "SafeTensor"}}  # fmt: skip
    version = {"id": number * 10, "name": "v1", "baseModel": BASES[number % 3], "files": [file], "images": [], "trainedWords": [f"word{number}"]}
    return {"id": number, "name": f"Model {number}", "type": kind, "nsfw": False, "tags": [], "creator": {"username": f"maker{number % 4}"},
            "modelVersions": [version]}  # fmt: skip


class Library:
    """Below ``folder``; files are known to the catalog under numbers from 1 on."""

    def __init__(self, folder: Path, app: Any, root: Path | None = None) -> None:
        self.folder, self.app = folder, app
        self.root = root or folder / LORA

    def add(self, number: int, name: str = "", *, where: str = "", sidecars: tuple[str, ...] = (), ending: str = ".safetensors", size: int = 0,
            known: bool = True) -> LocalFile:  # fmt: skip
        """A model file of its own bytes, registered (``known``) or only here; ``sidecars`` by their endings."""
        name = name or f"model{number}"
        path = self.root / where / f"{name}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(safetensors(random.Random(number).randbytes(size or 500 + number % 700), ss_output_name=f"alias{number}"))
        for suffix in sidecars:
            path.with_name(name + suffix).write_bytes(f"{name} {suffix} {number}".encode())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        services = self.app.services
        if known:
            raw = body_of(number, name, path.stat().st_size, digest)
            services.models.save(entry_of(payloads.model(raw)), raw)
            return services.files.add(path, digest, model_id=number, version_id=number * 10, file_id=number * 10 + 1, kind="lora")
        return services.files.add(path, digest, model_id=None, version_id=None, file_id=None, kind="lora")


def tree(*folders: Path) -> dict[str, str]:
    """Every file with the hash of its bytes, without what describes things in our own trash."""
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not (OWN in path.parts and path.name.endswith(".json")):
                found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def contents(*folders: Path) -> Counter[str]:
    """What there is, wherever it lies."""
    return Counter(tree(*folders).values())


def missing_from(plan: dict[str, Any], before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Files that went and that no plan names: there must be none."""
    planned = {file["from"] for group in plan["groups"] if not group["problem"] for file in group["files"]}
    return {path for path in before if after.get(path) != before[path]} - planned


def touch(path: Path) -> None:
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 5_000_000_000))
