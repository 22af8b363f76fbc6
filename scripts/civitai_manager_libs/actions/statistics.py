"""The state of the library in numbers, for one page: from the catalog, and from the drives what is free on them."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

from ..disk import space
from ..errors import DiskError
from .services import Services


def collect(services: Services) -> dict[str, Any]:
    """Sizes in bytes, times in seconds since 1970.

    ``total``, ``types``, ``bases``, ``drives`` and ``growth`` (by month in which a file was first seen, without gaps) count the files that are
    here. ``drives`` also have ``free`` and ``size``, which are None for one that cannot be reached. ``broken``, ``missing``, ``unknown`` (not on
    Civitai, or not asked about yet: ``not_asked``), ``gone``, ``duplicates`` and ``unused`` have counts and, as ``items``, the biggest of them.
    """
    told = services.statistics.collect(time.time())
    told["drives"] = _drives(services, told.pop("devices"))
    told["growth"] = _without_gaps(told["growth"])
    return {**told, "checked": services.updates.asked(), "at": time.time()}


def _drives(services: Services, devices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drives with files, and those of the host's folders, each once."""
    found: dict[object, dict[str, Any]] = {}
    for one in devices:
        _add(found, Path(one["path"]).parent, one["files"], one["bytes"])
    for folders in services.host.folders().values():
        for folder in folders:
            _add(found, folder, 0, 0)
    return sorted(found.values(), key=lambda drive: -drive["bytes"])


def _add(found: dict[object, dict[str, Any]], folder: Path, files: int, size: int) -> None:
    try:
        if files:
            folder.stat()  # a drive that is not there must not be taken for the one that it was mounted on
        device: object = space.device(folder)
        place = _mount(folder)
        usage = shutil.disk_usage(place)
        free, whole = usage.free, usage.total
    except (OSError, DiskError):
        device, place, free, whole = str(folder), folder, None, None
    drive = found.setdefault(device, {"place": str(place), "files": 0, "bytes": 0, "free": free, "size": whole})
    drive["files"] += files
    drive["bytes"] += size


def _mount(folder: Path) -> Path:
    """Where the drive of a folder begins."""
    folder = Path(os.path.realpath(folder))
    return next((parent for parent in (folder, *folder.parents) if os.path.ismount(parent)), Path(folder.anchor))


def _without_gaps(growth: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every month from the first to the last, with what there was in all at its end."""
    known = {one["month"]: one for one in growth if len(one["month"]) == 7}
    made: list[dict[str, Any]] = []
    files = size = 0
    for month in _months(min(known), max(known)) if known else []:
        one = known.get(month, {"files": 0, "bytes": 0})
        files, size = files + one["files"], size + one["bytes"]
        made.append({"month": month, "files": one["files"], "bytes": one["bytes"], "files_then": files, "bytes_then": size})
    return made


def _months(first: str, last: str) -> list[str]:
    start, end = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (first, last))
    return [f"{number // 12:04}-{number % 12 + 1:02}" for number in range(max(start, end - 1200), end + 1)]
