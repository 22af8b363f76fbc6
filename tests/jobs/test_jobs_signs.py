"""Signs of life, by a clock of our own: what a page sees of work that moves, waits or is silent."""

from __future__ import annotations

import re
import threading
import time
from typing import Any

import pytest
from civitai_manager_libs.errors import Busy
from civitai_manager_libs.jobs import board as boards
from civitai_manager_libs.jobs.board import Board, View
from civitai_manager_libs.jobs.context import Context
from civitai_manager_libs.jobs.engine import Engine, Kind
from civitai_manager_libs.jobs.store import Store
from civitai_manager_libs.reporter import Stopped, track
from support import until

JOB = "0123456789ab"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Work:
    """A running job in an engine that ticks when it is told to: each second of its clock, as the engine's own does."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.board = Board()
        self.board.set(JOB, kind="work", title="Work", state="running", created=0.0)
        self.context = Context(JOB, "work", {}, self.board, None, self.clock)  # type: ignore[arg-type]
        self.published: list[tuple[float, View]] = []
        self._ticked = self.clock.now

    @property
    def view(self) -> View:
        found = self.board.get(JOB)
        assert found is not None
        return found

    def note(self) -> None:
        if not self.published or self.published[-1][1].seq != self.view.seq:
            self.published.append((self.clock.now, self.view))

    def say(self, **progress: Any) -> None:
        """After a moment, so that it is not held back; the ticks are counted from here."""
        self._ticked = self.clock.now = self.clock.now + 0.125
        self.context.update(**progress)
        self.note()

    def run(self, seconds: float) -> None:
        """Time passes, in steps that binary numbers hold exactly."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.now += 0.0625
            if self.clock.now - self._ticked >= 1:
                self._ticked = self.clock.now
                self.context.beat()
                self.note()


@pytest.fixture
def work() -> Work:
    return Work()


def test_the_first_update_is_shown_at_once(work: Work) -> None:
    work.say(done=0, total=5, text="beginning")
    assert (work.view.done, work.view.total, work.view.text, work.view.quiet) == (0, 5, "beginning", 0.0)


def test_one_signal_for_each_item(work: Work) -> None:
    seen = []
    work._ticked += 0.125  # not at the moment of an item: two signals within a tenth of a second are one
    for _ in track(range(20), work.context):
        seen.append(work.view.done)
        work.run(0.25)
    assert seen == list(range(20)) and (work.view.done, work.view.total) == (20, 20)


def test_at_most_ten_updates_a_second_and_nothing_is_lost_at_the_end(work: Work) -> None:
    for n in range(1, 1001):
        work.context.update(done=n, total=1000, text=f"item {n}")
        work.note()
        work.clock.now += 1 / 256
        if n % 256 == 0:
            work.context.beat()
            work.note()
    times = [when for when, _ in work.published]
    for first in times:
        assert sum(first <= when < first + 1 for when in times) <= 10
    assert len(times) >= 30, "and not many fewer, for 4 s"
    work.context.update(done=1001)
    work.context.end()
    assert (work.view.done, work.view.text) == (1001, "item 1000")


def test_a_heartbeat_at_least_every_two_seconds_with_the_growing_time(work: Work) -> None:
    work.say(bytes_done=10, awaits="byte")
    work.run(60)
    times = [when for when, _ in work.published]
    assert max(later - earlier for earlier, later in zip(times, times[1:], strict=False)) <= 2
    texts = [view.text for _, view in work.published]
    numbers = [int(found[1]) for text in texts if (found := re.fullmatch(r"no byte for (\d+) s", text))]
    assert numbers == sorted(set(numbers)) and numbers[0] <= 3 and numbers[-1] == 60 and len(numbers) >= 30
    quiet = [view.quiet for _, view in work.published]
    assert quiet == sorted(quiet) and quiet[0] == 0.0 and quiet[-1] == pytest.approx(60, abs=0.2)


