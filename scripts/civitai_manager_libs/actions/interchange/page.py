"""Interchange as the page has it: an export is written into a folder of ours, from where the browser saves it; a library that a browser sends is kept
there until its import has read it; and importers of other tools, which read a folder that the server sees.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ...disk import atomic
from ...errors import NotFound, UsageError
from ..services import Services
from . import importing, manifest, restoring

KEPT = 8  # files of each of the two folders: those of unfinished jobs are never taken away
_NAME = re.compile(r"[0-9a-z-]{1,80}\.json")


class Interchange:
    def __init__(self, services: Services, data_dir: Path) -> None:
        self._services = services
        self._exports, self._imports = data_dir / "exports", data_dir / "imports"

    # -- out

    def export(self, ids: Sequence[int] | None = None, *, ticket: str = "") -> str:
        """Write the library, or some models of it, where ``exported`` finds it; the job's id. Raises UsageError, NotWritable."""
        if job := self._services.jobs.started(ticket):
            return job
        some = "" if ids is None else f"-{len(set(ids))}-models"
        self._room(self._exports, "export")
        name = f"civitai-manager-library{some}-{time.strftime('%Y-%m-%d-%H%M%S')}-{secrets.token_hex(2)}.json"
        return manifest.start_export(self._services, self._exports / name, ids, ticket)

    def exported(self, job_id: str) -> Path:
        """The file that an export from the page has written. Raises NotFound, UnknownJob."""
        view = self._services.jobs.view(job_id)
        path = Path((view.result or {}).get("path", "")) if view.kind == "export" else Path()
        if path.parent != self._exports or not path.is_file():
            raise NotFound("This export is not here any more.", next_step="Export again.")
        return path

    # -- in

    def receive(self) -> tuple[BinaryIO, Path]:
        """Where a library that a browser sends is written: an open file, and its place, for ``received``."""
        self._room(self._imports, "import_library")
        path = self._imports / f"{time.strftime('%Y-%m-%d-%H%M%S')}-{secrets.token_hex(4)}.json"
        try:
            return path.open("xb"), path
        except OSError as exc:
            raise atomic.disk_error(exc, self._imports) from exc

    def received(self, path: Path) -> dict[str, Any]:
        """It has come whole: ``file`` names it for ``import_library``. What is no library is removed. Raises UsageError."""
        if not manifest.is_manifest(path):
            path.unlink(missing_ok=True)
            raise UsageError("This file is no library of Civitai Manager.", next_step="Choose one that Export, here or as a command, has written.")
        return {"file": path.name, "size": path.stat().st_size}

    def import_library(self, file: str, *, dry_run: bool, fetch: bool = True, confirmed: bool = False, ticket: str = "") -> str:
        """Import what was received; the job's id. See ``restoring.start``. Raises UsageError."""
        path = self._imports / file
        if not _NAME.fullmatch(file) or not path.is_file():
            raise UsageError("That file is not here any more.", next_step="Choose it again.")
        jobs = self._services.jobs
        return jobs.started(ticket) or restoring.start(self._services, path, dry_run=dry_run, fetch=fetch, confirmed=confirmed, ticket=ticket)

    def import_from(self, tool: str, path: str, *, dry_run: bool, ticket: str = "") -> str:
        """Take over what another tool knows, from a folder of the server; the job's id. Raises UsageError."""
        if not path.strip():
            raise UsageError("Say in which folder the other tool's files are.")
        return self._services.jobs.started(ticket) or importing.start(self._services, tool, Path(path.strip()), dry_run=dry_run, ticket=ticket)

    def tools(self) -> list[dict[str, str]]:
        return [{"id": name, "name": title} for name, title in importing.NAMES.items()]

    def report(self, job_id: str) -> bytes:
        """The whole report of an import, as a document to be saved: its result has only the beginning of each list. Raises NotFound, UnknownJob."""
        view = self._services.jobs.view(job_id)
        if view.kind != "import":
            raise NotFound("There is no such report.", next_step="")
        told = {**(view.result or {}), **importing.report(self._services, job_id)}
        return json.dumps(told, ensure_ascii=False, indent=2).encode("utf-8", "replace")

    def _room(self, folder: Path, kind: str) -> None:
        """Make the folder, and keep of what is in it the newest, and what an unfinished job still needs."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise atomic.disk_error(exc, folder) from exc
        needed = {str(record.params.get("path")) for record in self._services.jobs.unfinished(kind)}
        found = sorted((path for path in folder.glob("*.json") if str(path) not in needed), key=lambda path: path.stat().st_mtime)
        for path in found[: 1 - KEPT]:
            with contextlib.suppress(OSError):
                path.unlink()
