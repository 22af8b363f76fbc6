from __future__ import annotations

import os
from collections.abc import Iterable


def walk_models(folders: Iterable[str | None], extensions: tuple[str, ...]) -> dict[str, str]:
    """Model files below the folders: name without its extension -> path. Links to folders are followed, as the host does."""
    found: dict[str, str] = {}
    for folder in folders:
        for root, _, names in os.walk(folder or "", followlinks=True):
            for name in sorted(names):
                stem, extension = os.path.splitext(name)
                if extension.lower() in extensions:
                    found.setdefault(stem, os.path.join(root, name))
    return found
