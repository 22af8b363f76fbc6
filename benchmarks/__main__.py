"""``python -m benchmarks [WHAT ...]`` (``--help`` lists what): the figures that the project promises, one row each.

The demo Civitai runs in a process of its own, so that its work is not counted as ours. Needs an environment with gradio (``./start.sh`` makes
one) and, for ``download``, ``curl``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from demo.catalogue import BIG_BYTES, SPECIAL  # noqa: E402
from demo.server import KEY  # noqa: E402

PORTS = (7952, 7953)
BIG = SPECIAL["big_file"]


@contextmanager
def demo(*options: str) -> Iterator[str]:
    """The address of a demo Civitai in a process of its own."""
    command = [sys.executable, "-m", "demo", "--port", str(PORTS[0]), "--storage-port", str(PORTS[1]), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "Stop with" in line:
                break
        yield f"http://127.0.0.1:{PORTS[0]}"
    finally:
        process.terminate()
        process.wait()


class FolderHost:
    """Model folders below one folder."""

    name = "benchmark"

    def __init__(self, root: Path) -> None:
        self.root = root

    def folders(self) -> dict[str, list[Path]]:
        from civitai_manager_libs.disk.placement import default_folders

        return default_folders(self.root)

    def refresh(self, kinds: set[str]) -> None:
        pass

    def language(self) -> str:
        return ""

    def known_sha256(self, path: Path, kind: str) -> str:
        return ""

    def remember_sha256(self, path: Path, kind: str, sha256: str, tensors: str = "") -> None:
        pass


@contextmanager
def application(folder: Path, url: str) -> Iterator[Any]:
    from civitai_manager_libs.application import Application
    from civitai_manager_libs.settings import SettingsStore

    settings = SettingsStore(folder / "settings.json", {}, {"civitai_url": url, "api_key": KEY})
    made = Application(folder / "data", settings, FolderHost(folder / "webui"))
    made.start()
    try:
        yield made
    finally:
        made.close()


STARTUP = """
import os, sys, time
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
import gradio, fastapi, PIL.Image, requests, tqdm  # the host has these in memory long before extensions load
sys.path[:0] = [{root!r}, {scripts!r}]
from pathlib import Path
noise = []
sys.addaudithook(lambda name, args: noise.append(name) if name in ("socket.connect", "subprocess.Popen", "os.posix_spawn", "os.fork") else None)
began = time.process_time()
from civitai_manager_libs.application import Application
from civitai_manager_libs.settings import SettingsStore
from civitai_manager_libs.ui.tab import build
from civitai_manager_libs.web import routes
class Host:
    name = "benchmark"
    def folders(self): return {{}}
    def refresh(self, kinds): pass
folder = Path({folder!r})
application = Application(folder / "data", SettingsStore(folder / "settings.json"), Host())
build(lambda: application)
routes.add(fastapi.FastAPI(), lambda: application, [])
spent = time.process_time() - began
began = time.process_time()
application.start()
started = time.process_time() - began
application.close()
print(spent, started, len(noise))
"""


def startup(folder: Path) -> list[tuple[str, str, str]]:
    """CPU of what the host waits for, best of three fresh processes (byte code is compiled by the first)."""
    code = STARTUP.format(root=str(ROOT), scripts=str(ROOT / "scripts"), folder=str(folder / "startup"))
    around = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPYCACHEPREFIX": str(folder / "bytes")}
    runs = [subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=around).stdout.split() for _ in range(3)]
    tab, engine, noise = min(float(run[0]) for run in runs), min(float(run[1]) for run in runs), max(int(run[2]) for run in runs)
    return [
        ("tab built, routes added", f"{tab:.3f} s CPU", "under 0.3 s"),
        ("catalog and job engine started", f"{engine:.3f} s CPU", "-"),
        ("connections and processes at start", str(noise), "0"),
    ]


def register(folder: Path) -> list[tuple[str, str, str]]:
    """100 models from a demo that answers after 50 ms: the wall time that the governor's spacing asks for, and our own CPU."""
    count = 100
    with demo("--models", "200", "--latency", "0.05") as url, application(folder / "register", url) as made:
        ids = [str(4100000 + number) for number in range(count)]
        made.jobs.wait(made.register("4100150"), 60)  # connections, imports and Pillow's plugins are there
        governor = 0.1 * count
        began, cpu = time.perf_counter(), time.process_time()
        view = made.jobs.wait(made.register("\n".join(ids)), 300)
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        assert view.state == "done", view.error
        bodies = [(made.services.models.row(int(one)), made.services.models.body(int(one))) for one in ids]
        database = catalog_cost(folder / "catalog-only", [body for _, body in bodies if body])
    return [
        ("registering 100 models, 50 ms latency", f"{wall:.1f} s", f"the governor's own {governor:.0f} s"),
        ("  our CPU a model, all of it", f"{1000 * cpu / count:.1f} ms", "-"),
        ("  of that: decoding, packing, database", f"{1000 * database / count:.1f} ms", "under 5 ms"),
    ]


def catalog_cost(folder: Path, bodies: list[dict[str, Any]]) -> float:
    """CPU seconds of decoding and saving these models, without network and pictures."""
    from civitai_manager_libs.actions.register import entry_of
    from civitai_manager_libs.catalog.database import Database
    from civitai_manager_libs.catalog.models import Models
    from civitai_manager_libs.civitai import payloads

    database = Database(folder / "catalog.db")
    models = Models(database)
    began = time.process_time()
    for body in bodies:
        models.save(entry_of(payloads.model(body)), body)
    spent = time.process_time() - began
    database.close()
    return spent


