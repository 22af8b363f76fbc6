"""gradio's own bar: at once, on change, every two seconds, for four seconds at most; and the job never notices when it breaks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from civitai_manager_libs.ui import handlers, native, tab
from civitai_manager_libs.ui.native import Queueing


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Jobs:
    """One job whose view is what ``look`` makes of the seconds that have passed; waiting takes the fake clock's time."""

    def __init__(self, clock: Clock, look: Callable[[float], dict[str, Any]]) -> None:
        self.clock, self.begun, self.look = clock, clock.now, look

    def started(self, ticket: str) -> str:
        return ticket if ticket != "joined" else ""

    def view(self, job_id: str) -> Any:
        base = {"state": "running", "done": 0, "total": 0, "bytes_done": 0, "bytes_total": 0, "text": "", "title": "Register one"}
        return SimpleNamespace(**{**base, **self.look(self.clock.now - self.begun)})

    def wait(self, job_id: str, timeout: float) -> None:
        self.clock.now += max(timeout, 0.001)


def shown(look: Callable[[float], dict[str, Any]], until: float = native.SECONDS) -> tuple[list[tuple[float, float, str]], float]:
    """What the bar showed, each with its time, and how long it took."""
    clock = Clock()
    seen: list[tuple[float, float, str]] = []

    def progress(fraction: float, desc: str) -> None:
        seen.append((round(clock.now - 100, 1), fraction, desc))

    jobs: Any = Jobs(clock, look)
    native.follow(lambda: jobs, "a", progress, clock.now + until, clock)
    return seen, round(clock.now - 100, 1)


def test_a_silent_job_is_shown_at_once_and_every_two_seconds_for_four_at_most() -> None:
    seen, took = shown(lambda passed: {"text": "waiting"})
    assert seen[0] == (0.0, 0.0, "waiting")
    times = [time for time, _, _ in seen]
    assert all(later - earlier <= 2.0 for earlier, later in zip(times, times[1:], strict=False)) and len(times) == 3
    assert took == 4.0


def test_each_change_is_shown_and_the_end_ends_it() -> None:
    seen, took = shown(lambda passed: {"done": int(passed), "total": 2, "state": "done" if passed >= 2 else "running"})
    assert [(fraction, text) for _, fraction, text in seen] == [(0.0, "Register one"), (0.5, "Register one"), (1.0, "Register one")]
    assert took == pytest.approx(2.0, abs=0.2)
    assert shown(lambda passed: {"bytes_done": 30, "bytes_total": 10, "state": "failed", "text": "no"}) == ([(0.0, 1.0, "no")], 0.0)


def test_what_starting_took_is_part_of_the_time() -> None:
    assert shown(lambda passed: {}, until=0.5)[1] == 0.5
    assert shown(lambda passed: {}, until=-3)[1] == 0.0, "shown once, and over"


@pytest.mark.parametrize("failure", [RuntimeError("x"), IndexError(), SystemExit(), KeyboardInterrupt()])
def test_a_broken_bar_breaks_nothing(failure: BaseException) -> None:
    def broken(*_arguments: Any, **_options: Any) -> None:
        raise failure

    handler = native.bar(lambda: Jobs(Clock(), lambda passed: {}))  # type: ignore[arg-type, return-value]
    assert handler("t", broken) == gr.update()
    assert handler("t", None) == gr.update()

    def gone() -> Any:
        raise failure

    assert native.bar(gone)("t", lambda *_arguments, **_options: None) == gr.update()


class NoTruth:
    """As gradio's on 3 and 4: asking whether it is true is an IndexError, and its tqdm never ends."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *_arguments: Any, **_options: Any) -> None:
        self.calls += 1

    def __len__(self) -> int:
        raise IndexError

    def tqdm(self, *_arguments: Any) -> None:
        raise AssertionError("never")


def test_a_progress_is_never_asked_whether_it_is_true() -> None:
    progress = NoTruth()
    jobs: Any = Jobs(Clock(), lambda passed: {"state": "done"})
    assert native.bar(lambda: jobs)("t", progress) == gr.update() and progress.calls == 1


def test_a_press_that_joined_an_equal_job_has_no_bar() -> None:
    progress = NoTruth()
    jobs: Any = Jobs(Clock(), lambda passed: {})
    native.bar(lambda: jobs)("joined", progress)
    assert progress.calls == 0


def test_gradio_finds_the_parameter_through_the_guard() -> None:
    guarded = handlers.guard(native.bar(not_asked), 1, action="a")
    assert list(inspect.signature(guarded).parameters) == ["ticket", "progress"]
    assert isinstance(inspect.signature(guarded).parameters["progress"].default, gr.Progress)


def not_asked() -> Any:
    raise AssertionError("nothing is asked of the application while the tab is built")


def events(page: gr.Blocks) -> list[dict[str, Any]]:
    return [event for event in page.get_config_file()["dependencies"] if event.get("backend_fn")]


def test_only_the_bar_goes_into_the_queue() -> None:
    page = tab.build(not_asked, Queueing(True, 3))
    ids = {component["id"]: component["props"].get("elem_id") for component in page.get_config_file()["components"]}
    queued = [event for event in events(page) if event["queue"] is not False]
    assert [[ids[number] for number in event["outputs"]] for event in queued].count(["cm_test_result"]) == 1
    assert len(queued) == 3 and all(event["show_progress"] != "hidden" for event in queued)
    assert all([ids[number] for number in event["inputs"]] == ["cm_ticket"] for event in queued), "what starts a job is not in the queue"
    functions = [function for function in page.fns.values() if function.queue is not False]
    assert {(function.concurrency_limit, function.concurrency_id) for function in functions} == {(3, "civitai_manager")}
    assert not {"cm_links"} & {ids[number] for event in queued for number in event["outputs"]}, "the bar would cover the link box"


def test_without_the_setting_nothing_follows_a_progress() -> None:
    page = tab.build(not_asked)
    assert not page.progress_tracking if hasattr(page, "progress_tracking") else True
    assert not [function for function in page.fns.values() if function.tracks_progress]
    hosted = tab.build(not_asked, Queueing(True))
    queued = [function for function in hosted.fns.values() if function.queue is not False]
    assert queued and all(function.concurrency_limit is None and function.tracks_progress for function in queued)
    assert len({function.concurrency_id for function in queued}) == len(queued), "two browsers and two events do not wait for each other"


def test_each_start_carries_a_ticket_as_its_last_input() -> None:
    page = tab.build(not_asked)
    ids = {component["id"]: component["props"].get("elem_id") for component in page.get_config_file()["components"]}
    starts = [event for event in events(page) if "cm_ticket" in [ids[number] for number in event["inputs"]] and event["queue"] is False]
    assert sorted(ids[event["targets"][0][0]] for event in starts) == ["cm_download", "cm_links", "cm_refresh", "cm_register", "cm_test_key"]
    for event in starts:
        assert ids[event["inputs"][-1]] == "cm_ticket" and f"v.slice(0, {len(event['inputs']) - 1})" in event["js"]


def test_handlers_are_plain_functions() -> None:
    async def coroutine() -> None: ...

    async def stream() -> Any:
        yield 1

    def generator() -> Any:
        yield 1

    for handler, queue in ((coroutine, None), (stream, None), (generator, False)):
        with pytest.raises(TypeError):
            handlers.bind(lambda *_arguments, **_options: None, handler, action="a", queue=queue)
    handlers.bind(lambda *_arguments, **_options: None, generator, action="a", queue=None)
