"""What the grid filters, sorts and searches by, summed up in columns of ``models`` within the transaction that changed something.

A card needs no join then, and every filter has an index. Whoever changes what is summed up (a body, a file, a tag, a note) calls ``settle``.
"""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import PurePath

BROKEN = ("truncated", "wrong")
AT_A_TIME = 500  # below SQLite's oldest limit of 999 values in a statement


def settle(db: sqlite3.Connection, model_ids: Iterable[int | None], now: datetime.datetime | None = None) -> None:
    """Sum up these models; ids that are None or unknown are left out. ``now`` decides which early access has ended."""
    moment = (now or datetime.datetime.now(datetime.timezone.utc)).strftime("%Y-%m-%dT%H:%M:%S")
    for some in _chunks(sorted({model_id for model_id in model_ids if model_id is not None})):
        _settle(db, some, moment)


def unsettled(db: sqlite3.Connection, limit: int) -> list[int]:
    """Models that an older version of this program has written."""
    return [row[0] for row in db.execute("SELECT id FROM models WHERE settled = 0 ORDER BY id LIMIT ?", (limit,))]


def _settle(db: sqlite3.Connection, ids: list[int], moment: str) -> None:
    marks = ", ".join("?" * len(ids))

    def grouped(query: str) -> dict[int, list[sqlite3.Row]]:
        found: dict[int, list[sqlite3.Row]] = {}
        for row in db.execute(query.format(marks), ids):
            found.setdefault(row["model_id"], []).append(row)
        return found

    versions = grouped("SELECT * FROM versions WHERE model_id IN ({}) ORDER BY model_id, position")
    files = grouped("SELECT model_id, version_id, path, size, state, health FROM local_files WHERE model_id IN ({})")
    tags = grouped("SELECT model_id, tag FROM tags WHERE model_id IN ({}) AND own = 1")
    ignored = {row[0] for row in db.execute(f"SELECT version_id FROM ignored_versions WHERE model_id IN ({marks})", ids)}
    changes = []
    for row in db.execute(f"SELECT * FROM models WHERE id IN ({marks})", ids).fetchall():
        own, mine = versions.get(row["id"], []), files.get(row["id"], [])
        here = [file for file in mine if file["state"] == "here"]
        stems = [PurePath(file["path"]).name for file in mine]
        names = " ".join(dict.fromkeys(f"{row['name']} {' '.join(one['name'] for one in own)} {' '.join(stems)}".casefold().split()))
        words = [row["search"], row["note"], row["negative"], *(tag["tag"] for tag in tags.get(row["id"], [])), *stems]
        changes.append(
            {
                "id": row["id"],
                "level": row["own_level"] if row["own_level"] is not None else row["nsfw_level"],
                "here": len(here),
                "missing": len(mine) - len(here),
                "broken": sum(file["health"] in BROKEN for file in here),
                "bytes": sum(file["size"] for file in here),
                "newer": _newer(row, own, {file["version_id"] for file in here}, ignored, moment),
                "names": names,
                "words": " ".join(" ".join(words).casefold().split()),
            }
        )
    db.executemany(
        "UPDATE models SET level = :level, here = :here, missing = :missing, broken = :broken, bytes = :bytes, newer = :newer, names = :names, "
        "words = :words, settled = 1 WHERE id = :id",
        changes,
    )


def _newer(model: sqlite3.Row, versions: list[sqlite3.Row], here: set[int | None], ignored: set[int], moment: str) -> int:
    """1 when a version newer than the newest one here may be had, 2 when every newer one is in early access, 0 otherwise.

    Versions come newest first, as Civitai orders them. A pinned version is kept, and the person decides which newer ones count.
    """
    newest = next((place for place, version in enumerate(versions) if version["id"] in here), None)
    if not newest or model["follow"] == "none" or model["pinned"] in here:
        return 0
    bases = {version["base_model"] for version in versions if version["id"] in here}
    offered = [
        version
        for version in versions[:newest]
        if version["id"] not in ignored and (model["follow"] != "base" or version["base_model"] in bases)
    ]
    if not offered:
        return 0
    return 1 if any(not _is_early(version["early_access"], moment) for version in offered) else 2


def _is_early(until: str, moment: str) -> bool:
    return until == "permanent" or until[:19] > moment


def _chunks(values: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(values), AT_A_TIME):
        yield values[start : start + AT_A_TIME]
