"""What a file of another tool says about a model file, in one form for every tool; and the careful hands that read it.

Nothing here raises for what is in such a file: a value of the wrong type is as good as none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import msgspec

MAX_ID = 2147483647  # Civitai's ids are 32-bit
_SHA256 = re.compile(r"[0-9a-f]{64}")
_AUTOV3 = re.compile(r"[0-9a-f]{12}")
_NO_HASH = ("0" * 64, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")  # not readable, of nothing


class Claim(msgspec.Struct, kw_only=True):
    """``notes``, ``tags``, ``favourite``, ``weight``, ``negative`` and ``sets`` are the person's; the rest is Civitai's or the tool's.

    ``sets``: trigger words in groups, each a text for the prompt. ``model``, ``version``: objects of Civitai's that the file holds (a version
    with its model's stub under "model"). ``not_found``: the tool has asked, and Civitai did not know the file. ``gone``: it no longer does.
    """

    sha256: str = ""
    autov3: str = ""
    size: int | None = None
    model_id: int | None = None
    version_id: int | None = None
    file_id: int | None = None
    model_name: str = ""
    version_name: str = ""
    model_type: str = ""
    base_model: str = ""
    trained_words: list[str] = []
    description: str = ""
    nsfw_level: int = 0
    notes: str = ""
    tags: list[str] = []
    favourite: bool = False
    weight: float | None = None
    negative: str = ""
    sets: list[str] = []
    preview: str = ""
    not_found: bool = False
    gone: bool = False
    model: dict[str, Any] | None = None
    version: dict[str, Any] | None = None
    raw: dict[str, Any] = {}


_DEFAULTS = Claim()


def merged(claims: Iterable[Claim]) -> Claim:
    """Several files about one model file as one claim: of each field the first that says something; notes, tags and sets together."""
    whole = Claim()
    for claim in claims:
        for name in Claim.__struct_fields__:
            mine, other = getattr(whole, name), getattr(claim, name)
            if name == "notes":
                setattr(whole, name, "\n".join(dict.fromkeys(one for one in (mine, other) if one)))
            elif name in ("tags", "sets"):
                setattr(whole, name, list(dict.fromkeys([*mine, *other])))
            elif mine == getattr(_DEFAULTS, name) and other != mine:
                setattr(whole, name, other)
    if whole.model_id and whole.not_found:
        whole.not_found = False  # one of the tools found it
    return whole


# -- of Civitai's objects


def of_version(raw: dict[str, Any]) -> Claim:
    """A version object with its model's stub, as ``/model-versions`` gives it and several tools keep it."""
    model = obj(raw.get("model"))
    return Claim(
        model_id=number_id(raw.get("modelId")) or number_id(model.get("id")), version_id=number_id(raw.get("id")), model_name=text(model.get("name")),
        version_name=text(raw.get("name")), model_type=text(model.get("type")), base_model=text(raw.get("baseModel")),
        trained_words=texts(raw.get("trainedWords")), description=text(raw.get("description")) or text(model.get("description")),
        nsfw_level=whole(raw.get("nsfwLevel")) or 0, not_found=not number_id(raw.get("id")),
        version=raw if number_id(raw.get("id")) else None, raw=raw,
    )  # fmt: skip


def of_model(raw: dict[str, Any]) -> Claim:
    """A model object as ``/models/ID`` gives it. Which of its versions the file is, it does not say; of a single one there is no doubt."""
    versions = [one for one in items(raw.get("modelVersions")) if isinstance(one, dict) and number_id(one.get("id"))]
    only = versions[0] if len(versions) == 1 else {}
    return Claim(
        model_id=number_id(raw.get("id")), version_id=number_id(only.get("id")), model_name=text(raw.get("name")), model_type=text(raw.get("type")),
        version_name=text(only.get("name")), base_model=text(only.get("baseModel")), trained_words=texts(only.get("trainedWords")),
        description=text(raw.get("description")), nsfw_level=whole(raw.get("nsfwLevel")) or 0, not_found=not number_id(raw.get("id")),
        model=raw if number_id(raw.get("id")) else None, raw=raw,
    )  # fmt: skip


# -- single values


def text(raw: object) -> str:
    """Text, also where a number stands in its place; "" for anything else. No NUL."""
    if isinstance(raw, str):
        return raw.replace("\0", "")
    return f"{raw:g}" if isinstance(raw, float) else str(raw) if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < 2**63 else ""


def number(raw: object) -> float | None:
    if isinstance(raw, str):
        try:
            raw = float(raw.strip().replace(",", "."))
        except ValueError:
            return None
    return float(raw) if isinstance(raw, (int, float)) and not isinstance(raw, bool) and abs(raw) < 2**53 and math.isfinite(raw) else None


def whole(raw: object) -> int | None:
    value = number(raw)
    return int(value) if value is not None and value == int(value) else None


def number_id(raw: object) -> int | None:
    """An id of Civitai's; None for words such as "Model not found", for 0, and for what Civitai cannot have given."""
    value = whole(raw)
    return value if value and 0 < value <= MAX_ID else None


def flag(raw: object) -> bool:
    return raw.strip().lower() in ("true", "1", "yes") if isinstance(raw, str) else raw is True or (isinstance(raw, int) and raw == 1)


def obj(raw: object) -> dict[str, Any]:
    return raw if isinstance(raw, dict) else {}


def items(raw: object) -> list[Any]:
    return raw if isinstance(raw, list) else []


def texts(raw: object) -> list[str]:
    """A list of texts, each once; objects with a name (older tags) count as it; one text counts as a list of its parts."""
    if isinstance(raw, str):
        raw = raw.split(",")
    found = (text(one.get("name") if isinstance(one, dict) else one).strip() for one in items(raw))
    return list(dict.fromkeys(one for one in found if one))


def sha256(raw: object) -> str:
    """A SHA-256 in lower case, or ""."""
    value = text(raw).strip().lower().removeprefix("0x")
    return value if _SHA256.fullmatch(value) and value not in _NO_HASH else ""


def autov3(raw: object) -> str:
    value = text(raw).strip().lower().removeprefix("0x")[:12]
    return value if _AUTOV3.fullmatch(value) and not _NO_HASH[1].startswith(value) else ""


def weight(raw: object) -> float | None:
    """A preferred weight; 0 stands for "the default" in the WebUI, and so does None here."""
    value = number(raw)
    return round(value, 4) if value and abs(value) <= 100 else None


def file_of(version: dict[str, Any], size: int | None = None, name: str = "", digest: str = "") -> dict[str, Any]:
    """Which of a version's files a file on disk is: by its hash, else its size (Civitai's is in KB), its name deciding between equals.

    Without a size: the primary one. {} when none fits.
    """
    files = [one for one in items(version.get("files")) if isinstance(one, dict)]
    if digest and (same := [one for one in files if hash_of(one) == digest]):
        return same[0]
    if size is not None:
        fit = [one for one in files if (kilobytes := number(one.get("sizeKB"))) is not None and abs(kilobytes * 1024 - size) < 1]
        return next((one for one in fit if text(one.get("name")) == name), fit[0] if fit else {})
    return next((one for one in files if flag(one.get("primary"))), files[0] if files else {})


def hash_of(file: dict[str, Any], kind: str = "SHA256") -> str:
    """A hash of one of Civitai's file objects, in lower case."""
    value = next((value for name, value in obj(file.get("hashes")).items() if name.upper() == kind.upper()), "")
    return sha256(value) if kind == "SHA256" else text(value).strip().lower()
