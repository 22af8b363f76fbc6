"""What would be done: plans to move, rename, delete and tidy up, each with every file, from where and to where.

A plan is a document that the page shows and sends back; it holds no state here. ``again`` makes one group of it anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...catalog.files import LocalFile
from ...disk import hashing, heads, names, orphans, placement
from ...disk.walk import PART, excluder, lines
from ...errors import BadAnswer, NotFound, NothingToDownload, UsageError
from ...transfer.partial import Part as Unfinished
from .. import destination
from ..services import Services
from ..subject import subject
from . import groups
from .groups import Group, Look, Part

# Of one file, and of many.
TITLES = {
    "move": ("Move {name}", "Move {count} models"),
    "rename": ("Rename {name}", "Rename {count} models"),
    "trash": ("Delete {name}", "Delete {count} models"),
    "duplicates": ("Delete copies of {name}", "Delete copies of {count} models"),
    "orphans": ("Tidy up {name}", "Tidy up {count} leftovers"),
}
_TAGS = {"lora": "lora", "lycoris": "lora", "hypernetwork": "hypernet"}


def document(action: str, request: Mapping[str, Any], found: Sequence[Group], left: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
    """A plan, JSON-ready. ``count``, ``files`` and ``bytes`` are of the groups that can be carried out; ``left``: what is not part of it, and why."""
    good = [group for group in found if not group.problem]
    return {
        "action": action,
        "request": dict(request),
        "title": title(action, [group.name for group in good]),
        "groups": [_told(group) for group in found],
        "left": list(left),
        "count": len(good),
        "files": sum(len(group.parts) for group in good),
        "bytes": sum(group.bytes for group in good),
        "problems": len(found) - len(good),
    }


def title(action: str, files: Sequence[str]) -> str:
    one, many = TITLES[action]
    return one.format(name=files[0]) if len(files) == 1 else many.format(count=f"{len(files):,}")


def _told(group: Group) -> dict[str, Any]:
    files = [
        {"from": one.path, "to": one.to, "size": one.size, "mtime_ns": one.mtime_ns, "how": one.how, "sha256": one.sha256} for one in group.parts
    ]
    facts = {"key": group.key, "check": group.check, "name": group.name, "code": group.code, "problem": group.problem, "bytes": group.bytes}
    return {**facts, "files": files, **group.about}


def again(services: Services, action: str, request: Mapping[str, Any], key: str) -> Group:
    """One group of a plan, as it is now. A key that means nothing gives a group with a problem."""
    look = Look(services)
    if action == "move":
        return _moved(look, groups.records_of(services, key))
    if action == "rename":
        return _renamed(look, groups.records_of(services, key), str(request.get("name", "")))
    if action == "trash":
        return groups.make(look, key, groups.records_of(services, key), None)
    if action == "duplicates":
        copies, _, kept = key.partition(">")
        return _copies(look, key, groups.records_of(services, copies), groups.records_of(services, kept))
    if action == "orphans":
        return _orphan(look, key)
    raise UsageError(f"There is no action named {action[:40]!r}.")


# -- move


def move(services: Services, models: Iterable[int], files: Iterable[int]) -> dict[str, Any]:
    """Where the template says. Raises UsageError without a template: everything would go into one folder."""
    if not services.settings.subfolder_template.strip():
        raise UsageError(
            "There is no template that says where files belong.", next_step="Set the subfolder template in Settings, such as {base_model}/{creator}."
        )
    look, found, left = Look(services), [], []
    records = groups.chosen(services, models, files)
    by_place: dict[tuple[str, str], list[LocalFile]] = {}
    for record in records:
        target, reason = _template_place(look, record)
        if target is None:
            left.append({"path": record.path, "reason": reason})
        elif str(target) != record.path:
            by_place.setdefault((os.path.splitext(record.path)[0], str(target.parent)), []).append(record)  # noqa: PTH122
    for some in by_place.values():
        found.append(_moved(look, sorted(some, key=lambda record: record.id)))
    return document("move", {}, found, left)


def _moved(look: Look, records: list[LocalFile]) -> Group:
    key = groups.key_of(records)
    places = {record.id: _template_place(look, record) for record in records}
    for record in records:
        target, reason = places[record.id]
        if target is None:
            return Group(key, Path(record.path).name, [], "no_place", reason)
    if len({place.parent for place, _ in places.values() if place}) > 1:
        return Group(key, Path(records[0].path).name, [], "changed", "These files no longer go to one folder.")
    return groups.make(look, key, records, lambda record: places[record.id][0] or Path(record.path))


def _template_place(look: Look, record: LocalFile) -> tuple[Path | None, str]:
    """Where the template says, within the model folder that the file is in when that is one for its kind; or why it stays."""
    if record.id not in look.places:
        look.places[record.id] = _find_place(look, record)
    return look.places[record.id]


def _find_place(look: Look, record: LocalFile) -> tuple[Path | None, str]:
    services, path = look.services, Path(record.path)
    if look.root_of(path) is None:
        return None, "It is in a folder that is only read."
    if record.model_id is None or record.model_id < 0 or not record.version_id:
        return None, "It is not known on Civitai, so the template cannot be filled in."
    try:
        about = subject(services, record.version_id, record.file_id)
    except (NotFound, NothingToDownload, BadAnswer):
        return None, "Civitai no longer tells enough about it to fill in the template."
    if placement.is_companion(about.file.type):
        return None, "It goes where its model file goes."
    below = destination.subfolder(services, about)
    roots = look.folders.get(about.kind) or look.folders["other"]
    own = max((one for one in roots if one in path.parents), key=lambda one: len(one.parts), default=roots[0])
    return (names.inside(own, *below.split("/")) if below else own) / path.name, ""


# -- rename


def rename(services: Services, file_id: int, name: str) -> dict[str, Any]:
    """Another name for one file; its ending stays. Raises NotFound, UsageError for a name that is none."""
    record = services.files.get(file_id)
    if record is None or record.state != "here":
        raise NotFound("There is no such file here.", next_step="Scan the library, then try again.")
    if not name.strip() or Path(_new_name(record, name)).stem == Path(record.path).stem:
        raise UsageError("Give another name than the present one.")
    return document("rename", {"name": name}, [_renamed(Look(services), [record], name)])


def _new_name(record: LocalFile, name: str) -> str:
    ending = Path(record.path).suffix
    stem = name.strip()
    if stem.lower().endswith(ending.lower()):
        stem = stem[: -len(ending)]
    return names.safe_file_name(stem + ending, Path(record.path).name)


def _renamed(look: Look, records: list[LocalFile], name: str) -> Group:
    if len(records) != 1 or not name.strip():
        return Group(groups.key_of(records), name, [], "gone", "It is no longer in the library: scan again.")
    record = records[0]
    new = _new_name(record, name)
    about = consequences(record, Path(new).stem)
    return groups.make(look, groups.key_of(records), records, lambda one: Path(one.path).with_name(new), about)


def consequences(record: LocalFile, stem: str) -> dict[str, Any]:
    """What a new name means for prompts: the old and the new words, the name that its trainer gave it, and a sentence."""
    old, tag = Path(record.path).stem, _TAGS.get(record.kind, "")
    if tag:
        alias = _alias(Path(record.path))
        before, after = f"<{tag}:{old}:1>", f"<{tag}:{stem}:1>"
        told = f"Prompts that say <{tag}:{old}:...> no longer find it: they must say <{tag}:{stem}:...>."
        if alias and alias not in (old, stem):
            told += f" <{tag}:{alias}:...>, the name that its trainer gave it, stays."
        return {"old": before, "new": after, "alias": alias, "consequence": told}
    if record.kind == "embedding":
        told = f"Prompts that say {old} no longer mean it: they must say {stem}."
        return {"old": old, "new": stem, "alias": "", "consequence": told}
    return {"old": old, "new": stem, "alias": "", "consequence": "Pictures made with it name the old name; the hash, which they name too, stays."}


def _alias(path: Path) -> str:
    """The name within a network's file, by which the WebUI knows it too."""
    try:
        return heads.alias(heads.written(hashing.safetensors_header(path))) if path.suffix.lower() == ".safetensors" else ""
    except OSError:
        return ""


