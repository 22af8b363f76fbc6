"""What people paste: links, AIR, ids and hashes, several at once, or the text of a ``.url`` or ``.webloc`` file.

Nothing here asks the network, and no pasted host is ever contacted: a link only yields ids. Hosts are compared whole, so that
``civitai.com.evil.com`` and ``civitai.com@evil.com`` are not taken for Civitai.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from ..errors import NotALink, UsageError
from ..settings import CIVITAI_HOSTS

MAX_ID = 2147483647
"""Civitai's ids are 32-bit; its API answers 400 or 500 to larger ones."""
MAX_TEXT = 256 * 1024
"""Characters that are read at once; about 5,000 links. Whoever pastes more has pasted something else."""
_MAX_LINK = 4096

_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\x00"))
_OPENING = "\"'`<([{«“‘（【「『《＜［"
_CLOSING = "\"'`>)]}»”’）】」』》＞］.,;:!?…。，；：！？、．"
_SEPARATORS = re.compile(r"[,;|，；、]")
_RUN_TOGETHER = re.compile(r"(?<=[0-9A-Za-z])(?=https?://)", re.IGNORECASE)
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_ID = re.compile(r"([0-9]{1,10})(?![0-9A-Za-z_-])")
_HASH = re.compile(r"(?:0x)?([0-9a-f]{64}|[0-9a-f]{12}|[0-9a-f]{10}|[0-9a-f]{8})", re.IGNORECASE)
_AIR = re.compile(
    r"(?:(?:urn:)?(?:air:)?(?:[\w.+-]+:)?(?:[\w.+-]+:)?)?civitai:(?P<model>[0-9]+)(?:@(?P<version>[0-9]+))?"
    r"(?::[^.?\s]*)?(?:\.[\w-]+)?(?:\?fileId=(?P<file>[0-9]+))?",
    re.IGNORECASE | re.ASCII,
)
_LABEL = re.compile(r"(?:url|hash|sha-?256|autov[123]|blake3|crc32|air|id|model|version)\s*[:=]?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Reference:
    """One thing that was pasted. ``kind`` says which fields are set:

    "model": model_id, perhaps version_id, file_id; "version": version_id, perhaps file_id; "hash": hash (lower hex of 64, 12, 10 or 8 digits);
    "image": image_id; "post": post_id; "unknown": none, only ``text``, the words that were not understood.
    """

    kind: str
    text: str
    model_id: int | None = None
    version_id: int | None = None
    file_id: int | None = None
    hash: str | None = None
    image_id: int | None = None
    post_id: int | None = None


def parse(text: str, hosts: Collection[str] = ()) -> list[Reference]:
    """All references in a pasted or dropped text, in order, each once. ``hosts`` are further accepted ``host:port`` (the configured one).

    What is not understood is reported as kind "unknown". Raises NotALink when nothing at all is understood, UsageError for more than MAX_TEXT.
    The time taken grows with the text's length only, whatever it holds: the regular expressions here never run over blanks, and no two parts
    of one that stand beside each other can take the same characters.
    """
    if len(text) > MAX_TEXT:
        raise UsageError(f"This text is too long: {len(text):,} characters.", next_step=f"Paste at most {MAX_TEXT:,} characters at a time.")
    accepted = CIVITAI_HOSTS | {host.lower() for host in hosts}
    found: dict[Reference, Reference] = {}
    for line in _lines(text.translate(_INVISIBLE)):
        for reference in _parse_line(line, accepted):
            found.setdefault(replace(reference, text="" if reference.kind != "unknown" else reference.text), reference)
    if all(reference.kind == "unknown" for reference in found.values()):
        shown = " ".join(text.split())[:80]
        raise NotALink(f"This is not a Civitai link: {shown}" if shown else "")
    return list(found.values())


def _lines(text: str) -> Iterator[str]:
    """The lines to look at: of a shortcut file only its address."""
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    if "<key>" in text and (links := list(_webloc(text))):
        yield from links
    elif "[InternetShortcut]" in text:
        yield from (value.split(None, 1)[0] for name, value in map(_setting, lines) if name == "url" and value)
    else:
        yield from lines


def _webloc(text: str) -> Iterator[str]:
    """The addresses in property lists: ``<key>URL</key> <string>ADDRESS</string>``."""
    for piece in text.split("<key>")[1:]:
        name, _, rest = piece.partition("</key>")
        link, end, _ = rest.lstrip().removeprefix("<string>").partition("</string>")
        if name.strip().lower() == "url" and rest.lstrip().startswith("<string>") and end and len(link) <= _MAX_LINK:
            yield html.unescape(link).strip()


def _setting(line: str) -> tuple[str, str]:
    """``Name = value`` of a shortcut file as (name in lower case, value)."""
    name, _, value = line.partition("=")
    return name.strip().lower(), value.strip()


def _parse_line(line: str, hosts: Collection[str]) -> list[Reference]:
    """Links in a sentence count, and its other words do not; in a bare list each part that is not understood is reported."""
    known: list[Reference] = []
    strange: list[Reference] = []
    linked = False
    for part in _SEPARATORS.split(line):
        words = [word for raw in part.split() for word in _words(raw)]
        read = [(word, _link(word, hosts) or _air(word)) for word in words]
        linked = linked or any(reference for _, reference in read)
        plain = [(word, None if _looks_like_link(word) else _bare(word)) for word, reference in read if reference is None]
        prose = any(reference is None and not _LABEL.fullmatch(word) for word, reference in plain)
        bare = dict(plain)
        for word, reference in read:
            reference = reference or (None if prose else bare.get(word))
            if reference is not None:
                known.append(reference)
            elif prose and _looks_like_link(word):
                strange.append(Reference("unknown", word))
        if prose and not any(reference for _, reference in read) and not any(_looks_like_link(word) for word in words):
            strange.append(Reference("unknown", part.strip()))
    if linked:
        strange = [reference for reference in strange if _looks_like_link(reference.text)]
    return known + strange


def _words(raw: str) -> list[str]:
    """One blank-separated piece as words without quotes, brackets and punctuation around them; two links pasted together are two."""
    words = []
    for piece in _RUN_TOGETHER.sub("\n", raw).split("\n"):
        scheme = _SCHEME.search(piece)
        if scheme and "/" not in piece[: scheme.start()]:
            piece = piece[scheme.start() :]  # [name](https://..., URL=https://...
        word = piece.lstrip(_OPENING).rstrip(_CLOSING)
        if word:
            words.append(word)
    return words


def _looks_like_link(word: str) -> bool:
    return "://" in word or ("." in word and "/" in word)


def _id(text: str | None) -> int | None:
    match = _ID.match(text or "")
    number = int(match[1]) if match else 0
    return number if 0 < number <= MAX_ID else None


def _bare(word: str) -> Reference | None:
    """A model id or a hash on its own. Eight digits without a letter are an id, with one an AutoV1 hash."""
    label = _LABEL.match(word)
    value = word[label.end() :] if label and label.end() < len(word) else word
    if value.isascii() and value.isdigit() and len(value) <= 10 and (number := _id(value)):
        return Reference("model", word, model_id=number)
    return _hash(value, word)


def _hash(value: str, text: str) -> Reference | None:
    match = _HASH.fullmatch(value)
    digits = match[1].lower() if match else ""
    if not digits or not digits.strip("0") or (len(digits) == 8 and digits.isdigit()):
        return None
    return Reference("hash", text, hash=digits)


def _air(word: str) -> Reference | None:
    """``urn:air:ECOSYSTEM:TYPE:civitai:MODEL@VERSION:LAYER.FORMAT``; all but source and model may be missing."""
    match = _AIR.fullmatch(word)
    model = _id(match["model"]) if match else None
    if match is None or model is None:
        return None
    return Reference("model", word, model_id=model, version_id=_id(match["version"]), file_id=_id(match["file"]))


def _link(word: str, hosts: Collection[str]) -> Reference | None:
    if "/" not in word:
        return None
    try:
        parts = urlsplit(word if _SCHEME.match(word) else f"https://{word.lstrip('/')}")
        port = parts.port
    except ValueError:
        return None
    host = (parts.hostname or "").removeprefix("www.")
    own = f"{parts.hostname}:{port}" in hosts
    if "@" in parts.netloc or "\\" in word or not (own or (host in hosts and port in (None, 80, 443))):
        return None
    return _path(parts, word)


def _path(parts: SplitResult, text: str) -> Reference | None:
    """The ids in the path and query of a link to Civitai."""
    steps = [unquote(step) for step in parts.path.split("/") if step]
    query = {name.lower(): values[-1] for name, values in parse_qs(parts.query.replace("?", "&")).items()}
    if steps[:2] == ["api", "v1"]:
        steps = steps[2:]
    elif steps[:2] == ["api", "download"] and len(steps) > 2:
        version = _id(steps[3]) if len(steps) > 3 else None
        return Reference("version", text, version_id=version, file_id=_id(query.get("fileid"))) if steps[2] == "models" and version else None
    if steps == ["images"]:
        return _numbered("image", query.get("imageid"), text) or _numbered("post", query.get("postid"), text)
    if len(steps) < 2:
        return None
    if steps[0] == "model-versions":
        return _version_page(steps, query, text)
    if steps[0] == "models" and (model := _id(steps[1])):
        return Reference("model", text, model_id=model, version_id=_id(query.get("modelversionid")), file_id=_id(query.get("fileid")))
    kinds = {"images": "image", "gallery": "image", "posts": "post"}
    return _numbered(kinds[steps[0]], steps[1], text) if steps[0] in kinds else None


def _version_page(steps: list[str], query: dict[str, str], text: str) -> Reference | None:
    if steps[1] == "by-hash":
        return _hash(steps[2], text) if len(steps) > 2 else None
    mini = steps[1] == "mini" and len(steps) > 2
    version = _id(steps[2] if mini else steps[1])
    return Reference("version", text, version_id=version, file_id=_id(query.get("modelfileid" if mini else "fileid"))) if version else None


def _numbered(kind: str, number: str | None, text: str) -> Reference | None:
    value = _id(number)
    if value is None:
        return None
    return Reference("image", text, image_id=value) if kind == "image" else Reference("post", text, post_id=value)
