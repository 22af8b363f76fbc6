"""Nothing that a person started is lost to the connection: fifty registrations and a download behind a line that breaks every few seconds.

In the app shaped like the host on gradio 3.41.2 and 4.40, alone on the current one. Always: every connection is reset at an age of 2 to 6
seconds, and an idle one after 10, from the moment at which the page is loaded; and Civitai's own line breaks once under the file.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import itertools
import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from demo import files
from demo.server import DemoServer
from tests.hostapp.harness import Browser, Process, Webui, open_tab, until
from tests.hostapp.hostile import Hostile
from tests.hosts.test_host_page import generate
from tests.pages import steps

COUNT = 50
FIRST = 4_100_400  # generated models, COUNT for each test
WITH_A_FILE = (4_100_001, 4_100_065, 4_100_105, 4_100_139, 4_100_145, 4_100_263, 4_100_353)  # LORAs of 2 to 3 MB
EXTRA = FIRST + COUNT * len(WITH_A_FILE)
DOWNLOAD_SECONDS = 10.0
SIDE_BY_SIDE = 4  # models that one registration asks for at a time
ENDED = ("done", "failed", "cancelled")
CONSOLE = ("ERR_CONNECTION_", "ERR_EMPTY_RESPONSE", "ERR_SOCKET_NOT_CONNECTED", "ERR_INCOMPLETE")
numbers = itertools.count()


class Scene:
    """A page behind a hostile line, with ``COUNT`` models and one file that nobody has asked for yet."""

    def __init__(self, app: Process, demo: DemoServer, browser: Browser, line: Hostile) -> None:
        self.app, self.demo, self.browser, self.line = app, demo, browser, line
        number = next(numbers)
        self.models = [FIRST + COUNT * number + at for at in range(COUNT)]
        self.model = WITH_A_FILE[number]
        version = demo.catalogue.model(self.model)["modelVersions"][0]  # type: ignore[index]
        self.file = version["files"][0]["id"]
        app.register(str(self.model))
        demo.forget()
        self.before = {view["id"] for view in app.jobs()}
        self.page = browser.page()
        steps.arrive(self.page, line)
        self.watch = steps.Watch(self.page)

    # -- what a person does

    def download(self) -> None:
        """Press Download. Civitai's line breaks at a third of the file; the rest drips."""
        size = self.demo.catalogue.file(self.file)[1]["_content"].size  # type: ignore[index]
        self.demo.fault("reset", rf"/{self.file}\.", times=1, after=size // 3)
        self.demo.fault("drip", rf"/{self.file}\.", rate=int(size * 2 / 3 / DOWNLOAD_SECONDS))
        steps.open_model(self.page, self.model)
        self.page.wait_for_selector("#cm_download:has-text('MB')")
        self.page.click("#cm_download")

    def paste(self, models: list[int]) -> None:
        steps.register(self.page, "\n".join(f"https://civitai.com/models/{number}" for number in models))

    def pasted(self) -> None:
        """The box is empty again: what was in it is on its way."""
        self.page.wait_for_function("() => document.querySelector('#cm_links textarea').value === ''", timeout=20_000)

    def start(self) -> None:
        """Both, and Civitai takes its time, so that whatever comes next happens in the middle of them."""
        self.demo.latency = 0.3
        self.download()
        self.paste(self.models)
        self.in_mid_job()

    def shows(self) -> str:
        """All of the tab's text, for a failure's report."""
        return " | ".join(self.page.inner_text("#civitai_manager").split("\n")) if not self.page.is_closed() else "(closed)"

    # -- what is then seen

    def jobs(self, kind: str = "") -> list[dict[str, Any]]:
        """What this test has started."""
        return [view for view in self.app.jobs() if view["id"] not in self.before and kind in ("", view["kind"])]

    def in_mid_job(self) -> None:
        """Both run, and some of the models are there."""
        until(lambda: {view["kind"] for view in self.jobs() if view["state"] == "running"} == {"register", "download"}, 30, "both jobs")
        until(lambda: self.jobs("register")[0]["done"] > 4, 30, "the first models")

    def end(self, started: int, seconds: float = 90.0) -> None:
        """Everything that was started has ended on the server."""

        def ended() -> bool:
            views = self.jobs()
            return len(views) >= started and all(view["state"] in ENDED for view in views)

        try:
            until(ended, seconds, "the end of all jobs")
        except AssertionError as error:
            raise AssertionError(f"{error}; the jobs: {self.jobs()}") from None

    def cards(self) -> set[int]:
        return {card["id"] for card in self.app.get("/civitai-manager/cards?limit=500").json()["items"]}

    def asked(self) -> collections.Counter[int]:
        """How often the demo was asked for each model."""
        paths = [entry["path"].rsplit("/", 1) for entry in self.demo.requests if entry["origin"] == "api"]
        return collections.Counter(int(name) for folder, name in paths if folder == "/api/v1/models")

    def noted(self) -> set[int]:
        """The models that the jobs themselves have noted as done, on disk."""
        with contextlib.closing(sqlite3.connect(self.app.data_dir / "catalog.db")) as database:
            found = database.execute("SELECT result FROM job_items WHERE state = 'done'").fetchall()
        return {json.loads(result)["model_id"] for (result,) in found} & set(self.models)

    # -- how each test ends

    def check(self, registrations: int = 1, extra: int = 0, once: set[int] | None = None) -> None:
        """``registrations`` jobs and one download came out complete, once; ``once``: the models that must be asked for once only (otherwise all)."""
        self.end(registrations + 1)
        jobs = self.jobs()
        assert sorted((view["kind"], view["state"]) for view in jobs) == [("download", "done")] + [("register", "done")] * registrations, jobs
        wanted = {*self.models, *([extra] if extra else [])}
        assert wanted <= self.cards()
        asked = self.asked()
        assert set(asked) == wanted
        assert {number for number in (wanted if once is None else once) if asked[number] != 1} == set(), asked
        assert sum(count - 1 for count in asked.values()) <= (0 if once is None else SIDE_BY_SIDE), asked
        self.check_file()
        self.page.wait_for_selector("#cm_file_state:has-text('Downloaded:')", timeout=30_000)
        self.check_page(self.page)
        self.watch.check()
        # After a kill: a host answers before our routes are there.
        known = CONSOLE if once is None else (*CONSOLE, "404 (Not Found) (" + self.line.url + "/civitai-manager/")
        assert [error for error in self.browser.errors if not any(word in error for word in known)] == []
        assert self.line.resets >= 3, f"the line was not hostile: {self.line.connections} connections, {self.line.resets} resets"

    def check_file(self) -> None:
        """Complete, once, and nothing half beside it; and its own line did break."""
        content = self.demo.catalogue.file(self.file)[1]["_content"]  # type: ignore[index]
        models = [path for path in self.app.models.rglob("*.safetensors") if path.stat().st_size == content.size]
        assert len(models) == 1, [path for path in self.app.models.rglob("*") if path.is_file()]
        assert hashlib.sha256(models[0].read_bytes()).hexdigest().upper() == files.hashes(content)["SHA256"].upper()
        assert not list(self.app.models.rglob("*.part*"))
        assert len([entry for entry in self.demo.requests if entry["origin"] == "storage" and f"/{self.file}." in entry["path"]]) >= 2

    def check_page(self, page: Any) -> None:
        """A page that was never helped shows the end: the cards, the tray, one row for each job."""
        page.fill(".cm-search", "")
        page.wait_for_selector(f".cm-count:text-is('{len(self.cards())} models')", timeout=30_000)
        page.wait_for_selector(f".cm-tray-summary:has-text('No job is running, {len(self.app.jobs())} finished')", timeout=30_000)
        open_tray(page)
        for view in self.jobs():
            rows = page.locator(f'.cm-job[data-job="{view["id"]}"]')
            rows.and_(page.locator('[data-state="done"]')).wait_for(timeout=15_000)
            assert rows.count() == 1

    def check_host(self) -> None:
        """The host's own queued event on the same page, on a good line."""
        self.line.calm()
        if isinstance(self.app, Webui):
            open_tab(self.page, "txt2img")
            generate(self.page, "a heron")
            self.watch.check()


def open_tray(page: Any) -> None:
    if not page.locator(".cm-tray.cm-open").count():
        page.click(".cm-tray-toggle")
    page.wait_for_selector(".cm-tray.cm-open")


def percent(view: dict[str, Any]) -> float:
    done, total = (view["bytes_done"], view["bytes_total"]) if view["bytes_total"] else (view["done"], view["total"])
    return 100 * done / total if total else 0.0


@pytest.fixture(scope="module")
def civitai() -> Iterator[DemoServer]:
    with DemoServer(models=EXTRA - 4_100_000 + 1, seed=1) as server:
        yield server


@pytest.fixture(scope="module")
def served(civitai: DemoServer, make_app: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with make_app(tmp_path_factory.mktemp("connection"), demo=civitai) as running:
        yield running


@pytest.fixture
def scene(served: Process, civitai: DemoServer, browser: Browser) -> Iterator[Scene]:
    with Hostile(served.port) as line:
        made = Scene(served, civitai, browser, line)
        yield made
        civitai.clear_faults()
        civitai.latency = 0.0
        print(f"{line.connections} connections, {line.resets} resets, {line.refused} refused, {line.outages} outages")
        print(f"the page: {made.shows()}\nthe console: {browser.errors}\nthe log: {served.log()[-3000:]}")


def test_resets_only(scene: Scene) -> None:
    """Ten presses, five links each."""
    scene.download()
    for at in range(0, COUNT, 5):
        scene.paste(scene.models[at : at + 5])
        scene.pasted()
    scene.check(registrations=10)
    scene.check_host()


def test_an_outage(scene: Scene) -> None:
    """Four seconds without a connection; what is pressed meanwhile comes out too, once."""
    scene.start()
    scene.line.outage(4)
    scene.paste([EXTRA])
    scene.page.wait_for_selector(".cm-connection.cm-lost:has-text('Reconnecting'):has-text('1 kept')", timeout=10_000)
    assert not scene.line.is_up and len(scene.jobs()) == 2
    scene.page.wait_for_selector(steps.CONNECTED, timeout=30_000)
    scene.pasted()
    refused = [error for error in scene.browser.errors if "ERR_CONNECTION_REFUSED" in error]
    assert 0 < len(refused) < 20, "the page asks now and then, not all the time"
    scene.check(registrations=2, extra=EXTRA)
    scene.check_host()


def test_a_refresh(scene: Scene) -> None:
    scene.start()
    steps.arrive(scene.page, scene.line)
    scene.watch.begin()
    scene.page.wait_for_selector(".cm-tray-summary:has-text('2 running')", timeout=2_000)
    scene.check()
    scene.check_host()


def test_a_second_browser(scene: Scene) -> None:
    """It shows the true progress at once, and the end."""
    scene.start()
    before = {view["id"]: percent(view) for view in scene.jobs()}
    other = scene.browser.page()
    steps.arrive(other, scene.line)
    watch = steps.Watch(other)
    open_tray(other)
    for job, least in before.items():
        shown = float(other.get_attribute(f'.cm-job[data-job="{job}"] .cm-bar', "aria-valuenow", timeout=2_000))
        most = next(percent(view) for view in scene.jobs() if view["id"] == job)
        assert 0 < int(least) <= shown <= most, (least, shown, most)
    scene.check()
    scene.check_page(other)
    watch.check()
    scene.check_host()


def test_the_tab_closed_and_opened_after_the_end(scene: Scene) -> None:
    """What ended while nobody looked is told, once."""
    scene.start()
    scene.page.close()
    scene.end(2)
    scene.page = scene.browser.page(context=scene.page.context)
    steps.arrive(scene.page, scene.line)
    scene.watch = steps.Watch(scene.page)
    told = scene.page.locator(".cm-meanwhile", has_text="2 jobs ended while this page was away: done: ")
    told.wait_for(timeout=2_000)
    for view in scene.jobs():
        assert (told.text_content() or "").count(view["title"]) == 1
    steps.arrive(scene.page, scene.line)
    scene.watch.begin()
    assert not told.is_visible()
    steps.open_model(scene.page, scene.model)
    scene.check()
    scene.check_host()


def test_kill_and_start(scene: Scene) -> None:
    """kill -9 in the middle of both; what was noted as done is not asked for again."""
    scene.start()
    scene.app.kill()
    noted = scene.noted()
    assert 4 < len(noted) < COUNT
    scene.page.wait_for_selector(".cm-connection.cm-lost:has-text('Reconnecting')", timeout=15_000)
    scene.app.start()
    scene.page.wait_for_selector(steps.CONNECTED, timeout=30_000)
    scene.check(once=noted)
    assert scene.line.refused
    scene.check_host()
