"""Which model files the infotext of a generated picture names: by hashes, and by names in the prompt. Nothing is guessed: a name alone counts only
when a file here has exactly this name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

LONGEST = 100_000  # characters of an infotext that are looked at
TAGS = re.compile(r"<(lora|lyco|hypernet):([^:<>]{1,300})(?::[^<>]{0,100})?>")
LISTS = re.compile(r'(?:Lora hashes|TI hashes): "((?:\\.|[^"\\])*)"')
DIGEST = re.compile(r"[0-9a-fA-F]{8,64}")
TI_LISTS = re.compile(r'TI hashes: "((?:\\.|[^"\\])*)"')
HASH = re.compile(r"(?:Model hash|VAE hash|Refiner hash): ([0-9a-fA-F]{8,64})")
ALL = re.compile(r"Hashes: \{([^{}]*)\}")
ONE = re.compile(r'"(?:model|lora|embed|vae|hypernet)[^"]*": ?"([0-9a-fA-F]{8,64})"')
MODEL = re.compile(r"(?:^|, |\n)Model: ([^,\n]{1,300})")


class Named(NamedTuple):
    """``hashes``: lower case, at least eight digits. ``names``: of files, without extension, by the kind of their folder ("" for any)."""

    hashes: frozenset[str]
    names: frozenset[tuple[str, str]]


def read(infotext: str) -> Named:
    text = infotext[:LONGEST]
    hashes = [found for part in LISTS.findall(text) for _, found in _pairs(part)]
    hashes += [found for part in ALL.findall(text) for found in ONE.findall(part)]
    hashes += HASH.findall(text)
    names = [("hypernetwork" if tag == "hypernet" else "lora", name.strip()) for tag, name in TAGS.findall(text)]
    names += [("checkpoint", name.strip()) for name in MODEL.findall(text)]
    names += [("embedding", name) for part in TI_LISTS.findall(text) for name, _ in _pairs(part)]
    return Named(frozenset(one.lower() for one in hashes), frozenset(names))


def _pairs(listed: str) -> Iterator[tuple[str, str]]:
    """``a: 88e247aa8c3d, b: 935e6755554c``."""
    for part in listed.split(","):
        name, _, digest = part.rpartition(":")
        if name.strip() and DIGEST.fullmatch(digest.strip()):
            yield name.strip(), digest.strip()
