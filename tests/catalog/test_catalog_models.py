"""The catalog on a real SQLite file: registering again, searching, filtering, windows of a large library."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.catalog.database import Database
from civitai_manager_libs.catalog.files import Files
from civitai_manager_libs.catalog.models import Card, Entry, Models, VersionEntry, Wanted


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "catalog.db")
    yield made
    made.close()


@pytest.fixture
def models(database: Database) -> Models:
    return Models(database)


def entry(number: int, name: str = "", **more: Any) -> Entry:
    given = {
        "type": "LORA", "creator": "ann", "nsfw": False, "nsfw_level": 1, "base_models": ["SDXL 1.0"], "published": "2026-01-01T00:00:00Z",
        "versions": [VersionEntry(number * 10, {number * 100: "a" * 64})], **more,
    }  # fmt: skip
    name = name or f"Model {number}"
    search = more.pop("search", f"{name} {given['type']} {given['creator']} {' '.join(given['base_models'])}".casefold())
    return Entry(id=number, name=name, **{**given, "search": search})


def names(found: tuple[list[Card], int]) -> list[str]:
    return [card.name for card in found[0]]


def test_registering_again_refreshes_and_keeps_what_is_the_persons(models: Models) -> None:
    assert models.save(entry(1, "Old name"), {"id": 1, "name": "Old name"}) is True
    models.set_own(1, registered="2020-01-02T03:04:05+00:00", note="my note")
    models.set_thumbnail(1, "tag", "https://image", chosen=True)
    models.set_gone(1)
    assert models.save(entry(1, "New name", versions=[VersionEntry(11, {}), VersionEntry(10, {})]), {"id": 1, "name": "New name"}) is False
    row = models.row(1)
    assert row is not None
    assert (row["name"], row["registered"], row["note"], row["gone"]) == ("New name", "2020-01-02T03:04:05+00:00", "my note", 0)
    assert (row["thumbnail"], row["thumbnail_url"], row["thumbnail_chosen"], row["version_count"]) == ("tag", "https://image", 1, 2)
    assert models.body(1) == {"id": 1, "name": "New name"}


def test_versions_that_are_gone_are_no_longer_found(models: Models) -> None:
    models.save(entry(1, versions=[VersionEntry(10, {1: "a" * 64}), VersionEntry(11, {})]), {})
    models.save(entry(1, versions=[VersionEntry(11, {}), VersionEntry(12, {})]), {})
    assert [models.model_of_version(number) for number in (10, 11, 12, 13)] == [None, 1, 1, None]


def test_a_version_that_moved_to_another_model(models: Models) -> None:
    models.save(entry(1, versions=[VersionEntry(10, {1: ""})]), {})
    models.save(entry(2, versions=[VersionEntry(10, {1: ""})]), {})
    assert models.model_of_version(10) == 2
    models.save(entry(1, versions=[]), {})
    assert models.model_of_version(10) == 2


def test_a_linked_file_belongs_to_several_versions(models: Models) -> None:
    models.save(entry(1, versions=[VersionEntry(10, {7: "v" * 64}), VersionEntry(11, {7: "v" * 64})]), {})
    models.save(entry(2, versions=[VersionEntry(20, {7: "v" * 64})]), {})


@pytest.mark.parametrize("text", ["plain", "水彩 🦊 ñ", "\ud83d lone half", "nul \x00 and \x1f", "x" * 400_000])
def test_bodies_come_back_as_they_were(models: Models, text: str) -> None:
    body = {"id": 1, "description": text, "list": [None, True, 1.5], "big": 2**60}
    models.save(entry(1), body)
    assert models.body(1) == body


def test_search_wants_every_word_somewhere_in_any_case(models: Models) -> None:
    models.save(entry(1, "Watercolor Hills"), {})
    models.save(entry(2, "Hills at Night", creator="Bob"), {})
    models.save(entry(3, "STRASSE Ölfarbe"), {})
    models.save(entry(4, "100% wool_scarf \\ back"), {})
    assert names(models.cards(Wanted(query="HILLS"))) == ["Hills at Night", "Watercolor Hills"]
    assert names(models.cards(Wanted(query="hills  bob"))) == ["Hills at Night"]
    assert names(models.cards(Wanted(query="night hills"))) == ["Hills at Night"]
    assert names(models.cards(Wanted(query="straße"))) == ["STRASSE Ölfarbe"]
    assert names(models.cards(Wanted(query="ÖLFARBE"))) == ["STRASSE Ölfarbe"]
    assert names(models.cards(Wanted(query="100%"))) == names(models.cards(Wanted(query="0% wool"))) == ["100% wool_scarf \\ back"]
    assert names(models.cards(Wanted(query="l_s"))) == ["100% wool_scarf \\ back"] and names(models.cards(Wanted(query="l_scarx"))) == []
    for nothing in ("%", "\\", "-", "#", '"', "@ type: -"):
        assert models.cards(Wanted(query=nothing))[1] == 4, "what is only punctuation is not looked for"
    assert models.cards(Wanted(query="hills'; DROP TABLE models; --")) == ([], 0)
    assert models.cards(Wanted(query="  "))[1] == 4


def test_filters_and_facets(models: Models, database: Database, tmp_path: Path) -> None:
    models.save(entry(1, type="LORA", base_models=["SDXL 1.0", "Pony"]), {})
    models.save(entry(2, type="Checkpoint", base_models=["Pony"]), {})
    models.save(entry(3, type="LORA", base_models=[]), {})
    assert names(models.cards(Wanted(type="LORA"))) == ["Model 3", "Model 1"]
    assert names(models.cards(Wanted(base="Pony"))) == ["Model 2", "Model 1"]
    assert names(models.cards(Wanted(type="LORA", base="Pony"))) == ["Model 1"]
    assert names(models.cards(Wanted(type="lora'"))) == []
    facets = models.facets()
    assert facets["types"] == ["Checkpoint", "LORA"] and facets["bases"] == ["Pony", "SDXL 1.0"] and facets["collections"] == []
    assert facets["counts"]["types"] == {"Checkpoint": 1, "LORA": 2} and facets["counts"]["bases"] == {"Pony": 2, "SDXL 1.0": 1}
    file = tmp_path / "x.safetensors"
    file.write_bytes(b"x")
    Files(database).add(file, "", model_id=2, version_id=20, file_id=200)
    assert names(models.cards(Wanted(state="downloaded"))) == ["Model 2"]
    assert names(models.cards(Wanted(state="registered"))) == ["Model 3", "Model 1"]
    assert [card.state for card in models.cards()[0]] == ["registered", "downloaded", "registered"]
    assert models.cards()[0][2].base_model == "SDXL 1.0"


def test_sorting(models: Models) -> None:
    for number, name, published, registered in (
        (1, "beta", "2026-03-01T00:00:00Z", "2025-01-01"), (2, "Alpha", "", "2025-01-03"), (3, "gamma", "2026-05-01T00:00:00Z", "2025-01-02"),
    ):  # fmt: skip
        models.save(entry(number, name, published=published), {})
        models.set_own(number, registered=registered)
    assert names(models.cards(Wanted(sort="registered"))) == ["Alpha", "gamma", "beta"]
    assert names(models.cards(Wanted(sort="name"))) == ["Alpha", "beta", "gamma"]
    assert names(models.cards(Wanted(sort="published"))) == ["gamma", "beta", "Alpha"]
    assert names(models.cards(Wanted(sort="name; DROP TABLE models"))) == ["Alpha", "gamma", "beta"]


def test_the_revision_grows_with_each_change(models: Models, database: Database, tmp_path: Path) -> None:
    seen = [models.revision()]
    for change in (
        lambda: models.save(entry(1), {}), lambda: models.set_note(1, "n"), lambda: models.set_gone(1), lambda: models.set_thumbnail(1, "t", "u"),
        lambda: Files(database).add(Path(__file__), "", model_id=1, version_id=1, file_id=1), lambda: Files(database).forget(__file__),
    ):  # fmt: skip
        change()
        seen.append(models.revision())
    assert seen == sorted(set(seen)), "each is more than the one before"


def test_ten_thousand_cards_are_looked_at_through_a_window(models: Models, database: Database) -> None:
    rng = random.Random(5)
    kinds, bases = ("LORA", "Checkpoint", "VAE"), ("SDXL 1.0", "Pony", "Flux.1 D")
    made = []
    for n in range(1, 10_001):
        name, day = f"Model {n:05} {rng.choice(('hills', 'sea', 'forest'))}", f"2026-01-{1 + n % 28:02}T00:00:00Z"
        made.append(entry(n, name, type=rng.choice(kinds), base_models=[rng.choice(bases)], published=day, versions=[]))
    models.save_all((one, {}) for one in made)
    seen: list[int] = []
    begin = time.perf_counter()
    for offset in range(0, 10_000, 200):
        cards, total = models.cards(Wanted(sort="name"), offset=offset, limit=200)
        assert total == 10_000 and len(cards) == 200
        seen += [card.id for card in cards]
    assert seen == list(range(1, 10_001)), "each once and in order"
    assert time.perf_counter() - begin < 5
    begin = time.perf_counter()
    wanted = Wanted(query="hills 09", type="LORA", base="Pony", sort="published")
    cards, total = models.cards(wanted, limit=50)
    assert time.perf_counter() - begin < 0.3
    expected = [one for one in made if "hills" in one.name and " 09" in one.name and one.type == "LORA" and one.base_models == ["Pony"]]
    assert total == len(expected) > 30 and len(cards) == total
    assert models.cards(offset=20_000)[0] == [] and models.cards(offset=9_990)[1] == 10_000


def test_local_files_are_known_by_hash_and_checked_by_size_and_time(database: Database, tmp_path: Path) -> None:
    files = Files(database)
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"12345")
    made = files.add(path, "b" * 64, model_id=1, version_id=2, file_id=3)
    assert files.with_hash("b" * 64) == [made] == files.of_model(1) and made.unchanged
    assert files.with_hash("") == [] == files.with_hash("c" * 64)
    path.write_bytes(b"123456")
    assert not files.of_model(1)[0].unchanged
    again = files.add(path, "c" * 64, model_id=1, version_id=2, file_id=3)
    assert files.of_model(1) == [again], "one record a path"
    path.unlink()
    assert not again.unchanged
    with pytest.raises(OSError):
        files.add(path, "", model_id=1, version_id=2, file_id=3)
    files.forget(str(path))
    assert files.of_model(1) == []


def test_a_transaction_is_all_or_nothing(database: Database, models: Models) -> None:
    class Halt(BaseException):
        pass

    with pytest.raises(Halt), database.writing() as db:
        db.execute("UPDATE counters SET value = 999")
        raise Halt
    assert models.revision() == 0
    models.save(entry(1), {})
    assert models.revision() == 1


def test_threads_read_and_write_at_once(models: Models) -> None:
    errors: list[BaseException] = []

    def write(start: int) -> None:
        try:
            for number in range(start, start + 25):
                models.save(entry(number), {"id": number})
                models.cards(Wanted(query="model"), limit=10)
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=write, args=(1 + 100 * n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and models.cards()[1] == 150
