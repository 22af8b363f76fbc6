"""What the small files of any tool beside a model say that it is: a claim, which spares reading the file where it is plausible.

Plausible: the model was not written after its sidecar, and has the size that the sidecar tells. A sidecar without a size is not believed when two
model files share it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from .sidecars import claim
from .sidecars.reading import beside, read_object

SLACK = 2_000_000_000  # nanoseconds: the grain of times on FAT


class Claimed(msgspec.Struct, frozen=True):
    """``sha256``: '' when none is plausible. ``model_id`` and ``version_id``: what the sidecar is about, 0 when it does not say."""

    sha256: str = ""
    model_id: int = 0
    version_id: int = 0


def read(model_file: Path, size: int, mtime_ns: int, *, alone: bool) -> Claimed:
    """The first plausible hash, and the first ids. ``alone``: no other model file has this stem."""
    digest, model_id, version_id = "", 0, 0
    for suffix, reader, tells_size in _READERS:
        path = beside(model_file, suffix)
        try:
            if path == model_file or path.stat().st_mtime_ns < mtime_ns - SLACK:
                continue
        except OSError:
            continue
        raw = read_object(path)
        if raw is None:
            continue
        said, model, version = reader(raw, size)
        model_id, version_id = (model_id, version_id) if version_id else (model or 0, version or 0)
        if said and not digest and (tells_size or alone):
            digest = said
    return Claimed(digest, model_id if version_id else 0, version_id if model_id else 0)


Said = tuple[str, "int | None", "int | None"]


def _info(raw: dict[str, Any], size: int) -> Said:
    """Civitai's version object. Of several files with this size none is meant for sure."""
    files = [one for one in claim.items(raw.get("files")) if isinstance(one, dict)]
    fit = {claim.hash_of(one) for one in files if (kilobytes := claim.number(one.get("sizeKB"))) is not None and abs(kilobytes * 1024 - size) < 1}
    model = claim.number_id(raw.get("modelId")) or claim.number_id(claim.obj(raw.get("model")).get("id"))
    return fit.pop() if len(fit) == 1 else "", model, claim.number_id(raw.get("id"))


def _lora_manager(raw: dict[str, Any], size: int) -> Said:
    _, model, version = _info(claim.obj(raw.get("civitai")), size)
    hashed = claim.text(raw.get("hash_status")) in ("", "completed") and claim.whole(raw.get("size")) == size
    return claim.sha256(raw.get("sha256")) if hashed else "", model, version


def _webui(raw: dict[str, Any], size: int) -> Said:
    """Browser+ and this program add these to the WebUI's own keys."""
    return claim.sha256(raw.get("sha256")), claim.number_id(raw.get("modelId")), claim.number_id(raw.get("modelVersionId"))


def _stability_matrix(raw: dict[str, Any], size: int) -> Said:
    return claim.sha256(claim.obj(raw.get("Hashes")).get("SHA256")), claim.number_id(raw.get("ModelId")), claim.number_id(raw.get("VersionId"))


_READERS: tuple[tuple[str, Callable[[dict[str, Any], int], Said], bool], ...] = (
    (".civitai.info", _info, True),
    (".metadata.json", _lora_manager, True),
    (".json", _webui, False),
    (".cm-info.json", _stability_matrix, False),
)
