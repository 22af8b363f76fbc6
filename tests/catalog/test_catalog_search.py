"""The search language on a real SQLite file, against a search in plain Python; what the indexes hold; how the plans look."""

from __future__ import annotations

import datetime
import random
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.catalog import query, settle, texts
from civitai_manager_libs.catalog.database import Database
from civitai_manager_libs.catalog.files import Files, LocalFile
from civitai_manager_libs.catalog.grid import SORTS, _order, _where
from civitai_manager_libs.catalog.models import Entry, Models, VersionEntry, Wanted
from civitai_manager_libs.catalog.own import OwnData


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "catalog.db")
    yield made
    made.close()


@pytest.fixture
def models(database: Database) -> Models:
    return Models(database)


def entry(number: int, name: str, **more: Any) -> Entry:
    given = {"type": "LORA", "creator": "ann", "nsfw": False, "nsfw_level": 1, "base_models": [], "published": "", "versions": [], **more}
    words = [name, given["creator"], *given.get("tags", []), *given.pop("words", [])]
    return Entry(id=number, name=name, search=" ".join(words), **given)


def found(models: Models, text: str, **more: Any) -> list[int]:
    return sorted(models.ids(Wanted(query=text, **more)))


def file(number: int, name: str, model_id: int, **more: Any) -> LocalFile:
    return LocalFile(f"/models/Lora/{name}", 100 * number, number, f"{number:064x}", model_id, model_id * 10 if model_id > 0 else None, **more)


# -- every form of the language


@pytest.fixture
def library(models: Models, database: Database) -> Models:
    v = VersionEntry
    models.save_all(
        (one, {})
        for one in (
            entry(1, "Watercolor Hills", creator="ann", base_models=["SDXL 1.0"], tags=["style", "Landscape Art"], words=["wtrclr style"],
                  versions=[v(11, {}, "Night edition", "SDXL 1.0"), v(10, {}, "v1.0", "SDXL 1.0")]),
            entry(2, "Robot 9000", type="Checkpoint", creator="anna_b", base_models=["SDXL Turbo", "Pony"], nsfw_level=12, tags=["style"]),
            entry(3, "Ölfarben-Straße", creator="Bob", base_models=["SD 1.5"], nsfw_level=0),
            entry(4, "水彩画スタイル", creator="花子", words=["かわいい猫"], nsfw_level=5),
            entry(5, "100% wool_scarf (v2)", type="LoCon", nsfw_level=28),
        )
    )  # fmt: skip
    here = [file(1, "wtr_hills_v1-fp16.safetensors", 1), file(3, "x.pt", 5, health="truncated")]
    Files(database).put([*here, file(2, "robot.ckpt", 2, state="missing")])
    record = file(9, "geheimes Modell №7 🦊.safetensors", 0)
    record.model_id = None
    (number,) = Files(database).put([record])
    models.save(entry(-number, "geheimes Modell №7 🦊", refreshed=False), {})
    Files(database).change([(number, {"model_id": -number})])
    own = OwnData(database)
    own.edit([3], {"favourite": True, "note": "Nimm Stärke 0,8 für Ölbilder"}, add_tags=["Mein Öl"])
    own.add_to_collection(own.create_collection("Für Später"), [5, 1])
    own.add_words(2, "chrome_plating, rivets", name="metal")
    own.edit([2], {"negative": "blurry hands"})
    return models


