"""Download one file of a version: is there room; then fetch, verify, describe, and tell the host."""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ..catalog.files import LocalFile
from ..civitai import payloads, references, refusals
from ..disk import hashing, heads, names, placement, previews, space
from ..disk.sidecars import civitai_info
from ..errors import FileExists, NeedsConfirmation, NoSpace, NotALink, NothingToDownload
from ..jobs.context import Context
from ..transfer.download import Arrived, Download, Wanted
from ..transfer.partial import Identity, Part
from ..transfer.wire import Wire
from . import claims, destination, register
from .interchange import describing
from .services import Services
from .subject import Subject, risk, subject

Inherit = Callable[[LocalFile], list[str]]

log = logging.getLogger(__name__)

SPARE = 64 << 20  # bytes that stay free on the disk: the catalog, sidecars and the host need room too
PREVIEW_WIDTH = 800  # pixels
TEXT_ENDINGS = (".json", ".yaml", ".yml", ".txt", ".xml", ".html", ".csv", ".md")

# -- asking for it


def start(
    services: Services, version_id: int, file_id: int | None, folder: str | None, name: str | None, confirmed: bool, ticket: str = "",
    *, replaces: Any = None,
) -> str:  # fmt: skip
    """Start the job for a file of a registered version; its id. What can be refused at once is: NeedsConfirmation, NoSpace, NothingToDownload...

    ``replaces``: the file that it is to succeed, see ``updating``.
    """
    about = subject(services, version_id, file_id)
    _check_risk(about, confirmed)
    destination.check_offered(services, about, folder)
    target = destination.target(services, about, folder, name)
    for record in claims.others(services, target):
        if not destination.same_file(about, record):
            raise FileExists(f"Another download is about to write {target.name}.", next_step="Choose another file name.", path=str(target))
        if services.jobs.keep_going(record.id):
            return record.id
    if not target.exists():
        _check_space(services, target, about.file.size or 0, "")
    params = {"version_id": version_id, "file_id": about.file.id or None, "model_id": about.model.id, "target": str(target), "confirmed": confirmed}
    params["size"] = about.file.size or 0
    if replaces:
        params["replaces"] = replaces
    return services.jobs.submit("download", params, key=_key(about, target), title=target.name, total_bytes=about.file.size or 0, ticket=ticket)


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
        name, folder, wanted, left = target.name, target.parent, human(size - here), human(free)
        said = f"{name} needs {wanted}, but {folder} has only {left} free."
        if queued:
            others = human(queued)
            said = f"{name} needs {wanted} besides {others} that are queued, but {folder} has only {left} free."
        raise NoSpace(said, needed=needed, free=free, folder=str(folder))


# -- doing it


def run(services: Services, context: Context, inherit: Inherit = lambda record: []) -> dict[str, Any]:
    """The job. The target is remembered at once, so that a resumed run goes on with the same part.

    ``inherit`` is called when the file is recorded, before anything is written beside it; it gives sentences of what went wrong.
    """
    context.update(text="looking up the file")
    context.update(awaits="answer from Civitai")
    about = _subject_of_job(services, context)
    _check_risk(about, bool(context.params.get("confirmed")))
    known = context.params.get("target")
    target = Path(known) if known else destination.target(services, about, context.params.get("folder"), None)
    ids = {"model_id": about.model.id, "version_id": about.version.id, "file_id": about.file.id or None}
    context.remember(target=str(target), size=about.file.size or 0, title=target.name, **ids)
    context.update(bytes_total=about.file.size or 0, awaits="")
    with claims.alone(services, target, context.job_id, context):
        arrived = _existing(services, about, target, context)
        already_here = arrived is not None
        if arrived is None:
            space.check_writable(target.parent)
            _check_space(services, target, about.file.size or 0, context.job_id)
            arrived = _fetch(services, about, target, context)
        return _finish(services, about, arrived, context, inherit, already_here=already_here)


def discard(params: dict[str, Any]) -> None:
    """What a cancelled download leaves: its own part, and nothing that is not known as its own."""
    if params.get("target"):
        part = Part(Path(params["target"]))
        known = part.known()
        if known is not None and (known.version_id, known.file_id or None) == (params.get("version_id"), params.get("file_id")):
            part.remove()


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
        if local.unchanged and (Path(local.path) == target or _usable(services, about, local)) and _proven(local, context):
            return Arrived(Path(local.path), local.size, digest, True)
    there = names.same_name_exists(target.parent, target.name) if target.parent.is_dir() else None
    if there is None:
        return None
    mine = services.files.at(there)
    if not digest and mine is not None and mine.unchanged and (mine.version_id, mine.file_id) == (about.version.id, about.file.id):
        return Arrived(there, mine.size, mine.sha256, False)
    state = Part(target).known()  # stays until the catalog has the file
    if there == target and state is not None and state.same_file(_identity(about)) and state.total == there.stat().st_size and not digest:
        return Arrived(there, there.stat().st_size, hashing.sha256(there, context, context), False)
    if digest and (about.file.size is None or there.stat().st_size == about.file.size):
        context.update(text="comparing with the file that is here")
        if hashing.sha256(there, context, context) == digest:
            return Arrived(there, there.stat().st_size, digest, True)
    raise FileExists(f"{there.name} is already in {there.parent} and is another file.", path=str(there))