def test_the_works_own_text_returns_with_the_sign(work: Work) -> None:
    work.say(text="asking for 3 models", done=1)
    work.say(awaits="answer from Civitai")
    work.run(6)
    assert (work.view.text, work.view.quiet) == ("no answer from Civitai for 6 s", 6.0)
    work.say(done=2)
    assert (work.view.text, work.view.quiet, work.view.done) == ("asking for 3 models", 0.0, 2)


def test_without_a_word_what_it_awaits_only_the_quiet_tells(work: Work) -> None:
    work.say(text="comparing")
    work.run(9)
    assert (work.view.text, work.view.quiet) == ("comparing", 9.0)
    work.say(awaits="byte")
    work.say(awaits="")
    work.run(5)
    assert (work.view.text, work.view.quiet) == ("comparing", 5.0)


def test_only_what_really_changes_is_a_sign(work: Work) -> None:
    work.say(done=3, bytes_done=700, text="same", awaits="byte")
    for _ in range(10):
        work.run(0.75)
        work.say(done=3, bytes_done=700)
        work.say(awaits="byte")
    assert work.view.quiet == 10.0
    work.say(bytes_done=701)
    assert work.view.quiet == 0.0


def test_another_thing_that_is_awaited_is_a_sign(work: Work) -> None:
    work.say(awaits="answer from Civitai")
    work.run(8)
    work.say(awaits="answer from the storage")
    assert work.view.quiet == 0.0
    work.run(3)
    assert work.view.text == "no answer from the storage for 3 s"


def test_how_it_waits_is_said_and_is_no_sign(work: Work) -> None:
    work.say(bytes_done=5, awaits="byte")
    work.run(31)
    work.say(text="reconnecting", awaits="byte")
    assert work.view.text == "no byte for 31 s, reconnecting"
    work.run(3)
    assert (work.view.text, work.view.quiet) == ("no byte for 34 s, reconnecting", 34.1)
    work.say(text="", awaits="byte")
    work.run(1)
    assert work.view.text == "no byte for 35 s", "connected, and still no byte"
    work.say(bytes_done=6)
    assert (work.view.text, work.view.quiet) == ("", 0.0)


class Waiting(threading.Thread):
    """A wait of the work; it begins, and ends when it is told to."""

    def __init__(self, work: Work, seconds: float, text: str) -> None:
        super().__init__(daemon=True)
        self.work, self.seconds, self.text = work, seconds, text
        self.over = threading.Event()
        work.context.stop.wait = lambda seconds: self.over.wait(20)  # type: ignore[method-assign]
        before = len(work.context._waits)
        self.start()
        until(lambda: len(work.context._waits) > before)

    def run(self) -> None:
        self.work.context.wait(self.seconds, self.text)

    def finish(self) -> None:
        self.over.set()
        self.join(20)


def test_the_waiting_text_stands_while_it_waits(work: Work) -> None:
    work.say(text="asking", awaits="answer from Civitai")
    work.run(1)
    waiting = Waiting(work, 600, "waiting for Civitai")
    for _ in range(30):
        work.run(1)
        work.say(done=work.view.done + 1, text="another thread works on")
        work.run(1)
        assert work.view.state == "waiting" and re.fullmatch(r"waiting for Civitai until \d\d:\d\d:\d\d", work.view.text)
    waiting.finish()
    work.run(1)
    assert (work.view.state, work.view.text, work.view.quiet) == ("running", "another thread works on", 0.0)
    work.run(1)
    assert work.view.text == "no answer from Civitai for 2 s, asking", "a pause that was asked for is no silence"


def test_a_pause_of_the_works_own_is_part_of_its_silence(work: Work) -> None:
    work.say(bytes_done=1, awaits="byte")
    work.run(30)
    work.say(text="reconnecting", awaits="byte")
    waiting = Waiting(work, 20, "")
    work.run(14)
    assert (work.view.state, work.view.text) == ("waiting", "no byte for 44 s, reconnecting")
    waiting.finish()
    work.run(2)
    assert (work.view.state, work.view.text) == ("running", "no byte for 46 s, reconnecting")


