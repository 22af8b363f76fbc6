"""Writes the references from the code: docs/routes.md (every HTTP route) and docs/command-line.md (every command and option).

    python -m docs.reference           write both
    python -m docs.reference --check   say whether they are current; exit status 1 when not

A route's sentence is its endpoint's docstring. For routes of a table (``web/edits.py`` and others like it) it is the docstring of what is called
there, else the fourth entry of the table's line, else the docstring of the body's shape.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "scripts"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

PACKAGE = ROOT / "scripts" / "civitai_manager_libs"
ROUTES, COMMANDS = ROOT / "docs" / "routes.md", ROOT / "docs" / "command-line.md"
COMMAND = "python -m docs.reference"
MADE = f"<!-- Made from the code by {COMMAND}: change it there. -->\n\n"

# -- routes

HEAD = re.compile(r"^(?:GET|POST) [^\s{:]+(?::(?=\S)[^\s{:]*)*(?: \{[^}]*\})?[:,]? ?")  # "GET tags?prefix=: ", 'POST register {"text": ...}: '


class Line(NamedTuple):
    """One route, for people. ``body``: name, type and default of each field; None for a route without one of our shapes."""

    method: str
    path: str
    text: str
    body: list[tuple[str, str, str]] | None
    shape: str
    answer: str


def plain(text: str | None) -> str:
    """A docstring in one line."""
    return " ".join((text or "").split()).replace("``", "`")


@lru_cache(maxsize=1)
def documented() -> dict[str, str]:
    """Docstrings of functions by name: what the application offers first, then what it is made of, so that the nearest to the page wins."""
    found: dict[str, str] = {}
    folders = ("web", "actions", "catalog")
    for path in [PACKAGE / "application.py", *(path for folder in folders for path in sorted(PACKAGE.glob(f"{folder}/**/*.py")))]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or any(isinstance(one, ast.Name) for one in node.decorator_list):
                continue  # a property is the way to what is called
            if text := ast.get_docstring(node):
                found.setdefault(node.name, HEAD.sub("", plain(text)))
    return found


@lru_cache(maxsize=1)
def tables() -> dict[str, ast.Tuple]:
    """The lines of the tables of routes, by path, as they are written."""
    found: dict[str, ast.Tuple] = {}
    for path in sorted(PACKAGE.glob("web/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and str(key.value).startswith("/") and isinstance(value, ast.Tuple):
                        found[str(key.value)] = value
    return found


def called(node: ast.AST) -> Iterator[str]:
    """Names of the functions that a table's line calls, the outermost first."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            name = part.func.attr if isinstance(part.func, ast.Attribute) else part.func.id if isinstance(part.func, ast.Name) else ""
            if name not in ("started", "given", "dict", "list", "str", "reworded"):
                yield name
    if isinstance(node, ast.Name):
        yield node.id


def inner(endpoint: Callable[..., Any]) -> dict[str, Any]:
    """What ``edits.endpoint`` has made an endpoint of: its body's shape, and what is done. Empty for others."""
    return dict(inspect.getclosurevars(endpoint).nonlocals) if inspect.isfunction(endpoint) else {}


def sentence(endpoint: Callable[..., Any], path: str) -> str:
    """What a route is for."""
    if endpoint.__doc__:
        text = HEAD.sub("", plain(endpoint.__doc__))
        return f"{text[:1].upper()}{text[1:]}"
    line, act = tables().get(path), inner(endpoint).get("act")
    if line is not None and len(line.elts) > 3 and isinstance(line.elts[3], ast.Constant):
        return plain(str(line.elts[3].value))
    used = act.__code__.co_names if inspect.isfunction(act) else ()
    calls = [*(called(line.elts[2]) if line is not None else ()), *used, *([] if act else endpoint.__code__.co_names)]
    return next((text for name in calls if name not in ("started", "jobs") and (text := documented().get(name))), "")


def parameters(endpoint: Callable[..., Any]) -> str:
    """The query as the docstring has it: ``?q=&offset=``."""
    head = plain(endpoint.__doc__).partition(": ")[0]
    return head[head.index("?") :].partition(" ")[0] if head.startswith("GET") and "?" in head else ""


def sent(endpoint: Callable[..., Any]) -> str:
    """The body as the docstring has it: ``{"text": "...", "ticket": "..."}``."""
    found = re.match(r"POST \S+ (\{[^}]*\})", plain(endpoint.__doc__))
    return found[1] if found else ""


def fields(shape: type[Any]) -> list[tuple[str, str, str]]:
    """Name, type as it is written, and default of each field of a body."""
    notes: dict[str, str] = {}
    for kind in reversed(shape.__mro__):
        notes.update({name: str(note) for name, note in kind.__dict__.get("__annotations__", {}).items()})
    found = []
    for field in msgspec.structs.fields(shape):
        default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory
        given = "needed" if default is msgspec.NODEFAULT else shown(default)
        found.append((field.name, notes.get(field.name, "Any").replace(" | msgspec.UnsetType", ""), given))
    return found


def shown(default: Any) -> str:
    """A default for people."""
    if default is msgspec.UNSET:
        return "left as it is"
    return repr(default()) if callable(default) else repr(default)


def answered(path: str) -> str:
    """What a table's route answers, as far as its line says."""
    line = tables().get(path)
    if line is None:
        return ""
    act = line.elts[2]
    body = act.body if isinstance(act, ast.Lambda) else None
    if isinstance(body, ast.Dict):
        keys = [str(key.value) for key in body.keys if isinstance(key, ast.Constant)]
        return "{" + ", ".join(f'"{key}": {"id of the job" if key == "job" else "..."}' for key in keys) + "}"
    return ""