# -- delete


def delete(services: Services, models: Iterable[int], files: Iterable[int]) -> dict[str, Any]:
    look = Look(services)
    records = groups.chosen(services, models, files)
    return document("trash", {}, [groups.make(look, groups.key_of(some), some, None) for some in groups.together(records)])


def duplicates(services: Services, keep: Mapping[str, int]) -> dict[str, Any]:
    """Copies of one file, all but one to go. ``keep``: by hash, which one stays; else the one that the host loads."""
    look, found, sets = Look(services), [], []
    for copies in services.files.duplicates():
        first = min(copies, key=lambda record: _order(look, record))
        kept = next((record for record in copies if record.id == keep.get(copies[0].sha256)), first)
        others = [record for record in copies if record is not kept]
        made = [_copies(look, f"{groups.key_of(some)}>{kept.id}", some, [kept]) for some in groups.together(others)]
        found += made
        sets.append({
            "sha256": kept.sha256, "size": kept.size, "keep": kept.id, "loaded": first.id,
            "copies": [{"id": one.id, "path": one.path, "model_id": one.model_id} for one in copies],
        })  # fmt: skip
    return {**document("duplicates", {}, found), "sets": sets}


def _order(look: Look, record: LocalFile) -> tuple[int, str]:
    """The host goes through its folders in their order, and through each by name; what is in none of them is not loaded."""
    path = Path(record.path)
    return next((place for place, (_, root) in enumerate(look.roots) if root in path.parents), len(look.roots)), record.path.casefold()


