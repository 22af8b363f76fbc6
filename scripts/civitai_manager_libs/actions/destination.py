"""Where a downloaded file goes: its folder and its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..civitai.payloads import File
from ..disk import names, placement
from ..errors import UsageError
from ..jobs.store import Record
from . import claims
from .services import Services
from .subject import Subject, subject


def folders(services: Services, about: Subject) -> list[Path]:
    """The host's folders for this file, the one for new files first, without repetitions."""
    known = services.host.folders()
    return list(dict.fromkeys(known.get(about.kind) or known["other"]))


def default_folder(services: Services, about: Subject) -> Path:
    """Where the file goes when nobody chooses: beside its model file if it only works there, else the host's folder and the template's subfolder."""
    if placement.is_companion(about.file.type):
        partner = _partner(services, about)
        if partner is not None:
            return partner.parent
    base = folders(services, about)[0]
    below = subfolder(services, about)
    return names.inside(base, *below.split("/")) if below else base


def subfolder(services: Services, about: Subject) -> str:
    """The template filled in, with slashes; '' when there is none."""
    values = {
        "base_model": about.version.base_model,
        "creator": about.model.creator.username if about.model.creator else "",
        "model": about.model.name,
        "version": about.version.name,
        "type": about.model.type,
        "model_id": about.model.id,
        "version_id": about.version.id,
    }
    return placement.subfolder(services.settings.subfolder_template, values)


def default_name(services: Services, about: Subject) -> str:
    """The file's name made safe. Variants that share one name are told apart by what differs between them."""
    file, version = about.file, about.version
    fallback = f"{names.safe_name(about.model.name, 'model')}-{version.id}"
    name = names.safe_file_name(file.name, fallback)
    stem, ending = (name[: name.rindex(".")], name[name.rindex(".") :]) if "." in name else (name, "")
    if placement.is_companion(file.type):
        partner = _partner(services, about) or Path(names.safe_file_name(version.primary.name if version.primary else file.name, fallback))
        return partner.stem + ending
    twins = [other for other in version.files if other.id != file.id and other.name.casefold() == file.name.casefold()]
    if twins:
        marks = [mark for mark in (file.fp, file.quant, file.size_kind) if mark]
        mine = "-".join(marks)
        if not mine or any("-".join(mark for mark in (o.fp, o.quant, o.size_kind) if mark) == mine for o in twins):
            mine = "-".join([*marks, str(file.id)])
        if file is not version.primary:
            stem += f".{mine}"
    return names.safe_file_name(stem + ending, fallback)


def _partner(services: Services, about: Subject) -> Path | None:
    """The model file of the same version that is here already."""
    primary = about.version.primary
    for local in services.files.of_model(about.model.id):
        if primary and local.version_id == about.version.id and local.file_id == primary.id and local.unchanged:
            return Path(local.path)
    return None


def choices(services: Services, version_id: int, file_id: int | None) -> dict[str, Any]:
    """For the side panel: the folders to choose from, the one that would be taken, and the name."""
    about = subject(services, version_id, file_id)
    default = default_folder(services, about)
    return {
        "choices": list(dict.fromkeys([str(default), *map(str, folders(services, about))])),
        "default": str(default),
        "name": default_name(services, about),
        "kind": about.kind,
    }


def target(services: Services, about: Subject, folder: str | None, name: str | None) -> Path:
    """Where the file is to be. Raises UsageError for a folder or a name that cannot be used."""
    if folder and not Path(folder).is_absolute():
        raise UsageError(f"{folder!r} is not an absolute folder.", next_step="Choose one of the offered folders, or give a full path.")
    base = Path(folder) if folder else default_folder(services, about)
    proposed = default_name(services, about)
    safe = names.safe_file_name(name, proposed) if name else proposed
    ending = Path(proposed).suffix
    if ending and Path(safe).suffix.lower() != ending.lower():
        safe = names.safe_file_name(safe + ending, proposed)  # the loader goes by the ending
    wanted = names.inside(base, safe)
    if name:
        return wanted
    for mark in (about.version.id, about.file.id):
        if _free(services, about, wanted):
            return wanted
        wanted = names.inside(base, names.safe_file_name(f"{Path(safe).stem}-{mark}{wanted.suffix}", proposed))
    return wanted if _free(services, about, wanted) else names.inside(base, names.unique_name(base, wanted.name))


def check_offered(services: Services, about: Subject, folder: str | None) -> None:
    """Raises UsageError for a folder that is no model folder of the host, nor below one: a page must not make the server write anywhere."""
    if not folder or Path(folder) == default_folder(services, about):
        return
    known = {path for group in services.host.folders().values() for path in group}
    if ".." in Path(folder).parts or not any(path in (Path(folder), *Path(folder).parents) for path in known):
        raise UsageError(f"{folder} is not a model folder of this WebUI.", next_step="Choose one of the offered folders, or a folder below one.")


def _free(services: Services, about: Subject, target: Path) -> bool:
    """Whether nothing else has this name: no other file, and no other download that is under way."""
    there = names.same_name_exists(target.parent, target.name)
    if there is not None and not _is_this(services, there, about.file):
        return False
    return all(same_file(about, record) for record in claims.others(services, target))


def same_file(about: Subject, record: Record) -> bool:
    return (record.params.get("version_id"), record.params.get("file_id")) == (about.version.id, about.file.id or None)


def _is_this(services: Services, path: Path, file: File) -> bool:
    """Whether an existing file may be the wanted one: the catalog knows by hash, or else its size does not speak against it."""
    known = services.files.at(path)
    if known is not None and known.unchanged and known.sha256 and file.sha256:
        return known.sha256 == file.sha256
    return path.is_file() and (file.size is None or path.stat().st_size == file.size)