def sha256_rate() -> float:
    """Bytes a second that one core hashes."""
    block = os.urandom(1 << 20)
    digest, began = hashlib.sha256(), time.perf_counter()
    for _ in range(512):
        digest.update(block)
    return (512 << 20) / (time.perf_counter() - began)


def signed_link(url: str) -> str:
    import requests

    address = f"{url}/api/download/models/{BIG.version_id}?fileId={BIG.file_id}"
    return requests.get(address, headers={"Authorization": f"Bearer {KEY}"}, allow_redirects=False, timeout=30).headers["Location"]


def download(folder: Path) -> list[tuple[str, str, str]]:
    """1 GiB of the demo's big file, by curl and by us in turns (ours hashes as well): the medians' ratio."""
    size = 1 << 30
    theirs, ours = [], []
    with demo() as url:
        link = signed_link(url)
        for number in range(3):
            target = folder / "curl.bin"
            began = time.perf_counter()
            subprocess.run(["curl", "-s", "-r", f"0-{size - 1}", "-o", str(target), link], check=True)
            theirs.append(size / (time.perf_counter() - began))
            target.unlink()
            ours.append(our_rate(url, folder / f"ours{number}", size))
    curl, mine, core = sorted(theirs)[1], sorted(ours)[1], sha256_rate()
    goal = min(0.9 * curl, core)
    return [
        ("curl over loopback", f"{curl / 1e6:.0f} MB/s", "-"),
        ("SHA-256 on one core", f"{core / 1e6:.0f} MB/s", "-"),
        ("our download with hashing", f"{mine / 1e6:.0f} MB/s ({mine / goal:.2f} of the goal)", "90 % of curl, or the SHA-256 rate"),
    ]


def our_rate(url: str, folder: Path, size: int) -> float:
    """Bytes a second of our own download of the big file's first ``size`` bytes; stopped there, since the demo's file is 4 GiB."""
    with fetching(url, folder) as view:
        while view()["bytes_done"] < 1 << 20:
            time.sleep(0.001)
        began, first = time.perf_counter(), view()["bytes_done"]
        while view()["bytes_done"] < size:
            time.sleep(0.005)
        return (view()["bytes_done"] - first) / (time.perf_counter() - began)


@contextmanager
def fetching(url: str, folder: Path) -> Iterator[Any]:
    """A running download of the big file; a function that gives its view. Cancelled at the end."""
    with application(folder, url) as made:
        made.jobs.wait(made.register(str(BIG.model_id)), 60)
        job = made.download(BIG.version_id, BIG.file_id)
        yield lambda: next(one for one in made.jobs.changes()["jobs"] if one["id"] == job)
        made.jobs.cancel(job)
        made.jobs.wait(job, 30)
    shutil.rmtree(folder)


def resident() -> int:
    """Bytes of this process in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def memory(folder: Path) -> list[tuple[str, str, str]]:
    """The highest memory above idle while 4 GiB are downloaded, verified and put in place."""
    peak = 0
    stop = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not stop.wait(0.05):
            peak = max(peak, resident())

    with demo() as url, application(folder / "memory", url) as made:
        made.jobs.wait(made.register(str(BIG.model_id)), 60)
        idle = resident()
        watcher = threading.Thread(target=watch)
        watcher.start()
        began = time.perf_counter()
        view = made.jobs.wait(made.download(BIG.version_id, BIG.file_id), 1200)
        wall = time.perf_counter() - began
        stop.set()
        watcher.join()
        assert view.state == "done" and view.result["verified"], view
    return [(f"memory above idle, {BIG_BYTES >> 30} GiB in {wall:.0f} s", f"{(peak - idle) / 2**20:.0f} MiB", "under 60 MiB")]


def scan(folder: Path) -> list[tuple[str, str, str]]:
    from .scanning import measure

    with demo() as url, application(folder / "scan", url) as made:
        return measure(made, folder / "scan" / "webui")


def search(folder: Path) -> list[tuple[str, str, str]]:
    from .searching import measure

    return measure(application, folder)


def browse(folder: Path) -> list[tuple[str, str, str]]:
    from .browsing import measure

    return measure(folder / "browse")


def infotexts(folder: Path) -> list[tuple[str, str, str]]:
    from .infotexts import measure

    return measure()


MEASUREMENTS = {"startup": startup, "register": register, "download": download, "memory": memory, "scan": scan, "search": search, "browse": browse}
MEASUREMENTS["infotexts"] = infotexts


def page(folder: Path) -> list[tuple[str, str, str]]:
    from .page import measure

    return measure(folder / "page")


MEASUREMENTS["page"] = page


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"any of: {', '.join(MEASUREMENTS)} (all)")
    parser.add_argument("--folder", type=Path, help="where to write the files (a temporary folder; needs 5 GiB)")
    arguments = parser.parse_args()
    if unknown := set(arguments.what) - set(MEASUREMENTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    print(f"{'what':<42} {'measured':<38} promised")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for name, measure in MEASUREMENTS.items():
            if not arguments.what or name in arguments.what:
                for what, measured, promised in measure(Path(folder)):
                    print(f"{what:<42} {measured:<38} {promised}", flush=True)


if __name__ == "__main__":
    main()
