"""The job engine with a real database, in one process."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.catalog.database import Database
from civitai_manager_libs.errors import Archived, UnknownJob, UsageError
from civitai_manager_libs.jobs import board as boards
from civitai_manager_libs.jobs import store as stores
from civitai_manager_libs.jobs.context import Context
from civitai_manager_libs.jobs.engine import Engine, Kind
from civitai_manager_libs.jobs.store import Store
from civitai_manager_libs.reporter import StopFlag
from filelock import FileLock
from support import until

Run = Callable[[Context], Any]
TICKET = "0123456789ab"


class House:
    """Engines on one database; ``limits`` by lane, 2 when not named."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.limits: dict[str, int] = {}
        self._open: list[tuple[Engine, Database]] = []

    def engine(self, resume: bool = True, **kinds: Run | Kind) -> Engine:
        database = Database(self.folder / "catalog.db")
        engine = Engine(Store(database), self.folder / "engines", lambda lane: self.limits.get(lane, 2))
        for name, kind in kinds.items():
            engine.add_kind(name, kind if isinstance(kind, Kind) else Kind("library", kind))
        engine.start(resume=resume)
        self._open.append((engine, database))
        return engine

    def close(self) -> None:
        for engine, database in self._open:
            engine.close(5)
            database.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def sleep_until_stopped(context: Context) -> None:
    while True:
        context.check()
        time.sleep(0.005)


def submit(engine: Engine, kind: str, key: str = "", **more: Any) -> str:
    return engine.submit(kind, more.pop("params", {}), key=key or kind, title=more.pop("title", f"A {kind}"), **more)


def started(engine: Engine, job_id: str) -> str:
    until(lambda: engine.view(job_id).state == "running")
    return job_id


def test_a_job_runs_and_keeps_its_result_in_the_database(house: House) -> None:
    engine = house.engine(work=lambda context: {"twice": context.params["n"] * 2})
    job = submit(engine, "work", params={"n": 21})
    view = engine.wait(job, 5)
    assert (view.state, view.result, view.error, view.title) == ("done", {"twice": 42}, None, "A work")
    assert view.finished is not None and view.finished >= view.created
    record = engine._store.get(job)
    assert record is not None and (record.state, record.result, record.owner) == ("done", {"twice": 42}, None)


def test_submit_returns_at_once(house: House) -> None:
    engine = house.engine(work=sleep_until_stopped)
    begin = time.monotonic()
    submit(engine, "work")
    assert time.monotonic() - begin < 0.5


def test_lanes_have_their_limits_and_do_not_block_each_other(house: House) -> None:
    house.limits = {"download": 2, "library": 1}
    release, running, most, lock = threading.Event(), [0], [0], threading.Lock()

    def work(context: Context) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        release.wait(5)
        with lock:
            running[0] -= 1

    engine = house.engine(fetch=Kind("download", work), other=lambda context: "through")
    jobs = [submit(engine, "fetch", key=str(n)) for n in range(5)]
    until(lambda: running[0] == 2)
    assert engine.wait(submit(engine, "other"), 2).state == "done"
    assert sorted(engine.view(job).state for job in jobs) == ["queued", "queued", "queued", "running", "running"]
    assert [engine.view(job).state for job in jobs[:2]] == ["running", "running"], "first come, first served"
    release.set()
    assert {engine.wait(job, 5).state for job in jobs} == {"done"}
    assert most[0] == 2


