"""kill -9 at random moments of a scan of a big library: it ends exactly right, and nothing that was hashed is read again.

Five roots with published, unknown, renamed, moved, copied, changed, truncated and vanished files, and what other tools leave. SCAN_FILES=10000 is
the size that the project promises (benchmarks have it too); the ordinary run is smaller. SCAN_SEED repeats a run.
"""

from __future__ import annotations

import json
import math
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
    here = Path(__file__).resolve().parent
    sys.path[:0] = [str(here.parents[1]), str(here.parents[1] / "scripts"), str(here.parent), str(here)]

from civitai_manager_libs.actions.identify import MOST_SINGLES
from libraries import asked, bytes_of, made_up, published, sha256_of, write
from support import done, make_application, sha256

from demo.server import DemoServer

FILES = int(os.environ.get("SCAN_FILES", "2000"))
ROOTS = {
    "webui/models/Lora": "lora", "webui/models/Stable-diffusion": "checkpoint", "webui/models/VAE": "vae", "webui/embeddings": "embedding",
    "drive/upscale_models": "upscaler",
}  # fmt: skip
KILLS = (6, 5)  # in the first scan, in the one after the changes


def work(folder: Path, url: str, scans: int) -> None:
    """The worker: bring the scan with this number to its end, or die on the way."""
    from civitai_manager_libs.disk import hashing

    log = (folder / "hashed.txt").open("a")
    real = hashing.digests

    def noting(path: Path, *arguments: Any, **options: Any) -> tuple[str, str]:
        log.write(f"{path}\n")
        log.flush()
        return real(path, *arguments, **options)

    hashing.digests = noting
    application = make_application(folder, url, scan_folders=str(folder / "drive"))
    application.start()
    print("ready", flush=True)
    ended = [job for job in application.jobs.changes()["jobs"] if job["kind"] == "scan" and job["state"] == "done"]
    result = ended[-1]["result"] if len(ended) == scans else done(application, application.scan(), 500)
    application.close()
    print(json.dumps(result), flush=True)