def _proven(local: LocalFile, context: Context) -> bool:
    """Whether its bytes have the hash that is recorded: it may be what a sidecar claims, and is computed then."""
    if local.verified or local.health == "verified":
        return True
    context.update(text="comparing with the file that is here")
    return hashing.sha256(Path(local.path), context, context) == local.sha256


def _usable(services: Services, about: Subject, local: LocalFile) -> bool:
    """Whether a copy elsewhere serves: it lies in one of the folders that this host reads for this kind of file."""
    return any(folder in Path(local.path).parents for folder in destination.folders(services, about))


def _identity(about: Subject) -> Identity:
    return Identity(version_id=about.version.id, file_id=about.file.id, size=about.file.size, sha256=about.file.sha256 or "")


def _fetch(services: Services, about: Subject, target: Path, context: Context) -> Arrived:
    file, settings = about.file, services.settings
    client = services.client.using(context)
    wanted = Wanted(client.download_url(about.version.id, file.id or None), target, _identity(about), textual=target.suffix.lower() in TEXT_ENDINGS)
    wire = Wire(client.transport.open, client.denial, refusals.retry_after)
    arrived = Download(wanted, wire, context, context, stall_limit=settings.download_timeout, retry_delay=settings.http_retry_delay).run()
    log.info("download %s: %d bytes, %s", target.name, arrived.size, "verified" if arrived.verified else "Civitai gives no hash")
    return arrived


def _finish(
    services: Services, about: Subject, arrived: Arrived, context: Context, inherit: Inherit, *, already_here: bool
) -> dict[str, Any]:  # fmt: skip
    """Record the file, write what belongs beside it, refresh the host. The file is safe from here on, so trouble only becomes a note."""
    head = heads.look(arrived.path)
    record = _record(services, about, arrived, head, already_here=already_here)
    Part(arrived.path).remove()  # what told whose the file is, until here
    notes = [] if arrived.verified else ["Civitai gives no SHA-256 for this file, so it could not be compared."]
    if head.health == "truncated":
        notes.append("The file looks truncated: its header promises more than there is.")
    context.update(text="writing sidecars")
    notes += inherit(record)
    if services.settings.write_sidecars and not placement.is_companion(about.file.type):
        notes += _describe(services, about, arrived, context)
        notes += describing.others(services, about, record)
    context.update(awaits="")
    services.host.refresh({about.kind})
    return {
        "path": str(arrived.path), "size": arrived.size, "sha256": arrived.sha256, "verified": arrived.verified, "already_here": already_here,
        "model_id": about.model.id, "version_id": about.version.id, "file_id": about.file.id, "notes": notes,
    }  # fmt: skip


def _record(services: Services, about: Subject, arrived: Arrived, head: heads.Head, *, already_here: bool) -> LocalFile:
    """Whose file it is, and what its bytes tell, so that a scan need not read it. What was known of a file that was here before stays."""
    facts: dict[str, Any] = {"model_id": about.model.id, "version_id": about.version.id, "file_id": about.file.id}
    known = services.files.at(arrived.path) if already_here else None
    if known is not None and known.unchanged:
        health = "verified" if arrived.verified else known.health
        record = msgspec.structs.replace(known, **facts, sha256=arrived.sha256 or known.sha256, state="here", health=health)
        services.files.put([record])
        return record
    return services.files.add(
        arrived.path, arrived.sha256, kind="" if already_here else about.kind, head=head.print, autov3=head.autov3, alias=head.alias,
        health="verified" if arrived.verified else head.health, verified=time.time() if arrived.sha256 else 0, **facts,
    )  # fmt: skip


def _describe(services: Services, about: Subject, arrived: Arrived, context: Context) -> list[str]:
    """Sidecars and preview; the sentences of what could not be written."""
    return describing.tried(
        arrived.path,
        [
            lambda: civitai_info.write(arrived.path, about.version_raw, about.model_raw),
            lambda: describing.card(services, about, arrived.path, arrived.sha256),
            lambda: _preview(services, about, arrived.path, context),
        ],
    )


def _preview(services: Services, about: Subject, model_file: Path, context: Context) -> None:
    images = [image for image in about.version.images if image.type != "audio"] or [
        image for version in about.model.versions for image in version.images if image.type != "audio"
    ]
    if images and not previews.has_webui_preview(model_file):
        first = min(images[:5], key=lambda image: image.type == "video")
        context.update(awaits="answer from Civitai")
        previews.write_beside(model_file, services.client.using(context).image(first.url, PREVIEW_WIDTH))
