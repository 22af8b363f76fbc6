"""Commands about the library on the disk; ``cli`` has the others, and the ways to tell an outcome that all share."""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from .actions.interchange import importing
from .application import Application
from .catalog.models import Wanted
from .civitai.payloads import human_size
from .errors import NotFound
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

    def run_updates(application: Application, arguments: argparse.Namespace) -> int:
        query = " ".join(arguments.query)
        checked = telling.finish(application, application.check_updates(query=query))
        if checked.state != "done":
            return telling.outcome(arguments, checked, lambda: None)
        listed = _all_updates(application, query)
        document: dict[str, Any] = {"check": checked.result, "updates": listed}
        status = 0
        if arguments.apply:
            document["applied"] = applied = apply(application, [one["model_id"] for one in listed if one["newest"]], arguments.yes)
            status = int(any(one["state"] != "done" for one in applied["downloads"]) or bool(applied["skipped"]))
        telling.answer(arguments, document, lambda: _tell_updates(document))
        return status or int(bool((checked.result or {}).get("failed")))

    def apply(application: Application, ids: list[int], confirmed: bool) -> dict[str, Any]:
        """Update these models and wait until all is done, the old files' way to the trash too."""
        if not ids:
            return {"downloads": [], "skipped": []}
        begun = telling.finish(application, application.update(ids, confirmed=confirmed)).result or {"started": [], "skipped": []}
        downloads = []
        for one in begun["started"]:
            view = telling.finish(application, one["job"])
            result = view.result or {}
            if trash := (result.get("replaced") or {}).get("job"):
                telling.finish(application, trash)
            downloads.append({**one, "state": view.state, "path": result.get("path"), "notes": result.get("notes", []), "error": view.error})
        return {"downloads": downloads, "skipped": begun["skipped"]}

    def run_stats(application: Application, arguments: argparse.Namespace) -> int:
        told = application.statistics()
        telling.answer(arguments, told, lambda: _tell_statistics(told))
        return 0

    def run_duplicates(application: Application, arguments: argparse.Namespace) -> int:
        if arguments.keep_one:
            return planned(application, arguments, application.plan_duplicates(), ask=True)
        groups = application.duplicates()
        telling.answer(arguments, groups, lambda: _tell_duplicates(groups))
        return 0

    def planned(application: Application, arguments: argparse.Namespace, plan: dict[str, Any], *, ask: bool) -> int:
        """Show a plan, or carry it out: with ``ask`` only when --yes says so."""
        go = not arguments.dry_run and (arguments.yes if ask else True) and plan["count"]
        if not go:
            telling.answer(arguments, plan, lambda: _tell_plan(plan))
            if ask and plan["count"] and not arguments.dry_run:
                print("Nothing was done: add --yes to do it.", file=sys.stderr)
                return 2
            return int(bool(plan["problems"]))
        view = telling.finish(application, application.carry_out(plan))
        return telling.outcome(arguments, view, lambda: _tell_done(view.result or view.error or {})) or int(bool(plan["problems"]))

    def ids(application: Application, arguments: argparse.Namespace) -> list[int]:
        found: list[int] = application.ids(Wanted(query=" ".join(arguments.query)))["ids"]
        return found

    def run_move(application: Application, arguments: argparse.Namespace) -> int:
        return planned(application, arguments, application.plan_move(ids(application, arguments)), ask=False)

    def run_rename(application: Application, arguments: argparse.Namespace) -> int:
        record = application.services.files.at(Path(arguments.path).expanduser().absolute())
        if record is None:
            raise NotFound(f"{arguments.path} is no file of the library.", next_step="Scan the library first.")
        return planned(application, arguments, application.plan_rename(record.id, arguments.name), ask=False)

    def run_delete(application: Application, arguments: argparse.Namespace) -> int:
        return planned(application, arguments, application.plan_delete(ids(application, arguments)), ask=True)

    def run_orphans(application: Application, arguments: argparse.Namespace) -> int:
        plan = application.plan_orphans()
        return planned(application, arguments, plan, ask=True) if arguments.delete else planned(application, _dry(arguments), plan, ask=False)

    def run_undo(application: Application, arguments: argparse.Namespace) -> int:
        if arguments.list:
            batches = application.journal()
            telling.answer(arguments, batches, lambda: _tell_batches(batches))
            return 0
        view = telling.finish(application, application.undo(arguments.batch or ""))
        return telling.outcome(arguments, view, lambda: _tell_done(view.result or {}))

    def run_trash(application: Application, arguments: argparse.Namespace) -> int:
        files = application.trash()
        telling.answer(arguments, files, lambda: _tell_trash(files))
        return 0

    def run_restore(application: Application, arguments: argparse.Namespace) -> int:
        view = telling.finish(application, application.restore(arguments.id))
        return telling.outcome(arguments, view, lambda: _tell_done(view.result or {}))

    def run_import(application: Application, arguments: argparse.Namespace) -> int:
        if arguments.tool == "manifest":
            return import_manifest(application, arguments)
        job = application.import_from(arguments.tool, arguments.path, dry_run=arguments.dry_run)
        view = telling.finish(application, job)
        if arguments.json and view.state == "done":
            telling.answer(arguments, {**(view.result or {}), **application.import_report(job)}, lambda: None)
            status = 0
        else:
            status = telling.outcome(arguments, view, lambda: _tell_import(view.result or {}))
        return status or int(bool((view.result or {}).get("unreadable")))

    def import_manifest(application: Application, arguments: argparse.Namespace) -> int:
        job = application.import_library(arguments.path, dry_run=arguments.dry_run, fetch=not arguments.no_download, confirmed=arguments.yes)
        view = telling.finish(application, job)
        result = view.result or {}
        if "restore" in result:
            fetched = telling.finish(application, result["restore"])
            result["fetched"] = fetched.result or {"error": fetched.error}
        status = telling.outcome(arguments, view, lambda: _tell_import(result))
        failed = "error" in result.get("fetched", {}) or result.get("fetched", {}).get("failures")
        return status or int(bool(result.get("unreadable") or failed))

    def run_export(application: Application, arguments: argparse.Namespace) -> int:
        view = telling.finish(application, application.export_library(arguments.file))

        def tell() -> None:
            if result := view.result:
                files = f"{counted(result['files'], 'file')} of {human_size(result['bytes'])}"
                print(f"{result['path']}  {counted(result['models'], 'model')}, {files}, which are not in it")
                print(f"{counted(result['recipes'], 'recipe')}; their pictures ({result['pictures']}) lie beside it")

        return telling.outcome(arguments, view, tell)

    sub = command("scan", run_scan, "Find out what is on the disk: all model folders, or some.")
    sub.add_argument("folder", nargs="*", metavar="FOLDER")
    sub = command("verify", run_verify, "Read files whole and compare them with their hashes: of all models, or of those that a query finds.")
    sub.add_argument("query", nargs="*", metavar="QUERY")
    sub = command("updates", run_updates, "Ask Civitai which models have newer versions: all with files here, or those that a query finds.")
    sub.add_argument("query", nargs="*", metavar="QUERY")
    sub.add_argument("--apply", action="store_true", help="download them; what becomes of each old file then is a setting (after_update)")
    sub.add_argument("--yes", action="store_true", help="with --apply: pickle files too")
    command("stats", run_stats, "The state of the library in numbers: sizes, free space, growth, and what is not well.")
    dry, yes = "tell what would be done, and change nothing", "do it; undo takes it back"
    sub = command("duplicates", run_duplicates, "Files that are on the disk more than once.")
    sub.add_argument("--keep-one", action="store_true", help="move all copies but the one that the host loads to the trash")
    sub.add_argument("--dry-run", action="store_true", help=dry)
    sub.add_argument("--yes", action="store_true", help=yes)
    sub = command("move", run_move, "Move model files, with all that lies beside them, to where the template says: all, or what a query finds.")
    sub.add_argument("query", nargs="*", metavar="QUERY")
    sub.add_argument("--dry-run", action="store_true", help=dry)
    sub = command("rename", run_rename, "Give a model file, and all that lies beside it, another name.")
    sub.add_argument("path", metavar="FILE")
    sub.add_argument("name", metavar="NAME")
    sub.add_argument("--dry-run", action="store_true", help=dry)
    sub = command("delete", run_delete, "Move the files of the models that a query finds to the trash. The models stay in the library.")
    sub.add_argument("query", nargs="+", metavar="QUERY")
    sub.add_argument("--dry-run", action="store_true", help=dry)
    sub.add_argument("--yes", action="store_true", help=yes)
    sub = command("orphans", run_orphans, "Small files whose model is not there, and unfinished downloads that no job goes on with.")
    sub.add_argument("--delete", action="store_true", help="move them to the trash")
    sub.add_argument("--dry-run", action="store_true", help=dry)
    sub.add_argument("--yes", action="store_true", help=yes)
    sub = command("undo", run_undo, "Take back what was moved, renamed or deleted last, or another time.")
    sub.add_argument("batch", nargs="?", metavar="BATCH")
    sub.add_argument("--list", action="store_true", help="what was done, and can be taken back")
    command("trash", run_trash, "What was deleted and can be given back.")
    sub = command("restore", run_restore, "Give files back from the trash.")
    sub.add_argument("id", nargs="+", type=int, metavar="ID", help="their numbers, as trash tells them")
    sub = command("import", run_import, "Take over what another tool knows (its files are only read), or a library that export has written.")
    sub.add_argument("tool", metavar="TOOL", choices=[*importing.NAMES, "manifest"], help=f"one of: {', '.join([*importing.NAMES, 'manifest'])}")
    sub.add_argument("path", metavar="PATH", help="the tool's own folder, a folder with its files beside the models, or the manifest")
    sub.add_argument("--dry-run", action="store_true", help="tell what would be taken, and change nothing")
    sub.add_argument("--no-download", action="store_true", help="of a manifest: do not fetch the missing files")
    sub.add_argument("--yes", action="store_true", help="of a manifest: fetch pickle files too")
    sub = command("export", run_export, "Write the whole library as one document: models, files, your own data. For another machine, or to keep.")
    sub.add_argument("file", metavar="FILE")


