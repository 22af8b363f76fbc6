"""Pictures of Civitai as the page shows them, and pages of GET /images: example pictures and what the community has made with a model.

Facts about /images: with ``modelId`` alone it asks Civitai's database, which takes more than 30 s for popular models, knows no order but the newest
first, and answers a statement that ran out of time with an empty page and status 200. With ``modelVersionId`` it asks the search index.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from ..errors import BadAnswer, ServiceDown
from . import payloads
from .client import Client
from .payloads import Image
from .transport import Transport
from .values import as_dict, as_int, as_list, as_text, as_time

SORTS = ("Most Reactions", "Most Comments", "Most Collected", "Newest", "Oldest")
PERIODS = ("AllTime", "Year", "Month", "Week", "Day")
PATH = "/api/v1/images"
FOLLOWED = 4  # empty pages with a next cursor that are passed over in one request
SLOW = 100.0  # seconds after which the edge before Civitai gives up, too


class Picture(msgspec.Struct, kw_only=True, frozen=True):
    """``url`` as Civitai gave it; ``id`` 0: not told; ``level`` one bit, 0: unrated; ``hash`` a BlurHash; ``created`` ISO 8601 in UTC."""

    url: str
    id: int = 0
    type: str = "image"
    level: int = 0
    width: int = 0
    height: int = 0
    hash: str = ""
    model_id: int = 0
    version_id: int = 0
    post_id: int = 0
    username: str = ""
    created: str = ""
    has_meta: bool = False

    def shown(self, civitai_url: str) -> dict[str, Any]:
        """JSON-ready, with ``page``: its own page on Civitai, '' when its number is not told."""
        return {**msgspec.to_builtins(self), "page": f"{civitai_url}/images/{self.id}" if self.id else ""}


@dataclass(frozen=True)
class Told:
    """A picture with the generation data that came along (as the API tells it; None: it told none)."""

    picture: Picture
    meta: dict[str, Any] | None


@dataclass(frozen=True)
class Page:
    """``following``: the cursor of the next page, '' at the end."""

    pictures: list[Told]
    following: str


class Query(msgspec.Struct, kw_only=True, frozen=True):
    """A version's pictures, or (slow) those of all versions of a model. ``level``: bits that may be there."""

    model: int = 0
    version: int = 0
    cursor: str = ""
    limit: int = 100
    sort: str = SORTS[0]
    period: str = PERIODS[0]
    level: int = 31

    def params(self, cursor: str) -> dict[str, Any]:
        asked = {"modelVersionId": self.version} if self.version else {"modelId": self.model}
        sort = {"sort": self.sort} if self.version else {"sort": "Newest"}
        return {
            **asked, **sort, "period": self.period, "limit": self.limit, "browsingLevel": self.level, "withMeta": "true", "cursor": cursor or None,
        }  # fmt: skip


def of_image(image: Image, *, model_id: int = 0, version_id: int = 0) -> Picture:
    """An example picture of a version."""
    return Picture(
        url=image.url, id=image.id, type=image.type, level=image.nsfw_level, width=image.width or 0, height=image.height or 0, hash=image.hash,
        model_id=model_id, version_id=version_id, has_meta=image.meta is not None,
    )  # fmt: skip


def read(raw: object, query: Query) -> Told:
    """An item of /images. Raises BadAnswer when it has no address."""
    image, got = payloads.image(raw), as_dict(raw)
    base = of_image(image, model_id=query.model, version_id=query.version)
    versions = [as_int(one) for one in as_list(got.get("modelVersionIds"))]
    level = as_int(got.get("browsingLevel"))
    picture = msgspec.structs.replace(
        base,
        level=base.level if level is None or not 0 <= level < 64 else level,  # the old words call what is not rated "None", as they call PG
        version_id=query.version if not versions or query.version in versions else 0,
        post_id=as_int(got.get("postId")) or 0,
        username=as_text(got.get("username")),
        created=as_time(got.get("createdAt")) or "",
    )
    return Told(picture, image.meta)


def page(client: Client, query: Query) -> Page:
    """One page. Empty ones with a next cursor are passed over; raises RemoteError, ServiceDown also for a page that came empty out of season."""
    transport = client.transport if query.version else client.transport.unhurried(SLOW)
    cursor, seen = query.cursor, {query.cursor}
    for _ in range(FOLLOWED):
        items, following = _once(transport, query, cursor)
        found = _unique(items, query)
        if found or not following or following in seen:
            break
        cursor = following
        seen.add(cursor)
    if not found and following and following not in seen:
        raise ServiceDown("Civitai sent several empty pages in a row: its search ran out of time.", next_step=_advice(query))
    if not items and cursor and not query.version:  # the cursor names a picture, so this page cannot be empty
        raise ServiceDown("Civitai's search ran out of time before this page was complete.", next_step=_advice(query))
    return Page(found, following if following not in seen else "")


def _once(transport: Transport, query: Query, cursor: str) -> tuple[list[Any], str]:
    try:
        answer, _ = transport.get_json(PATH, query.params(cursor), what="these pictures")
    except ServiceDown as exc:
        raise ServiceDown(exc.message, next_step=_advice(query)) from None
    if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
        raise BadAnswer("Civitai's answer holds no list.")
    return answer["items"], as_text(as_dict(answer.get("metadata")).get("nextCursor"))


def _advice(query: Query) -> str:
    return "Try again." if query.version else "Try again, or choose one version: Civitai finds the pictures of a version much faster."


def _unique(items: list[Any], query: Query) -> list[Told]:
    """Those that can be read and may be seen, each address once."""
    found: dict[str, Told] = {}
    for raw in items:
        try:
            told = read(raw, query)
        except BadAnswer:
            continue
        # Civitai's own filter is not relied on; what is not rated counts as the strictest, and what it has blocked is never shown.
        if told.picture.type != "audio" and (told.picture.level or 16) & query.level & 31:
            found.setdefault(told.picture.url, told)
    return list(found.values())
