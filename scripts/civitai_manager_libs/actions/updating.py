"""Fetch the newest version of a model into the place of the one that is here: the old file is retired last, and only when the new one is verified.

An update is a download that knows what it replaces. Killed anywhere, the same download does the rest; failed or cancelled, it has touched nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..catalog.files import LocalFile
from ..catalog.updates import Offer
from ..civitai import payloads
from ..civitai.payloads import File, Version
from ..disk import placement
from ..errors import Archived, Busy, CivitaiManagerError, NothingToDownload, UsageError, explain
from ..jobs.context import Context
from . import download
from .organise import replacing
from .organise.groups import Look
from .services import Services

MODELS = ("Model", "Pruned Model")  # one kind: creators use both words for it


class Step(NamedTuple):
    """One file to fetch. ``old``: the file that it replaces, None for one that only comes along."""

    version: Version
    file: File
    old: LocalFile | None
    folder: str | None


def start(services: Services, model_ids: Iterable[int], *, confirmed: bool = False, ticket: str = "") -> str:
    """Start the job that starts the downloads; its id. Its result says which: see ``run``. Raises UsageError when no model is named."""
    ids = list(dict.fromkeys(model_ids))
    if not ids:
        raise UsageError("No model was chosen.", next_step="Choose what to update.")
    offer = services.updates.offers(ids[:1]).get(ids[0])
    title = f"Update {offer.name}" if offer and len(ids) == 1 else f"Update {len(ids):,} model{'s' * (len(ids) > 1)}"
    key = hashlib.sha256(" ".join(map(str, sorted(ids))).encode()).hexdigest()
    return services.jobs.submit("update", {"confirmed": confirmed}, key=f"{key} {confirmed}", title=title, items=ids, ticket=ticket)


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job; an item is a model. ``started``: each download with its model and what it replaces; ``skipped``: the others, and why."""
    items = context.items()
    for place, item in enumerate(items):
        context.update(done=place, total=len(items))
        if item.state != "queued":
            continue
        context.check()
        try:
            context.item_done(item, _begin(services, item.params, bool(context.params.get("confirmed"))))
        except CivitaiManagerError as exc:
            context.item_failed(item, exc)
    context.update(done=len(items))
    skipped = [{"model_id": item.params, "name": _name(services, item.params), **item.result} for item in items if item.state == "failed"]
    done = [item.result for item in items if item.state == "done"]
    skipped += [one for result in done for one in result["skipped"]]
    return {"started": [one for result in done for one in result["started"]], "skipped": skipped}


def _name(services: Services, model_id: int) -> str:
    row = services.models.row(model_id)
    return row["name"] if row else str(model_id)


def _begin(services: Services, model_id: int, confirmed: bool) -> dict[str, Any]:
    """Start a model's downloads. Raises when there is none to start."""
    offer = services.updates.offers([model_id]).get(model_id)
    if offer is None:
        raise NothingToDownload(f"{_name(services, model_id)}: there is nothing newer than what is here.", next_step="")
    started, skipped = [], []
    for step in plan(services, offer):
        about = {"model_id": model_id, "name": offer.name, "version": step.version.name, "replaces": step.old.path if step.old else None}
        try:
            started.append({**about, "job": _download(services, step, confirmed)})
        except CivitaiManagerError as exc:
            skipped.append({**about, **explain(exc)})
    return {"started": started, "skipped": skipped}


def _download(services: Services, step: Step, confirmed: bool) -> str:
    for record in services.jobs.unfinished("download"):
        if (record.params.get("version_id"), record.params.get("file_id")) == (step.version.id, step.file.id or None):
            if not record.params.get("replaces"):
                raise Busy(f"{step.file.name} is being downloaded already.", next_step="Wait for that download, or cancel it.")
            if services.jobs.keep_going(record.id):
                return record.id
    replaces = {"id": step.old.id, "path": step.old.path, "size": step.old.size, "sha256": step.old.sha256} if step.old else None
    return download.start(services, step.version.id, step.file.id or None, step.folder, None, confirmed, replaces=replaces)


