"""Our way to bind an event, on the real gradio and over its real wires: whatever a handler does, an answer comes and the server lives."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import requests

from tests.hostapp.harness import Browser, Process, Webui, open_tab, until
from tests.hosts.handlers_app import FAILURES, KINDS, MODES, OUTPUTS, SECRET

MAJOR = int(gr.__version__.split(".")[0])
PATIENCE = 60.0
THEN_FOLLOWS = MAJOR < 5  # gradio 6 runs neither .then nor .success after a failure


class Page(Process):
    """The app of ``handlers_app.py``, and a client that sends events as gradio's page does."""

    def command(self) -> list[str]:
        return [sys.executable, str(Path(__file__).with_name("handlers_app.py")), str(self.port), str(self.folder)]

    def ready_url(self) -> str:
        return f"{self.url}/config"

    def wait_ready(self, seconds: float = 90.0) -> None:
        super().wait_ready(seconds)
        self.events: dict[str, int] = json.loads((self.folder / "events.json").read_text())
        self.api = self.url + self.get("/config").json().get("api_prefix", "")

    def body(self, event: str, data: list[Any], selected: Any = None) -> dict[str, Any]:
        event_data = {"index": 0, "value": selected} if selected is not None else None
        return {"data": data, "event_data": event_data, "fn_index": self.events[event], "session_hash": uuid.uuid4().hex[:10]}

    def send(self, event: str, *data: Any, selected: Any = None) -> list[dict[str, Any]]:
        """All messages that answer one event; the last one is ``process_completed``, with ``success`` and ``output``."""
        body = self.body(event, list(data), selected)
        if not event.endswith("queued"):
            answer = requests.post(f"{self.api}/run/predict", json=body, timeout=PATIENCE)
            return [{"msg": "process_completed", "success": answer.status_code == 200, "output": answer.json()}]
        return list(self.websocket(body) if MAJOR < 4 else self.stream(body))

    def websocket(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        from websockets.sync.client import connect

        with connect(self.url.replace("http", "ws") + "/queue/join", open_timeout=PATIENCE) as socket:
            while True:
                message = json.loads(socket.recv(timeout=PATIENCE))
                if message["msg"] in ("send_hash", "send_data"):
                    socket.send(json.dumps(body))
                yield message
                if message["msg"] == "process_completed":
                    return

    def stream(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        requests.post(f"{self.api}/queue/join", json=body, timeout=PATIENCE).raise_for_status()
        options: dict[str, Any] = {"params": {"session_hash": body["session_hash"]}, "stream": True, "timeout": PATIENCE}
        with requests.get(f"{self.api}/queue/data", **options) as answer:
            for line in answer.iter_lines():
                if line.startswith(b"data:"):
                    message = json.loads(line[5:])
                    yield message
                    if message["msg"] in ("process_completed", "close_stream"):
                        return

    def ask(self, event: str, *data: Any, selected: Any = None) -> dict[str, Any]:
        message = self.send(event, *data, selected=selected)[-1]
        assert message["msg"] == "process_completed", f"{event}: {message}"
        return message


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with Page(tmp_path_factory.mktemp("handlers")) as running:
        yield running


WAYS = [*(f"{kind} {outputs} {mode} queued" for kind in KINDS for outputs in OUTPUTS for mode in MODES),
        *(f"plain {outputs} {mode} direct" for outputs in OUTPUTS for mode in MODES)]  # fmt: skip


def test_every_failure_is_answered_and_the_server_lives(page: Page) -> None:
    cases = [(way, failure) for way in WAYS for failure in FAILURES]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda case: page.ask(*case), cases))
    for (way, failure), answer in zip(cases, answers, strict=True):
        case, output = f"{way}, {failure}", answer["output"]
        if " keep " in way:
            assert answer["success"], f"{case}: {answer}"
            assert output["data"] == [{"__type__": "update"}] * int(way.split()[1]), f"{case}: {output}"
        else:
            assert not answer["success"], f"{case}: {answer}"
            check_sentence(case, output["error"], failure)
    assert page.ask("echo queued", "a")["output"]["data"] == ["echo a"]
    assert page.ask("echo direct", "b")["output"]["data"] == ["echo b"]
    check_log(page.log())


