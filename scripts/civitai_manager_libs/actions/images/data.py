"""Generation data of exactly one picture: what Civitai has said, else what it says now, else what the picture's own file holds, else none.

Never another picture's: an answer counts only where the UUID in its address, or its number, is that of the picture that was asked for. A failure is
a failure: that a picture has no data is remembered only when everybody who could know was asked and answered.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Iterable
from typing import Any

import msgspec

from ...civitai import images, payloads
from ...civitai.client import Client
from ...civitai.gallery import Told
from ...civitai.payloads import Image
from ...civitai.references import MAX_ID
from ...errors import BadAnswer, NotFound, Offline, RemoteError, ServiceDown, UsageError
from ...generation import metadata, pictures
from ...generation.found import NONE
from ...jobs.context import Context
from ...reporter import Patience
from ..services import Services

log = logging.getLogger(__name__)

ASK_AGAIN = 7 * 86400.0
"""Seconds after which a picture without data is looked at anew, when a person asks."""
LOOKS = ("image_data", "resources")
READ_BY = 120.0  # seconds after which a finished look-up is taken off the list of jobs
PAGES = 3  # of a version's pictures that are looked through
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Picture(msgspec.Struct, kw_only=True):
    """A picture of Civitai's, as the page has it from us. ``id`` 0 and ``version_id`` None: unknown."""

    url: str = ""
    id: int = 0
    type: str = "image"
    model_id: int | None = None
    version_id: int | None = None

    @property
    def uuid(self) -> str:
        return uuid_of(self.url)

    @property
    def key(self) -> str:
        return self.uuid or self.url or f"id:{self.id}"

    def is_of(self, url: str, number: int) -> bool:
        """Whether an answer with this address and number is about this picture. The UUID decides where both have one."""
        mine, other = self.uuid, uuid_of(url)
        return mine == other if mine and other else bool(self.id and self.id == number) or bool(self.url and self.url == url)


def uuid_of(url: str) -> str:
    found = UUID.search(url)
    return found[0].lower() if found else ""


def known(services: Services, picture: Picture) -> dict[str, Any] | None:
    """The data when it is known already, from an earlier look or from what Civitai said of the model; None when somebody must be asked."""
    if not picture.url and picture.id <= 0:
        raise UsageError("Which picture? It has neither an address nor a number.")
    kept = services.generation.data(picture.key)
    if kept is not None and (kept["state"] == "found" or kept["checked"] > time.time() - ASK_AGAIN):
        return kept
    told = _stored(services, picture)
    if told is None:
        return None
    services.generation.keep([(picture.key, told)])
    return {**told, "checked": time.time()}


def start(services: Services, picture: Picture, ticket: str = "") -> str:
    """Start the job that finds out; its id. Its result is ``{"data": ...}``."""
    forget_read(services)
    title = f"Generation data of image {picture.id}" if picture.id else "Generation data of an image"
    return services.jobs.submit("image_data", msgspec.to_builtins(picture), key=picture.key, title=title, ticket=ticket)


