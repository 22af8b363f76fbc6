"""Which models the files on this computer are: by what the catalog knows, then by asking Civitai about all others at once.

10,000 files cost one request for their ids and one for each 100 models. What Civitai does not know becomes an entry of its own.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, TypeVar

from ..catalog.files import LocalFile
from ..catalog.models import Entry
from ..civitai import payloads
from ..civitai.client import HASH_IDS_A_REQUEST, MODELS_A_REQUEST, Fetched, HashMatch
from ..civitai.payloads import Model
from ..disk import claimed, hashing, heads
from ..disk.local_models import EXTENSIONS
from ..disk.previews import WEBUI_SUFFIXES
from ..errors import BadAnswer, DiskError, NotFound, RemoteError
from ..jobs.context import Context
from . import register, thumbnails
from .reconcile import BROKEN, Records
from .services import Services

log = logging.getLogger(__name__)

T = TypeVar("T")
MOST_SINGLES = 100  # single requests of one scan for hashes of tensors, which no batch answers
PICTURES_AT_A_TIME = 4
GIVE_UP = 5  # pictures in a row that could not be had

TYPES = {
    "checkpoint": "Checkpoint", "lora": "LORA", "lycoris": "LoCon", "embedding": "TextualInversion", "hypernetwork": "Hypernetwork",
    "aesthetic_gradient": "AestheticGradient", "vae": "VAE", "controlnet": "Controlnet", "upscaler": "Upscaler", "text_encoder": "TextEncoder",
    "unet": "UNet", "clip_vision": "CLIPVision", "motion_module": "MotionModule", "poses": "Poses", "wildcards": "Wildcards",
    "workflows": "Workflows", "detection": "Detection",
}  # fmt: skip
"""Civitai's word for the type of a model, by the kind of its folder."""


def run(services: Services, context: Context, records: Records, paths: set[str]) -> list[str]:
    """Identify the files with these paths as far as that is possible now; sentences about what is not."""
    context.update(text="identifying", bytes_total=0, bytes_done=0)
    notes = ask(services, context, records, paths)
    _own_entries(services, context, records, paths)
    problem = _pictures(services, context, online=not notes)
    return notes + ([problem] if problem else [])


def ask(services: Services, context: Context, records: Records, paths: set[str]) -> list[str]:
    """Link files to models, first to those in the catalog, then to what Civitai says. Without a connection the rest waits: a sentence says so."""
    asking = _Asking(services, context, records, paths)
    try:
        asking.run()
        return []
    except RemoteError as exc:
        log.info("scan: Civitai could not be asked: %s", exc)
        left = asking.forget_unfetched()
        reason = f"{exc.message} {left} files are not identified yet" if left else f"{exc.message} Some models are not complete"
        return [f"{reason}: the next scan asks again."]


