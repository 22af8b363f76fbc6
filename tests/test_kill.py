"""kill -9 at 20 random moments of a batch loses nothing.

A worker process registers 30 models and downloads files; it is killed at a random moment and started again, which goes on with what was
interrupted, until all is done. Then a new batch begins, until 20 kills have struck a worker in the middle of its work.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

if __name__ == "__main__":  # the worker
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "scripts"), str(Path(__file__).parent)]

from support import make_application, parts_below, sha256

from demo import files as contents
from demo.catalogue import FIRST, SPECIAL

KILLS = 20
LONGEST = 1.2  # seconds that a worker lives until it is killed; a batch is the work of several lives, so every part of it is struck
CASES = ("medium_file", "training_data_first", "many_versions", "null_stats", "odd_trained_words", "digit_username")
MODELS = [*FIRST, *(SPECIAL[name].model_id for name in CASES)]
LARGE = SPECIAL["medium_file"]  # 64 MiB


def work(folder: Path, url: str, versions: list[int]) -> None:
    """Everything that is wanted is asked for again at each start, as a person would; what is done already is not done twice."""
    application = make_application(folder, url, parallel_downloads=2)
    application.start()
    print("started", flush=True)
    wanted = [application.register("\n".join(map(str, MODELS)))] if application.cards(limit=1)["total"] < len(MODELS) else []
    asked: set[int] = set()
    while True:
        for version in sorted(set(versions) - asked):
            if application.services.models.model_of_version(version) is not None:
                asked.add(version)
                wanted.append(application.download(version))
        states = {job["id"]: job for job in application.jobs.changes()["jobs"]}
        bad = [job for job in states.values() if job["state"] in ("failed", "cancelled", "paused")]
        if bad:
            print(json.dumps(bad), flush=True)
            os._exit(1)
        if asked == set(versions) and all(application.jobs.view(job).state == "done" for job in wanted):
            break
        time.sleep(0.01)
    application.close()


class Batch:
    """One library from empty to complete."""

    def __init__(self, folder: Path, demo: Any) -> None:
        self.folder, self.demo = folder, demo
        generated = [demo.catalogue.model(number)["modelVersions"][0] for number in FIRST]
        safe = [version for version in generated if version["files"][0]["_content"].kind in ("safetensors", "zip")]
        chosen = sorted(safe, key=lambda version: -contents.size(version["files"][0]["_content"]))[:8]
        self.versions = [version["id"] for version in chosen] + [LARGE.version_id]

    def start(self) -> subprocess.Popen[str]:
        program = [sys.executable, __file__, str(self.folder), self.demo.url, json.dumps(self.versions)]
        worker = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None and worker.stdout.readline() == "started\n"
        return worker

    def check(self) -> None:
        """Each model once, each file whole in its place and known, nothing half-done, the catalog whole."""
        application = make_application(self.folder, self.demo)
        application.start()
        try:
            cards = application.cards(limit=1000)["items"]
            assert sorted(card["id"] for card in cards) == sorted(MODELS)
            assert application.jobs.changes()["active"] == 0
            here: list[str] = []
            for version_id in self.versions:
                model, version = self.demo.catalogue.version(version_id)
                view = application.model_view(model["id"])
                assert view is not None
                primary = next(file for one in view["versions"] if one["id"] == version_id for file in one["files"] if file["primary"])
                (path,) = primary["local"]
                raw = next(file for file in version["files"] if file["id"] == primary["id"])
                assert sha256(Path(path)) == contents.hashes(raw["_content"])["SHA256"].lower() == primary["sha256"]
                assert Path(path).with_name(Path(path).stem + ".civitai.info").exists()
                here.append(path)
            models = [path for path in (self.folder / "webui").rglob("*") if path.suffix in (".safetensors", ".zip")]
            assert sorted(map(str, models)) == sorted(here), "no file came twice"
            with application.services.models._db.reading() as db:
                assert db.execute("SELECT count(*) FROM local_files").fetchone()[0] == len(here)
        finally:
            application.close()
        # A small hidden file of a write that was cut short (.cm-*.tmp) may stay: nothing can remove it at kill -9, and nobody takes it for a model.
        assert [path for path in parts_below(self.folder) if not path.name.startswith(".cm-")] == []
        with sqlite3.connect(self.folder / "data" / "catalog.db") as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        db.close()


def test_kill_9_at_20_random_moments_loses_nothing(tmp_path: Path, demo: Any, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("KILL_SEED", "0")) or random.randrange(1, 10**6)
    rng = random.Random(seed)
    demo.latency = 0.01
    kills, batches, moments = 0, 0, []
    while kills < KILLS:
        batches += 1
        demo.clear_faults()
        demo.fault("drip", path="/model/44", times=4, rate=1_000_000)  # so that some kills come in the middle of a file
        batch = Batch(tmp_path / f"batch{batches}", demo)
        while True:
            worker = batch.start()
            try:
                moment = rng.uniform(0.0, LONGEST) if kills < KILLS else 30.0
                worker.wait(moment)
            except subprocess.TimeoutExpired:
                assert kills < KILLS, "the last run does not come to its end"
                worker.send_signal(signal.SIGKILL)
                worker.wait(10)
                kills += 1
                moments.append(round(moment, 3))
            else:
                assert worker.stdout is not None
                assert worker.returncode == 0, f"seed {seed}, batch {batches}: {worker.stdout.read()}"
                break
            finally:
                worker.stdout.close()
        batch.check()
    with capsys.disabled():
        print(f"\nkilled {kills} times in {batches} batches, seed {seed} (KILL_SEED repeats it): {moments}")


if __name__ == "__main__":
    work(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
