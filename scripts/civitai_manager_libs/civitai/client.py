"""Civitai's endpoints as methods. Every one raises the RemoteError family of ``errors`` and ``Stopped``."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs, urlsplit

from ..errors import BadAnswer, NotFound, RemoteError
from ..reporter import Patience
from . import images, payloads, refusals, searching
from .payloads import Model, Version
from .references import MAX_ID
from .refusals import Headers, denial
from .searching import Search
from .transport import Transport
from .values import as_dict, as_int, as_list, as_text

T = TypeVar("T")

IMAGE_LIMIT = 32 * 1024 * 1024
MODELS_A_REQUEST = 100
SEARCHED_A_REQUEST = 30  # an answer of a hundred weighs some megabytes, and Civitai may take half a minute for it
HASHES_A_REQUEST = 100
HASH_IDS_A_REQUEST = 10_000
ALL_LEVELS = 31
_MOST_PAGES = 1000


@dataclass(frozen=True)
class Fetched(Generic[T]):
    """``value``, and ``raw``: the object that it was read from, with every field that Civitai sent."""

    value: T
    raw: dict[str, Any]


@dataclass(frozen=True)
class HashMatch:
    """``sha256``: lower hex. ``model_id`` is None in answers from before July 2026."""

    sha256: str
    version_id: int
    model_id: int | None


@dataclass(frozen=True)
class Found:
    """A page of a search. ``following``: the next page's cursor, '' at the end; ``seen``: models in the answer, before it was filtered again."""

    items: list[Fetched[Model]]
    following: str
    seen: int


