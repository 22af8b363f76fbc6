"""gradio's own progress bar, for what usually ends quickly. The only module that knows ``gr.Progress``, and one exists only while its setting is on:
with such a parameter anywhere, a WebUI that was started with ``--no-gradio-queue`` does not come up.

The bar is a guest, in an event of its own: the job was started outside the queue and runs without it, the event ends after four seconds at most,
and the tray goes on. So the price is small, but it is one (the setting says which): while the event is open, a broken stream can stop the page's
queue on gradio 4 and 5, and gradio 6.7 and later reloads the page.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from ..jobs.board import FINISHED
from . import compat

if TYPE_CHECKING:
    from ..jobs.board import View
    from ..jobs.engine import Engine

SECONDS = 4.0  # for the whole event
EVERY = 1.5  # the longest silence while it shows; two seconds are promised
# The ticket of the last press of this page. While the server does not answer there is no bar: it would be an error of gradio's.
PRESSED = """() => {
    const cm = window.civitaiManager;
    return cm && (!cm.connection.ok || cm.outbox.count()) ? new Promise(() => {}) : [(cm && cm.pressed) || ""];
}"""
STEP = 0.1  # between two looks at the job; they are looks at memory


class Queueing(NamedTuple):
    """``native``: the setting is on and the host's queue too. ``limit``: how many queued events of ours run at a time, from gradio 4 on; None in a
    host, so that two browsers do not wait for each other."""

    native: bool = False
    limit: int | None = None


NOT_NATIVE = Queueing()


def show_bar(bind: Callable[..., Any], pressed: Any, place: Any, ticket: Any, jobs: Callable[[], Engine], queueing: Queueing) -> None:
    """Let the bar be drawn on ``place`` after the event ``pressed`` has started a job. It is an event of its own: the start is not in the queue."""
    if queueing.native:
        options = {"js": PRESSED, "on_error": "keep", "queue": None, "show_progress": "full"}  # None: the host's queue as it is
        bind(pressed.success, bar(jobs), ticket, place, action="show the progress", **options)


def bar(jobs: Callable[[], Engine]) -> Callable[..., Any]:
    """The handler: it shows the progress of the job of a press (its ticket), and changes nothing."""

    def progress_bar(ticket: str, progress: Any = gr.Progress()) -> Any:  # noqa: B008 - gradio looks for it there
        if progress is not None:  # never "if progress": that asks for its length, an IndexError on gradio 3 and 4
            follow(jobs, ticket, progress, time.monotonic() + SECONDS)
        return compat.keep(1)

    return progress_bar


def follow(jobs: Callable[[], Engine], ticket: str, progress: Callable[..., Any], until: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Show the progress of a press's job at once, on change and every two seconds, until it has ended or the time is over. A press that joined an
    equal job has none of its own, and no bar. Nothing that fails here matters."""
    told: tuple[float, str] | None = None
    last = clock()
    try:
        engine = jobs()
        job_id = engine.started(ticket)
        while job_id:
            view, now = engine.view(job_id), clock()
            shown = (fraction(view), view.text or view.title)
            if shown != told or now - last >= EVERY:
                progress(shown[0], desc=shown[1])
                told, last = shown, now
            if view.state in (*FINISHED, "paused") or now >= until:
                return
            engine.wait(job_id, min(STEP, until - now))
    except BaseException:  # noqa: BLE001 - the bar is broken, the page is gone, the host ends: the job goes on and the tray shows it
        return


def fraction(view: View) -> float:
    """How far it is, 0 to 1; 0 when that is not known."""
    done, total = (view.bytes_done, view.bytes_total) if view.bytes_total else (view.done, view.total)
    return min(1.0, done / total) if total else 0.0