LOCAL = -4  # the fourth file that was recorded


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("hills", [1]), ("HILL", [1]), ("hil water", [1]), ("ills", [1]), ("ater", [1]), ("te", []), ("9000", [2]), ("9", [2]), ("r", [2]),
        ("night", [1]), ("edition hills", [1]), ('"watercolor hills"', [1]), ('"hills watercolor"', []), ('"color hills"', []),
        ('"watercolor hil"', []), ('"watercolor hil', [1]), ('"hill"', []), ('"hill', [1]), ('"hills"', [1]), ('base:"sdxl', [1, 2]),
        ("wtr_hills", [1]), ("fp16", [1]), ("tr_hil", [1]), ("wtr_hills_v1-fp16.safetensors", [1]), ("robot.ckpt", [2]),
        ("wtrclr", [1]), ("trclr", []), ("chrome", [2]), ("rivets plating", [2]), ("metal", [2]), ("blurry", [2]),
        ("ölfarben", [3]), ("olfarben", [3]), ("ÖLFARBEN", [3]), ("straße", [3]), ("STRASSE", [3]), ("strasse", [3]), ("lfarb", [3]),
        ("stärke", [3]), ("starke", [3]), ("ölbild", [3]), ("O\u0308lfarben", [3]), ("\uff32\uff2f\uff22\uff2f\uff34", [2]),
        ("水彩", [4]), ("彩", [4]), ("彩画", [4]), ("画彩", []), ("スタイル", [4]), ("猫", [4]), ("わいい", [4]), ("花子", [4]), ("@花子", [4]),
        ("100%", [5]), ("l_s", [5]), ("(v2)", [5]), ("wool-scarf", [5]), ('"wool scarf"', [5]),
        ("🦊", [LOCAL]), ("№7", [LOCAL]), ("geheim", [LOCAL]), ("ehei mod", [LOCAL]), ("is:local", [LOCAL]),
        ("#style", [1, 2]), ("#STYLE", [1, 2]), ('#"landscape art"', [1]), ("#landscape", []), ("#sty", []), ('#"mein öl"', [3]), ('#"MEIN ÖL"', [3]),
        ("mein öl", [3]), ("@ann", [1, 2, 5, LOCAL]), ('@"ann"', [1, 5, LOCAL]), ("@BOB", [3]), ("@anna", [2]),
        ("type:lora", [1, 3, 4, LOCAL]), ("TYPE:LoRa", [1, 3, 4, LOCAL]), ("type:lo", [1, 3, 4, 5, LOCAL]),
        ('type:"lo"', []), ("type:checkpoint", [2]),
        ('base:"SDXL 1.0"', [1]), ("base:sdxl", [1, 2]), ('base:"sdxl"', []), ('BASE:"sdxl turbo"', [2]), ("base:pony", [2]),
        ('-base:"SDXL 1.0" base:s', [2, 3]),
        ("is:downloaded", [1, 5, LOCAL]), ("is:missing", [2]), ("is:update", [1]), ("is:broken", [5]), ("is:favourite", [3]), ("is:favorite", [3]),
        ("is:fav", [3]), ("is:nsfw", [2, 3, 4, 5]), ("is:unrated", [3]), ("is:registered", [2, 3, 4]), ("is:noted", [3]), ("is:gone", []),
        ('collection:"für später"', [1, 5]), ('collection:"FÜR  SPÄTER"', [1, 5]), ("-collection:nothing type:checkpoint", [2]),
        ("-hills type:lora", [3, 4, LOCAL]), ("-is:downloaded", [2, 3, 4]), ("-#style -is:local", [3, 4, 5]), ('-"watercolor hills" #style', [2]),
        ("-@ann", [3, 4]), ("hills -night", []), ("robot is:missing #style base:pony @anna type:check 90", [2]),
    ],
)  # fmt: skip
def test_every_form(library: Models, text: str, ids: list[int]) -> None:
    assert found(library, text) == sorted(ids)


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "-", "--", "#", "@", '"', '""', '"""', "type:", "base:", "is:", "-is:", 'base:"', "%", "_", "\\", "'", ";", "(", "*", "^",
        ". , ; : ! ?", "\x00", "\x00\x01\x1f", "\u200b", "\ufe0f", "\ue000", "\ud83d", "- - -", '#""', "...", "{}", "[]", "\u0301", "“”„",
    ],
)  # fmt: skip
def test_what_has_nothing_to_look_for_hides_nothing(library: Models, text: str) -> None:
    assert len(found(library, text)) == 6


@pytest.mark.parametrize(
    "text",
    [
        "hills'; DROP TABLE models; --", '"; DELETE FROM models; "', "hills OR 1=1", "words:hills", "found_words MATCH 'x'", 'a"b"c',
        '"unclosed hills',
        "x" * 10_000, "a " * 5_000, '"' * 999, "-" * 999, "is:nothing", "is:downloaded'", "unknown:value", 'unknown:"a b"', "http://x/y?z#w",
        "hills AND NOT robot", "hills*", "hi*ls", "^hills", "hills NEAR robot", "col : hills", "-is:xyz", "#\x00", "@%", "type:%", "type:\U0010ffff",
        "base:'", "\ud83d\ude00 \udc00", "((((", "))))", "\N{ARABIC LETTER ALEF}" * 100, "e\u0301" * 200, "𝔥𝔦𝔩𝔩𝔰", "\t\r\n\v hills \x85",
    ],
)  # fmt: skip
def test_garbage_never_fails(library: Models, text: str) -> None:
    for hide in (0, 4):
        everywhere = {name: text[:100] for name in ("type", "base", "collection", "state", "sort")}
        cards, total = library.cards(Wanted(query=text, hide=hide, **everywhere))
        assert total == len(cards)
        library.cards(Wanted(query=text, hide=hide))
        library.tags_beginning(text)
    assert library.cards()[1] == 6


