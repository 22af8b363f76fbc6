"""Where the resources are that a picture names: here, here in another version, on Civitai, or nowhere that is known.

A hash, or Civitai's number of a version, is certain. A name is not: many files have the same; such a match is told as one (``by`` "name"), and does
not count where the hashes are known to differ.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ...catalog.files import LocalFile
from ...catalog.resources import Known
from ...civitai import payloads
from ...civitai.payloads import Version
from ...errors import BadAnswer, NotFound, UsageError
from ...generation import infotext, mentions
from ...generation.mentions import Mention
from ...jobs.context import Context
from ..services import Services
from . import data

log = logging.getLogger(__name__)

ASK_AGAIN = 86400.0
"""Seconds after which Civitai is asked again for what it did not know."""
KINDS = {
    "checkpoint": ("checkpoint", "unet"), "lora": ("lora", "lycoris"), "embedding": ("embedding",), "vae": ("vae",), "upscaler": ("upscaler",),
    "hypernetwork": ("hypernetwork",),
}  # fmt: skip
"""Kinds of folders (``host.FOLDER_KINDS``) by the kind of a mention."""
OF_TYPE = {
    "Checkpoint": "checkpoint", "LORA": "lora", "LoCon": "lora", "DoRA": "lora", "TextualInversion": "embedding", "VAE": "vae",
    "Hypernetwork": "hypernetwork", "Upscaler": "upscaler",
}  # fmt: skip
"""Kinds of mentions by Civitai's type of the model."""


