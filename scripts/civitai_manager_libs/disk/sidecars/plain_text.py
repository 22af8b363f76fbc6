"""Plain text of Civitai's HTML descriptions, for the WebUI's cards and notes that show text only."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6",
    "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "tr", "ul",
})  # fmt: skip
_SILENT = frozenset({"script", "style", "template", "noscript", "iframe", "object", "title"})
_TAG = re.compile(r"<[^>]*>")


class _Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent.append(tag)
        elif tag in _BLOCKS:
            self.parts.append("\n- " if tag == "li" else "\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent:
            del self._silent[self._silent.index(tag) :]
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(re.sub(r"\s+", " ", data))


def text_of(html: str | None) -> str:
    """The words of ``html``: a line for each block, ``- `` before list items, no tags, scripts or entities. Never raises."""
    if not html:
        return ""
    collector = _Collector()
    try:
        collector.feed(html)
        collector.close()
        text = "".join(collector.parts)
    except (AssertionError, ValueError):  # html.parser on malformed declarations such as "<![x"
        text = _TAG.sub(" ", html)
    lines = [re.sub(r"[ \xa0\u200b]+", " ", line).strip() for line in text.split("\n")]
    return "\n".join(line for line in lines if line and line != "-")