def test_random_garbage_never_fails(library: Models) -> None:
    rng = random.Random(4)
    letters = "\"'#@:-*^(){}[]%_\\ \t\x00aäß水🦊is:typebase\ud83d\u0301\ufe0f\u200b"
    for _ in range(1500):
        text = "".join(rng.choices(letters, k=rng.randint(1, 30)))
        assert len(library.ids(Wanted(query=text))) <= 6


def test_mathematical_letters_are_letters(library: Models) -> None:
    assert found(library, "𝔥𝔦𝔩𝔩𝔰") == [1]


def test_a_query_has_a_limit(library: Models) -> None:
    assert len(query.parse("a " * 5_000)) == 32


def test_filters_beside_the_query(library: Models) -> None:
    assert found(library, "hills", type="lora", base="sdxl 1.0", state="downloaded", collection="für später") == [1]
    assert found(library, "hills", type="lo") == [], "a menu names the whole"
    assert found(library, "", base='x" OR 1') == []
    assert [card.id for card in library.cards(Wanted(collection="Für Später", sort="collection"))[0]] == [5, 1]


# -- levels and orders


@pytest.mark.parametrize(
    ("hide", "ids"),
    [(0, [1, 2, 3, 4, 5]), (1, [1, 4]), (2, [1, 4]), (4, [1, 2, 4, 5]), (8, [1, 2, 4, 5]), (16, [1, 2, 3, 4, 5]), (32, [1, 2, 3, 4, 5])],
)
def test_hiding_shows_what_has_something_to_show(library: Models, hide: int, ids: list[int]) -> None:
    """Unrated ones (3) are shown to those only who see everything; a level of its own is the person's."""
    assert [one for one in found(library, "", hide=hide) if one > 0] == ids


def test_the_persons_level_holds(library: Models, database: Database) -> None:
    OwnData(database).edit([1], {"own_level": 16})
    OwnData(database).edit([3], {"own_level": 1})
    assert [one for one in found(library, "", hide=2) if one > 0] == [3, 4]
    OwnData(database).edit([1], {"own_level": None})
    assert 1 in found(library, "", hide=2)
    library.save(entry(5, "100%", nsfw_level=32), {})
    assert 5 not in found(library, "", hide=8) and 5 in found(library, "is:nsfw")


def test_orders(models: Models, database: Database) -> None:
    for number, name, published, downloads, thumbs in ((1, "zeta", "2026-01", 5, 9), (2, "Älpha", "2026-03", 50, 1), (3, "Beta", "", 500, 5)):
        models.save(entry(number, name, published=published, downloads=downloads, thumbs=thumbs), {})
        models.set_own(number, registered=f"2026-0{number}", rating=number % 3)
    Files(database).put([file(7, "a", 1), file(2, "b", 3), file(3, "c", 3)])
    with database.writing() as db:
        db.executemany("UPDATE models SET used = ? WHERE id = ?", [(3.5, 2), (1.5, 3)])
        db.execute("UPDATE counters SET value = value + 1")
    orders = {sort: models.ids(Wanted(sort=sort)) for sort in SORTS}
    assert orders == {
        "registered": [3, 2, 1], "name": [2, 3, 1], "published": [2, 1, 3], "downloads": [3, 2, 1], "liked": [1, 3, 2], "rating": [2, 1, 3],
        "size": [1, 3, 2], "used": [2, 3, 1],
    }  # fmt: skip
    assert models.ids(Wanted(sort="nonsense")) == [3, 2, 1]


# -- always in step


VOCABULARY = [
    "hills", "hill", "Sea", "ölig", "STRASSE", "wool_scarf", "v1.0", "水彩画", "かわいい", "🦊", "a", "ab", "x-y", "100%", "No.7", "Ａｂｃ", "한국어",
]  # fmt: skip


