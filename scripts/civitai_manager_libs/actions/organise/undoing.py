"""Take back what the journal has, after a restart too: a whole batch, or single files out of the trash.

A model goes back with all that lies beside it now, as it is now; it must be unchanged itself, and its old place free.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ...catalog.journal import Entry
from ...disk import hashing, moving, names, trash
from ...disk.local_models import sidecar_files
from ...errors import Changed, CivitaiManagerError, UsageError
from ...jobs.context import Context
from ...jobs.store import Item
from ...reporter import Patience, Plain
from ..services import Services
from .carrying import AT_ONCE, Worker
from .groups import Look, needs

WHERE = "It is in the system's trash, which gives it back itself."


def start(services: Services, batch: str = "", ticket: str = "") -> str:
    """Start the job that takes back a batch, the latest by default. Raises UsageError, and Changed when nothing of it can be taken back."""
    batch = batch or services.journal.last()
    rows = services.journal.of_batch(batch)
    if not rows:
        raise UsageError("There is nothing to undo.", next_step="The journal lists what can be taken back.")
    if any(entry.action == "undo" for entries in rows.values() for entry in entries):
        raise UsageError("This took back something else already: do that again instead.")
    first = next(iter(rows.values()))[0]
    title = first.title if len(rows) == 1 else f"{first.title} and {len(rows) - 1:,} more"
    return _submit(services, list(reversed(list(rows.values()))), f"Undo: {title}", f"batch:{batch}", ticket)


def restore(services: Services, ids: Iterable[int], ticket: str = "") -> str:
    """Start the job that gives files back from the trash, by their numbers in the journal. Raises UsageError, Changed."""
    entries = [entry for entry in services.journal.entries(ids) if entry.how == "trash" and entry.state == "done"]
    if not entries:
        raise UsageError("These are not in the trash.", next_step="Look at the list of the trash again.")
    rows: dict[tuple[str, int], list[Entry]] = {}
    for entry in entries:
        rows.setdefault((entry.batch, entry.item), []).append(entry)
    name = Path(entries[0].source).name
    title = f"Restore {name}" if len(entries) == 1 else f"Restore {len(entries):,} files"
    return _submit(services, list(rows.values()), title, " ".join(str(entry.id) for entry in entries), ticket)


def _submit(services: Services, rows: list[list[Entry]], title: str, key: str, ticket: str) -> str:
    if len(rows) <= AT_ONCE:
        refused = [exc for entries in rows if (exc := _refusal(services, entries)) is not None]
        if len(refused) == len(rows):
            raise refused[0]
    items = [{"ids": [entry.id for entry in entries], "name": Path(entries[0].source).name} for entries in rows]
    return services.jobs.submit("undo", {}, key=key, title=title, items=items, ticket=ticket)


def _refusal(services: Services, entries: list[Entry]) -> CivitaiManagerError | None:
    try:
        _reversed(services, entries, Plain())
    except CivitaiManagerError as exc:
        return exc
    return None


def run(services: Services, context: Context) -> dict[str, Any]:
    """The job. The result is as that of ``carrying.run``."""

    def entries_of(item: Item) -> list[Entry]:
        made = _reversed(services, services.journal.entries(item.params["ids"]), context)
        for entry in made:
            entry.batch, entry.item, entry.action, entry.title = context.job_id, item.position, "undo", f"Undo: {item.params['name']}"
        return made

    def afterwards(item: Item, entries: list[Entry]) -> None:
        # What lay beside and is gone since has nothing to be taken back; what went to a trash is still there, or was asked for by itself.
        services.journal.undone([entry.id for entry in services.journal.entries(item.params["ids"]) if entry.how != "trash"])

    return Worker(services, context).run(entries_of, afterwards)


def _reversed(services: Services, rows: Sequence[Entry], patience: Patience) -> list[Entry]:
    """Entries that take back the rows of one group. Raises Changed, which says which file is in the way."""
    rows = [entry for entry in rows if entry.state == "done"]
    if not rows:
        raise UsageError("This was taken back already.")
    look = Look(services)
    made = [_from_trash(entry, patience) for entry in rows if entry.how == "trash"]
    if not made:
        made = _moved_back(look, rows, patience)
    targets = {entry.target for entry in made}
    for entry in made:
        if entry.how != "drop":
            _check_place(look, Path(entry.target), Path(entry.source))
    if len(targets) != len(made):
        raise Changed("Two files would go to one place.", reason="conflict")
    return made


def _from_trash(row: Entry, patience: Patience) -> Entry:
    source = Path(row.source)
    place = Path(row.target) if row.target else trash.find(source, row.size, row.mtime_ns)
    if place is None and not trash.tells():
        raise UsageError(f"{source.name}: {WHERE}", next_step="Open the system's trash and restore it there, then scan the library.")
    if place is None or not os.path.lexists(place):
        raise Changed(f"{source.name} is no longer in the trash.", next_step="It was restored or removed there already.", reason="gone")
    _check_same(row, place, patience)
    status = place.lstat()
    return _entry(row, place, source, status.st_size, status.st_mtime_ns)


def _moved_back(look: Look, rows: Sequence[Entry], patience: Patience) -> list[Entry]:
    models = [entry for entry in rows if entry.file_id is not None]
    known = {entry.target: entry for entry in rows}
    made: dict[str, Entry] = {}
    mine = {entry.target for entry in models}
    for row in models:
        now, old = Path(row.target), Path(row.source)
        if not os.path.lexists(now):
            raise Changed(f"{now} is no longer there.", next_step="Scan the library to see where it is.", reason="gone", path=str(now))
        _check_same(row, now, patience)
        status = now.lstat()
        made[row.target] = _entry(row, now, old, status.st_size, status.st_mtime_ns)
        strangers = [other for other in look.of_stem(now) if str(other) not in mine]
        for sidecar in sidecar_files(now):
            if str(sidecar) in made:
                continue
            to = old.with_name(old.stem + sidecar.name[len(now.stem) :])
            status = sidecar.lstat()
            before = known.get(str(sidecar))
            how = "copy" if any(needs(other, sidecar, now) for other in strangers) else "move"
            if before is not None and before.how == "copy" and os.path.lexists(before.source):
                if not moving.equal(Path(before.source), sidecar, patience):
                    raise Changed(f"{sidecar} and {before.source} were one file and differ now.", reason="conflict", path=before.source)
                if how == "copy":
                    continue
                how = "drop"
            entry = Entry("", 0, "", "", str(sidecar), str(to), status.st_size, status.st_mtime_ns, how)
            entry.undoes = before.id if before else None
            made[str(sidecar)] = entry
    return list(made.values())


def _entry(row: Entry, source: Path, target: Path, size: int, mtime_ns: int) -> Entry:
    entry = Entry("", 0, "", "", str(source), str(target), size, mtime_ns, "move", row.sha256, row.file_id)
    entry.undoes = row.id
    return entry


def _check_same(row: Entry, place: Path, patience: Patience) -> None:
    """Size and time, or the hash when another program has touched the time."""
    if moving.same(place, row.size, row.mtime_ns):
        return
    status = place.lstat()
    if status.st_size == row.size and row.sha256 and place.is_file() and hashing.digests(place, patience, lambda _: None)[0] == row.sha256:
        return
    raise Changed(f"{place} was changed since.", next_step="It was left where it is.", reason="changed", path=str(place))


def _check_place(look: Look, target: Path, source: Path) -> None:
    there = names.same_name_exists(target.parent, target.name)
    if there is not None and there != source:
        raise Changed(
            f"There is another file at {there}.", next_step="Rename or move that one first, then try again.", reason="conflict", path=str(there)
        )
    for path in (target, source):
        if look.is_being_written(path):
            raise Changed(f"A download is writing {path}.", next_step="Wait for it, or cancel it.", reason="being_written", path=str(path))


# -- what there is


def trashed(services: Services) -> list[dict[str, Any]]:
    """What was deleted and can still be seen: id (for ``restore``), batch, at, path, size, place, where (own, system), restorable."""
    told = []
    for entry in services.journal.trashed():
        place = Path(entry.target) if entry.target else None
        there = place is not None and os.path.lexists(place)
        if place is not None and not there:
            continue  # the trash was emptied, or gave it back itself
        told.append({
            "id": entry.id, "batch": entry.batch, "at": entry.at, "name": Path(entry.source).name, "path": entry.source, "size": entry.size,
            "sha256": entry.sha256, "place": entry.target, "where": "own" if place is not None and trash.is_own(place) else "system",
            "restorable": there, "note": "" if there else WHERE,
        })  # fmt: skip
    return told


def finish(services: Services, context: Context) -> dict[str, Any]:
    """The job that finishes what a killed run has begun, when nobody goes on with that run itself."""
    return Worker(services, context).run(lambda item: [], lambda item, entries: None)


def finish_if_needed(services: Services) -> None:
    if services.journal.planned():
        services.jobs.submit("finish_moves", {}, key="", title="Finish what was interrupted")
