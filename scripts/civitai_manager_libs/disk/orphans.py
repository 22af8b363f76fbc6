"""Small files whose model is not there. A file counts only when its name says for certain, or something else does, that it belonged to a model.

``foo.civitai.info`` can be nothing else; ``foo.json``, ``foo.txt`` or ``foo.png`` may be a person's own, so they need a witness: a certain one of
the same stem, the WebUI's kind of content, or a model of that name that the catalog remembers. Anything else of that stem in the folder (another
program's model, a download under way, a folder) protects them all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from .folders import children
from .local_models import PICTURES, SIDECAR_SUFFIXES, is_model_file
from .sidecars import webui_json
from .sidecars.reading import Unreadable

CERTAIN = (".civitai.info", ".api_info.json", ".metadata.json", ".cm-info.json", ".civitai.json", *(f".preview.{one}" for one in PICTURES))
_EXAMPLE = re.compile(rf"(.+)\.example\.[0-9]+\.(?:{'|'.join(PICTURES)})", re.DOTALL)
_BY_LENGTH = sorted(SIDECAR_SUFFIXES, key=len, reverse=True)


def folders(roots: Iterable[Path], excluded: Callable[[str, str], bool]) -> Iterator[tuple[Path, list[str]]]:
    """Every folder below the roots with its names, each once however it is reached; hidden and excluded ones are left out."""
    seen: set[tuple[int, int]] = set()
    waiting = list(roots)
    while waiting:
        folder = waiting.pop()
        try:
            found = [(entry.name, entry.is_dir()) for entry in children(folder, seen) if _is_text(entry.name)]
        except OSError:
            continue
        yield folder, [name for name, _ in found]
        below = [folder / name for name, is_folder in found if is_folder and not name.startswith(".")]
        waiting += [path for path in below if not excluded(path.name, str(path))]


def in_folder(folder: Path, names: Iterable[str], remembered: Callable[[Path], bool]) -> dict[str, list[Path]]:
    """Orphans by their stem. ``remembered``: whether the catalog knew a model file with this path without its ending."""
    names = list(names)
    alive, certain, possible = set[str](), dict[str, list[str]](), dict[str, list[str]]()
    sidecars = {name: _readings(name) for name in names if not name.startswith(".")}
    for name in names:
        if is_model_file(name):
            alive.add(os.path.splitext(name)[0].casefold())  # noqa: PTH122
        elif not sidecars.get(name) or (folder / name).is_dir():
            alive.update(_beginnings(name.casefold()))
    for name, readings in sidecars.items():
        if not readings or any(stem.casefold() in alive for stem, _ in readings):
            continue
        stem, sure = readings[0]
        (certain if sure else possible).setdefault(stem, []).append(name)
    found: dict[str, list[Path]] = {}
    for stem in {**certain, **possible}:
        guessed = possible.get(stem, [])
        if stem in certain or remembered(folder / stem) or _is_metadata(folder / f"{stem}.json", guessed):
            found[stem] = [folder / name for name in sorted([*certain.get(stem, []), *guessed]) if (folder / name).is_file()]
    return {stem: paths for stem, paths in sorted(found.items()) if paths}


def _is_text(name: str) -> bool:
    """Names that are not text can be neither shown nor kept."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _readings(name: str) -> list[tuple[str, bool]]:
    """The stems of which a name may be a sidecar, the longest ending first, and whether its ending is certain."""
    found = [(match.group(1), True)] if (match := _EXAMPLE.fullmatch(name)) else []
    for suffix in _BY_LENGTH:
        if name.endswith(suffix) and len(name) > len(suffix):
            found.append((name.removesuffix(suffix), suffix in CERTAIN))
    return found


def _beginnings(name: str) -> Iterator[str]:
    """The name itself and what it is without each of its endings."""
    yield name
    while "." in name[1:]:
        name = name[: name.rindex(".")]
        yield name


def _is_metadata(path: Path, names: list[str]) -> bool:
    if path.name not in names:
        return False
    try:
        claim = webui_json.said(path)
    except (Unreadable, OSError):
        return False
    return bool(claim.raw)
