"""Files that go together: a model file with all that belongs to it, each with where it goes, and what speaks against it.

A plan is made of groups, and each is made anew before it is carried out: only when it is still the same in every file, size and time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ...catalog.files import LocalFile
from ...disk import names
from ...disk.local_models import is_model_file, sidecar_files
from ...disk.walk import lines
from ..services import Services

LONGEST_NAME = 255  # bytes, on nearly all file systems
WINDOWS_PATH = 259


class Part(msgspec.Struct):
    """One file. ``to``: '' for a trash. ``how``: move, copy (another model needs it too), trash. ``file_id``: of a model file."""

    path: str
    to: str
    size: int
    mtime_ns: int
    how: str
    sha256: str = ""
    file_id: int | None = None


class Group(msgspec.Struct):
    """``key`` says how to make it again, ``check`` what it must be then. ``problem``: why it is left alone, a sentence; '' when it can be done."""

    key: str
    name: str
    parts: list[Part]
    code: str = ""
    problem: str = ""
    about: dict[str, Any] = {}

    @property
    def check(self) -> str:
        told = [[part.path, part.to, part.size, part.mtime_ns] for part in sorted(self.parts, key=lambda part: part.path)]
        return hashlib.sha256(msgspec.json.encode([told, self.about.get("keep")])).hexdigest()[:20]

    @property
    def bytes(self) -> int:
        return sum(part.size for part in self.parts)


class Look:
    """What is known while a plan is made, or one group of it: names in folders, downloads under way, which folders are ours to write to."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.targets: dict[str, str] = {}
        self._names: dict[Path, list[str]] = {}
        self._writing: set[str] | None = None
        self.folders = {kind: list(dict.fromkeys(path.absolute() for path in paths)) for kind, paths in services.host.folders().items()}
        self.roots = [(kind, folder) for kind, folders in self.folders.items() for folder in folders]
        self.places: dict[int, tuple[Path | None, str]] = {}
        self._kinds = {str(folder): kind for kind, folder in reversed(self.roots)}
        self._read_only = {str(Path(line).expanduser().absolute()) for line in lines(services.settings.scan_folders)} - set(self._kinds)
        self._root_of: dict[str, tuple[str, Path] | None] = {}

    def names(self, folder: Path) -> list[str]:
        if folder not in self._names:
            try:
                self._names[folder] = [path.name for path in folder.iterdir()]
            except OSError:
                self._names[folder] = []
        return self._names[folder]

    def of_stem(self, path: Path) -> list[Path]:
        """The model files in its folder with its stem in any letter case, itself among them."""
        stem = path.stem.casefold()
        return [
            path.parent / name for name in self.names(path.parent) if name.casefold().startswith(stem) and is_model_file(name)
            and os.path.splitext(name)[0].casefold() == stem  # noqa: PTH122
        ]  # fmt: skip

    def root_of(self, path: Path) -> tuple[str, Path] | None:
        """(kind, folder) of the host's model folder that holds a file; None for one elsewhere, or in a further folder, which is only read."""
        folder = os.path.dirname(path)  # noqa: PTH120 - asked for every file of a plan
        if folder not in self._root_of:
            self._root_of[folder] = self._find_root(folder)
        return self._root_of[folder]

    def _find_root(self, folder: str) -> tuple[str, Path] | None:
        while folder not in self._kinds:
            above = os.path.dirname(folder)  # noqa: PTH120
            if folder in self._read_only or above == folder:
                return None
            folder = above
        return self._kinds[folder], Path(folder)

    def is_being_written(self, path: Path) -> bool:
        if self._writing is None:
            self._writing = {str(record.params.get("target")).casefold() for record in self.services.jobs.unfinished("download")}
        return str(path).casefold() in self._writing


def together(records: Iterable[LocalFile]) -> list[list[LocalFile]]:
    """Files of one stem in one folder share what lies beside them, so they go in one group."""
    found: dict[str, list[LocalFile]] = {}
    for record in records:
        found.setdefault(os.path.splitext(record.path)[0], []).append(record)  # noqa: PTH122
    return [sorted(group, key=lambda record: record.id) for group in found.values()]


def key_of(records: Sequence[LocalFile]) -> str:
    return " ".join(str(record.id) for record in records)


def records_of(services: Services, key: str) -> list[LocalFile]:
    """The records that a key names; none for a key of something else."""
    numbers = [int(word) for word in key.split() if word.isascii() and word.isdigit() and len(word) < 19]
    return [record for number in numbers if (record := services.files.get(number)) is not None]


def chosen(services: Services, models: Iterable[int], files: Iterable[int]) -> list[LocalFile]:
    """The files of some models and some files, each once, in the order of their paths."""
    found = {record.id: record for model_id in models for record in services.files.of_model(model_id)}
    found.update((record.id, record) for file_id in files if (record := services.files.get(file_id)) is not None)
    return sorted((record for record in found.values() if record.state == "here"), key=lambda record: record.path)


