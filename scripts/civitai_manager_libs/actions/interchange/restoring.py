"""Import a manifest: register what is missing, 100 models a request, put the person's data back, find the files that are here, and name the others.

Ours is kept on conflict. The files come by a job of their own (``fetching``).
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from ...catalog import exchange
from ...catalog.files import LocalFile
from ...civitai import payloads
from ...disk import hashing
from ...disk.walk import lines, signed, walk
from ...errors import BadAnswer, BadValue, NotFound, UsageError
from ...jobs.context import Context
from ...jobs.store import Item
from .. import register, scan, thumbnails
from ..discover import following
from ..recipes import pictures as kept_pictures
from ..recipes import taking as recipe_taking
from ..services import Services
from . import importing, manifest
from .manifest import File, Manifest, Model
from .places import Places
from .taking import add_local

log = logging.getLogger(__name__)

AT_A_TIME = 100
SHOWN = importing.SHOWN


def start(services: Services, path: Path, *, dry_run: bool, fetch: bool, confirmed: bool, ticket: str = "") -> str:
    """Start the job; its id. ``fetch``: also download the missing files; ``confirmed``: pickle files too. Raises UsageError."""
    path = path.expanduser().absolute()
    if not path.is_file():
        raise UsageError(f"{path} is not there.", next_step="Choose a file that an export has written.")
    title = f"{'Look at' if dry_run else 'Import'} the library {path.name}"
    params = {"path": str(path), "dry_run": dry_run, "fetch": fetch, "confirmed": confirmed}
    return services.jobs.submit("import_library", params, key=f"{path} {dry_run} {fetch} {confirmed}", title=title, ticket=ticket)


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job; its result is the report. One item for each 100 models, committed as it comes, and one for the collections."""
    path, dry_run = Path(context.params["path"]), bool(context.params["dry_run"])
    context.update(text="reading the library")
    try:
        digest = hashing.sha256(path, context)
    except OSError as exc:
        raise UsageError(f"{path} cannot be read ({exc.strerror}).", next_step="Choose a file that an export has written.") from exc
    if context.params.setdefault("digest", digest) != digest:
        raise UsageError(f"{path.name} has changed since this import was started.", next_step="Start the import again.")
    context.remember(digest=digest)
    document = manifest.read(path, digest)
    starts = [{"from": start} for start in range(0, len(document.models), AT_A_TIME)]
    recipes = [{"recipes": start} for start in range(0, len(document.recipes), AT_A_TIME)]
    items = context.plan([*starts, *recipes, {"collections": True}])
    restoring = _Restoring(services, context, document, dry_run=dry_run)
    context.update(done=0, total=len(document.models))
    for item in items:
        if item.state == "queued":
            context.check()
            context.item_done(item, restoring.part(item, items))
        context.update(done=min(len(document.models), int(item.params.get("from", len(document.models))) + AT_A_TIME))
    return _report(services, context, document, items)


def _report(services: Services, context: Context, document: Manifest, items: list[Item]) -> dict[str, Any]:
    dry_run = bool(context.params["dry_run"])
    outcomes = [one for item in items for one in (item.result or {}).get("outcomes", [])]
    missing = [one for item in items for one in (item.result or {}).get("missing", [])]
    notes = [note for item in items for note in (item.result or {}).get("notes", [])]
    last = items[-1].result or {}
    result = {"path": context.params["path"], "dry_run": dry_run, **importing.summary(outcomes, notes, SHOWN)}
    unreadable = [*document.unreadable, *result["unreadable"]]
    result.update(unreadable=unreadable[:SHOWN], collections=last.get("given", [])[:SHOWN], dangling=last.get("dangling", [])[:SHOWN])
    result["counts"].update(unreadable=len(unreadable), dangling=len(last.get("dangling", [])))
    result["conflicts"] = [*result["conflicts"], *({"field": "saved filter", "name": name} for name in last.get("filters", {}).get("conflicts", []))][
        :SHOWN
    ]
    wanted = [one for one in missing if one["obtainable"]]
    result["missing"] = {
        "files": len(missing), "bytes": sum(one["size"] for one in missing), "obtainable": len(wanted), "list": missing[:SHOWN],
    }  # fmt: skip
    if last.get("follows"):
        result["taken"]["follows"] = last["follows"]
    result["here"] = sum((item.result or {}).get("here", 0) for item in items)
    if context.params["fetch"] and wanted and not dry_run:
        result["restore"] = services.jobs.submit(
            "restore", {"confirmed": context.params["confirmed"]}, key=f"{context.params['digest']}", items=wanted,
            title=f"Download {len(wanted)} missing files",
        )  # fmt: skip
    return result


