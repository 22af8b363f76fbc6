"""Pictures that the host saves: told to the application, off the host's own thread, so that it knows the last one and which models were used."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)


def watch(callbacks: Any, application: Callable[[], Any]) -> None:
    """Register with the host's callbacks, where it has such. What goes wrong here never reaches the host."""
    register = getattr(callbacks, "on_image_saved", None)
    if callable(register):
        register(saved(application))


def saved(application: Callable[[], Any]) -> Callable[[Any], None]:
    failed: list[bool] = []

    def on_image_saved(params: Any) -> None:
        try:
            infotext = (getattr(params, "pnginfo", None) or {}).get("parameters")
            if isinstance(infotext, str) and infotext:
                application().webui.saw(str(params.filename), infotext)
        except Exception:  # a picture is being made: nothing of ours may stop that, nor fill the log
            if not failed:
                log.warning("civitai-manager: a generated picture was not noted", exc_info=True)
            failed.append(True)

    return on_image_saved
