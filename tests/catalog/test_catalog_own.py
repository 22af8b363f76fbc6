"""What a person says of models: on a real SQLite file, from several threads and processes at once."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.catalog.database import Database
from civitai_manager_libs.catalog.models import Entry, Models, VersionEntry, Wanted
from civitai_manager_libs.catalog.own import OwnData
from civitai_manager_libs.errors import BadValue, NotFound
from support import SCRIPTS


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "catalog.db")
    versions = [VersionEntry(12, {}), VersionEntry(11, {})]
    Models(made).save_all(
        (Entry(n, f"Model {n}", "LORA", "ann", False, 1, [], "", f"model {n}", versions if n == 1 else []), {}) for n in range(1, 31)
    )
    yield made
    made.close()


@pytest.fixture
def own(database: Database) -> OwnData:
    return OwnData(database)


@pytest.fixture
def models(database: Database) -> Models:
    return Models(database)


def row(models: Models, model_id: int) -> dict[str, Any]:
    found = models.row(model_id)
    assert found is not None
    return dict(found)


def collection(models: Models, number: int) -> dict[str, Any]:
    return next(one for one in models.facets()["collections"] if one["id"] == number)


# -- marks and tags


def test_many_models_at_once(own: OwnData, models: Models) -> None:
    before = models.revision()
    assert own.edit([1, 2, 3, 99], {"favourite": True, "rating": 4, "weight": 0.8}, add_tags=["  Mein   Öl ", "style", "STYLE"]) == 3
    assert models.revision() > before
    assert sorted(models.ids(Wanted(query='is:favourite #"mein öl"'))) == [1, 2, 3]
    assert own.of(1)["own_tags"] == ["Mein Öl", "STYLE"], "a tag has one spelling, the one that was typed last"
    own.edit([2, 3], {"rating": 0}, add_tags=["new"], remove_tags=["MEIN ÖL", "never there"])
    assert [row(models, n)["rating"] for n in (1, 2, 3)] == [4, 0, 0] and row(models, 2)["weight"] == 0.8
    assert own.of(2)["own_tags"] == ["new", "STYLE"] and own.of(1)["own_tags"] == ["Mein Öl", "STYLE"]
    assert own.edit([], {"rating": 1}) == 0 == own.edit([77], {"rating": 1})


def test_a_refresh_touches_nothing_of_it(own: OwnData, models: Models) -> None:
    marks = {"note": "n", "favourite": 1, "rating": 5, "weight": 1.5, "negative": "bad", "own_level": 8, "follow": "base", "pinned": 11}
    own.edit([1], marks, add_tags=["mine"])
    own.ignore(1, [12])
    number = own.create_collection("C")
    own.add_to_collection(number, [1])
    own.note_in_collection(number, 1, "first")
    own.add_words(1, "trigger", name="set", version_id=11)
    before = own.of(1)
    models.save(Entry(1, "New", "VAE", "bob", True, 31, ["Pony"], "", "new", [VersionEntry(13, {})], tags=["mine", "theirs"]), {"id": 1})
    assert own.of(1) == before and before["own_tags"] == ["mine"]
    assert {name: row(models, 1)[name] for name in marks} == marks
    models.save(Entry(1, "New", "VAE", "bob", True, 31, ["Pony"], "", "new", [], tags=[]), {"id": 1})
    assert own.of(1) == before and models.ids(Wanted(query="#mine")) == [1] and models.ids(Wanted(query="#theirs")) == []


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("favourite", [True, False, 1, 0], ["yes", None, 2, 1.0]), ("rating", [0, 5], [-1, 6, 2.5, "3", True, None]),
        ("weight", [None, 0.8, -1, 2], ["1", float("nan"), float("inf"), 1e9, True]), ("own_level", [None, 0, 31], [64, -1, "R", 1.0]),
        ("follow", ["any", "base", "none"], ["", None, "all"]), ("pinned", [None, 5], [0, -1, "5", 1 << 63]),
        ("note", ["", "x" * 100_000, "🦊 \ud83d"], [None, 5, "x" * 100_001]), ("negative", [""], [["a"], "x" * 10_001]),
        ("registered", [], ["2020"]), ("name", [], ["other"]), ("id = 1; --", [], [1]),
    ],
)  # fmt: skip
def test_values_are_looked_at_before_anything_is_changed(own: OwnData, models: Models, name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert own.edit([1], {name: value}) == 1
    before = [tuple(models.row(n) or ()) for n in range(1, 31)]
    for value in bad:
        with pytest.raises(BadValue) as caught:
            own.edit(range(1, 31), {"rating": 3, name: value}, add_tags=["never"])
        assert caught.value.next_step
    assert [tuple(models.row(n) or ()) for n in range(1, 31)] == before and models.tags_beginning("never") == []


def test_odd_tags(own: OwnData, models: Models) -> None:
    own.edit([1], add_tags=["", "  ", "#", "#hash", "a" * 100, "'; DROP TABLE tags; --", "\ud83d", "水彩", "with \x00 nul"])
    assert len(own.of(1)["own_tags"]) == 6 and "hash" in own.of(1)["own_tags"]
    assert models.ids(Wanted(query="#水彩")) == [1] == models.ids(Wanted(query="#hash"))
    with pytest.raises(BadValue):
        own.edit([1], add_tags=["a" * 101])
    assert [one["tag"] for one in models.tags_beginning("HA")] == ["hash"]


def test_tags_are_completed(own: OwnData, models: Models) -> None:
    models.save(Entry(1, "x", "LORA", "", False, 1, [], "", "", [], tags=["landscape", "lamp"]), {})
    models.save(Entry(2, "x", "LORA", "", False, 1, [], "", "", [], tags=["landscape"]), {})
    own.edit([3], add_tags=["Lama", "zebra"])
    assert models.tags_beginning("la") == [
        {"tag": "Lama", "count": 1, "own": True}, {"tag": "landscape", "count": 2, "own": False}, {"tag": "lamp", "count": 1, "own": False},
    ]  # fmt: skip
    assert [one["tag"] for one in models.tags_beginning("")] == ["Lama", "zebra"] and models.tags_beginning("la%") == []


def test_versions_to_ignore(own: OwnData) -> None:
    own.ignore(1, [12, 13])
    own.ignore(1, [12])
    own.ignore(1, [13], ignored=False)
    assert own.of(1)["ignored"] == [12]
    with pytest.raises(NotFound):
        own.ignore(999, [1])


# -- collections


def test_collections_from_beginning_to_end(own: OwnData, models: Models) -> None:
    one, two, three = (own.create_collection(name) for name in ("Ölbilder", "Zwei", "Drei"))
    with pytest.raises(BadValue, match="Ölbilder"):
        own.create_collection(" ÖLBILDER ")
    with pytest.raises(BadValue):
        own.create_collection("  ")
    assert own.add_to_collection(one, [5, 3, 5, 999, 1]) == 3 and own.add_to_collection(one, [1, 2]) == 1
    view = Wanted(collection="ölbilder", sort="collection")
    assert models.ids(view) == [5, 3, 1, 2]
    own.move_in_collection(one, [2, 1], before=3)
    assert models.ids(view) == [5, 2, 1, 3]
    own.move_in_collection(one, [5, 77])
    assert models.ids(view) == [2, 1, 3, 5]
    assert own.remove_from_collection(one, [1, 9]) == 1 and models.ids(view) == [2, 3, 5]
    own.note_in_collection(one, 3, "die dritte Skizze")
    assert models.ids(Wanted(query="skizze")) == [3] and own.of(3)["collections"][0]["note"] == "die dritte Skizze"
    with pytest.raises(NotFound):
        own.note_in_collection(one, 1, "not in it")
    own.move_collections([three, one])
    assert [each["id"] for each in models.facets()["collections"]] == [two, three, one]
    own.move_collections([one], before=two)
    assert [each["id"] for each in models.facets()["collections"]] == [one, two, three]
    own.save_filters("My oil", {"collection": "Ölbilder", "q": "x"})
    own.change_collection(one, name="Öl")
    own.change_collection(one, note="what is painted")
    assert collection(models, one) == {"id": one, "name": "Öl", "note": "what is painted", "count": 3}
    assert own.filters() == [{"name": "My oil", "filters": {"collection": "Öl", "q": "x"}}]
    own.change_collection(one, name="ÖL")
    with pytest.raises(BadValue):
        own.change_collection(one, name="zwei")
    own.delete_collection(one)
    assert models.ids(Wanted(query="skizze")) == [] and models.cards()[1] == 30
    for gone in (lambda: own.change_collection(one, name="x"), lambda: own.add_to_collection(one, [1]), lambda: own.delete_collection(one)):
        with pytest.raises(NotFound):
            gone()
    assert own.create_collection("Neu") > three, "an id is never used again"


def test_a_forgotten_model_leaves_its_collections(own: OwnData, models: Models) -> None:
    number = own.create_collection("C")
    own.add_to_collection(number, [1, 2])
    models.forget([1])
    assert models.ids(Wanted(collection="c")) == [2] and collection(models, number)["count"] == 1


# -- word sets and filters


def test_word_sets(own: OwnData, models: Models) -> None:
    one = own.add_words(1, "zinnia, garden", name="flowers", weight=0.7, version_id=11)
    two = own.add_words(1, "night", negative="daylight")
    assert own.add_words(1, "night", negative="daylight") == two, "the same request again"
    own.change_words(one, words="zinnia", weight=None)
    assert own.of(1)["word_sets"] == [
        {"id": one, "version_id": 11, "name": "flowers", "words": "zinnia", "negative": "", "weight": None},
        {"id": two, "version_id": None, "name": "", "words": "night", "negative": "daylight", "weight": None},
    ]
    own.move_words(two, before=one)
    assert [each["id"] for each in own.of(1)["word_sets"]] == [two, one]
    assert models.ids(Wanted(query="zinnia")) == [1] == models.ids(Wanted(query="daylight flowers")) and models.ids(Wanted(query="garden")) == []
    own.delete_words(one)
    assert models.ids(Wanted(query="zinnia")) == []
    for bad in ({"words": None}, {"weight": "x"}, {"model_id": 2}, {"version_id": "1"}):
        with pytest.raises(BadValue):
            own.change_words(two, **bad)
    for gone in (
        lambda: own.change_words(one, words="x"),
        lambda: own.delete_words(one),
        lambda: own.move_words(one),
        lambda: own.add_words(999, "x"),
    ):
        with pytest.raises(NotFound):
            gone()


def test_saved_filters(own: OwnData) -> None:
    own.save_filters("Öl", {"q": "#öl", "hide": 4})
    own.save_filters("ÖL ", {"q": "other"})
    own.save_filters("b", {})
    assert own.filters() == [{"name": "b", "filters": {}}, {"name": "ÖL", "filters": {"q": "other"}}]
    own.delete_filters("öl")
    own.delete_filters("never there")
    assert [one["name"] for one in own.filters()] == ["b"]
    for name, filters in (("", {}), ("x" * 300, {}), ("big", {"q": "x" * 30_000})):
        with pytest.raises(BadValue):
            own.save_filters(name, filters)


# -- at once


def test_two_pages_lose_nothing(own: OwnData, models: Models, database: Database) -> None:
    """Threads with random edits of the same models: everything that was added by one and removed by none is there at the end."""
    shared = own.create_collection("Shared")
    errors: list[BaseException] = []

    def page(name: str, field: str, seed: int) -> None:
        rng = random.Random(seed)
        try:
            for turn in range(25):
                some = rng.sample(range(1, 11), 4)
                own.edit(some, {field: turn % 5 + 1 if field == "rating" else f"{name} {turn}"}, add_tags=[f"{name}{turn}"])
                own.edit(some, add_tags=["shared", f"{name}gone"])
                own.edit(some, remove_tags=[f"{name}gone"])
                own.add_to_collection(shared, [10 + turn % 20 + 1])
                own.add_words(1, f"{name} words {turn}")
                own.move_in_collection(shared, [11], before=None)
                made = own.create_collection(f"{name} {turn}")
                own.move_collections([made], before=shared)
        except BaseException as exc:
            errors.append(exc)

    threads = [
        threading.Thread(target=page, args=(name, field, seed))
        for seed, (name, field) in enumerate((("a", "rating"), ("b", "note"), ("c", "negative")))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    tags = {tag for n in range(1, 11) for tag in own.of(n)["own_tags"]}
    assert tags == {f"{name}{turn}" for name in "abc" for turn in range(25)} | {"shared"}
    last = {n: row(models, n) for n in range(1, 11)}
    assert all(each["note"].startswith("b ") and each["negative"].startswith("c ") and each["rating"] for each in last.values() if each["note"])
    assert len(own.of(1)["word_sets"]) == 75
    assert len({each["id"] for each in models.facets()["collections"]}) == 76 and collection(models, shared)["count"] == 20
    assert sorted(models.ids(Wanted(query="shared"))) == sorted(models.ids(Wanted(query="#shared")))


def test_several_processes_edit_at_once(own: OwnData, models: Models, database: Database) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\nfrom pathlib import Path\n"
        "from civitai_manager_libs.catalog.database import Database\nfrom civitai_manager_libs.catalog.own import OwnData\n"
        "database = Database(Path(sys.argv[1])); own = OwnData(database); name = sys.argv[2]\n"
        "for turn in range(15):\n    own.edit([1, 2], {'note' if name == 'a' else 'negative': name}, add_tags=[name + str(turn)])\n"
        "    own.save_filters(f'{name}{turn}', {'q': name})\ndatabase.close()"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(database.path), name], stderr=subprocess.PIPE) for name in "ab"]
    assert [(one.communicate(timeout=60)[1], one.returncode) for one in running] == [(b"", 0)] * 2
    assert len(own.of(1)["own_tags"]) == 30 == len(own.filters()) and (row(models, 1)["note"], row(models, 2)["negative"]) == ("a", "b")
