"""A catalog file that is damaged, of a newer version, or in a place that cannot be written."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from civitai_manager_libs.actions import identify, thumbnails
from civitai_manager_libs.application import Application
from civitai_manager_libs.catalog.database import MIGRATIONS, Database
from civitai_manager_libs.catalog.files import LocalFile
from civitai_manager_libs.catalog.models import Wanted
from civitai_manager_libs.civitai.searching import Search
from civitai_manager_libs.errors import CivitaiManagerError, NotWritable
from disk.mounts import run_on_mount
from support import ROOT, done, make_application, sha256, until

from demo.catalogue import FIRST, SPECIAL

DOWNLOADED = (SPECIAL["training_data_first"], SPECIAL["no_disposition"])


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory, demo_server: Any) -> tuple[Path, Path]:
    """A library of 22 models, two of them downloaded, a note on one; closed. Its folder, and a copy of it."""
    folder = tmp_path_factory.mktemp("library") / "one"
    application = make_application(folder, demo_server)
    application.start()
    try:
        ids = [*FIRST[:20], *(case.model_id for case in DOWNLOADED)]
        done(application, application.register("\n".join(map(str, ids))))
        for case in DOWNLOADED:
            done(application, application.download(case.version_id))
        application.set_note(FIRST[0], "keep me")
    finally:
        application.close()
    return folder, Path(shutil.copytree(folder, folder.with_name("copy")))


@pytest.fixture
def furnished(pattern: tuple[Path, Path]) -> tuple[Path, dict[str, str]]:
    """The library as it was, in its folder, and its model files with their hashes."""
    folder, copy = pattern
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    return folder, {str(path): sha256(path) for path in (folder / "webui").rglob("*.safetensors")}


def reopened(folder: Path, demo: Any) -> Application:
    application = make_application(folder, demo)
    application.start()
    return application


def rebuilt(application: Application) -> dict[str, Any]:
    """The result of the rebuilding job that the start began."""
    (job,) = [job for job in application.jobs.changes()["jobs"] if job["kind"] == "rebuild"]
    return done(application, job["id"])


def check_untouched(files: dict[str, str]) -> None:
    assert len(files) == 2
    assert {path: sha256(Path(path)) for path in files} == files


@pytest.mark.parametrize("garbage", [b"this is no database at all " * 400, os.urandom(40_960), b""])
def test_garbage_is_set_aside_and_the_library_comes_back_from_sidecars(furnished: tuple[Path, dict[str, str]], demo: Any, garbage: bytes) -> None:
    folder, files = furnished
    catalog = folder / "data" / "catalog.db"
    catalog.write_bytes(garbage)
    demo.forget()
    application = reopened(folder, demo)
    try:
        (aside,) = (folder / "data").glob("catalog.broken-20*.db")
        assert aside.read_bytes() == garbage
        assert len(application.notices) == 1 and aside.name in application.notices[0] and "not touched" in application.notices[0]
        assert rebuilt(application) == {"saved": 0, "described": 2, "files": 2}
        cards = application.cards(Wanted(sort="name"))["items"]
        assert {card["id"] for card in cards} == {case.model_id for case in DOWNLOADED}
        assert all(card["state"] == "downloaded" and card["thumbnail"] for card in cards)
        view = application.model_view(DOWNLOADED[0].model_id)
        assert view is not None and view["name"] == "Feather Otter" and view["creator"]
        assert [len(file["local"]) for version in view["versions"] for file in version["files"]] == [0, 1]
        assert demo.requests == [], "rebuilding needs no network"
        again = done(application, application.download(DOWNLOADED[0].version_id))
        assert again["already_here"]
    finally:
        application.close()
    check_untouched(files)
    calm = reopened(folder, demo)
    assert calm.notices == []
    calm.close()


def test_a_file_cut_in_the_middle_gives_back_what_can_be_read(furnished: tuple[Path, dict[str, str]], demo: Any) -> None:
    folder, files = furnished
    catalog = folder / "data" / "catalog.db"
    with catalog.open("r+b") as out:
        out.truncate(catalog.stat().st_size // 2 // 4096 * 4096)
    application = reopened(folder, demo)
    try:
        assert len(application.notices) == 1
        rebuilt(application)
        assert {card["id"] for card in application.cards()["items"]} >= {case.model_id for case in DOWNLOADED}
    finally:
        application.close()
    check_untouched(files)


def test_what_is_still_readable_is_saved_with_date_and_note(furnished: tuple[Path, dict[str, str]], demo: Any) -> None:
    """Damage in the pages of the jobs: the models are whole."""
    folder, files = furnished
    catalog = folder / "data" / "catalog.db"
    with sqlite3.connect(catalog) as db:
        db.execute("UPDATE models SET registered = '2020-02-02T00:00:00+00:00', thumbnail_chosen = 1")
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jobs'").fetchone()
        size = db.execute("PRAGMA page_size").fetchone()[0]
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with catalog.open("r+b") as out:
        out.seek((root - 1) * size)
        out.write(b"\xff" * size)
    for sidecar in (folder / "webui").rglob("*.civitai.info"):
        sidecar.unlink()  # the records of files come back all the same
    application = reopened_after_trouble(folder, demo)
    try:
        assert rebuilt(application)["saved"] == 22
        assert application.services.models.row(FIRST[0])["thumbnail_chosen"] == 1
        assert {record.sha256 for case in DOWNLOADED for record in application.services.files.of_model(case.model_id)} == set(files.values())
        assert application.cards(limit=1000)["total"] == 22
        view = application.model_view(FIRST[0])
        assert view is not None and (view["note"], view["registered"]) == ("keep me", "2020-02-02T00:00:00+00:00")
        assert view["thumbnail"] and application.thumbnail(FIRST[0]) is not None
        assert application.cards(Wanted(state="downloaded"))["total"] == 2
    finally:
        application.close()
    check_untouched(files)


def furnish_with_words(application: Application) -> dict[str, Any]:
    """Everything that a person can say, on two models of Civitai's and on a file that is only here; what must come back of it."""
    own, models = application.own, application.services.models
    lora = application.host.root / "models" / "Lora"  # type: ignore[attr-defined]
    (lora / "only here.safetensors").write_bytes(b"nobody knows it")
    application.services.files.put([LocalFile("/gone/away.safetensors", 5, 1, "c" * 64, FIRST[1], 7, 8, kind="lora", state="missing")])
    application.services.files.add(lora / "only here.safetensors", "d" * 64, model_id=None, version_id=None, file_id=None, kind="lora")
    record = application.services.files.at(lora / "only here.safetensors")
    assert record is not None
    entry, body = identify.own_entry(record)
    models.save(entry, body)
    application.services.files.change([(record.id, {"model_id": entry.id})])
    assert thumbnails.store(application.services, entry.id, application.thumbnail(FIRST[0])[0], "")  # type: ignore[index]
    marks = {"favourite": True, "rating": 4, "weight": 0.75, "negative": "blurry", "own_level": 4, "follow": "base", "pinned": 5, "note": "mine"}
    own.edit([FIRST[1], entry.id], marks, add_tags=["Mein Öl", "b"])
    own.ignore(FIRST[1], [77, 78])
    own.add_words(FIRST[1], "zinnia", name="flowers", negative="thorns", weight=0.5, version_id=9)
    own.add_words(entry.id, "rose")
    one, two = own.create_collection("Ölbilder", "a note"), own.create_collection("Zwei")
    own.add_to_collection(one, [entry.id, FIRST[2], FIRST[1]])
    own.note_in_collection(one, FIRST[2], "the second")
    own.move_collections([two], before=one)
    own.save_filters("Meine", {"q": "#öl", "hide": 4})
    follow = application.discover.follow(Search(creator="oakandink"), "Ölbilder")
    application.services.follows.looked(follow, [7, 5], [5, 7, 9], "2026-01-02T03:04:05Z")
    name = f"{'ab' * 12}.png"
    application.services.kept.add({"url": "https://x/y.png", "model_id": 1, "version_id": 2}, position=0, name=name, kind="image/png", size=3)
    with application._database.writing() as db:
        columns = db.execute("PRAGMA table_info(journal)").fetchall()
        moved = {column["name"]: 12 if column["type"] in ("INTEGER", "REAL") else "done" for column in columns}
        db.execute(f"INSERT INTO journal ({', '.join(moved)}) VALUES ({', '.join('?' * len(moved))})", list(moved.values()))
    return told(application, entry.id)


