"""All that can be asked for about pictures to look at, as one object of the application."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...catalog.kept import KeptPictures
from ...civitai import images
from ...civitai.gallery import PERIODS, SORTS, Query, Told
from ...errors import UsageError
from ...reporter import Patience
from ..services import Services
from .browsing import Gallery
from .errands import Errands
from .examples import Examples
from .store import fetch


class Pictures:
    """``learn`` and ``data_of`` hand generation data over to whoever keeps it; see ``browsing.Gallery`` and ``examples.Examples``."""

    def __init__(
        self, services: Services, kept: KeptPictures, learn: Callable[[list[Told]], None], data_of: Callable[[dict[str, Any], bytes, Patience], None]
    ) -> None:
        self._services = services
        self._errands = Errands()
        self._gallery = Gallery(services, self._errands, learn)
        self.examples = Examples(services, kept, self._errands, learn, data_of)

    def close(self) -> None:
        self._errands.close()

    def gallery(self, query: Query, *, anew: bool = False) -> dict[str, Any]:
        """A page of what the community has made: see ``browsing.Gallery.page``. Raises UsageError for a question that Civitai would refuse."""
        if query.version <= 0 and query.model <= 0:
            raise UsageError("Whose pictures? Name a model or a version.")
        if query.sort not in SORTS or query.period not in PERIODS or not 0 < query.level < 64:
            raise UsageError("Civitai knows no such order, period or level of pictures.")
        return self._gallery.page(query, anew=anew)

    def original(self, url: str) -> dict[str, Any]:
        """The picture as it was uploaded, for a tab that takes one: {"path": below our routes}, or {"pending"} while it is fetched.

        Raises RemoteError, UsageError.
        """
        if not images.is_civitais(url, self._services.settings.civitai_url):
            raise UsageError("Only pictures of Civitai are fetched.")
        kept = self.examples.kept_name(url)
        if kept:
            return {"path": f"kept/{kept}"}
        name = self.examples.store.original_name(url)
        if name:
            return {"path": f"original/{name}"}

        def work(patience: Patience) -> None:
            self.examples.store.put_original(url, fetch(self._services.client.using(patience), url, video=images.is_video(url)))

        waiting = self._errands.ask(("original", url), work)
        return {"pending": waiting.seconds, "text": waiting.text}

    def file(self, name: str, *, small: bool) -> tuple[Path, str] | None:
        """A kept picture's file and MIME type."""
        return self.examples.store.file(name, small=small)
