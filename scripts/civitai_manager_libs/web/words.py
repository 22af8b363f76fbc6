"""The page's dictionary: which language it is, and its texts, from ``localizations/LANGUAGE.json`` at the extension's top.

The files are in the WebUI's own format, {"English": "translation"}, and named as its localisations usually are (zh_TW, ja_JP), so that a WebUI
lists them, too. English has no file. ``docs/languages.md`` tells how a language is added.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from .replies import answer

if TYPE_CHECKING:
    from ..application import Application

FOLDER = Path(__file__).resolve().parents[3] / "localizations"
ENGLISH = "en"
LANGUAGE = re.compile(r"[a-z]{2,3}_[A-Z]{2}")
# How localisations of WebUIs and browsers call what we have a file for. The first that fits counts, so the script of Chinese goes before "zh".
NAMES = (
    ("zh_TW", re.compile(r"zh[-_]?(hant|tw|hk|mo)\b|traditional|正體|繁體|繁中|cht\b", re.IGNORECASE)),
    ("zh_CN", re.compile(r"^\W*zh\b|zh[-_]?(hans|cn|sg|my)\b|chinese|简体|chs\b", re.IGNORECASE)),
    ("ja_JP", re.compile(r"^\W*ja\b|ja[-_]jp|japanese|日本", re.IGNORECASE)),
    ("ko_KR", re.compile(r"^\W*ko\b|ko[-_]kr|korean|한국", re.IGNORECASE)),
    ("de_DE", re.compile(r"^\W*de\b|de[-_]de|german|deutsch", re.IGNORECASE)),
    ("en", re.compile(r"^\W*en\b|en[-_](us|gb)|english", re.IGNORECASE)),
)


def languages(folder: Path = FOLDER) -> list[str]:
    """The languages that there is a file for."""
    return sorted(path.stem for path in folder.glob("*.json") if LANGUAGE.fullmatch(path.stem)) if folder.is_dir() else []


def named(name: str, known: Iterable[str]) -> str:
    """Which of ``known`` (or "en") a localisation or a browser means by a name such as ``zh-Hant (Stable)`` or ``de-AT``; "" when it is none."""
    known = list(known)
    plain = name.strip().replace("-", "_")
    for one in known:
        if one.lower() == plain.lower():
            return one
    for one, pattern in NAMES:
        if pattern.search(name.strip().replace("_", "-")):
            return one if one in known or one == ENGLISH else ""
    return next((one for one in known if one[:2] == plain[:2].lower() and not plain[2:3].isalpha()), "")


def choose(setting: str, host: str, browser: Iterable[str], known: Iterable[str]) -> str:
    """The page's language: the setting's, else the WebUI's own, else the first of the browser's that we have, else English."""
    known = list(known)
    if setting != "auto":
        return setting if setting in known else ENGLISH
    for name in (host, *browser):
        if name and (found := named(name, known)):
            return found
    return ENGLISH


@lru_cache(maxsize=16)
def _read(path: Path, changed: int) -> dict[str, str]:
    """The texts of a file, which is read again when it has changed (``changed``: its time). Raises OSError, ValueError."""
    told = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(told, dict):
        raise ValueError(f"{path.name} is no JSON object")
    return {key: text for key, text in told.items() if isinstance(text, str) and text}


def dictionary(language: str, folder: Path = FOLDER) -> dict[str, Any]:
    """{"language", "locale" (as browsers write it), "words"}; no words for English."""
    if language == ENGLISH:
        return {"language": ENGLISH, "locale": ENGLISH, "words": {}}
    path = folder / f"{language}.json"
    return {"language": language, "locale": language.replace("_", "-"), "words": _read(path, path.stat().st_mtime_ns)}


def routes(application: Callable[[], Application]) -> list[tuple[str, str, Callable[..., Any]]]:
    """What ``web.routes`` adds to the host: method, path, endpoint."""

    def words(request: Request) -> Response:
        """GET words?languages=de-AT,en: the page's language and its dictionary, by the setting, the WebUI's own, or the browser's languages."""
        browser = request.query_params.get("languages", "")[:200].split(",")

        def told() -> dict[str, Any]:
            app = application()
            return dictionary(choose(app.settings.current.language, app.host.language(), browser, languages()))

        reply = answer(told)
        if reply.status_code != 200:
            return reply
        etag = f'"{hashlib.sha256(bytes(reply.body)).hexdigest()[:20]}"'
        headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(reply.body, media_type="application/json", headers=headers)

    return [("GET", "/words", words)]
