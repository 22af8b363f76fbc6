from __future__ import annotations

import importlib.util
import os
from types import ModuleType

from modules import errors

loaded_scripts: dict[str, ModuleType] = {}


def load_module(path: str) -> ModuleType:
    """Execute a file as a module that is named like the file and is *not* in ``sys.modules``: so does the host."""
    spec = importlib.util.spec_from_file_location(os.path.basename(path), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    loaded_scripts[path] = module
    return module


def preload_extensions(folder: str, parser) -> None:
    if not os.path.isdir(folder):
        return
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name, "preload.py")
        if os.path.isfile(path):
            try:
                module = load_module(path)
                if hasattr(module, "preload"):
                    module.preload(parser)
            except Exception:
                errors.report(f"Error running preload() for {path}", exc_info=True)
