"""The queue of the product alone, on the real server: three events run at a time, twenty wait, one more is told that the queue is full.

gradio's own bar is such an event: it lasts until its job has ended, four seconds at most. The job is started outside the queue.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from demo.server import DemoServer
from tests.hostapp.events import COMPLETED, Message, page_config, queued
from tests.hostapp.harness import Standalone, until

AT_ONCE, WAITING = 3, 20
HEARD_LATER = 1.0
SLOW = 6.0  # seconds for an answer of Civitai's: longer than a bar is shown


@pytest.fixture
def demo() -> Iterator[DemoServer]:
    with DemoServer(models=40) as server:
        yield server


def ticket(index: int) -> str:
    return f"{index:012x}"


def bar_of(config: dict[str, Any], place: str) -> int:
    """The number of the queued event that is drawn on this element."""
    ids = {one["id"]: one["props"].get("elem_id") for one in config["components"]}
    for index, one in enumerate(config["dependencies"]):
        if one["queue"] is not False and [ids[number] for number in one["outputs"]] == [place] and one["inputs"]:
            return int(one.get("id", index))
    raise AssertionError(f"nothing queued is drawn on {place}")


class Crowd:
    """What all events have been told so far, by event."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.config = page_config(url)
        self.number = bar_of(self.config, "cm_started")
        self.heard: dict[int, list[Message]] = {}
        self.order: list[tuple[int, str, float]] = []
        self._lock = threading.Lock()

    def watch(self, index: int) -> list[Message]:
        """Show the bar of the job that the ticket of this index has started."""

        def tell(message: Message) -> None:
            with self._lock:
                self.heard.setdefault(index, []).append(message)
                self.order.append((index, message["msg"], time.monotonic()))

        return queued(self.url, self.config, self.number, [ticket(index)], tell)

    def told(self, name: str) -> set[int]:
        with self._lock:
            return {index for index, said, _ in self.order if said == name}

    def most_at_a_time(self) -> int:
        """An end may be heard a little later than the start that it made room for: each event has a stream of its own, so that much is left out."""
        starts = [at + HEARD_LATER for _, said, at in self.order if said == "process_starts"]
        steps = sorted([(at, 1) for at in starts] + [(at, -1) for _, said, at in self.order if said == COMPLETED])
        running, most = 0, 0
        for _, step in steps:
            running += step
            most = max(most, running)
        return most


def test_three_run_twenty_wait_and_one_more_is_refused(tmp_path: Path, demo: Any) -> None:
    app = Standalone(tmp_path, demo, environment={"CIVITAI_MANAGER_NATIVE_PROGRESS": "true"})
    with app, ThreadPoolExecutor(AT_ONCE + WAITING + 1) as pool:
        crowd = Crowd(app.url)
        demo.latency = SLOW
        try:
            for index in range(AT_ONCE + WAITING + 1):
                answer = app.post("/civitai-manager/register", json={"text": str(4100000 + index), "ticket": ticket(index)})
                assert answer.json()["job"] == ticket(index)
            events = [pool.submit(crowd.watch, index) for index in range(AT_ONCE)]
            until(lambda: len(crowd.told("process_starts")) == AT_ONCE, 20, "the first three")
            began = time.monotonic()
            events += [pool.submit(crowd.watch, index) for index in range(AT_ONCE, AT_ONCE + WAITING + 1)]
            until(lambda: crowd.told("queue_full"), 20, "the refusal")
            soon = time.monotonic() - began
            for one in events:
                one.result(timeout=90)
        finally:
            demo.latency = 0.0
        refused = crowd.told("queue_full")
        assert len(refused) == 1
        assert soon < 4.0, "the first three were still running"
        accepted = set(range(AT_ONCE + WAITING + 1)) - refused
        assert crowd.told(COMPLETED) == accepted
        assert all(crowd.heard[index][-1]["success"] for index in accepted)
        assert crowd.most_at_a_time() == AT_ONCE
        everyone = range(AT_ONCE + WAITING + 1)  # also the one whose bar was refused: the work never waits for the queue
        until(lambda: {card["id"] for card in app.cards()} == {4100000 + index for index in everyone}, 90, "all that was started")
        until(lambda: {job["id"]: job["state"] for job in app.jobs()} == {ticket(index): "done" for index in everyone}, 60, "the end of the jobs")
        assert "Traceback" not in app.log()


def test_the_queue_is_told_of(tmp_path: Path, demo: Any) -> None:
    with Standalone(tmp_path, demo) as app:
        sections = {section["title"]: section["rows"] for section in app.get("/civitai-manager/diagnostics").json()["sections"]}
        queue = {row[0]: row[1] for row in sections["Queue"]}
        assert queue["queue"] == "on" and queue["api"] == "closed" and queue["max_size"] == str(WAITING)
        assert (queue.get("concurrency_count") or queue["default_concurrency_limit"]) == str(AT_ONCE)