def make(
    look: Look, key: str, records: Sequence[LocalFile], place: Callable[[LocalFile], Path] | None, about: Mapping[str, Any] | None = None
) -> Group:
    """The group of some records of one stem: to where ``place`` says (one folder and stem for all of them), or to the trash.

    What another model file of that stem needs too is copied when they move away, and stays when they are deleted.
    """
    group = Group(key, Path(records[0].path).name if records else key, [], about=dict(about or {}))
    targets = {record.id: place(record) if place else None for record in records}
    mine = {record.path for record in records}
    beside: dict[Path, Path] = {}
    for record in records:
        path, target = Path(record.path), targets[record.id]
        group.parts.append(
            Part(record.path, str(target) if target else "", record.size, record.mtime_ns, "move" if target else "trash", record.sha256, record.id)
        )
        beside.update((sidecar, path) for sidecar in sidecar_files(path))
    strangers = [path for record in records for path in look.of_stem(Path(record.path)) if str(path) not in mine]
    for sidecar, model in beside.items():
        shared = any(needs(stranger, sidecar, model) for stranger in strangers)
        target = targets[next(record.id for record in records if record.path == str(model))]
        if target is None and shared:
            continue
        to = str(target.with_name(target.stem + sidecar.name[len(model.stem) :])) if target else ""
        status = _status(sidecar)
        group.parts.append(Part(str(sidecar), to, *status, ("copy" if shared else "move") if target else "trash"))
    group.code, group.problem = _problem(look, group, records)
    return group


def needs(other: Path, sidecar: Path, model: Path) -> bool:
    """Whether a small file is that of another model file too."""
    theirs = other.with_name(other.stem + sidecar.name[len(model.stem) :])
    if theirs == sidecar:
        return True
    try:
        return theirs.samefile(sidecar)  # a file system that ignores case
    except OSError:
        return False


def _status(path: Path) -> tuple[int, int]:
    try:
        found = path.lstat()
        return found.st_size, found.st_mtime_ns
    except OSError:
        return 0, 0


def _problem(look: Look, group: Group, records: Sequence[LocalFile]) -> tuple[str, str]:
    """The first thing that speaks against a group: a code for programs, and a sentence."""
    if not records:
        return "gone", "It is no longer in the library: scan again."
    sources = {part.path for part in group.parts}
    for record in records:
        path = Path(record.path)
        if record.state != "here" or not os.path.lexists(path):
            return "gone", f"{path} is no longer there: scan again."
        link = path.is_symlink()
        # Of a link the catalog knows what it leads to; deleting takes the link only.
        if not record.unchanged:
            return "changed", f"{path.name} was changed since it was scanned: scan again."
        if link and group.parts[0].to:
            return "link", f"{path.name} is a link: move the file that it leads to."
        if look.root_of(path) is None:
            return "read_only", f"{path} is in no model folder of this program's, but in a folder that is only read."
    if len({os.path.splitext(record.path)[0] for record in records}) != 1:  # noqa: PTH122
        return "changed", "These files no longer belong together."
    for part in group.parts:
        path = Path(part.path)
        if part.file_id is not None and path.is_symlink():
            part.size, part.mtime_ns = _status(path)
            part.sha256 = ""
        if look.is_being_written(path):
            return "being_written", f"A download is writing {path.name}: wait for it, or cancel it."
        if part.to and path.is_symlink():
            return "link", f"{path.name} is a link, and would lead nowhere from another place."
    for part in group.parts:
        if part.to:
            told = _place_problem(look, Path(part.path), Path(part.to), group.key, sources)
            if told[0]:
                return told
    return "", ""


def _place_problem(look: Look, path: Path, target: Path, key: str, sources: set[str]) -> tuple[str, str]:
    """What speaks against one new place."""
    if len(os.fsencode(target.name)) > LONGEST_NAME or (os.name == "nt" and len(str(target)) > WINDOWS_PATH):
        return "too_long", f"{target.name} would be too long a name there."
    if look.root_of(target) is None:
        return "read_only", f"{target.parent} is no model folder of this program's."
    if look.is_being_written(target):
        return "being_written", f"A download is about to write {target}."
    if look.targets.setdefault(str(target).casefold(), key) != key:
        return "conflict", f"Another file of this plan goes to {target}."
    # In any letter case: the library may go to a drive that ignores it.
    there = _same_name(look, target)
    if there is not None and not (str(there) in sources and there == path):
        return "conflict", f"There is another file at {there}."
    if is_model_file(target.name):
        others = [other for other in look.of_stem(target) if str(other) not in sources]
        if others:
            return "conflict", f"{others[0].name} is there, and would share its preview and its notes: rename one of them first."
    return "", ""


def _same_name(look: Look, target: Path) -> Path | None:
    wanted = target.name.casefold()
    if not any(name.casefold() == wanted or not name.isascii() for name in look.names(target.parent)):
        return None
    return names.same_name_exists(target.parent, target.name)
