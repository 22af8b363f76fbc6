from __future__ import annotations

from modules.paths_internal import (  # noqa: F401
    data_path,
    extensions_builtin_dir,
    extensions_dir,
    models_path,
    modules_path,
    script_path,
)