def test_an_equal_request_joins_while_the_first_is_active(house: House) -> None:
    release, runs = threading.Event(), []

    def work(context: Context) -> None:
        runs.append(context.job_id)
        release.wait(5)

    engine = house.engine(work=work)
    first = submit(engine, "work", key="same")
    ids: list[str] = []
    threads = [threading.Thread(target=lambda: ids.append(submit(engine, "work", key="same"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(ids) == {first}
    other = submit(engine, "work", key="other")
    assert other != first
    release.set()
    engine.wait(first, 5), engine.wait(other, 5)
    assert sorted(runs) == sorted([first, other])
    assert submit(engine, "work", key="same") != first, "a finished one is not joined"


def test_an_equal_request_wakes_a_paused_job(house: House) -> None:
    engine = house.engine(work=sleep_until_stopped)
    job = started(engine, submit(engine, "work"))
    engine.pause(job)
    assert engine.wait(job, 5).state == "paused"
    assert submit(engine, "work") == job
    started(engine, job)


@pytest.mark.parametrize("stop", ["pause", "cancel"])
def test_an_equal_request_that_comes_while_a_job_is_stopping_has_it_run_again(house: House, stop: str) -> None:
    rest, runs, discarded = threading.Event(), [], []

    def work(context: Context) -> str:
        runs.append(context.job_id)
        if len(runs) == 1:
            until(context.stop.is_set)
            rest.wait(5)  # it is still coming to rest
            context.check()
        return "through"

    engine = house.engine(work=Kind("library", work, lambda params: discarded.append(len(runs))))
    job = started(engine, submit(engine, "work"))
    getattr(engine, stop)(job)
    assert engine.keep_going(job) and submit(engine, "work") == job
    rest.set()
    assert engine.wait(job, 5, until=("done", "failed")).result == "through"
    assert runs == [job, job] and discarded == ([1] if stop == "cancel" else [])
    assert not engine.keep_going(job), "it has ended: it is started anew"


def test_the_last_word_counts_when_a_stopping_job_is_asked_for_and_stopped_once_more(house: House) -> None:
    rest, runs = threading.Event(), []

    def work(context: Context) -> None:
        runs.append(context.job_id)
        until(context.stop.is_set)
        rest.wait(5)
        context.check()

    engine = house.engine(work=work)
    job = started(engine, submit(engine, "work"))
    engine.pause(job)
    submit(engine, "work")
    engine.cancel(job)
    rest.set()
    assert engine.wait(job, 5).state == "cancelled"
    time.sleep(0.1)
    assert engine.view(job).state == "cancelled" and runs == [job]


def test_pause_resume_and_cancel(house: House) -> None:
    discarded: list[dict[str, Any]] = []
    engine = house.engine(work=Kind("library", sleep_until_stopped, discarded.append))
    job = started(engine, submit(engine, "work", params={"a": 1}))
    engine.pause(job)
    view = engine.wait(job, 5)
    assert (view.state, view.stopping, set(view.can)) == ("paused", None, {"resume", "cancel"})
    assert not discarded
    engine.resume(job)
    started(engine, job)
    engine.cancel(job)
    view = engine.wait(job, 5)
    assert (view.state, set(view.can)) == ("cancelled", {"retry", "dismiss"})
    assert discarded == [{"a": 1}]
    engine.retry(job)
    started(engine, job)


def test_a_queued_job_is_paused_and_cancelled_without_ever_running(house: House) -> None:
    house.limits = {"library": 1}
    ran: list[str] = []

    def work(context: Context) -> None:
        ran.append(context.job_id)
        sleep_until_stopped(context)

    engine = house.engine(work=work)
    first = started(engine, submit(engine, "work", key="1"))
    second, third = submit(engine, "work", key="2"), submit(engine, "work", key="3")
    engine.pause(second)
    engine.cancel(third)
    assert (engine.view(second).state, engine.view(third).state) == ("paused", "cancelled")
    engine.cancel(first)
    engine.wait(first, 5)
    time.sleep(0.1)
    assert ran == [first]
    engine.resume(second)
    started(engine, second)


def test_what_cannot_be_done_says_so(house: House) -> None:
    engine = house.engine(work=lambda context: None)
    job = submit(engine, "work")
    engine.wait(job, 5)
    until(lambda: job not in engine._threads)
    for attempt in (engine.pause, engine.cancel, engine.resume):
        with pytest.raises(UsageError):
            attempt(job)
    for attempt in (engine.pause, engine.cancel, engine.resume, engine.retry, engine.dismiss, engine.view, engine.wait):
        with pytest.raises(UnknownJob, match="no job nonsense"):
            attempt("nonsense")


def test_dismiss_takes_finished_jobs_only(house: House) -> None:
    engine = house.engine(work=sleep_until_stopped, quick=lambda context: None)
    active, quick = started(engine, submit(engine, "work")), submit(engine, "quick")
    engine.wait(quick, 5)
    with pytest.raises(UsageError):
        engine.dismiss(active)
    before = engine.changes()
    engine.dismiss(quick)
    after = engine.changes(before["seq"], before["boot"])
    assert after["removed"] == [quick]
    assert quick not in [job["id"] for job in engine.changes()["jobs"]]
    with pytest.raises(UnknownJob):
        engine.view(quick)


def test_items_are_committed_one_by_one_and_only_failed_ones_are_retried(house: House) -> None:
    attempts: list[int] = []
    broken = {1}
    store: list[Store] = []

    def work(context: Context) -> list[Any]:
        items = context.items()
        for item in items:
            if item.state != "queued":
                continue
            attempts.append(item.params)
            if item.params in broken:
                context.item_failed(item, Archived())
            else:
                context.item_done(item, item.params * 10)
            assert store[0].items(context.job_id)[item.position].state == item.state, "it is in the database before the next one"
        if any(item.state == "failed" for item in items):
            raise Archived("one of them")
        return [item.result for item in items]

    engine = house.engine(work=work)
    store.append(engine._store)
    job = submit(engine, "work", items=[0, 1, 2])
    view = engine.wait(job, 5)
    assert (view.state, view.error and view.error["code"], view.total) == ("failed", "archived", 3)
    assert [item.result and item.state for item in engine._store.items(job)] == [None, "failed", "done"] or attempts == [0, 1, 2]
    assert engine._store.items(job)[1].result["code"] == "archived"
    broken.clear()
    until(lambda: job not in engine._threads)
    engine.retry(job)
    view = engine.wait(job, 5)
    assert (view.state, view.result, view.error) == ("done", [0, 10, 20], None)
    assert attempts == [0, 1, 2, 1]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), ValueError("secret text"), MemoryError(), RecursionError()])
def test_no_exception_ends_a_job_without_a_word(house: House, error: BaseException) -> None:
    def work(context: Context) -> None:
        raise error

    house.limits = {"library": 1}
    engine = house.engine(work=work, next=lambda context: "well")
    view = engine.wait(submit(engine, "work"), 5)
    assert view.state == "failed" and view.error is not None
    assert set(view.error) >= {"code", "message", "next_step", "remedy"}
    assert "secret text" not in str(view.error)
    assert engine.wait(submit(engine, "next"), 5).result == "well", "the engine goes on"


def test_updates_are_throttled_and_the_last_one_is_shown(house: House) -> None:
    numbers: list[int] = []

    def work(context: Context) -> None:
        end = time.monotonic() + 0.5
        n = 0
        while time.monotonic() < end:
            n += 1
            context.update(done=n, bytes_done=n * 10, bytes_total=10**9, text=f"at {n}")
        numbers.append(n)

    engine = house.engine(work=work)
    seq = engine.changes()["seq"]
    job = submit(engine, "work")
    view = engine.wait(job, 5)
    assert view.done == numbers[0] and view.bytes_done == numbers[0] * 10
    assert view.text == ""
    assert numbers[0] > 1000
    assert engine.changes()["seq"] - seq < 20


def test_a_silent_job_shows_that_it_lives(house: House) -> None:
    engine = house.engine(work=sleep_until_stopped)
    job = started(engine, submit(engine, "work"))
    first = engine.view(job).beat
    until(lambda: engine.view(job).beat > first + 0.5, 3)


def test_progress_is_saved_for_other_processes_about_once_a_second(house: House) -> None:
    def work(context: Context) -> None:
        context.update(done=3, total=9, text="somewhere")
        sleep_until_stopped(context)

    engine = house.engine(work=work)
    job = submit(engine, "work")
    record = until(lambda: (one := engine._store.get(job)) and one.progress.get("done") == 3 and one, 3)
    assert (record.progress["total"], record.progress["text"], record.progress["state"]) == (9, "somewhere", "running")


def test_a_wait_is_a_state_of_its_own_and_ends_at_once_when_stopped(house: House) -> None:
    def work(context: Context) -> None:
        context.wait(60, "waiting for Civitai")

    engine = house.engine(work=work)
    job = submit(engine, "work")
    until(lambda: engine.view(job).state == "waiting")
    view = engine.view(job)
    assert view.text.startswith("waiting for Civitai until ") and len(view.text) == len("waiting for Civitai until 12:04:10")
    begin = time.monotonic()
    engine.pause(job)
    assert engine.wait(job, 5).state == "paused"
    assert time.monotonic() - begin < 1


def test_a_short_wait_beside_a_long_one_does_not_keep_the_job_waiting(house: House) -> None:
    over = threading.Event()

    def work(context: Context) -> None:
        long = threading.Thread(target=context.wait, args=(1.2, "long"))
        short = threading.Timer(0.6, context.wait, args=(0.9, "short"))  # begins within the long one and ends after it
        long.start(), short.start()
        long.join(), short.join()
        over.set()
        sleep_until_stopped(context)

    engine = house.engine(work=work)
    job = submit(engine, "work")
    until(lambda: engine.view(job).state == "waiting")
    assert over.wait(5)
    until(lambda: engine.view(job).state == "running", 2, "running again")


def test_changes_tell_only_what_is_new_of_this_boot(house: House) -> None:
    engine = house.engine(work=lambda context: None)
    one = submit(engine, "work", key="1")
    engine.wait(one, 5)
    until(lambda: not engine._threads)
    first = engine.changes()
    assert [job["id"] for job in first["jobs"]] == [one] and first["active"] == 0
    assert engine.changes(first["seq"], first["boot"])["jobs"] == []
    two = submit(engine, "work", key="2")
    engine.wait(two, 5)
    later = engine.changes(first["seq"], first["boot"])
    assert [job["id"] for job in later["jobs"]] == [two]
    assert {job["id"] for job in engine.changes(later["seq"], "another boot")["jobs"]} == {one, two}
    assert {job["id"] for job in engine.changes(10**9, "another boot")["jobs"]} == {one, two}


def test_views_that_fall_off_the_list_are_told_as_removed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "KEPT", 5)
    engine = house.engine(work=lambda context: None)
    jobs = []
    for n in range(5):
        jobs.append(submit(engine, "work", key=str(n)))
        engine.wait(jobs[-1], 5)
    until(lambda: not engine._threads)
    before = engine.changes()
    assert len(before["jobs"]) == 5
    engine.wait(submit(engine, "work", key="one more"), 5)
    until(lambda: not engine._threads)
    after = engine.changes(before["seq"], before["boot"])
    assert after["removed"] == [jobs[0]]
    assert len(engine.changes()["jobs"]) == 5


