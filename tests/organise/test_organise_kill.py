"""kill -9 before every fourth step that touches the disk (ORGANISE_STRIDE=1: before each), and at random moments of a move of 200 groups.

The second drive is a folder of /dev/shm behind a link, as people have it. Whatever the moment: the next start finishes what was begun, every byte is
there, models have what belongs beside them, the catalog knows where they are, and undo gives the first state back. ORGANISE_SEED repeats a run.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if __name__ == "__main__":  # the worker
    here = Path(__file__).resolve().parent
    sys.path[:0] = [str(here.parents[1]), str(here.parents[1] / "scripts"), str(here.parent)]

from support import done

from organise.libraries import LORA, Library, application, contents, tree

GROUPS = int(os.environ.get("ORGANISE_GROUPS", "200"))
KILLS = 12
STRIDE = int(os.environ.get("ORGANISE_STRIDE", "4"))  # 1: before every step
SIDECARS = (".json", ".civitai.info", ".preview.png")
WATCHED = ("os.link", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.utime", "os.chmod", "shutil.move")
SHM = Path("/dev/shm")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and kill -9")


def die_before(number: int, folders: list[str]) -> None:
    """Kill this process before the n-th change of the library's files."""
    left = [number]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if not (event in WATCHED or writes):
            return
        paths = [os.fsdecode(one) for one in arguments[:2] if isinstance(one, (str, bytes))]
        if any(folder in path for path in paths for folder in folders):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def in_child(work: Any) -> int:
    """What a process of its own that does this work ends with; -9 when it was killed."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def act(app: Any, scenario: str) -> None:
    if scenario == "delete":
        done(app, app.carry_out(app.plan_delete([1, 2])))
    elif scenario == "duplicates":
        done(app, app.carry_out(app.plan_duplicates()))
    elif scenario == "rename":
        done(app, app.carry_out(app.plan_rename(1, "new name")))
    else:
        done(app, app.carry_out(app.plan_move([1, 2])))
    if scenario == "undo":
        done(app, app.undo())


def unfinished(app: Any) -> bool:
    return any(job["state"] not in ("done", "failed", "cancelled") for job in app.jobs.changes()["jobs"])


def every_step(folder: Path, other: Path, scenario: str) -> None:
    """The worker of the first test: kill before step 1, 2, 3 ... until a run ends by itself."""
    options = {"own_trash": scenario != "system trash"}
    number = 1 - STRIDE + random.randrange(STRIDE)
    while True:
        number += STRIDE
        base, second = folder / str(number), other / str(number)
        second.mkdir(parents=True)
        def prepare(base: Path = base, second: Path = second) -> None:
            app = application(base)
            library = Library(base, app)
            library.root.mkdir(parents=True)
            (library.root / "Pony").symlink_to(second)  # model 2 goes there
            library.add(1, "one", sidecars=SIDECARS)
            library.add(2, "two", sidecars=SIDECARS)
            library.add(3, "two", ending=".pt")  # it shares the sidecars
            if scenario == "duplicates":
                path = library.root / "copies" / "copy.safetensors"
                path.parent.mkdir()
                path.write_bytes((library.root / "one.safetensors").read_bytes())
                path.with_suffix(".json").write_text("its own")
                app.services.files.add(path, app.services.files.get(1).sha256, model_id=None, version_id=None, file_id=None, kind="lora")

        def first(base: Path = base, second: Path = second, number: int = number) -> None:
            app = application(base, **options)
            app.jobs.changes()
            die_before(number, [str(base / "webui"), str(second), os.environ["XDG_DATA_HOME"]])
            act(app, "delete" if scenario == "system trash" else scenario)

        def second_run(base: Path = base, second: Path = second) -> None:
            app = application(base, **options)
            end = time.monotonic() + 30
            while unfinished(app) and time.monotonic() < end:
                time.sleep(0.01)
            jobs = app.jobs.changes()["jobs"]
            assert all(job["state"] == "done" for job in jobs), jobs
            assert not app.services.journal.planned()
            check_catalog(app)
            for batch in app.journal():
                if batch["done"] and batch["action"] != "undo":
                    done(app, app.undo(batch["batch"]))

        assert in_child(prepare) == 0
        before = tree(base / "webui", second)
        killed = in_child(first)
        assert killed in (0, -signal.SIGKILL), killed
        middle = contents(base / "webui", second)
        assert not set(Counter(before.values())) - set(middle) or scenario == "system trash", "bytes are gone after the kill"
        assert in_child(second_run) == 0, f"{scenario}, killed before step {number}: {base}"
        after = tree(base / "webui", second)
        assert after == before, f"{scenario}, killed before step {number}: {sorted(set(after) ^ set(before))}"
        if killed == 0:
            print(json.dumps({"steps": number - 1}), flush=True)
            return


def check_catalog(app: Any) -> None:
    for record in app.services.files.all():
        assert record.state != "here" or record.unchanged, record
        if record.state == "here" and record.model_id in (1, 2):
            folder = Path(record.path).parent
            assert all((folder / (Path(record.path).stem + ending)).exists() for ending in SIDECARS), record.path


@pytest.fixture
def second_drive(tmp_path: Path) -> Iterator[Path]:
    if not SHM.is_dir() or SHM.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second drive: /dev/shm is missing, or the same as the folder for tests")
    with tempfile.TemporaryDirectory(dir=SHM, prefix="organise-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("scenario", ["move", "undo", "rename", "delete", "duplicates", "system trash"])
def test_killed_before_every_step(tmp_path: Path, second_drive: Path, scenario: str) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "share")}
    run = subprocess.run(
        [sys.executable, __file__, "steps", str(tmp_path / "library"), str(second_drive), scenario], capture_output=True, text=True, timeout=400,
        env=environment,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr[-5000:]
    steps = json.loads(run.stdout.splitlines()[-1])["steps"]
    print(f"{scenario}: {steps} steps")
    assert steps >= 8


# -- many groups, random moments


def work(folder: Path) -> None:
    """The worker of the second test: go on with what was interrupted, or begin; say how many groups there are left."""
    app = application(folder)
    print("ready", flush=True)
    if not app.journal() and not any(job["kind"] == "organise" for job in app.jobs.changes()["jobs"]):
        app.carry_out(app.plan_move(range(1, GROUPS + 1)))
    while unfinished(app):
        time.sleep(0.01)
    jobs = [job for job in app.jobs.changes()["jobs"] if job["kind"] == "organise"]
    app.close()
    print(json.dumps(jobs), flush=True)


def test_killed_at_random_while_200_groups_move_over_two_drives(tmp_path: Path, second_drive: Path) -> None:
    seed = int(os.environ.get("ORGANISE_SEED", random.randrange(1 << 30)))
    rng = random.Random(seed)
    app = application(tmp_path)
    library = Library(tmp_path, app)
    library.root.mkdir(parents=True)
    (library.root / "Pony").symlink_to(second_drive)
    for number in range(1, GROUPS + 1):
        library.add(number, where=f"folder {number % 7}", sidecars=SIDECARS[: number % 4], size=300_000 if number % 20 == 2 else 0)
    app.close()
    before = tree(tmp_path / "webui", second_drive)
    kills, ended = 0, None
    while ended is None:
        with subprocess.Popen([sys.executable, __file__, "work", str(tmp_path)], stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
            if kills < KILLS:
                time.sleep(rng.uniform(0.05, 0.6))
                kills += worker.poll() is None
                worker.kill()
            else:
                ended = json.loads(worker.stdout.read())
        assert contents(tmp_path / "webui", second_drive).keys() >= set(before.values()), f"seed {seed}: bytes are gone after kill {kills}"
    print(f"seed {seed}: {kills} kills")
    assert [job["state"] for job in ended] == ["done"], f"seed {seed}: {ended}"
    assert contents(tmp_path / "webui", second_drive) == Counter(before.values()), f"seed {seed}"
    assert len(list(second_drive.rglob("*.safetensors"))) == sum(number % 3 == 2 for number in range(1, GROUPS + 1))
    app = application(tmp_path)
    try:
        check_catalog_of_many(app)
        done(app, app.undo(), 120)
        assert tree(tmp_path / "webui", second_drive) == before, f"seed {seed}"
        check_catalog_of_many(app)
    finally:
        app.close()


def check_catalog_of_many(app: Any) -> None:
    for record in app.services.files.all():
        assert record.state == "here" and record.unchanged
        beside = Path(record.path)
        assert all(beside.with_name(beside.stem + ending).exists() for ending in SIDECARS[: (record.model_id or 0) % 4]), record.path
        assert LORA in record.path


if __name__ == "__main__":
    if sys.argv[1] == "steps":
        every_step(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
    else:
        work(Path(sys.argv[2]))
