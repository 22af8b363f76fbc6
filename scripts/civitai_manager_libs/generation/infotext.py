"""The WebUI's text for a picture's generation data ("infotext"), read and written as the WebUI itself does.

    a prompt, of one line or several
    Negative prompt: another, of one line or several
    Steps: 20, Sampler: Euler a, Size: 512x768, Lora hashes: "a: 88e247aa8c3d, b: 935e6755554c", Version: v1.10.1

The last line holds the parameters when at least three of them can be found in it; else all is prompt. Names are of letters, digits, blanks, ``-``
and ``/``, two at least. A value with a comma, a colon or a line break stands in quotes, as JSON. Civitai and its extension also put bare JSON
there (``Hashes: {...}``), which the WebUI's reader cuts at the first comma; it is read whole here, and written in quotes, so that both read it.
(Source: ``create_infotext`` and ``parse_generation_parameters`` of AUTOMATIC1111 1.10.1.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

import msgspec

LONGEST = 1 << 20
"""Characters that are looked at: nobody writes more, and what is longer is cut."""
NEGATIVE = "Negative prompt:"
FEWEST = 3
"""Parameters that make a line of parameters."""
BARE_JSON = frozenset({"Hashes", "Civitai resources", "Civitai metadata"})
PADDING = {"Civitai metadata": "{}", "Civitai resources": "[]"}
"""Parameters that say nothing: they bring a line with one or two others to ``FEWEST``."""
MARK = "Civitai Manager"
"""And a third, for a line with none."""

_RUN = re.compile(r"([\w \-/]{2,})(:?)")
_NAME = re.compile(r"\w[\w \-/]+")
_VALUE = re.compile(r"""\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)""")
_END = re.compile(r"\s*(?:,|$)")
_SIZE = re.compile(r"(\d+)x(\d+)")
_DECODER = json.JSONDecoder(strict=False)


class Infotext(msgspec.Struct):
    """``parameters``: the names and values of the last line in their order, values without their quotes; ``Size`` is whole ("512x768")."""

    prompt: str = ""
    negative: str = ""
    parameters: dict[str, str] = {}

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height in pixels, None when not told."""
        match = _SIZE.fullmatch(self.parameters.get("Size", "").strip())
        return (int(match[1]), int(match[2])) if match and len(match[0]) < 12 else None

    @property
    def text(self) -> str:
        return write(self.prompt, self.negative, self.parameters)


def parse(text: str) -> Infotext:
    """Read an infotext; any text can be read, as a prompt at worst. Takes time in proportion to its length."""
    *lines, last = text[:LONGEST].replace("\x00", "").strip().split("\n")
    pairs = list(_pairs(last))
    if len(pairs) < FEWEST:
        lines.append(last)
        pairs = []
    prompt: list[str] = []
    negative: list[str] = []
    part = prompt
    for line in (line.strip() for line in lines):
        if line.startswith(NEGATIVE):
            part, line = negative, line[len(NEGATIVE) :].strip()
        if line or part:  # blank lines at the beginning are no part of it
            part.append(line)
    parameters = {name: value for name, raw in pairs if (value := unquote(raw)) or raw}
    return Infotext("\n".join(prompt), "\n".join(negative), parameters)


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """Names and raw values of a line, wherever in it a name and a colon stand; what is between is passed over."""
    place = 0
    while (run := _RUN.search(line, place)) is not None:
        place = run.end()
        name = run[1].lstrip(" -/")
        if not run[2] or len(name) < 2:
            continue
        raw, place = _value(line, place, bare=name in BARE_JSON)
        yield name, raw


def _value(line: str, place: int, *, bare: bool) -> tuple[str, int]:
    """The raw value at a place, and where the next name may begin."""
    match = _VALUE.match(line, place)
    assert match is not None  # an empty one at worst
    start = match.start(1)
    if bare and line[start : start + 1] in ("{", "["):
        try:
            _, stop = _DECODER.raw_decode(line, start)
        except (ValueError, RecursionError):
            return match[1], match.end()
        if (end := _END.match(line, stop)) is not None:
            return line[start:stop], end.end()
    return match[1], match.end()


def quote(value: str) -> str:
    """A value as it stands in the line. Quoted is also what only quotes keep as it is: nothing, blanks around, a quotation mark in front."""
    plain = value and not any(mark in value for mark in ",:\n") and value[0] != '"' and value == value.strip()
    return value if plain else json.dumps(value, ensure_ascii=False)


def unquote(raw: str) -> str:
    """The value of what stands in the line; what is in quotes and no JSON stays as it is."""
    if len(raw) < 2 or raw[0] != '"' or raw[-1] != '"':
        return raw
    try:
        return str(json.loads(raw))
    except ValueError:
        return raw


def is_name(name: str) -> bool:
    """Whether the WebUI can read a parameter of this name."""
    return _NAME.fullmatch(name) is not None and name == name.strip() and name not in ("Prompt", "Negative prompt")


def clean(prompt: str) -> str:
    """A prompt as it is read back: without blanks at the ends of its lines, and blank lines around it."""
    return "\n".join(line.strip() for line in prompt.replace("\x00", "").strip().split("\n"))


def write(prompt: str, negative: str, parameters: Mapping[str, str]) -> str:
    """The infotext. Parameters whose names the WebUI cannot read are left out, since they would be read as another's value.

    What cannot be written so that it is read back: a line of the prompt that begins with "Negative prompt:".
    """
    text = clean(prompt)
    if negative := clean(negative):
        text += f"\n{NEGATIVE} {negative}"
    shown = {name: value.replace("\x00", "") for name, value in parameters.items() if is_name(name)}
    if 0 < len(shown) < FEWEST or (not shown and len(list(_pairs(text.strip().split("\n")[-1]))) >= FEWEST):
        for name, value in (*PADDING.items(), (MARK, "1")):
            if len(shown) < FEWEST:
                shown.setdefault(name, value)
    line = ", ".join(f"{name}: {quote(value)}" for name, value in shown.items())
    return f"{text}\n{line}".strip()
