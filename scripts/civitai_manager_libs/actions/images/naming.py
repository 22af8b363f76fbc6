"""Make the names in an infotext those of the files here, so that the WebUI finds them. Only what is certain is renamed: by hash or version."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from ...generation import infotext, mentions, renaming
from ...generation.renaming import Change, Names
from ..services import Services
from . import resolving
from .resolving import Resolved


def rename(services: Services, text: str, *, add: bool = False) -> dict[str, Any]:
    """``{"infotext", "prompt", "changed": [{"from", "to"}]}``.

    ``add``: LoRAs that are here and that the text tells by Civitai's numbers only, as Civitai's own generator does, get their tags in the prompt
    ("from" is then ''); without a tag the WebUI would not load them.
    """
    found = [one for one in resolving.resolve(services, mentions.of(infotext.parse(text))) if one.state == "here" and one.by in ("hash", "version")]
    names = _names(text, found)
    made, changes = renaming.renamed(text, names)
    if add and (tags := _missing_tags(made, found)):
        read = infotext.parse(made)
        made = infotext.write(" ".join([read.prompt, *tags]).strip(), read.negative, read.parameters)
        changes += [Change("", tag) for tag in tags]
    prompt = infotext.parse(made).prompt
    return {"infotext": made, "prompt": prompt, "changed": [{"from": change.before, "to": change.after} for change in changes]}


def _names(text: str, found: list[Resolved]) -> Names:
    by_kind: dict[str, dict[str, str]] = {"lora": {}, "embedding": {}, "hypernetwork": {}, "vae": {}}
    model: Resolved | None = None
    for one in found:
        if one.record is None:
            continue
        if one.kind in by_kind and one.name:
            by_kind[one.kind][one.name] = PurePath(one.record.path).name if one.kind == "vae" else PurePath(one.record.path).stem
        elif one.kind == "checkpoint" and model is None:
            model = one
    if model is None or model.record is None:
        return Names(by_kind["lora"], by_kind["embedding"], by_kind["hypernetwork"], by_kind["vae"])
    told = infotext.parse(text).parameters.get("Model", "")
    path = PurePath(model.record.path)
    return Names(
        by_kind["lora"], by_kind["embedding"], by_kind["hypernetwork"], by_kind["vae"],
        path.stem, model.record.sha256[:10], mentions.stem(told) if told else "",
    )  # fmt: skip


def _missing_tags(text: str, found: list[Resolved]) -> list[str]:
    read = infotext.parse(text)
    there = {one.name.casefold() for one in mentions.tags(f"{read.prompt}\n{read.negative}")}
    tags = []
    for one in found:
        if one.kind == "lora" and one.record is not None and one.version_id:
            stem = PurePath(one.record.path).stem
            if stem.casefold() not in there and not set(stem) & set("<>:\n"):
                weight = 1.0 if one.weight is None else round(one.weight, 4)
                tags.append(f"<lora:{stem}:{int(weight) if weight == int(weight) else weight}>")
    return list(dict.fromkeys(tags))
