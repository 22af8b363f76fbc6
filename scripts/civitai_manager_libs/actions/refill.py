"""Save what an older version of this program has written anew, from Civitai's answers that it kept: no network."""

from __future__ import annotations

import logging
from typing import Any

from ..catalog.models import Entry
from ..civitai import payloads
from ..errors import BadAnswer
from ..jobs.context import Context
from . import register
from .services import Services

log = logging.getLogger(__name__)

AT_A_TIME = 50  # models in a transaction: about a tenth of a second, so that nobody waits for it


def start_if_needed(services: Services) -> str | None:
    """Start the job when there is something to do; its id. The library can be used meanwhile."""
    if not services.models.unsettled(1):
        return None
    return services.jobs.submit("refill", {}, key="refill", title="Bring the library's entries up to date")


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job. What is done is marked in the catalog, so a later run goes on where this one stopped."""
    renewed = kept = 0
    total = services.models.count_unsettled()
    while ids := services.models.unsettled(AT_A_TIME):
        context.check()
        bodies = {model_id: services.models.body(model_id) for model_id in ids}
        entries = {model_id: _entry(model_id, body) for model_id, body in bodies.items()}
        renewed += services.models.renew([(entry, bodies[model_id] or {}) for model_id, entry in entries.items() if entry])
        kept += services.models.keep([model_id for model_id, entry in entries.items() if entry is None])
        context.update(done=renewed + kept, total=total)
    return {"renewed": renewed, "kept": kept}


def _entry(model_id: int, body: dict[str, Any] | None) -> Entry | None:
    """None when the answer is damaged, or not there: what the columns say is all that is known then."""
    try:
        entry = register.entry_of(payloads.model(body or {}), refreshed=False)
    except BadAnswer:
        return None
    return entry if entry.id == model_id else None
