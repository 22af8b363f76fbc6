"""What was found out about how a picture was made."""

from __future__ import annotations

from typing import Any

import msgspec

from . import infotext, mentions
from .mentions import Mention


class Found(msgspec.Struct, kw_only=True):
    """``source``: "api" (Civitai said it), "file" (a text in the picture), "comfy" (a graph in the picture). ``comfy``: there is a graph."""

    source: str
    infotext: str
    resources: list[Mention] = []
    comfy: bool = False

    def told(self) -> dict[str, Any]:
        """JSON-ready, without when it was looked at."""
        read = infotext.parse(self.infotext)
        return {
            "state": "found", "source": self.source, "infotext": self.infotext, "prompt": read.prompt, "negative": read.negative,
            "parameters": {name: value for name, value in read.parameters.items() if infotext.PADDING.get(name) != value and name != infotext.MARK},
            "resources": msgspec.to_builtins(self.resources), "comfy": self.comfy,
        }  # fmt: skip


NONE: dict[str, Any] = {
    "state": "none", "source": "", "infotext": "", "prompt": "", "negative": "", "parameters": {}, "resources": [], "comfy": False,
}  # fmt: skip


def of_text(text: str, source: str, more: list[Mention] | None = None, *, comfy: bool = False) -> Found:
    """Found in an infotext; ``more``: resources that are told elsewhere."""
    named = mentions.of(infotext.parse(text))
    return Found(source=source, infotext=text, resources=mentions.merged([*named, *(more or [])]), comfy=comfy)
