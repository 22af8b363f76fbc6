"""Advice about a checkpoint here that needs a text encoder or a VAE of its own: what is known, what is usual, and what of that kind is here."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from ..catalog.files import LocalFile
from ..civitai.payloads import File, Model, Version
from ..disk import companions, hashing, placement
from .services import Services

MOST = 20  # files of a kind that are named
KINDS = ("checkpoint", "unet")
SAFETENSORS = (".safetensors", ".sft")
# Whole sentences for each part, because other languages bend the words around its name. By what is known, and by the state.
_NEED = {
    companions.VAE: {
        "read": "{name} holds no VAE: it has to come from a file of its own.",
        "listed": "Civitai lists a VAE beside {name}.",
        "usual": "{name} may need a VAE of its own.",
    },
    companions.TEXT_ENCODER: {
        "read": "{name} holds no text encoder: it has to come from a file of its own.",
        "listed": "Civitai lists a text encoder beside {name}.",
        "usual": "{name} may need a text encoder of its own.",
    },
}
_FOUND = {
    companions.VAE: {
        "likely": "One of the VAE files here looks like it, by its name.",
        "missing": "There is no VAE in the library.",
        "unsure": "Whether one of the VAE files here fits cannot be told.",
    },
    companions.TEXT_ENCODER: {
        "likely": "One of the text encoders here looks like it, by its name.",
        "missing": "There is no text encoder in the library.",
        "unsure": "Whether one of the text encoders here fits cannot be told.",
    },
}


def advice(services: Services, model: Model, mine: list[LocalFile]) -> list[dict[str, Any]]:
    """For each checkpoint of the model that is here, and each part that it seems to need: file, part, sentence, and what to do about it.

    ``known``: how sure that is: "read" in the file itself, "listed" by Civitai beside it, or "usual" for its base model, a guess. ``offered``:
    Civitai's files of that part that are not here; ``here``: files of that kind that are; ``state``: "here" when one of these is the listed one,
    "likely" when one's name speaks for it, "unsure" when none's does, "missing" when there is none.
    """
    versions = {version.id: version for version in model.versions}
    told: list[dict[str, Any]] = []
    for record in mine:
        version = versions.get(record.version_id or 0)
        if record.state != "here" or not _is_checkpoint(record, version, model):
            continue
        lacks = _lacking(record)
        for part in companions.PARTS:
            if one := _advice(services, record, version, part, lacks, mine):
                told.append(one)
    return told


def _is_checkpoint(record: LocalFile, version: Version | None, model: Model) -> bool:
    file = next((one for one in version.files if one.id == record.file_id), None) if version else None
    return (placement.folder_kind(file.type, model.type, file.name, file.format) if file else record.kind) in KINDS


def _lacking(record: LocalFile) -> list[str] | None:
    if Path(record.path).suffix.lower() not in SAFETENSORS:
        return None
    return _read(record.path, record.size, record.mtime_ns)


@functools.lru_cache(maxsize=256)
def _read(path: str, size: int, mtime_ns: int) -> list[str] | None:
    """What the file as it was then does not hold; None when it cannot be told."""
    try:
        header = hashing.safetensors_header(Path(path))
    except OSError:
        return None
    return None if header is None else companions.lacking(name for name in header if name != "__metadata__")


def _advice(
    services: Services, record: LocalFile, version: Version | None, part: str, lacks: list[str] | None, mine: list[LocalFile]
) -> dict[str, Any] | None:
    if lacks is not None and part not in lacks:
        return None  # it holds that itself
    base = version.base_model if version else ""
    usual = companions.usual(base)
    listed = [file for file in version.files if placement.folder_kind(file.type, "", file.name) == part] if version else []
    known = "read" if lacks is not None else "listed" if listed else "usual" if usual else ""
    if not known:
        return None
    kept = {record.file_id for record in mine if record.state == "here"}
    offered = [file for file in listed if file.id not in kept and not services.files.with_hash(file.sha256 or "")]
    here = services.files.of_kind(part)
    marks = (usual.vae_marks if part == companions.VAE else usual.encoder_marks) if usual else ()
    likely = [one for one in here if any(mark in Path(one.path).name.lower() for mark in marks)]
    state = "here" if listed and not offered else "likely" if likely else "unsure" if here else "missing"
    name = Path(record.path).name
    shown = sorted(here, key=lambda one: one not in likely)[:MOST]
    needs = (usual.vae if part == companions.VAE else usual.encoders) if usual else ""
    return {
        "path": record.path, "version_id": record.version_id, "part": part, "known": known, "state": state,
        "sentence": " ".join(filter(None, (_NEED[part][known].format(name=name), _usually(base, needs), _found(part, state, listed, offered)))),
        "offered": [{"file_id": file.id, "name": file.name, "size": file.size} for file in offered],
        "here": [{"path": one.path, "name": Path(one.path).name, "likely": one in likely} for one in shown],
    }  # fmt: skip


def _usually(base: str, needs: str) -> str:
    return f"Models on {base} usually need {needs}." if needs else ""


def _found(part: str, state: str, listed: list[File], offered: list[File]) -> str:
    if state == "here":
        return f"Here already: {', '.join(file.name for file in listed[:3])}."
    found = _FOUND[part][state]
    if state == "likely" or not offered:
        return found
    return " ".join((found, f"It can be downloaded with this version: {', '.join(file.name for file in offered[:3])}."))
