"""Search Civitai from a terminal: ``python main.py search WORDS``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from .actions.discover import cards
from .application import Application
from .civitai import searching
from .civitai.payloads import human_size
from .civitai.searching import Search

MOST = 1_000


def add_command(command: Callable[..., argparse.ArgumentParser], answer: Callable[[argparse.Namespace, Any, Callable[[], None]], None]) -> None:
    """``command`` adds one; ``answer`` prints a JSON document, or calls what tells it to people."""
    sub = command("search", lambda application, arguments: run_search(application, arguments, answer), "Search Civitai; nothing is registered.")
    sub.add_argument("words", nargs="*", metavar="WORDS", help="words, or a link, an id or a hash")
    sub.add_argument("--type", action="append", default=[], metavar="TYPE", help="such as LORA or Checkpoint; may be repeated")
    sub.add_argument("--base", action="append", default=[], metavar="NAME", help='a base model, such as "SDXL 1.0"; may be repeated')
    sub.add_argument("--creator", default="", metavar="NAME")
    sub.add_argument("--tag", default="", metavar="TAG")
    sub.add_argument("--sort", choices=searching.SORTS, default=searching.SORTS[0], help="the order, when there are no words")
    sub.add_argument("--period", choices=tuple(searching.PERIODS), default="AllTime")
    sub.add_argument("--safe", action="store_true", help="only what is for all ages")
    sub.add_argument("--free", action="store_true", help="not what is only in early access")
    sub.add_argument("--favourites", action="store_true", help="only those of the account whose key is set")
    sub.add_argument("--limit", type=int, default=30, metavar="N", help=f"at most so many (30; {MOST:,} at most)")


def run_search(application: Application, arguments: argparse.Namespace, answer: Callable[[argparse.Namespace, Any, Callable[[], None]], None]) -> int:
    search = Search(
        text=" ".join(arguments.words), creator=arguments.creator, tag=arguments.tag, types=tuple(arguments.type), bases=tuple(arguments.base),
        sort=arguments.sort, period=arguments.period, mature=not arguments.safe, early=not arguments.free, mine=arguments.favourites,
    )  # fmt: skip
    found = [cards.card(model) for model, _ in application.discover.search(search, max(1, min(MOST, arguments.limit)))]
    marks = application.discover.marks([one["id"] for one in found])
    items = [{**one, "mark": marks[str(one["id"])]} for one in found]

    def tell() -> None:
        for one in items:
            print("  ".join(part for part in (f"{one['id']:>9}", f"{state(one):<13}", line(one)) if part))
        if not items:
            print("Civitai lists nothing that matches.")

    answer(arguments, {"items": items}, tell)
    return 0


def line(one: dict[str, Any]) -> str:
    parts = [one["name"], one["type"], one["base"], f"by {one['creator']}" if one["creator"] else "", human_size(one["size"]) if one["size"] else ""]
    return " · ".join(part for part in parts if part)


def state(one: dict[str, Any]) -> str:
    mark = one["mark"]
    if mark is None:
        return "early access" if one["early"] and not one["free"] else ""
    if one["version_id"] in mark["here"]:
        return "downloaded"
    return ("update" if mark["newer"] == 1 else "other version") if mark["here"] else "registered"
