"""Civitai's answers as typed structs, whatever the year they were written in.

Shapes differ between endpoints and years (null, missing, other types), so nothing here fails for one odd field: it gets its default, and its
neighbours are kept. Only an answer that is no object, or has no id, raises BadAnswer. Unknown fields are not here: callers keep the raw body.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from ..errors import BadAnswer
from .images import is_video
from .values import as_bool, as_dict, as_int, as_list, as_number, as_text, as_time, parse_time, time_text

T = TypeVar("T")

LEVELS = {"None": 1, "PG": 1, "Soft": 2, "PG13": 2, "Mature": 4, "R": 4, "X": 8, "XXX": 16, "Blocked": 32}
"""The words that stood for the bits of ``nsfwLevel`` before 2024, and still do in /images."""

PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle")
NO_PICKLES = (".safetensors", ".sft", ".gguf", ".onnx", ".json", ".yaml", ".yml", ".txt")
EMPTY_SHA256 = "0" * 64  # Civitai's mark for "the file could not be read"

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Creator(msgspec.Struct, kw_only=True, frozen=True):
    username: str = ""
    image: str = ""


class Image(msgspec.Struct, kw_only=True, frozen=True):
    """``nsfw_level``: one bit (1 PG, 2 PG-13, 4 R, 8 X, 16 XXX, 32 blocked), 0 unknown. ``meta``: flat generation data, None when not told."""

    url: str
    id: int = 0
    type: str = "image"
    nsfw_level: int = 0
    width: int | None = None
    height: int | None = None
    hash: str = ""
    meta: dict[str, Any] | None = None
    minor: bool = False
    poi: bool = False


class File(msgspec.Struct, kw_only=True, frozen=True):
    """``size`` in bytes; ``sha256`` lower hex; ``size_kind`` "full" or "pruned"; ``quant`` as in "Q4_K_M"; ``id`` 0 and None: not told."""

    id: int = 0
    name: str = ""
    type: str = "Model"
    size: int | None = None
    format: str = ""
    fp: str = ""
    size_kind: str = ""
    quant: str = ""
    sha256: str | None = None
    hashes: dict[str, str] = {}
    pickle_scan: str = ""
    virus_scan: str = ""
    scan_message: str = ""
    scanned_at: str | None = None
    primary: bool = False

    @property
    def is_pickle(self) -> bool:
        """Whether loading it can run code. The file's ending decides, as it does in the loaders; without a telling one, Civitai's ``format``."""
        name = self.name.lower()
        return name.endswith(PICKLES) or (self.format == "PickleTensor" and not name.endswith(NO_PICKLES))

    @property
    def scan(self) -> str:
        """The worse of both scans: Danger, Error, any other word of Civitai's, Pending, Success; "Unknown" when neither is told."""
        told = [result for result in (self.pickle_scan, self.virus_scan) if result]
        rank = {result: place for place, result in enumerate(("Danger", "Error", "", "Pending", "Success"))}
        return min(told, key=lambda result: rank.get(result, 2), default="Unknown")

    @property
    def label(self) -> str:
        """What tells variants apart: ``SafeTensor · pruned · fp16 · 2.1 GB``."""
        parts = [self.format, self.size_kind, self.fp, self.quant, human_size(self.size) if self.size is not None else ""]
        return " · ".join(part for part in parts if part)


class Version(msgspec.Struct, kw_only=True, frozen=True):
    """``paid_access``: None, or {"permanent": bool, "ends_at": ISO time or None}. Times are ISO 8601 in UTC with ``Z``."""

    id: int
    model_id: int = 0
    model_name: str = ""
    model_type: str = ""
    name: str = ""
    index: int | None = None
    base_model: str = ""
    base_model_type: str = ""
    description: str = ""
    published_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    status: str = ""
    availability: str = ""
    usage_control: str = ""
    air: str = ""
    nsfw_level: int = 0
    trained_words: list[str] = []
    files: list[File] = []
    images: list[Image] = []
    download_count: int | None = None
    paid_access: dict[str, Any] | None = None
    early_access_ends: str | None = None
    early_access_days: int = 0

    @property
    def primary(self) -> File | None:
        """The file that Civitai calls primary, else the first that is a model, else the first."""
        marked = [file for file in self.files if file.primary and file.type != "Training Data"]
        models = [file for file in self.files if file.type in ("Model", "Pruned Model", "Diffusion Model", "UNet")]
        return next(iter(marked + models + self.files), None)

    def early_access(self, now: datetime.datetime) -> str | None:
        """None when everybody may download; else when that will be (ISO 8601), or "permanent" when no end is announced.

        Three generations: ``earlyAccessTimeFrame`` in days (2023), ``availability`` EarlyAccess with or without an end (2024), ``paidAccess`` (2026).
        """
        moment = now if now.tzinfo else now.replace(tzinfo=datetime.timezone.utc)
        gate = self.paid_access
        ends = parse_time((gate or {}).get("ends_at")) or parse_time(self.early_access_ends) or self._frame_end()
        if gate is not None and gate["permanent"]:
            return "permanent"
        if ends is not None:
            return time_text(ends) if ends > moment else None
        return "permanent" if gate is not None or self.availability == "EarlyAccess" else None

    def _frame_end(self) -> datetime.datetime | None:
        start = parse_time(self.published_at) or parse_time(self.created_at)
        if start is None or not 0 < self.early_access_days < 10000:
            return None
        return start + datetime.timedelta(days=self.early_access_days)