def naive(state: dict[int, dict[str, Any]], text: str) -> list[int]:
    """The same language as the module's docstring has it, without any index: words only."""
    answer = []
    for number, told in state.items():
        spoken = [texts.tokens(one) for one in dict.fromkeys([told["name"], *told["files"], *told["spoken"]])]
        tokens = [token for one in spoken for token in one]
        chunks = [chunk for name in [told["name"], *told["files"]] for chunk in texts.chunks(name)]
        good = True
        for word in text.split():
            negated, word = word.startswith("-"), word.lstrip("-")
            phrase, letters = texts.tokens(word), texts.chunks(word)
            if not phrase:
                continue
            last = len(phrase) - 1
            places = (at for at in range(len(tokens) - last) if tokens[at : at + last] == phrase[:-1])
            begins = any(tokens[at + last].startswith(phrase[-1]) for at in places)
            inside = letters and len(letters[0]) >= 3 and any(letters[0] in chunk for chunk in chunks)
            good &= bool(begins or inside) != negated
        if good:
            answer.append(number)
    return sorted(answer)


@pytest.mark.parametrize("seed", range(4))
def test_the_index_is_always_in_step(models: Models, database: Database, seed: int) -> None:
    """Random changes of every kind; after each the index finds what a search through all texts finds."""
    rng = random.Random(seed)
    own, files = OwnData(database), Files(database)
    state: dict[int, dict[str, Any]] = {}
    some = lambda low=1, high=3: " ".join(rng.choices(VOCABULARY, k=rng.randint(low, high)))  # noqa: E731

    def check() -> None:
        with database.reading() as db:
            for table in ("found_words", "found_names"):
                db.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('integrity-check', 1)")
            assert db.execute("SELECT count(*) FROM texts").fetchone()[0] == len(state)
        for _ in range(6):
            word = rng.choice(VOCABULARY)
            start = rng.randrange(len(word))
            other = rng.choice(VOCABULARY)
            text = rng.choice([word, word[: start + 1], word[start:], f"{word} {other}", f"-{word}", f"{word} -{other}"])
            assert found(models, text) == naive(state, text), text

    for step in range(60):
        number = rng.randint(1, 8)
        told = state.get(number)
        action = rng.choice(("save", "save", "edit", "edit", "file", "forget", "words", "note", "adopt"))
        if action == "save" or told is None:
            made = entry(number, some(), creator=some(1, 1), words=[some()])
            models.save(made, {})
            old = told or {"tags": set(), "note": "", "negative": "", "sets": [], "files": []}
            state[number] = told = {**old, "name": made.name, "search": made.search}
        elif action == "edit":
            add, remove = rng.choice(VOCABULARY), rng.choice(VOCABULARY)
            own.edit([number], {"negative": some(0, 2)}, add_tags=[add], remove_tags=[remove])
            with database.reading() as db:
                told["negative"] = db.execute("SELECT negative FROM models WHERE id = ?", (number,)).fetchone()[0]
            told["tags"] = ({*told["tags"]} - {texts.key(remove)}) | {texts.key(add)}
            spelled = own.of(number)["own_tags"]
            assert {texts.key(tag) for tag in spelled} == told["tags"]
        elif action == "note":
            told["note"] = some(0, 3)
            models.set_own(number, note=told["note"])
        elif action == "words":
            words = some()
            own.add_words(number, words)
            told["sets"].append(f" {words} ")
        elif action == "file":
            name = f"{step}_{some(1, 2)}.safetensors"
            files.put([file(step, name, number)])
            told["files"].append(name)
        elif action == "forget":
            models.forget([number])
            del state[number]
        elif action == "adopt":
            other = rng.choice([one for one in state if one != number] or [number])
            if other != number:
                models.adopt(number, other)
                gone, kept = state.pop(number), state[other]
                kept["tags"] |= gone["tags"]
                kept["sets"] += gone["sets"]
                kept["files"] += gone["files"]
                files.change([(record.id, {"model_id": other}) for record in files.ever_of_model(number)])
                with database.reading() as db:
                    kept["note"], kept["negative"] = db.execute("SELECT note, negative FROM models WHERE id = ?", (other,)).fetchone()
        for one in state.values():
            one["spoken"] = [one["search"], one["note"], one["negative"], *sorted(one["tags"]), *one["sets"]]
        check()
        for one in state:
            told_tags, sets = own.of(one)["own_tags"], own.of(one)["word_sets"]
            assert {texts.key(tag) for tag in told_tags} == state[one]["tags"] and len(sets) == len(state[one]["sets"])


