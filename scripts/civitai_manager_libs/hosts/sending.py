"""The WebUI's own way of filling the fields of its tabs from a picture's generation text: ``modules.infotext_utils``.

Its names are ``ParamBinding`` and ``register_paste_params_button``; until 1.7 the module was called ``generation_parameters_copypaste``. While the
page is built, every tab says which fields it has (``paste_fields``); when all tabs are there, the host binds every registered button.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

log = logging.getLogger(__name__)

MODULES = ("modules.infotext_utils", "modules.generation_parameters_copypaste")
TARGETS = ("txt2img", "img2img", "inpaint", "extras")


def module() -> Any:
    """The host's module, when it has loaded one that can do all that is needed."""
    for name in MODULES:
        found = sys.modules.get(name)
        if found is not None and all(hasattr(found, part) for part in ("ParamBinding", "register_paste_params_button", "paste_fields")):
            return found
    return None


class WebuiSending:
    """Which tabs take what (``ui.host_bridge.Sending``). Only for the time in which the page is built: the host forgets its fields at each build."""

    def __init__(self) -> None:
        self._module = module()
        known = getattr(self._module, "paste_fields", None)
        self._known: dict[str, Any] = known if isinstance(known, dict) else {}

    @property
    def targets(self) -> list[str]:
        return [name for name in TARGETS if self.takes_text(name) or self.takes_picture(name)]

    def _part(self, target: str, name: str) -> Any:
        entry = self._known.get(target)
        return entry.get(name) if isinstance(entry, dict) else None

    def takes_text(self, target: str) -> bool:
        return bool(self._part(target, "fields"))

    def takes_picture(self, target: str) -> bool:
        return self._part(target, "init_img") is not None

    def fields(self, target: str) -> list[tuple[Any, str]]:
        """The tab's components, and the name of the parameter that each takes: "" where the host works it out from several."""
        found = []
        for entry in self._part(target, "fields") or []:
            component, key = entry
            found.append((component, key if isinstance(key, str) else ""))
        return found

    def register(self, target: str, button: Any, text: Any, picture: Any) -> None:
        """Have the host call ``button.click(fn=..., inputs=[text or picture], outputs=...)`` for each thing that it would do on a press."""
        self._module.register_paste_params_button(
            self._module.ParamBinding(paste_button=button, tabname=target, source_text_component=text, source_image_component=picture)
        )
