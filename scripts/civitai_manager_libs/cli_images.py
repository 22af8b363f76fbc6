"""How a picture was made, from a terminal: ``python main.py infotext FILE``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .application import Application
from .errors import UsageError
from .generation.pictures import LARGEST
from .jobs.board import View

Answer = Callable[[argparse.Namespace, Any, Callable[[], None]], None]
Finish = Callable[[Application, str], View]
STATES = {"here": "here", "other_version": "other version", "civitai": "on Civitai", "unknown": "unknown"}


def add_command(command: Callable[..., argparse.ArgumentParser], finish: Finish, answer: Answer) -> None:
    """``command`` adds one; ``finish`` watches a job to its end; ``answer`` prints a JSON document, or calls what tells it to people."""
    sub = command(
        "infotext",
        lambda application, arguments: run_infotext(application, arguments, finish, answer),
        "How a picture was made, by its file or a text, and where the models are that it names.",
    )
    sub.add_argument("file", metavar="FILE", help="a PNG, JPEG, WebP or GIF file, or a text file")
    sub.add_argument("--offline", action="store_true", help="do not ask Civitai about models that are not known here")


def run_infotext(application: Application, arguments: argparse.Namespace, finish: Finish, answer: Answer) -> int:
    """0 when there are data, 1 when the file tells none."""
    data = application.images.read(_content(Path(arguments.file).expanduser()))["data"]
    found = application.images.resolve(named=data["resources"]) if data["resources"] else {"resources": []}
    if "job" in found and not arguments.offline:
        view = finish(application, found["job"])
        if view.state == "done":
            found = view.result
        else:
            print(f"Civitai was not asked: {(view.error or {}).get('message', view.state)}", file=sys.stderr)
    elif "job" in found:
        application.jobs.cancel(found["job"])
    document = {**data, "resources": found["resources"]}
    answer(arguments, document, lambda: _tell(document))
    return 0 if data["state"] == "found" else 1


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path} is larger than {LARGEST >> 20} MiB: no picture that can be read here.")
        return path.read_bytes()
    except OSError as exc:
        raise UsageError(f"{path} cannot be read ({exc.strerror}).") from exc


def _tell(document: dict[str, Any]) -> None:
    if document["state"] != "found":
        print("This file holds no generation data.")
        return
    print(document["infotext"])
    if document["resources"]:
        print()
    for one in document["resources"]:
        name = one["name"] or one["title"] or f"version {one['version_id']}"
        weight = "" if one["weight"] is None else f" {one['weight']:g}"
        state = STATES[one["state"]] + (", by its name only" if one["by"] == "name" else "")
        where = one["file"]["path"] if one["file"] else one["url"]
        print("  ".join(part for part in (f"{one['kind']:<12}", f"{name}{weight}", state, where) if part))
