from __future__ import annotations

import hashlib
import os

from modules import cache


def sha256(filename: str, title: str) -> str:
    """The file's SHA-256, kept under the title ("lora/NAME") with the time at which the file was changed."""
    kept = cache.cache("hashes").get(title)
    changed = os.path.getmtime(filename)
    if kept and kept["mtime"] >= changed:
        return kept["sha256"]
    with open(filename, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(file.read()).hexdigest()
    cache.cache("hashes")[title] = {"mtime": changed, "sha256": digest}
    return digest
