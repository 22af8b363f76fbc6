"""What is chosen in the side panel, as plain data: which version, which file, and what the page shows of them. No gradio here."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from html import escape
from typing import Any, NamedTuple

from ..civitai import images
from . import render

SCANS = {"Success": "scan: clean", "Danger": "scan: DANGER", "Error": "scan failed", "Pending": "not scanned yet", "": "not scanned"}


def _numbers(texts: list[str], model: int) -> bool:
    """Whether these are numbers. Only the model's, at this place, may be below zero: such are entries of files that are only here."""
    return all((text.removeprefix("-") if place == model else text).isdecimal() for place, text in enumerate(texts))


class Chosen(NamedTuple):
    """A model's version and file; 0 where there is none. As text ``12:34:56`` it travels through a hidden field of the page."""

    model_id: int = 0
    version_id: int = 0
    file_id: int = 0

    @classmethod
    def read(cls, text: str | None) -> Chosen:
        numbers = (text or "").split(":")
        return cls(*map(int, numbers)) if len(numbers) == 3 and _numbers(numbers, model=0) else cls()

    def __str__(self) -> str:
        return f"{self.model_id}:{self.version_id}:{self.file_id}"


class Request(NamedTuple):
    """A choice in the grid: the page's own id, a number that grows with each choice, the model, its version (0: any). As text ``p4ge:7:12:34``."""

    page: str = ""
    number: int = 0
    model_id: int = 0
    version_id: int = 0

    @classmethod
    def read(cls, text: str | None) -> Request:
        page, *numbers = (text or "").split(":")
        if not page or len(numbers) not in (2, 3) or not _numbers(numbers, model=1):
            return cls()
        return cls(page[:40], *map(int, numbers))


class Latest:
    """The newest choice of each page, so that the answer for an earlier one is never shown. Forgets pages beyond the last few hundred."""

    def __init__(self, pages: int = 500) -> None:
        self._pages: OrderedDict[str, int] = OrderedDict()
        self._limit = pages
        self._lock = threading.Lock()

    def see(self, request: Request) -> None:
        with self._lock:
            self._pages[request.page] = max(request.number, self._pages.get(request.page, 0))
            self._pages.move_to_end(request.page)
            while len(self._pages) > self._limit:
                self._pages.popitem(last=False)

    def is_late(self, request: Request) -> bool:
        with self._lock:
            return request.number < self._pages.get(request.page, 0)


def distinct(labels: list[str]) -> list[str]:
    """Labels that tell each entry apart: equal ones get a number."""
    seen: dict[str, int] = {}
    found = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        found.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return found


def version_labels(view: dict[str, Any]) -> list[str]:
    def label(version: dict[str, Any]) -> str:
        parts = [version["name"] or f"version {version['id']}", version.get("base_model") or ""]
        return " · ".join(part for part in (*parts, "early access" if version.get("early_access") else "") if part)

    return distinct([label(version) for version in view["versions"]])


def file_labels(version: dict[str, Any]) -> list[str]:
    def label(file: dict[str, Any]) -> str:
        kind = file.get("type") or "Model"
        told = file.get("label") or render.size(file.get("size"))
        scan = file.get("scan") or ""
        return " · ".join(part for part in ("" if kind == "Model" else kind, told, SCANS.get(scan, f"scan: {scan}")) if part)

    return distinct([label(file) for file in version["files"]])


def pick(entries: list[dict[str, Any]], wanted: int) -> dict[str, Any] | None:
    """The entry with this id, else the primary one, else the first."""
    for entry in entries:
        if entry["id"] == wanted:
            return entry
    return next((entry for entry in entries if entry.get("primary")), entries[0] if entries else None)


def label_of(entries: list[dict[str, Any]], labels: list[str], entry: dict[str, Any] | None) -> str | None:
    return labels[entries.index(entry)] if entry is not None else None


def by_label(entries: list[dict[str, Any]], labels: list[str], label: str | None, otherwise: int = 0) -> dict[str, Any] | None:
    return entries[labels.index(label)] if label in labels else pick(entries, otherwise)


