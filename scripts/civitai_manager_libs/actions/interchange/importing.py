"""Import from another tool, as a job: one item a model or file, resumable; a report of what was taken, what not, and why."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ...errors import BadAnswer, CivitaiManagerError, DiskError, RemoteError, UsageError, explain
from ...jobs.context import Context
from .. import register
from ..services import Services
from . import beside, shortcut
from .taking import Taking

log = logging.getLogger(__name__)

NAMES = {
    "civitai-shortcut": "Civitai Shortcut",
    "civitai-helper": "Civitai Helper",
    "browser-plus": "Civitai Browser+",
    "browser-neo": "Civitai Browser Neo",
    "lora-manager": "Lora Manager",
    "stability-matrix": "StabilityMatrix",
    "civbrowser": "CivBrowser",
    "webui": "the WebUI's own cards",
    "all": "every tool's files",
}
"""The tools, as a person names them."""
SHOWN = 100  # entries of each list in the job's result; ``report`` has all
LISTS = ("conflicts", "unreadable", "notes", "dangling", "recipes", "deleted", "cached_only")


def start(services: Services, tool: str, path: Path, *, dry_run: bool, ticket: str = "") -> str:
    """Start the job; its id. Raises UsageError for an unknown tool or a folder that is not there."""
    if tool not in NAMES:
        raise UsageError(f"There is no tool {tool!r} to import from.", next_step=f"Known are: {', '.join(NAMES)}.")
    path = path.expanduser().absolute()
    if not path.exists():
        raise UsageError(f"{path} is not there.", next_step="Choose the folder of the other tool, or a folder with its files.")
    if tool == "civitai-shortcut":
        shortcut.folder_of(path)
    title = f"{'Look at what there is' if dry_run else 'Import'} from {NAMES[tool]}"
    params = {"tool": tool, "path": str(path), "dry_run": dry_run}
    return services.jobs.submit("import", params, key=f"{tool} {path} {dry_run}", title=title, ticket=ticket)


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job; its result is the report, with lists cut to ``SHOWN`` entries."""
    tool, dry_run = context.params["tool"], bool(context.params["dry_run"])
    context.update(text="looking at the files")
    items = context.plan(_plan(tool, Path(context.params["path"]), context))
    taking = Taking(services, dry_run=dry_run)
    take = shortcut.take if tool == "civitai-shortcut" else beside.take
    done = sum(item.state != "queued" for item in items)
    for item in items:
        if item.state != "queued":
            continue
        context.check()
        try:
            context.item_done(item, take(taking, item.params))
        except DiskError:
            raise  # ours is full or gone: the rest would fail the same way, and a later run goes on here
        except CivitaiManagerError as exc:
            context.item_failed(item, exc)
        except Exception as exc:  # one odd file must not cost the others
            log.exception("import from %s: %s", tool, str(item.params)[:500])
            context.item_failed(item, exc)
        done += 1
        context.update(done=done, total=len(items), text=str((item.result or {}).get("name") or ""))
    outcomes = [_outcome(item.state, item.params, item.result) for item in items]
    bare = [one["model_id"] for one in outcomes if one.get("bare")]
    notes = [] if dry_run else complete(services, bare, context)
    if bare and dry_run:
        notes.append(f"Of {len(bare)} models only the name is kept there: Civitai is asked for the rest.")
    return {"tool": tool, "path": context.params["path"], "dry_run": dry_run, **summary(outcomes, notes, SHOWN)}


def report(services: Services, job_id: str) -> dict[str, Any]:
    """The whole report of a job, and every item's own outcome."""
    outcomes = [_outcome(item.state, item.params, item.result) for item in services.jobs.items(job_id)]
    return {**summary(outcomes, [], len(outcomes) * 100), "items": outcomes}


def _plan(tool: str, path: Path, context: Context) -> Iterator[dict[str, Any]]:
    return shortcut.plan(path, context) if tool == "civitai-shortcut" else beside.plan(tool, path, context)


def _outcome(state: str, params: Any, result: Any) -> dict[str, Any]:
    if state != "failed":
        return result if isinstance(result, dict) else {}
    told = result if isinstance(result, dict) else {}
    group = params.get("group") or {}
    named = next((str(params[name]) for name in ("model", "collection", "recipe", "recipe_file") if params.get(name)), "")
    where = f"{group['folder']}/{group['stem']}" if group else named
    return {"unreadable": [{"path": where, "reason": told.get("message", "failed")}]}


def summary(outcomes: Iterable[dict[str, Any]], notes: list[str], shown: int) -> dict[str, Any]:
    """Counts, and lists of at most ``shown`` entries, whose whole lengths are in ``counts``."""
    models = {"new": 0, "known": 0, "local": 0, "nothing": 0}
    taken: dict[str, int] = {}
    recipes = {"new": 0, "known": 0, "deleted": 0}
    files = 0
    names: list[dict[str, Any]] = []
    collections: list[dict[str, Any]] = []
    lists: dict[str, list[Any]] = {name: [] for name in LISTS}
    for note in notes:
        lists["notes"].append({"where": "", "note": note})
    for one in outcomes:
        where, name = one.get("where", ""), one.get("name", "")
        if "what" in one:
            models[one["what"]] += 1
            files += one.get("files", 0)
            if one["what"] == "new":
                names.append({"model_id": one["model_id"], "name": name})
        for field, count in one.get("taken", {}).items():
            taken[field] = taken.get(field, 0) + count
        if "collection" in one:
            collections.append(one["collection"])
        lists["conflicts"] += [{"where": where, "name": name, **conflict} for conflict in one.get("conflicts", [])]
        lists["notes"] += [{"where": where, "note": note} for note in one.get("notes", [])]
        for key in ("unreadable", "dangling"):
            lists[key] += one.get(key, [])
        if "recipe" in one:
            lists["recipes"].append(one["recipe"])
            recipes[one["recipe"]["what"]] += 1
        for key in ("deleted", "cached_only"):
            lists[key] += one.get("told", {}).get(key, [])
    counts = {name: len(entries) for name, entries in lists.items()}
    cut = {name: entries[:shown] for name, entries in lists.items()}
    kept = {"new_recipes": recipes["new"], "known_recipes": recipes["known"] + recipes["deleted"]}
    shown_names = {"new": names[:shown], "collections": collections[:shown]}
    return {"models": models, **kept, "files": files, "taken": taken, **shown_names, "counts": counts, **cut}


def complete(services: Services, model_ids: list[int], context: Context) -> list[str]:
    """Ask Civitai, 100 a request, for models of which only the name is known; a note when that is not possible now."""
    wanted = [one for one in dict.fromkeys(model_ids) if one > 0 and (row := services.models.row(one)) is not None and not row["refreshed"]]
    missing = list(wanted)
    for start in range(0, len(wanted), 100):
        some = wanted[start : start + 100]
        context.update(text=f"asking Civitai about {len(some)} models")
        try:
            fetched = services.client.using(context).models(some)
        except BadAnswer:
            continue
        except RemoteError as exc:
            log.info("import: %s", exc)
            return [f"Of {len(missing)} models only the name is known yet ({explain(exc)['message']}). Refresh them later."]
        services.models.save_all([(register.entry_of(one.value), one.raw) for one in fetched])
        arrived = {one.value.id for one in fetched}
        missing = [one for one in missing if one not in arrived]
    return [f"Of {len(missing)} models Civitai tells nothing (deleted, or not listed): only the name is known."] if missing else []
