"""Finds the sidecars of other tools in a folder, and the model files that they belong to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from .. import local_models
from ..folders import children


class Group(msgspec.Struct):
    """Files of one stem in one folder: the sidecars by their ending, the model files (there may be none, or several), the pictures."""

    folder: str
    stem: str
    sidecars: dict[str, str] = {}
    models: list[str] = []

    def path(self, name: str) -> Path:
        return Path(self.folder) / name


class Refused(msgspec.Struct):
    """A folder or a name that cannot be used, and why."""

    path: str
    reason: str


def groups(root: Path, suffixes: tuple[str, ...], only_beside_models: tuple[str, ...] = ()) -> Iterator[Group | Refused]:
    """All groups below ``root`` that have a sidecar with one of ``suffixes``, folder by folder, by name.

    Each folder is read once, however it is reached. Of two readings of a name (``a.civitai.json`` beside ``a.safetensors``, or the ``.json`` of
    ``a.civitai.safetensors``) the one with a model file holds, else the longer ending; ``only_beside_models`` are endings that mean
    nothing without one.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [Path(root).absolute()]
    while waiting:
        folder = waiting.pop()
        try:
            found = children(folder, seen)
        except OSError as exc:
            yield Refused(ascii(str(folder))[1:-1] if not _is_text(str(folder)) else str(folder), f"cannot be opened ({exc.strerror})")
            continue
        below: list[os.DirEntry[str]] = []
        names: list[os.DirEntry[str]] = []
        for child in found:
            if child.name.startswith("."):
                continue
            if not _is_text(child.name):
                if child.name.lower().endswith(suffixes):
                    yield Refused(ascii(child.path)[1:-1], "has a name that is not text")
                continue
            try:
                (below if child.is_dir() else names).append(child)
            except OSError as exc:
                yield Refused(child.path, f"cannot be read ({exc.strerror})")
        yield from _of_folder(folder, [child.name for child in names], suffixes, only_beside_models)
        waiting.extend(Path(child.path) for child in reversed(below))


def ending(root: Path, suffix: str, check: Callable[[], None]) -> Iterator[Path]:
    """The files below ``root`` whose names end so, folder by folder, by name. What cannot be opened is passed over: ``groups`` tells it."""
    seen: set[tuple[int, int]] = set()
    waiting = [Path(root).absolute()]
    while waiting:
        check()
        try:
            found = [child for child in children(waiting.pop(), seen) if not child.name.startswith(".") and _is_text(child.name)]
            below = [Path(child.path) for child in found if child.is_dir()]
        except OSError:
            continue
        yield from (Path(child.path) for child in found if child.name.lower().endswith(suffix) and not child.is_dir())
        waiting.extend(reversed(below))


def _of_folder(folder: Path, names: list[str], suffixes: tuple[str, ...], only_beside_models: tuple[str, ...]) -> Iterator[Group]:
    models: dict[str, list[str]] = {}
    for name in names:
        if local_models.is_model_file(name):
            models.setdefault(Path(name).stem, []).append(name)
    found: dict[str, Group] = {}
    for name in names:
        readings = [(name[: -len(suffix)], suffix) for suffix in sorted(suffixes, key=len, reverse=True) if name.lower().endswith(suffix)]
        readings = [(stem, suffix) for stem, suffix in readings if stem and (stem in models or suffix not in only_beside_models)]
        if not readings or local_models.is_model_file(name):
            continue
        stem, suffix = next((one for one in readings if one[0] in models), readings[0])
        group = found.setdefault(stem, Group(str(folder), stem, {}, models.get(stem, [])))
        group.sidecars.setdefault(suffix, name)
    yield from found.values()


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
