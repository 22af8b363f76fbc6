"""The same infotext with other names for its models: those of the files that are here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from . import infotext, mentions
from .infotext import Infotext


class Names(NamedTuple):
    """What to call each resource instead, by the name that it has now. ``model``: name and hash of the checkpoint, '' to leave it."""

    loras: Mapping[str, str] = {}
    embeddings: Mapping[str, str] = {}
    hypernetworks: Mapping[str, str] = {}
    vaes: Mapping[str, str] = {}
    model: str = ""
    model_hash: str = ""
    model_was: str = ""


class Change(NamedTuple):
    before: str
    after: str


def renamed(text: str, names: Names) -> tuple[str, list[Change]]:
    """The infotext with these names, and each change once. A text in which nothing changes comes back as it was, letter by letter."""
    read = infotext.parse(text)
    changes: list[Change] = []
    parameters = _parameters(read, names, changes)
    for name in ("Hires prompt", "Hires negative prompt"):
        if name in parameters:
            parameters[name] = _prompt(parameters[name], names, changes)
    prompt, negative = (_prompt(one, names, changes) for one in (read.prompt, read.negative))
    if not changes:
        return text, []
    return infotext.write(prompt, negative, parameters), list(dict.fromkeys(changes))


def _prompt(prompt: str, names: Names, changes: list[Change]) -> str:
    def tag(match: re.Match[str]) -> str:
        known = names.hypernetworks if match[1].lower() == "hypernet" else names.loras
        after = known.get(match[2].strip(), match[2])
        _note(changes, match[2].strip(), after)
        return f"<{match[1]}:{after}{match[3]}>"

    parts = re.split(r"(<[^<>\n]*>)", prompt)  # a name between brackets of a tag is no word of the prompt
    for place, part in enumerate(parts):
        if place % 2:
            parts[place] = mentions.TAG.sub(tag, part)
            continue
        for before, after in names.embeddings.items():
            made = re.sub(rf"(?<![\w.\-]){re.escape(before)}(?![\w\-])", lambda _, after=after: after, part)  # type: ignore[misc]
            if made != part:
                _note(changes, before, after)
            part = made
        parts[place] = part
    return "".join(parts)


def _parameters(read: Infotext, names: Names, changes: list[Change]) -> dict[str, str]:
    made = dict(read.parameters)
    for label, known in (("Lora hashes", names.loras), ("TI hashes", names.embeddings)):
        if label in made:
            made[label] = _listed(made[label], known, changes)
    if "Hashes" in made:
        made["Hashes"] = _hashes(made["Hashes"], names)
    for label, known in (("VAE", names.vaes), ("Hypernet", names.hypernetworks)):
        if (after := known.get(mentions.stem(made.get(label, "").strip()), "")) and after != made[label]:
            _note(changes, made[label], after)
            made[label] = after
    if names.model and made.get("Model", "") != names.model and mentions.stem(made.get("Model", names.model_was)) == names.model_was:
        _note(changes, made.get("Model", ""), names.model)
        made = _with_model(made, names.model)
    if names.model and names.model_hash and not made.get("Model hash") and made.get("Model") == names.model:
        _note(changes, "", names.model)
        made = _before(made, "Model", "Model hash", names.model_hash)
    return made


def _with_model(parameters: dict[str, str], name: str) -> dict[str, str]:
    if "Model" in parameters:
        return {**parameters, "Model": name}
    return _before(parameters, "Clip skip" if "Clip skip" in parameters else "", "Model", name)


def _before(parameters: dict[str, str], other: str, name: str, value: str) -> dict[str, str]:
    """With one more parameter, before another where that is there."""
    if other not in parameters:
        return {**parameters, name: value}
    made: dict[str, str] = {}
    for label, one in parameters.items():
        if label == other:
            made[name] = value
        made[label] = one
    return made


def _listed(value: str, known: Mapping[str, str], changes: list[Change]) -> str:
    """``a: 88e247aa8c3d, b: 935e6755554c``."""
    parts = []
    for part in value.split(","):
        name, colon, digest = part.rpartition(":")
        after = known.get(name.strip(), name.strip())
        _note(changes, name.strip(), after)
        parts.append(f"{after}:{digest}" if colon else part.strip())
    return ", ".join(parts)


def _hashes(value: str, names: Names) -> str:
    """``{"lora:a": ...}``."""
    try:
        told = json.loads(value)
    except (ValueError, RecursionError):
        return value
    if not isinstance(told, dict):
        return value
    kinds = {"lora": names.loras, "embed": names.embeddings}
    made = {}
    for label, digest in told.items():
        kind, colon, name = label.partition(":")
        known = kinds.get(kind.lower())
        made[f"{kind}:{known.get(name, name)}" if known and colon else label] = digest
    return json.dumps(made, ensure_ascii=False) if made.keys() != told.keys() else value


def _note(changes: list[Change], before: str, after: str) -> None:
    if before != after:
        changes.append(Change(before, after))