def forget_read(services: Services) -> None:
    """Take finished look-ups off the list of jobs when the page has had time to read them: a person looks at hundreds of pictures."""
    for job in services.jobs.changes()["jobs"]:
        if job["kind"] in LOOKS and job["state"] == "done" and job["finished"] and job["finished"] < time.time() - READ_BY:
            with contextlib.suppress(UsageError):  # somebody else has
                services.jobs.dismiss(job["id"])


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job. Raises what hinders: no connection, too many requests, a file that is too large; never "none" instead."""
    picture = msgspec.convert(context.params, Picture, strict=False)
    context.update(awaits="answer from Civitai")
    found, failure = None, None
    for look in (_asked, _original):
        context.check()
        try:
            found = look(services, picture, context)
        except Offline:
            raise
        except RemoteError as exc:  # the next one may know; if not, this was no "none"
            log.info("generation data of %s: %s", picture.key, exc)
            failure = failure or exc
        if found is not None:
            break
    if found is None and failure is not None:
        raise failure
    data = found or dict(NONE)
    services.generation.keep([(picture.key, data)])
    return {"data": {**data, "checked": time.time()}}


def learn(services: Services, told: Iterable[Told]) -> None:
    """Keep what came along with pictures, so that nobody is asked for it."""
    _keep_all(services, ((one.picture.url, one.picture.id, one.meta) for one in told))


def data_of(services: Services, picture: dict[str, Any], content: bytes, telling: bool, patience: Patience) -> None:
    """Find out and keep the data of a picture whose file is at hand. What hinders is only noted.

    ``telling``: it is no smaller variant, which holds nothing; so when neither Civitai nor the file tells, that is known, offline too.
    """
    wanted = msgspec.convert({name: value for name, value in picture.items() if value is not None}, Picture, strict=False)
    if known(services, wanted) is not None:
        return
    try:
        found = _asked(services, wanted, patience)
    except RemoteError as exc:
        log.info("generation data of %s: %s", wanted.key, exc)
        found, telling = None, False
    if found is None and (read := pictures.read(content)) is not None:
        found = read.told()
    if found is None and telling:
        found = dict(NONE)
    if found is not None:
        services.generation.keep([(wanted.key, found)])


# -- where it may be known


def _stored(services: Services, picture: Picture) -> dict[str, Any] | None:
    """What Civitai has said of the picture's model: older answers hold the data of its pictures."""
    model_id = picture.model_id or (services.models.model_of_version(picture.version_id) if picture.version_id else None)
    body = services.models.body(model_id) if model_id else None
    if not body:
        return None
    try:
        model = payloads.model(body)
    except BadAnswer:
        return None
    return _of_images(picture, (image for version in model.versions for image in version.images))


def _of_images(picture: Picture, found: Iterable[Image]) -> dict[str, Any] | None:
    mine = next((image for image in found if picture.is_of(image.url, image.id)), None)
    return _told(mine) if mine is not None else None


def _told(image: Image) -> dict[str, Any] | None:
    read = metadata.read(image.meta)
    return read.told() if read is not None else None


def _asked(services: Services, picture: Picture, patience: Patience) -> dict[str, Any] | None:
    """What Civitai says now: by the picture's number, which does not always work, else among the pictures of its version.

    Raises RemoteError, ServiceDown also when it has said nothing about this very picture.
    """
    client = services.client.using(patience)
    failure: RemoteError | None = None
    try:
        if 0 < picture.id <= MAX_ID:
            shown, _ = client.images(imageId=picture.id)
            if any(picture.is_of(image.url, image.id) for image in shown):
                return _of_images(picture, shown)
            failure = ServiceDown("Civitai does not answer for this picture.")  # its database ran out of time, or the picture is hidden
    except Offline:
        raise
    except RemoteError as exc:
        failure = exc
    found, told = _asked_by_version(services, picture, client) if picture.version_id else (None, False)
    if failure is not None and not told:
        raise failure
    return found


def _asked_by_version(services: Services, picture: Picture, client: Client) -> tuple[dict[str, Any] | None, bool]:
    """The version's own pictures, which are told with their data all at once, then those that others made with it; and whether it was there."""
    try:
        version = client.version(int(picture.version_id or 0)).value
    except NotFound:
        pass
    else:
        _keep_all(services, ((one.url, one.id, one.meta) for one in version.images))
        if (found := _of_images(picture, version.images)) is not None:
            return found, True
    cursor = ""
    for _ in range(PAGES):
        shown, cursor = client.images(modelVersionId=picture.version_id, cursor=cursor or None)
        _keep_all(services, ((one.url, one.id, one.meta) for one in shown))
        if any(picture.is_of(image.url, image.id) for image in shown):
            return _of_images(picture, shown), True
        if not cursor:
            break
    return None, False


def _keep_all(services: Services, shown: Iterable[tuple[str, int, object]]) -> None:
    """Whatever was told with an answer (address, number, meta of each picture) need not be asked again."""
    told = ((Picture(url=url, id=number).key, metadata.read(meta)) for url, number, meta in shown if meta)
    services.generation.keep([(key, read.told()) for key, read in told if read is not None])


def _original(services: Services, picture: Picture, context: Context) -> dict[str, Any] | None:
    """The file as it was uploaded. Smaller variants are made anew and hold nothing."""
    if not picture.url or picture.type != "image" or images.is_video(picture.url):
        return None
    context.update(text="reading the original file")
    try:
        data = services.client.using(context).original(picture.url)
    except NotFound:
        return None  # there is no file any more that could tell
    read = pictures.read(data)
    return read.told() if read is not None else None
