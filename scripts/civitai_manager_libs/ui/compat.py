"""Every difference between the gradio versions that we live in: 3.41.2 (A1111, reForge), 3.43 (SD.Next), 4.40 (Forge), 5 and 6 (alone).

No other module asks for gradio's version. What is here was measured: a wrong keyword is a warning on 3, dropped on Forge,
and a TypeError on plain 4 and later.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

MAJOR = int(gr.__version__.split(".")[0])


def event_kwargs(*, js: str | None, queue: bool | None, show_progress: str, limit: int | None = None, major: int = MAJOR) -> dict[str, Any]:
    """The keyword arguments of one event listener, for a gradio of this major version.

    ``concurrency_limit=None`` matters on Forge: its ``queue(64)`` leaves one run at a time for each function there, so that two browsers
    would wait for each other. ``trigger_mode="multiple"`` is what gradio 3 always does: an event whose answer never comes
    does not hold up the next one, and what is asked twice is one job all the same. With a ``limit`` (alone, where the queue is ours)
    all queued events share it.
    """
    found: dict[str, Any] = {"queue": queue, "show_progress": show_progress}
    if js is not None:
        found["_js" if major < 4 else "js"] = js
    if major >= 4:
        found["concurrency_limit"] = limit if queue is not False else None
        if found["concurrency_limit"] is not None:
            found["concurrency_id"] = "civitai_manager"
        found["trigger_mode"] = "multiple"
    if major >= 6:
        found["api_visibility"] = "private"
    else:
        found["api_name"] = False
    return found


def queue_arguments(major: int = MAJOR) -> dict[str, Any]:
    """The queue of a page of our own: three events at a time, twenty waiting, and no other way in."""
    return {"concurrency_count" if major < 4 else "default_concurrency_limit": 3, "max_size": 20, "api_open": False}


def keep(count: int) -> Any:
    """ "Change nothing" for that many outputs. One update for several outputs is an error before gradio 5."""
    if count == 0:
        return None
    return gr.update() if count == 1 else tuple(gr.update() for _ in range(count))


def error(sentence: str) -> gr.Error:
    """For people. gradio 5 and later would print its traceback too, which is in our log already, without secrets; the others always do."""
    quiet: dict[str, Any] = {"print_exception": False} if "print_exception" in inspect.signature(gr.Error.__init__).parameters else {}
    return gr.Error(sentence, **quiet)


def html(value: str, elem_id: str) -> gr.HTML:
    """A piece of HTML without gradio's own padding (5 and later add it)."""
    extra: dict[str, Any] = {"padding": False, "apply_default_css": False} if MAJOR >= 6 else {"padding": False} if MAJOR == 5 else {}
    return gr.HTML(value, elem_id=elem_id, **extra)


def menu(offered: Mapping[str, str], **about: Any) -> gr.Dropdown:
    """A menu of values, each with what it is called; gradio 3 calls each as it is. A stored value that is not offered is shown, too."""
    choices: Any = list(offered) if MAJOR < 4 else [(label, value) for value, label in offered.items()]
    return gr.Dropdown(choices, value=None, allow_custom_value=True, **about)


def blocks(title: str) -> gr.Blocks:
    """Blocks that ask nobody anything: with analytics on, gradio makes a request when Blocks are built."""
    wide: dict[str, Any] = {"fill_width": True} if "fill_width" in inspect.signature(gr.Blocks.__init__).parameters else {}
    return gr.Blocks(title=title, analytics_enabled=False, **wide)


def run_on_load(page: gr.Blocks, js: str) -> None:
    """Run a script function in the page when it opens. Forge maps ``_js`` for components but not here, so the name must be right."""
    name: Any = "_js" if MAJOR < 4 else "js"
    load: Callable[..., Any] = page.load
    load(None, None, None, **{name: js})