class Model(msgspec.Struct, kw_only=True, frozen=True):
    """``mode``: "" or "Archived" or "TakenDown". ``nsfw_level``: the OR of its images' bits, 0 not rated or not told."""

    id: int
    name: str = ""
    description: str = ""
    type: str = "Other"
    creator: Creator | None = None
    tags: list[str] = []
    nsfw: bool = False
    nsfw_level: int = 0
    poi: bool = False
    minor: bool = False
    sfw_only: bool = False
    mode: str = ""
    availability: str = ""
    allow_no_credit: bool | None = None
    allow_derivatives: bool | None = None
    allow_different_license: bool | None = None
    allow_commercial_use: list[str] = []
    download_count: int | None = None
    thumbs_up_count: int | None = None
    versions: list[Version] = []


def model(raw: object) -> Model:
    """A model object of /models or /models/ID. Raises BadAnswer when it is none."""
    got, number = _identified(raw, "model")
    stats = as_dict(got.get("stats"))
    name, kind = as_text(got.get("name")), as_text(got.get("type")) or "Other"
    return Model(
        id=number,
        name=name,
        description=as_text(got.get("description")),
        type=kind,
        creator=_creator(got.get("creator")),
        tags=_tags(got.get("tags")),
        nsfw=_adult(got.get("nsfw")),
        nsfw_level=_level(got.get("nsfwLevel")),
        poi=as_bool(got.get("poi")) or False,
        minor=as_bool(got.get("minor")) or False,
        sfw_only=as_bool(got.get("sfwOnly")) or False,
        mode=as_text(got.get("mode")),
        availability=as_text(got.get("availability")),
        allow_no_credit=as_bool(got.get("allowNoCredit")),
        allow_derivatives=as_bool(got.get("allowDerivatives")),
        allow_different_license=as_bool(got.get("allowDifferentLicense")),
        allow_commercial_use=_commercial_use(got.get("allowCommercialUse")),
        download_count=as_int(stats.get("downloadCount")),
        thumbs_up_count=as_int(stats.get("thumbsUpCount")),
        versions=_each(got.get("modelVersions"), lambda one: version(one, number, name, kind)),
    )


def version(raw: object, model_id: int = 0, model_name: str = "", model_type: str = "") -> Version:
    """A version object of any endpoint, or of a ``.civitai.info`` file. What is known of its model fills what the object lacks. Raises BadAnswer."""
    got, number = _identified(raw, "version")
    parent = as_dict(got.get("model"))
    return Version(
        id=number,
        model_id=as_int(got.get("modelId")) or as_int(parent.get("id")) or model_id,
        model_name=as_text(parent.get("name")) or model_name,
        model_type=as_text(parent.get("type")) or model_type,
        name=as_text(got.get("name")),
        index=as_int(got.get("index")),
        base_model=as_text(got.get("baseModel")),
        base_model_type=as_text(got.get("baseModelType")),
        description=as_text(got.get("description")),
        published_at=as_time(got.get("publishedAt")),
        created_at=as_time(got.get("createdAt")),
        updated_at=as_time(got.get("updatedAt")),
        status=as_text(got.get("status")),
        availability=as_text(got.get("availability")),
        usage_control=as_text(got.get("usageControl")),
        air=as_text(got.get("air")),
        nsfw_level=_level(got.get("nsfwLevel")),
        trained_words=clean_words(got.get("trainedWords")),
        files=_each(got.get("files"), file),
        images=_images(got.get("images")),
        download_count=as_int(as_dict(got.get("stats")).get("downloadCount")),
        paid_access=_paid_access(got.get("paidAccess")),
        early_access_ends=as_time(got.get("earlyAccessDeadline")) or as_time(got.get("earlyAccessEndsAt")),
        early_access_days=as_int(got.get("earlyAccessTimeFrame")) or 0,
    )


def file(raw: object) -> File:
    """One entry of ``files``. Raises BadAnswer when it is no object."""
    if not isinstance(raw, dict):
        raise BadAnswer("A file in Civitai's answer is no object.")
    about = as_dict(raw.get("metadata"))
    hashes = {str(kind): as_text(value) for kind, value in as_dict(raw.get("hashes")).items() if as_text(value)}
    sha256 = next((value.lower() for kind, value in hashes.items() if kind.upper() == "SHA256"), "")
    kilobytes = as_number(raw.get("sizeKB"))
    return File(
        id=as_int(raw.get("id")) or 0,
        name=as_text(raw.get("overrideName")) or as_text(raw.get("name")),
        type=as_text(raw.get("type")) or "Model",
        size=round(kilobytes * 1024) if kilobytes and kilobytes > 0 else None,
        format=as_text(about.get("format")) or as_text(raw.get("format")),
        fp=as_text(about.get("fp")),
        size_kind=as_text(about.get("size")),
        quant=as_text(about.get("quantType")).removeprefix("None"),
        sha256=sha256 if _SHA256.fullmatch(sha256) and sha256 != EMPTY_SHA256 else None,
        hashes=hashes,
        pickle_scan=as_text(raw.get("pickleScanResult")),
        virus_scan=as_text(raw.get("virusScanResult")),
        scan_message=as_text(raw.get("pickleScanMessage")) or as_text(raw.get("virusScanMessage")),
        scanned_at=as_time(raw.get("scannedAt")),
        primary=as_bool(raw.get("primary")) or False,
    )


