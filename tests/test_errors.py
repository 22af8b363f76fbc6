"""The errors for people: drawn as a tree, each with a sentence and a next step, and nothing of the machine in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from civitai_manager_libs import errors
from civitai_manager_libs.errors import CivitaiManagerError, EarlyAccess, RateLimited, SomeFailed, explain


def family(root: type[CivitaiManagerError] = CivitaiManagerError) -> Iterator[type[CivitaiManagerError]]:
    yield root
    for child in root.__subclasses__():
        yield from family(child)


OURS = [kind for kind in family() if kind.__module__ == errors.__name__]


def test_the_drawn_tree_is_the_real_one() -> None:
    names = {kind.__name__: kind for kind in OURS}
    above: list[tuple[int, type]] = []
    drawn: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        for name in re.findall(r"^ +([A-Z]\w+(?:, [A-Z]\w+)*)(?=  |$)", line):
            indent = len(line) - len(line.lstrip())
            above = [(depth, kind) for depth, kind in above if depth < indent]
            for one in name.split(", "):
                assert one in names, f"{one} is drawn, but there is no such class"
                if above:
                    assert names[one].__bases__ == (above[-1][1],), f"{one} is drawn below {above[-1][1].__name__}"
                drawn.append(one)
            above.append((indent, names[name.split(", ")[-1]]))
    assert sorted(drawn) == sorted(names), "each class is drawn once"


def test_codes_are_for_one_class_each() -> None:
    codes = [kind.code for kind in OURS]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z_]+", code) for code in codes)


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_each_has_a_sentence_a_next_step_and_a_known_remedy(kind: type[CivitaiManagerError]) -> None:
    error = kind()
    assert error.message[0].isupper() and error.message.endswith(".")
    assert not error.next_step or error.next_step.endswith((".", ")."))
    if kind not in (errors.UsageError, errors.UnknownJob):
        assert error.next_step, "every outcome has something to do next"
    assert error.remedy in ("settings", "retry", "confirm", "rename", "")
    assert str(error).startswith(error.message) and error.next_step in str(error)
    told = error.as_dict()
    assert json.loads(json.dumps(told)) == told and set(told) >= {"code", "message", "next_step", "remedy"}
    own = kind("Own words.", next_step="Do this.", path="/x")
    assert (own.message, own.next_step, own.as_dict()["path"], str(own)) == ("Own words.", "Do this.", "/x", "Own words. Do this.")


def test_times_are_told() -> None:
    error = EarlyAccess(deadline="2099-05-06T10:00:00Z")
    assert "2099-05-06" in error.next_step and error.as_dict()["deadline"] == "2099-05-06T10:00:00Z"
    assert EarlyAccess().deadline is None and "Buy access" in EarlyAccess().next_step
    assert "12:04:10" in RateLimited(until="2026-01-01T12:04:10+01:00").next_step and "some minutes" in RateLimited().next_step


def test_foreign_exceptions_are_named_but_not_quoted() -> None:
    for error in (ValueError("secret /home/someone"), SystemExit("secret"), OSError(5, "secret"), KeyError("secret"), RecursionError()):
        told = explain(error)
        assert "secret" not in json.dumps(told) and told["code"] == "unexpected" and type(error).__name__ in told["message"]
    assert explain(MemoryError())["code"] == "memory"
    assert explain(errors.Archived()) == errors.Archived().as_dict()


def test_a_batch_of_one_fails_as_its_item_did() -> None:
    told = {"text": "123", **explain(EarlyAccess(deadline="2099-05-06T10:00:00Z"))}
    again = SomeFailed.from_dict(told)
    assert again.as_dict() == told and str(again) == str(EarlyAccess(deadline="2099-05-06T10:00:00Z"))
    assert SomeFailed.code == "some_failed", "the class is not changed by it"
