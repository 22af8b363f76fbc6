"""Read whole files again and compare their hashes with what was recorded and with what Civitai publishes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..catalog.files import LocalFile
from ..catalog.models import Wanted
from ..civitai import payloads
from ..civitai.payloads import File
from ..disk import hashing
from ..disk.heads import look
from ..errors import BadAnswer, DiskError, NotFound
from ..jobs.context import Context
from ..jobs.store import Item
from .services import Services

BROKEN = {
    "truncated": "It is cut off, or something was added to it: its size is not the one that its header tells.",
    "wrong": "It is not what its name says: its beginning is that of another kind of file.",
}


def start(services: Services, ids: Iterable[int] = (), query: str = "", ticket: str = "") -> str:
    """Start the job for the files of some models, or of all that a query finds ('': of the whole library). Raises NotFound when there are none."""
    wanted = list(ids) or services.models.ids(Wanted(query=query))
    records = [record for model_id in wanted for record in services.files.of_model(model_id)]
    if not records:
        raise NotFound("There is no file to verify.", next_step="Scan the library first, or look for something else.")
    title = f"Verify {Path(records[0].path).name}" if len(records) == 1 else f"Verify {len(records)} files"
    items = [{"id": record.id, "path": record.path, "size": record.size} for record in records]
    total = sum(record.size for record in records)
    key = " ".join(str(record.id) for record in records)
    return services.jobs.submit("verify", {}, key=key, title=title, items=items, total_bytes=total, ticket=ticket)


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job. Each file's outcome: verified, wrong, changed (since it was scanned) or missing; ``problems`` are all but the verified."""
    items = context.items()
    read = sum(item.params["size"] for item in items if item.state != "queued")

    def progress(count: int) -> None:
        nonlocal read
        read += count
        context.update(bytes_done=read)

    for done, item in enumerate(items):
        context.check()
        context.update(done=done, total=len(items), text=Path(item.params["path"]).name)
        if item.state != "queued":
            continue
        try:
            context.item_done(item, _verify(services, context, item, progress))
        except OSError as exc:
            reason = exc.strerror or type(exc).__name__
            context.item_failed(item, DiskError(f"{item.params['path']} cannot be read: {reason}.", next_step="", path=item.params["path"]))
    outcomes = [_told(item) for item in items]
    verified = sum(one["outcome"] == "verified" for one in outcomes)
    return {"files": len(items), "verified": verified, "problems": [one for one in outcomes if one["outcome"] != "verified"]}


def _told(item: Item) -> dict[str, Any]:
    if item.state == "failed":
        return {"path": item.params["path"], "outcome": "unreadable", "reason": item.result["message"]}
    return {"path": item.params["path"], **item.result}


def _verify(services: Services, context: Context, item: Item, progress: Any) -> dict[str, str]:
    record = services.files.get(item.params["id"])
    if record is None or not Path(record.path).exists():
        return {"outcome": "missing", "reason": "It is no longer there: a scan finds where it went."}
    if not record.unchanged:
        return {"outcome": "changed", "reason": "It was changed since it was scanned: scan again."}
    path = Path(record.path)
    digest, tensors = hashing.digests(path, context, progress, tensors=path.suffix.lower() in (".safetensors", ".sft"))
    if not record.unchanged:
        return {"outcome": "changed", "reason": "It is being written."}
    published = _published(services, record)
    reason = _fault(record, digest, tensors, published)
    health = "wrong" if reason else "verified"
    if not reason and not any(file.sha256 == digest for file in published) and (found := look(path).health) in BROKEN:
        health, reason = found, BROKEN[found]  # the hash is the one that was read first: that of a broken file
    columns: dict[str, Any] = {"health": health, "verified": time.time()}
    if not record.verified or not record.sha256:
        columns["sha256"] = digest  # what was recorded was a claim, of a sidecar or of the host
    services.files.change([(record.id, columns)])
    return {"outcome": "wrong", "reason": reason} if reason else {"outcome": "verified", "reason": ""}


def _fault(record: LocalFile, digest: str, tensors: str, published: list[File]) -> str:
    """What is wrong with a file of this hash, as a sentence; '' when nothing is."""
    if record.sha256 and record.verified and digest != record.sha256:
        return "Its bytes have changed since it was first read, though its size and time have not: the disk may be failing. Download it again."
    if not published or any(file.sha256 == digest for file in published):
        claimed = record.sha256 and digest != record.sha256
        return "It is not what its sidecar or the WebUI's cache says: scan again." if claimed and not published else ""
    if tensors and any(file.hashes.get("AutoV3", "").lower() == tensors[:12] for file in published):
        return ""  # only the words in its header were edited
    return "Its bytes are not those that Civitai publishes: it is damaged, or its creator has replaced the file since."


def _published(services: Services, record: LocalFile) -> list[File]:
    """Civitai's files with a hash that the local one may be: the one that it was identified as, else all of its version."""
    body = services.models.body(record.model_id) if record.model_id is not None and record.model_id > 0 else None
    if body is None:
        return []
    try:
        versions = payloads.model(body).versions
    except BadAnswer:
        return []
    files = [file for version in versions if version.id == record.version_id for file in version.files if file.sha256]
    return [file for file in files if file.id == record.file_id] or files