def test_speed_and_time_left(house: House) -> None:
    def work(context: Context) -> None:
        for n in range(12):
            context.update(bytes_done=n * 100_000, bytes_total=10_000_000)
            time.sleep(0.1)
        sleep_until_stopped(context)

    engine = house.engine(work=work)
    job = submit(engine, "work")
    view = until(lambda: (one := engine.view(job)) and one.bytes_done == 1_100_000 and one)
    assert view.speed is not None and 500_000 < view.speed < 1_300_000
    assert view.eta is not None and view.eta == pytest.approx((10_000_000 - 1_100_000) / view.speed, rel=0.2)


def test_the_history_is_bounded_and_its_items_go_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "KEPT_FINISHED", 10)
    engine = house.engine(work=lambda context: None)
    for n in range(25):
        engine.wait(submit(engine, "work", key=str(n), items=[n]), 5)
    with engine._store._db.reading() as db:
        assert db.execute("SELECT count(*) FROM jobs").fetchone()[0] <= 11
        assert db.execute("SELECT count(*) FROM job_items WHERE job_id NOT IN (SELECT id FROM jobs)").fetchone()[0] == 0


def test_closing_keeps_unfinished_work_and_the_next_engine_goes_on(house: House) -> None:
    """Reload UI: close, and a new engine in the same process."""
    house.limits = {"library": 1}
    others = set(threading.enumerate())
    first = house.engine(work=sleep_until_stopped)
    running, queued = started(first, submit(first, "work", key="1")), submit(first, "work", key="2")
    paused = submit(first, "work", key="3")
    first.pause(paused)
    begin = time.monotonic()
    first.close()
    assert time.monotonic() - begin < 8
    assert not [thread for thread in set(threading.enumerate()) - others if thread.name.startswith("civitai-manager")]
    second = house.engine(work=lambda context: "done by the second")
    assert second.wait(running, 5).result == "done by the second"
    assert second.wait(queued, 5).result == "done by the second"
    assert second.view(paused).state == "paused"
    assert first.board.boot != second.board.boot


