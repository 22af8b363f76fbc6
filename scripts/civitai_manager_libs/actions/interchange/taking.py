"""Take over what another tool knows of one model: register it from what the tool has kept, recognise its files, add what the person said.

Nothing of ours is overwritten, nothing of theirs is touched, no request is made.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec

from ...catalog.exchange import Own
from ...catalog.files import LocalFile
from ...civitai import payloads
from ...disk.sidecars import claim as claims
from ...disk.sidecars.claim import Claim
from ...disk.walk import signed
from ...errors import BadAnswer, CivitaiManagerError
from .. import identify, register, thumbnails
from ..services import Services
from .places import Places

log = logging.getLogger(__name__)

PICTURE = 40 << 20  # bytes


class Found(msgspec.Struct, kw_only=True):
    """What a tool has about one model (file). ``where``: its own file, for the report. ``registered``: since when, ISO 8601 UTC or ''."""

    where: str
    name: str = ""
    claim: Claim = msgspec.field(default_factory=Claim)
    own: Own = msgspec.field(default_factory=Own)
    registered: str = ""
    models: list[Path] = []
    pictures: list[Path] = []
    unreadable: list[dict[str, str]] = []
    notes: list[str] = []


class Taking:
    """One import. ``dry_run``: the same answers, and nothing is written."""

    def __init__(self, services: Services, *, dry_run: bool) -> None:
        self.services = services
        self.dry_run = dry_run
        self.places = Places(services)

    def take(self, found: Found) -> dict[str, Any]:
        """What became of it (JSON-ready). ``what``: new, known, local (a file that Civitai does not know), or nothing (no model to attach it to)."""
        outcome: dict[str, Any] = {"where": found.where, "name": found.name or found.claim.model_name, "unreadable": found.unreadable}
        conflicts: list[dict[str, Any]] = []
        notes = list(found.notes)
        records = self._records(found, notes)
        model_id = self._model(found.claim, [record for record in records if record.id], conflicts)
        own = found.own
        if model_id is None:
            outcome["what"] = "local" if records else "nothing"
            model_ids = [self._local(record) for record in records]
            if not records and own != Own():
                notes.append("What was noted there has no model here to belong to: no id, and no model file in this WebUI's folders.")
        else:
            new = self.services.models.row(model_id) is None
            outcome["what"] = "new" if new else "known"
            outcome["bare"] = self._register(model_id, found, new)
            self._link(model_id, found.claim, records, notes)
            model_ids = [model_id]
        outcome.update(model_id=model_ids[0] if model_ids else None, files=len(records))
        taken: dict[str, int] = {}
        registered = {model_id: found.registered} if model_id and self._is_since(model_id, found.registered) else {}
        for given in self.services.exchange.give(dict.fromkeys(model_ids, own), registered=registered, dry_run=self.dry_run).values():
            conflicts += given.conflicts
            for field, count in given.taken.items():
                taken[field] = taken.get(field, 0) + count
        if not self.dry_run:
            for one in model_ids:
                self._picture(one, found.pictures, notes)
        return {**outcome, "taken": taken, "conflicts": conflicts, "notes": notes}

    # -- which model

    def _model(self, claim: Claim, known: list[LocalFile], conflicts: list[dict[str, Any]]) -> int | None:
        """By our own record of the file, else by the tool's ids, else by the hash among what is registered here."""
        ours = next((record.model_id for record in known if record.model_id is not None and record.model_id > 0), None)
        if ours is not None:
            if claim.model_id not in (None, ours):
                conflicts.append({"field": "model", "ours": ours, "theirs": claim.model_id})
            return ours
        if claim.model_id is not None:
            return claim.model_id
        if not claim.sha256:
            return None
        if match := self.services.models.versions_with_hashes([claim.sha256]).get(claim.sha256):
            return match[0]
        return next((record.model_id for record in self.services.files.with_hash(claim.sha256) if record.model_id is not None), None)

    def _register(self, model_id: int, found: Found, new: bool) -> bool:
        """Make or complete the entry; whether nothing but its name is known of it."""
        services, claim = self.services, found.claim
        theirs = body_of(claim) if claim.model_id == model_id else None
        if new:
            body = theirs or {"id": model_id, "name": found.name or claim.model_name, "type": claim.model_type or "Other", "modelVersions": []}
            if not self.dry_run:
                self._save(body, refreshed=False)
                if claim.gone:
                    services.models.set_gone(model_id)
            return not body["modelVersions"]
        row = services.models.row(model_id)
        bare = row is not None and model_id > 0 and row["refreshed"] == "" and row["version_count"] == 0
        if theirs is None or row is None or model_id < 0:
            return bare
        body = services.models.body(model_id) or {**theirs, "modelVersions": []}
        known = {str(one.get("id")) for one in _versions(body)}
        more = [one for one in _versions(theirs) if str(one.get("id")) not in known]
        if more and not self.dry_run and (row["refreshed"] == "" or len(more) == 1):
            versions = [*_versions(body), *more]
            if row["refreshed"] == "":  # pieced together: in Civitai's usual order
                versions.sort(key=lambda one: -(claims.number_id(one.get("id")) or 0))
                body = {**theirs, **{name: value for name, value in body.items() if value not in (None, "", [], {}, "Other")}}
            self._save({**body, "modelVersions": versions}, refreshed=row["refreshed"] != "")
            if row["gone"]:
                services.models.set_gone(model_id)
        return bare and not more

    def _is_since(self, model_id: int, registered: str) -> bool:
        """Whether their date of registration holds: nobody has registered the model here by hand."""
        row = self.services.models.row(model_id)
        return bool(registered) and (row is None or (row["refreshed"] == "" and registered < row["registered"]))

    def _save(self, body: dict[str, Any], *, refreshed: bool) -> None:
        self.services.models.save(register.entry_of(payloads.model(body), refreshed=refreshed), body)

    # -- files

    def _records(self, found: Found, notes: list[str]) -> list[LocalFile]:
        """A record for each of its files in our folders: ours, or a new one (without an id)."""
        records = []
        for path in found.models:
            place = self.places.find(path)
            known = self.services.files.at(path)
            try:
                status = path.stat()
            except OSError as exc:
                notes.append(f"{path.name} cannot be read ({exc.strerror}).")
                continue
            if known is not None:  # a changed one is for the next scan to judge
                records.append(known)
            elif place is not None:
                record = LocalFile(
                    str(path), status.st_size, status.st_mtime_ns, kind=place[0], device=signed(status.st_dev), inode=signed(status.st_ino)
                )
                records.append(record)
            else:
                notes.append(f"{path.name} lies outside this WebUI's model folders, so only what is known of it was taken.")
        return records

    def _link(self, model_id: int, claim: Claim, records: list[LocalFile], notes: list[str]) -> None:
        services = self.services
        for record in records:
            if record.model_id == model_id and record.version_id is not None:
                continue
            version, file = self._file(model_id, claim, record)
            sizes = [claims.number(one.get("sizeKB")) for one in ([file] if file else self._described(model_id, claim))]
            fits = None in sizes or not sizes or any(abs(size * 1024 - record.size) < 1 for size in sizes if size is not None)
            fits = claim.size == record.size if claim.size is not None else fits
            if not fits:
                notes.append(f"{Path(record.path).name} has another size than its description says.")
            if self.dry_run:
                continue
            local_id = record.model_id
            facts: dict[str, Any] = {"model_id": model_id, "version_id": version, "file_id": claims.number_id(file.get("id"))}
            if fits and not record.sha256:
                facts.update(sha256=claim.sha256 or claims.hash_of(file))
            if fits and not record.autov3 and claim.autov3:
                facts.update(autov3=claim.autov3)
            if record.id:
                services.files.change([(record.id, facts)])
            else:
                services.files.put([msgspec.structs.replace(record, **facts)])
            if local_id is not None and local_id < 0 < model_id:
                services.models.adopt(local_id, model_id)

    def _file(self, model_id: int, claim: Claim, record: LocalFile) -> tuple[int | None, dict[str, Any]]:
        """(version id, Civitai's object of the file) that a file is, as far as the tool or our catalog can tell."""
        name = Path(record.path).name
        body = self.services.models.body(model_id) or (body_of(claim) if claim.model_id == model_id else None) or {}
        versions = _versions(body)
        if claim.version is not None and claim.model_id == model_id:
            versions = [claim.version, *versions]
        if claim.model_id == model_id and claim.version_id is not None:
            mine = next((one for one in versions if claims.number_id(one.get("id")) == claim.version_id), {})
            fitting = claims.file_of(mine, record.size, name, claim.sha256)
            return claim.version_id, fitting or ({"id": claim.file_id} if claim.file_id else {})
        digest = record.sha256 or claim.sha256
        for version in versions:
            file = claims.file_of(version, None if digest else record.size, name, digest)
            if file and (not digest or claims.hash_of(file) == digest):
                return claims.number_id(version.get("id")), file
        return None, {}

    def _described(self, model_id: int, claim: Claim) -> list[dict[str, Any]]:
        """The files of the version that the tool takes the file for."""
        said = claim.version if claim.version is not None and claim.model_id == model_id else {}
        return [one for one in claims.items(said.get("files")) if isinstance(one, dict)]

    def _local(self, record: LocalFile) -> int:
        """The entry of a file that only is here; the id that it has or will have."""
        if record.model_id is not None and self.services.models.row(record.model_id) is not None:
            return record.model_id
        if self.dry_run:
            return 0
        if not record.id:
            record.id = self.services.files.put([record])[0]
        return add_local(self.services, record)

    # -- pictures

    def _picture(self, model_id: int, pictures: list[Path], notes: list[str]) -> None:
        row = self.services.models.row(model_id) if pictures else None
        if row is None or row["thumbnail"]:
            return
        for path in pictures:
            try:
                if path.stat().st_size <= PICTURE and thumbnails.store(self.services, model_id, path.read_bytes(), ""):
                    return
            except OSError as exc:
                notes.append(f"{path.name} cannot be read ({exc.strerror}).")
            except CivitaiManagerError as exc:
                notes.append(str(exc))
                return


def add_local(services: Services, record: LocalFile) -> int:
    """Make the entry of a recorded file that Civitai does not know; its id."""
    services.models.save(*identify.own_entry(record))
    services.files.change([(record.id, {"model_id": -record.id, "version_id": None, "file_id": None})])
    return -record.id


def body_of(claim: Claim) -> dict[str, Any] | None:
    """Civitai's model object, as far as the tool has kept it, fit for the catalog; None when it has kept no more than ids."""
    if claim.model is not None:
        body = {**claim.model, "modelVersions": _versions(claim.model)}
    elif claim.version is not None and claim.model_id is not None:
        model = claims.obj(claim.version.get("model"))
        version = {name: value for name, value in claim.version.items() if name not in ("model", "creator", "extensions", "skeleton_file")}
        body = {**model, "id": claim.model_id, "name": claim.model_name, "type": claim.model_type or "Other", "modelVersions": [version]}
        if isinstance(claim.version.get("creator"), dict):
            body["creator"] = claim.version["creator"]
    else:
        return None
    try:
        payloads.model(body)
    except BadAnswer:
        return None
    return body


def _versions(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in claims.items(body.get("modelVersions")) if isinstance(one, dict)]