class _Asking:
    def __init__(self, services: Services, context: Context, records: Records, paths: set[str]) -> None:
        self.services, self.context, self.records, self.paths = services, context, records, paths
        self.client = services.client.using(context)
        self.now = time.time()

    def run(self) -> None:
        self._link_known()
        due = [record for record in self._unidentified() if self._is_due(record)]
        later = self._ask_hashes([record for record in due if record.sha256])
        claims = self._claims([record for record in due if not record.sha256 and record.health in BROKEN])
        models = self._known_models()
        stale = {record.model_id for record in self._here() if record.model_id is not None and record.model_id > 0} - models
        claimed_models = {model_id for _, model_id, _ in claims} - models
        self._fetch({*stale, *claimed_models, *self.context.params.get("fetch", [])})
        if late := [*later, *claims]:
            models = self._known_models()
            self._link([one for one in late if one[1] in models])
            self._mark_asked([record for record, model_id, _ in late if model_id not in models])

    def forget_unfetched(self) -> int:
        """Files of models that could not be fetched are unidentified again, so that they are seen; how many there are in all."""
        known = self._known_models()
        lost = [record for record in self._here() if record.model_id is not None and record.model_id > 0 and record.model_id not in known]
        if lost:
            self.records.change([(record.id, {"model_id": None, "version_id": None, "file_id": None}) for record in lost])
        return sum(self._is_due(record) for record in self._unidentified())

    # -- which

    def _here(self) -> list[LocalFile]:
        return self.records.here(self.paths)

    def _unidentified(self) -> list[LocalFile]:
        return [record for record in self._here() if record.model_id is None or record.model_id < 0]

    def _is_due(self, record: LocalFile) -> bool:
        """As ``Files.to_ask`` has it: again after a day, two days, four ..."""
        asks = bool(record.sha256) or record.health in BROKEN
        return asks and (not record.asked_times or record.asked + 86400.0 * (1 << min(record.asked_times - 1, 6)) <= self.now)

    def _known_models(self) -> set[int]:
        return set(self.services.models.ids())

    # -- links

    def _link_known(self) -> None:
        records = [record for record in self._unidentified() if record.sha256]
        known = self.services.models.versions_with_hashes(record.sha256 for record in records)
        self._link([(record, model, version, file) for record in records for model, version, file in [known.get(record.sha256, (0, 0, 0))] if model])

    def _link(self, links: Iterable[tuple[Any, ...]]) -> None:
        """(record, model, version[, file]). What the person said of a file that was only here goes over to its model."""
        links = list(links)
        if not links:
            return
        pictured = self.context.params.get("pictures", [])
        self.context.remember(pictures=list(dict.fromkeys([*pictured, *(link[1] for link in links)])))
        for record, model, *_ in links:
            if record.model_id is not None and record.model_id < 0:
                self.services.models.adopt(record.model_id, model)
        self.records.change([(record.id, _columns(record, model, version, file[0] if file else None)) for record, model, version, *file in links])

    def _mark_asked(self, records: list[LocalFile]) -> None:
        if records:
            self.records.change([(record.id, {"asked": self.now, "asked_times": record.asked_times + 1}) for record in records])

    # -- requests

    def _requested(self, **params: Any) -> None:
        self.context.remember(requests=self.context.params.get("requests", 0) + 1, **params)

    def _ask_hashes(self, records: list[LocalFile]) -> list[tuple[LocalFile, int, int]]:
        """Ask about all hashes, thousands a request, and note each answer at once. Given back: what can be linked only when its model is here."""
        later: list[tuple[LocalFile, int, int]] = []
        by_hash: dict[str, list[LocalFile]] = {}
        for record in records:
            by_hash.setdefault(record.sha256, []).append(record)
        for some in _chunks(sorted(by_hash), HASH_IDS_A_REQUEST):
            self.context.update(text=f"asking Civitai about {len(some)} files")
            found = self._matches(self.client.hash_ids(some))
            fetch = {model for model, _ in found.values()}
            self._requested(fetch=sorted({*self.context.params.get("fetch", []), *fetch}))
            matched = [(record, *found[digest]) for digest in some if digest in found for record in by_hash[digest]]
            rest = [record for digest in some if digest not in found for record in by_hash[digest]]
            self._link([one for one in matched if one[0].model_id is None])
            later += [one for one in matched if one[0].model_id is not None]
            networks = [record for record in rest if record.autov3 and not record.asked_times][:MOST_SINGLES]
            singly = {record.id for record in networks}
            self._mark_asked([record for record in rest if record.id not in singly])
            later += self._by_tensors(networks)
        return later

    def _matches(self, answers: list[HashMatch]) -> dict[str, tuple[int, int]]:
        """(model, version) by hash, the oldest version of several."""
        found: dict[str, tuple[int, int]] = {}
        for match in sorted(answers, key=lambda match: match.version_id):
            if match.sha256 in found:
                continue
            model_id = match.model_id or self.services.models.model_of_version(match.version_id)
            if not model_id:
                self._requested()
                try:
                    model_id = self.client.version(match.version_id).value.model_id
                except NotFound:
                    continue
            found[match.sha256] = (model_id, match.version_id)
        return found

    def _by_tensors(self, records: list[LocalFile]) -> list[tuple[LocalFile, int, int]]:
        """Files whose words were edited after Civitai got them: their tensors are the same. One request for each; given back as ``_ask_hashes``.

        The hash may be one that the trainer wrote down, so it is computed before it is believed.
        """
        later: list[tuple[LocalFile, int, int]] = []
        for done, record in enumerate(records):
            self.context.check()
            self.context.update(done=done, total=len(records), text="asking Civitai about unknown networks")
            try:
                if hashing.autov3(Path(record.path), self.context) != record.autov3:
                    raise NotFound(f"{record.path} is not what its header says.")
                version = self.client.version_by_hash(record.autov3).value
            except (NotFound, BadAnswer, OSError):
                self._mark_asked([record])
            else:
                self.context.remember(fetch=sorted({*self.context.params.get("fetch", []), version.model_id}))
                if record.model_id is None:
                    self._link([(record, version.model_id, version.id)])
                else:
                    later.append((record, version.model_id, version.id))
            self._requested()
        return later

    def _claims(self, records: list[LocalFile]) -> list[tuple[LocalFile, int, int]]:
        """Broken files, whose hash says nothing: what a sidecar says they were to be, so that they can be fetched anew."""
        found, rest = [], []
        for record in records:
            said = claimed.read(Path(record.path), record.size, 0, alone=True)
            if said.model_id:
                found.append((record, said.model_id, said.version_id))
            else:
                rest.append(record)
        self._mark_asked(rest)
        return found

    def _fetch(self, ids: set[int]) -> None:
        """Save these models, 100 a request; the ones that Civitai leaves out of lists one by one. A model that it no longer knows is not there."""
        wanted = sorted(ids)
        for start, some in enumerate(_chunks(wanted, MODELS_A_REQUEST)):
            self.context.update(done=start * MODELS_A_REQUEST, total=len(wanted), text="fetching models")
            fetched = self.client.models(some)
            self._requested()
            self._save(fetched)
            for model_id in set(some) - {one.value.id for one in fetched}:
                try:
                    one = self.client.model(model_id)
                except NotFound:
                    self._gone(model_id)
                else:
                    self._save([one])
                self._requested()
            self.context.remember(fetch=[one for one in self.context.params.get("fetch", []) if one not in set(some)])

    def _save(self, fetched: list[Fetched[Model]]) -> None:
        if fetched:
            self.services.models.save_all((register.entry_of(one.value), one.raw) for one in fetched)
            self._complete_links({one.value.id for one in fetched})

    def _complete_links(self, models: set[int]) -> None:
        """Which of its version's files each file is, now that the model is known."""
        records = [record for record in self._here() if record.model_id in models and record.file_id is None and record.sha256]
        known = self.services.models.versions_with_hashes(record.sha256 for record in records)
        changes = []
        for record in records:
            model, version, file = known.get(record.sha256, (0, 0, 0))
            if model == record.model_id and version:
                changes.append((record.id, _columns(record, model, version, file)))
        if changes:
            self.records.change(changes)

    def _gone(self, model_id: int) -> None:
        """Civitai knows the hash, but does not show the model: then the file is one that is only here, unless the model was registered earlier."""
        if self.services.models.row(model_id) is not None:
            self.services.models.set_gone(model_id)
            return
        records = [record for record in self._here() if record.model_id == model_id]
        if records:
            columns = {"model_id": None, "version_id": None, "file_id": None, "asked": self.now}
            self.records.change([(record.id, {**columns, "asked_times": record.asked_times + 1}) for record in records])


