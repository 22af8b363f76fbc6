"""How the host understands an infotext: a model of its documented behaviour (1.10.1), written by reading letter after letter.

What is left out: styles (this app has none), and when a prompt counts as emphasised: any bracket that is not escaped does here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from modules import shared

ABSENT: dict[str, Any] = {
    "Clip skip": "1", "Hires resize-1": 0, "Hires resize-2": 0, "Hires sampler": "Use same sampler", "Hires schedule type": "Use same scheduler",
    "Hires checkpoint": "Use same checkpoint", "Hires prompt": "", "Hires negative prompt": "", "Mask mode": "Inpaint masked",
    "Masked content": "original", "Inpaint area": "Whole picture", "Masked area padding": 32, "RNG": "GPU", "Schedule type": "Automatic",
    "Schedule max sigma": 0, "Schedule min sigma": 0, "Schedule rho": 0, "VAE Encoder": "Full", "VAE Decoder": "Full", "FP8 weight": "Disable",
    "Refiner switch by sampling steps": False,
}  # fmt: skip
"""What it means that a parameter is not there."""


def parse_generation_parameters(text: str, skip_fields: Sequence[str] | None = None) -> dict[str, Any]:
    """All that the fields of a tab are filled with, by the names of the parameters; pairs of numbers as "NAME-1" and "NAME-2"."""
    lines = text.strip().split("\n")
    found = list(pairs(lines[-1]))
    if len(found) < 3:
        found = []
    else:
        lines.pop()
    prompts: dict[str, list[str]] = {"Prompt": [], "Negative prompt": []}
    part = "Prompt"
    for line in map(str.strip, lines):
        if line.startswith("Negative prompt:"):
            part, line = "Negative prompt", line.split(":", 1)[1].strip()
        if line or any(prompts[part]):
            prompts[part].append(line)
    result: dict[str, Any] = {}
    for name, value in found:
        if not value:
            continue  # the host stumbles over it and says so
        put(result, name, unquoted(value))
    result.update({name: "\n".join(said) for name, said in prompts.items()})
    complete(result)
    for name in getattr(shared.opts, "infotext_skip_pasting", []) if skip_fields is None else skip_fields:
        result.pop(name, None)
    return result


def put(result: dict[str, Any], name: str, value: str) -> None:
    size = re.match(r"^(\d+)x(\d+)$", value)
    if size is None:
        result[name] = value
    else:
        result[f"{name}-1"], result[f"{name}-2"] = size.groups()


def complete(result: dict[str, Any]) -> None:
    """Defaults, and what older versions wrote differently."""
    emphasis = re.search(r"(?<!\\)[(\[]", result["Prompt"] + "\n" + result["Negative prompt"])
    if "Hypernet" in result:
        result["Prompt"] += f"<hypernet:{result['Hypernet']}:{result.get('Hypernet strength', '1.0')}>"
    if "Hires resize-1" in result:
        result.setdefault("Hires resize-2", "0")
    for name, value in ABSENT.items():
        result.setdefault(name, value)
    if "First pass size-1" in result and "First pass size-2" in result:
        result["Hires resize-1"], result["Hires resize-2"] = int(result.get("Size-1", 512)), int(result.get("Size-2", 512))
        result["Size-1"], result["Size-2"] = int(result["First pass size-1"]), int(result["First pass size-2"])
    if result["FP8 weight"] != "Disable":
        result.setdefault("Cache FP16 weight for LoRA", False)
    if emphasis:
        result.setdefault("Emphasis", "Original")
    if getattr(shared.opts, "auto_backcompat", True):
        like_before(result)


def like_before(result: dict[str, Any]) -> None:
    version = re.match(r"v?(\d+)\.(\d+)\.(\d+)", str(result.get("Version")))
    if version is None:
        return
    number = tuple(map(int, version.groups()))
    if number < (1, 6, 0) and "[" in result["Prompt"]:
        result["Old prompt editing timelines"] = True
    if number < (1, 6, 0) and result.get("Sampler") in ("DDIM", "PLMS"):
        result["Pad conds v0"] = True
    if number < (1, 7, 0):
        result["Downcast alphas_cumprod"] = True
    if number < (1, 8, 0) and result.get("Refiner"):
        result["Refiner switch by sampling steps"] = True


def pairs(line: str) -> Iterator[tuple[str, str]]:
    """Names and raw values: a name is a letter or digit and then at least one more of them, of blanks, "-" and "/", up to a colon."""
    at = 0
    while at < len(line):
        end = at
        if in_word(line[at]):
            while end < len(line) and (in_word(line[end]) or line[end] in " -/"):
                end += 1
        if end - at < 2 or line[end : end + 1] != ":":
            at += 1
            continue
        value, following = value_at(line, end + 1)
        yield line[at:end], value
        at = following


def value_at(line: str, at: int) -> tuple[str, int]:
    """The value, and the place behind the comma that ends it. In quotes it may hold commas, if a comma or the end stands behind them."""
    while at < len(line) and line[at].isspace():
        at += 1
    end = at + 1
    while line[at : at + 1] == '"' and end < len(line):
        if line[end] == '"':
            if end > at + 1 and line[end + 1 : end + 2] in ("", ","):
                return line[at : end + 1], end + 2
            break
        end += 2 if line[end] == "\\" else 1
    comma = line.find(",", at)
    return (line[at:], len(line)) if comma < 0 else (line[at:comma], comma + 1)


def in_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def unquoted(value: str) -> str:
    if value[0] != '"' or value[-1] != '"':
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value
