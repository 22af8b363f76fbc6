"""A version's example pictures: what they are, and the job that keeps them for when Civitai cannot be reached."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ...civitai import gallery, payloads
from ...civitai.gallery import Told
from ...civitai.payloads import Model, Version
from ...errors import BadAnswer, CivitaiManagerError, NotFound, Offline, RemoteError, SomeFailed, UsageError
from ...jobs.context import Context
from ...jobs.store import Item
from ...reporter import Patience
from ..services import Services
from .errands import Errands
from .store import Full, Store, fetch

log = logging.getLogger(__name__)

LOOKED_AT = 3600.0  # seconds between two notes that a version's pictures are being looked at
UNREGISTERED = 20  # models that are not in the library and whose pictures are remembered


class Examples:
    """``learn``: see ``browsing.Gallery``. ``data_of`` finds out a kept picture's generation data, so that they are known offline, too."""

    def __init__(
        self, services: Services, errands: Errands, learn: Callable[[list[Told]], None],
        data_of: Callable[[dict[str, Any], bytes, bool, Patience], None],
    ) -> None:  # fmt: skip
        self._services = services
        self._kept = services.kept
        self._errands = errands
        self._learn = learn
        self._data_of = data_of
        self._models: OrderedDict[int, Model] = OrderedDict()
        self._lock = threading.Lock()
        self.store = Store(services)

    def listing(self, model_id: int, version_id: int = 0) -> dict[str, Any]:
        """A version's pictures, by default those of the first version that has some.

        {"model_id", "version_id", "title", "versions": [{"id", "name"}], "items": pictures, "kept": {"count", "bytes"}, "used", "limit"}; of a kept
        picture ``kept`` is the name of its file, else ''. Bytes. Of a model that is not registered, {"pending"} until Civitai has answered.
        Raises NotFound, RemoteError.
        """
        model = self._model(model_id)
        if model is None:
            waiting = self._errands.ask(("model", model_id), lambda patience: self._fetch_model(model_id, patience))
            return {"pending": waiting.seconds, "text": waiting.text}
        version = next((one for one in model.versions if one.id == version_id), None) or next(
            (one for one in model.versions if one.images), next(iter(model.versions), None)
        )
        number = version.id if version else version_id
        kept = {one.url: one for one in self._kept.of_version(number) if self.store.has(one.name)}
        shown = [picture.shown(self._services.settings.civitai_url) for picture in self._pictures(model, version)]
        known = {one["url"] for one in shown}
        shown += [one.picture for one in kept.values() if one.url not in known]  # Civitai may have dropped them since
        for one in shown:
            one["kept"] = kept[one["url"]].name if one["url"] in kept else ""
        stale = [one.url for one in kept.values() if time.time() - one.used > LOOKED_AT]
        if stale:
            self._kept.use(stale)
        return {
            "model_id": model.id, "version_id": number, "title": model.name, "items": shown,
            "versions": [{"id": one.id, "name": one.name or f"version {one.id}"} for one in model.versions],
            "kept": {"count": len(kept), "bytes": sum(one.size for one in kept.values())}, "used": self._kept.bytes(), "limit": self.store.limit,
        }  # fmt: skip

    def start(self, model_id: int, version_id: int, ticket: str = "") -> str:
        """Start the job that keeps a version's pictures; its id. Raises NotFound, UsageError."""
        self.store.check_place()
        found = self.listing(model_id, version_id)
        if "pending" in found:
            raise NotFound("This model's pictures are not known yet.", next_step="Try again in a moment.")
        missing = [[place, one] for place, one in enumerate(found["items"]) if not one["kept"]]
        if not missing:
            raise UsageError("All pictures of this version are here already." if found["items"] else "This version has no pictures.")
        params = {"model_id": model_id, "version_id": found["version_id"]}
        title = f"Keep the pictures of {found['title']}"
        return self._services.jobs.submit("examples", params, key=str(found["version_id"]), title=title, items=missing, ticket=ticket)

    def run(self, context: Context) -> dict[str, Any]:
        """The job: {"model_id", "version_id", "kept", "let_go": {"pictures", "bytes"}, "notes"}. Raises SomeFailed, which has the same facts."""
        self.store.sweep()
        items = context.items()
        full: Full | None = None
        for item in items:
            if item.state != "queued":
                continue
            context.check()
            context.update(done=sum(one.state != "queued" for one in items), total=len(items), text="fetching a picture")
            context.update(awaits="answer from Civitai")
            try:
                if full is not None:
                    raise full
                context.item_done(item, {"let_go": self._one(item, context)})
            except Offline:
                raise  # the rest would fail the same way; it stays queued for the next try
            except CivitaiManagerError as exc:
                full = exc if isinstance(exc, Full) else full
                context.item_failed(item, exc)
        context.update(done=len(items), awaits="")
        return _summary(context, items)

    def forget(self, version_id: int) -> dict[str, Any]:
        """Remove the kept pictures of a version from this computer: {"pictures", "bytes"}."""
        gone = self.store.forget(self._kept.of_version(version_id))
        return {"pictures": gone.pictures, "bytes": gone.bytes}

    def downloaded(self, result: dict[str, Any]) -> None:
        """A file of a version was downloaded: keep its pictures when the settings say so. Trouble with that is no trouble with the download."""
        if not self._services.settings.keep_examples:
            return
        try:
            self.start(int(result["model_id"]), int(result["version_id"]))
        except (CivitaiManagerError, KeyError, TypeError, ValueError) as exc:
            log.info("no pictures are kept: %s", exc)

    # -- parts of it

    def _one(self, item: Item, context: Context) -> tuple[int, int]:
        """Keep one picture; how many others were let go for it, and their bytes."""
        position, picture = item.params
        url = picture["url"]
        if self.store.is_here(url):
            return 0, 0
        client = self._services.client.using(context)
        video = picture["type"] == "video"
        data, telling = fetch(client, url, video=video)
        still = b""
        if video:
            try:
                still = client.image(url)
            except RemoteError as exc:
                log.info("no still picture of a video: %s", exc)
        gone = self.store.keep({**picture, "kept": ""}, position, data, still)
        self._data_of(picture, data, telling, context)
        return gone

    def _model(self, model_id: int) -> Model | None:
        body = self._services.models.body(model_id)
        try:
            if body:
                return payloads.model(body)
        except BadAnswer:
            log.warning("the stored answer for model %s cannot be read", model_id)
        if model_id < 0:
            raise NotFound("This file is only here: Civitai has no pictures of it.", next_step="")
        with self._lock:
            return self._models.get(model_id)

    def _fetch_model(self, model_id: int, patience: Patience) -> None:
        model = self._services.client.using(patience).model(model_id).value
        with self._lock:
            self._models[model_id] = model
            while len(self._models) > UNREGISTERED:
                self._models.popitem(last=False)

    def _pictures(self, model: Model, version: Version | None) -> list[gallery.Picture]:
        if version is None:
            return []
        shown = [image for image in version.images if image.type != "audio"]
        told = [Told(gallery.of_image(image, model_id=model.id, version_id=version.id), image.meta) for image in shown]
        self._learn([one for one in told if one.meta])
        return [one.picture for one in told]


def _summary(context: Context, items: list[Item]) -> dict[str, Any]:
    failed = [item.result for item in items if item.state == "failed"]
    done = [item.result["let_go"] for item in items if item.state == "done"]
    kept, gone = len(done), [sum(one[0] for one in done), sum(one[1] for one in done)]
    notes = []
    if gone[0]:
        notes.append(f"{gone[0]} kept pictures that were not looked at for longest were let go to make room ({payloads.human_size(gone[1])}).")
    facts: dict[str, Any] = {
        "model_id": context.params["model_id"], "version_id": context.params["version_id"], "kept": kept,
        "let_go": {"pictures": gone[0], "bytes": gone[1]}, "notes": notes,
    }  # fmt: skip
    if not failed:
        return facts
    if len(items) == 1:
        raise SomeFailed.from_dict({**failed[0], **facts})
    reasons = "; ".join(dict.fromkeys(str(one["message"]) for one in failed))
    raise SomeFailed(f"{kept} of {len(items)} pictures are kept, {len(failed)} are not: {reasons}", failed=failed, **facts)
