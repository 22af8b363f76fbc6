"""Into the system's trash, which gives things back. Nothing in this project deletes a user's file in another way."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from ..errors import TrashFailed

log = logging.getLogger(__name__)


def move_to_trash(path: Path) -> None:
    """Move a file, a folder or a link (not what it leads to) to the trash. Raises TrashFailed; then it is still where it was."""
    place = str(Path(path).absolute())
    if not os.path.lexists(place):
        raise TrashFailed(f"{place} could not be moved to the trash: it is not there.", next_step="Refresh the view.", path=place)
    try:
        from send2trash import send2trash  # its import chooses the platform's part and may load system libraries

        send2trash(place)
    except Exception as exc:  # each platform raises its own kinds, on Windows those of COM
        log.warning("trash: %s was not moved", place, exc_info=True)
        reason = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
        raise TrashFailed(f"{place} could not be moved to the trash: {reason}.", path=place) from exc
