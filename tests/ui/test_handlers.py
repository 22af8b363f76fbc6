"""Whatever a handler does, its event answers with as many updates as outputs or with one gr.Error, and nothing else gets out."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest
from civitai_manager_libs.errors import NotALink
from civitai_manager_libs.ui import compat, handlers

SECRET = "a-very-secret-key-0123456789"
FAILURES: list[Callable[[], BaseException]] = [
    lambda: ValueError(f"the key is {SECRET}"),
    lambda: ConnectionResetError(10054, "reset"),
    lambda: SystemExit(3),
    lambda: KeyboardInterrupt(),
    lambda: asyncio.CancelledError(),
    lambda: StopIteration(),
    lambda: NotALink("This is not a Civitai link: x"),
    lambda: gr.Error(f"said by the handler; the key is {SECRET}"),
]


def plain(failure: BaseException) -> Callable[..., Any]:
    def handler(text: str) -> str:
        raise failure

    return handler


def generator(failure: BaseException) -> Callable[..., Any]:
    def handler(text: str) -> Any:
        yield "first"
        raise failure

    return handler


def run(handler: Callable[..., Any]) -> Any:
    found = handler("x")
    return list(found)[-1] if inspect.isgenerator(found) else found


@pytest.mark.parametrize("kind", [plain, generator])
@pytest.mark.parametrize("outputs", [0, 1, 3])
@pytest.mark.parametrize("make", FAILURES)
def test_only_gr_error_gets_out(kind: Any, outputs: int, make: Callable[[], BaseException], caplog: pytest.LogCaptureFixture) -> None:
    failure = make()
    guarded = handlers.guard(kind(failure), outputs, action="try it", secrets=lambda: [SECRET])
    with caplog.at_level(logging.INFO), pytest.raises(gr.Error) as told:
        run(guarded)
    assert SECRET not in str(told.value) and SECRET not in caplog.text
    assert "try it" in caplog.text, "the log names the action"
    if isinstance(failure, gr.Error):
        assert told.value.message == "said by the handler; the key is ***"
    else:
        assert str(told.value).strip("'\"").endswith(".") and "Traceback" not in str(told.value)


@pytest.mark.parametrize("kind", [plain, generator])
@pytest.mark.parametrize("outputs", [0, 1, 3])
def test_keep_changes_nothing(kind: Any, outputs: int) -> None:
    found = run(handlers.guard(kind(ValueError("x")), outputs, action="look", on_error="keep"))
    expected = {0: 0, 1: 1, 3: 3}[outputs]
    updates = [] if found is None else list(found) if isinstance(found, tuple) else [found]
    assert len(updates) == expected
    assert all(update == gr.update() for update in updates)


def test_a_traceback_is_logged_for_the_unexpected_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for failure in (ValueError("x"), NotALink()):
            with pytest.raises(gr.Error):
                run(handlers.guard(plain(failure), 1, action="a"))
    first, second = (record.getMessage() for record in caplog.records)
    assert "Traceback" in first and "Traceback" not in second


def test_the_signature_survives() -> None:
    def handler(text: str, request: gr.Request, event: gr.SelectData, progress: Any = None) -> str:
        return text

    guarded = handlers.guard(handler, 1, action="a")
    assert inspect.signature(guarded) == inspect.signature(handler)
    assert guarded.__annotations__ == handler.__annotations__
    assert inspect.isgeneratorfunction(handlers.guard(generator(ValueError()), 1, action="a"))


def test_a_closed_generator_is_not_an_error() -> None:
    closed = []

    def handler(text: str) -> Any:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    running = handlers.guard(handler, 1, action="a")("x")
    next(running)
    running.close()
    assert closed == [True]


@pytest.mark.parametrize(
    ("major", "expected"),
    [
        (3, {"queue": False, "show_progress": "hidden", "_js": "f", "api_name": False}),
        (4, {"queue": False, "show_progress": "hidden", "js": "f", "api_name": False, "concurrency_limit": None, "trigger_mode": "multiple"}),
        (
            6,
            {
                "queue": False,
                "show_progress": "hidden",
                "js": "f",
                "api_visibility": "private",
                "concurrency_limit": None,
                "trigger_mode": "multiple",
            },
        ),
    ],
)
def test_each_gradio_gets_its_own_words(major: int, expected: dict[str, Any]) -> None:
    assert compat.event_kwargs(js="f", queue=False, show_progress="hidden", major=major) == expected


def test_two_events_of_one_function_do_not_share_a_limit() -> None:
    """gradio 4 and later count concurrency by function object."""
    seen: list[Any] = []

    def listener(fn: Any, inputs: Any, outputs: Any, **kwargs: Any) -> None:
        seen.append(fn)

    def handler() -> str:
        return ""

    handlers.bind(listener, handler, None, None, action="a")
    handlers.bind(listener, handler, None, None, action="b")
    assert seen[0] is not seen[1]
