"""Download one file of a version: which file, which folder, which name, is there room; then fetch, verify, describe, and tell the host."""

from __future__ import annotations

import datetime
import logging
from pathlib import Path
from typing import Any

import msgspec

from ..catalog.files import LocalFile
from ..civitai import payloads, references
from ..civitai.payloads import File, Model, Version
from ..disk import hashing, names, placement, previews, space
from ..disk.sidecars import civitai_info, webui_json
from ..errors import CivitaiManagerError, FileExists, NeedsConfirmation, NoSpace, NotALink, NotFound, NothingToDownload, UsageError
from ..jobs.context import Context
from ..jobs.store import Record
from ..reporter import Patience
from ..transfer.download import Arrived, Download, Wanted, Wire
from ..transfer.partial import Identity, Part
from . import claims, register
from .services import Services

log = logging.getLogger(__name__)

SPARE = 64 << 20  # bytes that stay free on the disk: the catalog, sidecars and the host need room too
PREVIEW_WIDTH = 800  # pixels
TEXT_ENDINGS = (".json", ".yaml", ".yml", ".txt", ".xml", ".html", ".csv", ".md")


class Subject(msgspec.Struct):
    """A file of Civitai's with everything around it. The raw objects go into sidecars."""

    model: Model
    version: Version
    file: File
    model_raw: dict[str, Any]
    version_raw: dict[str, Any]

    @property
    def kind(self) -> str:
        """The kind of folder that the file belongs into."""
        return placement.folder_kind(self.file.type, self.model.type, self.file.name, self.file.format)


# -- choosing


def subject(services: Services, version_id: int, file_id: int | None = None) -> Subject:
    """What is known of a file of a registered version, its primary file by default. Raises NotFound, NothingToDownload."""
    model_id = services.models.model_of_version(version_id)
    raw = services.models.body(model_id) if model_id is not None else None
    if raw is None:
        raise NotFound(f"Version {version_id} is not registered.", next_step="Register its model first.")
    model = payloads.model(raw)
    version = next((one for one in model.versions if one.id == version_id), None)
    if version is None:
        raise NotFound(f"{model.name} no longer has the version {version_id}.", next_step="Refresh the model and choose another version.")
    file = next((one for one in version.files if one.id == file_id), None) if file_id else version.primary
    if file is None:
        raise NothingToDownload(f"{model.name}, {version.name}: Civitai lists no {'such file' if file_id else 'file'}.")
    version_raw = next(one for one in raw["modelVersions"] if isinstance(one, dict) and str(one.get("id")) == str(version_id))
    return Subject(model, version, file, raw, version_raw)


def risk(file: File) -> str:
    """Why a file should not be downloaded without a second thought, as a sentence; '' when nothing speaks against it."""
    if file.scan == "Danger":
        return "Civitai's scan says that this file is dangerous."
    if file.is_pickle:
        results = {"Success": "Civitai's scan found nothing", "Pending": "Civitai has not scanned it yet"}
        scanned = results.get(file.scan, "Civitai's scan did not clear it")
        return f"This is a pickle file: it can run code when it is loaded. {scanned}."
    return ""


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
    values = {
        "base_model": about.version.base_model,
        "creator": about.model.creator.username if about.model.creator else "",
        "model": about.model.name,
        "version": about.version.name,
        "type": about.model.type,
        "model_id": about.model.id,
        "version_id": about.version.id,
    }
    below = placement.subfolder(services.settings.subfolder_template, values)
    return names.inside(base, *below.split("/")) if below else base


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


def _target(services: Services, about: Subject, folder: str | None, name: str | None) -> Path:
    """Where the file is to be. Raises UsageError for a folder or a name that cannot be used."""
    if folder and not Path(folder).is_absolute():
        raise UsageError(f"{folder!r} is not an absolute folder.", next_step="Choose one of the offered folders, or give a full path.")
    base = Path(folder) if folder else default_folder(services, about)
    proposed = default_name(services, about)
    safe = names.safe_file_name(name, proposed) if name else proposed
    ending = Path(proposed).suffix
    if ending and Path(safe).suffix.lower() != ending.lower():
        safe = names.safe_file_name(safe + ending, proposed)  # the loader goes by the ending
    target = names.inside(base, safe)
    if name:
        return target
    for mark in (about.version.id, about.file.id):
        if _free(services, about, target):
            return target
        target = names.inside(base, names.safe_file_name(f"{Path(safe).stem}-{mark}{target.suffix}", proposed))
    return target if _free(services, about, target) else names.inside(base, names.unique_name(base, target.name))


def _free(services: Services, about: Subject, target: Path) -> bool:
    """Whether nothing else has this name: no other file, and no other download that is under way."""
    there = names.same_name_exists(target.parent, target.name)
    if there is not None and not _is_this(services, there, about.file):
        return False
    return all(_same_file(about, record) for record in claims.others(services, target))


def _same_file(about: Subject, record: Record) -> bool:
    return (record.params.get("version_id"), record.params.get("file_id")) == (about.version.id, about.file.id or None)