def told(application: Application, local: int) -> dict[str, Any]:
    names = ("own_tags", "ignored", "favourite", "rating", "weight", "negative", "own_level", "follow", "pinned", "note", "registered", "name")
    views = [application.model_view(model_id) for model_id in (FIRST[1], FIRST[2], local)]
    sets = [[{**one, "id": 0} for one in (view or {})["word_sets"]] for view in views]
    collections = [
        (one["name"], one["note"], application.ids(Wanted(collection=one["name"], sort="collection"))["ids"])
        for one in application.facets()["collections"]
    ]
    with application._database.reading() as db:
        journal = [tuple(row) for row in db.execute("SELECT * FROM journal")]
    notes = [[(one["name"], one["note"]) for one in (view or {})["collections"]] for view in views]
    files = [[(one["path"], one["sha256"], one["state"], one["kind"]) for one in (view or {})["files"]] for view in views]
    return {
        "views": [{name: (view or {})[name] for name in names} for view in views], "sets": sets, "collections": collections, "notes": notes,
        "files": files, "filters": application.own.filters(),
        "follows": [msgspec.structs.replace(one, id=0) for one in application.services.follows.all()],
        "kept": application.services.kept.of_version(2), "journal": journal, "picture": application.thumbnail(local),
        "local": application.ids(Wanted(state="local"))["ids"], "missing": application.ids(Wanted(state="missing"))["ids"],
    }  # fmt: skip


