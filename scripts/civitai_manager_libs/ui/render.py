"""Text and HTML for the page: third-party HTML cleaned, everything else escaped, sizes and dates as people write them."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from html import escape
from typing import Any
from urllib.parse import urlsplit

import nh3

from ..civitai.payloads import human_size

TAGS = {
    "a", "abbr", "b", "blockquote", "br", "code", "del", "dd", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "ins", "kbd",
    "li", "ol", "p", "pre", "q", "s", "small", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
DROPPED_WITH_CONTENT = {
    "script", "style", "template", "noscript", "iframe", "object", "embed", "form", "svg", "math", "title", "textarea", "select", "video", "audio",
}  # fmt: skip

MONTHS = (  # the calendar module's are those of the host's locale
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def clean(text: str, *, limit: int = 200_000) -> str:
    """A stranger's HTML without anything that runs, loads, frames, submits or styles. Links open elsewhere and tell nothing about us."""
    return nh3.clean(
        text[:limit],
        tags=TAGS,
        clean_content_tags=DROPPED_WITH_CONTENT,
        attributes={"a": {"href", "title"}, "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}},
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        strip_comments=True,
    )


def safe_url(url: str) -> str:
    """A web address that may stand in a page's link or picture, else ""."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


def size(count: float | None) -> str:
    """Bytes for people: ``2.1 GB``. Unknown is said so."""
    return "size unknown" if count is None else human_size(int(count))


def moment(text: str | None) -> datetime.datetime | None:
    """An ISO 8601 time, aware; None when there is none or it makes no sense."""
    if not text:
        return None
    try:
        found = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=datetime.timezone.utc)


def ago(text: str | None, now: datetime.datetime | None = None) -> str:
    """A relative date: "today", "3 days ago", "2 years ago", "in 5 days"."""
    when = moment(text)
    if when is None:
        return ""
    seconds = ((now or datetime.datetime.now(datetime.timezone.utc)) - when).total_seconds()
    ahead, days = seconds < 0, int(abs(seconds) // 86400)
    if days == 0:
        return "today"
    for unit, length in (("year", 365), ("month", 30), ("day", 1)):
        if days >= length:
            number = days // length
            words = f"{number} {unit}{'' if number == 1 else 's'}"
            return f"in {words}" if ahead else f"{words} ago"
    return "today"


def date(text: str | None) -> str:
    """The relative date with the full one on hover, as HTML."""
    when = moment(text)
    return f'<time datetime="{escape(when.isoformat())}" title="{when:%Y-%m-%d %H:%M %Z}">{ago(text)}</time>' if when else ""


def deadline(text: str | None, now: datetime.datetime | None = None) -> str:
    """A day to wait for, as HTML: "3 December 2026 (in 11 days)"."""
    when = moment(text)
    if when is None:
        return ""
    shown = f"{when.day} {MONTHS[when.month - 1]} {when.year} ({ago(text, now)})"
    return f'<time datetime="{escape(when.isoformat())}" title="{when:%Y-%m-%d %H:%M %Z}" data-cm-day>{shown}</time>'


def mixed(template: str, **parts: str) -> str:
    """A text with HTML in its places: ``mixed("published {when}", when=date(...))``. The page puts the parts where another language has them."""
    filled = escape(template)
    for name, html in parts.items():
        filled = filled.replace(f"{{{name}}}", html)
    return f'<span data-cm-mixed="{escape(template)}">{filled}</span>'


def tag(name: str, text: str = "", **attributes: Any) -> str:
    """One element, its text and attributes escaped: ``tag("span", "a<b", class_="x", data_id=3)``. Empty attribute values are left out."""
    pairs = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for key, value in attributes.items() if value not in (None, ""))
    return f"<{name}{pairs}>{escape(text)}</{name}>"


def link(url: str, text: str, **attributes: Any) -> str:
    """A link to another site, or only its text when the address is none."""
    url = safe_url(url)
    return tag("a", text, href=url, target="_blank", rel="noopener noreferrer", **attributes) if url else escape(text)


def _chip(word: str) -> str:
    return f'<button class="cm-chip" type="button" title="Copy" data-cm-copy="{escape(word)}">{tag("span", word, translate="no")}</button>'


def chips(words: Iterable[str]) -> str:
    """Trigger words: each a button that the page's script copies from."""
    found = [word.strip() for word in words if word and word.strip()]
    if not found:
        return '<p class="cm-quiet">This version names no trigger words.</p>'
    buttons = "".join(_chip(word) for word in found)
    everything = tag("button", "Copy all", class_="cm-chip cm-chip-all", type="button", data_cm_copy=", ".join(found)) if len(found) > 1 else ""
    return f'<div class="cm-chips">{buttons}{everything}</div>'


def job(job_id: str, text: str) -> str:
    """A line that the page's script keeps true while the job runs."""
    return f'<p class="cm-line" role="status">{tag("span", text, data_cm_job=job_id)}</p>'


def notices(sentences: Iterable[str]) -> str:
    """The application's notices, each with a button that puts it away (by the page's script)."""
    return "".join(
        f'<div class="cm-notice" role="status" data-cm-notice="{escape(text)}">{tag("span", text)}'
        '<button type="button" class="cm-icon" data-cm-dismiss aria-label="Dismiss this notice">×</button></div>'
        for text in sentences
    )