def _is_this(services: Services, path: Path, file: File) -> bool:
    """Whether an existing file may be the wanted one: the catalog knows by hash, or else its size does not speak against it."""
    known = services.files.at(path)
    if known is not None and known.unchanged and known.sha256 and file.sha256:
        return known.sha256 == file.sha256
    return path.is_file() and (file.size is None or path.stat().st_size == file.size)


# -- asking for it


def start(services: Services, version_id: int, file_id: int | None, folder: str | None, name: str | None, confirmed: bool) -> str:
    """Start the job for a file of a registered version; its id. What can be refused at once is: NeedsConfirmation, NoSpace, NothingToDownload..."""
    about = subject(services, version_id, file_id)
    _check_risk(about, confirmed)
    target = _target(services, about, folder, name)
    for record in claims.others(services, target):
        if not _same_file(about, record):
            raise FileExists(f"Another download is about to write {target.name}.", next_step="Choose another file name.", path=str(target))
        if record.state == "paused":
            services.jobs.resume(record.id)
        return record.id
    if not target.exists():
        _check_space(services, target, about.file.size or 0, "")
    params = {"version_id": version_id, "file_id": about.file.id or None, "model_id": about.model.id, "target": str(target), "confirmed": confirmed}
    params["size"] = about.file.size or 0
    return services.jobs.submit("download", params, key=_key(about, target), title=target.name, total_bytes=about.file.size or 0)


def start_link(services: Services, link: str, version_id: int | None, file_id: int | None, folder: str | None, confirmed: bool) -> str:
    """Start a job for a link whose model need not be registered; its id. Raises NotALink."""
    found = [one for one in register.parse(services, link) if one.kind != "unknown"]
    if len(found) != 1:
        raise NotALink("One link at a time, please.")
    wanted = {"version_id": version_id, "file_id": file_id, "folder": folder, "confirmed": confirmed, "reference": msgspec.to_builtins(found[0])}
    return services.jobs.submit("download", wanted, key=f"{found[0]} {version_id} {file_id} {folder}", title=f"Download {found[0].text}")


def _key(about: Subject, target: Path) -> str:
    return f"{about.version.id} {about.file.id} {target}"


def _check_risk(about: Subject, confirmed: bool) -> None:
    reason = risk(about.file)
    if reason and not confirmed:
        raise NeedsConfirmation(f"{about.file.name}: {reason}", version_id=about.version.id, file_id=about.file.id, model_id=about.model.id)


def _check_space(services: Services, target: Path, size: int, job_id: str) -> None:
    """Raises NoSpace unless everything that is queued for this disk fits, this file included. Sizes in bytes."""
    disk = space.device(target.parent)
    queued = 0
    for record in services.jobs.unfinished("download"):
        other = record.params.get("target")
        if record.id != job_id and other and record.state != "paused" and other != str(target) and space.device(Path(other).parent) == disk:
            queued += max(0, int(record.params.get("size") or 0) - int(record.progress.get("bytes_done") or 0))
    part = Part(target).path
    here = part.stat().st_size if part.exists() else 0
    needed, free = size - here + queued + SPARE, space.free(target.parent)
    if needed > free:
        human = payloads.human_size
        others = f" besides {human(queued)} that are queued" if queued else ""
        raise NoSpace(
            f"{target.name} needs {human(size - here)}{others}, but {target.parent} has only {human(free)} free.",
            needed=needed,
            free=free,
            folder=str(target.parent),
        )


# -- doing it


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job. The target is remembered at once, so that a resumed run goes on with the same part."""
    context.update(text="looking up the file")
    about = _subject_of_job(services, context)
    _check_risk(about, bool(context.params.get("confirmed")))
    target = Path(context.params["target"]) if context.params.get("target") else _target(services, about, context.params.get("folder"), None)
    ids = {"model_id": about.model.id, "version_id": about.version.id, "file_id": about.file.id or None}
    context.remember(target=str(target), size=about.file.size or 0, title=target.name, **ids)
    context.update(bytes_total=about.file.size or 0)
    with claims.alone(services, target, context.job_id):
        arrived = _existing(services, about, target, context)
        already_here = arrived is not None
        if arrived is None:
            space.check_writable(target.parent)
            _check_space(services, target, about.file.size or 0, context.job_id)
            arrived = _fetch(services, about, target, context)
        elif arrived.path == target:
            Part(target).remove()  # of a process that was killed when the file had its name already
        return _finish(services, about, arrived, context, already_here=already_here)


def discard(params: dict[str, Any]) -> None:
    """What a cancelled download leaves: its part, which nothing else uses."""
    if params.get("target"):
        Part(Path(params["target"])).remove()


def _subject_of_job(services: Services, context: Context) -> Subject:
    params = context.params
    version_id, file_id = params.get("version_id"), params.get("file_id")
    if params.get("reference"):
        reference = msgspec.convert(params["reference"], references.Reference)
        model_id, named = register.resolve(services, reference, context)
        version_id = version_id or named
        if version_id is None or services.models.model_of_version(version_id) is None:
            register.register_model(services, model_id, context)
        if version_id is None:
            version_id = _newest(services, model_id)
        file_id = file_id or reference.file_id or _file_with_hash(services, version_id, reference.hash)
    return subject(services, int(version_id or 0), file_id)


def _newest(services: Services, model_id: int) -> int:
    """The first version that everybody may download, as the creator ordered them; else the first."""
    model = payloads.model(services.models.body(model_id))
    now = datetime.datetime.now(datetime.timezone.utc)
    with_files = [version for version in model.versions if version.files]
    if not with_files:
        raise NothingToDownload(f"{model.name} has no file to download.", next_step="It may be archived; refresh it later.")
    return next((version for version in with_files if version.early_access(now) is None), with_files[0]).id


def _file_with_hash(services: Services, version_id: int, digest: str | None) -> int | None:
    if not digest:
        return None
    for file in subject(services, version_id).version.files:
        if (file.sha256 or "").startswith(digest) or digest in [value.lower() for value in file.hashes.values()]:
            return file.id
    return None


def _existing(services: Services, about: Subject, target: Path, context: Context) -> Arrived | None:
    """The wanted file where it already is: recorded in the catalog, or under the target's name. Raises FileExists for another file there."""
    digest = about.file.sha256 or ""
    for local in services.files.with_hash(digest):
        if local.unchanged and (Path(local.path) == target or _usable(services, about, local)):
            return Arrived(Path(local.path), local.size, digest, True)
    there = names.same_name_exists(target.parent, target.name) if target.parent.is_dir() else None
    if there is None:
        return None
    if digest and (about.file.size is None or there.stat().st_size == about.file.size):
        context.update(text="comparing with the file that is here")
        if hashing.sha256(there, context, context) == digest:
            return Arrived(there, there.stat().st_size, digest, True)
    raise FileExists(f"{there.name} is already in {there.parent} and is another file.", path=str(there))


