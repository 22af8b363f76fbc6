"""A catalog that the first version of this program wrote: nothing of it is lost, it is shown at once, and completed without the network."""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.actions import refill
from civitai_manager_libs.application import Application
from civitai_manager_libs.catalog.database import Database
from civitai_manager_libs.catalog.models import Models, Wanted
from civitai_manager_libs.catalog.own import OwnData
from civitai_manager_libs.catalog.schema import MIGRATIONS, SCHEMA_1
from support import NOWHERE, ROOT, done, make_application, until

BODY = json.loads((ROOT / "demo" / "payloads" / "lora-3.json").read_text(encoding="utf-8"))


def body(number: int) -> dict[str, Any]:
    """A real answer of Civitai's, made the one of another model."""
    image = {"url": f"https://image.example/{number}.jpeg", "nsfwLevel": 4, "hash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj", "type": "image"}
    version = {**BODY["modelVersions"][0], "id": 1000 + number, "name": f"Edition {number}", "baseModel": "SDXL 1.0", "images": [image]}
    newer = {**version, "id": 2000 + number, "name": f"Second {number}", "files": []}
    return {**BODY, "id": number, "name": f"Ölbild {number}", "tags": ["style", f"tag {number}"], "modelVersions": [newer, version]}


def write_old(path: Path, count: int = 5) -> None:
    """What the program at version 1 of the schema had in its file; the last model's body is damaged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path)
    db.executescript(f"{SCHEMA_1}; PRAGMA user_version = 1; PRAGMA journal_mode = WAL;")
    for number in range(1, count + 1):
        search = f"ölbild {number} lora ann edition second style tag"
        db.execute(
            "INSERT INTO models (id, name, type, creator, nsfw, nsfw_level, base_models, version_count, published, thumbnail, "
            "thumbnail_chosen, search, registered, refreshed, gone, note, thumbnail_url) "
            "VALUES (?, ?, 'LORA', 'ann', 0, 4, '[\"SDXL 1.0\"]', 2, '2025-01-01T00:00:00Z', 'tag', 1, ?, ?, ?, ?, ?, ?)",
            (number, f"Ölbild {number}", search, f"2025-01-0{number % 9}T00:00:00+00:00", "2025-02-02T00:00:00+00:00", int(number == 2),
             "my own note" if number == 1 else "", f"https://image.example/{number}.jpeg"),
        )  # fmt: skip
        packed = b"no zlib" if number == count else zlib.compress(json.dumps(body(number)).encode())
        db.execute("INSERT INTO bodies VALUES (?, ?)", (number, packed))
        db.executemany("INSERT INTO versions VALUES (?, ?, ?)", [(2000 + number, number, 0), (1000 + number, number, 1)])
        db.execute("INSERT INTO remote_files VALUES (?, ?, ?)", (1000 + number, 50 + number, f"{number:064x}"))
    db.execute("INSERT INTO local_files VALUES ('/models/one.safetensors', 123, 4, ?, 1, 1001, 51, '2025-01-01')", (f"{1:064x}",))
    db.execute("INSERT INTO jobs (id, kind, key, title, params, state, created, changed) VALUES ('j', 'register', 'k', 'Old', '{}', 'done', 1, 1)")
    db.execute("UPDATE counters SET value = 7")
    db.commit()
    db.close()


def state(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    with database.reading() as db:
        return {
            table: [tuple(row) for row in db.execute(f"SELECT {columns} FROM {table} ORDER BY 1")]
            for table, columns in {
                "models": "id, name, type, creator, nsfw_level, base_models, version_count, published, registered, refreshed, gone, note, thumbnail, "
                "thumbnail_url, thumbnail_chosen",
                "bodies": "model_id, body", "local_files": "path, size, mtime_ns, sha256, model_id, version_id, file_id, added",
                "remote_files": "version_id, file_id, sha256", "jobs": "id, title, state",
            }.items()
        }  # fmt: skip


def old_state(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    class Plain(Database):
        def __init__(self) -> None:
            pass

        def reading(self) -> Any:
            return sqlite3.connect(path)

    return state(Plain())


def test_everything_is_still_there_and_shown_at_once(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    write_old(path)
    before = old_state(path)
    database = Database(path)
    try:
        assert state(database) == before
        models = Models(database)
        cards, total = models.cards()
        assert total == 5 and models.revision() == 7
        by_id = {card.id: card for card in cards}
        assert by_id[1].state == "downloaded" and by_id[1].size == 123 and by_id[2].gone and by_id[3].level == 4
        assert models.ids(Wanted(query="edition")) == [5, 4, 3, 2, 1] and models.ids(Wanted(query="style", sort="name"))
        assert models.ids(Wanted(state="downloaded")) == [1] and models.ids(Wanted(state="gone")) == [2] and models.ids(Wanted(state="noted")) == [1]
        assert models.ids(Wanted(hide=2)) == [] and models.ids(Wanted(hide=4, base="sdxl 1.0", type="lora")) == [5, 4, 3, 2, 1]
        with database.reading() as db:
            assert db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
            assert db.execute("PRAGMA foreign_key_check").fetchall() == [] and db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    finally:
        database.close()
    again = Database(path)
    assert Models(again).cards()[1] == 5
    again.close()


def test_what_a_person_said_at_version_2_is_still_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data" / "catalog.db"
    write_old(path)

    def dump(database: Database) -> dict[str, list[tuple[Any, ...]]]:
        with database.reading() as db:
            names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'")]
            return {name: [tuple(row) for row in db.execute(f"SELECT * FROM {name}")] for name in names if "_words" not in name}

    with monkeypatch.context() as older:
        older.setattr("civitai_manager_libs.catalog.database.MIGRATIONS", MIGRATIONS[:2])
        second = Database(path)
        models, own = Models(second), OwnData(second)
        models.settle(models.unsettled(10))
        own.edit([1, 3], {"rating": 4, "favourite": True, "note": "mine"}, add_tags=["Öl"], remove_tags=[])
        own.add_words(1, "zinnia", name="flowers")
        own.add_to_collection(own.create_collection("Ölbilder"), [3, 1])
        own.save_filters("Meine", {"q": "#öl"})
        before = dump(second)
        with second.reading() as db:
            assert db.execute("PRAGMA user_version").fetchone()[0] == 2
        second.close()
    database = Database(path)
    after = dump(database)
    for name in before.keys() - {"models"}:  # new columns are behind the old ones
        width = len(before[name][0]) if before[name] else 0
        assert [row[:width] for row in after[name]] == before[name], name
    assert Models(database).unsettled(10), "the videos of their cards are looked for"
    database.close()
    application = make_application(tmp_path, NOWHERE)
    application.start()
    try:
        until(lambda: application.services.models.unsettled(10) == [])
        found = application.ids(Wanted(query='#"öl" is:favourite'))["ids"]
        view = application.model_view(1)
        assert sorted(found) == [1, 3] and view is not None and (view["rating"], view["note"], len(view["word_sets"])) == (4, "mine", 1)
        assert application.recipes.facets()["total"] == 0 and application.discover.follows() == []
        with application._database.reading() as db:
            assert db.execute("PRAGMA foreign_key_check").fetchall() == [] and db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    finally:
        application.close()


def test_a_migration_that_is_killed_leaves_the_old_file(tmp_path: Path) -> None:
    """All of it happens in one transaction: half of it never stays."""
    path = tmp_path / "catalog.db"
    write_old(path)
    before = old_state(path)
    script = MIGRATIONS[1]
    for part in (0.2, 0.5, 0.9):
        db = sqlite3.connect(path, isolation_level=None)
        for statement in complete(script)[: int(part * len(complete(script)))]:
            db.execute(statement)
        db.close()  # without a COMMIT, as a killed process leaves it
        assert old_state(path) == before
    database = Database(path)
    assert state(database) == before
    database.close()


def complete(script: str) -> list[str]:
    statements, rest = ["BEGIN IMMEDIATE"], ""
    for line in script.splitlines():
        rest += line + "\n"
        if sqlite3.complete_statement(rest):
            statements.append(rest)
            rest = ""
    return statements


@pytest.fixture
def old(tmp_path: Path) -> Application:
    write_old(tmp_path / "data" / "catalog.db", 130)
    return make_application(tmp_path, NOWHERE)


def refill_of(application: Application) -> str:
    (job,) = [job for job in application.jobs.changes()["jobs"] if job["kind"] == "refill"]
    return str(job["id"])


def test_a_job_completes_what_is_old_without_the_network(old: Application) -> None:
    old.start()
    try:
        models = old.services.models
        assert done(old, refill_of(old)) == {"renewed": 129, "kept": 1}
        assert models.unsettled(10) == []
        row = models.row(2)
        assert row is not None and (row["gone"], row["refreshed"], row["registered"]) == (1, "2025-02-02T00:00:00+00:00", "2025-01-02T00:00:00+00:00")
        assert row["thumbnail_level"] == 4 and row["blurhash"].startswith("LEHV6")
        assert models.ids(Wanted(query="olbild second #style")) and models.ids(Wanted(query='"edition 7" "tag 7"')) == [7]
        assert [card.id for card in models.cards(Wanted(state="update"))[0]] == [1], "versions have their names and early access now"
        view = old.model_view(1)
        assert view is not None and view["note"] == "my own note" and [version["newer"] for version in view["versions"]] == [True, False]
        damaged = old.model_view(130)
        assert damaged is not None and damaged["name"] == "Ölbild 130" and damaged["versions"] == []
    finally:
        old.close()
    old.start()
    assert [job["state"] for job in old.jobs.changes()["jobs"] if job["kind"] == "refill"] == ["done"], "there is nothing left to do"
    old.close()


def test_a_stopped_completion_goes_on(old: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refill, "AT_A_TIME", 3)
    old.start()
    until(lambda: len(old.services.models.unsettled(200)) < 125)
    old.close()
    with Database(old.data_dir / "catalog.db").reading() as db:
        left = db.execute("SELECT count(*) FROM models WHERE settled = 0").fetchone()[0]
    old.start()
    result = done(old, refill_of(old), 60)
    assert result["renewed"] + result["kept"] == left < 130
    assert old.services.models.unsettled(1) == [] and old.cards()["total"] == 130
    old.close()


def test_what_is_done_meanwhile_is_kept(tmp_path: Path) -> None:
    """A mark before the completion does not hide a model from it, and a fresh answer of Civitai's is not overwritten by the old one."""
    path = tmp_path / "catalog.db"
    write_old(path)
    database = Database(path)
    models, own = Models(database), OwnData(database)
    own.edit([1, 2, 3], {"favourite": True}, add_tags=["mine"])
    assert set(models.unsettled(10)) == {1, 2, 3, 4, 5}
    from civitai_manager_libs.actions import register
    from civitai_manager_libs.civitai import payloads

    old_body, fresh = models.body(1), {**body(1), "name": "Fresh name"}
    assert old_body is not None
    models.save(register.entry_of(payloads.model(fresh)), fresh)
    assert set(models.unsettled(10)) == {2, 3, 4, 5}
    models.renew([(register.entry_of(payloads.model(old_body), refreshed=False), old_body)])
    row = models.row(1)
    assert row is not None and row["name"] == "Fresh name" and row["favourite"] == 1 and models.body(1) == fresh
    assert models.ids(Wanted(query="#mine is:favourite")) == [3, 2, 1]
    database.close()


def test_two_programs_that_start_together_migrate_once(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    write_old(path)
    made: list[Any] = []
    threads = [threading.Thread(target=lambda: made.append(Database(path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4 and all(one.set_aside is None and Models(one).cards()[1] == 5 for one in made)
    for one in made:
        one.close()
