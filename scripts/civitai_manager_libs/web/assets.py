"""Our style, and our scripts in one file, for pages to which no host adds them: a browser fetches only six files at a time."""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
STYLE, SCRIPTS = "style.css", "scripts.js"


def files(name: str) -> list[Path]:
    """What ``name`` consists of; nothing when it is not ours."""
    if name == SCRIPTS:
        return sorted((ROOT / "javascript").glob("*.js"))  # the order in which a WebUI adds them
    return [ROOT / STYLE] if name == STYLE else []


def stamp(name: str) -> str:
    """Another one whenever a file of it is changed, added or taken away."""
    return hashlib.sha256(repr([(path.name, path.stat().st_mtime_ns) for path in files(name)]).encode()).hexdigest()[:16]


def read(name: str) -> bytes:
    return b"\n".join(path.read_bytes() for path in files(name))
