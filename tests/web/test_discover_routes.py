"""Looking around on Civitai over real HTTP: what waits costs nobody else anything, a broken line loses nothing, and a failure says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from civitai_manager_libs.application import Application
from civitai_manager_libs.web import routes
from support import done, make_application, served, until

from demo.server import DemoServer

OURS = {"x-civitai-manager": "1"}
FIRST = 4_100_000


@pytest.fixture
def demo() -> Iterator[DemoServer]:
    with DemoServer(models=100, seed=1) as server:
        yield server


@pytest.fixture
def application(tmp_path: Path, demo: DemoServer) -> Iterator[Application]:
    made = make_application(tmp_path, demo)
    made.start()
    yield made
    made.close()


@pytest.fixture
def url(application: Application) -> Iterator[str]:
    with served(application) as address:
        yield f"{address}{routes.PREFIX}"


def get(url: str, path: str, **query: Any) -> Any:
    answer = requests.get(f"{url}/{path}", params=query, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


def page(url: str, **query: Any) -> Any:
    """As our page does: ask again until there is an answer or a failure."""
    return until(lambda: (told := get(url, "browse", **query))["state"] != "asking" and told, 20)


def test_a_search_over_the_routes(url: str) -> None:
    told = page(url, sort="Newest", width=200)
    assert told["state"] == "ready" and len(told["items"]) == 30 and told["next"] and not told["renewing"]
    assert all("width=320" in picture["small"] for item in told["items"] for picture in item["pictures"])
    more = page(url, sort="Newest", cursor=told["next"])
    assert not {item["id"] for item in more["items"]} & {item["id"] for item in told["items"]}
    some = page(url, types=["LORA", "LoCon"], early="0", mature="0", hide=1)
    assert {item["type"] for item in some["items"]} <= {"LORA", "LoCon"}
    model = told["items"][0]["id"]
    details = until(lambda: (found := get(url, f"browse/models/{model}"))["state"] == "ready" and found)
    assert details["model"]["id"] == model and details["model"]["list"][0]["files"]
    assert get(url, "browse/marks", ids=f"{model},x,-1,{FIRST}")["marks"] == {str(model): None, str(FIRST): None}
    assert get(url, "browse/options", wait=1)["key"] is True
    assert "oakandink" in until(lambda: get(url, "browse/names", kind="creators", prefix="oak")["names"])


MANY = {"types": [str(number) for number in range(60)]}


@pytest.mark.parametrize("query", [{"sort": "Best"}, {"period": "1"}, {"checkpoint": "x"}, {"text": "y" * 5000}, MANY])
def test_what_makes_no_sense_is_refused_with_a_sentence(url: str, demo: DemoServer, query: dict[str, Any]) -> None:
    demo.forget()
    answer = requests.get(f"{url}/browse", params=query, timeout=10)
    assert answer.status_code == 400 and answer.json()["error"]["message"] and answer.json()["error"]["next_step"]
    assert requests.get(f"{url}/browse", params={"width": "wide", "hide": "nan", "since": "x", "cursor": ""}, timeout=10).status_code == 200
    assert requests.get(f"{url}/browse/names", params={"kind": "users"}, timeout=10).status_code == 400


def test_fifty_pages_that_wait_leave_the_server_free(url: str, demo: DemoServer) -> None:
    demo.fault("slow", path="v1/models", seconds=4)
    threads = threading.active_count()
    with ThreadPoolExecutor(50) as pool:
        waiting = [pool.submit(get, url, "browse", text=f"word{number % 25}", page=str(number)) for number in range(50)]
        time.sleep(0.5)
        begun = time.monotonic()
        for path in ("cards", "facets", "jobs?since=0"):
            get(url, path)
        assert time.monotonic() - begun < 1.5, "the library answers meanwhile"
        ours = [thread.name for thread in threading.enumerate() if "browse" in thread.name]
        assert len(ours) <= 3
        told = [one.result() for one in waiting]
    assert {one["state"] for one in told} <= {"asking", "ready"} and any(one["state"] == "asking" for one in told)
    assert threads > 0


def test_an_answer_is_told_as_soon_as_it_is_there(url: str, demo: DemoServer) -> None:
    demo.fault("slow", path="v1/models", seconds=1)
    begun = time.monotonic()
    assert get(url, "browse", text="fox")["state"] == "ready", "the request waited for it"
    assert time.monotonic() - begun < 2.2


def test_a_line_that_breaks_while_one_waits_loses_nothing(url: str, demo: DemoServer) -> None:
    demo.fault("slow", path="v1/models", seconds=1)
    with pytest.raises(requests.RequestException):
        requests.get(f"{url}/browse", params={"text": "heron"}, timeout=0.3)
    time.sleep(1.5)
    demo.clear_faults()
    asked = len(demo.requests)
    told = get(url, "browse", text="heron")
    assert told["state"] == "ready" and told["items"] and len(demo.requests) == asked, "it had arrived meanwhile"


def test_a_failure_is_told_with_its_next_step_and_asked_again_when_wanted(url: str, demo: DemoServer) -> None:
    demo.fault("challenge", path="v1/models", times=20)
    told = page(url, text="owl")
    assert told["state"] == "failed" and told["error"]["next_step"] and "items" not in told
    assert page(url, text="owl")["state"] == "failed"
    demo.clear_faults()
    assert page(url, text="owl", again=1)["state"] == "ready" or page(url, text="owl")["state"] == "ready"


def test_taking_over_and_following_need_our_own_page(url: str, application: Application, demo: DemoServer) -> None:
    body: dict[str, Any] = {"ids": [FIRST + 1], "ticket": "abcdef012345"}
    assert requests.post(f"{url}/browse/collect", json=body, timeout=10).status_code == 403
    assert requests.post(f"{url}/browse/collect", json={"ids": ["x"]}, headers=OURS, timeout=10).status_code == 400
    assert requests.post(f"{url}/browse/collect", json={"ids": [1], "versions": "some"}, headers=OURS, timeout=10).status_code == 400
    twice = [requests.post(f"{url}/browse/collect", json=body, headers=OURS, timeout=10).json()["job"] for _ in range(2)]
    assert twice == ["abcdef012345"] * 2
    assert done(application, twice[0])["new"] == 1
    assert get(url, "browse/marks", ids=FIRST + 1)["marks"][str(FIRST + 1)]["here"] == []
    made = requests.post(f"{url}/follows", json={"search": {"creator": "oakandink"}}, headers=OURS, timeout=10).json()["id"]
    assert requests.post(f"{url}/follows", json={"search": {"creator": 5}}, headers=OURS, timeout=10).status_code == 400
    assert requests.post(f"{url}/follows", json={"search": {}}, headers=OURS, timeout=10).status_code == 400
    assert [one["name"] for one in get(url, "follows")["follows"]] == ["@oakandink"]
    job = requests.post(f"{url}/follows/look", json={}, headers=OURS, timeout=10).json()["job"]
    assert done(application, job)["looked"] == 1
    assert requests.post(f"{url}/follows/{made}/read", json={"seen": [1]}, headers=OURS, timeout=10).status_code == 200
    assert requests.post(f"{url}/follows/{made}/delete", json={}, headers=OURS, timeout=10).status_code == 200
    assert get(url, "follows")["follows"] == []
