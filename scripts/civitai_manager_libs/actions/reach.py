"""Is Civitai there, how quickly does it answer, and does it accept the key?"""

from __future__ import annotations

import time
from typing import Any

import msgspec

from ..civitai.client import Client
from ..errors import KeyRejected, LoginRequired
from ..jobs.context import Context
from ..settings import Settings
from .services import Services

PATIENCE = 20.0  # seconds, over all tries of a question: who asks wants to know how it is now


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job; see ``ask``."""
    context.update(text="Asking Civitai")
    context.update(awaits="answer from Civitai")
    return ask(services.client.using(context))


def ask(client: Client) -> dict[str, Any]:
    """One cheap request without the key, then whose key it is: address, milliseconds, key ("accepted", "not accepted", "none").

    Raises the RemoteError family when Civitai is not reached or does not answer as it should.
    """
    transport = client.transport.with_settings(_soon)
    started = time.monotonic()
    Client(transport.with_settings(_without_key)).enums()
    took = time.monotonic() - started
    key = "none"
    if transport.has_key:
        try:
            Client(transport).me()
            key = "accepted"
        except (KeyRejected, LoginRequired):
            key = "not accepted"
    return {"address": transport.base_url, "milliseconds": round(took * 1000), "key": key}


def _soon(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, http_timeout=min(PATIENCE, settings.http_timeout))


def _without_key(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, api_key="")
