"""Which download writes which file: no two may share a name, or one would take the other's bytes for its own."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import Busy
from ..jobs.store import Record
from ..reporter import Patience
from .services import Services

ENDING = 15  # seconds that a stopped download may take to let go of its file


def others(services: Services, target: Path, job_id: str = "") -> list[Record]:
    """Unfinished downloads to ``target``, letter case ignored, of every process; without the job ``job_id``."""
    wanted = str(target).casefold()
    return [
        record for record in services.jobs.unfinished("download") if record.id != job_id and str(record.params.get("target")).casefold() == wanted
    ]


@contextlib.contextmanager
def alone(services: Services, target: Path, job_id: str, patience: Patience) -> Iterator[None]:
    """While inside, no other download writes to ``target``; the lock vanishes with its process.

    An earlier run of this same job, which is just ending, is waited for. Raises Busy.
    """
    name = hashlib.sha1(str(target).casefold().encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
    path = services.thumbnails.with_name("targets") / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(str(path))
    for left in range(ENDING, -1, -1):
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            if not left or others(services, target, job_id):
                raise Busy(f"{target.name} is being downloaded already.") from None
        patience.wait(1, "an earlier run of this download is ending")
    try:
        if any(record.state == "paused" for record in others(services, target, job_id)):
            raise Busy(f"{target.name} is the name of a download that is paused.", next_step="Resume or cancel that one first.")
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows keeps open files
            path.unlink()
        lock.release()
