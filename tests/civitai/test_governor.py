"""The governor's arithmetic of time."""

from __future__ import annotations

import time

import pytest
from civitai_manager_libs.civitai.governor import Governor
from civitai_manager_libs.errors import RateLimited

from .peer import Waits


def test_spacing() -> None:
    governor, starts = Governor(3, 0.05), []
    for _ in range(4):
        with governor.turn(Waits()) as started:
            starts.append(started)
    assert all(later - earlier > 0.049 for earlier, later in zip(starts, starts[1:], strict=False))


def test_spacing_doubles_once_for_one_moment_and_recovers() -> None:
    governor = Governor(3, 0.1)
    started = time.monotonic()
    for _ in range(3):
        governor.throttled(started, 0.0)
    assert governor.spacing == 0.2
    for _ in range(12):
        governor.throttled(time.monotonic(), 0.0)
    assert governor.spacing == 30.0
    before = governor.spacing
    governor.succeeded()
    assert 0.1 < governor.spacing < before
    for _ in range(30):
        governor.succeeded()
    assert governor.spacing == 0.1


def test_a_turn_is_given_back_after_an_error() -> None:
    governor = Governor(1, 0.0)
    for _ in range(3):
        with pytest.raises(KeyError), governor.turn(Waits()):
            raise KeyError
    with governor.turn(Waits()):
        pass


def test_waits_are_visible_up_to_a_quarter_of_an_hour() -> None:
    governor, waits = Governor(1, 0.0), Waits()
    governor.throttled(time.monotonic(), 1.2)
    with governor.turn(waits):
        pass
    assert waits.waits and waits.texts == {"waiting for Civitai"}
    governor.throttled(time.monotonic(), 1000)
    with pytest.raises(RateLimited), governor.turn(waits):
        pass
