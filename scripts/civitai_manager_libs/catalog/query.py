"""What a person types into the search field, as conditions of SQL.

Words must all occur: as the beginning of a word anywhere in what is known of a model, or, from three letters on, anywhere in its names.
``"two words"`` together, ``-word`` not, ``#tag``, ``@creator``, ``type:lora``, ``base:"SDXL 1.0"``, ``collection:NAME``, and ``is:`` with one of
``STATES``. Anything that is not understood is looked for as plain words: a search never fails.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

STATES = {
    "downloaded": "m.here > 0",
    "registered": "m.here = 0 AND m.id > 0",
    "missing": "m.missing > 0",
    "update": "m.newer = 1",
    "early": "m.newer = 2",
    "broken": "m.broken > 0",
    "favourite": "m.favourite = 1",
    "gone": "m.gone = 1",
    "local": "m.id < 0",
    "nsfw": "(m.level = 0 OR m.level & 28 > 0)",  # R, X, XXX; unrated counts as the strictest
    "unrated": "m.level = 0",
    "noted": "m.note <> ''",
}
ALIASES = {"favorite": "favourite", "updates": "update", "outdated": "update", "installed": "downloaded", "only-here": "local"}
FIELDS = ("type", "base", "collection", "is", "creator", "tag")

_TOKEN = re.compile(r'(-?)(?:(#|@|[a-z]+:)?"([^"]*)"?|(\S+))', re.IGNORECASE)


class Term(NamedTuple):
    """One thing looked for. ``field``: "" for a word, else of ``FIELDS``."""

    field: str
    value: str
    negated: bool = False


def parse(text: str) -> list[Term]:
    """The terms of a query, at most 32 of them; empty ones are left out."""
    found: list[Term] = []
    for minus, mark, quoted, plain in _TOKEN.findall(text):
        negated = bool(minus)
        if plain:
            mark, value = _split(plain)
        else:
            value = quoted
        value = value.strip()
        if not value:
            continue
        field = {"#": "tag", "@": "creator"}.get(mark, mark.rstrip(":").lower())
        if field == "is":
            value = ALIASES.get(value.lower(), value.lower())
        if field and (field not in FIELDS or (field == "is" and value not in STATES)):
            field, value = "", f"{mark}{value}"
        found.append(Term(field, value, negated))
    return found[:32]


def _split(plain: str) -> tuple[str, str]:
    if plain[0] in "#@":
        return plain[0], plain[1:].strip('"')
    name, colon, rest = plain.partition(":")
    if colon and name.lower() in FIELDS:
        return name + ":", rest.strip('"')
    return "", plain.replace('"', " ")


def conditions(terms: list[Term]) -> tuple[list[str], list[Any]]:
    """SQL conditions on ``models m`` and their values."""
    wanted: list[str] = []
    values: list[Any] = []
    for term in terms:
        made = _condition(term)
        if made is not None:
            wanted.append(f"NOT ({made[0]})" if term.negated else made[0])
            values += made[1]
    return wanted, values


def _condition(term: Term) -> tuple[str, list[Any]] | None:
    value = term.value
    if term.field == "is":
        return STATES[value], []
    if term.field == "type":
        return "m.type = ? COLLATE NOCASE", [value]
    if term.field == "creator":
        return "m.creator = ? COLLATE NOCASE", [value]
    if term.field == "base":
        return "m.id IN (SELECT model_id FROM bases WHERE base = ?)", [value]
    if term.field == "tag":
        return "m.id IN (SELECT model_id FROM tags WHERE tag = ?)", [value]
    if term.field == "collection":
        return "m.id IN (SELECT cm.model_id FROM collection_models cm JOIN collections c ON c.id = cm.collection_id WHERE c.name = ?)", [value]
    return _word(value.casefold())


def _word(word: str) -> tuple[str, list[Any]] | None:
    parts = re.findall(r"\w+", word)  # as the tokenizer divides it
    choices, values = [], []
    if parts:
        choices.append("SELECT rowid FROM found_words WHERE found_words MATCH ?")
        values.append('"' + " ".join(parts) + '" *')
    if len(word) >= 3:
        choices.append("SELECT rowid FROM found_names WHERE found_names MATCH ?")
        values.append('"' + word.replace('"', '""') + '"')
    return (f"m.id IN ({' UNION '.join(choices)})", values) if choices else None
