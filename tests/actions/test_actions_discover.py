"""Searching Civitai with faults on: what is kept, what is asked, what is dropped; taking over what was found; following."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.actions.discover import following
from civitai_manager_libs.actions.discover.asking import QUEUED, Asking, Task
from civitai_manager_libs.application import Application
from civitai_manager_libs.catalog import answers
from civitai_manager_libs.catalog.answers import Page
from civitai_manager_libs.civitai.searching import Search
from civitai_manager_libs.errors import BadValue, Busy, NotFound, UsageError
from support import NOWHERE, done, failed, make_application, until

from demo.server import KEY, DemoServer
from demo.specials import SPECIAL

FIRST = 4_100_000
MODELS = "/api/v1/models"


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoServer]:
    with DemoServer(models=300) as server:
        yield server


@pytest.fixture
def application(tmp_path: Path, demo: DemoServer) -> Iterator[Application]:
    demo.clear_faults()
    demo.forget()
    made = make_application(tmp_path, demo)
    made.start()
    yield made
    made.close()
    demo.clear_faults()


def ask(application: Application, search: Search, **options: Any) -> dict[str, Any]:
    """The page as it is when nothing is asked any more."""
    told, task = application.discover.page(search, **options)
    if task is not None:
        assert task.wait_until_over(20)
        told, _ = application.discover.page(search, **{**options, "again": False})
    return told


def everything(application: Application, search: Search, **options: Any) -> list[dict[str, Any]]:
    found, cursor = [], ""
    while True:
        told = ask(application, search, cursor=cursor, **options)
        assert told["state"] == "ready", told
        found.append(told)
        cursor = told["next"]
        if not cursor:
            return found


def ids(pages: list[dict[str, Any]]) -> list[int]:
    return [item["id"] for page in pages for item in page["items"]]


def queries(demo: DemoServer) -> list[str]:
    return [one["query"] for one in demo.requests if one["path"] == MODELS]


def test_all_pages_by_cursor_only(application: Application, demo: DemoServer) -> None:
    found = ids(everything(application, Search(sort="Newest")))
    assert len(found) == len(set(found)) >= 300
    assert all("page=" not in query for query in queries(demo))
    assert "cursor=" not in queries(demo)[0] and all("cursor=" in query for query in queries(demo)[1:])


def test_what_is_asked_is_asked(application: Application, demo: DemoServer) -> None:
    wanted = Search(text=" two  words ", types=("LORA", "LoCon"), bases=("SDXL 1.0",), tag="#cat", period="Week", checkpoint="Merge")
    ask(application, wanted)
    ask(application, Search(text="two", creator="@someone"))
    query = queries(demo)[0]
    for part in ("query=two+words", "types=LORA&types=LoCon", "baseModels=SDXL+1.0", "tag=cat", "period=Week", "checkpointType=Merge"):
        assert part in query
    assert "username=someone" in queries(demo)[-1]
    assert "favorites" not in query, "even favorites=false needs a key" and "sort=" not in query


BAD = [
    Search(sort="newest"), Search(period="Decade"), Search(checkpoint="Standard"), Search(text="x" * 300), Search(types=tuple(map(str, range(60)))),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_what_cannot_be_asked_is_refused_before_it_is_asked(application: Application, demo: DemoServer, bad: Search) -> None:
    with pytest.raises(UsageError):
        application.discover.page(bad)
    assert not queries(demo)


def test_a_text_search_is_filtered_again_and_its_empty_pages_have_a_next_one(application: Application, demo: DemoServer) -> None:
    search = Search(text="landscape", bases=("NoobAI",), creator="oakandink")
    pages = everything(application, search)
    assert any(not page["items"] and page["next"] and page["seen"] == 0 for page in pages), "the demo sends empty pages as Civitai does"
    plain = [item for page in everything(application, Search(text="landscape")) for item in page["items"]]
    assert set(ids(pages)) <= {item["id"] for item in plain if item["creator"] == "oakandink"}
    assert all(item["creator"] == "oakandink" for page in pages for item in page["items"])
    listed = [model.id for model, _ in application.discover.search(search, 100)]
    assert listed == ids(pages), "the terminal follows them too"


def test_a_kept_answer_is_given_at_once_and_renewed_when_older_than_five_minutes(application: Application, demo: DemoServer) -> None:
    first = ask(application, Search())
    asked = len(queries(demo))
    told, task = application.discover.page(Search())
    assert task is None and told["items"] == first["items"] and not told["renewing"] and len(queries(demo)) == asked
    age(application, 301)
    told, task = application.discover.page(Search())
    assert told["state"] == "ready" and told["renewing"] and task is not None
    assert task.wait_until_over(10)
    told, task = application.discover.page(Search())
    assert task is None and told["asked"] > time.time() - 60


def age(application: Application, seconds: float) -> None:
    """What is kept was asked for so long ago."""
    with application.services.answers._db.writing() as db:
        db.execute("UPDATE answers SET asked = asked - ?", (seconds,))
        db.execute("UPDATE answered SET asked = asked - ?", (seconds,))


@pytest.mark.parametrize(
    ("fault", "options", "code"),
    [
        ("error", {"status": 503}, "service_down"), ("rate_limit_silent", {}, "rate_limited"), ("challenge", {}, "service_down"),
        ("html_page", {}, "service_down"), ("close", {"after": 40}, "service_down"), ("region", {}, "region_blocked"),
    ],
)  # fmt: skip
def test_a_failure_is_a_failure_and_never_an_empty_result(tmp_path: Path, demo: DemoServer, fault: str, options: dict[str, Any], code: str) -> None:
    demo.clear_faults()
    application = make_application(tmp_path, demo, http_timeout=1.5, http_retry_delay=0.01)
    application.start()
    try:
        demo.fault(fault, path="v1/models", **options)
        told = ask(application, Search(sort="Newest"))
        assert told["state"] == "failed" and "items" not in told
        assert told["error"]["code"] == code and told["error"]["message"] and told["error"]["next_step"]
        before = len(demo.requests)
        assert ask(application, Search(sort="Newest"))["state"] == "failed" and len(demo.requests) == before, "it is not asked again at once"
        demo.clear_faults()
        assert ask(application, Search(sort="Newest"), again=True)["state"] == "ready"
    finally:
        application.close()
        demo.clear_faults()


@pytest.mark.parametrize(("fault", "options"), [("error", {"status": 503}), ("rate_limit", {"retry_after": 1}), ("close", {"after": 100})])
def test_what_passes_is_tried_again_without_a_word(application: Application, demo: DemoServer, fault: str, options: dict[str, Any]) -> None:
    demo.fault(fault, path="v1/models", times=1, **options)
    assert ask(application, Search(sort="Oldest"))["state"] == "ready"


def test_offline_the_last_answer_stays_with_its_date(application: Application, demo: DemoServer) -> None:
    first = ask(application, Search())
    age(application, 4000)
    demo.stop_api()
    try:
        told = ask(application, Search())
        assert told["state"] == "ready" and told["items"] == first["items"]
        assert told["error"]["code"] in ("offline", "service_down") and told["asked"] < time.time() - 3900 and not told["renewing"]
        assert ask(application, Search(sort="Newest"))["state"] == "failed"
    finally:
        demo.start_api()


def test_a_newer_question_of_a_page_takes_the_place_of_its_older_one(application: Application, demo: DemoServer) -> None:
    demo.fault("slow", path="query=meadow", seconds=1.5)
    _, old = application.discover.page(Search(text="meadow"), asker="one")
    until(lambda: queries(demo))
    told, new = application.discover.page(Search(text="valley"), asker="one")
    assert old is not None and new is not None and new.wait_until_over(10)
    told, _ = application.discover.page(Search(text="valley"), asker="one")
    assert all("valley" in item["name"].lower() for item in told["items"]) and told["items"]
    assert old.wait_until_over(10)
    assert all("valley" in item["name"].lower() for item in application.discover.page(Search(text="valley"), asker="one")[0]["items"])
    assert ask(application, Search(text="meadow"))["items"], "given up is not failed"


def test_what_several_pages_ask_is_asked_once(application: Application, demo: DemoServer) -> None:
    demo.fault("slow", path="v1/models", seconds=0.5)
    tasks = [application.discover.page(Search(text="fox"), asker=str(number))[1] for number in range(5)]
    assert len(set(tasks)) == 1 and tasks[0] is not None
    application.discover.page(Search(), asker="0")
    assert tasks[0].wait_until_over(10)
    assert application.discover.page(Search(text="fox"))[0]["state"] == "ready", "four others still waited for it"
    assert len([query for query in queries(demo) if "fox" in query]) == 1


@pytest.mark.parametrize("named", ["link", "id", "hash", "air"])
def test_a_link_an_id_or_a_hash_is_understood(application: Application, demo: DemoServer, named: str) -> None:
    model = demo.catalogue.model(FIRST + 3)
    assert model is not None
    body = application.services.client.model(FIRST + 3).value
    digest = next(file.sha256 for version in body.versions for file in version.files if file.sha256)
    link, air = f"https://civitai.com/models/{FIRST + 3}/name", f"urn:air:sdxl:lora:civitai:{FIRST + 3}"
    told = ask(application, Search(text={"link": link, "id": str(FIRST + 3), "hash": str(digest), "air": air}[named]))
    assert [item["id"] for item in told["items"]] == [FIRST + 3] and told["items"][0]["named"] and told["next"] == ""
    assert told["reference"]


def test_a_number_that_is_no_model_is_a_word(application: Application, demo: DemoServer) -> None:
    told = ask(application, Search(text="2077"))
    assert told["state"] == "ready" and any("query=2077" in query for query in queries(demo))
    demo.forget()
    assert ask(application, Search(text=str(FIRST)), words=True)["state"] == "ready"
    assert any(f"query={FIRST}" in query for query in queries(demo)), "asked for as a word"
    assert ask(application, Search(text="https://civitai.com/models/2"))["state"] == "failed"


def test_early_access_is_left_out_when_it_is_not_wanted(application: Application) -> None:
    shown = [item for page in everything(application, Search()) for item in page["items"]]
    paid = {item["id"] for item in shown if not item["free"] and item["versions"]}
    assert paid, "the demo has some"
    left = set(ids(everything(application, Search(early=False))))
    assert not left & paid and left


def test_pictures_above_the_level_are_left_out(application: Application, demo: DemoServer) -> None:
    safe = ids(everything(application, Search(mature=False)))
    assert all("nsfw" not in query for query in queries(demo))
    everyone = everything(application, Search(text=str(SPECIAL["adult"].model_id)), hide=0)
    assert ids(everyone) == [SPECIAL["adult"].model_id]
    assert ids(everything(application, Search(text=str(SPECIAL["adult"].model_id)), hide=1)) == [] and SPECIAL["adult"].model_id not in safe
    for page in everything(application, Search(), hide=2):
        assert all(0 < picture["level"] <= 2 for item in page["items"] for picture in item["pictures"])


def test_pictures_come_at_the_width_of_the_ladder(application: Application) -> None:
    for width, asked in ((100, "width=320"), (321, "width=450"), (4000, "width=800")):
        pictures = [picture for item in ask(application, Search(), width=width)["items"] for picture in item["pictures"]]
        assert pictures and all(asked in picture["small"] and "original" not in picture["small"] for picture in pictures)


def test_favourites_only_with_a_key(application: Application, demo: DemoServer, tmp_path: Path) -> None:
    found = ids(everything(application, Search(mine=True)))
    assert found and len(found) < 100 and "favorites=true" in queries(demo)[-1]
    other = make_application(tmp_path / "other", demo, key="")
    other.start()
    try:
        assert ask(other, Search(mine=True))["error"]["code"] in ("login_required", "key_rejected")
        assert not other.discover.options()[0]["key"]
    finally:
        other.close()


def test_badges_are_two_queries_for_a_page(application: Application) -> None:
    page = ask(application, Search(sort="Newest"))
    assert all(item["mark"] is None for item in page["items"])
    first, second = page["items"][0]["id"], page["items"][1]["id"]
    result = done(application, application.discover.collect([first, second]))
    assert result["new"] == 2
    marks = {item["id"]: item["mark"] for item in ask(application, Search(sort="Newest"))["items"]}
    assert marks[first] == {"here": [], "newer": 0, "missing": False, "broken": False, "favourite": False} and marks[page["items"][2]["id"]] is None
    assert application.discover.marks([first, 7]) == {str(first): marks[first], "7": None}


def test_registering_from_an_answer_asks_for_nothing_but_pictures(application: Application, demo: DemoServer) -> None:
    page = ask(application, Search(sort="Newest"))
    chosen = [item["id"] for item in page["items"][:10]]
    demo.forget()
    result = done(application, application.discover.collect(chosen))
    assert (result["models"], result["new"], result["failures"]) == (10, 10, 0)
    assert [one["path"] for one in demo.requests if one["origin"] == "api"] == [], "the bodies were here"
    assert {card.id for card in application.services.models.cards()[0]} == set(chosen)
    assert all(card.thumbnail for card in application.services.models.cards()[0])


def test_a_partial_answer_is_completed_before_it_is_registered(application: Application, demo: DemoServer) -> None:
    search = Search(bases=("SDXL 1.0",))
    partial = next(item for page in everything(application, search) for item in page["items"] if len(_versions(demo, item["id"])) > item["versions"])
    told, task = application.discover.details(partial["id"])
    assert told["state"] == "ready" and not told["whole"] and task is not None, "what is known is shown, the rest is asked for"
    assert task.wait_until_over(10)
    told, task = application.discover.details(partial["id"])
    assert told["whole"] and task is None and len(told["model"]["list"]) == len(_versions(demo, partial["id"]))
    items = [item for page in everything(application, search) for item in page["items"] if item["id"] != partial["id"]]
    other = next(item for item in items if len(_versions(demo, item["id"])) > item["versions"])
    done(application, application.discover.collect([other["id"]]))
    view = application.model_view(other["id"])
    assert view is not None and len(view["versions"]) == len(_versions(demo, other["id"]))


def _versions(demo: DemoServer, model_id: int) -> list[Any]:
    model = demo.catalogue.model(model_id)
    return model["modelVersions"] if model else []


def test_all_of_a_creator_and_what_cannot_be_had_is_said(application: Application, demo: DemoServer) -> None:
    everything_of = ids(everything(application, Search(creator="oakandink")))
    result = done(application, application.discover.collect(creator="oakandink"), 60)
    assert result["models"] == result["new"] == len(everything_of) > 5
    assert failed(application, application.discover.collect(creator="nobody_of_that_name"))["code"] == "not_found"
    with pytest.raises(UsageError):
        application.discover.collect([])


def test_downloads_of_what_was_found(application: Application, demo: DemoServer) -> None:
    early = SPECIAL["early_access"].model_id
    model_id = next(item["id"] for item in ask(application, Search(types=("LORA",), sort="Newest"))["items"] if item["versions"] > 1 and item["free"])
    result = done(application, application.discover.collect([model_id, early], versions="newest", ticket="0123456789ab"), 60)
    assert [one["model_id"] for one in result["started"]] == [model_id]
    assert [one["model_id"] for one in result["skipped"]] == [early] and result["skipped"][0]["code"] == "early_access"
    assert application.discover.collect([1], ticket="0123456789ab") == "0123456789ab", "one press, one job"
    path = done(application, result["started"][0]["job"], 60)["path"]
    assert Path(path).is_file()
    mark = application.discover.marks([model_id])[str(model_id)]
    assert mark["here"]
    every = done(application, application.discover.collect([model_id], versions="all"), 60)
    assert len(every["started"]) + len(every["skipped"]) == len(_versions(demo, model_id))
    for one in every["started"]:
        done(application, one["job"], 60)


def test_following_tells_what_is_new_since_the_last_look(application: Application, demo: DemoServer) -> None:
    discover = application.discover
    with pytest.raises(BadValue):
        discover.follow(Search())
    with pytest.raises(NotFound):
        discover.look()
    one = discover.follow(Search(creator="oakandink", sort="Highest Rated"))
    assert discover.follow(Search(creator="oakandink")) == one, "followed once"
    asked = len(demo.requests)
    assert discover.follows()[0]["new"] == 0 and len(demo.requests) == asked, "nothing is asked before it is wanted"
    assert done(application, discover.look())["new"] == 0
    model_id = next(item["id"] for item in ask(application, Search(creator="oakandink"))["items"] if FIRST <= item["id"] < FIRST + 300)
    now = datetime.datetime.now(datetime.timezone.utc)
    demo.catalogue.publish(model_id, "v9")["publishedAt"] = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    light = next(entry for entry in demo.catalogue.index if entry["id"] == model_id)
    light["published"] = _versions(demo, model_id)[0]["publishedAt"]
    assert done(application, discover.look())["found"] == [{"id": one, "name": "@oakandink", "new": 1}]
    assert done(application, discover.look())["new"] == 0, "told once"
    assert discover.follows()[0]["news"] == [model_id], "until somebody has looked"
    discover.read(one, [])
    application.services.follows.looked(one, [model_id + 1], [], "2026-01-01T00:00:00.000Z")
    discover.read(one, [model_id])
    assert discover.follows()[0]["news"] == [model_id + 1], "what came after the page was drawn is still new"
    discover.read(one, [model_id, model_id + 1])
    assert discover.follows()[0]["news"] == []
    discover.unfollow(one)
    assert discover.follows() == []


def test_a_look_that_does_not_go_through_all_says_so(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    one = application.discover.follow(Search(bases=["SDXL 1.0", "Pony", "SD 1.5", "Flux.1 D", "Illustrious"]))
    application.services.follows.looked(one, [], [], "2010-01-01T00:00:00.000Z")
    monkeypatch.setattr(following, "MOST_PAGES", 2)
    told = done(application, application.discover.look())
    assert told["new"] > 0 and told["cut"] == [application.discover.follows()[0]["name"]]
    monkeypatch.setattr(following, "MOST_PAGES", 200)
    application.services.follows.looked(one, [], [], "2010-01-01T00:00:00.000Z")
    more = done(application, application.discover.look())
    assert more["cut"] == [] and more["new"] > told["new"]
    application.discover.unfollow(one)
    application.discover.follow(Search(text="a"))
    monkeypatch.setattr(following, "MOST_UNORDERED", 1)
    assert done(application, application.discover.look())["cut"] == [], "of answers by likeness nobody can tell"


def test_what_is_kept_is_bounded(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_PAGES", 10)
    monkeypatch.setattr(answers, "MOST_BYTES", 4_000)
    kept = application.services.answers
    for number in range(30):
        body = {"id": number, "name": "".join(chr(33 + (number * 7 + place * 31) % 90) for place in range(700))}
        kept.put(f"search {number}", "", Page([{"id": number}], "", 1, float(number)), {number: body}, whole=True)
    with kept._db.reading() as db:
        assert db.execute("SELECT count(*) FROM answers").fetchone()[0] <= 10
        assert db.execute("SELECT total(bytes) FROM answered").fetchone()[0] <= 4_000
    assert kept.page("search 29", "") is not None and kept.page("search 0", "") is None and kept.model(29) is not None


def test_lists_of_words_are_asked_for_once_a_day(application: Application, demo: DemoServer) -> None:
    told, task = application.discover.options()
    assert "SD 1.5" in told["bases"] and "LORA" in told["types"] and told["key"], "a fallback until Civitai has answered"
    assert task is not None and task.wait_until_over(10)
    told, task = application.discover.options()
    assert task is None and len(told["bases"]) > 40
    assert len([one for one in demo.requests if one["path"].endswith("/enums")]) == 1
    names, task = application.discover.names("creators", "oak")
    assert task is not None and task.wait_until_over(10)
    assert "oakandink" in application.discover.names("creators", "OAK")[0]["names"]
    with pytest.raises(UsageError):
        application.discover.names("models", "x")


def test_nothing_is_asked_at_start(tmp_path: Path, demo: DemoServer) -> None:
    demo.forget()
    threads = {thread.name for thread in threading.enumerate()}
    made = make_application(tmp_path, demo)
    made.start()
    made.close()
    assert not demo.requests and not [thread for thread in threading.enumerate() if thread.name not in threads and "browse" in thread.name]


def test_closing_does_not_wait_for_an_answer(tmp_path: Path) -> None:
    made = make_application(tmp_path, NOWHERE, key=KEY)
    made.start()
    made.discover.page(Search())
    begun = time.monotonic()
    made.close()
    assert time.monotonic() - begun < 8


def test_questions_are_few_at_a_time_and_bounded() -> None:
    asking, go, most, running, lock = Asking(threads=2), threading.Event(), [0], [0], threading.Lock()

    def work(task: Task) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        go.wait(10)
        with lock:
            running[0] -= 1

    tasks = [asking.ask(number, work) for number in range(2)]
    until(lambda: running[0] == 2)
    tasks += [asking.ask(number, work) for number in range(2, QUEUED + 2)]
    with pytest.raises(Busy):
        asking.ask("one more", work)
    assert asking.ask(5, work) is tasks[5], "joined, not asked twice"
    go.set()
    assert all(task.wait_until_over(10) for task in tasks) and most[0] == 2
    asking.close()
