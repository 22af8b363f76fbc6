"""The same actions from a terminal: ``python main.py COMMAND``.

With ``--json`` one JSON document goes to standard output and nothing else; progress goes to standard error when that is a terminal.
Exit status: 0 all well, 1 some item failed, 2 wrong usage, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from tqdm import tqdm

from . import cli_discover, cli_images, cli_library, cli_recipes
from .actions import register, views
from .application import Application
from .catalog.models import Wanted
from .civitai.payloads import human_size
from .errors import CivitaiManagerError, NotALink, NotFound, UsageError, explain
from .jobs.board import View
from .jobs.engine import Engine
from .reporter import Plain

OK, FAILED, USAGE = 0, 1, 2
INTERRUPTED = 130  # by Ctrl-C, as shells have it


class _Paused(KeyboardInterrupt):
    """Ctrl-C while a job was watched; the job is paused."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view


DEFAULTS = {"json": False, "data_dir": None, "models_dir": None, "civitai_url": None, "verbose": False}


def common() -> argparse.ArgumentParser:
    """The global options, for ``parents``; what is not given is in ``DEFAULTS``."""
    shared = argparse.ArgumentParser(add_help=False)
    group = shared.add_argument_group("for every command")
    for names, options in (
        (("--json",), {"action": "store_true", "help": "one JSON document on standard output, nothing else there"}),
        (("--data-dir",), {"type": Path, "metavar": "DIR", "help": "the folder for the library, thumbnails and settings"}),
        (("--models-dir",), {"type": Path, "metavar": "DIR", "help": "a WebUI's folder: files land in its models/Lora and so on"}),
        (("--civitai-url",), {"metavar": "URL", "help": "Civitai's address"}),
        (("--verbose",), {"action": "store_true", "help": "log more"}),
    ):
        group.add_argument(*names, default=argparse.SUPPRESS, **options)  # type: ignore[arg-type]
    return shared


def parser() -> argparse.ArgumentParser:
    """The command line's grammar. Global options may stand before or after the command."""
    options = common()
    top = argparse.ArgumentParser(prog="main.py", parents=[options], allow_abbrev=False)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Application, argparse.Namespace], Any], help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, parents=[options], help=help, description=help, allow_abbrev=False)
        sub.set_defaults(run=run)
        return sub

    sub = command("register", run_register, "Remember models by link, id or hash, without downloading them.")
    sub.add_argument("link", nargs="+", metavar="LINK")
    sub = command("download", run_download, "Fetch one file of a model, verify it, and put it into the right folder.")
    sub.add_argument("link", metavar="LINK")
    sub.add_argument("--version", type=int, metavar="ID", help="another version than the link's or the newest")
    sub.add_argument("--file", type=int, metavar="ID", help="another file than the version's primary one")
    sub.add_argument("--to", metavar="FOLDER", help="another folder than the one for its type")
    sub.add_argument("--yes", action="store_true", help="also a pickle file, or one whose scan says Danger")
    sub = command("list", run_list, "What is in the library.")
    sub.add_argument("query", nargs="*", metavar="QUERY")
    sub = command("show", run_show, "One model with its versions and files; of Civitai's when it is not registered.")
    sub.add_argument("link", metavar="LINK")
    command("jobs", run_jobs, "What runs, waits, and has failed, in every program that uses this library.")
    sub = command("resume", run_resume, "Go on with one job, or with all that are paused, interrupted or failed.")
    sub.add_argument("id", nargs="?", metavar="ID")
    sub = command("cancel", run_cancel, "Stop a job and remove what it left half-done.")
    sub.add_argument("id", metavar="ID")
    cli_discover.add_command(command, _answer)
    cli_images.add_command(command, _finish, _answer)
    telling = cli_library.Telling(_finish, _outcome, _answer)
    cli_library.add_commands(command, telling)
    cli_recipes.add_commands(command, telling)
    return top


def main(argv: list[str], make: Callable[[argparse.Namespace], Application]) -> int:
    """Run one command; the exit status. ``make`` gives an Application for the global options. argparse ends wrong usage with status 2."""
    if sys.stderr is None:  # closed by who started us: ``print`` would take standard output instead
        _say_no_more()
    _speak_unicode()
    arguments = parser().parse_args(argv, argparse.Namespace(**DEFAULTS))
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.ERROR, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    application: Application | None = None
    try:
        application = make(arguments)
        application.start(serving=False)
        for notice in application.notices:
            _say(notice)
        return int(arguments.run(application, arguments))
    except CivitaiManagerError as exc:
        _answer(arguments, {"error": explain(exc)}, lambda: None)
        _say(str(exc))
        return USAGE if isinstance(exc, UsageError) else FAILED
    except BrokenPipeError:
        return FAILED
    except KeyboardInterrupt as stop:
        if isinstance(stop, _Paused):
            _answer(arguments, msgspec.to_builtins(stop.view), lambda: None)
        return INTERRUPTED
    finally:
        if application is not None:
            application.close()


