"""Text as it is searched: the same letters for what is known and for what is typed, whatever their case, accents or width.

SQLite only compares what this module has made of a text, so that every version of it finds the same.
"""

from __future__ import annotations

import re
import unicodedata

_ACCENTS = re.compile("[\u0300-\u036f]")
# Written without spaces between words: each letter is a word of its own, and several together are found in their order.
_UNSPACED = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3040, 0x30FF), (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF),
)  # fmt: skip
BETWEEN = "\ue000"  # no three letters reach over it


def plain(text: str) -> str:
    """A text that can be stored: half of a surrogate pair becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def fold(text: str) -> str:
    """Without case, accents and width: ``Ölfarbe`` and ``olfarbe`` are one, so are ``STRASSE`` and ``straße``."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", _ACCENTS.sub("", apart))


def key(name: str) -> str:
    """What two spellings of a tag's or a collection's name have in common: all but case and the number of spaces."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", " ".join(plain(name).split())).casefold())


def tokens(text: str) -> list[str]:
    """The words of a text, folded. A letter of a script without spaces is a word, so is a symbol such as an emoji; punctuation is none."""
    return fold(text).translate(_WORDS).split()


def chunks(text: str) -> list[str]:
    """What stands between spaces, folded, punctuation included, in letters that SQLite takes for parts of words."""
    return fold(text).translate(_LETTERS).split()


def grams(names: list[str]) -> str:
    """Every three neighbouring letters of the names' chunks, in their order."""
    found = dict.fromkeys(chunk for name in names for chunk in chunks(name))
    return f" {BETWEEN} ".join(" ".join(three_of(chunk)) for chunk in found if len(chunk) >= 3)


def three_of(chunk: str) -> list[str]:
    return [chunk[place : place + 3] for place in range(len(chunk) - 2)]


class _Words(dict[int, str]):
    """For ``str.translate``: each character is looked at once."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)
        if code < 128:
            made = character if character.isalnum() else " "
        elif kind == "Cf" or 0xFE00 <= code <= 0xFE0F:  # joiners and variants, seen by nobody
            made = ""
        elif any(first <= code <= last for first, last in _UNSPACED) and kind[0] in "LMN":
            made = f" {character} "
        elif kind[0] in "LMN":
            made = character
        else:
            made = f" {character} " if kind[0] == "S" or kind == "Cn" else " "
        self[code] = made
        return made


class _Letters(dict[int, str]):
    def __missing__(self, code: int) -> str:
        character = chr(code)
        if code < 128:
            made = character if character.isalnum() else " " if character.isspace() else chr(0xE000 + code) if character.isprintable() else ""
        else:
            made = " " if character.isspace() else "" if unicodedata.category(character) in ("Cf", "Co", "Cs", "Cc") else character
        self[code] = made
        return made


_WORDS = _Words()
_LETTERS = _Letters()
