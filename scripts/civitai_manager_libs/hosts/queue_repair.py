"""The one thing of a host's that we change: on gradio up to 3.42 a newer httpx cuts every queued event of the whole WebUI after 5 seconds.

There the queue calls the WebUI itself, over HTTP, with a request that it makes by hand. httpx 0.20 to 0.27.0 sent such a request without a
timeout; since 0.27.1 (and before 0.20) it gets the client's, which is 5 seconds. From 3.43 on the queue calls the function directly.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

log = logging.getLogger(__name__)

SETTING = "repair_host_queue"
REPAIRED = "repaired"
NOT_NEEDED = "not needed"
SWITCHED_OFF = "switched off: every queued event is cut at 5 s"


def httpx_version() -> str:
    """The version of the httpx that the host has loaded, or "". Nothing is imported."""
    return str(getattr(sys.modules.get("httpx"), "__version__", "") or "")


def cuts(version: str) -> bool:
    """Whether this httpx gives a request that was made by hand the client's timeout."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    if found is None:
        return False
    numbers = tuple(int(part or 0) for part in found.groups())
    return not (0, 20, 0) <= numbers <= (0, 27, 0)


def repair(demo: Any, wanted: bool) -> str:
    """Take the 5 seconds away from the queue of ``demo`` (the host's Blocks), where it has them and a person wants it; the outcome in words."""
    client = getattr(getattr(demo, "_queue", None), "queue_client", None)  # gradio up to 3.42 only
    version = httpx_version()
    if client is None or not cuts(version):
        return NOT_NEEDED
    if not wanted:
        return SWITCHED_OFF
    client.timeout = None
    # A warning: hosts show nothing lower, and who changes something of theirs says so.
    log.warning(
        "civitai-manager: with httpx %s every queued event of this WebUI would be cut after 5 seconds; its queue's timeout was taken away "
        "(nothing else was changed; the setting %s turns this off)",
        version,
        SETTING,
    )
    return REPAIRED