def image(raw: object) -> Image:
    """One entry of ``images``, or of /images. Raises BadAnswer when it has no address."""
    url = as_text(as_dict(raw).get("url"))
    if not isinstance(raw, dict) or not url:
        raise BadAnswer("An image in Civitai's answer has no address.")
    meta = raw.get("meta")
    if isinstance(meta, dict) and set(meta) <= {"id", "meta"}:
        meta = meta.get("meta")  # the nested form of /images?imageId=
    return Image(
        url=url,
        id=as_int(raw.get("id")) or 0,
        type=as_text(raw.get("type")) or _type_by_name(url),
        nsfw_level=_level(raw.get("browsingLevel")) or _level(raw.get("nsfwLevel")) or _level(raw.get("nsfw")),
        width=as_int(raw.get("width")),
        height=as_int(raw.get("height")),
        hash=as_text(raw.get("hash")),
        meta=meta if isinstance(meta, dict) and meta else None,
        minor=as_bool(raw.get("minor")) or False,
        poi=as_bool(raw.get("poi")) or False,
    )


def images(raw: object) -> list[Image]:
    """The entries of a list that are images, each address once."""
    return _images(raw)


def clean_words(raw: object) -> list[str]:
    """Trigger words without stray commas, line breaks and repetitions, in order.

    A doubly escaped bracket ``\\\\(`` becomes ``\\(``: the form that a prompt needs for a literal bracket, so that one backslash stays.
    """
    words = (re.sub(r"\\{2,}(?=[()\[\]])", r"\\", " ".join(as_text(word).split()).strip(" ,")) for word in as_list(raw))
    return list(dict.fromkeys(word for word in words if word))


def human_size(size: int) -> str:
    """Bytes for people, in decimal units: ``2.1 GB``."""
    amount = float(size)
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 999.95:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def _identified(raw: object, what: str) -> tuple[dict[str, Any], int]:
    number = as_int(raw.get("id")) if isinstance(raw, dict) else None
    if not isinstance(raw, dict) or not number or number < 0:
        raise BadAnswer(f"Civitai's answer holds no {what}.")
    return raw, number


def _each(raw: object, convert: Callable[[object], T]) -> list[T]:
    """The elements of a list that can be read; a broken one does not cost its neighbours."""
    good = []
    for one in as_list(raw):
        try:
            good.append(convert(one))
        except BadAnswer:
            continue
    return good


def _images(raw: object) -> list[Image]:
    """Each address once, its first entry: by-id answers have no image ids."""
    found: dict[str, Image] = {}
    for one in _each(raw, image):
        found.setdefault(one.url, one)
    return list(found.values())


def _type_by_name(url: str) -> str:
    if is_video(url):
        return "video"
    return "audio" if url.lower().endswith(".mp3") else "image"


def _creator(raw: object) -> Creator | None:
    got = as_dict(raw)
    username, picture = as_text(got.get("username")), as_text(got.get("image"))
    return Creator(username=username, image=picture) if username or picture else None


def _tags(raw: object) -> list[str]:
    names = (as_text(tag.get("name") if isinstance(tag, dict) else tag).strip() for tag in as_list(raw))
    return list(dict.fromkeys(name for name in names if name))


def _commercial_use(raw: object) -> list[str]:
    """Any of Image, RentCivit, Rent, Sell. Written as a list, as "Sell", or as "{Image,RentCivit}"; "None" is the empty list."""
    words = raw.strip("{} ").split(",") if isinstance(raw, str) else [as_text(word) for word in as_list(raw)]
    return [word.strip(' "') for word in words if word.strip(' "') not in ("", "None")]


def _level(raw: object) -> int:
    """The bits of a level given as a number, as an old word, or as a bare "is adult" (taken as X); 0 when not told."""
    if isinstance(raw, bool):
        return 8 if raw else 0
    if isinstance(raw, str) and raw in LEVELS:
        return LEVELS[raw]
    number = as_int(raw) or 0
    return number if 0 <= number < 64 else 0


def _adult(raw: object) -> bool:
    return as_bool(raw) if as_bool(raw) is not None else isinstance(raw, str) and LEVELS.get(raw, 0) > 2  # type: ignore[return-value]


def _paid_access(raw: object) -> dict[str, Any] | None:
    if not isinstance(raw, dict) or not raw:
        return None
    return {"permanent": as_bool(raw.get("permanent")) or False, "ends_at": as_time(raw.get("endsAt"))}