def test_a_short_pause_is_part_of_working(work: Work) -> None:
    work.say(text="working")
    work.context.wait(0.01, "waiting for Civitai")
    work.run(1)
    assert (work.view.state, work.view.text) == ("running", "working")


def test_after_the_end_nothing_is_published(work: Work) -> None:
    work.say(bytes_done=1, awaits="byte")
    work.run(20)
    work.context.end()
    work.board.set(JOB, state="done", text="", quiet=0.0)
    before = work.view
    work.run(5)  # the heart of an engine that has not noticed yet
    work.say(text="a late word", done=9)
    assert work.view == before


# -- the engine


@pytest.fixture
def engine(tmp_path: Any) -> Any:
    from civitai_manager_libs.catalog.database import Database

    database = Database(tmp_path / "catalog.db")
    made = Engine(Store(database), tmp_path / "engines", lambda lane: 1)
    yield made
    made.close(5)
    database.close()


def silent(context: Context) -> None:
    context.update(text="asking", done=1)
    context.update(awaits="answer from Civitai")
    while not context.stop.wait(0.05):
        pass
    raise Stopped(context.stop.reason)


def submit(engine: Engine, kind: str = "work", key: str = "") -> str:
    return engine.submit(kind, {}, key=key, title="Work")


def test_a_silent_job_says_what_it_waits_for(engine: Engine) -> None:
    engine.add_kind("work", Kind("library", silent))
    engine.start(resume=False)
    job = submit(engine)
    until(lambda: re.fullmatch(r"no answer from Civitai for [3-9] s", engine.view(job).text), 20)
    assert engine.view(job).quiet >= 2
    engine.pause(job)
    view = engine.wait(job, 10)
    assert (view.state, view.text, view.quiet) == ("paused", "", 0.0)


