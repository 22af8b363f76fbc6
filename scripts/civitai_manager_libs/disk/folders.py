"""Listing folders, each once however it is reached: links may lead round in circles, and two kinds of models may share one place."""

from __future__ import annotations

import os
from pathlib import Path


def children(folder: Path, seen: set[tuple[int, int]]) -> list[os.DirEntry[str]]:
    """What is in the folder, by name; nothing when it is among ``seen``, to which it is added. Raises OSError."""
    status = folder.stat()
    place = (status.st_dev, status.st_ino)
    if place in seen:
        return []
    seen.add(place)
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)