def test_a_thread_that_outlives_its_engine_does_not_touch_a_job_of_the_next_one(house: House) -> None:
    release = threading.Event()

    def deaf(context: Context) -> str:
        release.wait(10)
        context.check()
        return "by the first"

    first = house.engine(work=deaf)
    job = started(first, submit(first, "work"))
    first.close(0.2)
    second = house.engine(work=sleep_until_stopped)
    started(second, job)
    release.set()
    until(lambda: job not in first._threads)
    record = second._store.get(job)
    assert record is not None and (record.state, record.owner) == ("running", second.board.boot)
    second.cancel(job)
    assert second.wait(job, 5).state == "cancelled"


def test_without_resume_interrupted_jobs_wait(house: House) -> None:
    first = house.engine(work=sleep_until_stopped)
    job = started(first, submit(first, "work"))
    first.close()
    second = house.engine(resume=False, work=lambda context: "well")
    time.sleep(0.2)
    view = second.view(job)
    assert view.state == "paused" and not view.elsewhere and "resume" in view.can and "Interrupted" in view.text
    second.resume(job)
    assert second.wait(job, 5).result == "well"


def test_an_engine_closed_by_another_thread_lets_its_lock_go(house: House) -> None:
    engine = house.engine(work=lambda context: None)
    path = house.folder / "engines" / f"{engine.board.boot}.lock"
    assert path.exists() or sys.platform == "win32"
    held = engine._owners._alive
    assert held is not None and held.is_locked
    closer = threading.Thread(target=engine.close)
    closer.start()
    closer.join(5)
    assert not held.is_locked
    with FileLock(str(path), timeout=0):
        pass


