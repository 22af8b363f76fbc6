"""Every kind of job: the lane that it runs in, and what does it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..jobs.context import Context
from ..jobs.engine import Kind
from . import account, download, edit, reach, rebuild, refill, register, scan, thumbnails, updates, updating, verify
from .discover import collecting, following
from .gallery.pictures import Pictures
from .images import data as image_data
from .images import resolving, resources
from .interchange import fetching, importing, manifest, restoring
from .organise import carrying, undoing
from .recipes import making
from .services import Services

KINDS: dict[str, tuple[str, Callable[[Services, Context], Any]]] = {
    "register": ("library", register.run),
    "updates": ("library", updates.run),
    "update": ("edit", updating.run),
    "refill": ("library", refill.run),
    "edit": ("edit", edit.run),
    "rebuild": ("library", rebuild.run),
    "thumbnail": ("library", thumbnails.run),
    "import": ("library", importing.run),
    "import_library": ("library", restoring.run),
    "restore": ("restore", fetching.restore),
    "export": ("library", manifest.run_export),
    "scan": ("disk", scan.run),
    "verify": ("disk", verify.run),
    "organise": ("disk", carrying.run),
    "undo": ("disk", undoing.run),
    "finish_moves": ("disk", undoing.finish),
    "recipe_picture": ("library", making.run_picture),
    "test_key": ("library", account.test_key),
    "reach": ("library", reach.run),
    "image_data": ("images", image_data.run),
    "resources": ("images", resolving.run),
    "fetch_resources": ("library", resources.run),
    "collect": ("library", collecting.run),
    "follow": ("library", following.run),
}


def add(services: Services, pictures: Pictures) -> None:
    """Tell the engine of all of them, before it starts."""

    def download_and_keep(context: Context) -> Any:
        result = updating.run_download(services, context)
        pictures.examples.downloaded(result)
        return result

    for name, (lane, run) in KINDS.items():
        services.jobs.add_kind(name, Kind(lane, partial(run, services)))
    services.jobs.add_kind("download", Kind("download", download_and_keep, download.discard))
    services.jobs.add_kind("examples", Kind("pictures", pictures.examples.run))