class Client:
    """The API of one Civitai. Safe for threads; ``using`` gives one that waits with a job's patience."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def using(self, patience: Patience) -> Client:
        return Client(self.transport.using(patience))

    def model(self, model_id: int) -> Fetched[Model]:
        """The whole model, all versions and levels. Raises NotFound for unknown, unpublished or deleted ones."""
        what = f"model {model_id}"
        raw = self._object(f"/api/v1/models/{_checked(model_id, what)}", what)
        return Fetched(payloads.model(raw), raw)

    def models(self, ids: Iterable[int]) -> list[Fetched[Model]]:
        """Many models, 100 a request, in no certain order. Civitai leaves out what it does not list: unknown ones, real persons, minors."""
        found: dict[int, Fetched[Model]] = {}
        for some in _chunks([one for one in dict.fromkeys(ids) if 0 < one <= MAX_ID], MODELS_A_REQUEST):
            params = {"ids": ",".join(map(str, some)), "nsfw": "true", "limit": MODELS_A_REQUEST}
            for raw in self.pages("/api/v1/models", params, most=3):
                try:
                    model = payloads.model(raw)
                except BadAnswer:
                    continue
                found.setdefault(model.id, Fetched(model, raw))
                if found.keys() >= set(some):
                    break  # a further page could hold nothing new
        return list(found.values())

    def search(self, search: Search, cursor: str = "", limit: int = SEARCHED_A_REQUEST) -> Found:
        """One page of what a search finds, by cursor. It may hold nothing while more follow. Raises NotFound for an unknown creator."""
        what = f"the creator {search.creator}" if search.creator else ""
        answer, _ = self.transport.get_json("/api/v1/models", searching.parameters(search, cursor, limit), what=what)
        if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
            raise BadAnswer("Civitai's answer holds no list.")
        now = datetime.datetime.now(datetime.timezone.utc)
        good: list[Fetched[Model]] = []
        for raw in answer["items"]:
            try:
                model = payloads.model(raw)
            except BadAnswer:
                continue
            if searching.fits(model, search, now):
                good.append(Fetched(model, raw))
        following = _next_cursor(answer)
        return Found(good, following if following != cursor else "", len(answer["items"]))

    def names(self, kind: str, beginning: str) -> list[str]:
        """Names that Civitai completes: of "tags" or "creators", the first twenty."""
        what = "its tags" if kind == "tags" else "its creators"
        answer, _ = self.transport.get_json(f"/api/v1/{kind}", {"query": beginning, "limit": 20}, what=what)
        field = "name" if kind == "tags" else "username"
        return [name for one in as_list(as_dict(answer).get("items")) if (name := as_text(as_dict(one).get(field)).strip())]

    def version(self, version_id: int) -> Fetched[Version]:
        """One version with its files. Civitai does not know one that is published but not yet rated, though its model lists it: NotFound."""
        what = f"version {version_id}"
        raw = self._object(f"/api/v1/model-versions/{_checked(version_id, what)}", what)
        return Fetched(payloads.version(raw), raw)

    def version_by_hash(self, digest: str) -> Fetched[Version]:
        """The version with a file of this hash: SHA-256 (64 or its first 12 or 10 digits), AutoV1, AutoV3, CRC32, BLAKE3; the oldest upload."""
        what = f"a file with the hash {digest}"
        if not digest.isascii() or not digest.isalnum():
            raise NotFound(f"Civitai does not know {what}.")
        raw = self._object(f"/api/v1/model-versions/by-hash/{digest.upper()}", what)
        return Fetched(payloads.version(raw), raw)

    def versions_by_hashes(self, digests: Iterable[str]) -> list[Fetched[Version]]:
        """The versions that have files with these SHA-256, 100 a request, each version once, in no certain order; unknown ones are missing."""
        found: dict[int, Fetched[Version]] = {}
        for some in _chunks(_sha256s(digests), HASHES_A_REQUEST):
            answer, _ = self.transport.post_json("/api/v1/model-versions/by-hash", some, what="these hashes")
            for raw in as_list(answer):
                try:
                    version = payloads.version(raw)
                except BadAnswer:
                    continue  # null stands for a version without a file
                found.setdefault(version.id, Fetched(version, raw))
        return list(found.values())

    def hash_ids(self, digests: Iterable[str]) -> list[HashMatch]:
        """Which versions have files with these SHA-256: ids only, thousands a request."""
        found: list[HashMatch] = []
        for some in _chunks(_sha256s(digests), HASH_IDS_A_REQUEST):
            answer, _ = self.transport.post_json("/api/v1/model-versions/by-hash/ids", some, what="these hashes")
            for raw in as_list(answer):
                version_id, digest = as_int(as_dict(raw).get("modelVersionId")), as_text(as_dict(raw).get("hash")).lower()
                if version_id and digest:
                    found.append(HashMatch(digest, version_id, as_int(raw.get("modelId"))))
        return list(dict.fromkeys(found))

    def image_versions(self, image_id: int) -> list[int]:
        """The version ids that an image was made with. Raises NotFound when the image is unknown or names none."""
        return self._shown({"imageId": image_id}, f"image {image_id}")

    def images(self, **asked: Any) -> tuple[list[payloads.Image], str]:
        """A page of /images of every level, with the data of how they were made, and the cursor of the next page ("" at the end).

        ``asked``: imageId, postId, modelId, modelVersionId, cursor, limit ... What is asked for may be ignored: look at what comes.
        """
        answer, _ = self.transport.get_json("/api/v1/images", {"browsingLevel": ALL_LEVELS, "withMeta": "true", "limit": 200, **asked})
        if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
            raise BadAnswer("Civitai's answer holds no list.")
        return payloads.images(answer["items"]), as_text(as_dict(answer.get("metadata")).get("nextCursor"))

    def original(self, url: str) -> bytes:
        """A picture's file as it was uploaded. Raises NotFound when it is gone, BadAnswer when it is too large."""
        return self.transport.get_bytes(images.original(url), IMAGE_LIMIT)[0]

    def models_of_versions(self, version_ids: Iterable[int]) -> list[Fetched[Model]]:
        """The models of many versions, as ``models``: those that Civitai lists."""
        found: dict[int, Fetched[Model]] = {}
        for some in _chunks([one for one in dict.fromkeys(version_ids) if 0 < one <= MAX_ID], MODELS_A_REQUEST):
            params = {"modelVersionIds": ",".join(map(str, some)), "nsfw": "true", "limit": MODELS_A_REQUEST}
            for raw in self.pages("/api/v1/models", params, most=1):
                try:
                    model = payloads.model(raw)
                except BadAnswer:
                    continue
                found.setdefault(model.id, Fetched(model, raw))
        return list(found.values())

    def post_versions(self, post_id: int) -> list[int]:
        """The version ids that the images of a post were made with. Raises NotFound when the post is unknown or names none."""
        return self._shown({"postId": post_id}, f"post {post_id}")

    def me(self) -> dict[str, Any]:
        """The account of the key: id, username, tier and more. Raises KeyRejected, or LoginRequired when no key is set."""
        return self._object("/api/v1/me", "your account")

    def enums(self) -> dict[str, Any]:
        """Lists of words: ModelType, ModelFileType, ActiveBaseModel, BaseModel, BaseModelType."""
        return self._object("/api/v1/enums", "its lists of words")

    def image(self, url: str, width: int = 450) -> bytes:
        """A still picture of an image or video, about ``width`` pixels wide, in whatever format the server sends. Raises NotFound, BadAnswer."""
        small = images.still(url, width)
        try:
            return self.transport.get_bytes(small, IMAGE_LIMIT)[0]
        except (NotFound, BadAnswer):
            if small == url or images.is_video(url):
                raise
        return self.transport.get_bytes(images.original(url), IMAGE_LIMIT)[0]

    def download_url(self, version_id: int, file_id: int | None = None) -> str:
        """Where to ask for a file: built from ids, since hosts in answers are not trusted. A bare address may serve another file of the version."""
        return f"{self.transport.base_url}/api/download/models/{int(version_id)}" + (f"?fileId={int(file_id)}" if file_id else "")

    def denial(self, status: int, headers: Headers, body: bytes, what: str = "") -> RemoteError:
        """What a refused download means; see ``refusals.denial``."""
        return denial(status, headers, body, has_key=self.transport.has_key, what=what)

    def pages(self, path: str, params: Mapping[str, Any], most: int = _MOST_PAGES) -> Iterator[dict[str, Any]]:
        """The objects of a list, page after page by ``metadata.nextPage``, whose host is replaced by ours."""
        following: str | None = path
        query: Mapping[str, Any] | None = params
        seen: set[str | None] = {None}
        while following is not None and len(seen) <= most:
            answer, _ = self.transport.get_json(following, query)
            if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
                raise BadAnswer("Civitai's answer holds no list.")
            yield from (one for one in answer["items"] if isinstance(one, dict))
            seen.add(following)
            following, query = self._next_path(answer, path), None
            if following in seen:
                return

    def _next_path(self, answer: dict[str, Any], path: str) -> str | None:
        url = as_text(as_dict(answer.get("metadata")).get("nextPage"))
        following = self.transport.own_path(url) if url else ""
        return following if following.partition("?")[0].endswith(path) and following.startswith("/") else None

    def _object(self, path: str, what: str) -> dict[str, Any]:
        answer, _ = self.transport.get_json(path, what=what)
        if not isinstance(answer, dict):
            raise BadAnswer(f"Civitai's answer for {what} is no object.")
        return answer

    def _shown(self, asked: dict[str, int], what: str) -> list[int]:
        ((name, number),) = asked.items()
        _checked(number, what)
        field = "id" if name == "imageId" else name
        # Without browsingLevel only pictures for all ages are told; the answer is checked, since this filter was broken at times.
        items = [
            item
            for item in self.pages("/api/v1/images", {**asked, "browsingLevel": ALL_LEVELS, "withMeta": "true"}, most=1)
            if as_int(item.get(field)) in (None, number)
        ]
        if not items:
            raise NotFound(f"Civitai does not know {what}, or does not show it.")
        ids = list(dict.fromkeys(one for item in items for one in _versions_of(item)))
        if not ids:
            raise NotFound(f"Civitai does not tell which models {what} shows.", next_step="Paste the link of the model itself.")
        return ids


