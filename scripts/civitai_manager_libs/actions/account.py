"""Whose key is it?"""

from __future__ import annotations

from typing import Any

from ..jobs.context import Context
from .services import Services


def test_key(services: Services, context: Context) -> dict[str, Any]:
    """The job: Civitai's name for the account. Raises KeyRejected, LoginRequired when there is no key."""
    context.update(awaits="answer from Civitai")
    me = services.client.using(context).me()
    return {"username": str(me.get("username") or ""), "tier": str(me.get("tier") or ""), "status": str(me.get("status") or "")}
