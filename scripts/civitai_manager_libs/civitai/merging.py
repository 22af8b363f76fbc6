"""A model out of a list put over what /models/ID said of it: newer, but poorer. Nothing is lost that only the richer answer has.

A list leaves out versions without public files, pictures that are not rated or blocked, times of creation, and the addresses by file id; an
archived model has no files in it. So what it does not name is not gone: only /models/ID can say that. What it does name is the newer truth.
"""

from __future__ import annotations

from typing import Any

from .values import as_dict, as_int, as_list

Json = dict[str, Any]
LISTED_LEVELS = 31  # pictures of other levels are in no list


def over(old: Json | None, new: Json) -> Json:
    """The newer model object completed with what only the older one has. Neither is changed."""
    if not old:
        return new
    merged = {**old, **new}
    if "mode" in old and "mode" not in new:
        del merged["mode"]  # it is there only while it holds: no longer archived
    before = _by_id(old.get("modelVersions"))
    fresh = [one for one in as_list(new.get("modelVersions")) if isinstance(one, dict)]
    named = {as_int(one.get("id")) for one in fresh}
    versions = [_version(before.get(as_int(one.get("id"))), one) for one in fresh]
    for place, number in enumerate(before):  # the forgotten ones where they were: behind what stood before them
        if number not in named:
            earlier = list(before)[:place]
            at = next((at + 1 for at in range(len(versions) - 1, -1, -1) if as_int(versions[at].get("id")) in earlier), 0)
            versions.insert(at, before[number])
    merged["modelVersions"] = versions
    return merged


def _version(old: Json | None, new: Json) -> Json:
    if old is None:
        return new
    merged = {**old, **new}
    for gate in ("paidAccess", "earlyAccessDeadline", "earlyAccessEndsAt"):
        if gate in old and gate not in new:
            del merged[gate]  # they may be absent once the early access has ended
    if "covered" in old and "supportsGeneration" in new:
        merged["covered"] = new["supportsGeneration"]  # two names of one thing
    merged["files"] = _files(as_list(old.get("files")), as_list(new.get("files")))
    merged["images"] = _images(as_list(old.get("images")), as_list(new.get("images")))
    return merged


def _files(old: list[Any], new: list[Any]) -> list[Any]:
    if not new:
        return old
    before = _by_id(old)
    return [_file(before.get(as_int(one.get("id"))), one) if isinstance(one, dict) else one for one in new]


def _file(old: Json | None, new: Json) -> Json:
    if old is None:
        return new
    merged = {**old, **new}
    if "primary" in old and "primary" not in new:
        merged["primary"] = False  # lists name it only where it is true
    if "fileId=" in str(old.get("downloadUrl")):
        merged["downloadUrl"] = old["downloadUrl"]  # names the file; the list's address names its kind, which several files may share
    hashes, known = as_dict(new.get("hashes")), as_dict(old.get("hashes"))
    same = old.get("sizeKB") == new.get("sizeKB") and hashes.get("SHA256", known.get("SHA256")) == known.get("SHA256")
    merged["hashes"] = {**known, **hashes} if same else hashes
    merged["metadata"] = {**as_dict(old.get("metadata")), **as_dict(new.get("metadata"))} if same else new.get("metadata")
    return merged


def _images(old: list[Any], new: list[Any]) -> list[Any]:
    """Each by its address. What a list shows nobody stays; what it would show and does not was removed, unless it shows nothing at all."""
    if not new:
        return old
    before = {one.get("url"): one for one in old if isinstance(one, dict)}
    named = {one.get("url") for one in new if isinstance(one, dict)}
    hidden = [one for url, one in before.items() if url not in named and not (as_int(one.get("nsfwLevel")) or 0) & LISTED_LEVELS]
    return [{**before.get(one.get("url"), {}), **one} if isinstance(one, dict) else one for one in new] + hidden


def _by_id(raw: object) -> dict[int | None, Json]:
    return {as_int(one.get("id")): one for one in as_list(raw) if isinstance(one, dict) and as_int(one.get("id"))}
