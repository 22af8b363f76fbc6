"""What actions work with, composed once by the application."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..catalog.answers import Answers
from ..catalog.exchange import Exchange
from ..catalog.files import Files
from ..catalog.follows import Follows
from ..catalog.generation import GenerationData
from ..catalog.journal import Journal
from ..catalog.kept import KeptPictures
from ..catalog.models import Models
from ..catalog.own import OwnData
from ..catalog.recipes import Recipes
from ..catalog.resources import Resources
from ..catalog.statistics import Statistics
from ..catalog.updates import Updates
from ..civitai.client import Client
from ..host import Host
from ..jobs.engine import Engine
from ..settings import Settings, SettingsStore


@dataclass(frozen=True)
class Services:
    models: Models
    files: Files
    client: Client
    jobs: Engine
    host: Host
    store: SettingsStore
    thumbnails: Path
    exchange: Exchange
    own: OwnData
    updates: Updates
    statistics: Statistics
    journal: Journal
    generation: GenerationData
    resources: Resources
    answers: Answers
    follows: Follows
    kept: KeptPictures
    recipes: Recipes
    recipe_folder: Path

    @property
    def settings(self) -> Settings:
        return self.store.current