@pytest.mark.parametrize("stopped", [False, True])
def test_what_a_person_said_comes_back(furnished: tuple[Path, dict[str, str]], demo: Any, stopped: bool) -> None:
    """Tags, marks, collections, word sets, saved filters and the journal, also those of files that Civitai does not know, and of missing ones."""
    folder, files = furnished
    application = reopened(folder, demo)
    before = furnish_with_words(application)
    local = before["local"][0]
    assert before["views"][2]["own_tags"] == ["b", "Mein Öl"] and before["picture"] and before["missing"] == [FIRST[1]]
    application.close()
    catalog = folder / "data" / "catalog.db"
    spoil(catalog, "jobs")
    application = reopened_after_trouble(folder, demo)
    try:
        if stopped:
            (job,) = [job["id"] for job in application.jobs.changes()["jobs"] if job["kind"] == "rebuild"]
            application.close()
            application = reopened(folder, demo)
        assert rebuilt(application)["files"] >= 2
        assert told(application, local) == before
        assert application.cards(limit=1000)["total"] == 23
        assert application.ids(Wanted(query='#"mein öl" blurry is:favourite'))["count"] == 2
    finally:
        application.close()
    check_untouched({path: digest for path, digest in files.items()})


@pytest.mark.parametrize("table", ["tags", "word_sets", "collections", "local_files", "bodies", "found_words_data", "texts", "versions"])
def test_one_spoiled_table_costs_only_itself(furnished: tuple[Path, dict[str, str]], demo: Any, table: str) -> None:
    folder, files = furnished
    application = reopened(folder, demo)
    before = furnish_with_words(application)
    local = before["local"][0]
    application.close()
    spoil(folder / "data" / "catalog.db", table)
    application = reopened_after_trouble(folder, demo)
    try:
        jobs = [job for job in application.jobs.changes()["jobs"] if job["kind"] == "rebuild"]
        if not jobs:  # nothing has met the damage yet: reading everything does, and the next start mends it
            with pytest.raises(CivitaiManagerError, match="damaged"):
                application.own.edit([FIRST[0]], {"note": "x"}, add_tags=["y"]), told(application, local), application.services.files.all()
            application.close()
            application = reopened(folder, demo)
        rebuilt(application)
        assert application.cards(limit=1000)["total"] >= 22
        after = application.model_view(FIRST[1])
        assert after is not None and after["name"] == before["views"][0]["name"] and after["note"] == "mine" and after["favourite"]
        if table != "tags":
            assert after["own_tags"] == ["b", "Mein Öl"]
        if table != "collections":
            assert [one[0] for one in told(application, FIRST[1])["collections"]] == ["Zwei", "Ölbilder"]
        assert application.own.filters() == before["filters"]
        after = told(application, FIRST[1])
        assert after["follows"] == before["follows"] != [] and after["kept"] == before["kept"] != []
    finally:
        application.close()
    check_untouched(files)