class Resolved(Mention, kw_only=True):
    """``state``: here, other_version, civitai, unknown. ``by``: "hash", "version" or "name", what it was found by; '' when it was not."""

    state: str = "unknown"
    by: str = ""
    title: str = ""
    version_name: str = ""
    url: str = ""
    record: LocalFile | None = None

    def told(self) -> dict[str, Any]:
        """JSON-ready, with ``file``: id, stem and path of the file here, or None."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        record = told.pop("record")
        file = {"id": record["id"], "stem": mentions.stem(record["path"]), "path": record["path"]} if record else None
        return {**told, "file": file}


def of(text: str | None, named: Sequence[dict[str, Any]] | None) -> list[Mention]:
    """Mentions of an infotext, or as the page has them from us. Raises UsageError when there is neither."""
    if text is not None:
        return mentions.of(infotext.parse(text))
    try:
        given = msgspec.convert(list(named or []), list[Mention], strict=False)
    except msgspec.ValidationError as exc:
        raise UsageError(f"These are no resources: {exc}.", next_step="Reload the page.") from None
    if len(given) > mentions.MOST:
        raise UsageError(f"More than {mentions.MOST} resources at once.", next_step="Choose fewer.")
    for one in given:
        one.hash, one.name = mentions.clean_hash(one.hash), one.name[: mentions.LONGEST_NAME]
        one.version_id, one.model_id = mentions.identity(one.version_id), mentions.identity(one.model_id)
    return given


def resolve(services: Services, named: Iterable[Mention]) -> list[Resolved]:
    """From the catalog, at once. What turns out to be the same is one."""
    named = list(named)
    stems = services.resources.named(one.name for one in named)
    made: list[Resolved] = []
    for one in named:
        resolved = _one(services, one, stems)
        same = next((other for other in made if _is_same(other, resolved)), None)
        if same is None:
            made.append(resolved)
        else:
            mentions.add(same, resolved)
    return made


def _is_same(one: Resolved, other: Resolved) -> bool:
    if "name" in (one.by, other.by) or not one.by or not other.by:
        return False
    file = one.record is not None and other.record is not None and one.record.id == other.record.id
    return file or bool(one.version_id and one.version_id == other.version_id and one.kind == other.kind)


def _one(services: Services, mention: Mention, stems: dict[str, list[LocalFile]]) -> Resolved:
    found = Resolved(**{name: getattr(mention, name) for name in Mention.__struct_fields__})
    files = _fitting(services.resources.with_hash(mention.hash), mention.kind, loose=True) if mention.hash else []
    if files:
        return _here(services, found, files[0], "hash")
    by, version_id = ("version", mention.version_id) if mention.version_id else ("hash", _version_of_hash(services, mention, stems))
    version = services.resources.versions([version_id]).get(version_id) if version_id else None
    if version is not None or version_id:
        found.version_id = version_id
        if files := _fitting(services.resources.of_version(version_id), mention.kind):
            return _here(services, found, files[0], by)
    if version is not None:
        return _elsewhere(services, found, version, by)
    if named := _of_name(mention, stems):
        return _here(services, found, named[0], "name")
    return found


def _version_of_hash(services: Services, mention: Mention, stems: dict[str, list[LocalFile]]) -> int:
    """The version that a hash means; also one that only the whole answer about the model of a file of that name tells."""
    if not mention.hash:
        return 0
    if version_id := services.resources.version_of_hash(mention.hash):
        return version_id
    for record in stems.get(mention.name.casefold(), [])[:5]:
        for version in _versions(services, record.model_id):
            if any(mention.hash == value.lower() for file in version.files for value in file.hashes.values()):
                return version.id
    return 0


def _versions(services: Services, model_id: int | None) -> list[Version]:
    body = services.models.body(model_id) if model_id is not None and model_id > 0 else None
    try:
        return payloads.model(body).versions if body else []
    except BadAnswer:
        return []


def _fitting(files: list[LocalFile], kind: str, *, loose: bool = False) -> list[LocalFile]:
    """Files in folders for a kind of resource, those first; ``loose``: others too (the hash is certain, whatever the folder)."""
    wanted = KINDS.get(kind)
    usable = [file for file in files if file.path.lower().endswith(mentions.ENDINGS) and file.health not in ("truncated", "wrong")]
    if wanted is None:
        return usable
    first = [file for file in usable if file.kind in wanted]
    others = [file for file in usable if file.kind not in wanted and (loose or not file.kind)]
    return first + others


def _of_name(mention: Mention, stems: dict[str, list[LocalFile]]) -> list[LocalFile]:
    """Files of this name in folders for this kind, but for those whose hash is known to be another."""
    found = stems.get(mention.name.casefold(), []) if mention.name else []
    return [file for file in _fitting(found, mention.kind) if not _contradicts(file, mention.hash)]


def _contradicts(file: LocalFile, digest: str) -> bool:
    if not digest or len(digest) == 8 or not file.sha256:
        return False
    if len(digest) == 12:  # of the whole file, or of a network's tensors
        return bool(file.autov3) and digest != file.autov3 and not file.sha256.startswith(digest)
    return not file.sha256.startswith(digest)


def _here(services: Services, found: Resolved, record: LocalFile, by: str) -> Resolved:
    found.state, found.by, found.record = "here", by, record
    if record.model_id is not None:
        found.title = services.resources.title_of(record.model_id)
    if record.version_id and record.model_id and record.model_id > 0:
        if by != "name":
            found.version_id, found.model_id = record.version_id, record.model_id
        known = services.resources.versions([record.version_id]).get(record.version_id)
        found.title, found.version_name = (known.model, known.name) if known else (found.title, "")
        found.url = _url(services, record.model_id, record.version_id)
    return found


def _elsewhere(services: Services, found: Resolved, version: Known, by: str) -> Resolved:
    found.by, found.version_id, found.model_id = by, version.version_id, version.model_id
    found.title, found.version_name, found.url = version.model, version.name, _url(services, version.model_id, version.version_id)
    if found.kind == "other":
        found.kind = OF_TYPE.get(version.type, "other")
    others = _fitting(services.resources.of_model(version.model_id), found.kind)
    found.state = "other_version" if others else "civitai"
    found.record = others[0] if others else None
    return found


def _url(services: Services, model_id: int, version_id: int) -> str:
    return f"{services.settings.civitai_url}/models/{model_id}?modelVersionId={version_id}"


# -- what Civitai must be asked for


def to_ask(services: Services, resolved: Iterable[Resolved]) -> list[Mention]:
    """Those that the catalog does not know for certain, though they have a hash or a number, and that Civitai has not called unknown of late."""
    open_ones = [one for one in resolved if (one.state == "unknown" or one.by == "name") and (one.hash or one.version_id)]
    gone, lost = services.resources.unknown(
        [one.hash for one in open_ones], [one.version_id for one in open_ones if one.version_id], time.time() - ASK_AGAIN
    )
    return [one for one in open_ones if (one.version_id and one.version_id not in lost) or (one.hash and one.hash not in gone)]


def start(services: Services, named: Sequence[Mention], ticket: str = "") -> str:
    """Start the job that asks Civitai; its id. Its result is ``{"resources": [...]}``, all of them resolved anew."""
    given = [msgspec.to_builtins(msgspec.convert(msgspec.to_builtins(one), Mention)) for one in named]
    data.forget_read(services)
    key = "\n".join(sorted(f"{one['version_id']} {one['hash']} {one['name']}" for one in given))
    return services.jobs.submit("resources", {"mentions": given}, key=key, title="Look up the resources of an image", ticket=ticket)


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job."""
    named = msgspec.convert(context.params["mentions"], list[Mention])
    context.update(awaits="answer from Civitai")
    ask(services, context, to_ask(services, resolve(services, named)))
    return {"resources": [one.told() for one in resolve(services, named)]}