def lines() -> list[Line]:
    from civitai_manager_libs.web import routes

    def nobody() -> Any:
        raise RuntimeError("only the routes are looked at")

    found = []
    for method, path, endpoint in routes.table(nobody):
        shape = inner(endpoint).get("shape")
        body = fields(shape) if shape is not None else None
        told = plain(vars(shape).get("__doc__")) if shape is not None else ""
        answer = answered(path) if shape is not None else ""
        found.append(Line(method, path + parameters(endpoint), sentence(endpoint, path) or told, body, told or sent(endpoint), answer))
    return found


ABOUT_ROUTES = f"""# HTTP routes

{MADE}The page's own scripts use these; everything is below `/civitai-manager/` of the WebUI's (or the standalone's) address, behind the same login.

- Answers are JSON unless a line says otherwise. A refusal is `{{"error": {{"code", "message", "next_step", "remedy", ...}}}}` with status 400 (asked
  for something that cannot be), 403 (not our own page), 404 (not there), 409 (it failed here), 502 (Civitai), 503 (busy) or 500.
- `POST` needs the header `X-Civitai-Manager: 1`, which a page of another site cannot send, and a JSON body. `ticket` (12 hexadecimal digits) names
  one press: what is sent again with the same ticket starts nothing twice. What answers `{{"job": id}}` goes on by itself; `GET jobs` tells how far.
- A field with a default may be left out. What answers nothing in particular answers `{{"ok": true}}`.

"""


def routes_text() -> str:
    parts = [ABOUT_ROUTES]
    for line in lines():
        parts.append(f"## {line.method} {line.path.removeprefix('/')}\n\n{line.text or '(nobody has said what it is for)'}\n\n")
        if line.body:
            if line.shape and line.shape != line.text:
                parts.append(f"{line.shape}\n\n")
            parts.append("| field | type | default |\n|---|---|---|\n")
            for name, kind, given in line.body:
                escaped = kind.replace("|", "\\|")
                parts.append(f"| `{name}` | `{escaped}` | {given if given in ('needed', 'left as it is') else f'`{given}`'} |\n")
            parts.append("\n")
        elif line.body is None and line.shape:
            parts.append(f"Body: `{line.shape}`\n\n")
        if line.answer:
            parts.append(f"Answer: `{line.answer}`\n\n")
    return "".join(parts).rstrip() + "\n"


# -- the command line


ABOUT_COMMANDS = """`python main.py` alone serves the page; with a command it does one thing and ends. `./start.sh` and `start.bat` set up what
is needed and hand their arguments on.

Exit status: 0 done, 1 failed or something is not well, 2 wrong usage, 130 stopped by Ctrl-C.

"""


def option(action: argparse.Action) -> str:
    """One option or argument as a line of a list. Written here and not by argparse, whose layout differs between versions of Python."""
    if action.option_strings:
        value = "" if action.nargs == 0 else f" {action.metavar or (action.choices and '|'.join(map(str, action.choices))) or action.dest.upper()}"
        name = ", ".join(action.option_strings) + value
    else:
        name = str(action.metavar or action.dest)
        name = {"?": f"[{name}]", "*": f"[{name}...]", "+": f"{name}..."}.get(str(action.nargs), name)
    listed = action.choices and not action.option_strings and not isinstance(action.choices, dict)
    more = f" (one of: {', '.join(map(str, action.choices or ()))})" if listed else ""
    told = (action.help or "").strip()
    return f"- `{name}`{': ' + told if told else ''}{more}\n"


def of(parser: argparse.ArgumentParser, without: set[str]) -> list[str]:
    skipped = (argparse._SubParsersAction, argparse._HelpAction)
    actions = [one for one in parser._actions if not isinstance(one, skipped) and one.help != argparse.SUPPRESS]
    return [option(one) for one in actions if not set(one.option_strings) & without]


def commands_text() -> str:
    from civitai_manager_libs import cli

    import main
    import preload

    common = {name for one in cli.common()._actions for name in one.option_strings}
    parts = [f"# Command line\n\n{MADE}{ABOUT_COMMANDS}## Serving\n\n"]
    parts += of(main.create_parser(), set())
    parts.append("\n## For every command\n\n")
    parts += of(cli.common(), set())
    for name, parser in subparsers(cli.parser()):
        usage = " ".join(option(one).partition("`")[2].partition("`")[0] for one in parser._actions if not one.option_strings)
        parts.append(f"\n## {name} {usage}".rstrip() + f"\n\n{plain(parser.description)}\n\n")
        parts += [line for line in of(parser, common) if line.startswith("- `-") or ":" in line]
    parts.append("\n## doctor\n\nVersions, server, and whether Civitai is reachable: for a bug report.\n\n")
    parts.append("## As an extension\n\nOptions that a WebUI understands:\n\n")
    host = argparse.ArgumentParser(add_help=False)
    preload.preload(host)
    parts += of(host, set())
    return "".join(parts).rstrip().replace("\n\n\n", "\n\n") + "\n"


def subparsers(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


# -- both


def current() -> dict[Path, str]:
    return {ROUTES: routes_text(), COMMANDS: commands_text()}


def stale() -> list[Path]:
    """The references that are not as the code is."""
    return [path for path, text in current().items() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def run(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        old = stale()
        print("\n".join(f"{path.relative_to(ROOT)} is not current: {COMMAND}" for path in old) or "Both are current.")  # noqa: T201
        return int(bool(old))
    for path, text in current().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))  # noqa: T201 -- a command's answer
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