def spoil(catalog: Path, table: str) -> None:
    """Overwrite the first page of a table."""
    with sqlite3.connect(catalog) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        size = db.execute("PRAGMA page_size").fetchone()[0]
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with catalog.open("r+b") as out:
        out.seek((root - 1) * size)
        out.write(b"\xff" * size)


def reopened_after_trouble(folder: Path, demo: Any) -> Application:
    """Damage may be met only while reading: then the first start says so, and the next one sets the file aside."""
    try:
        return reopened(folder, demo)
    except CivitaiManagerError as exc:
        assert "damaged" in str(exc)
    return reopened(folder, demo)


@pytest.mark.parametrize("seed", (0, 1, 2, 3, 39, 41))
def test_damage_anywhere_never_stops_the_program(furnished: tuple[Path, dict[str, str]], demo: Any, seed: int) -> None:
    folder, files = furnished
    rng = random.Random(seed)
    catalog = folder / "data" / "catalog.db"
    content = bytearray(catalog.read_bytes())
    for _ in range(12):
        start = rng.randrange(100, len(content) - 600)
        content[start : start + 500] = rng.randbytes(500)
    catalog.write_bytes(content)
    for _ in range(3):
        try:
            application = reopened(folder, demo)
        except CivitaiManagerError as exc:
            assert "damaged" in str(exc)
            continue
        try:
            application.cards(limit=1000), application.facets()
            for model_id in FIRST[:20]:
                application.model_view(model_id)
            jobs = [job for job in application.jobs.changes()["jobs"] if job["kind"] == "rebuild"]
            for job in jobs:
                done(application, job["id"])
            break
        except CivitaiManagerError as exc:
            assert "damaged" in str(exc)
        finally:
            application.close()
    else:
        pytest.fail("the third start is not calm")
    check_untouched(files)


def test_damage_met_while_running_is_said_and_mended_by_the_next_start(furnished: tuple[Path, dict[str, str]], demo: Any) -> None:
    folder, files = furnished
    catalog = folder / "data" / "catalog.db"
    with sqlite3.connect(catalog) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'models'").fetchone()
    db.close()
    application = reopened(folder, demo)
    application.close()
    with catalog.open("r+b") as out:
        out.seek((root - 1) * 4096)
        out.write(b"\xff" * 4096)
    application = reopened(folder, demo)
    try:
        if application.notices == []:
            with pytest.raises(CivitaiManagerError, match="damaged") as caught:
                application.cards()
            assert "Restart" in caught.value.next_step and "not touched" in caught.value.next_step
            application.close()
            application = reopened(folder, demo)
        assert len(application.notices) == 1
        rebuilt(application)
        assert application.cards(Wanted(state="downloaded"))["total"] == 2
    finally:
        application.close()
    check_untouched(files)


