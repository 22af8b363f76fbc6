"""A person's edits of many models: a few at once, more as a job. Each also goes into the files beside the models, for the WebUI's cards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..catalog.own import checked, tag_list
from ..errors import BadValue, NotFound
from ..jobs.context import Context
from .interchange import describing
from .services import Services

AT_ONCE = 20  # models that are edited within a fraction of a second, the files beside them included
AT_A_TIME = 20


def start(
    services: Services, model_ids: Iterable[int], values: Mapping[str, Any], add_tags: Sequence[str], remove_tags: Sequence[str]
) -> dict[str, Any]:
    """Set marks, add and remove tags: ``{"changed": number}`` when it is done, ``{"job": id}`` for more than a moment's work.

    Raises BadValue before anything is changed, NotFound when no model of these is there.
    """
    checked(values), tag_list(add_tags), tag_list(remove_tags)
    if not (values or add_tags or remove_tags):
        raise BadValue("Nothing was asked for.", next_step="Choose what to change.")
    ids = list(dict.fromkeys(model_ids))
    change = {"values": dict(values), "add_tags": list(add_tags), "remove_tags": list(remove_tags)}
    if len(ids) > AT_ONCE:
        items = [ids[place : place + AT_A_TIME] for place in range(0, len(ids), AT_A_TIME)]
        name = hashlib.sha256(json.dumps([ids, change]).encode()).hexdigest()
        return {"job": services.jobs.submit("edit", change, key=name, title=f"Edit {len(ids):,} models", items=items)}
    changed = _change(services, ids, change)
    if not changed:
        raise NotFound("None of these models is in the library.", next_step="Reload the page.")
    return {"changed": changed}


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job; an item is some models."""
    items = context.items()
    change = context.params
    for place, item in enumerate(items):
        if item.state == "queued":
            context.check()
            context.item_done(item, {"changed": _change(services, item.params, change)})
        context.update(done=place + 1, total=len(items))
    return {"changed": sum(item.result["changed"] for item in items)}


def _change(services: Services, ids: list[int], change: Mapping[str, Any]) -> int:
    changed = services.own.edit(ids, change["values"], add_tags=change["add_tags"], remove_tags=change["remove_tags"])
    for model_id in ids:
        describing.describe_again(services, model_id)
    return changed
