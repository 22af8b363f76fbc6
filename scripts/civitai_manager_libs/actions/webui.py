"""What joins the library with the WebUI that it runs in: pictures on their way into its tabs, and what it has generated.

A picture to be sent is kept as a file of ours under its hash (``keep``, or the job ``prepare`` for one of Civitai's), so that the press itself
only names it. Of the generated pictures the last one is remembered, and each marks the models that it names as used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import queue
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog.usage import Usage
from ..disk import atomic, previews
from ..errors import BadAnswer, NotFound, UsageError
from ..jobs.context import Context
from ..jobs.engine import Kind
from . import mentioned
from .services import Services

if TYPE_CHECKING:
    from PIL import Image as PILImage

log = logging.getLogger(__name__)

KEPT = 24  # pictures on their way; the oldest goes first
LARGEST = 64 * 1024 * 1024  # bytes of one
WAITING = 200  # generated pictures that are not looked at yet; what comes beyond is not counted as use
PAUSE = 2.0  # seconds between two looks: a batch of pictures is one change of the library
MOST_CARDS = 5000
HEX = frozenset("0123456789abcdef")


class Webui:
    def __init__(self, services: Services, usage: Usage) -> None:
        self._services, self._usage = services, usage
        self._folder = services.thumbnails.parent / "sending"
        self._last_file = services.thumbnails.parent / "last_image.json"
        self._lock = threading.Lock()
        self._images: queue.Queue[tuple[str, str, float] | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._dropped = False
        self._last: dict[str, Any] | None = None
        self._closed = threading.Event()
        services.jobs.add_kind("send_picture", Kind("library", partial(prepare, self)))

    def close(self) -> None:
        self._closed.set()
        with contextlib.suppress(queue.Full):
            self._images.put_nowait(None)
        if self._thread is not None:
            self._thread.join(5)

    # -- pictures on their way into a tab

    def prepare(self, url: str, *, ticket: str = "") -> str:
        """Fetch a picture of Civitai's as it was uploaded; the job's result is {"key"}. Raises UsageError for a video."""
        from ..civitai import images

        if images.is_video(url):
            raise UsageError("This is a video: only its generation data can be sent.", next_step="")
        if not url.startswith(("https://", "http://")):
            raise UsageError("This is no address of a picture.", next_step="")
        return self._services.jobs.submit("send_picture", {"url": url}, key=url, title="Fetch the picture to send", ticket=ticket)

    def keep(self, data: bytes) -> str:
        """Keep a picture's bytes; the key under which it is sent. Raises UsageError when they are no picture, or too many; NoSpace, NotWritable."""
        if len(data) > LARGEST:
            raise UsageError("This picture is too big to be sent (more than 64 MB).", next_step="")
        if previews.sniff(data) in (None, "mp4", "webm"):
            raise UsageError("This is no picture.", next_step="Choose another one.")
        key = hashlib.sha256(data).hexdigest()[:32]
        atomic.write(self._folder / key, data)
        self._tidy()
        return key

    def _tidy(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            files = sorted((one for one in self._folder.iterdir() if one.is_file()), key=lambda one: one.stat().st_mtime, reverse=True)
            for old in files[KEPT:]:
                old.unlink()

    def fetch(self, url: str, context: Context) -> str:
        """The original of a picture of Civitai's, kept; its key."""
        from ..civitai import images

        data, _ = self._services.client.using(context).transport.get_bytes(images.original(url), LARGEST)
        try:
            return self.keep(data)
        except UsageError as exc:
            raise BadAnswer("Civitai sent no picture for a picture's address.", next_step="Choose another one.") from exc

    def picture(self, key: str) -> PILImage.Image:
        """The kept picture, upright. Raises NotFound, UsageError."""
        if len(key) != 32 or not set(key) <= HEX:
            raise UsageError("There is no picture to send.", next_step="")
        try:
            data = (self._folder / key).read_bytes()
        except OSError:
            raise NotFound("The picture to send is no longer here.", next_step="Send it again.") from None
        found = previews.whole(data)
        if found is None:
            raise UsageError("This picture cannot be read.", next_step="Send its data without it.")
        return found

    # -- what the host has generated

    def saw(self, path: str, infotext: str) -> None:
        """A picture was saved by the host. Called on the host's own thread: it only puts it aside; never raises, never waits."""
        try:
            self._images.put_nowait((path, infotext, time.time()))
        except queue.Full:
            if not self._dropped:
                self._dropped = True
                log.warning("civitai-manager: so many pictures were made at once that some are not counted as use")
            return
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._look, name="civitai-manager-images", daemon=True)
                self._thread.start()

    def _look(self) -> None:
        failed = False
        while True:
            batch = [self._images.get()]
            with contextlib.suppress(queue.Empty):
                while True:
                    batch.append(self._images.get_nowait())
            try:
                self._note([one for one in batch if one is not None])
            except Exception:  # the next picture may do; the host's log is not ours to fill
                if not failed:
                    log.exception("civitai-manager: a generated picture could not be looked at")
                failed = True
            if None in batch or self._closed.wait(PAUSE):
                return

    def _note(self, images: list[tuple[str, str, float]]) -> None:
        used: dict[int, float] = {}
        for _, infotext, at in images:
            named = mentioned.read(infotext)
            for model_id in self._usage.models_of(named.hashes, named.names):
                used[model_id] = max(at, used.get(model_id, 0.0))
        self._usage.mark(used)
        singles = [one for one in images if not Path(one[0]).name.startswith("grid")]
        if singles:
            path, infotext, at = singles[-1]
            self._last = {"path": path, "infotext": infotext, "at": at}
            atomic.write(self._last_file, json.dumps(self._last).encode())

    def last(self) -> dict[str, Any]:
        """The last picture that the host has saved: infotext, picture (address below our routes, or None), at (seconds since 1970). {}: none."""
        known = self._known_last()
        if not known:
            return {}
        there = Path(known["path"]).is_file()
        return {"infotext": known["infotext"], "at": known["at"], "picture": f"images/last/picture?v={known['at']:.0f}" if there else None}

    def last_picture(self) -> tuple[bytes, str]:
        """(bytes, MIME type) of it. Raises NotFound."""
        known = self._known_last()
        try:
            data = Path(known["path"]).read_bytes() if known else b""
        except OSError:
            data = b""
        kind = previews.sniff(data)
        if kind is None:
            raise NotFound("The last picture is no longer there.", next_step="")
        return data, f"image/{kind}"

    def _known_last(self) -> dict[str, Any]:
        if self._last is None:
            try:
                found = json.loads(self._last_file.read_bytes())
                usable = isinstance(found, dict) and isinstance(found.get("path"), str) and isinstance(found.get("infotext"), str)
                self._last = {**found, "at": float(found.get("at") or 0)} if usable else {}
            except (OSError, ValueError, TypeError):
                self._last = {}
        return self._last

    # -- the host's cards

    def cards(self, wanted: Sequence[tuple[str, str, str]]) -> list[dict[str, Any] | None]:
        """What the library knows of files that the host shows: see ``catalog.usage.Usage.cards``."""
        return self._usage.cards(wanted[:MOST_CARDS])


def prepare(webui: Webui, context: Context) -> dict[str, Any]:
    """The job. Raises the RemoteError family, BadAnswer for what is no picture."""
    context.update(awaits="picture from Civitai")
    return {"key": webui.fetch(str(context.params["url"]), context)}


