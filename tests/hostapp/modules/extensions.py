from __future__ import annotations

import os
from pathlib import Path

from modules.paths_internal import extensions_builtin_dir, extensions_dir
from modules.shared_cmd_options import cmd_opts

extensions: list[Extension] = []


class Extension:
    def __init__(self, name: str, path: str, is_builtin: bool) -> None:
        self.name = name
        self.canonical_name = name.lower()
        self.path = path
        self.is_builtin = is_builtin
        self.enabled = True


def list_extensions() -> None:
    extensions.clear()
    folders = [(extensions_builtin_dir, True)]
    if not cmd_opts.hostapp_without_extensions:
        folders.append((extensions_dir, False))
    for folder, is_builtin in folders:
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        extensions.extend(Extension(name, os.path.join(folder, name), is_builtin) for name in names if os.path.isdir(os.path.join(folder, name)))


def active() -> list[Extension]:
    return [extension for extension in extensions if extension.enabled]


def find_extension(filename: str) -> Extension | None:
    folder = Path(filename)
    return next((extension for extension in extensions if Path(extension.path) in folder.parents), None)