def _usable(services: Services, about: Subject, local: LocalFile) -> bool:
    """Whether a copy elsewhere serves: it lies in one of the folders that this host reads for this kind of file."""
    return any(folder in Path(local.path).parents for folder in folders(services, about))


def _fetch(services: Services, about: Subject, target: Path, context: Context) -> Arrived:
    file, settings = about.file, services.settings
    client = services.client.using(context)
    identity = Identity(version_id=about.version.id, file_id=file.id, size=file.size, sha256=file.sha256 or "")
    wanted = Wanted(client.download_url(about.version.id, file.id or None), target, identity, textual=target.suffix.lower() in TEXT_ENDINGS)
    wire = Wire(client.transport.open, client.denial)
    arrived = Download(wanted, wire, context, context, stall_limit=settings.download_timeout, retry_delay=settings.http_retry_delay).run()
    log.info("download %s: %d bytes, %s", target.name, arrived.size, "verified" if arrived.verified else "Civitai gives no hash")
    return arrived


def _finish(services: Services, about: Subject, arrived: Arrived, context: Context, *, already_here: bool) -> dict[str, Any]:
    """Record the file, write what belongs beside it, refresh the host. The file is safe from here on, so trouble only becomes a note."""
    services.files.add(arrived.path, arrived.sha256, model_id=about.model.id, version_id=about.version.id, file_id=about.file.id)
    notes = [] if arrived.verified else ["Civitai gives no SHA-256 for this file, so it could not be compared."]
    if hashing.safetensors_complete(arrived.path) is False:
        notes.append("The file looks truncated: its header promises more than there is.")
    context.update(text="writing sidecars")
    if services.settings.write_sidecars and not placement.is_companion(about.file.type):
        notes += _describe(services, about, arrived, context)
    services.host.refresh({about.kind})
    return {
        "path": str(arrived.path), "size": arrived.size, "sha256": arrived.sha256, "verified": arrived.verified, "already_here": already_here,
        "model_id": about.model.id, "version_id": about.version.id, "file_id": about.file.id, "notes": notes,
    }  # fmt: skip


def _describe(services: Services, about: Subject, arrived: Arrived, patience: Patience) -> list[str]:
    """Sidecars and preview; the sentences of what could not be written."""
    url = f"{services.settings.civitai_url}/models/{about.model.id}?modelVersionId={about.version.id}"
    notes = []
    steps = (
        lambda: civitai_info.write(arrived.path, about.version_raw, about.model_raw),
        lambda: webui_json.write(
            arrived.path, description=about.version.description or about.model.description, base_model=about.version.base_model,
            trained_words=about.version.trained_words, model_id=about.model.id, version_id=about.version.id, sha256=arrived.sha256, url=url,
        ),
        lambda: _preview(services, about, arrived.path, patience),
    )  # fmt: skip
    for step in steps:
        try:
            step()
        except CivitaiManagerError as exc:
            log.warning("beside %s: %s", arrived.path.name, exc)
            notes.append(str(exc))
    return notes


def _preview(services: Services, about: Subject, model_file: Path, patience: Patience) -> None:
    images = [image for image in about.version.images if image.type != "audio"] or [
        image for version in about.model.versions for image in version.images if image.type != "audio"
    ]
    if images and not previews.has_webui_preview(model_file):
        first = min(images[:5], key=lambda image: image.type == "video")
        previews.write_beside(model_file, services.client.using(patience).image(first.url, PREVIEW_WIDTH))