def test_settling_knows_what_is_here_and_newer(models: Models, database: Database) -> None:
    v = VersionEntry
    versions = [v(14, {}, "4", "Pony", early_access="2099-01-01T00:00:00Z"), v(13, {}, "3", "Pony"), v(12, {}, "2", "SDXL"), v(11, {}, "1", "SDXL")]
    models.save(entry(1, "one", versions=versions), {})
    files, own = Files(database), OwnData(database)

    def facts() -> dict[str, Any]:
        row = models.row(1)
        assert row is not None
        bits = {name for name, bit in settle.FACTS.items() if row["facts"] & bit}
        assert {state for state in query.STATES if query.holds(state, row["facts"])} == {
            state for state in query.STATES if models.ids(Wanted(state=state)) == [1]
        }
        return {"newer": row["newer"], "here": row["here"], "missing": row["missing"], "broken": row["broken"], "bytes": row["bytes"], "bits": bits}

    assert facts() == {"newer": 0, "here": 0, "missing": 0, "broken": 0, "bytes": 0, "bits": set()}
    (number,) = files.put([LocalFile("/a", 100, 1, "a" * 64, 1, 11)])
    assert facts() == {"newer": 1, "here": 1, "missing": 0, "broken": 0, "bytes": 100, "bits": {"here", "update"}}
    own.edit([1], {"follow": "base"})
    assert facts()["newer"] == 1
    own.ignore(1, [12])
    assert facts()["newer"] == 0
    own.edit([1], {"follow": "any"})
    assert facts()["newer"] == 1
    own.ignore(1, [13])
    assert facts()["newer"] == 2 and facts()["bits"] == {"here", "early"}
    models.settle([1])
    with database.writing() as db:
        settle.settle(db, [1], now=datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc))
    assert models.row(1)["newer"] == 1  # type: ignore[index]
    own.ignore(1, [12, 13], ignored=False)
    own.edit([1], {"pinned": 11})
    assert facts()["newer"] == 0
    own.edit([1], {"pinned": None, "follow": "none"})
    assert facts()["newer"] == 0
    own.edit([1], {"follow": "base"})
    files.put([LocalFile("/b", 10, 1, "b" * 64, 1, 13, health="wrong")])
    assert facts() == {"newer": 1, "here": 2, "missing": 0, "broken": 1, "bytes": 110, "bits": {"here", "update", "broken"}}, "12 is newer than 11"
    files.change([(number, {"state": "missing"})])
    assert facts()["missing"] == 1 and facts()["bytes"] == 10 and facts()["newer"] == 2, "14 is newer than 13, but early"
    files.put([LocalFile("/c", 1, 1, "c" * 64, 1, None)])
    assert facts()["newer"] == 2, "a file of no known version changes nothing"
    files.forget("/a", "/b", "/c")
    assert facts()["bits"] == set()


# -- cost


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    database = Database(tmp_path_factory.mktemp("big") / "catalog.db")
    models, rng = Models(database), random.Random(1)
    words = [f"{a}{b}" for a in ["ka", "lo", "mi", "ren", "tar", "vos", "bel"] for b in ["dru", "fen", "gil", "hox", "jun", "qua", "sil"]]
    made = []
    for n in range(1, 4001):
        name, tags = " ".join(rng.choices(words, k=3)), rng.choices(words, k=3)
        made.append(entry(n, name, type=rng.choice(("LORA", "VAE")), base_models=[rng.choice(("Pony", "SDXL 1.0"))], tags=tags))
    models.save_all((one, {}) for one in made)
    yield models
    database.close()


QUERIES = (
    "", "k", "ka", "kadru", "adru", "-kadru", '"kadru lofen"', "#kadru", "@ann", "type:lora", "base:pony", "is:downloaded", "is:nsfw", "kadru lo -mi",
)  # fmt: skip


