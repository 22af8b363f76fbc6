"""Commands about recipes; ``cli`` has the ways to tell an outcome that all share."""

from __future__ import annotations

import argparse
import datetime
import sys
from pathlib import Path
from typing import Any

from .application import Application
from .catalog.recipe_search import STATES, Wanted
from .cli_library import Command, Telling, counted
from .errors import CivitaiManagerError, UsageError, explain

AT_A_TIME = 1000


def add_commands(command: Command, telling: Telling) -> None:
    def run_recipes(application: Application, arguments: argparse.Namespace) -> int:
        wanted = Wanted(query=" ".join(arguments.query), sort=arguments.sort)
        cards: list[dict[str, Any]] = []
        while True:
            page = application.recipes.cards(wanted, offset=len(cards), limit=AT_A_TIME)
            cards += page["items"]
            if len(cards) >= page["total"] or not page["items"]:
                break
        telling.answer(arguments, cards, lambda: _tell_cards(cards))
        return 0

    def run_recipe(application: Application, arguments: argparse.Namespace) -> int:
        return {"show": show, "export": export, "import": take}[arguments.action](application, arguments)

    def show(application: Application, arguments: argparse.Namespace) -> int:
        views = [application.recipes.view(_number(one)) for one in arguments.what]
        telling.answer(arguments, views if len(views) > 1 else views[0], lambda: _tell(views))
        return 0

    def export(application: Application, arguments: argparse.Namespace) -> int:
        folder = Path(arguments.to).expanduser().absolute()
        paths = [str(application.recipes.save(_number(one), folder, plain=arguments.plain)) for one in arguments.what]
        telling.answer(arguments, {"paths": paths}, lambda: print("\n".join(paths)))
        return 0

    def take(application: Application, arguments: argparse.Namespace) -> int:
        """Each file by itself: one that cannot be used costs only itself."""
        taken: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for one in arguments.what:
            try:
                told = application.recipes.load(Path(one).expanduser().absolute())
                taken += [{"path": one, **recipe} for recipe in told["recipes"]]
            except CivitaiManagerError as exc:
                failed.append({"path": one, **explain(exc)})
        telling.answer(arguments, {"recipes": taken, "failed": failed}, lambda: _tell_taken(taken, failed))
        return int(bool(failed))

    sub = command("recipes", run_recipes, "Recipes that were kept: all, or what a query finds (words, #tag, model:, collection:, is:).")
    sub.add_argument("query", nargs="*", metavar="QUERY", help=f"is: takes one of: {', '.join(STATES)}")
    sub.add_argument("--sort", choices=["changed", "created", "name", "used"], default="changed", help="the order (changed)")
    sub = command("recipe", run_recipe, "Show recipes, write each as one file (a picture with the recipe in it), or take recipes over from files.")
    sub.add_argument("action", choices=["show", "export", "import"])
    sub.add_argument("what", nargs="+", metavar="ID|FILE", help="numbers, as recipes tells them; for import: pictures, recipe files, texts")
    sub.add_argument("--to", metavar="FOLDER", default=".", help="export: where the files go (here)")
    sub.add_argument("--plain", action="store_true", help="export: a document without the picture")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise UsageError(f"{text} is no number of a recipe.", next_step="recipes lists them with their numbers.")
    return int(text)


def _tell_cards(cards: list[dict[str, Any]]) -> None:
    for card in cards:
        marks = [card["collection"], "favourite" if card["favourite"] else "", "picture" if card["picture"] else ""]
        marks.append(f"{card['missing']} of {card['models']} models missing" if card["missing"] else "")
        told = ", ".join(mark for mark in marks if mark)
        print(f"{card['id']:>7}  {card['name']}{f' ({told})' if told else ''}")
    print(counted(len(cards), "recipe"), file=sys.stderr)


def _tell(views: list[dict[str, Any]]) -> None:
    for view in views:
        _tell_one(view)


def _tell_one(view: dict[str, Any]) -> None:
    print(f"{view['id']}  {view['name']}{' (in the trash)' if view['deleted'] else ''}")
    for name in ("collection", "note"):
        if view[name]:
            print(f"{name}: {view[name]}")
    if view["tags"]:
        print(f"tags: {', '.join(view['tags'])}")
    for one in view["models"]:
        weight = "" if one["weight"] is None else f" {one['weight']:g}"
        print(f"{one['kind']}: {one['name'] or one['version_id'] or one['hash']}{weight}{'' if one['here'] else '  (not here)'}")
    when = datetime.datetime.fromtimestamp(view["changed"]).strftime("%Y-%m-%d %H:%M")
    print(f"changed: {when}, {len(view['history'])} earlier states\n\n{view['infotext']}\n")


def _tell_taken(taken: list[dict[str, Any]], failed: list[dict[str, Any]]) -> None:
    for one in taken:
        print(f"{one['id']:>7}  {one['what']:<6}  {one['name']}")
        for conflict in one["conflicts"]:
            print(f"conflict    {one['name']}, {conflict['field']}: {conflict['ours']!r} was kept, theirs is {conflict['theirs']!r}", file=sys.stderr)
    for one in failed:
        print(f"failed      {one['message']} {one['next_step']}".rstrip(), file=sys.stderr)
