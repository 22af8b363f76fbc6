"""Plain text of Civitai's HTML descriptions, for the WebUI's cards and notes that show text only."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import nh3

_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6",
    "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "tr", "ul",
})  # fmt: skip
# Characters of HTML that are looked at: parsing takes time by the square of the nesting, about a second for the worst of this length.
LIMIT = 80_000
# Elements whose content is no text for people.
_SILENT = frozenset({"script", "style", "template", "noscript", "iframe", "object", "title"})


class _Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts.append("\n- " if tag == "li" else "\n")

    def handle_endtag(self, tag: str) -> None:
        self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        self.parts.append(re.sub(r"\s+", " ", data))


def text_of(html: str | None) -> str:
    """The words of ``html``: a line for each block, ``- `` before list items, no tags, scripts or entities.

    Only ``LIMIT`` characters are looked at. Never raises.
    """
    if not html:
        return ""
    # First made well-formed with nothing left but blocks: html.parser alone takes seconds for a few kilobytes of hostile HTML ("<!--<!--...").
    cut = html[:LIMIT].encode("utf-8", "replace").decode()
    blocks = nh3.clean(cut, tags=set(_BLOCKS), clean_content_tags=set(_SILENT), attributes={})
    collector = _Collector()
    collector.feed(blocks)
    collector.close()
    lines = [re.sub(r"[ \xa0\u200b]+", " ", line).strip() for line in "".join(collector.parts).split("\n")]
    # An item whose text is in a paragraph of its own: the dash joins the line after it.
    return "\n".join(line for line in lines if line).replace("\n-\n", "\n- ").removesuffix("\n-")