@pytest.mark.parametrize("sort", [*SORTS, "collection"])
def test_no_query_scans_the_table(big: Models, sort: str) -> None:
    with big._db.reading() as db:
        for text in QUERIES:
            for more in ({}, {"hide": 4}, {"state": "update", "hide": 2}, {"type": "LORA", "base": "Pony"}):
                wanted = Wanted(query=text, sort=sort, **more)
                where, values = _where(wanted)
                order, others = _order(wanted)
                for statement, bound in (
                    (f"SELECT m.id FROM models m WHERE {where} ORDER BY {order}", [*values, *others]),
                    (f"SELECT total(m.bytes) FROM models m WHERE {where}", values),
                ):
                    plan = [row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", bound)]
                    scans = [one for one in plan if re.search(r"\bSCAN\b", one) and "COVERING INDEX" not in one and "VIRTUAL TABLE INDEX" not in one]
                    assert scans == [], (text, sort, more, plan)


def test_counting_for_the_filters_scans_no_table(big: Models) -> None:
    seen: list[str] = []
    with big._db.reading() as db:
        connection = db
        connection.set_trace_callback(seen.append)
    try:
        facets = big.facets()
        big.tags_beginning("ka"), big.tags_beginning("")
    finally:
        connection.set_trace_callback(None)
    assert facets["counts"]["types"].keys() == {"LORA", "VAE"} and sum(facets["counts"]["types"].values()) == 4000
    assert facets["counts"]["states"]["registered"] == 4000 and facets["counts"]["states"]["unrated"] == 0
    with big._db.reading() as db:
        for statement in seen:
            plan = [row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert not [one for one in plan if re.search(r"SCAN (models|texts|tags|m)\b(?!.*COVERING)", one)], (statement, plan)


def test_the_next_windows_of_a_view_cost_nothing(big: Models) -> None:
    seen: list[str] = []
    wanted = Wanted(query="ka", sort="name")
    first = big.cards(wanted, offset=0, limit=50)
    with big._db.reading() as db:
        connection = db
        connection.set_trace_callback(seen.append)
    second = big.cards(wanted, offset=50, limit=50)
    connection.set_trace_callback(None)
    assert first[1] == second[1] > 100 and not {card.id for card in first[0]} & {card.id for card in second[0]}
    assert not [one for one in seen if "MATCH" in one or "ORDER BY" in one], seen
    everything = big.ids(wanted)
    assert [card.id for card in [*first[0], *second[0]]] == everything[:100]


def test_a_busy_writer_blocks_no_reader(models: Models, database: Database) -> None:
    """A scan that is in the middle of a transaction; readers see what was before it, and see the new at once after it."""
    models.save_all((entry(n, f"Model {n}"), {}) for n in range(1, 501))
    assert models.cards(Wanted(query="model"))[1] == 500
    inside, leave, times = threading.Event(), threading.Event(), []

    def write() -> None:
        with database.writing() as db:
            db.execute("UPDATE models SET favourite = 1, facts = facts | 1024")
            db.execute("UPDATE counters SET value = value + 1 WHERE name = 'catalog'")
            inside.set()
            leave.wait(20)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert inside.wait(10)
        for number in range(20):
            began = time.perf_counter()
            assert models.cards(Wanted(query=f"model {number}", state="favourite"))[1] == 0
            assert models.facets()["counts"]["states"]["favourite"] == 0
            times.append(time.perf_counter() - began)
    finally:
        leave.set()
        writer.join()
    assert max(times) < 5, "nobody waited for the transaction"
    assert models.cards(Wanted(query="model", state="favourite"))[1] == 500


def test_another_process_is_seen(models: Models, database: Database) -> None:
    models.save(entry(1, "one"), {})
    assert models.cards()[1] == 1 and models.facets()["counts"]["types"] == {"LORA": 1}
    other = Database(database.path)
    Models(other).save(entry(2, "two"), {})
    other.close()
    assert models.cards()[1] == 2 and models.facets()["counts"]["types"] == {"LORA": 2}


def test_any_sqlite_is_enough(database: Database) -> None:
    """No tokenizer of a newer SQLite than the oldest Python's: the index knows only the simplest one."""
    with database.reading() as db:
        told = [row[0] for row in db.execute("SELECT sql FROM sqlite_master WHERE sql LIKE '%fts5%'")]
    assert len(told) >= 4 and all("tokenize='ascii'" in one for one in told)
    assert sqlite3.sqlite_version_info >= (3, 24)
