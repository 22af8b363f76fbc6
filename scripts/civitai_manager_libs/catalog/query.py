"""What a person types into the search field, as conditions of SQL.

Words must all occur: as the beginning of a word anywhere in what is known of a model, or, from three letters on, anywhere in its names.
``"two words"`` together, ``-word`` not, ``#tag``, ``@creator``, ``type:lora``, ``base:"SDXL 1.0"``, ``collection:NAME``, and ``is:`` with one of
``STATES``. ``@``, ``type:`` and ``base:`` also take the beginning of a name. What is in quotes is meant exactly, once they are closed. Anything that
is not understood is looked for as plain words, and what has no letter, digit or symbol is left out: a search never fails.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from . import texts
from .settle import FACTS, LEVELS

STATES = {
    "downloaded": (FACTS["here"], True),
    "registered": (FACTS["here"] | FACTS["local"], False),
    "missing": (FACTS["missing"], True),
    "update": (FACTS["update"], True),
    "early": (FACTS["early"], True),
    "broken": (FACTS["broken"], True),
    "favourite": (FACTS["favourite"], True),
    "gone": (FACTS["gone"], True),
    "local": (FACTS["local"], True),
    "nsfw": (28, True),  # R, X, XXX; unrated counts as the strictest
    "unrated": (FACTS["unrated"], True),
    "noted": (FACTS["noted"], True),
}
"""Bits of ``models.facts``, and whether one of them must be there or none."""
ALIASES = {"favorite": "favourite", "updates": "update", "outdated": "update", "installed": "downloaded", "only-here": "local"}
FIELDS = ("type", "base", "collection", "is", "creator", "tag")
MARKS = {"#": "tag", "@": "creator"}

_KEYED = {
    "tag": "SELECT model_id FROM tags WHERE key = ?",
    "collection": "SELECT cm.model_id FROM collections c JOIN collection_models cm ON cm.collection_id = c.id WHERE c.key = ?",
}
_NAMED = {"base": ("base", "model_id FROM bases"), "type": ("type", "id FROM models"), "creator": ("creator", "id FROM models")}
_TOKEN = re.compile(r'(-?)(?:(#|@|[a-z]+:)?"([^"]*)("?)|(\S+))', re.IGNORECASE)


class Term(NamedTuple):
    """One thing looked for. ``field``: "" for a word, else of ``FIELDS``. ``whole``: the beginning of a name is not enough."""

    field: str
    value: str
    negated: bool = False
    whole: bool = True


def parse(
    text: str, fields: Collection[str] = FIELDS, states: Collection[str] = tuple(STATES), aliases: Mapping[str, str] = ALIASES
) -> list[Term]:
    """The terms of a query, at most 32 of them; empty ones are left out. What else than models is searched has other ``fields`` and ``states``."""
    found: list[Term] = []
    for minus, mark, quoted, closed, word in _TOKEN.findall(texts.plain(text)):
        field, value = _split(word, fields) if word else (MARKS.get(mark, mark.rstrip(":").lower()), quoted.strip())
        if field == "is":
            value = _state(value.lower(), states, aliases) or value
        if field and (field not in fields or (field == "is" and value not in states)):
            field, value = "", f"{mark}{value}"
        if value:
            found.append(Term(field, value, bool(minus), whole=bool(closed)))
    return found[:32]


def _split(word: str, fields: Collection[str]) -> tuple[str, str]:
    """A word without spaces, as its field and its value. A quote in the middle of it is the beginning of one that is still being typed."""
    if word[0] in MARKS:
        return MARKS[word[0]], word[1:].strip('"')
    name, colon, rest = word.partition(":")
    if colon and name.lower() in fields:
        return name.lower(), rest.strip('"')
    return "", word.replace('"', " ").strip()


def _state(word: str, states: Collection[str], aliases: Mapping[str, str]) -> str:
    """The state that a word means, also while it is being typed."""
    return next((aliases.get(name, name) for name in (*states, *aliases) if word and name.startswith(word)), "")


def conditions(terms: list[Term]) -> tuple[list[str], list[Any]]:
    """SQL conditions on ``models m`` and their values."""
    wanted: list[str] = []
    values: list[Any] = []
    for term in terms:
        made = _condition(term)
        if made is not None:
            wanted.append(f"NOT ({made[0]})" if term.negated else f"({made[0]})")
            values += made[1]
    return wanted, values


def holds(state: str, facts: int) -> bool:
    """Whether a model with these facts is in a state."""
    bits, wanted = STATES[state]
    return bool(facts & bits) == wanted


def shown(hide: int) -> str:
    """The condition that a model has something to show below or at a level; only who sees everything sees the unrated ones."""
    return f"m.facts & {min(hide, 16) * 2 - 1 & LEVELS}"


def _condition(term: Term) -> tuple[str, list[Any]] | None:
    value = term.value
    if term.field == "is":
        bits, wanted = STATES[value]
        return f"m.facts & {bits} {'<>' if wanted else '='} 0", []
    if term.field in ("tag", "collection"):
        return f"m.id IN ({_KEYED[term.field]})", [texts.key(value)]
    if term.field:
        column, source = _NAMED[term.field]
        if term.whole:
            return f"m.id IN (SELECT {source} WHERE {column} = ? COLLATE NOCASE)", [value]
        return f"m.id IN (SELECT {source} WHERE {column} >= ? COLLATE NOCASE AND {column} < ? COLLATE NOCASE)", [value, value + "\U0010ffff"]
    return _word(value, term.whole)


def _word(text: str, whole: bool) -> tuple[str, list[Any]] | None:
    words, chunks = texts.tokens(text), texts.chunks(text)
    if not words:
        return None
    choices, values = ["SELECT rowid FROM found_words WHERE found_words MATCH ?"], [f'"{" ".join(words)}"{"" if whole else " *"}']
    if not whole and len(chunks) == 1 and len(chunks[0]) >= 3:
        choices.append("SELECT rowid FROM found_names WHERE found_names MATCH ?")
        values.append(f'"{" ".join(texts.three_of(chunks[0]))}"')
    return f"m.id IN ({' UNION '.join(choices)})", values
