"""A new version takes the place of an old one: what the person set beside the old file goes along, and only then may the old file go."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from ...catalog.files import LocalFile
from ...disk import moving, previews
from ...disk.sidecars import webui_json
from ...disk.sidecars.reading import beside
from ...errors import BadAnswer, Changed, CivitaiManagerError, NotFound, NothingToDownload
from ...reporter import Patience
from ..services import Services
from ..subject import subject
from . import carrying, plans

log = logging.getLogger(__name__)


def replace(services: Services, old: LocalFile, new: LocalFile, patience: Patience) -> tuple[str, list[str]]:
    """Carry over, then keep or retire the old file as ``settings.after_update`` says: (the job that moves it to the trash, or ''; notes).

    Raises Changed when the new file is not there, whole and verified: nothing was done then. May be called again.
    """
    if not new.unchanged or new.state != "here" or new.health != "verified" or new.path == old.path:
        raise Changed(f"{Path(new.path).name} is not verified, so the old file stays.", next_step="Verify it, then try again.", reason="not_verified")
    notes = carry_over(services, old, new, patience)
    if services.settings.after_update != "trash" or old.state != "here":
        return "", notes
    try:
        return carrying.start(services, plans.delete(services, [], [old.id])), notes
    except CivitaiManagerError as exc:
        log.warning("replace: %s was kept: %s", old.path, exc)
        return "", [*notes, f"The old file was kept. {exc}"]


def carry_over(services: Services, old: LocalFile, new: LocalFile, patience: Patience) -> list[str]:
    """The person's settings in the WebUI's own metadata, and the preview when the new file has none; sentences of what could not be done."""
    before, after, notes = Path(old.path), Path(new.path), []
    try:
        if services.settings.write_sidecars:
            webui_json.carry_over(before, after, _words(services, old))
    except CivitaiManagerError as exc:
        notes.append(str(exc))
    if not previews.has_webui_preview(after):
        found = next((path for suffix in previews.WEBUI_SUFFIXES if (path := beside(before, suffix)).is_file()), None)
        if found is not None:
            try:
                moving.copy(found, beside(after, found.name[len(before.stem) :]), patience, lambda _: None)
            except CivitaiManagerError as exc:
                notes.append(str(exc))
    return notes


def _words(services: Services, record: LocalFile) -> Sequence[str]:
    """The old version's trigger words, as its file got them: what differs from them is the person's."""
    try:
        return subject(services, record.version_id or 0, record.file_id).version.trained_words
    except (NotFound, NothingToDownload, BadAnswer):
        return ()
