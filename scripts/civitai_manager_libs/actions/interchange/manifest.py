"""The manifest: the whole library as one JSON document, from which another machine can rebuild it.

    {"format": "civitai-manager-library", "version": 1, "exported": TIME, "program": VERSION,
     "models": [...], "collections": [...], "saved_filters": {...}, "recipes": [...], "follows": [...]}

A model is named by its ``key``: ``civitai:ID``, or ``sha256:HASH`` (else ``file:KIND/PATH``) for a file that Civitai does not know. Files are named
by the kind of their folder and the path below it. Only what is set is written. An older program ignores what it does not know. Recipes are
``catalog.recipe.Recipe``; their pictures are files in a folder beside the document (``NAME.pictures`` for ``NAME.json``), named as they say.
"""

from __future__ import annotations

import datetime
import json
import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from ... import __version__
from ...catalog.exchange import Own
from ...catalog.recipe import Recipe
from ...disk import atomic
from ...disk.sidecars.reading import Unreadable
from ...errors import FileExists, NotWritable, UsageError
from ...jobs.context import Context
from ..discover import following
from ..recipes import documents
from ..recipes import pictures as kept_pictures
from ..services import Services
from .places import Places

log = logging.getLogger(__name__)

FORMAT, VERSION = "civitai-manager-library", 1
AT_A_TIME = 500
BIGGEST = 2 << 30  # bytes
_HEAD = re.compile(rb'\s*\{\s*"format":\s*"civitai-manager-library"')

_ECOSYSTEMS = (("SD 1", "sd1"), ("SD 2", "sd2"), ("SD 3", "sd3"), ("SDXL", "sdxl"), ("Pony", "sdxl"), ("Illustrious", "sdxl"), ("NoobAI", "sdxl"),
               ("Flux.1", "flux1"))  # fmt: skip
_AIR_TYPES = {"TextualInversion": "embedding", "Hypernetwork": "hypernet", "LoCon": "lycoris", "MotionModule": "motion"}


Id = Annotated[int, msgspec.Meta(ge=1, le=2147483647)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 60)]


class Version(msgspec.Struct, omit_defaults=True):
    id: Id
    name: str = ""
    base: str = ""


class File(msgspec.Struct, omit_defaults=True):
    """``version`` and ``file``: Civitai's ids; ``missing``: it was in the library, and was not on the disk any more."""

    kind: str = ""
    path: str = ""
    size: Count = 0
    sha256: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")] = ""
    autov3: str = ""
    air: str = ""
    version: Id | None = None
    file: Id | None = None
    missing: bool = False


class Model(msgspec.Struct, omit_defaults=True):
    key: str
    name: str = ""
    type: str = "Other"
    id: Id | None = None
    air: str = ""
    creator: str = ""
    nsfw: bool = False
    nsfw_level: Count = 0
    gone: bool = False
    registered: str = ""
    versions: list[Version] = []
    files: list[File] = []
    own: Own = msgspec.field(default_factory=Own)


class Member(msgspec.Struct, omit_defaults=True):
    model: str
    note: str = ""


class Collection(msgspec.Struct, omit_defaults=True):
    name: str
    note: str = ""
    members: list[Member] = []


class Document(msgspec.Struct):
    """As it is read: models are decoded one by one, so that a damaged one costs only itself."""

    format: str
    version: int
    exported: str = ""
    models: list[msgspec.Raw] = []
    collections: list[msgspec.Raw] = []
    saved_filters: dict[str, Any] = {}
    recipes: list[msgspec.Raw] = []
    follows: list[msgspec.Raw] = []


# -- export


def start_export(services: Services, path: Path, model_ids: Iterable[int] | None = None, ticket: str = "") -> str:
    """Start the job; its id. Raises FileExists for a file that is no manifest, UsageError, NotWritable."""
    path = path.expanduser().absolute()
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", next_step="Give the name of a file in it, such as library.json.")
    if not path.parent.is_dir():
        raise UsageError(f"The folder {path.parent} is not there.", next_step="Make it, or choose another one.")
    if path.exists() and path.stat().st_size and not is_manifest(path):
        raise FileExists(f"{path.name} is there already and is no library of this program.", path=str(path))
    only = sorted(set(model_ids)) if model_ids is not None else None
    title = f"Export the library to {path.name}" if only is None else f"Export {len(only)} {'model' if len(only) == 1 else 'models'} to {path.name}"
    return services.jobs.submit("export", {"path": str(path), "only": only}, key=f"{path} {only}", title=title, ticket=ticket)


