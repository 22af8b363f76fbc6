"""The references in docs/ are made from the code, and are current."""

from __future__ import annotations

import pytest

from docs import reference


@pytest.mark.parametrize("path", [reference.ROUTES, reference.COMMANDS], ids=lambda path: path.name)
def test_the_reference_is_current(path) -> None:  # type: ignore[no-untyped-def]
    wanted = reference.current()[path]
    assert path.read_text(encoding="utf-8") == wanted, f"{path.name} is not as the code is any more. Run: {reference.COMMAND}"


def test_every_route_says_what_it_is_for() -> None:
    """An endpoint's docstring, or for a line of a table that of what it calls, or a fourth entry of that line."""
    silent = [f"{line.method} {line.path}" for line in reference.lines() if not line.text]
    assert not silent


def test_lines_of_the_reference() -> None:
    found = {(line.method, line.path): line for line in reference.lines()}
    edit = found["POST", "/models/edit"]
    assert ("ids", "list[Id]", "needed") in edit.body and ("add_tags", "list[str]", "[]") in edit.body
    assert ("name", "str", "left as it is") in found["POST", "/words/{id}"].body
    assert found["POST", "/scan"].answer == '{"job": id of the job}'
    assert found["GET", "/tags?prefix="].text == "Tags that begin so."
    register = found["POST", "/register"]
    assert register.text == "Starts a job, answers with its id." and register.shape == '{"text": "...", "ticket": "..."}'