def _speak_unicode() -> None:
    """Names in any script go out: redirected output on Windows would be cp1252, which has no word for most of them. What UTF-8 lacks is escaped."""
    for stream, options in ((sys.stdout, {"encoding": "utf-8", "errors": "backslashreplace"}), (sys.stderr, {"errors": "backslashreplace"})):
        if reconfigure := getattr(stream, "reconfigure", None):  # not when something else stands in for it
            reconfigure(**options)


# -- commands


def run_register(application: Application, arguments: argparse.Namespace) -> int:
    view = _finish(application, application.register("\n".join(arguments.link)))
    outcome = view.result or {"registered": (view.error or {}).get("registered", [])}
    failed = (view.error or {}).get("failed", [])

    def tell() -> None:
        for one in outcome["registered"]:
            print(f"{'registered' if one['new'] else 'refreshed '}  {one['model_id']:>9}  {one['name']}")
        for one in failed:
            _say(f"failed      {one['text']}: {one['message']} {one['next_step']}")

    return _outcome(arguments, view, tell, quiet=bool(failed))


def run_download(application: Application, arguments: argparse.Namespace) -> int:
    folder = str(Path(arguments.to).expanduser().absolute()) if arguments.to else None
    job = application.download_link(arguments.link, version_id=arguments.version, file_id=arguments.file, folder=folder, confirmed=arguments.yes)
    view = _finish(application, job)
    if view.error and view.error["code"] == "needs_confirmation":
        view.error["next_step"] = "Add --yes if you trust its creator."
    return _outcome(arguments, view, lambda: _tell_download(view))


def _tell_download(view: View) -> None:
    result = view.result or {}
    if "path" not in result:
        return
    checked = "verified" if result["verified"] else "not verified"
    print(f"{result['path']}  {human_size(result['size'])}, {'already here, ' if result['already_here'] else ''}{checked}")
    for note in result["notes"]:
        _say(f"note: {note}")


def run_list(application: Application, arguments: argparse.Namespace) -> int:
    query = " ".join(arguments.query)
    items: list[dict[str, Any]] = []
    while True:
        page = application.cards(Wanted(query=query, sort="name"), offset=len(items), limit=1000)
        items += page["items"]
        if len(items) >= page["total"] or not page["items"]:
            break

    def tell() -> None:
        for card in items:
            print(f"{card['id']:>9}  {card['state']:<10}  {card['type']:<18}  {card['base_model']:<14}  {card['name']}")
        _say(cli_library.counted(len(items), "model"))

    _answer(arguments, items, tell)
    return OK


def run_show(application: Application, arguments: argparse.Namespace) -> int:
    services = application.services
    found = register.parse(services, arguments.link)
    if len(found) != 1:
        raise NotALink("One link at a time, please.")
    model_id, version_id = register.resolve(services, found[0], Plain())
    view = views.model_view(services, model_id) or views.seen(services, services.client.model(model_id).value)
    if version_id:
        view["versions"] = [version for version in view["versions"] if version["id"] == version_id]
        if not view["versions"]:
            raise NotFound(f"{view['name']} has no version {version_id}.")

    def tell() -> None:
        print(f"{view['name']}  ({view['type']}, {view['creator'] or 'unknown creator'})\n{view['url']}")
        print(f"registered {view['registered'][:10]}" if view["registered"] else "not registered")
        for version in view["versions"]:
            gate = f", early access: {version['early_access'][:10]}" if version["early_access"] else ""
            print(f"\n{version['id']:>9}  {version['name']}  ({version['base_model'] or 'unknown base model'}{gate})")
            if version["trained_words"]:
                print(f"           trigger words: {', '.join(version['trained_words'])}")
            for file in version["files"]:
                print(f"  {file['id']:>9}  {'*' if file['primary'] else ' '} {file['name']}  {file['type']}, {file['label']}, scan: {file['scan']}")
                for path in file["local"]:
                    print(f"               here: {path}")

    _answer(arguments, view, tell)
    return OK


def run_jobs(application: Application, arguments: argparse.Namespace) -> int:
    jobs = application.jobs.changes()["jobs"]

    def tell() -> None:
        for job in jobs:
            counted = f"{job['done']}/{job['total']}" if job["total"] else ""
            share = f"{100 * job['bytes_done'] // job['bytes_total']:>3} %" if job["bytes_total"] else counted
            when = datetime.datetime.fromtimestamp(job["created"]).strftime("%Y-%m-%d %H:%M")
            print(f"{job['id']}  {when}  {job['state']:<9}  {share:>7}  {job['title']}")
            if job["error"]:
                print(f"{'':14}{job['error']['message']} {job['error']['next_step']}")

    _answer(arguments, jobs, tell)
    return OK


def run_resume(application: Application, arguments: argparse.Namespace) -> int:
    jobs = application.jobs
    if arguments.id:
        jobs.resume(arguments.id)
        ids, well = [arguments.id], True
    else:
        ids, well = _resume_all(jobs)
    try:
        done = [_finish(application, job_id, ids) for job_id in ids]
    except KeyboardInterrupt:  # all are being paused: let them come to rest, or nobody would own them
        for job_id in ids:
            jobs.wait(job_id, 35)
        raise

    def tell() -> None:
        for view in done:
            print(f"{view.id}  {view.state:<9}  {view.title}{_reason(view)}")
        if not done:
            _say("nothing to resume")

    _answer(arguments, [msgspec.to_builtins(view) for view in done], tell)
    return OK if well and all(view.state == "done" for view in done) else FAILED


