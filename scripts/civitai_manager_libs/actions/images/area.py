"""What can be asked for about pictures, as the application offers it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from ...errors import UsageError
from ...generation import infotext, pictures, writers
from ...generation.found import NONE
from ...generation.mentions import Mention
from ..services import Services
from . import data, resolving, resources
from .data import Picture
from .naming import rename

TEXT_LIMIT = 1 << 20  # bytes of a dropped file that is read as text


class Images:
    """Every method answers at once; what takes time is a job, whose id is given. ``ticket``: see ``application``."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def data(self, picture: dict[str, Any], *, again: bool = False, ticket: str = "") -> dict[str, Any]:
        """How a picture of Civitai's was made: ``{"data": ...}`` when it is known, else ``{"job": id}``, whose result is that.

        ``picture``: url, id, type, model_id, version_id, as the page has them. ``again``: look anew, whatever is known. Raises UsageError.
        """
        if job := self.services.jobs.started(ticket):
            return {"job": job}
        try:
            wanted = msgspec.convert({name: value for name, value in picture.items() if value is not None}, Picture, strict=False)
        except msgspec.ValidationError as exc:
            raise UsageError(f"This is no picture: {exc}.", next_step="Reload the page.") from None
        told = data.known(self.services, wanted)
        if told is not None and not again:
            return {"data": told}
        return {"job": data.start(self.services, wanted, ticket)}

    def read(self, content: bytes, *, picture: bool = False) -> dict[str, Any]:
        """How a picture was made, by the bytes of its file, or what a text file says: ``{"data": ...}``. Raises UsageError for anything else.

        ``picture``: it is called one, so a text in it is not its prompt.
        """
        found = pictures.read(content) if pictures.kind(content) else None
        if found is None and not pictures.kind(content):
            text = _text(content)
            if text is None or picture:
                raise UsageError(
                    "This file is no picture that can hold generation data, and no text.", next_step="Accepted: PNG, JPEG, WebP, GIF, and text files."
                )
            found = writers.read(text, sure=True)
        return {"data": {**(found.told() if found else NONE), "checked": time.time()}}

    def resolve(self, text: str | None = None, named: Sequence[dict[str, Any]] | None = None, *, ticket: str = "") -> dict[str, Any]:
        """Where the resources of an infotext, or these, are: ``{"resources": [...]}``, and ``{"job": id}`` beside it when Civitai must be asked."""
        mentions = resolving.of(text, named)
        found = resolving.resolve(self.services, mentions)
        told: dict[str, Any] = {"resources": [one.told() for one in found]}
        if job := self.services.jobs.started(ticket):
            told["job"] = job
        elif resolving.to_ask(self.services, found):
            told["job"] = resolving.start(self.services, mentions, ticket)
        return told

    def fetch_missing(
        self, named: Sequence[dict[str, Any]] | None = None, version_ids: Sequence[int] = (), *, confirmed: bool = False, ticket: str = ""
    ) -> dict[str, Any]:
        """Register and download what is missing of these; see ``resources.run``. ``{"job": id}``. Raises UsageError."""
        wanted = [*resolving.of(None, named), *(Mention(version_id=one) for one in version_ids)]
        return {"job": self.services.jobs.started(ticket) or resources.start(self.services, wanted, confirmed=confirmed, ticket=ticket)}

    def rename(self, text: str, *, add: bool = False) -> dict[str, Any]:
        """The infotext with the names that the files here have: ``{"infotext", "changed": [{"from", "to"}]}``; see ``naming.rename``."""
        return rename(self.services, text[: infotext.LONGEST], add=add)


def _text(content: bytes) -> str | None:
    """The text of a text file, None for what is none."""
    if not content or len(content) > TEXT_LIMIT:
        return None
    for encoding in ("utf-8-sig", "utf-16") if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not any(ord(letter) < 32 and letter not in "\t\r\n\f" for letter in text):
            return text
    return None
