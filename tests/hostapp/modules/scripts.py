"""Loading of ``scripts/*.py``: the extension's folder is first on ``sys.path`` only while its script is executed."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

import gradio

from modules import errors, extensions, paths, script_callbacks, script_loading, timer

current_basedir = paths.script_path


class ScriptFile(NamedTuple):
    basedir: str
    filename: str
    path: str


def basedir() -> str:
    """The folder of the extension whose script is being loaded; afterwards the host's own."""
    return current_basedir


def list_scripts(folder: str, extension: str) -> list[ScriptFile]:
    found = []
    for base in [paths.script_path, *(item.path for item in extensions.active())]:
        where = os.path.join(base, folder)
        if os.path.isdir(where):
            found += [ScriptFile(base, name, os.path.join(where, name)) for name in sorted(os.listdir(where)) if name.endswith(extension)]
    return found


def list_files_with_name(filename: str) -> list[str]:
    found = [os.path.join(base, filename) for base in [paths.script_path, *(item.path for item in extensions.active())]]
    return [path for path in found if os.path.isfile(path)]


def load_scripts() -> None:
    global current_basedir
    script_callbacks.clear_callbacks()
    files = list_scripts("scripts", ".py")
    if gradio.__version__.split(".")[0] != "3":
        # Forge keeps every extension's folder on the path for good, so that `scripts` spans all of them.
        for file in files:
            if file.basedir not in sys.path:
                sys.path = [file.basedir, *sys.path]
    saved = sys.path
    for file in files:
        try:
            if file.basedir != paths.script_path:
                sys.path = [file.basedir, *sys.path]
            current_basedir = file.basedir
            script_loading.load_module(file.path)
        except Exception:
            errors.report(f"Error loading script: {file.filename}", exc_info=True)
        finally:
            sys.path = saved
            current_basedir = paths.script_path
            timer.startup_timer.record(file.filename)
