"""The one way in which an event of ours is bound: whatever a handler does, the server, the other events and the outputs' values survive.

Measured on gradio 3.41.2, 4.40 and 6: SystemExit in a queued handler ends the server from 4 on, CancelledError leaves a spinner for ever,
a wrapper without ``functools.wraps`` loses Request and SelectData, and fewer updates than outputs are an error. So: every BaseException
becomes one sentence with its next step.
"""

from __future__ import annotations

import functools
import inspect
import logging
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gradio as gr

from ..errors import CivitaiManagerError, explain
from . import compat

log = logging.getLogger(__name__)

Secrets = Callable[[], Iterable[str]]


def no_secrets() -> Iterable[str]:
    return ()


def sentence(error: BaseException) -> str:
    """What a person reads: what happened, and what to do now."""
    told = explain(error)
    return f"{told['message']} {told['next_step']}".strip()


def scrubbed(text: str, secrets: Secrets) -> str:
    """Without the secrets; the longest first, because one may hold another."""
    for secret in sorted(filter(None, secrets()), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def report(action: str, error: BaseException, secrets: Secrets) -> None:
    """Into the log: the action's name, the traceback, and nothing secret. A refusal that a person caused needs no traceback."""
    expected = isinstance(error, (CivitaiManagerError, gr.Error))
    text = f"{type(error).__name__}: {error}" if expected else "".join(traceback.format_exception(type(error), error, error.__traceback__))
    (log.info if expected else log.error)("%s failed: %s", action, scrubbed(text, secrets))


def guard(fn: Callable[..., Any], outputs: int, *, action: str, on_error: str = "error", secrets: Secrets = no_secrets) -> Callable[..., Any]:
    """``fn`` with the same signature that never lets anything but gr.Error out.

    ``on_error``: "error" shows the sentence and stops ``.success`` chains (a person's action); "keep" changes no output (loads and collects).
    """

    def failed(error: BaseException) -> Any:
        report(action, error, secrets)
        if on_error == "keep":
            return compat.keep(outputs)
        told = error.message if isinstance(error, gr.Error) else sentence(error)
        raise compat.error(scrubbed(told, secrets)) from None

    if inspect.isgeneratorfunction(fn):

        @functools.wraps(fn)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                yield from fn(*args, **kwargs)
            except GeneratorExit:
                raise  # the page is gone; swallowing it is an error in itself
            except BaseException as error:  # noqa: BLE001 - see the module's first lines
                yield failed(error)

    else:

        @functools.wraps(fn)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                return fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - see the module's first lines
                return failed(error)

    return guarded


def count(outputs: Any) -> int:
    """How many outputs a listener has: None, one component, or several."""
    if outputs is None:
        return 0
    return len(outputs) if isinstance(outputs, (list, tuple, set)) else 1


def with_ticket(inputs: Any, ticket: Any) -> tuple[list[Any], str]:
    """The inputs with the ticket's textbox as the last, and the script that puts a new ticket into it for each press.

    gradio 3 hands the outputs to the script too, so what it was given is cut to the inputs.
    """
    before = [] if inputs is None else list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    script = f'(...v) => [...v.slice(0, {len(before)}), window.civitaiManager && window.civitaiManager.ticket ? window.civitaiManager.ticket() : ""]'
    return [*before, ticket], script


def bind(
    listener: Callable[..., Any],
    fn: Callable[..., Any],
    inputs: Any = None,
    outputs: Any = None,
    *,
    action: str,
    js: str | None = None,
    on_error: str = "error",
    queue: bool | None = False,
    show_progress: str = "hidden",
    secrets: Secrets = no_secrets,
    ticket: Any = None,
    limit: int | None = None,
) -> Any:
    """Bind one event. ``action`` names it in the log. ``queue=False``: the event answers at once, so it holds no stream of the host's queue open.

    ``ticket``: the textbox for an event that starts a job; ``fn`` gets the press's ticket as its last argument. ``limit``: how many queued events of
    ours run at a time (None: as many as there are). One gradio function a call (a wrapper of its own), because concurrency on gradio 4+ is counted
    by function object.
    """
    if inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn):
        raise TypeError(f"{action}: handlers are plain functions")
    if inspect.isgeneratorfunction(fn) and queue is False:
        raise TypeError(f"{action}: gradio runs a generator only in its queue")
    if ticket is not None:
        if js is not None:
            raise TypeError(f"{action}: an event that starts a job has the ticket's script")
        inputs, js = with_ticket(inputs, ticket)
    outputs = list(outputs) if isinstance(outputs, Sequence) and not isinstance(outputs, str) else outputs
    guarded = guard(fn, count(outputs), action=action, on_error=on_error, secrets=secrets)
    return listener(guarded, inputs, outputs, **compat.event_kwargs(js=js, queue=queue, show_progress=show_progress, limit=limit))
