"""What the grid filters, sorts and searches by, summed up in the transaction that changed something.

A card needs no join then, and a filter reads only the index of the order that is shown. Whoever changes what is summed up (a body, a file, a
tag, a note, a word set) calls ``settle``.
"""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

from . import texts

BROKEN = ("truncated", "wrong")
AT_A_TIME = 500  # below SQLite's oldest limit of 999 values in a statement

LEVELS = 31  # PG 1, PG-13 2, R 4, X 8, XXX 16; unrated and blocked ones count as the last
FACTS = {
    "here": 1 << 5, "missing": 1 << 6, "broken": 1 << 7, "update": 1 << 8, "early": 1 << 9, "favourite": 1 << 10, "gone": 1 << 11,
    "noted": 1 << 12, "local": 1 << 13, "unrated": 1 << 14,
}  # fmt: skip
"""The bits of ``models.facts``, beside the five of ``LEVELS``. The schema's migration knows them too."""

SUMMED = ("ordering", "level", "here", "missing", "broken", "bytes", "newer", "facts")


def settle(db: sqlite3.Connection, model_ids: Iterable[int | None], now: datetime.datetime | None = None) -> None:
    """Sum up these models; ids that are None or unknown are left out. ``now`` decides which early access has ended."""
    moment = (now or datetime.datetime.now(datetime.timezone.utc)).strftime("%Y-%m-%dT%H:%M:%S")
    for some in chunked(sorted({model_id for model_id in model_ids if model_id is not None})):
        _settle(db, some, moment)


def unsettled(db: sqlite3.Connection, limit: int) -> list[int]:
    """Models that an older version of this program has written, the latest first: they are what a person sees first."""
    return [row[0] for row in db.execute("SELECT id FROM models WHERE settled = 0 ORDER BY id DESC LIMIT ?", (limit,))]


def _settle(db: sqlite3.Connection, ids: list[int], moment: str) -> None:
    marks = ", ".join("?" * len(ids))

    def grouped(query: str) -> dict[int, list[sqlite3.Row]]:
        found: dict[int, list[sqlite3.Row]] = {}
        for row in db.execute(query.format(marks), ids):
            found.setdefault(row["model_id"], []).append(row)
        return found

    versions = grouped(
        "SELECT id, model_id, name, base_model, published, early_access FROM versions WHERE model_id IN ({}) ORDER BY model_id, position"
    )
    files = grouped("SELECT model_id, version_id, path, size, state, health FROM local_files WHERE model_id IN ({}) ORDER BY id")
    tags = grouped("SELECT model_id, tag AS said FROM tags WHERE model_id IN ({}) AND own = 1")
    sets = grouped("SELECT model_id, name || ' ' || words || ' ' || negative AS said FROM word_sets WHERE model_id IN ({}) ORDER BY position")
    notes = grouped("SELECT model_id, note AS said FROM collection_models WHERE model_id IN ({}) AND note <> ''")
    ignored = {row[0] for row in db.execute(f"SELECT version_id FROM ignored_versions WHERE model_id IN ({marks})", ids)}
    old = {row["model_id"]: row for row in db.execute(f"SELECT * FROM texts WHERE model_id IN ({marks})", ids)}
    sums: list[dict[str, Any]] = []
    words: list[tuple[str, str, int]] = []
    for row in db.execute(f"SELECT * FROM models WHERE id IN ({marks})", ids).fetchall():
        own, mine = versions.get(row["id"], []), files.get(row["id"], [])
        summed = _summed(row, own, mine, ignored, moment)
        if any(summed[name] != row[name] for name in SUMMED):  # else nine indexes would be written for nothing
            sums.append({"id": row["id"], **summed})
        before = old.get(row["id"])
        if before is not None:
            names = [row["name"], *(version["name"] for version in own), *(PurePath(file["path"]).name for file in mine)]
            said = [one["said"] for kind in (tags, sets, notes) for one in kind.get(row["id"], [])]
            spoken = dict.fromkeys([*names, before["search"], row["note"], row["negative"], *said])
            made = (" ".join(token for text in spoken for token in texts.tokens(text)), texts.grams(names))
            if made != (before["words"], before["names"]):
                words.append((*made, row["id"]))
    db.executemany(f"UPDATE models SET {', '.join(f'{name} = :{name}' for name in SUMMED)} WHERE id = :id", sums)
    db.executemany("UPDATE texts SET words = ?, names = ? WHERE model_id = ?", words)


def _summed(
    row: sqlite3.Row, versions: list[sqlite3.Row], files: list[sqlite3.Row], ignored: set[int], moment: str
) -> dict[str, Any]:  # fmt: skip
    here = [file for file in files if file["state"] == "here"]
    missing, broken = sum(file["state"] == "missing" for file in files), sum(file["health"] in BROKEN for file in here)
    level = row["own_level"] if row["own_level"] is not None else row["nsfw_level"]
    newer = _newer(row, versions, {file["version_id"] for file in here}, ignored, moment)
    holds = {
        "here": here, "missing": missing, "broken": broken, "update": newer == 1, "early": newer == 2, "favourite": row["favourite"],
        "gone": row["gone"], "noted": row["note"], "local": row["id"] < 0, "unrated": not level & LEVELS,
    }  # fmt: skip
    return {
        "ordering": texts.fold(row["name"]), "level": level, "here": len(here), "missing": missing, "broken": broken,
        "bytes": sum(file["size"] for file in here), "newer": newer,
        "facts": (level & LEVELS or 16) | sum(bit for name, bit in FACTS.items() if holds[name]),
    }  # fmt: skip


def _newer(model: sqlite3.Row, versions: list[sqlite3.Row], here: set[int | None], ignored: set[int], moment: str) -> int:
    """1 when a version newer than the newest one here may be had, 2 when every newer one is in early access, 0 otherwise.

    Of a model that is gone from Civitai nothing may be had.
    """
    if model["gone"]:
        return 0
    newer = [version for version, _ in offered(model["follow"], model["pinned"], versions, here, ignored)]
    if not newer:
        return 0
    return 1 if any(not is_early(version["early_access"], moment) for version in newer) else 2


def offered(
    follow: str, pinned: int | None, versions: list[sqlite3.Row], here: set[int | None], ignored: set[int]
) -> list[tuple[sqlite3.Row, sqlite3.Row]]:
    """The versions that are updates, as the creator orders them, each with the version here that it follows. ``versions``: in that order.

    Beside a pinned version nothing is newer, and the person decides which ones count: any, or only those of a base model that is here, each
    compared with the newest one here of that base. The creator's order is usually, not always, that of time: what is known to be older than
    the version here is no update, wherever it stands.
    """
    if follow == "none" or pinned is not None:
        return []
    found: list[tuple[sqlite3.Row, sqlite3.Row]] = []
    bases = {version["base_model"] for version in versions if version["id"] in here} if follow == "base" else {None}
    for base in bases:
        line = [version for version in versions if base in (None, version["base_model"])]
        place = next((place for place, version in enumerate(line) if version["id"] in here), 0)
        for one in line[:place]:
            if one["id"] not in ignored and not _is_older(one["published"], line[place]["published"]):
                found.append((one, line[place]))
    order = {version["id"]: place for place, version in enumerate(versions)}
    return sorted(found, key=lambda pair: order[pair[0]["id"]])


def _is_older(one: str, other: str) -> bool:
    return bool(one and other) and one < other


def is_early(until: str, moment: str) -> bool:
    return until == "permanent" or until[:19] > moment


def chunked(values: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(values), AT_A_TIME):
        yield values[start : start + AT_A_TIME]