def _next_cursor(answer: dict[str, Any]) -> str:
    """The cursor of the next page; ``nextPage`` has it too, and its host is never used."""
    metadata = as_dict(answer.get("metadata"))
    cursor = metadata.get("nextCursor")
    if isinstance(cursor, (str, int)) and not isinstance(cursor, bool) and str(cursor):
        return str(cursor)
    try:
        return next(iter(parse_qs(urlsplit(as_text(metadata.get("nextPage"))).query).get("cursor", [])), "")
    except ValueError:
        return ""


def _versions_of(item: dict[str, Any]) -> Iterator[int]:
    meta = as_dict(item.get("meta"))
    meta = as_dict(meta.get("meta")) if set(meta) <= {"id", "meta"} else meta
    named = [as_dict(resource).get("modelVersionId") for resource in as_list(meta.get("civitaiResources"))]
    for raw in [*as_list(item.get("modelVersionIds")), *named]:
        number = as_int(raw)
        if number and 0 < number <= MAX_ID:
            yield number


def _checked(number: int, what: str) -> int:
    """Civitai answers ids beyond 32 bits with 400 or 500: they are unknown."""
    if not 0 < number <= MAX_ID:
        raise NotFound(f"Civitai does not know {what}.")
    return number


def _sha256s(digests: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(digest.upper() for digest in digests if len(digest) == 64))


def _chunks(values: list[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


__all__ = ["Client", "Fetched", "Found", "HashMatch", "denial", "refusals"]