def test_locks_of_killed_engines_are_swept_away(house: House) -> None:
    folder = house.folder / "engines"
    folder.mkdir()
    for name in ("killed", "alive", "new"):
        (folder / f"{name}.lock").touch()
    for name in ("killed", "alive"):
        os.utime(folder / f"{name}.lock", (time.time() - 100, time.time() - 100))
    with FileLock(str(folder / "alive.lock")):
        os.utime(folder / "alive.lock", (time.time() - 100, time.time() - 100))
        engine = house.engine(work=lambda context: None)
        assert {path.stem for path in folder.glob("*.lock")} == {"alive", "new", engine.board.boot}


def test_a_job_of_a_kind_that_this_program_does_not_know_is_left_alone(house: House) -> None:
    first = house.engine(work=sleep_until_stopped)
    job = started(first, submit(first, "work"))
    first.close()
    second = house.engine(other=lambda context: "well")
    assert second.wait(submit(second, "other"), 5).result == "well"
    assert second.view(job).state in ("queued", "paused")


def test_a_cancel_after_a_pause_counts_and_a_pause_after_a_cancel_does_not() -> None:
    for asked, reason in ((("pause", "cancel"), "cancel"), (("cancel", "pause"), "cancel"), (("shutdown", "cancel"), "shutdown")):
        flag = StopFlag()
        for one in asked:
            flag.set(one)
        assert flag.reason == reason


