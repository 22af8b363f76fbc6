"""What the application needs from the program it runs in. This module knows no host; ``hosts/`` has those that fulfil it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

# The kinds of folder, each a place that some loader of a host reads. ``disk.placement`` says which file belongs to which.
FOLDER_KINDS = (
    "checkpoint", "lora", "lycoris", "embedding", "hypernetwork", "aesthetic_gradient", "vae", "controlnet", "upscaler",
    "text_encoder", "unet", "clip_vision", "motion_module", "poses", "wildcards", "workflows", "detection", "other",
)  # fmt: skip


class Host(Protocol):
    """A program with model folders: a WebUI, or the standalone application with a models folder of its own."""

    @property
    def name(self) -> str:
        """For people and logs, with the version: ``"AUTOMATIC1111 v1.10.1"``, ``"standalone"``."""
        ...

    def language(self) -> str:
        """The localisation that the host's page is shown in, by its file's name (``zh_TW``), or "" when it has none. Never raises."""
        ...

    def folders(self) -> dict[str, list[Path]]:
        """Absolute folders by kind, the one for new files first. Every kind of ``FOLDER_KINDS`` is there; a folder may not exist yet."""
        ...

    def refresh(self, kinds: set[str]) -> None:
        """Make the host see new or vanished files of these kinds without a restart. Never raises for what the host lacks."""
        ...

    def known_sha256(self, path: Path, kind: str) -> str:
        """The file's SHA-256 (lower case) as the host has computed it for the file as it is now, or ''. Reads no model file. Never raises."""
        ...

    def remember_sha256(self, path: Path, kind: str, sha256: str, tensors: str = "") -> None:
        """Tell the host hashes of ours, so that it need not compute them. ``tensors``: of what follows a safetensors header. Never raises."""
        ...

    def prompt_name(self, path: Path, kind: str) -> str:
        """The name under which a prompt, or the list of checkpoints, means this file; '' when the host does not know the file. Never raises."""
        ...
