"""A page of failing events, all bound by our ``handlers.bind``, in a process of its own: ``python handlers_app.py PORT FOLDER``.

The queue is asked for as the WebUI does it. ``FOLDER/events.json`` tells what number each event has.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import gradio as gr  # noqa: E402
from civitai_manager_libs.ui import compat, handlers, native  # noqa: E402

SECRET = "a-very-secret-key-0123456789"
FAILURES: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError(f"the key is {SECRET}"),
    "ConnectionResetError": lambda: ConnectionResetError(10054, f"reset {SECRET}"),
    "SystemExit": lambda: SystemExit(f"out {SECRET}"),
    "KeyboardInterrupt": lambda: KeyboardInterrupt(SECRET),
    "CancelledError": lambda: asyncio.CancelledError(SECRET),
    "StopIteration": lambda: StopIteration(SECRET),
    "gr.Error": lambda: gr.Error(f"Said by the handler about {SECRET}. Try again."),
}
KINDS = ("plain", "generator")
OUTPUTS = (0, 1, 3)
MODES = ("error", "keep")
events: dict[str, int] = {}
meeting = threading.Barrier(2)


def failing(kind: str, outputs: int) -> Callable[..., Any]:
    def plain(name: str) -> Any:
        try:
            raise ValueError(f"caused by {SECRET}")
        except ValueError as cause:
            raise FAILURES[name]() from cause

    def generator(name: str) -> Any:
        yield compat.keep(outputs)
        plain(name)

    return plain if kind == "plain" else generator


def echo(text: str) -> str:
    return f"echo {text}"


def meet(text: str) -> str:
    """Ends only when another is here at the same time."""
    meeting.wait(30)
    return f"met {text}"


def injected(text: str, request: gr.Request, event: gr.SelectData, progress: Any = gr.Progress()) -> str:  # noqa: B008 -- as gradio wants it
    progress(0.5, desc="half way")
    time.sleep(0.5)  # gradio looks for the newest progress ten times a second
    return json.dumps({"text": text, "agent": request.headers["user-agent"], "selected": event.value})


class Work:
    """Stands for the engine and one job, which takes some seconds and says nothing meanwhile."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def started(self, ticket: str) -> str:
        return ticket

    def view(self, job_id: str) -> Any:
        state = "done" if time.monotonic() > self.end else "running"
        return SimpleNamespace(state=state, done=0, total=0, bytes_done=0, bytes_total=0, text=f"waiting for {job_id}", title="")

    def wait(self, job_id: str, timeout: float) -> Any:
        time.sleep(timeout)
        return self.view(job_id)


def build() -> gr.Blocks:
    page = compat.blocks("Failing")
    bind = functools.partial(handlers.bind, secrets=lambda: [SECRET])
    with page:
        name = gr.Textbox("ValueError", elem_id="name")
        fields = [gr.Textbox(f"value {number}", elem_id=f"field{number}", interactive=True) for number in range(3)]
        after = [gr.Textbox(label=word, elem_id=word) for word in ("then", "success")]
        ticket = gr.Textbox(elem_id="ticket")
        fail, good = gr.Button("Fail", elem_id="fail"), gr.Button("Good", elem_id="good")

        def add(event: str, *arguments: Any, **options: Any) -> Any:
            found = bind(*arguments, action=event, **options)
            dependency = page.get_config_file()["dependencies"][-1]
            events[event] = dependency.get("id", len(page.get_config_file()["dependencies"]) - 1)
            return found

        hidden = gr.Button(visible=False)
        for mode in MODES:
            for outputs in OUTPUTS:
                shown = {0: None, 1: fields[0], 3: fields}[outputs]
                for kind in KINDS:
                    add(f"{kind} {outputs} {mode} queued", hidden.click, failing(kind, outputs), name, shown, on_error=mode, queue=None)
                add(f"plain {outputs} {mode} direct", hidden.click, failing("plain", outputs), name, shown, on_error=mode)
        add("echo queued", hidden.click, echo, name, after[0], queue=None)
        add("echo direct", hidden.click, echo, name, after[0])
        add("meet queued", hidden.click, meet, name, after[0], queue=None)
        add("injected queued", fields[0].select, injected, name, after[0], queue=None)
        for seconds in (1, 60):
            handler = native.bar(lambda seconds=seconds: Work(seconds))
            add(f"bar {seconds} queued", hidden.click, handler, ticket, after[0], queue=None, show_progress="full")
        # for a browser: what follows
        for button, handler in ((fail, failing("plain", 3)), (good, lambda name: tuple(name[:3].upper()))):
            first = add(f"{button.elem_id} first", button.click, handler, name, fields, queue=None)
            add(f"{button.elem_id} then", first.then, lambda text, word=button.elem_id: f"{text or ''} {word}", after[0], after[0])
            add(f"{button.elem_id} success", first.success, lambda text, word=button.elem_id: f"{text or ''} {word}", after[1], after[1])
    return page


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
    page = build()
    page.queue(64)
    (Path(sys.argv[2]) / "events.json").write_text(json.dumps(events))
    page.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True)