def test_an_outcome_that_cannot_be_stored_is_shown_and_frees_the_lane(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = house.engine(work=lambda context: "well")
    change = engine._store.change

    def broken(job_id: str, **columns: object) -> int:
        if columns.get("state") == "done":
            raise sqlite3.OperationalError("disk I/O error")
        return change(job_id, **columns)  # type: ignore[arg-type]

    monkeypatch.setattr(engine._store, "change", broken)
    for number in range(3):
        assert engine.wait(submit(engine, "work", str(number)), 5).state == "done"


def test_a_request_that_is_sent_twice_starts_one_job(house: House) -> None:
    runs: list[str] = []
    engine = house.engine(work=lambda context: runs.append(context.job_id))
    ids: list[str] = []
    together = threading.Barrier(8)

    def send(n: int) -> None:
        together.wait()
        ids.append(submit(engine, "work", key=str(n), ticket=TICKET))  # even when they do not ask for the same: the ticket decides

    threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ids == [TICKET] * 8
    assert engine.wait(TICKET, 5).state == "done" and runs == [TICKET]
    assert submit(engine, "work", ticket=TICKET) == TICKET, "the one that has ended"
    assert engine.view(TICKET).state == "done" and runs == [TICKET]
    assert len(engine.changes()["jobs"]) == 1


def test_a_ticket_is_known_after_a_restart_and_starts_nothing_then(house: House) -> None:
    first = house.engine(work=sleep_until_stopped, quick=lambda context: "first")
    ended, paused, interrupted = "0123456789a1", "0123456789a2", "0123456789a3"
    assert first.wait(submit(first, "quick", ticket=ended), 5).result == "first"
    for job in (paused, interrupted):
        started(first, submit(first, "work", key=job, ticket=job))
    first.pause(paused)
    first.wait(paused, 5)
    first.close()
    second = house.engine(resume=False, work=sleep_until_stopped, quick=lambda context: "second")
    assert submit(second, "quick", ticket=ended) == ended and second.view(ended).result == "first"
    for job in (paused, interrupted):
        assert submit(second, "work", key=job, ticket=job) == job
        assert second.view(job).state == "paused", "the same press does not undo what a person has done since"


def test_another_ticket_for_an_equal_active_request_joins_it(house: House) -> None:
    engine = house.engine(work=sleep_until_stopped)
    first = started(engine, submit(engine, "work", ticket=TICKET))
    assert submit(engine, "work", ticket="abcdef012345") == first == TICKET
    assert engine.started("abcdef012345") == "" and engine.started(TICKET) == TICKET


def test_a_ticket_whose_job_was_dismissed_may_start_a_new_one(house: House) -> None:
    """Nothing is remembered of a dismissed job, so a request that comes again after it is a new one."""
    runs: list[str] = []
    engine = house.engine(work=lambda context: runs.append(context.job_id))
    engine.wait(submit(engine, "work", ticket=TICKET), 5)
    engine.dismiss(TICKET)
    assert engine.started(TICKET) == ""
    assert engine.wait(submit(engine, "work", ticket=TICKET), 5).state == "done" and runs == [TICKET, TICKET]


@pytest.mark.parametrize("ticket", ["", "0123456789A1", "0123456789", "0123456789a1\n", "0123456789a12", "../../etc/pa", "0123 56789a1"])
def test_an_ill_formed_ticket_is_ignored(house: House, ticket: str) -> None:
    engine = house.engine(work=lambda context: None)
    job = submit(engine, "work", ticket=ticket)
    assert job != ticket and len(job) == 12 and engine.started(ticket) == ""
    engine.wait(job, 5)


def test_a_ticket_of_an_ended_job_that_is_off_the_board_shows_it_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "KEPT", 2)
    engine = house.engine(work=lambda context: "well")
    engine.wait(submit(engine, "work", ticket=TICKET), 5)
    for n in range(3):
        engine.wait(submit(engine, "work", key=str(n)), 5)
    assert engine.board.get(TICKET) is None
    assert submit(engine, "work", ticket=TICKET) == TICKET and engine.view(TICKET).result == "well"