def pictures(view: dict[str, Any], version: dict[str, Any] | None) -> list[dict[str, Any]]:
    """What the picture area steps through: addresses of the version's example pictures; the page loads one when a person asks for it."""
    found = []
    for image in (version or {}).get("images") or []:
        url = render.safe_url(image.get("url") or "")
        if url:
            level = image.get("nsfw_level")
            shown = {"url": images.sized(url, 800), "source": url, "type": image.get("type") or "image"}
            found.append({**shown, "level": level if isinstance(level, int) else 0})
    return found[:40]


def head(view: dict[str, Any], version: dict[str, Any] | None, request: str) -> str:
    """Picture area, name, creator, type and state. ``request`` lets the page see which choice this answers."""
    thumbnail = f"thumbnail/{view['id']}?v={view['thumbnail']}" if view.get("thumbnail") else ""
    level = view["own_level"] if view.get("own_level") is not None else view.get("thumbnail_level") or view.get("level") or 0
    picture = (
        render.tag("img", alt=f"Preview of {view['name']}", data_cm_src=thumbnail, data_cm_level=level).removesuffix("</img>") if thumbnail else ""
    )
    shown = escape(json.dumps(pictures(view, version)), quote=True)
    facts = [render.tag("span", view["type"], translate="no") if view.get("type") else ""]
    if view.get("creator"):
        facts.append(render.mixed("by {creator}", creator=render.tag("span", view["creator"], translate="no")))
    if version is not None and (when := render.date(version.get("published"))):
        facts.append(render.mixed("published {when}", when=when))
    there = f'<p class="cm-facts">{render.link(view["url"], "Open on Civitai ↗")}</p>' if view.get("url") else ""
    local = '<p class="cm-facts" data-cm-local="1">Only here: Civitai does not know this file.</p>' if view["id"] < 0 else ""
    gone = '<p class="cm-warning">Gone from Civitai: it was deleted or hidden there.</p>' if view.get("gone") else ""
    return (
        f'<div class="cm-head" data-cm-choice="{escape(request)}">'
        f'<div class="cm-picture" data-cm-pictures="{shown}">{picture}</div>'
        f'<h2 class="cm-title" translate="no">{escape(view["name"])}</h2><p class="cm-facts">{" · ".join(part for part in facts if part)}</p>'
        f"{there}{local}{gone}{access(version)}</div>"
    )


def access(version: dict[str, Any] | None) -> str:
    """A line about early access, when there is any."""
    deadline = (version or {}).get("early_access")
    if not deadline:
        return ""
    if day := render.deadline(deadline):
        told = render.mixed("Early access until {day}: Civitai gives this version only to those who bought it.", day=day)
    else:
        told = "Permanent early access: Civitai gives this version only to those who bought it."
    return f'<p class="cm-warning">{told}</p>'


def file_state(file: dict[str, Any] | None) -> str:
    """Where the file is here, or why it is risky; "" when there is nothing to say."""
    if file is None:
        return '<p class="cm-quiet">This version has no file to download.</p>'
    lines = [render.tag("p", f"Downloaded: {path}", class_="cm-good") for path in file.get("local") or []]
    if file.get("risk"):
        lines.append(render.tag("p", file["risk"], class_="cm-warning"))
    return "".join(lines)


def about(view: dict[str, Any], version: dict[str, Any] | None) -> str:
    """Tags and descriptions, cleaned."""
    tags = "".join(render.tag("span", name, class_="cm-tag", translate="no") for name in view.get("tags") or [])
    parts = [f'<div class="cm-tags" aria-label="Tags">{tags}</div>' if tags else ""]
    for title, text in (("About this version", (version or {}).get("description")), ("Description", view.get("description"))):
        cleaned = render.clean(text or "").strip()
        if cleaned:
            parts.append(
                f'<details class="cm-description" open><summary>{title}</summary><div class="cm-prose" translate="no">{cleaned}</div></details>'
            )
    return "".join(parts)
