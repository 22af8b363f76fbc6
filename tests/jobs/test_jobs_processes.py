"""Several real processes on one database: what each sees of the other's jobs, and what is left when one is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.catalog.database import Database
from civitai_manager_libs.errors import UsageError
from civitai_manager_libs.jobs.context import Context
from civitai_manager_libs.jobs.engine import Engine, Kind
from civitai_manager_libs.jobs.store import Store
from support import SCRIPTS, until

PROGRAM = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
folder = Path(sys.argv[2])
from civitai_manager_libs.catalog.database import Database
from civitai_manager_libs.jobs.engine import Engine, Kind
from civitai_manager_libs.jobs.store import Store

def work(context):  # an item each 50 ms, and progress that never rests
    for item in context.items():
        if item.state == "queued":
            end = time.monotonic() + 0.05
            while time.monotonic() < end:
                context.check()
                context.update(done=item.position, text=str(time.monotonic()))
                time.sleep(0.002)
            context.item_done(item, item.params)
    return "by the child"

engine = Engine(Store(Database(folder / "catalog.db")), folder / "engines", lambda lane: 1)
engine.add_kind("work", Kind("library", work))
engine.start(resume=False)
jobs = [engine.submit("work", {}, key=f"{n}", title=f"job {n}", items=range(100)) for n in range(2)]
print(json.dumps(jobs), flush=True)
for line in sys.stdin:
    pass
engine.close()
"""


class Child:
    """A process with an engine that runs the first of two jobs; the second is queued behind it."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(SCRIPTS), str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.running, self.queued = json.loads(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.communicate(timeout=15)


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    made = Child(tmp_path)
    yield made
    made.kill()


def finish_items(context: Context) -> Any:
    done = 0
    for item in context.items():
        if item.state == "queued":
            context.item_done(item, item.params)
            done += 1
    return {"items done here": done}


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Any]:
    made: list[tuple[Engine, Database]] = []

    def make(resume: bool = True) -> Engine:
        database = Database(tmp_path / "catalog.db")
        engine = Engine(Store(database), tmp_path / "engines", lambda lane: 1)
        engine.add_kind("work", Kind("library", finish_items))
        engine.start(resume=resume)
        made.append((engine, database))
        return engine

    yield make
    for engine, database in made:
        engine.close()
        database.close()


def test_the_jobs_of_one_process_are_seen_by_the_other(child: Child, engines: Any) -> None:
    engine = engines()
    until(lambda: engine.view(child.running).state == "running", 5)
    view = engine.view(child.running)
    assert view.elsewhere and view.title == "job 0"
    assert engine.view(child.queued).state == "queued", "a live owner's queued job is not taken"
    before = until(lambda: engine.view(child.running).done, 5)
    until(lambda: engine.view(child.running).done > before, 5, "the other's progress")
    assert engine.submit("work", {}, key="0", title="the same") == child.running, "an equal request joins it"
    with pytest.raises(UsageError):
        engine.resume(child.running)


def test_pause_and_cancel_reach_the_owner(child: Child, engines: Any) -> None:
    engine = engines()
    until(lambda: engine.view(child.running).state == "running", 5)
    engine.pause(child.queued)
    assert engine.wait(child.queued, 5).state == "paused", "a queued job of the other"
    engine.pause(child.running)
    assert engine.view(child.running).stopping == "pause"
    view = engine.wait(child.running, 5)
    assert (view.state, view.stopping, view.elsewhere) == ("paused", None, False)
    engine.resume(child.running)
    view = engine.wait(child.running, 5)
    assert view.state == "done", "a paused job belongs to nobody: this process went on with it"
    assert 0 < view.result["items done here"] < 100
    engine.cancel(child.queued)
    assert engine.wait(child.queued, 5).state == "cancelled"


def test_cancel_of_a_running_job_elsewhere(child: Child, engines: Any) -> None:
    engine = engines()
    until(lambda: engine.view(child.running).state == "running", 5)
    engine.cancel(child.running)
    assert engine.wait(child.running, 5).state == "cancelled"


def test_a_killed_process_loses_no_finished_item(child: Child, tmp_path: Path, engines: Any) -> None:
    store = Store(Database(tmp_path / "catalog.db"))
    until(lambda: sum(item.state == "done" for item in store.items(child.running)) >= 3, 5)
    child.kill()
    kept = sum(item.state == "done" for item in store.items(child.running))
    engine = engines()
    view = engine.wait(child.running, 5)
    assert view.state == "done" and view.result == {"items done here": 100 - kept}
    assert engine.wait(child.queued, 5).result == {"items done here": 100}
    assert not [path for path in (tmp_path / "engines").iterdir() if engine.board.boot not in path.name], "the dead one's lock is gone"


def test_a_process_that_dies_while_another_runs_leaves_paused_jobs(child: Child, engines: Any) -> None:
    engine = engines()
    until(lambda: engine.view(child.running).state == "running", 5)
    child.kill()
    view = engine.wait(child.running, 10)
    assert (view.state, view.elsewhere) == ("paused", False)
    assert "ended" in view.text
    engine.wait(child.queued, 5)
    engine.resume(child.running)
    assert engine.wait(child.running, 5).state == "done"


def test_a_job_whose_owner_has_just_died_can_be_cancelled_at_once(child: Child, engines: Any) -> None:
    engine = engines()
    until(lambda: engine.view(child.running).state == "running", 5)
    child.kill()
    engine.cancel(child.running)
    assert engine.view(child.running).state == "cancelled"


def test_a_process_that_ends_well_leaves_its_work_to_the_next(child: Child, engines: Any) -> None:
    time.sleep(0.3)
    child.end()
    assert child.process.returncode == 0
    engine = engines()
    assert engine.wait(child.running, 5).state == "done"
    assert engine.wait(child.queued, 5).state == "done"
