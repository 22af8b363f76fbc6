"""Download what an import found missing: ordinary downloads, a few at a time, each verified and put where it was on the other machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import CivitaiManagerError, NotFound, UsageError
from ...jobs.context import Context
from ...jobs.store import Item
from ...reporter import Stopped
from .. import download
from ..services import Services
from . import importing
from .places import Places

SHOWN = importing.SHOWN


def restore(services: Services, context: Context) -> dict[str, Any]:
    """The job that downloads missing files: ordinary downloads, as many at a time as the settings say. One item a file."""
    items = context.items()
    waiting: Iterator[Item] = iter([item for item in items if item.state == "queued"])
    running: dict[str, Item] = {}
    places = Places(services)
    done = sum(item.state != "queued" for item in items)
    context.update(done=done, total=len(items), text="downloading")
    following: Item | None = next(waiting, None)
    try:
        while running or following is not None:
            context.check()
            while following is not None and len(running) < services.settings.parallel_downloads:
                try:
                    job_id = _download(services, places, following.params, confirmed=bool(context.params.get("confirmed")))
                    running[job_id] = following
                except CivitaiManagerError as exc:
                    context.item_failed(following, exc)
                    done += 1
                following = next(waiting, None)
            context.wait(0.1, "downloading")
            for job_id, item in list(running.items()):
                if _ended(services, context, job_id, item):
                    del running[job_id]
                    done += 1
            context.update(done=done, text=f"{len(running)} downloads are running" if running else "")
    except Stopped as stopped:
        for job_id in running:  # what a person stops here is meant to stop; at the program's end each download is kept by itself
            try:
                if stopped.reason == "pause":
                    services.jobs.pause(job_id)
                elif stopped.reason == "cancel":
                    services.jobs.cancel(job_id)
            except UsageError:
                continue  # it has just ended
        raise
    failed = [{"name": item.params.get("path") or item.params["name"], **item.result} for item in items if item.state == "failed"]
    return {"downloaded": sum(item.state == "done" for item in items), "failed": failed[:SHOWN], "failures": len(failed)}


def _download(services: Services, places: Places, wanted: dict[str, Any], *, confirmed: bool) -> str:
    """Start (or join) the download of one file to where it was on the other machine; the job's id."""
    version, file = wanted.get("version"), wanted.get("file")
    digest = wanted.get("sha256", "")
    if digest:
        known = services.models.versions_with_hashes([digest]).get(digest)
        if known is None:
            raise NotFound(f"{wanted['name']}: Civitai no longer has this file.", next_step="Copy it from the other machine; a scan recognises it.")
        if known[0] != wanted.get("model_id") or known[1] != version:
            version, file = known[1], known[2]
        file = known[2] if known[1] == version else file
    target = places.target(wanted.get("kind", ""), wanted.get("path", ""))
    folder, name = (str(target.parent), target.name) if target is not None else (None, None)
    return download.start(services, int(version or 0), file or None, folder, name, confirmed)


def _ended(services: Services, context: Context, job_id: str, item: Item) -> bool:
    """Note the outcome of a download that has ended. One that a person has paused is waited for."""
    view = services.jobs.view(job_id)
    if view.state == "done":
        result = view.result or {}
        _remember_autov3(services, result, item.params)
        context.item_done(item, {"path": result.get("path", ""), "verified": bool(result.get("verified"))})
        services.jobs.dismiss(job_id)  # thousands of finished downloads would hide what else there is to see
    elif view.state in ("failed", "cancelled"):
        message = "The download was cancelled." if view.state == "cancelled" else "The download failed."
        told = view.error or {"message": message, "next_step": "Start the import again."}
        context.item_failed(item, CivitaiManagerError(told["message"], next_step=told["next_step"]))
    else:
        return False
    return True


def _remember_autov3(services: Services, result: dict[str, Any], wanted: dict[str, Any]) -> None:
    """The other machine has computed it for these same bytes."""
    record = services.files.at(Path(result.get("path", ""))) if result.get("path") else None
    if record is not None and wanted.get("autov3") and record.sha256 == wanted.get("sha256") and not record.autov3:
        services.files.change([(record.id, {"autov3": wanted["autov3"]})])
