"""The small files beside a model file that other programs read: the WebUI's own cards, and the tools that the settings name.

Each is merged into what is there. What the person says here reaches the WebUI's cards, where it is shown and found.
"""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ...catalog.files import LocalFile
from ...disk import previews
from ...disk.sidecars import api_info, civbrowser, civitai_info, cm_info, lora_manager, webui_json
from ...disk.sidecars.ours import Mine
from ...disk.sidecars.reading import beside
from ...errors import CivitaiManagerError, NotFound, NothingToDownload
from ..services import Services
from ..subject import Subject, subject
from .places import Places

log = logging.getLogger(__name__)

# Kinds that the WebUI shows as cards, whose metadata is NAME.json. Of other kinds NAME.json may be the model itself (a workflow).
CARDS = frozenset({"checkpoint", "unet", "lora", "lycoris", "embedding", "hypernetwork"})
_STABILITY_MATRIX_PREVIEWS = (".preview.jpg", ".preview.jpeg", ".preview.png")
_LORA_MANAGER_PREVIEWS = (".webp", ".preview.webp", ".preview.png", ".preview.jpeg", ".preview.jpg", ".preview.mp4", ".png", ".jpeg", ".jpg", ".mp4",
                          ".gif", ".webm")  # fmt: skip
_WRITING = threading.Lock()  # two edits at once must not read the same file before either writes


def mine(services: Services, model_id: int, version_id: int | None = None) -> Mine:
    """What the person says of a model, for a file of this version."""
    own = services.exchange.own([model_id]).get(model_id)
    if own is None:
        return Mine()
    sets = [one.words for one in own.word_sets if one.version_id in (None, version_id)]
    return Mine(note=own.note, tags=own.tags, favourite=own.favourite, weight=own.weight, negative=own.negative, sets=sets)


def card(services: Services, about: Subject, path: Path, sha256: str) -> None:
    """Write the WebUI's own metadata of a file, if it shows a card for its kind. Raises DiskError."""
    if about.kind not in CARDS:
        return
    with _WRITING:
        webui_json.write(
            path, description=about.version.description or about.model.description, base_model=about.version.base_model,
            trained_words=about.version.trained_words, model_id=about.model.id, version_id=about.version.id, sha256=sha256,
            url=f"{services.settings.civitai_url}/models/{about.model.id}?modelVersionId={about.version.id}",
            mine=mine(services, about.model.id, about.version.id),
        )  # fmt: skip


def others(services: Services, about: Subject, record: LocalFile) -> list[str]:
    """Write the files of the tools that the settings name; the sentences of what could not be written."""
    settings, path = services.settings, Path(record.path)
    steps: list[Callable[[], Any]] = []
    if settings.write_browser_plus:
        steps.append(lambda: _told(api_info.write(path, about.model_raw), api_info.path_of(path)))
    if settings.write_civbrowser:
        steps.append(lambda: _told(civbrowser.write(path, civitai_info.compose(about.version_raw, about.model_raw)), civbrowser.path_of(path)))
    if settings.write_stability_matrix:
        steps.append(lambda: _stability_matrix(about, record))
    if settings.write_lora_manager:
        steps.append(lambda: _lora_manager(services, about, record))
    with _WRITING:
        return tried(path, steps)


def describe_again(services: Services, model_id: int) -> list[str]:
    """After an edit: bring the files beside this model's files up to date; the sentences of what could not be written. Never raises for a file.

    Nothing is written outside the host's own model folders: further folders of a scan are only read.
    """
    if not services.settings.write_sidecars:
        return []
    places, notes = Places(services), []
    for record in services.files.of_model(model_id):
        place = places.find(Path(record.path))
        if place is None or not place[0] or not Path(record.path).exists():
            continue
        try:
            about = subject(services, record.version_id or 0, record.file_id)
        except (NotFound, NothingToDownload):
            notes += tried(Path(record.path), [partial(_local_card, services, model_id, record, place[0])])
            continue
        notes += tried(Path(record.path), [partial(card, services, about, Path(record.path), record.sha256)])
        notes += others(services, about, record)
    return notes


def tried(path: Path, steps: list[Callable[[], Any]]) -> list[str]:
    """Do each step whatever became of the others; the sentences of what went wrong."""
    notes = []
    for step in steps:
        try:
            step()
        except CivitaiManagerError as exc:
            log.warning("beside %s: %s", path.name, exc)
            notes.append(str(exc))
    return notes


def _local_card(services: Services, model_id: int, record: LocalFile, kind: str) -> None:
    """Of a file that Civitai does not know, or no longer describes: the person's words only."""
    words = mine(services, model_id, record.version_id)
    path = Path(record.path)
    if kind in CARDS and (words != Mine() or webui_json.path_of(path).exists()):
        with _WRITING:
            webui_json.write(path, mine=words)


def _told(written: Path | None, path: Path) -> None:
    if written is None:
        raise CivitaiManagerError(f"{path.name} cannot be read and was left as it is.", next_step="Repair or remove it, then try again.")


def _file_raw(about: Subject) -> dict[str, Any]:
    files = about.version_raw.get("files")
    return next((one for one in files if isinstance(one, dict) and str(one.get("id")) == str(about.file.id)), {}) if isinstance(files, list) else {}


def _preview(path: Path, suffixes: tuple[str, ...]) -> Path | None:
    return next((found for suffix in suffixes if (found := beside(path, suffix)).exists()), None)


def _stability_matrix(about: Subject, record: LocalFile) -> None:
    path = Path(record.path)
    now = datetime.datetime.now().astimezone().isoformat()
    content = cm_info.compose(about.model_raw, about.version_raw, _file_raw(about), record.sha256 or about.file.sha256 or "", now)
    _told(cm_info.write(path, content, _preview(path, _STABILITY_MATRIX_PREVIEWS)), cm_info.path_of(path))


def _lora_manager(services: Services, about: Subject, record: LocalFile) -> None:
    path = Path(record.path)
    content = lora_manager.compose(
        path, about.model_raw, about.version_raw, size=record.size, sha256=record.sha256, autov3=record.autov3, at=time.time(), kind=about.kind
    )
    level = next((image.nsfw_level for image in about.version.images), 0)
    preview = _preview(path, (*_LORA_MANAGER_PREVIEWS, *previews.WEBUI_SUFFIXES))
    words = mine(services, about.model.id, about.version.id)
    _told(lora_manager.write(path, content, words, preview, level), lora_manager.path_of(path))