def _columns(record: LocalFile, model: int, version: int, file: int | None) -> dict[str, Any]:
    """A file whose bytes were all read, and are what Civitai publishes, is verified."""
    columns: dict[str, Any] = {"model_id": model, "version_id": version, "file_id": file, "asked": 0, "asked_times": 0}
    if record.verified and file is not None and record.health not in BROKEN:
        columns["health"] = "verified"
    return columns


# -- files that are only here


def _own_entries(services: Services, context: Context, records: Records, paths: set[str]) -> None:
    """An entry of its own for each file that is still unidentified, described by what its trainer wrote into it."""
    known = set(services.models.ids())
    lost = [
        record
        for record in records.here(paths)
        if record.model_id is None or record.model_id < 0 and record.model_id not in known
    ]
    context.update(done=0, total=len(lost), text="describing files that Civitai does not know")
    beside = _Beside()
    for done, some in enumerate(_chunks(lost, 250)):
        context.check()
        records.change([(record.id, {"model_id": -record.id}) for record in some])
        services.models.save_all(own_entry(record) for record in some)
        if pictured := [-record.id for record in some if beside.pictures(record)]:
            context.remember(pictures=list(dict.fromkeys([*context.params.get("pictures", []), *pictured])))
        context.update(done=done * 250)


def own_entry(record: LocalFile) -> tuple[Entry, dict[str, Any]]:
    """The entry of a file that is only here, and what stands for Civitai's answer."""
    path = Path(record.path)
    try:
        metadata = heads.written(hashing.safetensors_header(path)) if path.suffix.lower() in (".safetensors", ".sft") else {}
    except OSError:
        metadata = {}
    base, words = heads.base_model(metadata), heads.trigger_words(metadata)
    kind = TYPES.get(record.kind, "Other")
    title = metadata.get("modelspec.title", "") or metadata.get("ss_output_name", "")
    told = [path.stem, kind, base, title, metadata.get("modelspec.author", ""), *words]
    entry = Entry(
        id=-record.id, name=path.stem, type=kind, creator="", nsfw=False, nsfw_level=0, base_models=[base] if base else [], published="",
        search=" ".join(dict.fromkeys(" ".join(told).casefold().split())), versions=[], refreshed=False,
    )  # fmt: skip
    kept = {name: value[:2000] for name, value in metadata.items() if re.match(r"modelspec\.(?!thumbnail)|ss_(?!tag_frequency|dataset|bucket)", name)}
    body = {"id": -record.id, "name": path.stem, "type": kind, "local": True, "baseModel": base, "trainedWords": words, "metadata": kept}
    return entry, body