def test_a_locked_database_stops_no_heart(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.add_kind("work", Kind("library", silent))
    engine.start(resume=False)
    job = submit(engine)
    until(lambda: engine.view(job).state == "running")
    locked = threading.Event()

    def change(*_: Any, **__: Any) -> int:
        locked.set()
        time.sleep(3)
        raise Busy()

    with monkeypatch.context() as patch:
        patch.setattr(engine._store, "change", change)
        assert locked.wait(10)
        beats = {engine.view(job).beat}
        end = time.monotonic() + 6
        while time.monotonic() < end and len(beats) < 5:
            beats.add(engine.view(job).beat)
            time.sleep(0.02)
        assert len(beats) >= 4, "it beats while the database is waited for"


def test_an_outcome_that_the_database_did_not_take_is_stored_when_it_does(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.add_kind("work", Kind("library", lambda context: {"well": True}))
    engine.start(resume=False)
    change, free = engine._store.change, threading.Event()

    def locked(job_id: str, **columns: Any) -> int:
        if columns.get("state") == "done" and not free.is_set():
            raise Busy()
        return change(job_id, **columns)

    monkeypatch.setattr(engine._store, "change", locked)
    job = submit(engine)
    assert engine.wait(job, 10).result == {"well": True}
    record = engine._store.get(job)
    assert record is not None and record.state == "running"
    free.set()
    record = until(lambda: (one := engine._store.get(job)) and one.state == "done" and one, 10)
    assert record.result == {"well": True} and record.owner is None
    assert engine.view(job).state == "done"


def test_a_result_that_is_no_json_fails_the_job_and_not_the_page(engine: Engine) -> None:
    engine.add_kind("work", Kind("library", lambda context: object()))
    engine.start(resume=False)
    view = engine.wait(submit(engine), 10)
    assert view.state == "failed" and view.error is not None and view.error["code"] == "unexpected"
    assert engine.changes()["jobs"]


def test_a_discard_that_fails_in_an_unforeseen_way_does_not_keep_the_lane(engine: Engine) -> None:
    def discard(params: dict[str, Any]) -> None:
        raise KeyError("target")

    engine.add_kind("work", Kind("library", silent, discard))
    engine.add_kind("next", Kind("library", lambda context: "well"))
    engine.start(resume=False)
    job = submit(engine)
    until(lambda: engine.view(job).state == "running")
    engine.cancel(job)
    assert engine.wait(job, 10).state == "cancelled"
    assert engine.wait(submit(engine, "next"), 10).result == "well"


def test_a_system_without_threads_makes_a_job_wait(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.add_kind("work", Kind("library", lambda context: "well"))
    engine.start(resume=False)
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    job = submit(engine)
    assert engine.view(job).state == "queued"
    monkeypatch.setattr(threading.Thread, "start", start)
    assert engine.wait(job, 10).result == "well"


def test_work_of_another_process_does_not_look_livelier_than_it_is(engine: Engine) -> None:
    engine.add_kind("work", Kind("library", silent))
    engine.start(resume=False)
    other = engine._store
    from civitai_manager_libs.jobs.store import new_record

    record = new_record(JOB, "work", "work:else", "Work elsewhere", {}, "another")
    with engine._owners._locks.joinpath("another.lock").open("w"):
        pass
    from filelock import FileLock

    with FileLock(str(engine._owners._locks / "another.lock")):  # it lives, and says nothing
        other.create(record, [])
        other.change(JOB, state="running", progress={"done": 1, "text": "no byte for 30 s", "quiet": 30.0})
        view = until(lambda: engine.view(JOB).elsewhere and engine.view(JOB).quiet > 31 and engine.view(JOB), 15)
        assert (view.state, view.text) == ("running", "no byte for 30 s")
        other.change(JOB, progress={"done": 2, "text": "", "quiet": 0.0})
        until(lambda: engine.view(JOB).done == 2 and engine.view(JOB).quiet == 0.0, 15)
    view = until(lambda: engine.view(JOB).state == "paused" and engine.view(JOB), 20, "it has died")
    assert view.quiet == 0.0 and not view.elsewhere


# -- pages that were away


def test_a_page_that_was_away_for_long_is_given_everything_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "REMEMBERED", 10)
    board = Board()
    for n in range(5):
        board.set(f"kept {n}", kind="work", title="", state="running", created=0.0)
    first = board.changes()
    assert first["complete"] and len(first["jobs"]) == 5, "the first answer is always complete"
    page = first["seq"]
    for n in range(10):
        board.set(f"gone {n}", kind="work", title="", state="done", created=0.0)
        board.remove(f"gone {n}")
    answer = board.changes(page, board.boot)
    assert not answer["complete"] and len(answer["removed"]) == 10 and answer["jobs"] == []
    board.set("gone 10", kind="work", title="", state="done", created=0.0)
    board.remove("gone 10")
    answer = board.changes(page, board.boot)
    assert answer["complete"] and answer["removed"] == [] and len(answer["jobs"]) == 5
    answer = board.changes(answer["seq"], board.boot)
    assert not answer["complete"] and answer["jobs"] == answer["removed"] == []
    assert board.changes(answer["seq"], "another")["complete"]


def test_all_that_ended_while_a_page_was_closed_is_there_after_a_restart(engine: Engine, tmp_path: Any) -> None:
    engine.add_kind("work", Kind("library", lambda context: context.params))
    engine.start(resume=False)
    jobs = {submit(engine, key=str(n)) for n in range(150)}
    for job in jobs:
        engine.wait(job, 30)
    engine.close()
    again = Engine(engine._store, tmp_path / "engines", lambda lane: 1)
    again.start(resume=False)
    try:
        assert {job["id"] for job in again.changes()["jobs"]} == jobs
    finally:
        again.close()
