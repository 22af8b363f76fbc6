"""The host's door: imports the package beside it and registers its callbacks, and nothing else.

The host executes this file at its start and at each "Reload UI", under a name that is not in ``sys.modules``. Only meanwhile is the extension's
folder on ``sys.path``. ``scripts`` is a namespace package that the host and other extensions share, and another one ships a package
``scripts/civitai_manager_libs`` too: so ours is imported as the top-level package ``civitai_manager_libs``.
"""

from __future__ import annotations

import importlib
import logging
import sys
from pathlib import Path

log = logging.getLogger("civitai_manager")
PACKAGE = "civitai_manager_libs"
HERE = Path(__file__).absolute().parent


def foreign_folder() -> str | None:
    """The folder of the loaded package when it is not ours; None when it is ours or not loaded."""
    module = sys.modules.get(PACKAGE)
    if module is None:
        return None
    folders = [Path(folder) for folder in getattr(module, "__path__", None) or [getattr(module, "__file__", None) or "?"]]
    ours = HERE / PACKAGE
    return None if all(folder.is_dir() and folder.samefile(ours) for folder in folders) else str(folders[0])


def taken(folder: str) -> None:
    log.error(
        "Civitai Manager: its tab is not added, because another extension uses the name %s (%s). Disable or remove that one and restart the WebUI.",
        PACKAGE,
        folder,
    )


def load() -> None:
    folder = foreign_folder()
    if folder is not None:
        taken(folder)
        return
    sys.path.insert(0, str(HERE))
    try:
        register = importlib.import_module(f"{PACKAGE}.hosts.webui").register
        folder = foreign_folder()
        if folder is not None:
            taken(folder)
            return
        register(HERE.parent)
    except ModuleNotFoundError as exc:
        if (exc.name or "").split(".")[0] in (PACKAGE, "modules"):
            raise
        log.error(
            "Civitai Manager: its tab is not added, because the Python package %s is missing. "
            'Restart the WebUI while online, or run: "%s" -m pip install -r "%s"',
            exc.name,
            sys.executable,
            HERE.parent / "requirements.txt",
        )
    finally:
        if str(HERE) in sys.path:
            sys.path.remove(str(HERE))


load()