def _copies(look: Look, key: str, records: list[LocalFile], kept: list[LocalFile]) -> Group:
    if not records or len(kept) != 1:
        return Group(key, key, [], "gone", "It is no longer in the library: scan again.")
    group = groups.make(look, key, records, None, {"keep": kept[0].id, "keep_path": kept[0].path, "hash": kept[0].sha256})
    if group.problem:
        return group
    place = Path(kept[0].path)
    if kept[0].state != "here" or not kept[0].unchanged:
        group.code, group.problem = "changed", f"{place}, which would stay, was changed since it was scanned: scan again."
    elif any(record.sha256 != kept[0].sha256 or not record.sha256 or record.id == kept[0].id for record in records):
        group.code, group.problem = "changed", "These are no longer copies of one file."
    elif any(Path(record.path).samefile(place) for record in records):
        group.code, group.problem = "same", f"{group.name} and {place} are one file under two names: nothing would be gained."
    return group


# -- orphans


def tidy(services: Services) -> dict[str, Any]:
    """Sidecars whose model is not there, and unfinished downloads of ours that no job goes on with. In the host's own folders only."""
    look, found, left = Look(services), [], []
    remembered = _remembered(services)
    excluded = excluder(lines(services.settings.scan_exclude))
    for folder, entries in orphans.folders(dict.fromkeys(root for _, root in look.roots), excluded):
        for stem in orphans.in_folder(folder, entries, remembered):
            found.append(_orphan(look, f"sidecars:{folder / stem}", remembered, entries))
        for name in sorted(entries):
            if name.endswith(PART) and not name.startswith("."):
                group = _orphan(look, f"part:{folder / name}", remembered)
                if group.code == "theirs":
                    left.append({"path": str(folder / name), "reason": group.problem})
                elif group.code != "being_written":
                    found.append(group)
    return document("orphans", {}, found, left)


def _remembered(services: Services) -> Callable[[Path], bool]:
    stems: set[str] = set()

    def remembered(path: Path) -> bool:
        if not stems:
            stems.add("")
            stems.update(os.path.splitext(record.path)[0] for record in services.files.all())  # noqa: PTH122
        return str(path) in stems

    return remembered


def _orphan(look: Look, key: str, remembered: Callable[[Path], bool] | None = None, entries: Sequence[str] | None = None) -> Group:
    kind, _, place = key.partition(":")
    path = Path(place)
    group = Group(key, path.name, [])
    if not path.is_absolute() or ".." in path.parts or look.root_of(path) is None:
        group.code, group.problem = "read_only", f"{path} is in no model folder of this program's."
        return group
    if kind == "part":
        target = path.with_suffix("")
        unfinished = Unfinished(target)
        paths = [one for one in (unfinished.path, unfinished.state) if one.is_file()]
        if path != unfinished.path or not paths or unfinished.known() is None:
            group.code, group.problem = "theirs", "It is an unfinished download of another program."
        elif look.is_being_written(target):
            group.code, group.problem = "being_written", f"A download goes on with {path.name}."
    else:
        found = orphans.in_folder(path.parent, look.names(path.parent) if entries is None else entries, remembered or _remembered(look.services))
        paths = found.get(path.name, [])
        if not paths:
            group.code, group.problem = "changed", f"{path.name} is no orphan any more."
        elif any(look.is_being_written(path.with_name(path.name + ending)) for ending in (".safetensors", ".ckpt", ".pt", ".gguf", ".zip")):
            group.code, group.problem = "being_written", f"A download is about to write {path.name}."
    if not group.problem:
        for one in paths:
            status = one.lstat()
            group.parts.append(Part(str(one), "", status.st_size, status.st_mtime_ns, "trash"))
    return group
