"""What the connection must never depend on, held out of the whole package by reading its syntax. Each ban is shown a piece of code that breaks it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
FILES = sorted(SCRIPTS.rglob("*.py")) + [ROOT / name for name in ("main.py", "preload.py", "install.py")]
EVENTS = {
    "click", "change", "input", "submit", "select", "load", "then", "success", "failure", "upload", "release", "blur", "focus", "key_up", "clear",
    "edit", "unload", "tick", "stop", "play", "pause", "stream", "like", "apply", "delete", "on",
}  # fmt: skip
Found = Iterator[ast.AST]


def where(path: Path) -> str:
    """ "ui/tab.py"; what is outside the package by its place in the repository."""
    package = SCRIPTS / "civitai_manager_libs"
    return path.relative_to(package if path.is_relative_to(package) else ROOT).as_posix()


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""


def of_gradio(*names: str) -> Callable[[ast.AST], Found]:
    """``gr.NAME`` or ``gradio.NAME``, or imported from gradio by name."""

    def find(tree: ast.AST) -> Found:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in names and isinstance(node.value, ast.Name) and node.value.id in ("gr", "gradio"):
                yield node
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gradio" and {alias.name for alias in node.names} & {*names}:
                yield node

    return find


def keyword(*names: str) -> Callable[[ast.AST], Found]:
    """Handed to any call, or in a dictionary that could be."""

    def find(tree: ast.AST) -> Found:
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg in names:
                yield node
            if isinstance(node, ast.Dict) and any(isinstance(key, ast.Constant) and key.value in names for key in node.keys):
                yield node

    return find


def any_name(*names: str) -> Callable[[ast.AST], Found]:
    """As a name, an attribute, or in a text that is exactly it (getattr, setattr)."""

    def find(tree: ast.AST) -> Found:
        for node in ast.walk(tree):
            told = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None
            told = node.value if isinstance(node, ast.Constant) else node.name if isinstance(node, ast.alias) else told
            if told in names:
                yield node

    return find


def a_progress_tqdm(tree: ast.AST) -> Found:
    """``anything.tqdm(...)``, except of the package tqdm itself."""
    for call in calls(tree):
        if (
            isinstance(call.func, ast.Attribute)
            and call.func.attr == "tqdm"
            and not (isinstance(call.func.value, ast.Name) and call.func.value.id == "tqdm")
        ):
            yield call


def truth_of_a_progress(tree: ast.AST) -> Found:
    """``if progress``, ``not progress``, ``progress and``: an IndexError on gradio 3 and 4."""
    for node in ast.walk(tree):
        asked = [node.test] if isinstance(node, (ast.If, ast.IfExp, ast.While, ast.Assert)) else []
        asked += [node.operand] if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) else []
        asked += node.values if isinstance(node, ast.BoolOp) else []
        yield from (part for part in asked if isinstance(part, ast.Name) and part.id == "progress")


def asynchronous(tree: ast.AST) -> Found:
    return (node for node in ast.walk(tree) if isinstance(node, (ast.AsyncFunctionDef, ast.Await)))


def an_event(tree: ast.AST) -> Found:
    """``button.click(...)`` with something in it, and ``gr.on(...)``. ``bind(button.click, ...)`` calls nothing itself."""
    return (call for call in calls(tree) if isinstance(call.func, ast.Attribute) and call.func.attr in EVENTS and (call.args or call.keywords))


def a_queue(tree: ast.AST) -> Found:
    return (call for call in calls(tree) if isinstance(call.func, ast.Attribute) and call.func.attr == "queue")


def importing(*names: str) -> Callable[[ast.AST], Found]:
    def find(tree: ast.AST) -> Found:
        for node in ast.walk(tree):
            found: list[str] = []
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                found = [node.module or ""]
            elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__"):
                found = [str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)]
            if any(name.split(".")[0] in names for name in found):
                yield node

    return find


class Ban(NamedTuple):
    """``below``: where it holds ("": everywhere), ``but``: the files that may."""

    find: Callable[[ast.AST], Found]
    example: str
    below: tuple[str, ...] = ("",)
    but: tuple[str, ...] = ()


BANS = {
    "a timer in the page": Ban(of_gradio("Timer"), "gr.Timer(1)"),
    "state that is held by a stream": Ban(of_gradio("State", "BrowserState"), "from gradio import State"),
    "repeated events": Ban(keyword("every"), "bind(f, every=1)"),
    "events that end others": Ban(keyword("cancels"), "options = {'cancels': [a]}"),
    "other people's progress bars": Ban(keyword("track_tqdm"), "gr.Progress(track_tqdm=True)"),
    "a progress's own tqdm": Ban(a_progress_tqdm, "for item in progress.tqdm(items): pass"),
    "a progress as a truth value": Ban(truth_of_a_progress, "if text and progress: pass", ("ui/",)),
    "gradio's progress": Ban(of_gradio("Progress"), "def f(p=gr.Progress()): pass", but=("ui/native.py",)),
    "asynchronous handlers": Ban(asynchronous, "async def handler(): pass", ("ui/",)),
    "events bound in a way of their own": Ban(an_event, "button.click(f, a, b)", ("ui/", "hosts/")),
    "another event loop policy": Ban(any_name("set_event_loop_policy"), "asyncio.set_event_loop_policy(p)"),
    "the host's middleware": Ban(any_name("middleware_stack", "add_middleware", "build_middleware_stack"), "app.middleware_stack = None"),
    "httpx": Ban(importing("httpx"), "importlib.import_module('httpx')"),
    "a queue that is the host's": Ban(a_queue, "demo.queue(max_size=20)", but=("hosts/standalone.py",)),
}


@pytest.mark.parametrize("name", BANS)
def test_it_is_nowhere(name: str) -> None:
    ban = BANS[name]
    assert list(ban.find(ast.parse(ban.example))), "the test would see it"
    found = [
        f"{where(path)}:{getattr(node, 'lineno', '?')}"
        for path in FILES
        if where(path).startswith(ban.below) and where(path) not in ban.but
        for node in ban.find(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == [], name


def test_the_bans_see_what_is_allowed_in_its_place() -> None:
    """The exceptions are used: an exception that nothing needs would hide the next mistake."""
    for name, ban in BANS.items():
        for place in ban.but:
            tree = ast.parse((SCRIPTS / "civitai_manager_libs" / place).read_text(encoding="utf-8"))
            assert list(ban.find(tree)), f"{place} needs no exception: {name}"
    assert not list(an_event(ast.parse("bind(button.click, f)\nself.load()\nitems.clear()")))
    assert not list(a_progress_tqdm(ast.parse("tqdm.tqdm(items)\ntqdm(items)")))
    assert not list(truth_of_a_progress(ast.parse("if progress is not None: progress(1)")))


HOSTS_OWN = {
    "httpx", "gradio", "gradio-client", "fastapi", "starlette", "uvicorn", "pydantic", "websockets", "anyio", "h11", "pillow", "numpy", "torch",
    "torchvision", "transformers", "diffusers", "accelerate", "safetensors", "huggingface-hub", "markupsafe", "jinja2", "protobuf", "tornado",
}  # fmt: skip
"""What hosts pin; an extension that asks for another version breaks them."""


def required(text: str) -> dict[str, str]:
    """Each requirement's name and the rest of its line (the version)."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    found = [re.fullmatch(r"([\w.-]+)(.*)", line) for line in lines if line and not line.startswith("-")]
    return {re.sub(r"[-_.]+", "-", one.group(1)).lower(): one.group(2).strip() for one in found if one}


def test_the_extension_asks_for_nothing_that_a_host_pins() -> None:
    assert required("Huggingface_Hub>=1 # why\n\n-r other.txt") == {"huggingface-hub": ">=1"}, "the test would see it"
    wanted = required((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    assert not set(wanted) & HOSTS_OWN
    assert {"requests", "tqdm"} <= set(wanted), "fixed for this project; every host has them"
    assert not [name for name, version in wanted.items() if re.search(r"==|<|~=|!=|@", version)], "lower bounds only: a host's pins win"


def test_alone_it_leaves_httpx_to_gradio() -> None:
    wanted = required((ROOT / "requirements-standalone.txt").read_text(encoding="utf-8"))
    assert "gradio" in wanted and "httpx" not in wanted