def counted(count: int, one: str) -> str:
    """"1 file", "2 files": a number with its word, whose plural ends with s."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def _tell_scan(result: dict[str, Any]) -> None:
    if not result:
        return
    print(f"{counted(result['files'], 'file')}: {result['identified']} identified, {result['unknown']} not on Civitai or not asked about yet")
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
    print(f"{result['verified']} of {counted(result['files'], 'file')} verified", file=sys.stderr)


def _all_updates(application: Application, query: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    while True:
        page = application.updates(query, offset=len(listed), limit=500)
        listed += page["items"]
        if len(listed) >= page["total"] or not page["items"]:
            return listed


def _tell_updates(document: dict[str, Any]) -> None:
    check = document["check"]
    for one in document["updates"]:
        newest = one["newest"] or one["early"]
        size = f", {human_size(newest['size'])}" if newest["size"] else ""
        until = newest["early_access"]
        gate = "" if not until else ", early access for good" if until == "permanent" else f", early access until {until[:10]}"
        print(f"{one['model_id']:>9}  {one['name']}: {one['here']['name']} -> {newest['name']} ({newest['base_model']}{size}{gate})")
    for one in document.get("applied", {}).get("downloads", []):
        print(f"{one['state']:<9}  {one['path'] or one['name']}{': ' + one['error']['message'] if one['error'] else ''}")
        for note in one["notes"]:
            print(f"note: {note}", file=sys.stderr)
    for one in document.get("applied", {}).get("skipped", []):
        print(f"skipped    {one['name']}: {one['message']} {one['next_step']}", file=sys.stderr)
    left = f", {check['unlisted']['count']} not asked about" if check["unlisted"]["count"] else ""
    print(
        f"{counted(check['checked'], 'model')} checked with {counted(check['requests'], 'request')}: {check['with_updates']} with updates, "
        f"{check['early_access_only']} in early access only, {check['gone']} gone from Civitai, {check['failed']} failed{left}", file=sys.stderr,
    )  # fmt: skip
    for one in check["problems"]:
        print(f"failed     {one['message']} {one['next_step']}", file=sys.stderr)


def _tell_statistics(told: dict[str, Any]) -> None:
    def table(title: str, rows: list[tuple[str, dict[str, Any]]]) -> None:
        print(f"\n{title}")
        for name, row in rows:
            print(f"  {row['files']:>7}  {human_size(row['bytes']):>9}  {name}")

    print(f"{counted(told['total']['files'], 'file')}, {human_size(told['total']['bytes'])}, {counted(told['models'], 'model')}")
    table("by type", [(one["name"] or "not identified", one) for one in told["types"]])
    table("by base model", [(one["name"] or "not known", one) for one in told["bases"]])
    free = {
        one["place"]: f"{human_size(one['free'])} of {human_size(one['size'])} free" if one["size"] else "cannot be reached" for one in told["drives"]
    }
    drives = [(f"{one['place']} ({free[one['place']]})", one) for one in told["drives"]]
    table("by drive", drives)
    table("first seen in", [(one["month"], one) for one in told["growth"]])
    print("\nbiggest")
    for one in told["biggest"][:10]:
        print(f"  {human_size(one['size']):>9}  {one['path']}")
    print()
    for what, words in (("broken", "broken"), ("missing", "missing"), ("unknown", "not on Civitai, or not asked about yet")):
        print(f"{counted(told[what]['files'], 'file')} {words}, {human_size(told[what]['bytes'])}")
    print(f"There more than once: {counted(told['duplicates']['groups'], 'file')}; the copies take {human_size(told['duplicates']['wasted'])}")
    print(f"{counted(told['gone']['models'], 'model')} gone from Civitai; {told['updates']['available']} with updates")
    unused = told["unused"]
    if unused["recorded"]:
        print(f"not used for half a year: {counted(unused['models'], 'model')}, {human_size(unused['bytes'])}")
    else:
        print("which models are used is not recorded")


def _tell_duplicates(groups: list[dict[str, Any]]) -> None:
    for group in groups:
        print(f"{len(group['paths'])} times {human_size(group['size'])}, {group['sha256'][:12]}")
        for path in group["paths"]:
            print(f"    {path}")
    wasted = sum(group["size"] * (len(group["paths"]) - 1) for group in groups)
    print(f"There more than once: {counted(len(groups), 'file')}; the copies take {human_size(wasted)}", file=sys.stderr)


def _dry(arguments: argparse.Namespace) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(arguments), "dry_run": True})


def _tell_plan(plan: dict[str, Any]) -> None:
    for group in plan["groups"]:
        if group["problem"]:
            print(f"left        {group['name']}: {group['problem']}")
            continue
        for file in group["files"]:
            print(f"{file['how']:<10}  {file['from']}" + (f"\n            -> {file['to']}" if file["to"] else f"  {human_size(file['size'])}"))
        if group.get("keep_path"):
            print(f"            stays: {group['keep_path']}")
        if group.get("consequence"):
            print(f"            {group['consequence']}")
    for one in plan["left"]:
        print(f"left        {one['path']}: {one['reason']}")
    files, left = counted(plan["files"], "file"), plan["problems"] + len(plan["left"])
    print(f"{plan['title']}: {files}, {human_size(plan['bytes'])}; {left} left", file=sys.stderr)


def _tell_done(result: dict[str, Any]) -> None:
    for one in result.get("failed", []):
        print(f"left        {one['name']}: {one['message']} {one['next_step']}", file=sys.stderr)
    for note in result.get("notes", []):
        print(f"note: {note}", file=sys.stderr)
    if result.get("done"):
        print(f"{counted(result['files'], 'file')}, {human_size(result['bytes'])}. Take it back with: undo {result['batch']}")


def _tell_batches(batches: list[dict[str, Any]]) -> None:
    for batch in batches:
        when = datetime.datetime.fromtimestamp(batch["at"]).strftime("%Y-%m-%d %H:%M")
        states = ", ".join(f"{batch[state]} {state}" for state in ("done", "undone", "failed", "planned") if batch[state])
        print(f"{batch['batch']}  {when}  {human_size(batch['bytes']):>9}  {batch['action']:<10}  {states}: {batch['title']}")


def _tell_trash(files: list[dict[str, Any]]) -> None:
    for file in files:
        when = datetime.datetime.fromtimestamp(file["at"]).strftime("%Y-%m-%d %H:%M")
        print(f"{file['id']:>7}  {when}  {human_size(file['size']):>9}  {file['path']}{'' if file['restorable'] else '  ' + file['note']}")
    print(counted(len(files), "file"), file=sys.stderr)


def _tell_import(result: dict[str, Any]) -> None:
    """A report of what came from elsewhere: what was taken on standard output, what was not on standard error."""
    if not result:
        return
    models, taken, counts = result["models"], result["taken"], result["counts"]
    print("This is what would be done." if result["dry_run"] else "Done.")
    print(f"models: {models['new']} new, {models['known']} known, {models['local']} not on Civitai, {models['nothing']} without a model here")
    if taken:
        print("your own data: " + ", ".join(f"{count} {field.replace('_', ' ')}" for field, count in sorted(taken.items())))
    if counts.get("recipes"):
        print(f"recipes: {result['new_recipes']} new, {result['known_recipes']} known")
        for one in result["recipes"]:
            if one["picture"] == "lost":
                print(f"lost        the picture of the recipe {one['name']} is not there", file=sys.stderr)
    for one in result["collections"]:
        print(f"collection {one['name']}: {one['added']} added{' (new)' if one['new'] else ''}")
    if missing := result.get("missing"):
        size = human_size(missing["bytes"])
        print(f"files: {result['here']} here, {missing['files']} missing ({size}), {missing['obtainable']} of them on Civitai")
    if (fetched := result.get("fetched")) and "downloaded" in fetched:
        print(f"downloaded: {fetched['downloaded']}")
        for one in fetched["failed"]:
            print(f"failed      {one['name']}: {one['message']} {one['next_step']}", file=sys.stderr)
    for one in result["conflicts"]:
        ours = f": {one['ours']!r} was kept, theirs is {one['theirs']!r}" if "ours" in one else ": another one has this name"
        print(f"conflict    {one.get('name') or one.get('where', '')}, {one['field']}{ours}", file=sys.stderr)
    for one in result["unreadable"]:
        print(f"unreadable  {one['path']} {one['reason']}", file=sys.stderr)
    for one in result["dangling"]:
        print(f"dangling    {one['id']} in the collection {one['collection']} is not registered", file=sys.stderr)
    for one in result["notes"]:
        print(f"note: {one['note']}{' (' + one['where'] + ')' if one['where'] else ''}", file=sys.stderr)
    told = (("deleted", "models were registered there once"), ("cached_only", "are cached only"))
    for name, words in told:
        if counts.get(name):
            print(f"note: {counts[name]} {words}", file=sys.stderr)
    cut = {name: count - len(result[name]) for name, count in counts.items() if name in result and count > len(result[name])}
    if cut:
        print(f"and more: {', '.join(f'{count} {name}' for name, count in cut.items())}; --json tells all", file=sys.stderr)