class Library:
    """The files as they are, and what a right catalog says of each: ``expected[path] = (model id or 0, health)``."""

    def __init__(self, folder: Path, demo: DemoServer, rng: random.Random) -> None:
        self.folder, self.demo, self.rng = folder, demo, rng
        self.expected: dict[Path, tuple[int, str]] = {}
        self.missing: set[Path] = set()
        self.number = 0

    def place(self, name: str) -> Path:
        root = self.rng.choice(list(ROOTS))
        return self.folder / root / f"folder {self.rng.randrange(9)}" / name

    def unknown(self, path: Path) -> None:
        self.number += 1
        # Few of them are networks: each of those costs a question of its own, whether its tensors are known.
        if "Lora" in str(path) and self.number % 20:
            path = Path(str(path).replace("Lora", "VAE"))
        write(path, made_up(self.number))
        self.expected[path] = (0, "whole")

    def make(self, count: int) -> None:
        known = list(published(self.demo))
        for n, (model, version, file) in enumerate(known):
            path = self.place(f"{version['id']} {file['name']}")
            data = bytes_of(file)
            if n % 10 == 0:
                write(path, data[: len(data) // 2])
                info = {"id": version["id"], "modelId": model["id"], "name": version["name"], "model": {"name": model["name"]}, "files": []}
                path.with_name(path.stem + ".civitai.info").write_text(json.dumps(info))
                self.expected[path] = (model["id"], "truncated")
                continue
            write(path, data)
            claimed = n % 10 == 1
            if claimed:
                path.with_name(path.stem + ".metadata.json").write_text(json.dumps({"sha256": sha256_of(file), "size": len(data)}))
            self.expected[path] = (model["id"], "whole" if claimed else "verified")
            if n % 10 == 2:
                twin = self.place(f"copy of {path.name}")
                write(twin, data)
                self.expected[twin] = (model["id"], "verified")
        while len(self.expected) < count:
            self.unknown(self.place(f"own {self.number}.{self.rng.choice(('safetensors', 'safetensors', 'sft'))}"))
        for n in range(20):
            path = self.place(f"theirs {n}.safetensors")
            write(path.with_name(path.name + (".part", ".downloading", ".crdownload")[n % 3]), b"x" * 99)
            write(path.with_name(f"page {n}.html"), b"<html>")

    def change(self) -> None:
        """A tenth each: renamed, moved to another root, touched; and some changed, cut, removed, added."""
        paths = sorted(path for path, (_, health) in self.expected.items() if health != "truncated")
        self.rng.shuffle(paths)
        tenth = len(paths) // 10
        portions = {name: [paths.pop() for _ in range(share)] for name, share in (
            ("renamed", tenth), ("moved", tenth), ("touched", tenth), ("changed", tenth // 2), ("cut", tenth // 4), ("removed", tenth // 2),
        )}  # fmt: skip
        for path in portions["renamed"] + portions["moved"]:
            about = self.expected.pop(path)
            target = path.with_name(f"renamed {path.name}") if path in portions["renamed"] else self.place(f"moved {path.name}")
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
            self.expected[target] = about
        for path in portions["touched"]:
            os.utime(path, (1_700_000_000, 1_700_000_000 + self.rng.random()))
        for path in portions["changed"]:
            self.number += 1
            write(path, made_up(self.number))
            self.expected[path] = (0, "whole")
        for path in portions["cut"]:
            data = path.read_bytes()
            write(path, data[: len(data) * 2 // 3])
            sidecars = [path.with_name(path.stem + ending) for ending in (".civitai.info", ".metadata.json")]
            for sidecar in sidecars:
                sidecar.unlink(missing_ok=True)
            self.expected[path] = (0, "truncated")
        for path in portions["removed"]:
            path.unlink()
            del self.expected[path]
            self.missing.add(path)
        for n in range(tenth):
            self.unknown(self.place(f"new {n}.safetensors"))
        self.portions = portions


class Killer:
    def __init__(self, library: Library, rng: random.Random) -> None:
        self.library, self.rng = library, rng
        self.moments: list[float] = []
        self.log = library.folder / "hashed.txt"

    def scan(self, number: int, kills: int) -> dict[str, Any]:
        """Start the worker again and again until the scan with this number has ended."""
        left = kills
        while True:
            logged = len(self.log.read_text().splitlines()) if self.log.exists() else 0
            committed = self.committed()
            command = [sys.executable, __file__, str(self.library.folder), self.library.demo.url, str(number)]
            worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert worker.stdout is not None
            try:
                ready = worker.stdout.readline()
                assert ready == "ready\n", ready + worker.stdout.read()
                try:
                    moment = self.rng.uniform(0.02, 0.4 + FILES / 1500) if left else 400.0
                    worker.wait(moment)
                except subprocess.TimeoutExpired:
                    assert left, "the last run does not come to its end"
                    worker.send_signal(signal.SIGKILL)
                    worker.wait(10)
                    left -= 1
                    self.moments.append(round(moment, 2))
                    continue
                finally:
                    again = committed & set(self.log.read_text().splitlines()[logged:] if self.log.exists() else [])
                    assert not again, f"read again: {sorted(again)[:3]}"
                output = worker.stdout.read()
                assert worker.returncode == 0, output
                result: dict[str, Any] = json.loads(output.splitlines()[-1])
                return result
            finally:
                worker.stdout.close()

    def committed(self) -> set[str]:
        """Files whose hash is recorded, as they are now."""
        found = set()
        for path, size, mtime_ns in rows(self.library.folder, "SELECT path, size, mtime_ns FROM local_files WHERE sha256 <> ''"):
            try:
                status = os.stat(path)
            except OSError:
                continue
            if (status.st_size, status.st_mtime_ns) == (size, mtime_ns):
                found.add(path)
        return found


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    path = folder / "data" / "catalog.db"
    if not path.exists():
        return []
    db = sqlite3.connect(path)
    try:
        return db.execute(query).fetchall()
    except sqlite3.OperationalError:  # killed before its first table
        return []
    finally:
        db.close()


def check(library: Library, result: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """The catalog says exactly what is there; its rows by path."""
    columns = "path, id, kind, size, sha256, model_id, version_id, state, health, autov3"
    found = {row[0]: row for row in rows(library.folder, f"SELECT {columns} FROM local_files")}
    here = {path for path, row in found.items() if row[7] == "here"}
    assert here == {str(path) for path in library.expected}
    assert {path for path, row in found.items() if row[7] == "missing"} == {str(path) for path in library.missing}
    own = {row[0] for row in rows(library.folder, "SELECT id FROM models WHERE id < 0")}
    models = {row[0] for row in rows(library.folder, "SELECT id FROM models WHERE id > 0")}
    for path, (model, health) in library.expected.items():
        _, number, kind, size, digest, model_id, version_id, _, told, _ = found[str(path)]
        assert size == path.stat().st_size
        assert kind == next(kind for root, kind in ROOTS.items() if path.is_relative_to(library.folder / root))
        assert told == health, path
        assert digest == ("" if health == "truncated" else sha256(path)), path
        if model:
            assert model_id == model and model in models and version_id, path
        else:
            assert model_id == -number and -number in own, path
    counted = library.expected.values()
    expected = {
        "files": len(library.expected), "missing": len(library.missing), "truncated": sum(health == "truncated" for _, health in counted),
        "identified": sum(bool(model) for model, _ in counted), "unknown": sum(not model for model, _ in counted), "failed": [], "away": 0,
    }  # fmt: skip
    assert {name: result[name] for name in expected} == expected
    assert rows(library.folder, "PRAGMA integrity_check") == [("ok",)] and rows(library.folder, "PRAGMA foreign_key_check") == []
    return found


def test_kill_9_at_random_moments_of_a_scan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("SCAN_SEED", "0")) or random.randrange(1, 10**6)
    rng = random.Random(seed)
    began = time.monotonic()
    with DemoServer(models=max(30, FILES // 25), seed=3) as demo:
        library = Library(tmp_path, demo, rng)
        library.make(FILES)
        killer = Killer(library, rng)
        first = killer.scan(1, KILLS[0])
        before = check(library, first)
        assert first["new"] == FILES and first["moved"] == 0, f"seed {seed}"
        requests = asked(demo)
        hashes = sum("by-hash/ids" in one for one in requests)
        lists = sum(one == "GET /api/v1/models" for one in requests)
        models = len({model for model, _ in library.expected.values() if model})
        # A kill may cost the answer that was under way, and nothing else.
        assert 1 <= hashes <= 1 + KILLS[0] and math.ceil(models / 100) <= lists <= math.ceil(models / 100) + KILLS[0]
        networks = min(MOST_SINGLES, sum(not model and "Lora" in str(path) for path, (model, _) in library.expected.items()))
        assert hashes + lists + networks <= len(requests) <= hashes + lists + networks + KILLS[0], requests[:20]
        assert abs(first["requests"] - len(requests)) <= KILLS[0], "a kill may come between an answer and its being counted"

        names = {row[1]: path for path, row in before.items()}
        library.change()
        demo.forget()
        second = killer.scan(2, KILLS[1])
        after = check(library, second)
        moved = library.portions["renamed"] + library.portions["moved"]
        assert second["moved"] == len(moved) and second["new"] == len(library.expected) + len(library.missing) - FILES, f"seed {seed}"
        kept = {path: row[1] for path, row in after.items() if row[1] in names}
        assert len(kept) == FILES, "every record of the first scan is there, under its number"
        for path in moved:
            target = next(one for one, number in kept.items() if names[number] == str(path))
            assert Path(target).name.endswith(path.name) and target != str(path)
        again = asked(demo)
        assert sum("by-hash/ids" in one for one in again) <= 1 + KILLS[1] and not any(one == "GET /api/v1/models" for one in again)

        demo.forget()
        started = time.monotonic()
        application = make_application(tmp_path, demo, scan_folders=str(tmp_path / "drive"))
        application.start()
        try:
            third = done(application, application.scan())
            assert third["requests"] == 0 and asked(demo) == [] and third["new"] == third["moved"] == 0
        finally:
            application.close()
    with capsys.disabled():
        print(f"\n{FILES} files, {len(killer.moments)} kills at {killer.moments} s, seed {seed} (SCAN_SEED repeats it)")
        print(f"first scan: {len(requests)} requests ({hashes} for hashes, {lists} for {models} models); after the changes: {len(again)}; then 0")
        print(f"unchanged: {time.monotonic() - started:.2f} s with start and end; all: {time.monotonic() - began:.0f} s")


def test_the_number_of_requests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a kill: one for all hashes, one for each 100 models, one for each unknown network's tensors, and nothing more."""
    with DemoServer(models=150, seed=3) as demo:
        library = Library(tmp_path, demo, random.Random(1))
        library.make(600)
        application = make_application(tmp_path, demo, scan_folders=str(tmp_path / "drive"))
        application.start()
        try:
            result = done(application, application.scan(), 120)
        finally:
            application.close()
        check(library, result)
        requests = asked(demo)
        models = len({model for model, _ in library.expected.values() if model})
        networks = sum(not model and "Lora" in str(path) for path, (model, _) in library.expected.items())
        assert models > 100 and result["requests"] == len(requests) == 1 + math.ceil(models / 100) + networks, requests[:20]
        with capsys.disabled():
            print(f"\n600 files, {models} models, {networks} unknown networks: {len(requests)} requests")


if __name__ == "__main__":
    work(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
