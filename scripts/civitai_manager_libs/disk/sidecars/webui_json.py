"""``<stem>.json``: the WebUI's own metadata of a model ("user metadata"), which the user edits on the cards and other extensions extend.

So what Civitai says is only ever added: a key that has a value keeps it, unknown keys stay, and a file that cannot be read is not touched. What
the person says here (note, weight, negative words, trigger sets, tags) is kept in step with it, see ``ours``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...errors import DiskError
from ..atomic import write_json
from . import claim
from .claim import Claim
from .ours import MARK, Mine, Record
from .plain_text import text_of
from .reading import Unreadable, beside, is_blank, load, read_object

SUFFIX = ".json"
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_SD_VERSIONS = (
    (re.compile(r"SD 1\.", re.IGNORECASE), "SD1"),
    (re.compile(r"SD 2\.", re.IGNORECASE), "SD2"),
    # All trained on SDXL; "Pony V7" is not.
    (re.compile(r"SDXL\b|(Pony|Illustrious|NoobAI)$", re.IGNORECASE), "SDXL"),
)
_OWN_KEYS = frozenset({"description", "sd version", "activation text", "negative text", "preferred weight", "notes", "vae", "modelId", "sha256"})
# Notes that a program has made: nothing but links.
_LINKS = re.compile(r"(?:https?://\S+[\s,]*)+")
_NETWORK_TAG = re.compile(r"<(lora|lyco|hypernet):[^<>]*>", re.IGNORECASE)


def path_of(model_file: Path) -> Path:
    return beside(model_file, SUFFIX)


def read(path: Path) -> dict[str, Any] | None:
    """The object of a metadata file; None when there is none or it cannot be read."""
    return read_object(path)


def said(path: Path) -> Claim:
    """What the file says to us. Raises Unreadable, also for JSON that is no metadata (a workflow beside a model of its name).

    Notes that are links only were written by programs; what we wrote ourselves is not told. Sets come from Neo's rows, or from Civitai Helper's
    ``" || "``, or from the text as it is.
    """
    raw = load(path)
    if raw and not _OWN_KEYS & set(raw) and not isinstance(raw.get("extensions"), dict):
        raise Unreadable("is not the WebUI's kind of metadata")
    record = _record(raw)
    notes = claim.text(record.theirs("notes")).strip()
    groups = record.theirs("activation text groups") or raw.get("activation_text_groups")
    rows = groups.splitlines() if isinstance(groups, str) else [claim.text(one) for one in claim.items(groups)]
    if not any(row.strip() for row in rows):
        rows = claim.text(record.theirs("activation text")).split(" || ")
    return Claim(
        sha256=claim.sha256(raw.get("sha256")), model_id=claim.number_id(raw.get("modelId")), version_id=claim.number_id(raw.get("modelVersionId")),
        description=claim.text(raw.get("description")), notes="" if _LINKS.fullmatch(notes) else notes,
        weight=claim.weight(record.theirs("preferred weight")), negative=claim.text(record.theirs("negative text")).strip(),
        sets=list(dict.fromkeys(row.strip(" ,\n") for row in rows if row.strip(" ,\n"))), raw=raw,
        not_found=isinstance(raw.get("modelId"), str) and claim.number_id(raw.get("modelId")) is None,
    )  # fmt: skip


def _record(content: dict[str, Any]) -> Record:
    """Ours is among the extensions' records, as Civitai Helper's is."""
    extensions = content.get("extensions")
    return Record(content, extensions if isinstance(extensions, dict) else None)


def sd_version(base_model: str | None) -> str:
    """The WebUI's "sd version" of a Civitai base model: SD1, SD2, SDXL, or Unknown, which its filter lets pass; "" when none is known.

    Other words break the filter, and without any the WebUI takes every network with training data for SD1.
    """
    known = next((version for pattern, version in _SD_VERSIONS if pattern.match(base_model or "")), "")
    return known or ("Unknown" if base_model and base_model != "Other" else "")


def activation_text(trained_words: Iterable[str]) -> str:
    """Trigger words as one prompt text: trimmed, each once, without the network tags that the WebUI adds by itself."""
    words = (re.sub(r"\s+", " ", _NETWORK_TAG.sub("", word)).strip(" ,") for word in trained_words if isinstance(word, str))
    return ", ".join(dict.fromkeys(word for word in words if word))


def write(
    model_file: Path,
    *,
    description: str | None = "",
    base_model: str | None = "",
    trained_words: Iterable[str] = (),
    model_id: int | None = None,
    version_id: int | None = None,
    sha256: str | None = "",
    url: str = "",
    mine: Mine | None = None,
) -> Path:
    """Add what is known (all optional) to the metadata beside ``model_file``; returns its path.

    ``description`` is HTML and becomes text; ``url`` goes into the notes; ``mine``: the person's words, None to leave theirs as they are.
    An existing file is only rewritten when something is new.
    Raises DiskError when it cannot be read (it is left as it is), NoSpace, NotWritable.
    """
    path = path_of(model_file)
    if str(path).casefold() == str(model_file).casefold():
        raise DiskError(f"{path.name} is the model itself: there is no place for metadata beside it.", next_step="", path=str(path))
    existing = read(path)
    if existing is None and not is_blank(path):
        raise DiskError(
            f"{path.name} is not the WebUI's kind of metadata and was left as it is.",
            next_step="Repair or rename that file, then try again. The model file itself is fine.",
            path=str(path),
        )
    known = {
        "description": text_of(description),
        "sd version": sd_version(base_model),
        "activation text": activation_text(trained_words),
        "notes": url,
        "modelId": model_id,
        "modelVersionId": version_id,
        "sha256": (sha256 or "").upper(),
    }
    merged = dict(existing or {})
    if isinstance(merged.get("extensions"), dict):
        merged["extensions"] = dict(merged["extensions"])
    for key, value in known.items():
        if value not in _EMPTY and merged.get(key) in _EMPTY:
            merged[key] = value
    if mine is not None:
        _add(merged, mine)
    if merged != existing:
        write_json(path, merged)
    return path


def carry_over(old_file: Path, new_file: Path, old_words: Iterable[str]) -> bool:
    """Take what a person has set beside an older version over to a newer one; whether there was anything. Raises DiskError, NoSpace, NotWritable.

    Nothing is overwritten but what Civitai says: the new version's trigger words give way when the person had changed those of the old one.
    ``old_words``: the old version's, as they were written. What we keep in step ourselves (see ``ours``) comes from the catalog.
    """
    raw = read(path_of(old_file))
    path = path_of(new_file)
    existing = read(path)
    if raw is None or (existing is None and not is_blank(path)) or str(path).casefold() == str(new_file).casefold():
        return False
    before, content = _record(raw), dict(existing or {})
    written = _record(content).written
    for key in ("preferred weight", "negative text", "vae"):
        value = before.theirs(key)
        if value not in (*_EMPTY, 0) and content.get(key) in (*_EMPTY, 0):
            content[key] = value
    words = before.theirs("activation text")
    if isinstance(words, str) and words.strip() and words.strip() not in ("", activation_text(old_words)) and "activation text" not in written:
        content["activation text"] = words
    notes = claim.text(before.theirs("notes")).strip()
    there = claim.text(content.get("notes"))
    if notes and not _LINKS.fullmatch(notes) and notes not in there:
        content["notes"] = "\n".join(one for one in (_without_links(notes), there) if one)
    if content == (existing or {}):
        return False
    write_json(path, content)
    return True


def _without_links(notes: str) -> str:
    """Lines that are only a link are a program's, and about the old version."""
    return "\n".join(line for line in notes.splitlines() if not _LINKS.fullmatch(line.strip())).strip()


def _add(content: dict[str, Any], mine: Mine) -> None:
    """The person's words. Tags go into the description: that and the file's path are all that the WebUI's search looks through."""
    if MARK not in content and "extensions" not in content and mine != Mine():
        content["extensions"] = {}
    record = _record(content)
    record.text("notes", mine.note.strip())
    record.text("description", f"Tags: {', '.join(mine.tags)}" if mine.tags else "", first=False)
    record.value("preferred weight", mine.weight, 0)
    record.value("negative text", mine.negative)
    record.value("activation text", mine.sets[0] if mine.sets else "")
    record.value("activation text groups", list(mine.sets) if len(mine.sets) > 1 else [], [])
    record.keep()
    if content.get("extensions") == {}:
        del content["extensions"]
