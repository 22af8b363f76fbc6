"""Commands about the library on the disk; ``cli`` has the others, and the ways to tell an outcome that all share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from .application import Application
from .civitai.payloads import human_size
from .jobs.board import View

Run = Callable[[Application, argparse.Namespace], int]


class Command(Protocol):
    """Adds a command to the grammar."""

    def __call__(self, name: str, run: Run, help: str) -> argparse.ArgumentParser: ...


class Telling(NamedTuple):
    """What ``cli`` does for every command: watch a job to its end, tell how it ended (the exit status), answer with a document."""

    finish: Callable[[Application, str], View]
    outcome: Callable[[argparse.Namespace, View, Callable[[], None]], int]
    answer: Callable[[argparse.Namespace, Any, Callable[[], None]], None]


def add_commands(command: Command, telling: Telling) -> None:
    def run_scan(application: Application, arguments: argparse.Namespace) -> int:
        view = telling.finish(application, application.scan(arguments.folder))
        return telling.outcome(arguments, view, lambda: _tell_scan(view.result or {}))

    def run_verify(application: Application, arguments: argparse.Namespace) -> int:
        view = telling.finish(application, application.verify(query=" ".join(arguments.query)))
        status = telling.outcome(arguments, view, lambda: _tell_verified(view.result or {}))
        return status or int(bool((view.result or {}).get("problems")))

    def run_duplicates(application: Application, arguments: argparse.Namespace) -> int:
        groups = application.duplicates()
        telling.answer(arguments, groups, lambda: _tell_duplicates(groups))
        return 0

    sub = command("scan", run_scan, "Find out what is on the disk: all model folders, or some.")
    sub.add_argument("folder", nargs="*", metavar="FOLDER")
    sub = command("verify", run_verify, "Read files whole and compare them with their hashes: of all models, or of those that a query finds.")
    sub.add_argument("query", nargs="*", metavar="QUERY")
    command("duplicates", run_duplicates, "Files that are on the disk more than once.")


def _tell_scan(result: dict[str, Any]) -> None:
    if not result:
        return
    print(f"{result['files']} files: {result['identified']} identified, {result['unknown']} not on Civitai or not asked about yet")
    print(", ".join(f"{result[what]} {what}" for what in ("new", "moved", "missing", "truncated", "requests")))
    for part in result["parts"]:
        whose = "can be resumed: download it again" if part["resumable"] else "of another program"
        print(f"unfinished  {part['path']}  {human_size(part['size'])}, {whose}")
    for note in result["notes"]:
        print(f"note: {note}", file=sys.stderr)


def _tell_verified(result: dict[str, Any]) -> None:
    if not result:
        return
    for one in result["problems"]:
        print(f"{one['outcome']:<10}  {one['path']}\n            {one['reason']}")
    print(f"{result['verified']} of {result['files']} files verified", file=sys.stderr)


def _tell_duplicates(groups: list[dict[str, Any]]) -> None:
    for group in groups:
        print(f"{len(group['paths'])} times {human_size(group['size'])}, {group['sha256'][:12]}")
        for path in group["paths"]:
            print(f"    {path}")
    wasted = sum(group["size"] * (len(group["paths"]) - 1) for group in groups)
    print(f"{len(groups)} files are there more than once; the copies take {human_size(wasted)}", file=sys.stderr)
