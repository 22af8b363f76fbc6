"""Recipes in the catalog: what a change keeps, what its history brings back, what is found, and two pages at once."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.catalog.database import Database
from civitai_manager_libs.catalog.files import Files, LocalFile
from civitai_manager_libs.catalog.recipe import Change, Mention, ModelChange, Recipe, Source, changed, checked, fingerprint, usable
from civitai_manager_libs.catalog.recipe_search import RecipeSearch, Wanted
from civitai_manager_libs.catalog.recipes import REMEMBERED, Recipes
from civitai_manager_libs.errors import BadValue, NotFound


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "catalog.db")
    yield made
    made.close()


@pytest.fixture
def recipes(database: Database) -> Recipes:
    return Recipes(database, Clock())


@pytest.fixture
def search(database: Database) -> RecipeSearch:
    return RecipeSearch(database)


def sunset(**values: Any) -> Recipe:
    whole: dict[str, Any] = {
        "name": "Sunset", "prompt": "a lake, <lora:glow:0.8>", "negative": "blurry", "parameters": {"Steps": "20", "Sampler": "Euler a"},
        "models": [Mention(kind="checkpoint", name="dream", hash="1ad6ca7f70"), Mention(kind="lora", name="glow", weight=0.8, version_id=77)],
        "tags": ["Öl", "evening"], "note": "the warm one", "collection": "Lakes", "source": Source(kind="image", title="lake.png"),
    }  # fmt: skip
    return Recipe(**{**whole, **values})


def names(search: RecipeSearch, query: str = "", **wanted: Any) -> list[str]:
    cards, total = search.cards(Wanted(query=query, **{"sort": "name", **wanted}))
    assert total == len(cards)
    return [card.name for card in cards]


# -- what is kept


def test_what_is_made_comes_back_whole(recipes: Recipes) -> None:
    number = recipes.make(sunset())
    kept = recipes.get(number)
    assert [one.id > 0 for one in kept.recipe.models] == [True, True] and len(kept.recipe.uid) == 32 and kept.deleted == 0
    for one in kept.recipe.models:
        one.id = 0
    whole = sunset(uid=kept.recipe.uid, created=kept.recipe.created, tags=["evening", "Öl"])
    assert kept.recipe == whole and list(kept.recipe.parameters) == ["Steps", "Sampler"]
    with pytest.raises(NotFound):
        recipes.get(number + 1)


def test_single_changes_touch_nothing_else(recipes: Recipes) -> None:
    number = recipes.make(sunset(picture="a.png", width=3, height=4))
    before = recipes.get(number).recipe
    assert recipes.change(number, Change(set={"name": "Another  name"})) == ["name"]
    assert recipes.get(number).recipe == changed(before, Change(set={"name": "Another name"})), "a new name is all that is new"
    assert recipes.change(number, Change(set={"name": "Another name"})) == [], "nothing new is no change"
    recipes.change(number, Change(parameters={"steps": "30", "Seed": "5", "Sampler": None}))
    assert recipes.get(number).recipe.parameters == {"Steps": "30", "Seed": "5"}
    glow = recipes.get(number).recipe.models[1]
    recipes.change(number, Change(change_models=[ModelChange(id=glow.id, weight=0.5)], add_models=[Mention(kind="vae", name="soft")]))
    recipes.change(number, Change(add_tags=["öl", "new"], remove_tags=["EVENING"]))
    after = recipes.get(number).recipe
    assert [(one.name, one.weight) for one in after.models] == [("dream", None), ("glow", 0.5), ("soft", None)]
    assert after.models[0] == before.models[0] and after.models[1].id == glow.id and after.tags == ["new", "Öl"]
    assert (after.prompt, after.note, after.collection, after.picture, after.source) == (
        before.prompt,
        before.note,
        before.collection,
        "a.png",
        before.source,
    )
    recipes.change(number, Change(remove_models=[glow.id]))
    with pytest.raises(NotFound):
        recipes.change(number, Change(change_models=[ModelChange(id=glow.id, weight=1)]))


@pytest.mark.parametrize(
    "change",
    [
        Change(set={"name": "x" * 201}),
        Change(set={"prompt": None}),
        Change(set={"uid": "x"}),
        Change(set={"level": -1}),
        Change(set={"favourite": "yes"}),
        Change(parameters={"": "x"}),
        Change(parameters={"a": "x" * 20_001}),
        Change(add_models=[Mention(name="")]),
        Change(add_models=[Mention(name="x", weight=float("nan"))]),
        Change(add_models=[Mention(name="x")] * 201),
        Change(add_tags=["t" * 101]),
    ],
)
def test_what_makes_no_sense_is_refused_whole(recipes: Recipes, change: Change) -> None:
    number = recipes.make(sunset())
    before = recipes.get(number)
    change.set.setdefault("note", "must not be kept")
    with pytest.raises(BadValue):
        recipes.change(number, change)
    with pytest.raises(BadValue):
        recipes.change_many([number], change)
    assert recipes.get(number) == before and recipes.history(number) == []


def test_what_comes_from_damaged_files_is_cut(recipes: Recipes) -> None:
    wild = sunset(
        name="n" * 900, prompt="p\0" + "x" * 60_000, level=9999, parameters={"": "x", "k" * 200: "y", "Steps": "20"}, tags=["t" * 300, ""],
        models=[Mention(name="", weight=float("inf"), version_id=-4), Mention(name="m" * 600, hash="zzz")],
    )  # fmt: skip
    tame = usable(wild)
    assert checked(tame) == tame and len(tame.name) == 200 and len(tame.prompt) <= 50_000 and tame.parameters == {"Steps": "20"}
    assert [(one.version_id, one.weight, one.hash) for one in tame.models] == [(0, None, ""), (0, None, "")]
    recipes.make(tame)


# -- history


def test_history_brings_everything_back_and_is_a_change_itself(recipes: Recipes) -> None:
    number = recipes.make(sunset(picture="a.png", width=3, height=4))
    first = recipes.get(number).recipe
    recipes.change(number, Change(set={"prompt": "a sea", "favourite": True}, remove_models=[first.models[1].id], parameters={"Steps": None}))
    second = recipes.get(number).recipe
    recipes.set_picture(number, "b.jpeg", 5, 6, 4)
    (late, early) = recipes.history(number)
    assert (early["what"], late["what"]) == (["prompt", "favourite", "parameters", "models"], ["level", "picture"])
    assert recipes.state(number, early["id"]) == first
    assert set(recipes.restore(number, early["id"])) == {"prompt", "favourite", "parameters", "models", "level", "picture"}
    assert recipes.get(number).recipe == first, "with the same models under the same numbers"
    assert recipes.pictures() == {"a.png", "b.jpeg"}
    newest = recipes.history(number)[0]["id"]
    recipes.restore(number, newest)
    assert recipes.get(number).recipe.prompt == second.prompt and recipes.get(number).recipe.picture == "b.jpeg"
    with pytest.raises(NotFound):
        recipes.restore(number, 999)
    with pytest.raises(NotFound):
        recipes.state(number + 1, newest)


def test_typing_is_one_entry_and_the_history_is_bounded(recipes: Recipes) -> None:
    number = recipes.make(sunset())
    for length in range(1, 6):
        recipes.change(number, Change(set={"prompt": "abcdef"[:length]}), sitting="page-1")
    assert len(recipes.history(number)) == 1 and recipes.state(number, recipes.history(number)[0]["id"]).prompt == sunset().prompt
    recipes.change(number, Change(set={"prompt": "theirs"}), sitting="page-2")
    recipes.change(number, Change(set={"prompt": "mine"}), sitting="page-1")
    states = [recipes.state(number, one["id"]).prompt for one in recipes.history(number)]
    assert states == ["theirs", "abcde", sunset().prompt], "what somebody else has typed in between is remembered"
    for count in range(REMEMBERED + 10):
        recipes.change(number, Change(set={"note": str(count)}))
    assert len(recipes.history(number)) == REMEMBERED


# -- the trash


def test_deleted_ones_can_be_taken_back(recipes: Recipes, search: RecipeSearch) -> None:
    one, two = recipes.make(sunset()), recipes.make(sunset(name="Two", prompt="other"))
    before = recipes.get(one)
    assert recipes.delete([one, one, 99]) == 1 and recipes.delete([one]) == 0
    assert names(search) == ["Two"] and names(search, state="deleted") == ["Sunset"] == names(search, "is:trash")
    assert recipes.undelete([one, two]) == 1 and recipes.get(one) == before
    recipes.delete([one, two])
    assert recipes.purge([one]) == 1 and names(search, state="deleted") == ["Two"]
    assert recipes.purge() == 1 and recipes.all(deleted=True) == []
    assert names(search, "sunset", state="deleted") == []
    assert recipes.make(sunset()) > two, "a number is never used twice"


# -- equal ones


def test_equal_ones_are_recognised(recipes: Recipes) -> None:
    number = recipes.make(sunset())
    same = sunset(name="Other", tags=[], note="", prompt=" a  lake, <lora:glow:0.8> ", models=list(reversed(sunset().models)))
    same.parameters = {"Sampler": "Euler a", "steps": "20", "Version": "v1.10", "Model hash": "1ad6ca7f70"}
    assert recipes.equal_to(same) == [{"id": number, "name": "Sunset", "deleted": False}]
    assert recipes.equal_to(same, but=number) == []
    for other in (sunset(prompt="a sea"), sunset(negative=""), sunset(parameters={"Steps": "21", "Sampler": "Euler a"}), sunset(models=[])):
        assert recipes.equal_to(other) == [], other
    heavier = sunset()
    heavier.models[1].weight = 0.9
    assert recipes.equal_to(heavier) == [] and fingerprint(Recipe(name="empty", note="x")) == "" and recipes.equal_to(Recipe()) == []
    recipes.change(number, Change(set={"prompt": "a sea"}))
    assert recipes.equal_to(same) == [] and recipes.equal_to(sunset(prompt="a sea")) != []


def test_the_same_one_is_made_once(recipes: Recipes) -> None:
    number = recipes.make(sunset(uid="a" * 32))
    assert recipes.make(sunset(uid="a" * 32, prompt="other")) == number and recipes.get(number).recipe.prompt == sunset().prompt
    found = recipes.with_uid("a" * 32)
    assert found is not None and found.id == number and recipes.with_uid("b" * 32) is None


# -- search


def test_search_and_filters(recipes: Recipes, search: RecipeSearch, database: Database) -> None:
    recipes.make(sunset(picture="a.png", level=4))
    recipes.make(Recipe(name="Straße im Regen", prompt="street, rain", tags=["city"], favourite=True, models=[Mention(name="Detail Tweaker XL")]))
    recipes.make(Recipe(name="夕焼けの湖", prompt="夕焼け", collection="lakes", note="für Öl", parameters={"Sampler": "DPM++ 2M"}))
    everything = ["Straße im Regen", "Sunset", "夕焼けの湖"]
    assert names(search) == everything
    for query, found in {
        "lake": everything[1:], "strasse": ["Straße im Regen"], "öl": ["Sunset", "夕焼けの湖"], "焼け": ["夕焼けの湖"], "weaker": ["Straße im Regen"],
        "#öl": ["Sunset"], "collection:LAKES": ["Sunset", "夕焼けの湖"], "-collection:lakes": ["Straße im Regen"], "is:fav": ["Straße im Regen"],
        "-is:favourite warm": ["Sunset"], "is:bare": ["Straße im Regen", "夕焼けの湖"], "is:picture": ["Sunset"], "is:noted": everything[1:],
        'model:"tweaker xl"': ["Straße im Regen"], "dpm": ["夕焼けの湖"], "nothing": [], "!!!": everything, "": everything, 'a "': everything[1:2],
        "@ann": [], "type:lora": [],
    }.items():  # fmt: skip
        assert names(search, query) == found, query
    assert names(search, hide=2) == ["Straße im Regen", "夕焼けの湖"] and names(search, hide=4) == everything
    assert names(search, tag="CITY") == ["Straße im Regen"] and names(search, state="nonsense") == everything
    facets = search.facets()
    assert facets["total"] == 3 and [(one["name"].lower(), one["count"]) for one in facets["collections"]] == [("lakes", 2)]
    assert facets["states"] == {"favourite": 1, "picture": 1, "bare": 2, "here": 0, "missing": 2, "noted": 2, "deleted": 0}
    assert {one["tag"]: one["count"] for one in facets["tags"]} == {"Öl": 1, "evening": 1, "city": 1}


def test_what_is_here_and_what_is_missing(recipes: Recipes, search: RecipeSearch, database: Database) -> None:
    one = recipes.make(sunset())
    recipes.make(Recipe(name="by name", models=[Mention(kind="embedding", name="EasyNegative")]))
    recipes.make(Recipe(name="none", prompt="x"))
    assert names(search, state="here") == [] and names(search, state="missing") == ["by name", "Sunset"]
    files = Files(database)
    files.put([LocalFile("/m/any.safetensors", 1, 1, "1ad6ca7f70" + "0" * 54, 5, 50), LocalFile("/m/easynegative.pt", 1, 1)])
    assert names(search, "is:missing") == ["Sunset"] and names(search, "is:here") == ["by name"]
    assert names(search, "-is:missing") == ["by name", "none"]
    assert list(search.here(one).values()) == ["hash", ""]
    cards = search.cards(Wanted(sort="name"))[0]
    assert [(card.name, card.models, card.missing) for card in cards] == [("by name", 1, 0), ("none", 0, 0), ("Sunset", 2, 1)]
    (number,) = files.put([LocalFile("/m/glow.safetensors", 1, 1, "f" * 64, 7, 77)])
    assert names(search, "is:missing") == []
    files.change([(number, {"state": "missing"})])
    assert names(search, "is:missing") == ["Sunset"]


def test_sorts_and_windows(recipes: Recipes, search: RecipeSearch) -> None:
    ids = [recipes.make(Recipe(name=f"{letter}", prompt=letter)) for letter in "cab"]
    recipes.change(ids[0], Change(set={"note": "x"}))
    recipes.used(ids[1])
    order = {sort: "".join(card.name for card in search.cards(Wanted(sort=sort))[0]) for sort in ("changed", "created", "name", "used", "nonsense")}
    assert order == {"changed": "cba", "created": "bac", "name": "abc", "used": "acb", "nonsense": "cba"}
    cards, total = search.cards(Wanted(sort="name"), offset=1, limit=1)
    assert (cards[0].name, total) == ("b", 3) and search.cards(Wanted(), offset=99)[0] == []


# -- many at once


def test_many_are_changed_at_once(recipes: Recipes) -> None:
    ids = [recipes.make(Recipe(name=str(number))) for number in range(3)]
    assert recipes.change_many([*ids, 99], Change(set={"collection": "All"}, add_tags=["x"])) == 3
    assert all(recipes.get(one).recipe.collection == "All" and recipes.get(one).recipe.tags == ["x"] for one in ids)
    assert len(recipes.history(ids[0])) == 1


def test_two_pages_at_once_lose_nothing(recipes: Recipes, database: Database) -> None:
    number = recipes.make(Recipe(name="x"))
    errors: list[BaseException] = []

    def page(which: int) -> None:
        mine, rng = Recipes(database), random.Random(which)
        try:
            for step in range(25):
                kinds = [
                    Change(add_tags=[f"t{which}-{step}"]),
                    Change(parameters={f"P{which} {step}": str(step)}),
                    Change(add_models=[Mention(name=f"m{which}-{step}")]),
                    Change(set={("name", "note")[which]: f"{step}"}),
                ]
                rng.shuffle(kinds)
                for change in kinds:
                    mine.change(number, change)
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=page, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    recipe = recipes.get(number).recipe
    expected = {f"{which}-{step}" for which in (0, 1) for step in range(25)}
    assert {tag[1:] for tag in recipe.tags} == expected == {one.name[1:] for one in recipe.models}
    assert len(recipe.parameters) == 50 and (recipe.name, recipe.note) == ("24", "24")