def plan(services: Services, offer: Offer) -> list[Step]:
    """What an update of a model fetches: the newest version that everybody may have, for each version here that it follows.

    Raises NothingToDownload, Archived.
    """
    if not offer.free:
        day = _end(offer)
        said = f"{offer.name}: what is newer is in early access until {day}." if day else f"{offer.name}: what is newer is in early access."
        raise NothingToDownload(said, next_step="Wait for its end, or buy access and download that version.")
    model = payloads.model(services.models.body(offer.model_id))
    if model.mode in ("Archived", "TakenDown"):
        raise Archived(f"{offer.name} is archived or taken down: Civitai no longer offers its files.")
    versions = {version.id: version for version in model.versions}
    steps: list[Step] = []
    for follows in dict.fromkeys(one.follows for one in offer.free):
        newest = next((versions[one.id] for one in offer.free if one.follows == follows and one.id in versions and versions[one.id].files), None)
        if newest is not None:
            here = [record for record in services.files.of_model(offer.model_id) if record.version_id == follows]
            before = versions[follows].files if follows in versions else []
            steps += [step for step in _steps(services, newest, before, here) if (step.version.id, step.file.id) not in _ids(steps)]
    if not steps:
        raise NothingToDownload(f"{offer.name}: Civitai lists no file of the newer version.", next_step="Check for updates again later.")
    return steps


def _end(offer: Offer) -> str:
    """The first day of free access, as in 2026-12-03; "" when none is known."""
    ends = [one.early_access for one in offer.versions if one.early_access not in ("", "permanent")]
    return min(ends)[:10] if ends else ""


def _ids(steps: Sequence[Step]) -> set[tuple[int, int]]:
    return {(step.version.id, step.file.id) for step in steps}


def _steps(services: Services, newest: Version, before: list[File], here: list[LocalFile]) -> list[Step]:
    """A file for each one here that has its like in the new version; when none has, the primary file for the model file that is here.

    What only works beside its model file comes along, and goes with the old one.
    """
    known = {file.id: file for file in before}
    found: list[Step] = []
    for record in here:
        file = known.get(record.file_id or 0)
        like = matching(newest, file) if file else None
        if like is not None and (newest.id, like.id) not in _ids(found):
            found.append(Step(newest, like, None if placement.is_companion(like.type) else record, _folder(services, record)))
    if not any(step.old for step in found) and newest.primary:
        main = next((one for one in here if one.file_id in known and known[one.file_id or 0].type in MODELS), next(iter(here), None))
        found = [step for step in found if step.file.id != (newest.primary.id if newest.primary else 0)]
        found.insert(0, Step(newest, newest.primary, main, _folder(services, main)))
    return sorted(found, key=lambda step: placement.is_companion(step.file.type))


def matching(version: Version, old: File) -> File | None:
    """The file of a version that is of the same kind as an older one: type, format, precision, size and quantization."""
    alike = [file for file in version.files if _kind(file) == _kind(old)]
    return next((file for file in alike if file is version.primary), next(iter(alike), None))


def _kind(file: File) -> tuple[str, ...]:
    return ("Model" if file.type in MODELS else file.type, file.format, file.fp, file.size_kind, file.quant)


def _folder(services: Services, old: LocalFile | None) -> str | None:
    """Where the old file is, unless that is a folder that is only read."""
    return str(Path(old.path).parent) if old is not None and Look(services).root_of(Path(old.path)) is not None else None


# -- the last step


def run_download(services: Services, context: Context) -> dict[str, Any]:
    """Every download job: one that replaces a file lets it go when the new one is whole, verified, and in its place.

    ``replaced`` in the result: the old ``path``, the ``job`` that takes it to the trash ('' when it is kept), ``notes``.
    """
    replaces = context.params.get("replaces")
    old = _old(services, replaces) if replaces else None

    def inherit(new: LocalFile) -> list[str]:
        return replacing.carry_over(services, old, new, context) if old is not None and old.path != new.path else []

    result = download.run(services, context, inherit)
    if replaces:
        job, notes = _retire(services, context, old, result)
        result["replaced"] = {"path": replaces["path"], "job": job, "notes": notes}
        result["notes"] = [*result["notes"], *notes]
    return result


def _old(services: Services, replaces: dict[str, Any]) -> LocalFile | None:
    """The file as it was when the update was asked for; None when it is not that any more."""
    record = services.files.get(replaces["id"])
    if record is None or any(getattr(record, name) != replaces[name] for name in ("path", "size", "sha256")):
        return None
    return record


def _retire(services: Services, context: Context, old: LocalFile | None, result: dict[str, Any]) -> tuple[str, list[str]]:
    new = services.files.at(Path(result["path"]))
    if old is None or new is None:
        return "", ["The old file is no longer what it was when the update was asked for, so it was left alone."]
    if not result["verified"]:
        return "", [f"{Path(old.path).name} was kept, because the new file could not be compared with a published hash."]
    try:
        return replacing.replace(services, old, new, context)
    except CivitaiManagerError as exc:
        return "", [f"{Path(old.path).name} was kept. {exc}"]