def check_sentence(case: str, told: Any, failure: str) -> None:
    assert isinstance(told, str) and SECRET not in told and "Traceback" not in told and "\n" not in told, f"{case}: {told!r}"
    wanted = r"Said by the handler about \*\*\*\. Try again\." if failure == "gr.Error" else r"An unexpected error happened \(\w+\)\. Try again; .*"
    assert re.fullmatch(wanted, told.strip("'\"")), f"{case}: {told!r}"


def check_log(log: str) -> None:
    assert SECRET not in log
    entries = re.findall(r"(?m)^civitai_manager_libs\.ui\.handlers (\w+) ([\w ]+) failed: (.*)$", log)
    for way in WAYS:
        told = [(level, first) for level, action, first in entries if action == way]
        assert len(told) == len(FAILURES), f"{way}: {told}"
        unexpected = [first for level, first in told if level == "ERROR"]
        assert len(unexpected) == len(FAILURES) - 1 and all(first.startswith("Traceback") for first in unexpected), told
    for name in FAILURES:
        assert name.rpartition(".")[2] in log


def test_what_gradio_injects_reaches_a_handler(page: Page) -> None:
    messages = page.send("injected queued", "words", selected="the chosen one")
    found = json.loads(messages[-1]["output"]["data"][0])
    assert found["text"] == "words" and found["selected"] == "the chosen one"
    assert "python" in found["agent"].lower()
    assert "half way" in [item["desc"] for item in progress(messages)]


def progress(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for message in messages if message["msg"] == "progress" for item in message["progress_data"]]


def test_the_bar_ends_with_the_job(page: Page) -> None:
    begun = time.monotonic()
    messages = page.send("bar 1 queued", "one")
    assert messages[-1]["success"]
    assert 0.9 < time.monotonic() - begun < 20
    assert {(item["progress"], item["desc"]) for item in progress(messages)} == {(0.0, "waiting for one")}


def test_the_bar_ends_before_a_long_job_and_is_renewed_meanwhile(page: Page) -> None:
    messages = page.send("bar 60 queued", "long")
    assert messages[-1]["success"]
    assert messages[-1]["output"]["duration"] < 6
    assert len(progress(messages)) >= 2, "the start, and again after two seconds"


def test_a_client_that_goes_away_breaks_nothing(page: Page) -> None:
    body = page.body("bar 60 queued", ["gone"])
    for message in page.websocket(body) if MAJOR < 4 else page.stream(body):
        if message["msg"] == "progress":
            break
    assert page.ask("echo queued", "c")["output"]["data"] == ["echo c"]


def test_two_browsers_do_not_wait_for_each_other(page: Page) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda text: page.ask("meet queued", text), ("one", "other")))
    assert [answer["output"].get("data") for answer in answers] == [["met one"], ["met other"]]


FIELDS = ("#field0", "#field1", "#field2")


def values(page: Any, *selectors: str) -> list[str]:
    return [page.locator(f"{selector} :is(textarea, input)").first.input_value() for selector in selectors]


def test_in_a_browser_success_does_not_follow_a_failure(page: Page) -> None:
    with Browser() as browser:
        shown = browser.page()
        shown.goto(page.url)
        before = ["value 0", "value 1", "value 2"]
        until(lambda: values(shown, *FIELDS) == before, 60, "the page")
        shown.click("#fail")
        until(lambda: toasts(shown), 30, "the sentence")
        if THEN_FOLLOWS:
            until(lambda: values(shown, "#then") == [" fail"], 30, "what follows anyway")
        assert toasts(shown) == ["An unexpected error happened (ValueError). Try again; the log has the details for a bug report."]
        assert values(shown, *FIELDS) == before
        shown.click("#good")
        until(lambda: values(shown, "#then") == [" fail good" if THEN_FOLLOWS else " good"], 30, "the event after the failed one")
        until(lambda: values(shown, "#success") == [" good"], 30, "what follows a success only")
        assert values(shown, *FIELDS) == ["V", "A", "L"]


def toasts(page: Any) -> list[str]:
    """What gradio's messages in the corner say, and ours in the tray, one sentence each."""
    told = page.locator(".toast-text, .toast-message-text, .cm-says").all_inner_texts()
    return [text.strip().strip("'\"") for text in told if text.strip()]


