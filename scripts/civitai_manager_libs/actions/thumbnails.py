"""The small picture of a model, kept as a file of ours so that the grid needs no network."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from pathlib import Path
from typing import Any

from ..civitai import payloads
from ..civitai.payloads import Image, Model
from ..disk import atomic, previews
from ..errors import BadAnswer, CivitaiManagerError, NotFound, RemoteError
from ..jobs.context import Context
from ..reporter import Patience
from .services import Services

log = logging.getLogger(__name__)

WIDTH = 450  # pixels asked of the image server; the nearest size that it keeps
LONGEST = 720  # pixels: portraits of that width pass as they come


def file_of(services: Services, model_id: int) -> Path:
    return services.thumbnails / f"{model_id % 100:02d}" / f"{model_id}.jpg"


def candidates(model: Model) -> list[Image]:
    """The model's pictures in the order in which they are tried: still ones of the newest versions first, then videos."""
    images = [image for version in model.versions for image in version.images if image.type != "audio"]
    return sorted(images, key=lambda image: image.type == "video")


def refresh(services: Services, model: Model, patience: Patience) -> str:
    """Fetch the thumbnail when there is none, or when Civitai shows another first picture; '' or the reason why there is none.

    A missing picture is no reason to refuse a registration, so only a request to stop is raised.
    """
    row = services.models.row(model.id)
    images = candidates(model)
    if row is None or not images:
        return ""
    if row["thumbnail"] and (row["thumbnail_chosen"] or row["thumbnail_url"] == images[0].url) and file_of(services, model.id).exists():
        return ""
    problem = ""
    for image in images[:3]:  # the first may be broken or gone
        try:
            if store(services, model.id, services.client.using(patience).image(image.url, WIDTH), image.url):
                return ""
            problem = "its picture cannot be read"
        except RemoteError as exc:
            problem = exc.message
        except CivitaiManagerError as exc:
            log.warning("thumbnail of model %s: %s", model.id, exc)
            return exc.message
    log.info("thumbnail of model %s: %s", model.id, problem)
    return problem


def start(services: Services, model_id: int, url: str, ticket: str = "") -> str:
    """Start the job that makes one of the model's own pictures its thumbnail, for good; its id. Raises NotFound."""
    if _image(services, model_id, url) is None:
        raise NotFound("This picture does not belong to a registered model.", next_step="Refresh the model and choose again.")
    return services.jobs.submit("thumbnail", {"model_id": model_id, "url": url}, key=f"{model_id} {url}", title="Set the thumbnail", ticket=ticket)


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job. Raises BadAnswer for a picture that cannot be read."""
    model_id, url = int(context.params["model_id"]), str(context.params["url"])
    context.update(awaits="answer from Civitai")
    if not store(services, model_id, services.client.using(context).image(url, WIDTH), url, chosen=True):
        raise BadAnswer("This picture cannot be read.", next_step="Choose another one.")
    return {"model_id": model_id}


def store(services: Services, model_id: int, data: bytes, url: str, *, chosen: bool = False) -> bool:
    """Make a thumbnail of any picture's bytes; False when they are no picture. Raises NoSpace, NotWritable.

    ``url``: one of the model's pictures, which has a level and a BlurHash, or ''.
    """
    made = previews.thumbnail(data, LONGEST)
    if made is None:
        return False
    atomic.write(file_of(services, model_id), made[0])
    tag = hashlib.sha1(made[0], usedforsecurity=False).hexdigest()[:12]
    image = _image(services, model_id, url)
    level, blurhash = (image.nsfw_level, image.hash) if image else (0, "")
    services.models.set_thumbnail(model_id, tag, url, chosen=chosen, level=level, blurhash=blurhash)
    return True


def _image(services: Services, model_id: int, url: str) -> Image | None:
    body = services.models.body(model_id)
    if not body or not url:
        return None
    try:
        return next((image for image in candidates(payloads.model(body)) if image.url == url), None)
    except BadAnswer:
        return None


def read(services: Services, model_id: int) -> tuple[bytes, str, str] | None:
    """(bytes, MIME type, content tag) of the stored thumbnail, or None."""
    row = services.models.row(model_id)
    if row is None or not row["thumbnail"]:
        return None
    with contextlib.suppress(OSError):
        return file_of(services, model_id).read_bytes(), "image/jpeg", row["thumbnail"]
    return None