def ask(services: Services, context: Context, named: Sequence[Mention]) -> None:
    """Ask Civitai for these by their hashes and numbers, many at once where it can, and remember each answer. Raises RemoteError."""
    hashes = list(dict.fromkeys(one.hash for one in named if one.hash and not one.version_id))
    versions = set(_by_hashes(services, context, hashes))
    versions |= {one.version_id for one in named if one.version_id}
    left = versions - services.resources.versions(versions).keys()
    _versions_told(services, context, left)
    lost, _ = services.resources.versions(left), None
    late = [one.hash for one in named if one.hash and one.version_id and one.version_id in left and one.version_id not in lost]
    _by_hashes(services, context, late)  # a version that is gone may be known by its file's hash under another number


def _by_hashes(services: Services, context: Context, hashes: Sequence[str]) -> set[int]:
    client = services.client.using(context)
    found: dict[str, int] = {}
    whole = [one for one in hashes if len(one) == 64]
    if whole:
        for match in sorted(client.hash_ids(whole), key=lambda match: match.version_id):
            found.setdefault(match.sha256, match.version_id)
        services.resources.remember_hashes((one, found.get(one, 0)) for one in whole)
    rest = [one for one in hashes if len(one) != 64]
    for done, digest in enumerate(rest):
        context.check()
        context.update(done=done, total=len(rest), text="asking Civitai about hashes")
        try:
            version = client.version_by_hash(digest).value
        except NotFound:
            services.resources.remember_hashes([(digest, 0)])
        else:
            _remember(services, [version])
            services.resources.remember_hashes([(digest, version.id)])
            found[digest] = version.id
    return set(found.values())


def _versions_told(services: Services, context: Context, version_ids: Iterable[int]) -> None:
    client, left = services.client.using(context), set(version_ids)
    if len(left) > 1:
        listed = client.models_of_versions(sorted(left))
        _remember(services, [version for one in listed for version in one.value.versions if version.id in left])
        left -= {version.id for one in listed for version in one.value.versions}
    for version_id in sorted(left):
        context.check()
        try:
            _remember(services, [client.version(version_id).value])
        except NotFound:
            services.resources.remember_versions([(version_id, 0, "", "", "")])


def _remember(services: Services, versions: Iterable[Version]) -> None:
    services.resources.remember_versions(
        (one.id, one.model_id, one.model_name or f"Model {one.model_id}", one.model_type, one.name) for one in versions if one.model_id
    )
