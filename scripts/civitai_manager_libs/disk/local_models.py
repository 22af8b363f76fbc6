"""Model files on disk and the small files that belong to each."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from .folders import children
from .sidecars.reading import beside

log = logging.getLogger(__name__)

# Archives: poses, wildcards and workflows come as such.
EXTENSIONS = frozenset({".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx", ".zip", ".7z", ".rar"})

PICTURES = ("png", "jpg", "jpeg", "webp", "gif", "avif", "mp4", "webm")
SIDECAR_SUFFIXES = (
    ".civitai.info", ".json", ".api_info.json", ".metadata.json", ".cm-info.json", ".civitai.json", ".html", ".txt", ".yaml", ".yml",
    *(f".{extension}" for extension in PICTURES),
    *(f".preview.{extension}" for extension in PICTURES),
)  # fmt: skip


def is_model_file(name: str) -> bool:
    """By its name: a known extension, not hidden. A download under way (``.part``) is none."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS  # noqa: PTH122 - of every file of a scan


def sidecar_files(model_file: Path) -> list[Path]:
    """The existing files that belong to ``model_file``: exactly its stem and a known ending, or ``<stem>.example.<n>.<picture>``.

    ``foo.preview.png`` is not foo's when there is a model ``foo.preview.safetensors``. Two model files of one stem share their sidecars, as they
    do in the WebUI: ask for both before moving one away.
    """
    names = (beside(model_file, suffix) for suffix in SIDECAR_SUFFIXES)
    found = [path for path in itertools.chain(names, _examples(model_file)) if path != model_file and os.path.lexists(path)]
    return [path for path in found if path.stem == model_file.stem or not _is_a_stem(path.with_suffix(""))]


def _examples(model_file: Path) -> Iterator[Path]:
    """Pictures as Civitai Helper and Lora Manager number them, from 0 until one is missing."""
    for number in itertools.count():
        group = [path for path in (beside(model_file, f".example.{number}.{extension}") for extension in PICTURES) if os.path.lexists(path)]
        if not group:
            return
        yield from group


def _is_a_stem(path: Path) -> bool:
    """Whether there is a model file whose name without its extension is this path's name."""
    return any(os.path.lexists(path.with_name(path.name + extension)) for extension in EXTENSIONS)


def iter_model_files(folders: Iterable[Path]) -> Iterator[Path]:
    """All model files below the folders, each folder once however it is reached (links, two kinds in one place), by name within a folder.

    Hidden files and folders are left out; what cannot be read is logged and left out.
    """
    seen: set[tuple[int, int]] = set()
    # A stack of its own: a deep tree must not meet the recursion limit.
    waiting = [Path(folder).absolute() for folder in reversed(list(folders))]
    while waiting:
        folder = waiting.pop()
        try:
            found = children(folder, seen)
        except FileNotFoundError:
            continue
        except OSError as exc:
            log.warning("models: %s cannot be listed (%s)", folder, exc.strerror)
            continue
        below: list[Path] = []
        for child in found:
            if child.name.startswith(".") or not _usable(child):
                continue
            if child.is_dir():
                below.append(Path(child.path))
            elif is_model_file(child.name) and child.is_file():
                yield Path(child.path)
        waiting.extend(reversed(below))


def _usable(entry: os.DirEntry[str]) -> bool:
    """Whether the name is text (the catalog cannot keep one that is not), and a link leads somewhere."""
    try:
        entry.name.encode()
        entry.is_dir()
    except UnicodeEncodeError:
        log.warning("models: a name that is not text is left out: %s", ascii(entry.path))
        return False
    except OSError as exc:
        log.warning("models: %s cannot be read (%s)", entry.path, exc.strerror)
        return False
    return True
