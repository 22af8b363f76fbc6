"""The whole story on one page that is never helped: register, download with a reset in the middle, pause, resume, kill -9, restart, done.

In the app shaped like the host on gradio 3.41.2 and 4.40, alone on the current one.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import requests

from demo.specials import SPECIAL
from tests.hostapp.harness import Webui, until
from tests.pages import steps

HILL = SPECIAL["medium_file"]
TOTAL = 64 << 20
RESET_AT = 10 << 20
SLOW = 3_000_000
PERCENT = r"Number((document.querySelector('.cm-tray-summary').textContent.match(/(\d+) %/) || [0, -1])[1])"


def percent(page: Any) -> int:
    """How far the tray says that the first job is; -1 when it says nothing."""
    return page.evaluate(PERCENT)


def grows(page: Any, beyond: int) -> int:
    """Wait until the tray tells of more than that many percent."""
    page.wait_for_function(f"least => {PERCENT} > least", arg=beyond, timeout=20_000)
    return percent(page)


def fetches(demo: Any) -> list[dict[str, Any]]:
    """The storage's log of this file, oldest first."""
    return [entry for entry in demo.requests if entry["origin"] == "storage" and f"/{HILL.file_id}." in entry["path"]]


def first_byte(entry: dict[str, Any]) -> int:
    return int((entry["headers"].get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])


def part(app: Any) -> Path:
    found = list(app.models.rglob("*.part"))
    assert len(found) == 1, found
    return found[0]


def start_download(app: Any, page: Any, demo: Any) -> None:
    """Press Download; the line breaks at 10 MiB (a real RST) and the rest drips. The tray tells of progress beyond the break."""
    demo.fault("reset", rf"/{HILL.file_id}\.", times=1, after=RESET_AT)
    demo.fault("drip", rf"/{HILL.file_id}\.", rate=SLOW)
    page.wait_for_selector("#cm_download:has-text('67.1 MB')")
    page.click("#cm_download")
    page.wait_for_selector(".cm-tray-summary:has-text('1 running')", timeout=15_000)
    early = grows(page, 100 * RESET_AT // TOTAL)
    grows(page, early)
    assert [first_byte(entry) > 0 for entry in fetches(demo)] == [False, True], "one break, one connection that goes on"


def pause_and_resume(app: Any, page: Any) -> None:
    page.click(".cm-tray-line [data-verb=pause]")
    page.wait_for_selector(".cm-tray-summary:has-text('1 paused')", timeout=15_000)
    steps.download(app, HILL.model_id, "paused")
    kept = part(app).stat().st_size
    assert RESET_AT < kept < TOTAL
    page.click(".cm-tray-line [data-verb=resume]")
    page.wait_for_selector(".cm-tray-summary:has-text('1 running')", timeout=15_000)
    until(lambda: part(app).stat().st_size > kept, 20, "more bytes in the same file")


def kill_and_restart(app: Any, page: Any, demo: Any) -> None:
    """kill -9 while bytes arrive; the page says so calmly, finds the new server by itself, and the job goes on from the part."""
    seen = len(fetches(demo))
    app.kill()
    left = part(app).stat().st_size
    page.wait_for_selector(".cm-connection.cm-lost:has-text('Reconnecting')", timeout=15_000)
    demo.clear_faults()
    demo.fault("drip", rf"/{HILL.file_id}\.", rate=4 * SLOW)
    app.start()
    page.wait_for_selector(".cm-connection:not(.cm-lost):has-text('Connected')", timeout=30_000)
    after = until(lambda: fetches(demo)[seen:], 20, "the job's first request after the restart")
    assert left - (8 << 20) < first_byte(after[0]) <= left, "nearly all that had arrived is used"


def check_files(app: Any, demo: Any) -> None:
    """The file in its folder with the right SHA-256, what belongs beside it, and nothing else."""
    file = requests.get(f"{demo.url}/api/v1/models/{HILL.model_id}", timeout=10).json()["modelVersions"][0]["files"][0]
    folder = app.models / "Stable-diffusion"
    model = folder / "hillOfData.safetensors"
    assert model.stat().st_size == TOTAL
    assert hashlib.sha256(model.read_bytes()).hexdigest().upper() == file["hashes"]["SHA256"].upper()
    beside = {path.name.removeprefix("hillOfData") for path in folder.iterdir() if path.name.startswith("hillOfData")}
    assert {".safetensors", ".civitai.info", ".json"} < beside and len(beside) == 4, beside
    assert any(name.startswith(".preview.") for name in beside)
    assert json.loads((folder / "hillOfData.civitai.info").read_text())["id"] == HILL.version_id
    assert not list(app.models.rglob("*.part*"))


def check_end(app: Any, page: Any, demo: Any) -> None:
    found = steps.download(app, HILL.model_id, "done", 60)
    assert found["result"]["verified"]
    check_files(app, demo)
    page.wait_for_selector(f'.cm-card[data-id="{HILL.model_id}"] .cm-badge:has-text("Downloaded")', timeout=15_000)
    page.wait_for_selector("#cm_file_state:has-text('Downloaded:')", timeout=15_000)
    if isinstance(app, Webui):
        until(lambda: "hillOfData" in app.status()["checkpoints"], 10, "the host's list with the new checkpoint")
    assert [view["state"] for view in app.jobs() if view["kind"] == "download"] == ["done"]
    page.click(".cm-tray-toggle")
    page.wait_for_selector(".cm-tray.cm-open")
    assert page.locator('.cm-job:has-text("hillOfData"):has-text("Verified")').count() == 1


def test_register_download_break_pause_kill_restart_verify(make_app: Any, tmp_path: Any, browser: Any, demo: Any) -> None:
    demo.forget()
    with make_app(tmp_path) as app:
        page = browser.open(app.url)
        page.wait_for_selector("#civitai_manager.cm-ready .cm-connection:has-text('Connected')")
        watch = steps.Watch(page)
        steps.register(page, steps.link(demo, "medium_file"))
        steps.card(page, HILL.model_id).wait_for(timeout=20_000)
        steps.shown(page, HILL.model_id)  # one link: its model opens by itself
        page.click("#cm_head .cm-close")
        page.wait_for_selector("#cm_panel", state="hidden")
        steps.card(page, HILL.model_id).click()
        steps.shown(page, HILL.model_id)
        start_download(app, page, demo)
        pause_and_resume(app, page)
        watch.check()

        steps.reload(page)
        watch.begin()
        grows(page, percent(page))
        other = browser.open(app.url)
        other.wait_for_selector(".cm-tray-summary:has-text('1 running'):has-text('hillOfData')", timeout=15_000)
        assert browser.errors == []

        kill_and_restart(app, page, demo)
        check_end(app, page, demo)
        other.wait_for_selector(f'.cm-card[data-id="{HILL.model_id}"] .cm-badge:has-text("Downloaded")', timeout=30_000)

        steps.register(page, steps.link(demo, "many_versions"))
        steps.card(page, SPECIAL["many_versions"].model_id).wait_for(timeout=20_000)
        watch.check()
        outage = ("ERR_CONNECTION", "ERR_EMPTY", "civitai-manager/jobs")  # the last: a host that answers before our routes are there
        assert [error for error in browser.errors if not any(word in error for word in outage)] == []
