"""gradio's own progress bar, for what usually ends quickly. The only module that knows ``gr.Progress``, and one exists only while its setting is on:
with such a parameter anywhere, a WebUI that was started with ``--no-gradio-queue`` does not come up.

The bar is a guest: the job runs without it, the event ends after four seconds at most, and the tray goes on. So the price is small, but it is
one (the setting says which): while the event is open, a broken stream can stop the page's queue on gradio 4 and 5.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from ..jobs.board import FINISHED

if TYPE_CHECKING:
    from ..jobs.board import View
    from ..jobs.engine import Engine

SECONDS = 4.0  # for the whole event
EVERY = 1.5  # the longest silence while it shows; two seconds are promised
STEP = 0.1  # between two looks at the job; they are looks at memory


class Queueing(NamedTuple):
    """``native``: the setting is on and the host's queue too. ``limit``: how many queued events of ours run at a time, from gradio 4 on; None in a
    host, so that two browsers do not wait for each other."""

    native: bool = False
    limit: int | None = None


NOT_NATIVE = Queueing()


def start(begin: Callable[..., tuple[str, Any]], jobs: Callable[[], Engine], queueing: Queueing) -> tuple[Callable[..., Any], dict[str, Any]]:
    """A handler that starts a job, and what else it is bound with. ``begin(*inputs)`` gives the job's id and what the page is told."""
    if not queueing.native:

        @functools.wraps(begin)
        def quiet(*inputs: Any) -> Any:
            return begin(*inputs)[1]

        return quiet, {}

    def shown(*inputs: Any) -> Any:  # gradio adds the progress as the last one
        until = time.monotonic() + SECONDS
        *values, progress = inputs
        job_id, told = begin(*values)
        if progress is not None:  # never "if progress": that asks for its length, an IndexError on gradio 3 and 4
            follow(jobs, job_id, progress, until)
        return told

    functools.update_wrapper(shown, begin)
    signature = inspect.signature(begin)
    bar = inspect.Parameter("progress", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=gr.Progress())
    shown.__dict__["__signature__"] = signature.replace(parameters=[*signature.parameters.values(), bar])
    return shown, {"queue": None, "show_progress": "full"}  # None: the host's queue as it is


def follow(jobs: Callable[[], Engine], job_id: str, progress: Callable[..., Any], until: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Show the job's progress at once, on change and every two seconds, until it has ended or the time is over. Nothing that fails here matters."""
    told: tuple[float, str] | None = None
    last = clock()
    try:
        engine = jobs()
        while True:
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