# -- pictures


def _pictures(services: Services, context: Context, *, online: bool) -> str:
    """A thumbnail for each newly identified model: the picture beside the file, else Civitai's first. '' or why some have none."""
    wanted = [
        model_id for model_id in context.params.get("pictures", []) if (row := services.models.row(model_id)) is not None and not row["thumbnail"]
    ]
    remote: list[int] = []
    beside = _Beside()
    for done, model_id in enumerate(wanted):
        context.check()
        context.update(done=done, total=len(wanted), text="pictures")
        if not _local_picture(services, model_id, beside) and model_id > 0:
            remote.append(model_id)
    return _remote_pictures(services, context, remote) if online else ""


class _Beside:
    """The pictures beside model files, in the WebUI's order; each folder is listed once, since most files have none."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}

    def pictures(self, record: LocalFile) -> list[Path]:
        folder, name = os.path.split(record.path)
        if folder not in self._names:
            try:
                self._names[folder] = set(os.listdir(folder))  # noqa: PTH208
            except OSError:
                self._names[folder] = set()
        names, stem = self._names[folder], os.path.splitext(name)[0]  # noqa: PTH122
        others = any(f"{stem}.preview{extension}" in names for extension in EXTENSIONS)  # then NAME.preview.png is that model's
        return [Path(folder, stem + suffix) for suffix in WEBUI_SUFFIXES if stem + suffix in names and not (others and suffix.startswith(".preview"))]


def _local_picture(services: Services, model_id: int, beside: _Beside) -> bool:
    for record in services.files.of_model(model_id):
        for path in beside.pictures(record):
            try:
                if thumbnails.store(services, model_id, path.read_bytes(), ""):
                    return True
            except (OSError, DiskError) as exc:
                log.info("scan: the picture %s cannot be used: %s", path.name, exc)
    return False


def _remote_pictures(services: Services, context: Context, ids: list[int]) -> str:
    failures, done, waiting = 0, 0, iter(ids)
    context.update(done=0, total=len(ids), text="fetching pictures")

    def fetch(model_id: int) -> str:
        context.check()
        try:
            return thumbnails.refresh(services, payloads.model(services.models.body(model_id)), context)
        except BadAnswer as exc:
            return exc.message

    with ThreadPoolExecutor(PICTURES_AT_A_TIME, thread_name_prefix="civitai-manager-picture-fetch") as pool:
        try:
            running = {pool.submit(fetch, model_id) for _, model_id in zip(range(PICTURES_AT_A_TIME), waiting, strict=False)}
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    problem = future.result()
                    failures = failures + 1 if problem else 0
                    done += 1
                    context.update(done=done)
                    if failures >= GIVE_UP:
                        return f"Some pictures could not be fetched: {problem}"
                    if (following := next(waiting, None)) is not None:
                        running.add(pool.submit(fetch, following))
        except BaseException:  # stopped or failed: raised again when no thread is left behind
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return ""


def _chunks(values: list[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
