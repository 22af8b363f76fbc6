"""gradio 3.41 with a newer httpx cuts every queued event of the whole WebUI after 5 seconds, the host's own too; we take that away, and say so."""

from __future__ import annotations

import logging
import sys
import types
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from civitai_manager_libs.hosts import queue_repair

from tests.hostapp.events import event, page_config, queued
from tests.hostapp.harness import ROOT, Webui

HTTPX = ROOT / ".test-environments" / "httpx-0.28"
LINE = "every queued event of this WebUI would be cut after 5 seconds"
SECONDS = 8.0
on_gradio_3 = pytest.mark.skipif(not gr.__version__.startswith("3."), reason="from gradio 3.43 on the queue does not call itself over HTTP")


class Client:
    timeout: Any = 5.0


def with_client(client: Any) -> Any:
    return types.SimpleNamespace(_queue=types.SimpleNamespace(queue_client=client))


@pytest.mark.parametrize(("version", "cut"), [
    ("0.13.3", True), ("0.18.2", True), ("0.19.0", True), ("0.20.0", False), ("0.24.1", False), ("0.27.0", False), ("0.27.1", True),
    ("0.27.2", True), ("0.28.1", True), ("0.28", True), ("1.0.dev3", True), ("", False), ("unknown", False),
])  # fmt: skip
def test_which_httpx_cuts(version: str, cut: bool) -> None:
    assert queue_repair.cuts(version) is cut


@pytest.mark.parametrize(("version", "wanted", "outcome", "timeout"), [
    ("0.28.1", True, "repaired", None),
    ("0.28.1", False, "switched off: every queued event is cut at 5 s", 5.0),
    ("0.24.1", True, "not needed", 5.0),
    ("0.24.1", False, "not needed", 5.0),
])  # fmt: skip
def test_one_attribute_and_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, version: str, wanted: bool, outcome: str, timeout: Any
) -> None:
    monkeypatch.setitem(sys.modules, "httpx", types.SimpleNamespace(__version__=version))  # type: ignore[arg-type]
    client = Client()
    with caplog.at_level(logging.DEBUG):
        assert queue_repair.repair(with_client(client), wanted) == outcome
    assert client.timeout == timeout
    lines = [record for record in caplog.records if LINE in record.getMessage()]
    assert [record.levelno for record in lines] == ([logging.WARNING] if outcome == "repaired" else [])
    assert all("repair_host_queue" in record.getMessage() and version in record.getMessage() for record in lines)


@pytest.mark.parametrize("demo", [None, types.SimpleNamespace(), types.SimpleNamespace(_queue=types.SimpleNamespace()), with_client(None)])
def test_where_no_queue_calls_itself_nothing_is_touched(monkeypatch: pytest.MonkeyPatch, demo: Any) -> None:
    monkeypatch.setitem(sys.modules, "httpx", types.SimpleNamespace(__version__="0.28.1"))  # type: ignore[arg-type]
    assert queue_repair.repair(demo, True) == "not needed"


def host(folder: Path, demo: Any, seconds: float = SECONDS, **environment: str) -> Webui:
    return Webui(folder, demo, arguments=["--hostapp-work-seconds", str(seconds)], environment=environment)


def newer() -> str:
    assert (HTTPX / "httpx").is_dir(), f"{HTTPX} is missing: ./test.sh makes it (this must be tested, so it is not skipped)"
    return str(HTTPX)


def work(app: Webui) -> Any:
    """The host's own queued event: its last message."""
    config = page_config(app.url)
    return queued(app.url, config, event(config, "txt2img_generate"), ["a heron", "", 20])[-1]


def rows(app: Webui, title: str) -> dict[str, str]:
    sections = app.get("/civitai-manager/diagnostics").json()["sections"]
    return {row[0]: row[1] for section in sections if section["title"] == title for row in section["rows"]}


@on_gradio_3
def test_eight_seconds_are_cut_without_the_repair(tmp_path: Path, demo: Any) -> None:
    with host(tmp_path, demo, PYTHONPATH=newer(), CIVITAI_MANAGER_REPAIR_HOST_QUEUE="false") as app:
        end = work(app)
        assert rows(app, "Versions")["httpx"] == "0.28.1"
        assert end["success"] is False and "heron" not in str(end["output"])
        assert 4.5 < end["at"] < SECONDS - 0.5
        assert LINE not in app.log()
        assert rows(app, "Repairs") == {"queue": "switched off: every queued event is cut at 5 s"}


@on_gradio_3
def test_eight_seconds_pass_with_the_repair(tmp_path: Path, demo: Any) -> None:
    with host(tmp_path, demo, PYTHONPATH=newer()) as app:
        end = work(app)
        assert end["success"] is True and end["output"]["data"][0].startswith("a heron")
        assert end["at"] >= SECONDS
        assert app.log().count(LINE) == 1
        assert rows(app, "Repairs") == {"queue": "repaired"}
        app.reload()
        assert app.log().count(LINE) == 2, "a new page has a new queue"
        assert work(app)["success"] is True


def test_where_nothing_cuts_nothing_is_said(tmp_path: Path, demo: Any) -> None:
    """With the host's own pins, on every gradio."""
    with host(tmp_path, demo, 6.0) as app:
        end = work(app)
        assert end["success"] is True and end["at"] >= 6.0
        assert LINE not in app.log()
        assert rows(app, "Repairs") == {"queue": "not needed"}