def _resume_all(jobs: Engine) -> tuple[list[str], bool]:
    """Resume what can be, of equal jobs only the newest; the ids, and whether nothing went wrong. What is left out is told on standard error."""
    newest: dict[str, dict[str, Any]] = {}
    older: list[tuple[str, dict[str, Any]]] = []
    for job in sorted(jobs.changes()["jobs"], key=lambda job: job["created"], reverse=True):
        key = jobs.key(job["id"])
        if newest.setdefault(key, job) is not job:
            older.append((key, job))
    for key, job in older:
        if _resumable(job) and newest[key]["state"] != "done":
            _say(f"{job['id']}  skipped    {job['title']}: the same was asked for again later, as job {newest[key]['id']}.")
    ids, well = [], True
    for job in filter(_resumable, newest.values()):
        try:
            jobs.resume(job["id"])
            ids.append(job["id"])
        except CivitaiManagerError as exc:
            well = well and isinstance(exc, UsageError)  # else another program went on with it meanwhile
            _say(f"{job['id']}  skipped    {job['title']}: {exc}")
    return ids[::-1], well


def _resumable(job: dict[str, Any]) -> bool:
    return job["state"] in ("paused", "failed") or (job["state"] == "queued" and not job["elsewhere"])


def run_cancel(application: Application, arguments: argparse.Namespace) -> int:
    application.jobs.cancel(arguments.id)
    view = application.jobs.wait(arguments.id, 60)
    _answer(arguments, msgspec.to_builtins(view), lambda: print(f"{view.id}  {view.state}  {view.title}"))
    return OK if view.state == "cancelled" else FAILED


# -- telling


def _say(words: str) -> None:
    """To the person, on standard error. When nobody can be told there any more, the work and the answer on standard output go on."""
    try:
        print(words, file=sys.stderr)
    except (OSError, ValueError):
        _say_no_more()


def _say_no_more() -> None:
    sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open as long as the program runs


class _Bar:
    """A view as a line on the terminal; nothing where standard error is none. A terminal that goes away costs the line, not the work."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._try(self._open)

    def _open(self) -> None:
        self._bar = tqdm(disable=None, file=sys.stderr, leave=False, dynamic_ncols=True, mininterval=0.1)

    def show(self, view: View) -> None:
        """As it is now; called again and again, so that the time goes on while nothing else changes."""
        self._try(lambda: self._draw(view))

    def close(self) -> None:
        self._try(lambda: self._bar.close())

    def _draw(self, view: View) -> None:
        bar = self._bar
        in_bytes = bool(view.bytes_total)
        bar.unit, bar.unit_scale = ("B", True) if in_bytes else ("", False)
        bar.total, bar.n = (view.bytes_total, view.bytes_done) if in_bytes else (view.total, view.done)
        bar.set_description_str(view.title, refresh=False)
        bar.set_postfix_str(view.text, refresh=False)
        bar.refresh()

    def _try(self, action: Callable[[], None]) -> None:
        if self._bar is not None and self._bar.disable:
            return
        try:
            action()
        except (OSError, ValueError):
            self._bar = tqdm(disable=True)


def _finish(application: Application, job_id: str, together: Sequence[str] = ()) -> View:
    """Watch a job to its end, with a bar on a terminal. Ctrl-C pauses it, and those started ``together`` with it, so that nothing is lost."""
    jobs = application.jobs
    bar = _Bar()
    try:
        while True:
            view = jobs.wait(job_id, 0.2)
            bar.show(view)
            if view.state in ("done", "failed", "cancelled", "paused"):
                return view
    except KeyboardInterrupt:
        for one in (job_id, *together):  # all at once: while one is waited for, another would go on
            with contextlib.suppress(UsageError):  # it has just ended, or is paused already
                jobs.pause(one)
        view = jobs.wait(job_id, 35)
        bar.close()
        if view.state != "paused":
            return view
        _say(f"\nPaused. Go on with: python main.py resume {job_id}")
        raise _Paused(view) from None
    finally:
        bar.close()


def _outcome(arguments: argparse.Namespace, view: View, tell: Callable[[], None], *, quiet: bool = False) -> int:
    """Tell how a job ended; its exit status."""
    _answer(arguments, msgspec.to_builtins(view), tell)
    if view.state == "done":
        return OK
    if not quiet:
        _say(f"{view.title}: {view.state}{_reason(view)}")
    return FAILED


def _reason(view: View) -> str:
    return f": {view.error['message']} {view.error['next_step']}" if view.error else ""


def _answer(arguments: argparse.Namespace, document: Any, tell: Callable[[], None]) -> None:
    if arguments.json:
        print(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        tell()
