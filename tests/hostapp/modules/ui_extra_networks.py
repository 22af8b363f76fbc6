"""The cards of the host's extra networks: one page a kind, filled when the browser asks for it, each card as the host writes it."""

from __future__ import annotations

import functools
import html
import json
import os
from collections.abc import Iterator
from typing import Any

import gradio as gr

from modules import sd_models

extra_pages: list[ExtraNetworksPage] = []
CARD = """<div class="card" onclick="{onclick}" data-name="{name}" data-sort-name="{name}">
    <div class="button-row"><div class="copy-path-button card-button" title="Copy path to clipboard" data-clipboard-text="{path}"></div></div>
    <div class="actions"><div class="additional"><span class="hidden search_terms">{path}</span></div>
        <span class="name">{name}</span><span class="description">{description}</span></div></div>"""
PANE = """<div id="{tab}_{page}_pane" class="extra-network-pane"><div id="{tab}_{page}_controls" class="extra-network-control"></div>
    <div class="extra-network-pane-content-dirs"><div id="{tab}_{page}_cards" class="extra-network-cards">{cards}</div></div></div>"""


def quote_js(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class ExtraNetworksPage:
    def __init__(self, title: str) -> None:
        self.title, self.name = title, title.lower()
        self.extra_networks_tabname = title.replace(" ", "_").lower()

    def items(self) -> Iterator[dict[str, Any]]:
        raise NotImplementedError

    def user_metadata(self, filename: str) -> dict[str, Any]:
        """What the ``.json`` beside the file says."""
        try:
            with open(os.path.splitext(filename)[0] + ".json", encoding="utf8") as file:
                found = json.load(file)
                return found if isinstance(found, dict) else {}
        except (OSError, ValueError):
            return {}

    def create_html(self, tabname: str) -> str:
        def card(item: dict[str, Any]) -> str:
            told = str(self.user_metadata(item["filename"]).get("description") or "")
            return CARD.format(onclick=item["onclick"].replace("TABNAME", tabname), name=html.escape(item["name"]),
                               path=html.escape(item["filename"]), description=html.escape(told))  # fmt: skip

        return PANE.format(tab=tabname, page=self.extra_networks_tabname, cards="".join(card(item) for item in self.items()))


class CheckpointsPage(ExtraNetworksPage):
    def __init__(self) -> None:
        super().__init__("Checkpoints")

    def items(self) -> Iterator[dict[str, Any]]:
        for info in sd_models.checkpoints_list.values():
            onclick = html.escape(f"return selectCheckpoint({quote_js(info.title)})")
            yield {"name": info.name_for_extra, "filename": info.filename, "onclick": onclick}


def register_page(page: ExtraNetworksPage) -> None:
    extra_pages.append(page)


def initialize() -> None:
    """Before the extensions add theirs."""
    extra_pages.clear()
    register_page(CheckpointsPage())


def create_tabs(tabname: str) -> None:
    """The tabs beside "Generation". The host fills them when a page is loaded; here they are filled when the page is built, and by "Refresh"."""
    for page in extra_pages:
        with gr.Tab(page.title, elem_id=f"{tabname}_{page.extra_networks_tabname}", elem_classes=["extra-page"]):
            refresh = gr.Button("Refresh", elem_id=f"{tabname}_{page.extra_networks_tabname}_extra_refresh_internal", size="sm")
            place = gr.HTML(page.create_html(tabname), elem_id=f"{tabname}_{page.extra_networks_tabname}_cards_html")
            refresh.click(functools.partial(page.create_html, tabname), inputs=[], outputs=[place])
