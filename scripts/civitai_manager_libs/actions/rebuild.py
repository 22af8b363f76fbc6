"""Fill an empty catalog from what is on the disk: a damaged catalog that was set aside, and the sidecars in the models folders."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from ..catalog import salvage
from ..catalog.models import Entry
from ..civitai import payloads
from ..disk import local_models
from ..disk.sidecars import civitai_info
from ..errors import BadAnswer
from ..jobs.context import Context
from ..reporter import track
from . import identify, register, thumbnails
from .services import Services

log = logging.getLogger(__name__)

T = TypeVar("T")
AT_A_TIME = 50  # models in a transaction


def start(services: Services, damaged: Path | None) -> str:
    """Start the job; ``damaged`` is the catalog that was set aside, if any."""
    return services.jobs.submit("rebuild", {"damaged": str(damaged) if damaged else ""}, key="rebuild", title="Rebuild the library from your disk")


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job: how many models came back from the damaged catalog, how many from sidecars, and how many files were recognised."""
    damaged = Path(context.params.get("damaged") or "")
    saved = _from_catalog(services, context, damaged) if damaged.is_file() else 0
    described = files = 0
    folders = list(dict.fromkeys(folder for group in services.host.folders().values() for folder in group))
    for path in track(local_models.iter_model_files(folders), context, text=lambda path: path.name):
        context.check()
        info = civitai_info.read(civitai_info.path_of(path))
        if info is None:
            continue
        try:
            version = payloads.version(info)
        except BadAnswer:
            continue  # a skeleton for a file that Civitai does not know
        if not version.model_id:
            continue
        described += _describe(services, info, version)
        files += 1
        if services.files.at(path) is None:
            _link(services, path, version)
        _picture(services, path, version.model_id)
    return {"saved": saved, "described": described, "files": files}


def _from_catalog(services: Services, context: Context, damaged: Path) -> int:
    """Everything that can still be read. What is here by now is added to, never overwritten, so a resumed rebuilding does no harm."""
    count = 0
    numbers = _records(services, context, damaged)
    for some in _batches(salvage.models(damaged), AT_A_TIME):
        context.check()
        entries, owned, since, pictures = [], {}, {}, []
        for saved in some:
            made = _entry(services, saved, numbers)
            if made is None:
                continue
            model_id = made[0].id
            if services.models.row(model_id) is None:
                entries.append(made)
                pictures.append((model_id, saved))
            owned[model_id] = saved.own
            if saved.registered:
                since[model_id] = saved.registered
        services.models.save_all(entries)
        services.files.change([(-entry.id, {"model_id": entry.id}) for entry, _ in entries if entry.id < 0])
        services.exchange.give(owned, registered=since)
        for model_id, saved in pictures:
            _known_picture(services, model_id, saved.thumbnail_url, chosen=saved.thumbnail_chosen)
        count += len(entries)
        context.update(done=count, text=entries[-1][0].name if entries else None)
    _recipes(services, context, damaged)
    rest = salvage.rest(damaged)
    for collection in rest.collections:
        for member in collection.members:
            member.model_id = numbers.get(member.model_id, member.model_id)
        services.exchange.give_collection(collection)
    services.exchange.give_filters(rest.filters)
    services.files.restore_journal(rest.journal)
    services.follows.give(rest.follows)
    services.kept.give(rest.pictures)
    return count


def _recipes(services: Services, context: Context, damaged: Path) -> None:
    """Recipes with their history; their pictures are files of ours, which are still there."""
    for kept in salvage.recipes(damaged):
        context.check()
        if kept.recipe.uid and services.recipes.with_uid(kept.recipe.uid) is not None:
            continue  # a resumed rebuilding
        services.recipes.give_history(services.recipes.make(kept.recipe, deleted=kept.deleted), kept.history)


def _records(services: Services, context: Context, damaged: Path) -> dict[int, int]:
    """Take over the records of files, missing ones too; the new model id of each file that is only here, by the old one.

    A file of a known model that was changed since is left to its sidecar.
    """
    records = []
    for record in salvage.files(damaged):
        context.check()
        only_here = record.model_id is None or record.model_id < 0
        if not record.unchanged:
            if not Path(record.path).exists():
                record.state = "missing" if record.state == "here" else record.state
            elif not only_here:
                continue
        records.append(record)
    return {-old: -new for old, new in services.files.restore(records).items()}


def _entry(services: Services, saved: salvage.Saved, numbers: dict[int, int]) -> tuple[Entry, dict[str, Any]] | None:
    """What is to be saved of a model: from Civitai's answer, or as much as the columns say; a file that is only here describes itself."""
    if saved.model_id < 0:
        record = services.files.get(-numbers.get(saved.model_id, 0))
        return identify.own_entry(record) if record else None
    try:
        model = payloads.model(saved.body or {})
    except BadAnswer:
        if not saved.name:
            return None
        body = {"id": saved.model_id, "name": saved.name, "type": saved.type or "Other", "modelVersions": []}
        return register.entry_of(payloads.model(body), refreshed=False), body
    return (register.entry_of(model), saved.body or {}) if model.id == saved.model_id else None


def _batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    source = iter(values)
    while some := list(itertools.islice(source, size)):
        yield some


def _describe(services: Services, info: dict[str, Any], version: payloads.Version) -> int:
    """Make, or complete, the model's entry from a sidecar; 1 when the model is new here."""
    body = services.models.body(version.model_id)
    if body is not None and services.models.model_of_version(version.id) is not None:
        return 0
    new = body is None
    if body is None:
        about = info.get("model")
        about = about if isinstance(about, dict) else {}
        body = {**about, "id": version.model_id, "name": version.model_name, "type": version.model_type or "Other", "modelVersions": []}
        if isinstance(info.get("creator"), dict):
            body["creator"] = info["creator"]
    body["modelVersions"] = [*body["modelVersions"], {key: value for key, value in info.items() if key not in ("model", "creator", "extensions")}]
    services.models.save(register.entry_of(payloads.model(body), refreshed=False), body)
    return int(new)


def _link(services: Services, path: Path, version: payloads.Version) -> None:
    """Record the file as the one of the version's files that has its size; its hash is taken over, not computed: a scan can do that later."""
    size = path.stat().st_size
    match = next((file for file in version.files if file.size == size), None)
    sha256 = (match.sha256 or "") if match else ""
    services.files.add(path, sha256, model_id=version.model_id, version_id=version.id, file_id=match.id if match else None)


def _picture(services: Services, path: Path, model_id: int) -> None:
    row = services.models.row(model_id)
    if row is None or row["thumbnail"] or _known_picture(services, model_id):
        return
    for beside in local_models.sidecar_files(path):
        if beside.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp", ".gif"):
            try:
                if thumbnails.store(services, model_id, beside.read_bytes(), ""):
                    return
            except OSError as exc:
                log.info("rebuild: %s cannot be read: %s", beside.name, exc)


def _known_picture(services: Services, model_id: int, url: str = "", *, chosen: bool = False) -> bool:
    """The thumbnails outlive the catalog."""
    path = thumbnails.file_of(services, model_id)
    return path.exists() and thumbnails.store(services, model_id, path.read_bytes(), url, chosen=chosen)