class _Restoring:
    def __init__(self, services: Services, context: Context, document: Manifest, *, dry_run: bool) -> None:
        self.services, self.context, self.document, self.dry_run = services, context, document, dry_run
        self.places = Places(services)
        self._by_size: dict[int, list[Path]] | None = None
        self._hashes: dict[Path, str] = {}
        self._pretending = -(1 << 40)

    def part(self, item: Item, items: list[Item]) -> dict[str, Any]:
        """What an item stands for."""
        if "recipes" in item.params:
            return self.recipes(item.params["recipes"])
        return self.collections(items) if "collections" in item.params else self.chunk(item.params["from"])

    def recipes(self, start: int) -> dict[str, Any]:
        """Some recipes with their pictures, which lie beside the manifest."""
        outcomes, lost = [], 0
        folder = manifest.pictures_of(Path(self.context.params["path"]))
        for one in self.document.recipes[start : start + AT_A_TIME]:
            self.context.check()
            data = b""
            if one.picture:
                try:
                    data = (folder / kept_pictures.safe(one.picture)).read_bytes()
                except (OSError, BadValue):
                    lost += 1
            recipe = msgspec.structs.replace(one, picture="", width=0, height=0)
            taken = recipe_taking.take(self.services, recipe, data, dry_run=self.dry_run)
            state = "none" if not one.picture else "there" if data else "lost"
            told = {name: taken[name] for name in ("name", "what", "prompt")}
            outcomes.append({"recipe": {**told, "picture": state}, "name": one.name, "conflicts": taken["conflicts"]})
            outcomes[-1]["notes"] = taken["notes"]
        notes = [f"{lost} pictures of recipes do not lie beside the manifest, in {folder.name}."] if lost else []
        return {"outcomes": outcomes, "notes": notes}

    def chunk(self, start: int) -> dict[str, Any]:
        """Register, put back, and look for the files of some models."""
        models = self.document.models[start : start + AT_A_TIME]
        notes: list[str] = []
        known = {model.id for model in models if model.id and self.services.models.row(model.id) is not None}
        new = [model for model in models if model.id and model.id > 0 and model.id not in known]
        if not self.dry_run:
            self._register(new, notes)
        own: dict[int, exchange.Own] = {}
        ids: dict[str, int] = {}
        outcomes: dict[str, dict[str, Any]] = {}
        missing: list[dict[str, Any]] = []
        here = 0
        for model in models:
            self.context.check()
            number, found, lost = self._files(model)
            here += found
            missing += lost
            what = "nothing" if number is None else "local" if model.id is None else "new" if model.id not in known else "known"
            outcomes[model.key] = {"what": what, "model_id": number, "name": model.name, "where": model.key, "files": found}
            if number is not None:
                own[number], ids[model.key] = model.own, number
            elif model.own != exchange.Own():
                notes.append(f"{model.name}: its file is not here, and what was noted of it was not taken.")
        registered = {model.id: model.registered for model in new if model.id and model.registered}
        given = self.services.exchange.give(own, registered=registered, dry_run=self.dry_run)
        for key, number in ids.items():
            if number in given:
                outcomes[key].update(taken=given[number].taken, conflicts=given[number].conflicts)
        local = {key: number for key, number in ids.items() if not key.startswith("civitai:")}
        return {"outcomes": list(outcomes.values()), "missing": missing, "here": here, "notes": notes, "ids": local}

    # -- models

    def _register(self, models: list[Model], notes: list[str]) -> None:
        """Ask for all at once, then singly for those that lists leave out; of what Civitai no longer knows the manifest's words are kept."""
        if not models:
            return
        services, context = self.services, self.context
        client = services.client.using(context)
        context.update(text=f"asking Civitai about {len(models)} models")
        fetched = client.models([model.id for model in models if model.id])
        services.models.save_all([(register.entry_of(one.value), one.raw) for one in fetched])
        arrived = {one.value.id for one in fetched}
        for model in models:
            if model.id in arrived or model.id is None:
                continue
            gone = model.gone
            if not gone:
                try:
                    register.register_model(services, model.id, context)
                    continue
                except NotFound:
                    gone = True
                    notes.append(f"{model.name} is gone from Civitai: what the manifest says of it is kept.")
                except BadAnswer as exc:
                    notes.append(f"{model.name}: {exc.message}")
            body = _stub(model)
            services.models.save(register.entry_of(payloads.model(body), refreshed=False), body)
            if gone:
                services.models.set_gone(model.id)

        def picture(one: Any) -> None:
            context.check()
            thumbnails.refresh(services, one.value, context)

        with ThreadPoolExecutor(4, thread_name_prefix="civitai-manager-picture-fetch") as pool:
            for done in [pool.submit(picture, one) for one in fetched]:
                done.result()

    # -- files

    def _files(self, model: Model) -> tuple[int | None, int, list[dict[str, Any]]]:
        """(id of its entry here, files that are here, files to be fetched)."""
        number = model.id if model.id and model.id > 0 else None
        here, missing = 0, []
        for file in model.files:
            record = self._here(file)
            if record is not None:
                here += 1
                number = self._link(model, file, record) if number is None else (self._link(model, file, record) or number)
            elif model.id is None:
                number = number or self._keep_missing(file)
                if not file.missing:
                    missing.append(self._wanted(model, file, obtainable=False))
            elif not file.missing:
                missing.append(self._wanted(model, file, obtainable=not model.gone and (file.version is not None or bool(file.sha256))))
        return number, here, missing

    def _here(self, file: File) -> LocalFile | None:
        """The record of this file, wherever it is on this machine: by its hash; without one by its place and size."""
        for record in self.services.files.with_hash(file.sha256):
            if record.unchanged:
                return record
        if not file.sha256:
            path = self.places.existing(file.kind, file.path)
            if path is None or path.stat().st_size != file.size:
                return None
            return self.services.files.at(path) or self._new_record(path, file.kind, "")
        for path in self._of_size(file.size):
            if self._hash(path) == file.sha256:
                known = self.services.files.at(path)
                if known is not None:
                    known.sha256 = file.sha256
                    return known
                place = self.places.find(path)
                return self._new_record(path, place[0] if place else "", file.sha256)
        return None

    def _of_size(self, size: int) -> list[Path]:
        """Files of this size in all model folders whose hash the catalog does not know."""
        if self._by_size is None:
            self.context.update(text="looking for files that are here already")
            wanted = {file.size for model in self.document.models for file in model.files}
            hashed = {record.path for record in self.services.files.all() if record.sha256 and record.unchanged}
            found = walk(scan.roots(self.services), lines(self.services.settings.scan_exclude), self.context.check).files
            self._by_size = {}
            for one in found:
                if one.size in wanted and one.path not in hashed:
                    self._by_size.setdefault(one.size, []).append(Path(one.path))
        return self._by_size.get(size, [])

    def _hash(self, path: Path) -> str:
        if path not in self._hashes:
            self.context.update(text=f"comparing {path.name}")
            try:
                self._hashes[path] = hashing.sha256(path, self.context)
            except OSError as exc:
                log.info("restore: %s cannot be read: %s", path, exc)
                self._hashes[path] = ""
        return self._hashes[path]

    def _new_record(self, path: Path, kind: str, sha256: str) -> LocalFile:
        found = path.stat()
        return LocalFile(
            str(path), found.st_size, found.st_mtime_ns, sha256, kind=kind, device=signed(found.st_dev), inode=signed(found.st_ino),
            health="verified" if sha256 else "", verified=time.time() if sha256 else 0,
        )  # fmt: skip

    def _link(self, model: Model, file: File, record: LocalFile) -> int | None:
        """Say whose file it is, unless that is known; the id of its entry."""
        services = self.services
        if model.id is None and record.model_id is not None and services.models.row(record.model_id) is not None:
            return record.model_id
        if model.id is not None and (model.id < 1 or (record.model_id is not None and record.model_id > 0)):
            return None
        if self.dry_run:
            return model.id or self._pretended()
        facts: dict[str, Any] = {"autov3": record.autov3 or file.autov3} if record.sha256 else {}
        if record.id and record.sha256:
            facts["sha256"] = record.sha256
        if model.id is not None:
            facts.update(model_id=model.id, version_id=file.version, file_id=file.file)
        local_id = record.model_id
        if record.id:
            services.files.change([(record.id, facts)])
        else:
            services.files.put([msgspec.structs.replace(record, **facts)])
            record = services.files.at(Path(record.path)) or record
        if model.id is None:
            return add_local(services, record)
        if local_id is not None and local_id < 0:
            services.models.adopt(local_id, model.id)
        return model.id

    def _keep_missing(self, file: File) -> int | None:
        """A file that only the other machine has: known here as missing, so that what was said of it is not lost; a scan finds it when it comes."""
        target = self.places.target(file.kind, file.path)
        if target is None or target.exists():
            return None
        known = self.services.files.at(target)
        if known is not None:
            return known.model_id
        if self.dry_run:
            return self._pretended()
        record = LocalFile(str(target), file.size, 0, file.sha256, kind=file.kind, autov3=file.autov3, state="missing")
        self.services.files.put([record])
        return add_local(self.services, self.services.files.at(target) or record)

    def _pretended(self) -> int:
        """An id for an entry that a dry run does not make."""
        self._pretending -= 1
        return self._pretending

    def _wanted(self, model: Model, file: File, *, obtainable: bool) -> dict[str, Any]:
        return {"model_id": model.id, "name": model.name, "obtainable": obtainable, **msgspec.to_builtins(file), "size": file.size}

    # -- the rest

    def collections(self, items: list[Item]) -> dict[str, Any]:
        ids: dict[str, int] = {}
        for item in items:
            ids.update((item.result or {}).get("ids", {}))
        coming = {model.id for model in self.document.models if model.id} | set(ids.values())
        given, dangling = [], []
        for one in self.document.collections:
            self.context.check()
            members = []
            for member in one.members:
                number = _number(member.model) if member.model.startswith("civitai:") else ids.get(member.model)
                if number is None or (number not in coming and self.services.models.row(number) is None):
                    dangling.append({"collection": one.name, "id": member.model})
                else:
                    members.append(exchange.Member(number, member.note))
            wanted = exchange.Collection(one.name, one.note, members)
            given.append(self.services.exchange.give_collection(wanted, dry_run=self.dry_run, coming=coming))
        filters = self.services.exchange.give_filters(self.document.saved_filters, dry_run=self.dry_run)
        followed, unknown = following.give(self.services, self.document.follows, dry_run=self.dry_run)
        notes = [f"{name or 'Something'} is followed there, and what it asks for cannot be understood." for name in unknown]
        return {"given": given, "dangling": dangling, "filters": filters, "follows": followed, "notes": notes}


def _number(key: str) -> int | None:
    text = key.removeprefix("civitai:")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 else None


def _stub(model: Model) -> dict[str, Any]:
    """What stands for Civitai's answer about a model that it no longer knows."""
    files: dict[int, list[dict[str, Any]]] = {}
    for file in model.files:
        if file.version:
            about = {
                "id": file.file or 0,
                "name": Path(file.path).name,
                "sizeKB": file.size / 1024,
                "type": "Model",
                "hashes": {"SHA256": file.sha256.upper()},
            }
            files.setdefault(file.version, []).append(about)
    versions = [
        {"id": one.id, "name": one.name, "baseModel": one.base, "files": files.get(one.id, []), "images": [], "trainedWords": []}
        for one in model.versions
    ]
    return {
        "id": model.id, "name": model.name, "type": model.type, "nsfw": model.nsfw, "nsfwLevel": model.nsfw_level, "tags": [],
        "creator": {"username": model.creator} if model.creator else None, "modelVersions": versions,
    }  # fmt: skip
