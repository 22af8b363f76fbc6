"""Pages of the community's gallery: asked of Civitai in the background, remembered for a while, shown again when Civitai does not answer."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from ...civitai import gallery
from ...civitai.gallery import Query
from ...errors import CivitaiManagerError, explain
from ...reporter import Patience
from ..services import Services
from .errands import Errands

FRESH = 300.0  # seconds for which a page is shown without asking again
PAGES = 200  # pages that are remembered


class Kept(NamedTuple):
    at: float
    items: list[dict[str, Any]]
    following: str


class Gallery:
    """``learn`` is told the generation data that came with each picture, before the page is shown."""

    def __init__(self, services: Services, errands: Errands, learn: Callable[[list[gallery.Told]], None]) -> None:
        self._services = services
        self._errands = errands
        self._learn = learn
        self._pages: OrderedDict[Query, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def page(self, query: Query, *, anew: bool = False) -> dict[str, Any]:
        """{"items": pictures, "next": cursor, "as_of": seconds since 1970}, from memory; or {"pending": seconds, "text": what is waited for}: ask
        again.

        A page that is no longer fresh is asked for again; when that fails, it is given as it was, with "error". Otherwise raises RemoteError.
        """
        kept = self._known(query)
        if kept is not None and not anew and time.time() - kept.at < FRESH:
            return _told(kept)
        try:
            waiting = self._errands.ask(("gallery", query), lambda patience: self._fetch(query, patience))
        except CivitaiManagerError as exc:
            if kept is None:
                raise
            return {**_told(kept), "error": explain(exc)}
        return {"pending": waiting.seconds, "text": waiting.text}

    def _fetch(self, query: Query, patience: Patience) -> None:
        page = gallery.page(self._services.client.using(patience), query)
        self._learn(page.pictures)
        items = [told.picture.shown(self._services.settings.civitai_url) for told in page.pictures]
        with self._lock:
            self._pages[query] = Kept(time.time(), items, page.following)
            self._pages.move_to_end(query)
            while len(self._pages) > PAGES:
                self._pages.popitem(last=False)

    def _known(self, query: Query) -> Kept | None:
        with self._lock:
            if query in self._pages:
                self._pages.move_to_end(query)
            return self._pages.get(query)


def _told(kept: Kept) -> dict[str, Any]:
    return {"items": kept.items, "next": kept.following, "as_of": kept.at}
