"""All that can be asked for about pictures to look at, as one object of the application."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...civitai.gallery import PERIODS, SORTS, Query, Told
from ...errors import UsageError
from ...reporter import Patience
from ..services import Services
from .browsing import Gallery
from .errands import Errands
from .examples import Examples


class Pictures:
    """``learn`` and ``data_of`` hand generation data over to whoever keeps it; see ``browsing.Gallery`` and ``examples.Examples``."""

    def __init__(
        self, services: Services, learn: Callable[[list[Told]], None], data_of: Callable[[dict[str, Any], bytes, bool, Patience], None]
    ) -> None:
        self._services = services
        self._errands = Errands()
        self._gallery = Gallery(services, self._errands, learn)
        self.examples = Examples(services, self._errands, learn, data_of)

    def close(self) -> None:
        self._errands.close()

    def gallery(self, query: Query, *, anew: bool = False) -> dict[str, Any]:
        """A page of what the community has made: see ``browsing.Gallery.page``. Raises UsageError for a question that Civitai would refuse."""
        if query.version <= 0 and query.model <= 0:
            raise UsageError("Whose pictures? Name a model or a version.")
        if query.sort not in SORTS or query.period not in PERIODS or not 0 < query.level < 64:
            raise UsageError("Civitai knows no such order, period or level of pictures.")
        return self._gallery.page(query, anew=anew)

    def file(self, name: str, *, small: bool) -> tuple[Path, str] | None:
        """A kept picture's file and MIME type."""
        return self.examples.store.file(name, small=small)
