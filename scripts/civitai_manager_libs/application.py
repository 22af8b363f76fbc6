"""Composes the house: one Application a process. The tab, the routes and the terminal ask it; it answers from memory and the catalog at once.

Nothing happens before ``start``: no file is opened, no thread runs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from . import __version__
from .actions import (
    destination,
    download,
    edit,
    kinds,
    rebuild,
    refill,
    register,
    scan,
    statistics,
    thumbnails,
    updates,
    updating,
    verify,
    views,
)  # fmt: skip
from .actions.discover import Discover
from .actions.gallery.pictures import Pictures
from .actions.images import data as image_data
from .actions.images.area import Images
from .actions.interchange import describing, importing, manifest, restoring
from .actions.interchange.page import Interchange
from .actions.organise import carrying, plans, undoing
from .actions.recipes.book import RecipeBook
from .actions.services import Services
from .actions.webui import Webui
from .catalog.answers import Answers
from .catalog.database import Database
from .catalog.exchange import Exchange
from .catalog.files import Files
from .catalog.follows import Follows
from .catalog.generation import GenerationData
from .catalog.journal import Journal
from .catalog.kept import KeptPictures
from .catalog.models import EVERYTHING, Models, Wanted
from .catalog.own import OwnData
from .catalog.recipe_search import RecipeSearch
from .catalog.recipes import Recipes
from .catalog.resources import Resources
from .catalog.statistics import Statistics
from .catalog.updates import Updates
from .catalog.usage import Usage
from .civitai.client import Client
from .civitai.transport import Transport
from .errors import NotFound
from .host import Host
from .jobs.engine import Engine
from .jobs.store import Store
from .settings import SettingsStore

log = logging.getLogger(__name__)


class Application:
    def __init__(self, data_dir: Path, settings: SettingsStore, host: Host) -> None:
        self.data_dir = Path(data_dir)
        self.settings = settings
        self.host = host
        self.notices: list[str] = list(settings.notices)
        self._services: Services | None = None

    # -- life

    def start(self, *, serving: bool = True) -> None:
        """Open the catalog and start the job engine. ``serving``: go on with what was interrupted, for programs that stay."""
        if self._services is not None:
            return
        self._database = Database(self.data_dir / "catalog.db")
        self._transport = Transport(lambda: self.settings.current, version=__version__)
        jobs = Engine(Store(self._database), self.data_dir / "engines", self._lane_limit)
        services = Services(
            Models(self._database), Files(self._database), Client(self._transport), jobs, self.host, self.settings, self.data_dir / "thumbnails",
            Exchange(self._database), OwnData(self._database), Updates(self._database), Statistics(self._database), Journal(self._database),
            GenerationData(self._database), Resources(self._database),
            Answers(self._database), Follows(self._database), KeptPictures(self._database),
            Recipes(self._database), self.data_dir / "recipes",
        )  # fmt: skip
        pictures = Pictures(services, partial(image_data.learn, services), partial(image_data.data_of, services))
        kinds.add(services, pictures)
        self._webui = Webui(services, Usage(self._database))
        jobs.start(resume=serving and self.settings.current.resume_at_start)
        self._services, self._pictures, self._discover = services, pictures, Discover(services)
        self._interchange = Interchange(services, self.data_dir)
        self._recipes = RecipeBook(services, RecipeSearch(self._database))
        if self._database.set_aside is not None:
            self.notices.append(
                f"The catalog was damaged. It was set aside as {self._database.set_aside.name} and is being rebuilt from what can be read of it "
                "and from the sidecars in your models folders. Your model files were not touched."
            )
            rebuild.start(services, self._database.set_aside)
        if serving:
            if early := services.models.early():
                services.models.settle(early)  # it may have ended meanwhile
            refill.start_if_needed(services)
            undoing.finish_if_needed(services)
        log.info("started: data in %s, host %s", self.data_dir, self.host.name)

    def close(self) -> None:
        """Stop all work at its next safe point. What is unfinished goes on at the next start."""
        if self._services is not None:
            services, self._services = self._services, None
            self._pictures.close()
            self._webui.close()
            self._discover.close()
            services.jobs.close()
            self._transport.close()
            self._database.close()
            log.info("closed")

    def _lane_limit(self, lane: str) -> int:
        return {"download": self.settings.current.parallel_downloads, "disk": 1, "edit": 1}.get(lane, 2)

    @property
    def services(self) -> Services:
        if self._services is None:
            raise RuntimeError("the application is not running")
        return self._services

    @property
    def jobs(self) -> Engine:
        return self.services.jobs

    @property
    def webui(self) -> Webui:
        """What joins the library with the WebUI: sending, the last generated picture, what its cards show."""
        if self._services is None:
            raise RuntimeError("the application is not running")
        return self._webui

    @property
    def discover(self) -> Discover:
        """Searching Civitai, following, and taking over what was found."""
        if self._services is None:
            raise RuntimeError("the application is not running")
        return self._discover

    # -- what can be asked for: each returns at once; what takes time is a job, whose id is returned. ``ticket``: 12 hexadecimal digits that
    # stand for one press of a button, so that a request that is sent twice starts one job

    def register(self, text: str, *, ticket: str = "") -> str:
        """Register everything in a pasted text. Raises NotALink when nothing in it is understood."""
        return self.jobs.started(ticket) or register.start(self.services, text, ticket)

    def refresh(self, model_id: int, *, ticket: str = "") -> str:
        """Ask Civitai again for a registered model."""
        if job := self.jobs.started(ticket):
            return job
        row = self.services.models.row(model_id)
        if row is None:
            raise NotFound(f"The model {model_id} is not registered.")
        return register.refresh(self.services, model_id, row["name"], ticket)

    def download(
        self,
        version_id: int,
        file_id: int | None = None,
        folder: str | None = None,
        name: str | None = None,
        confirmed: bool = False,
        *,
        ticket: str = "",
    ) -> str:
        """Download a file of a registered version. Raises NeedsConfirmation for a risky file, NoSpace, NothingToDownload, NotFound, UsageError."""
        return self.jobs.started(ticket) or download.start(self.services, version_id, file_id, folder, name, confirmed, ticket)

    def download_link(
        self, link: str, *, version_id: int | None = None, file_id: int | None = None, folder: str | None = None, confirmed: bool = False
    ) -> str:
        """Register what one link means, if needed, and download it. Raises NotALink."""
        return download.start_link(self.services, link, version_id, file_id, folder, confirmed)

    def import_from(self, tool: str, path: str, *, dry_run: bool = False, ticket: str = "") -> str:
        """Take over what another tool (of ``importing.NAMES``) knows, from its folder, which is only read. Raises UsageError.

        The job's result is the report; ``dry_run`` gives the same one and writes nothing.
        """
        return self.jobs.started(ticket) or importing.start(self.services, tool, Path(path), dry_run=dry_run, ticket=ticket)

    def export_library(self, path: str, *, model_ids: Sequence[int] | None = None, ticket: str = "") -> str:
        """Write the library, or some models of it, as one JSON document: see ``actions.interchange.manifest``. Raises FileExists, UsageError."""
        return self.jobs.started(ticket) or manifest.start_export(self.services, Path(path), model_ids, ticket)

    def import_library(self, path: str, *, dry_run: bool = False, fetch: bool = True, confirmed: bool = False, ticket: str = "") -> str:
        """Put what another machine has exported into this library. The result is the report; ``restore`` in it is the job that fetches the missing
        files (``fetch``; of pickle files only those that are ``confirmed``). Raises UsageError."""
        if job := self.jobs.started(ticket):
            return job
        return restoring.start(self.services, Path(path), dry_run=dry_run, fetch=fetch, confirmed=confirmed, ticket=ticket)

    def import_report(self, job_id: str) -> dict[str, Any]:
        """The whole report of an import, file by file; its job's result has the beginning of each list."""
        return importing.report(self.services, job_id)

    def scan(self, folders: Sequence[str] = (), *, ticket: str = "") -> str:
        """Find out what is on the disk: everywhere, or in some folders. The result is described at ``actions.scan.run``. Raises UsageError."""
        return self.jobs.started(ticket) or scan.start(self.services, folders, ticket)

    def verify(self, ids: Sequence[int] = (), query: str = "", *, ticket: str = "") -> str:
        """Read all bytes of the files of these models, or of all that a query finds, and compare their hashes. Raises NotFound."""
        return self.jobs.started(ticket) or verify.start(self.services, ids, query, ticket)

    def check_updates(self, ids: Sequence[int] = (), query: str = "", *, ticket: str = "") -> str:
        """Ask Civitai about newer versions of some models, of all that a query finds, or of all with files here. Raises NotFound."""
        return self.jobs.started(ticket) or updates.start(self.services, ids, query, ticket)

    def updates(self, query: str = "", *, offset: int = 0, limit: int = 100) -> dict[str, Any]:
        """Models with newer versions, as the last check found them, and when that was: see ``actions.updates.listing``."""
        return updates.listing(self.services, query, offset=max(0, offset), limit=max(1, min(limit, 500)))

    def update(self, ids: Sequence[int], *, confirmed: bool = False, ticket: str = "") -> str:
        """Download the newest versions of models that may be had; each old file is retired when the new one is verified and in its place.

        The job's result names the downloads that it has started: see ``actions.updating.run``. ``confirmed``: pickle files too. Raises UsageError.
        """
        return self.jobs.started(ticket) or updating.start(self.services, ids, confirmed=confirmed, ticket=ticket)

    def statistics(self) -> dict[str, Any]:
        """The state of the library in numbers: see ``actions.statistics.collect``."""
        return statistics.collect(self.services)

    def duplicates(self) -> list[dict[str, Any]]:
        """Files with equal bytes, the biggest waste first: sha256, size, paths."""
        groups = self.services.files.duplicates()
        return [{"sha256": group[0].sha256, "size": group[0].size, "paths": [record.path for record in group]} for group in groups]

    def plan_move(self, ids: Sequence[int] = (), files: Sequence[int] = ()) -> dict[str, Any]:
        """Where the template says for the files of these models, and these files: a plan (``actions.organise.plans``). Raises UsageError."""
        return plans.move(self.services, ids, files)

    def plan_rename(self, file_id: int, name: str) -> dict[str, Any]:
        """Another name for one file, with what that means for prompts. Raises NotFound, UsageError."""
        return plans.rename(self.services, file_id, name)

    def plan_delete(self, ids: Sequence[int] = (), files: Sequence[int] = ()) -> dict[str, Any]:
        """Into the trash: the files of these models, and these files, with what lies beside them."""
        return plans.delete(self.services, ids, files)

    def plan_duplicates(self, keep: Mapping[str, int] | None = None) -> dict[str, Any]:
        """Into the trash: all copies but one; ``keep`` says by hash which file stays, else it is the one that the host loads."""
        return plans.duplicates(self.services, keep or {})

    def plan_orphans(self) -> dict[str, Any]:
        """Into the trash: small files whose model is not there, and unfinished downloads that no job goes on with."""
        return plans.tidy(self.services)

    def carry_out(self, plan: Mapping[str, Any], *, ticket: str = "") -> str:
        """Do what a plan says, or what is left in it of its groups; all is compared with the disk again. Raises UsageError, Changed."""
        return self.jobs.started(ticket) or carrying.start(self.services, plan, ticket)

    def undo(self, batch: str = "", *, ticket: str = "") -> str:
        """Take back what a job has moved or deleted, the latest by default. Raises UsageError, Changed, which names what is in the way."""
        return self.jobs.started(ticket) or undoing.start(self.services, batch, ticket)

    def restore(self, ids: Sequence[int], *, ticket: str = "") -> str:
        """Give files back from the trash, by their numbers in ``trash``. Raises UsageError, Changed."""
        return self.jobs.started(ticket) or undoing.restore(self.services, ids, ticket)

    def trash(self) -> list[dict[str, Any]]:
        """What was deleted and can be given back, the latest first: see ``actions.organise.undoing.trashed``."""
        return undoing.trashed(self.services)

    def journal(self, limit: int = 50) -> list[dict[str, Any]]:
        """The latest actions that moved or deleted files: see ``catalog.journal.Journal.batches``."""
        return self.services.journal.batches(limit)

    @property
    def pictures(self) -> Pictures:
        """Example pictures, the community's, and those that are kept here."""
        if self._services is None:
            raise RuntimeError("the application is not running")
        return self._pictures

    @property
    def interchange(self) -> Interchange:
        """Exports to be saved by a browser, libraries that it sends, imports from other tools."""
        self.services  # noqa: B018 - raises when nothing runs
        return self._interchange

    @property
    def images(self) -> Images:
        """Pictures on Civitai: how they were made, and with what."""
        return Images(self.services)

    @property
    def own(self) -> OwnData:
        """What the person says of models: collections, word sets, saved filters."""
        return self.services.own

    @property
    def recipes(self) -> RecipeBook:
        """All that is asked of recipes."""
        if self._services is None:
            raise RuntimeError("the application is not running")
        return self._recipes

    def edit_models(
        self,
        ids: Sequence[int],
        values: Mapping[str, Any] | None = None,
        *,
        add_tags: Sequence[str] = (),
        remove_tags: Sequence[str] = (),
        ticket: str = "",
    ) -> dict[str, Any]:
        """Set marks (``catalog.models.OWN``) of models, add and remove tags. Raises BadValue, NotFound.

        {"changed": number} when it is done, {"job": id} for so many that it takes a while.
        """
        return edit.start(self.services, ids, values or {}, add_tags, remove_tags)

    def choose_thumbnail(self, model_id: int, url: str, *, ticket: str = "") -> str:
        """Make one of the model's pictures its thumbnail; a refresh keeps it. Raises NotFound."""
        return self.jobs.started(ticket) or thumbnails.start(self.services, model_id, url, ticket)

    def test_key(self, *, ticket: str = "") -> str:
        """Ask Civitai whose key it is."""
        return self.jobs.submit("test_key", {}, key="test_key", title="Test the API key", ticket=ticket)

    def reach(self, *, ticket: str = "") -> str:
        """Ask Civitai whether it is there, how quickly it answers, and whether it accepts the key; see ``actions.reach``."""
        return self.jobs.submit("reach", {}, key="reach", title="Ask Civitai", ticket=ticket)

    # -- what can be looked at

    def cards(self, wanted: Wanted = EVERYTHING, *, offset: int = 0, limit: int = 200) -> dict[str, Any]:
        """A window of the library for the grid: total, offset, items (cards), and the revision that it is of."""
        revision = self.services.models.revision()
        cards, total = self.services.models.cards(wanted, offset=max(0, offset), limit=max(1, min(limit, 1000)))
        return {"total": total, "offset": offset, "items": msgspec.to_builtins(cards), "revision": revision}

    def ids(self, wanted: Wanted = EVERYTHING) -> dict[str, Any]:
        """All that match, for "select all": ids in their order, count, bytes on disk, and the revision that it is of."""
        revision = self.services.models.revision()
        ids = self.services.models.ids(wanted)
        return {"ids": ids, "count": len(ids), "bytes": self.services.models.sizes(wanted), "revision": revision}

    def facets(self) -> dict[str, Any]:
        """What occurs in the library, and how often: see ``catalog.models.Models.facets``; saved filters too."""
        return {**self.services.models.facets(), "filters": self.services.own.filters()}

    def tags(self, prefix: str = "") -> list[dict[str, Any]]:
        """Tags that begin so, the person's first: tag, count, own."""
        return self.services.models.tags_beginning(prefix)

    def model_view(self, model_id: int) -> dict[str, Any] | None:
        """A registered model with versions and files; see ``actions.views``. None when it is not registered."""
        return views.model_view(self.services, model_id)

    def folder_choices(self, version_id: int, file_id: int | None = None) -> dict[str, Any]:
        """Folders and name for a download: choices, default, name, kind."""
        return destination.choices(self.services, version_id, file_id)

    def thumbnail(self, model_id: int) -> tuple[bytes, str, str] | None:
        """(bytes, MIME type, content tag), or None."""
        return thumbnails.read(self.services, model_id)

    def set_note(self, model_id: int, note: str) -> None:
        """Keep a person's own words about a registered model. Raises NotFound, BadValue."""
        row = self.services.models.row(model_id)
        if row is None:
            raise NotFound(f"The model {model_id} is not registered.")
        if row["note"] != note.strip():
            edit.start(self.services, [model_id], {"note": note}, (), ())

    def describe(self, model_id: int | None) -> None:
        """Bring the files beside a model's files up to date with what the person says."""
        if model_id is not None:
            describing.describe_again(self.services, model_id)
