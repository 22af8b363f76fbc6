"""``track``: progress where somebody listens, a plain iteration where nobody does."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from civitai_manager_libs.reporter import Plain, Stopped, track


class Listener:
    def __init__(self, raises: BaseException | None = None) -> None:
        self.heard: list[dict[str, Any]] = []
        self.raises = raises

    def update(self, **progress: Any) -> None:
        self.heard.append({name: item for name, item in progress.items() if item is not None})
        if self.raises:
            raise self.raises


def test_it_tells_the_beginning_and_each_item() -> None:
    listener = Listener()
    seen = []
    for item in track(["a", "b"], listener, text="reading"):
        seen.append((item, len(listener.heard)))
    assert seen == [("a", 1), ("b", 2)], "an item counts when it is done"
    assert listener.heard == [{"done": 0, "total": 2, "text": "reading"}, {"done": 1}, {"done": 2}]


def test_the_text_may_be_of_the_item_and_the_total_may_be_told() -> None:
    listener = Listener()
    assert list(track(iter([3, 4]), listener, total=9, text=lambda number: f"number {number}")) == [3, 4]
    assert listener.heard == [{"done": 0, "total": 9}, {"done": 1, "text": "number 3"}, {"done": 2, "text": "number 4"}]
    listener = Listener()
    assert list(track((n for n in range(2)), listener)) == [0, 1]
    assert listener.heard[0] == {"done": 0}, "no total is made up"


@pytest.mark.parametrize("reporter", [None, Plain()])
def test_without_a_listener_it_only_iterates(reporter: Plain | None) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for n in range(3):
            taken.append(n)
            yield n

    walk = track(items(), reporter)
    assert taken == [] and next(walk) == 0 and taken == [0], "nothing is taken before it is asked for"
    assert list(walk) == [1, 2]
    assert list(track([], reporter)) == []


def test_a_broken_reporter_does_not_break_the_work(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert list(track(range(5), Listener(raises=ValueError("broken pipe")))) == [0, 1, 2, 3, 4]
    assert len(caplog.records) == 1, "said once"


def test_a_request_to_stop_passes_through() -> None:
    with pytest.raises(Stopped):
        list(track(range(5), Listener(raises=Stopped("pause"))))


def test_what_the_work_raises_is_its_own() -> None:
    listener = Listener()
    with pytest.raises(KeyError):
        for _ in track(range(5), listener):
            raise KeyError
    assert listener.heard == [{"done": 0, "total": 5}]
