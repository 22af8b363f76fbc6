"""What a download is about: one file of one version of one registered model."""

from __future__ import annotations

from typing import Any

import msgspec

from ..civitai import payloads
from ..civitai.payloads import File, Model, Version
from ..disk import placement
from ..errors import NotFound, NothingToDownload
from .services import Services


class Subject(msgspec.Struct):
    """A file of Civitai's with everything around it. The raw objects go into sidecars."""

    model: Model
    version: Version
    file: File
    model_raw: dict[str, Any]
    version_raw: dict[str, Any]

    @property
    def kind(self) -> str:
        """The kind of folder that the file belongs into."""
        return placement.folder_kind(self.file.type, self.model.type, self.file.name, self.file.format)


def subject(services: Services, version_id: int, file_id: int | None = None) -> Subject:
    """What is known of a file of a registered version, its primary file by default. Raises NotFound, NothingToDownload."""
    model_id = services.models.model_of_version(version_id)
    raw = services.models.body(model_id) if model_id is not None else None
    if raw is None:
        raise NotFound(f"Version {version_id} is not registered.", next_step="Register its model first.")
    model = payloads.model(raw)
    version = next((one for one in model.versions if one.id == version_id), None)
    if version is None:
        raise NotFound(f"{model.name} no longer has the version {version_id}.", next_step="Refresh the model and choose another version.")
    file = next((one for one in version.files if one.id == file_id), None) if file_id else version.primary
    if file is None:
        raise NothingToDownload(f"{model.name}, {version.name}: Civitai lists no {'such file' if file_id else 'file'}.")
    version_raw = next(one for one in raw["modelVersions"] if isinstance(one, dict) and str(one.get("id")) == str(version_id))
    return Subject(model, version, file, raw, version_raw)


def risk(file: File) -> str:
    """Why a file should not be downloaded without a second thought, as a sentence; '' when nothing speaks against it."""
    if file.scan == "Danger":
        return "Civitai's scan says that this file is dangerous."
    if file.is_pickle:
        results = {"Success": "Civitai's scan found nothing", "Pending": "Civitai has not scanned it yet"}
        scanned = results.get(file.scan, "Civitai's scan did not clear it")
        return f"This is a pickle file: it can run code when it is loaded. {scanned}."
    return ""
