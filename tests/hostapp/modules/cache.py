from __future__ import annotations

_caches: dict[str, dict] = {}


def cache(subsection: str) -> dict:
    """A dictionary that lives as long as the process (the host keeps it on disk)."""
    return _caches.setdefault(subsection, {})