def is_manifest(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _HEAD.match(file.read(200)) is not None
    except OSError:
        return False


def run_export(services: Services, context: Context) -> dict[str, Any]:
    """The job. A run that was stopped is done again from the start: it takes seconds."""
    path, only = Path(context.params["path"]), context.params.get("only")
    exchange, places = services.exchange, Places(services)
    total = exchange.count() if only is None else len(only)
    context.update(done=0, total=total, text="reading the library")
    keys: dict[int, str] = {}
    lines: list[bytes] = []
    after: int | None = None
    files = size = 0
    while rows := exchange.models(after, AT_A_TIME, only):
        context.check()
        own = exchange.own([row["id"] for row in rows])
        for row in rows:
            model = _model(row, own.get(row["id"], Own()), places)
            keys[row["id"]] = model.key
            lines.append(msgspec.json.encode(model))
            there = [file for file in model.files if not file.missing]
            files, size = files + len(there), size + sum(file.size for file in there)
        after = rows[-1]["id"]
        context.update(done=len(lines))
    collections = [_collection(one, keys) for one in exchange.collections()]
    if only is not None:
        collections = [one for one in collections if one.members]
    head = {"format": FORMAT, "version": VERSION, "exported": _now(), "program": __version__}
    filters = exchange.filters() if only is None else {}
    follows = following.exported(services) if only is None else []
    recipes, pictures = _recipes(services, context, path) if only is None else ([], 0)
    parts = [
        json.dumps(head)[:-1].encode(),
        b', "models": [\n' + b",\n".join(lines) + b"\n]",
        b', "collections": [\n' + b",\n".join(msgspec.json.encode(one) for one in collections) + b"\n]",
        b', "saved_filters": ' + json.dumps(filters, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace"),
        b', "recipes": [\n' + b",\n".join(recipes) + b"\n]",
        b', "follows": [\n' + b",\n".join(msgspec.json.encode(one) for one in follows) + b"\n]}\n",
    ]
    context.check()
    atomic.write(path, b"".join(parts))
    told = {"path": str(path), "models": len(lines), "files": files, "bytes": size, "collections": len(collections)}
    return {**told, "recipes": len(recipes), "pictures": pictures}


def pictures_of(path: Path) -> Path:
    """The folder beside a manifest with the pictures of its recipes."""
    return path.with_name(f"{path.stem}.pictures")


def _recipes(services: Services, context: Context, path: Path) -> tuple[list[bytes], int]:
    """Each recipe that is not in the trash, and how many pictures lie beside. Names are made of contents, so one that is there is the same."""
    lines, copied = [], 0
    for number in services.recipes.all():
        context.check()
        recipe = services.recipes.get(number).recipe
        recipe.models = [msgspec.structs.replace(one, id=0) for one in recipe.models]
        data = kept_pictures.read(services, recipe.picture) if recipe.picture else None
        if data is not None:
            target = pictures_of(path) / recipe.picture
            if not target.is_file() or target.stat().st_size != len(data):
                atomic.write(target, data)
            copied += 1
        lines.append(msgspec.json.encode(recipe))
        context.update(text=f"recipe {recipe.name}")
    return lines, copied


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0).isoformat()


def _model(row: dict[str, Any], own: Own, places: Places) -> Model:
    files = [_file(one, row, places) for one in row["files"]]
    known = row["id"] > 0
    if known:
        key = f"civitai:{row['id']}"
    else:
        first = files[0] if files else File()
        key = f"sha256:{first.sha256}" if first.sha256 else f"file:{first.kind}/{first.path}"
    bases = [version["base_model"] for version in row["versions"]]
    return Model(
        key=key, name=row["name"], type=row["type"], id=row["id"] if known else None,
        air=air(row["type"], bases[0] if bases else "", row["id"]) if known else "", creator=row["creator"], nsfw=bool(row["nsfw"]),
        nsfw_level=row["nsfw_level"], gone=bool(row["gone"]), registered=row["registered"],
        versions=[Version(one["id"], one["name"], one["base_model"]) for one in row["versions"]], files=files, own=own,
    )  # fmt: skip


def _file(record: dict[str, Any], row: dict[str, Any], places: Places) -> File:
    path = Path(record["path"])
    kind, below = places.find(path) or (record["kind"], path.name)
    version = record["version_id"] if row["id"] > 0 else None
    return File(
        kind=kind or record["kind"], path=below, size=record["size"], sha256=record["sha256"], autov3=record["autov3"], version=version,
        file=record["file_id"] if version else None, missing=record["state"] != "here",
        air=air(row["type"], record["base_model"] or "", row["id"], version) if version else "",
    )  # fmt: skip


def _collection(one: Any, keys: dict[int, str]) -> Collection:
    members = [Member(keys[member.model_id], member.note) for member in one.members if member.model_id in keys]
    return Collection(one.name, one.note, members)


def air(kind: str, base_model: str, model_id: int, version_id: int | None = None) -> str:
    """Civitai's name of a model for programs: ``urn:air:sdxl:lora:civitai:1@2``."""
    ecosystem = next((name for beginning, name in _ECOSYSTEMS if base_model.startswith(beginning)), "multi")
    word = _AIR_TYPES.get(kind, re.sub(r"[^a-z0-9]", "", kind.lower()) or "other")
    return f"urn:air:{ecosystem}:{word}:civitai:{model_id}" + (f"@{version_id}" if version_id else "")


# -- reading


class Manifest(msgspec.Struct):
    """A manifest that was read. ``unreadable``: what of it could not be."""

    digest: str
    models: list[Model]
    collections: list[Collection]
    saved_filters: dict[str, Any]
    unreadable: list[dict[str, str]]
    recipes: list[Recipe]
    follows: list[dict[str, Any]]


def read(path: Path, digest: str) -> Manifest:
    """The document. Raises UsageError for what is no manifest, or one of a newer program."""
    try:
        if path.stat().st_size > BIGGEST:
            raise UsageError(f"{path.name} is too big for a library.")
        raw = path.read_bytes()
    except OSError as exc:
        raise NotWritable(f"{path} cannot be read ({exc.strerror}).", next_step="Check that it is there and may be read.") from exc
    try:
        document = msgspec.json.decode(raw.removeprefix(b"\xef\xbb\xbf"), type=Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise UsageError(
            f"{path.name} is no library of this program, or it is damaged.", next_step="Export the library again on the other machine."
        ) from exc
    if document.format != FORMAT:
        raise UsageError(f"{path.name} is no library of this program.")
    if document.version > VERSION:
        raise UsageError(f"{path.name} was written by a newer version of Civitai Manager.", next_step="Update Civitai Manager, then try again.")
    unreadable: list[dict[str, str]] = []
    models = _each(document.models, Model, "model", unreadable)
    unique = list({model.key: model for model in reversed(models)}.values())[::-1]
    collections = _each(document.collections, Collection, "collection", unreadable)
    follows = _each(document.follows, dict[str, Any], "follow", unreadable)
    return Manifest(digest, unique, collections, document.saved_filters, unreadable, _recipes_of(document, unreadable), follows)


def _recipes_of(document: Document, unreadable: list[dict[str, str]]) -> list[Recipe]:
    found = []
    for place, raw in enumerate(document.recipes):
        try:
            told = msgspec.json.decode(raw)
            made = documents.recipe_from(told)
            made.picture = str(told.get("picture") or "")
            found.append(made)
        except (Unreadable, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            unreadable.append({"path": f"recipe {place + 1}", "reason": str(exc)[:200]})
    return found


def _each(raw: list[msgspec.Raw], kind: Any, what: str, unreadable: list[dict[str, str]]) -> list[Any]:
    found = []
    for place, one in enumerate(raw):
        try:
            found.append(msgspec.json.decode(one, type=kind))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            unreadable.append({"path": f"{what} {place + 1}", "reason": str(exc)[:200]})
    return found
