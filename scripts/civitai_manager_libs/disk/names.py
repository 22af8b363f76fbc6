r"""Names for files and folders that come from strangers, made safe for Windows and Linux at once.

A safe name has none of ``< > : " / \ | ? *``, no control or bidi character, no leading or trailing dot or blank, is no device of Windows
(``CON``, ``nul.txt``), is in Unicode NFC, has at most 150 characters and 200 bytes of UTF-8 (so that ``.civitai.info`` or ``.part.json``
behind it still fits into the 255 bytes of most file systems), and is never empty.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path, PureWindowsPath

from ..errors import UsageError

MAX_CHARACTERS = 150
MAX_BYTES = 200

# Removed without a trace: bidi controls can make "exe.safetensors" out of "srotcnefetas.exe" on the screen; zero-width blanks make two
# different names look the same. The joiners U+200C and U+200D stay: emoji and several scripts need them.
_INVISIBLE = "\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
_REMOVED = re.compile(f"[\\x00-\\x08\\x0e-\\x1f\\x7f-\\x84\\x86-\\x9f{_INVISIBLE}]")
_BLANKS = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\ud800-\udfff]')
_EXTENSION = re.compile(r"\.[A-Za-z0-9_]{1,12}$")
# "Naming Files, Paths, and Namespaces" (Microsoft): reserved with any extension, the superscript digits too.
_DEVICE = re.compile(r"(con|prn|aux|nul|clock\$|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
# A dot and every blank of Unicode that is left after ``_BLANKS``.
_EDGES = ". \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"


def _clean(text: str) -> str:
    """Allowed characters only, in NFC; the edges are not looked at."""
    return unicodedata.normalize("NFC", _FORBIDDEN.sub("_", _BLANKS.sub(" ", _REMOVED.sub("", text))))


def _cut(text: str, characters: int, size: int) -> str:
    """The longest beginning with at most so many characters and bytes, without trailing dots and blanks."""
    text = text[:characters]
    return text.encode("utf-8")[:size].decode("utf-8", "ignore").rstrip(_EDGES)


def _fit(name: str, characters: int, size: int) -> str:
    """``_cut``, and then no device of Windows: cutting may make one ("con        x")."""
    name = _cut(name, characters, size)
    return f"_{_cut(name, characters - 1, size - 1)}" if _DEVICE.match(name) else name


def safe_name(text: str | None, fallback: str = "Unknown") -> str:
    """``text`` as the name of a folder or a part of a name; slashes become ``_``. The fallback when nothing is left."""
    name = _clean(text or "").strip(_EDGES)
    name = _fit(name, MAX_CHARACTERS, MAX_BYTES)
    return name or (safe_name(fallback, "unnamed") if fallback else "unnamed")


def safe_file_name(name: str | None, fallback: str = "unnamed") -> str:
    """``name`` as the name of a file: of something like a path only its last part, shortened before its extension, which stays.

    The fallback (with or without an extension) when nothing is left before the extension.
    """
    base = re.split(r"[/\\]", (name or "").replace("\0", ""))[-1]
    stem, extension = _split(_clean(base).rstrip(_EDGES))
    stem = stem.strip(_EDGES)
    if not stem:
        spare, spare_extension = _split(safe_name(fallback, "unnamed"))
        stem, extension = spare, extension or spare_extension
    return _fit(stem, MAX_CHARACTERS - len(extension), MAX_BYTES - len(extension)) + extension


def _split(name: str) -> tuple[str, str]:
    """(stem, extension with its dot or ""). An extension is short, ASCII, and at the end."""
    found = _EXTENSION.search(name)
    return (name[: found.start()], found.group()) if found else (name, "")


def inside(folder: Path, *parts: str) -> Path:
    """The absolute path of ``parts`` below ``folder``; a part may hold slashes. Raises UsageError for what would lead out of it.

    Refused are ``..``, absolute parts, drive letters and NUL. Links are not followed: that the folder, or a folder in it, is a link to another
    drive is the user's own and common arrangement, and no name from outside can make one.
    """
    base = Path(folder).absolute()
    for part in parts:
        windows = PureWindowsPath(part)
        if windows.drive or windows.root or "\0" in part or ".." in re.split(r"[/\\]", part):
            raise UsageError(f"{part!r} leads out of the folder {folder}.", next_step="Use a name without a path, or a folder below it.")
    return base.joinpath(*parts)


def _same(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def same_name_exists(folder: Path, name: str) -> Path | None:
    """The existing entry of ``folder`` that has this name on a file system that ignores case or Unicode form (Windows, macOS), or None."""
    wanted = _same(name)
    try:
        with os.scandir(folder) as entries:
            found = sorted(entry.name for entry in entries if _same(entry.name) == wanted)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Path(folder) / (name if name in found else found[0]) if found else None


def unique_name(folder: Path, name: str) -> str:
    """``name``, or ``stem (2).ext``, ``stem (3).ext``... : the first that is free in ``folder``, letter case ignored."""
    stem, extension = _split(name)
    number, free = 1, name
    while same_name_exists(folder, free):
        number += 1
        ending = f" ({number}){extension}"
        free = _cut(stem, MAX_CHARACTERS - len(ending), MAX_BYTES - len(ending.encode())) + ending
    return free