def test_sidecars_of_other_tools_and_strange_files_do_not_stop_the_rebuilding(furnished: tuple[Path, dict[str, str]], demo: Any) -> None:
    folder, files = furnished
    lora = folder / "webui" / "models" / "Lora"
    for name, content in {
        "nothing.safetensors": b"x", "broken.safetensors": b"x", "broken.civitai.info": b"{", "list.safetensors": b"x", "list.civitai.info": b"[]",
        "skeleton.safetensors": b"x", "skeleton.civitai.info": json.dumps({"id": "", "skeleton_file": True, "modelId": ""}).encode(),
        "odd.safetensors": b"x", "odd.civitai.info": json.dumps({"id": 5, "modelId": 6, "files": 7, "model": 3, "name": None}).encode(),
        "preview.safetensors": b"x", "preview.civitai.info": json.dumps({"id": 50, "modelId": 60, "name": "v1", "model": {"name": "From Helper",
        "type": "LORA"}, "files": [{"id": 1, "name": "preview.safetensors", "hashes": None}], "images": []}).encode(), "preview.png": b"no picture",
    }.items():  # fmt: skip
        (lora / name).write_bytes(content)
    (lora / "dangling.safetensors").symlink_to(lora / "nowhere")
    (folder / "data" / "catalog.db").write_bytes(b"garbage" * 1000)
    application = reopened(folder, demo)
    try:
        assert rebuilt(application)["described"] >= 3
        found = {card["id"]: card["name"] for card in application.cards()["items"]}
        assert found[60] == "From Helper" and {case.model_id for case in DOWNLOADED} <= set(found)
    finally:
        application.close()
    check_untouched(files)


def test_a_catalog_of_a_newer_version_is_refused_and_untouched(tmp_path: Path, demo: Any) -> None:
    catalog = tmp_path / "data" / "catalog.db"
    catalog.parent.mkdir()
    for mode in ("delete", "wal"):
        catalog.unlink(missing_ok=True)
        with sqlite3.connect(catalog) as db:
            db.execute(f"PRAGMA journal_mode = {mode}")
            db.execute("CREATE TABLE of_the_future (x)")
            db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        db.close()
        before = sha256(catalog)
        application = make_application(tmp_path, demo)
        with pytest.raises(CivitaiManagerError, match="newer version.*Update"):
            application.start()
        assert sha256(catalog) == before
        assert not list(catalog.parent.glob("*broken*"))


def test_a_data_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    with pytest.raises(NotWritable) as caught:
        Database(blocker / "data" / "catalog.db")
    assert str(blocker) in str(caught.value)


def test_a_read_only_data_folder_is_said(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    code = f"sys.path.insert(0, {str(ROOT)!r})\nfrom civitai_manager_libs.catalog.database import Database\n"
    told = run_on_mount(mount, "size=10m", code + "print(raised(Database, folder / 'catalog.db').code)", setup='mount -o remount,ro "$PWD"')
    assert told.strip() == "not_writable"
    code += "Database(folder / 'catalog.db').close()\nimport subprocess\nsubprocess.run(['mount', '-o', 'remount,ro', folder], check=True)\n"
    told = run_on_mount(mount, "size=10m", code + "print(raised(Database, folder / 'catalog.db').code)")
    assert told.strip() == "not_writable"


def test_a_full_disk_is_said_and_the_catalog_stays_whole(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    code = """
from civitai_manager_libs.catalog.database import Database
from civitai_manager_libs.catalog.models import Entry, Models
import os
database = Database(folder / "catalog.db")
models = Models(database)
def save(n):
    models.save(Entry(n, "x", "LORA", "", False, 1, [], "", "x", []), {"noise": os.urandom(30000).hex()})
save(1)
def many():
    for n in range(2, 1000):
        save(n)
error = raised(many)
count = models.cards()[1]
with database.reading() as db:
    print(error.code, count > 1, db.execute("PRAGMA integrity_check").fetchone()[0], models.body(1) is not None)
"""
    assert run_on_mount(mount, "size=3m", code).split() == ["no_space", "True", "ok", "True"]


def test_the_schema_is_made_once_when_two_programs_start_together(tmp_path: Path) -> None:
    import subprocess
    import sys

    program = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'scripts')!r})\nfrom pathlib import Path\n"
        "from civitai_manager_libs.catalog.database import Database\nDatabase(Path(sys.argv[1]) / 'catalog.db').close()"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stderr=subprocess.PIPE) for _ in range(4)]
    assert [(process.wait(30), process.stderr and process.stderr.read()) for process in processes] == [(0, b"")] * 4
    assert until(lambda: Database(tmp_path / "catalog.db")).set_aside is None
    shutil.rmtree(tmp_path)
