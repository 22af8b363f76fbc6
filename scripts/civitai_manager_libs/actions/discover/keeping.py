"""Model objects that are kept from Civitai's answers."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ...civitai import payloads
from ...civitai.client import Fetched
from ...civitai.payloads import Model
from ...errors import BadAnswer
from ..services import Services

FRESH = 86_400.0


def model_in(body: dict[str, Any]) -> Model | None:
    try:
        return payloads.model(body)
    except BadAnswer:
        return None


def models(services: Services, ids: Iterable[int]) -> dict[int, Fetched[Model]]:
    """Whole model objects that are kept and not older than a day: these need no request."""
    found = {}
    for model_id in ids:
        kept = services.answers.model(model_id)
        model = model_in(kept[0]) if kept and kept[1] and kept[2] > time.time() - FRESH else None
        if kept and model is not None:
            found[model_id] = Fetched(model, kept[0])
    return found
