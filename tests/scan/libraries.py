"""Libraries for the scan's tests: real model files, tiny ones made up and published ones of the demo."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from demo import files as contents


def safetensors(body: bytes, **metadata: str) -> bytes:
    """A whole safetensors file with these tensors."""
    described = {"__metadata__": metadata, "w": {"dtype": "U8", "shape": [len(body)], "data_offsets": [0, len(body)]}}
    raw = json.dumps(described).encode()
    return len(raw).to_bytes(8, "little") + raw + body


def made_up(number: int, **metadata: str) -> bytes:
    """A file that Civitai does not know; no two numbers give equal bytes."""
    return safetensors(random.Random(number).randbytes(200 + number % 800), **metadata)


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def published(demo: Any, kind: str = "safetensors", biggest: int = 400_000) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """(model, version, file) of the demo's generated models, small files of one kind, none twice."""
    for index in range(demo.catalogue.count):
        model = demo.catalogue.model(4_100_000 + index)
        for version in model["modelVersions"]:
            for file in version["files"]:
                content = file["_content"]
                if content.kind == kind and content.size <= biggest and file["_hashes"] != {} and file["type"] != "Training Data":
                    yield model, version, file


def bytes_of(file: dict[str, Any]) -> bytes:
    return contents.read(file["_content"])


def sha256_of(file: dict[str, Any]) -> str:
    return contents.hashes(file["_content"])["SHA256"].lower()


def asked(demo: Any) -> list[str]:
    """The requests to the demo's API, without pictures: method and path."""
    return [f"{one['method']} {one['path']}" for one in demo.requests if one["origin"] == "api"]
