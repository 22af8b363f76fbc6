"""The files of pictures that are kept here: within a limit, below the data folder."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from ...catalog.kept import KeptPicture
from ...civitai import images
from ...civitai.client import IMAGE_LIMIT, Client
from ...disk import atomic, previews
from ...errors import BadAnswer, NotFound, UsageError
from ..services import Services

log = logging.getLogger(__name__)

KINDS = {
    "png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif", "avif": "image/avif", "mp4": "video/mp4",
    "webm": "video/webm",
}  # fmt: skip
LARGE = 1600  # pixels: of a picture whose original is too large to keep
FILM = 800  # pixels: of a video
SMALL = 720  # pixels: the longest side in the grid
YOUNG = 3600.0  # seconds in which a file without a row may be about to get one
_NAME = re.compile(rf"[0-9a-f]{{24}}\.({'|'.join(KINDS)})(\.small\.jpg)?")


class Full(UsageError):
    """Nothing more is kept."""

    code = "examples_full"
    default = "The room for kept pictures is used up by this version's own."
    next_step = "Raise “Room for kept pictures” in Settings, and press Keep offline again."
    remedy = "settings"


class LetGo(NamedTuple):
    """What was removed to make room."""

    pictures: int = 0
    bytes: int = 0


class Store:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._kept = services.kept
        self._folder = services.thumbnails.parent / "examples"
        self._lock = threading.Lock()

    @property
    def limit(self) -> int:
        """In bytes."""
        return self._services.settings.examples_limit * 1_000_000

    def file(self, name: str, *, small: bool = False) -> tuple[Path, str] | None:
        """The file of a kept picture and its MIME type; the small one where there is one. Only names that the catalog knows lead anywhere."""
        known = self._kept.by_name(name)
        if known is None:
            return None
        if small and (path := self._small(name)).is_file():
            return path, "image/jpeg"
        path = self._path(name)
        return (path, known.kind) if path.is_file() else None

    def has(self, name: str) -> bool:
        return self._path(name).is_file()

    def is_here(self, url: str) -> bool:
        known = self._kept.by_url(url)
        return known is not None and self.has(known.name)

    def check_place(self) -> None:
        """Raises UsageError when the data folder lies where the host looks for models, or when nothing is to be kept."""
        if not self.limit:
            raise UsageError("No pictures are kept: the room for them is 0.", next_step="Set “Room for kept pictures” in Settings.")
        folders = {folder for some in self._services.host.folders().values() for folder in some}
        if any(folder in self._folder.parents for folder in folders):
            raise UsageError("Pictures cannot be kept: the data folder lies in a folder of models.", next_step="Start with another data folder.")

    def keep(self, picture: dict[str, Any], position: int, data: bytes, still: bytes) -> LetGo:
        """Put a picture with this place among its version's into the store. ``still``: a picture of a video, or b"".

        Raises BadAnswer for what is no picture, Full, NoSpace, NotWritable.
        """
        ending = previews.sniff(data)
        if ending is None:
            raise BadAnswer("Civitai sent something else than a picture.")
        small = previews.thumbnail(still or data, SMALL)
        name = f"{_digest(picture['url'])}.{ending}"
        size = len(data) + len(small[0] if small else b"")
        with self._lock:
            gone = self._make_room(size, picture["version_id"])
            if small:
                atomic.write(self._small(name), small[0])
            atomic.write(self._path(name), data)
            self._kept.add(picture, position=position, name=name, kind=KINDS[ending], size=size)
        return gone

    def forget(self, pictures: list[KeptPicture]) -> LetGo:
        """Remove kept pictures."""
        with self._lock:
            return self._remove(pictures)

    def sweep(self) -> None:
        """Remove files of ours that the catalog does not know: of a killed run. Young ones stay, since another program may be about to write them
        down; what has not a name of ours is somebody's own."""
        with self._lock:
            names, now = self._kept.names(), time.time()
            for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
                if not _NAME.fullmatch(path.name) or path.name.removesuffix(".small.jpg") in names:
                    continue
                with contextlib.suppress(OSError):
                    if now - path.stat().st_mtime > YOUNG:
                        path.unlink()

    def _make_room(self, size: int, version_id: int) -> LetGo:
        gone = LetGo()
        while (used := self._kept.bytes()) + size > self.limit:
            oldest = self._kept.oldest(version_id)
            if not oldest:
                raise Full()
            some, freed = [], 0
            for one in oldest:
                if used - freed + size <= self.limit:
                    break
                some.append(one)
                freed += one.size
            removed = self._remove(some)
            gone = LetGo(gone.pictures + removed.pictures, gone.bytes + removed.bytes)
        return gone

    def _remove(self, pictures: list[KeptPicture]) -> LetGo:
        self._kept.drop(one.url for one in pictures)  # a file without a row is swept; a row without a file would promise something
        for one in pictures:
            for path in (self._path(one.name), self._small(one.name)):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
        return LetGo(len(pictures), sum(one.size for one in pictures))

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name

    def _small(self, name: str) -> Path:
        return self._folder / name[:2] / f"{name}.small.jpg"


def fetch(client: Client, url: str, *, video: bool) -> tuple[bytes, bool]:
    """The original of a picture, a smaller one where that is too large; a video at a size for looking at. Raises RemoteError.

    And whether the original file would tell nothing more of how it was made.
    """
    ways = [images.sized(url, FILM), images.original(url)] if video else [images.original(url), images.sized(url, LARGE)]
    try:
        return client.transport.get_bytes(ways[0], IMAGE_LIMIT)[0], True
    except (NotFound, BadAnswer):
        return client.transport.get_bytes(ways[1], IMAGE_LIMIT)[0], video


def _digest(url: str) -> str:
    return hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()[:24]