def test_in_the_tab_a_refusal_is_read_once_and_nothing_is_lost(tmp_path: Path, demo: Any) -> None:
    with Webui(tmp_path, demo) as app, Browser() as browser:
        shown = browser.page()
        shown.goto(app.url)
        open_tab(shown)
        shown.wait_for_selector("#civitai_manager.cm-ready .cm-connection:has-text('Connected')", timeout=60_000)
        shown.fill("#cm_links textarea", "no link at all")
        shown.click("#cm_register")
        until(lambda: toasts(shown), 30, "the sentence")
        shown.wait_for_timeout(1500)  # nothing more comes
        (told,) = toasts(shown)
        assert "Civitai link" in told and "Accepted: links to models" in told
        assert values(shown, "#cm_links") == ["no link at all"]
        shown.fill("#cm_links textarea", "4100000")
        shown.click("#cm_register")
        until(lambda: [card["id"] for card in app.cards()] == [4100000], 60, "the next event's work")
        until(lambda: values(shown, "#cm_links") == [""], 30, "the emptied box")


BAR = "#cm_started > .wrap > .progress-level"


def test_gradios_own_bar_is_a_guest(tmp_path: Path, demo: Any) -> None:
    """By its setting: it is seen, covers nothing, goes away after four seconds while the job goes on, and what is typed meanwhile stays."""
    with Webui(tmp_path, demo, environment={"CIVITAI_MANAGER_NATIVE_PROGRESS": "true"}) as app, Browser() as browser:
        shown = browser.page()
        shown.goto(app.url)
        open_tab(shown)
        shown.wait_for_selector("#civitai_manager.cm-ready .cm-connection:has-text('Connected')", timeout=60_000)
        demo.latency = 8.0
        try:
            shown.fill("#cm_links textarea", "4100001")
            shown.click("#cm_register")
            shown.wait_for_selector(BAR, state="visible", timeout=20_000)
            box, bar = (shown.locator(selector).bounding_box() for selector in ("#cm_links textarea", BAR))
            assert box["x"] + box["width"] <= bar["x"] or box["y"] + box["height"] <= bar["y"], (box, bar)
            shown.fill("#cm_links textarea", "4100002")
            shown.wait_for_selector(BAR, state="hidden", timeout=20_000)
            assert [job["state"] for job in app.jobs()] == ["running"], "the bar is gone before the job has ended"
            shown.wait_for_timeout(500)
            assert values(shown, "#cm_links") == ["4100002"]
        finally:
            demo.latency = 0.0
        until(lambda: [job["state"] for job in app.jobs()] == ["done"], 60, "the job's end")
        shown.click("#cm_register")
        until(lambda: values(shown, "#cm_links") == [""], 60, "the emptied box")
        until(lambda: {card["id"] for card in app.cards()} == {4100001, 4100002}, 60, "both models")
        assert all(re.fullmatch("[0-9a-f]{12}", job["id"]) for job in app.jobs()) and toasts(shown) == []


def note_of(app: Webui, model_id: int) -> str:
    with contextlib.closing(sqlite3.connect(app.data_dir / "catalog.db")) as database:
        return str(database.execute("SELECT note FROM models WHERE id = ?", (model_id,)).fetchone()[0])


def test_a_note_is_kept_though_its_field_is_never_left(tmp_path: Path, demo: Any) -> None:
    with Webui(tmp_path, demo) as app, Browser() as browser:
        app.register("4100003")
        shown = browser.page()
        shown.goto(app.url)
        open_tab(shown)
        shown.locator('.cm-card[data-id="4100003"]').click(timeout=60_000)
        shown.wait_for_selector("#civitai_manager.cm-panel-open:not(.cm-choosing) #cm_download:has-text('Download')", timeout=60_000)
        sent: list[str] = []
        shown.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        shown.locator("#cm_note textarea").press_sequentially("best at 0.7, with rain", delay=40)
        until(lambda: note_of(app, 4100003) == "best at 0.7, with rain", 30, "the kept note")
        assert len(sent) < 8, "not one event a key"
        assert shown.evaluate("document.activeElement.closest('#cm_note') !== null"), "the person is still in it"
        assert values(shown, "#cm_note") == ["best at 0.7, with rain"]
