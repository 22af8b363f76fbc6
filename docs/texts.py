"""Every English text of ours that a person may read, collected from the code: what a language's file must have.

    python -m docs.texts                   all texts, one JSON object of {"English": ""}: the beginning of a new language
    python -m docs.texts de_DE             what localizations/de_DE.json lacks, has too much, or has with other {places}
    python -m docs.texts de_DE --update    writes what is lacking into it (empty, to be filled in) and takes out what is gone

``docs/languages.md`` tells how a language is made. A text with {places} is a template; f-strings of the server become templates, too, with places
named after what stands in them.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from docs.scripts import Literal, literals

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "scripts" / "civitai_manager_libs"
FOLDER = ROOT / "localizations"
# For a terminal, a log, or a bug report: in English for everyone. The rest of these folders is SQL and what other programs call things.
ENGLISH_ONLY = ("cli", "hosts/doctor.py", "hosts/event_loop.py", "hosts/launcher.py", "hosts/hash_cache.py", "catalog/schema", "reporter.py")
# Of these only what they raise is shown; the rest is SQL, and what other programs call things.
RAISED_ONLY = (
    "catalog/", "civitai/payloads.py", "civitai/references.py", "civitai/searching.py", "civitai/transport.py", "disk/claimed.py",
    "disk/heads.py", "disk/local_models.py", "disk/sidecars/", "generation/", "hosts/login.py", "ui/compat.py", "ui/handlers.py", "web/routes.py",
    "web/words.py",
)  # fmt: skip
# A browser knows them.
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]

NOT_SHOWN = {
    "Negative prompt:",  # as the WebUI writes it
    *MONTHS,  # what looks like a text to the rules below, and is none
    "image/*, video/*;q=0.5, */*;q=0.1", "noopener noreferrer", "noopener noreferrer nofollow", "in {words}",
    "{words} ago",
    "the application is not running", "a route failed", "Stopping ...", "URL", "ADDRESS", "gone", "changed", "conflict", "{amount} TB",
    # what others call things
    "Lora hashes", "TI hashes", "Civitai resources", "Civitai metadata", "Model hash", "VAE hash", "Variation seed", "Variation seed strength",
    "Seed resize from-1", "Seed resize from-2", "Schedule type", "CFG scale", "Clip skip", "Denoising strength", "Hires upscale", "Hires upscaler",
    "Hires steps", "Steps", "Sampler", ", Lora hashes: \"", "Recipe metadata:", ".example.", "preferred weight", "negative text",
    "vtable constructor failed", "not a database", "int | None", "Pruned Model",
    "Diffusion Model", "Civitai", "Civitai Manager", "Civitai Manager, connection",
}  # fmt: skip
PLACE = re.compile(r"\{(\w+)\}")


class Found(NamedTuple):
    """A text and where it stands (``ui/tab.py:40``)."""

    text: str
    where: str


# -- Python

PHRASE = re.compile(r"(?=.*[a-z]{2})(?=.*\S +\S)")  # two words at least, not only signs
TECHNICAL = re.compile(
    r"\b(SELECT|INSERT|UPDATE|DELETE FROM|CREATE|PRAGMA|FROM|WHERE|ORDER BY|VALUES)\b|^[\W\d_]+$|%s|"
    r"%\(|\\[dwsb.]|[(?]:|=>|^\s*[.#]?[\w-]+\s*\{|</?\w+|;\s*$|^\w+=|"
    r"^[a-z]+/[a-z]|^--?\w|^(max|min)-|[=&] [?{]| DESC$|^[a-z]\.\w|\bexcluded\.|\bNULL\b|"
    r"^(noopener|private,|image/|Bearer |default-src|attachment;)|_\w+$"
)
SHOWN_WORDS = {"text", "title", "label", "placeholder", "info", "awaits", "message", "next_step", "problem", "desc"}
QUIET_CALLS = {"debug", "info", "warning", "exception", "execute", "executemany", "executescript", "compile", "fullmatch", "search", "add_argument",
    "getLogger",
               "ValueError", "TypeError", "RuntimeError", "KeyError", "AssertionError", "NotImplementedError", "strftime", "append_sql"}  # fmt: skip


CALLED = {"len": "count", "human_size": "size", "repr": "name", "str": "name", "int": "count", "escape": "name", "join": "names"}


def name_of(node: ast.expr) -> str:
    """A place's name, after what stands in it."""
    if isinstance(node, ast.Name):
        return {"exc": "message", "error": "message", "n": "count", "number": "count"}.get(node.id, node.id.strip("_").lower())
    if isinstance(node, ast.Attribute):
        return node.attr.strip("_").lower()
    if isinstance(node, ast.Subscript):
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            return node.slice.value
        return name_of(node.value)
    if isinstance(node, ast.Call):
        called = name_of(node.func)
        return {"len": "count", "human_size": "size", "repr": "name", "str": "name", "int": "count", "escape": "name", "join": "names"}.get(
            called, called
        )
    if isinstance(node, ast.BinOp):
        return "count" if isinstance(node.op, (ast.Sub, ast.Add)) else "value"
    if isinstance(node, (ast.BoolOp, ast.IfExp)):
        return name_of(node.values[0] if isinstance(node, ast.BoolOp) else node.body)
    return "value"


def choices(node: ast.expr) -> list[list[ast.expr]]:
    """What may stand in a place of an f-string, where it chooses between literals: ``{'s' if many else ''}`` gives "s" and ""."""
    if isinstance(node, ast.IfExp):
        return [*choices(node.body), *choices(node.orelse)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and isinstance(node.left, ast.Constant) and isinstance(node.left.value, str):
        return [[node.left], [ast.Constant("")]]
    return [list(node.values)] if isinstance(node, ast.JoinedStr) else [[node]]


def templates_of(node: ast.JoinedStr) -> list[str]:
    """An f-string as a template, or as one for each way in which it chooses between literals; its places are named apart."""
    ways: list[list[ast.expr]] = [[]]
    for value in node.values:
        some = choices(value.value) if isinstance(value, ast.FormattedValue) else [[value]]
        ways = [[*way, *one] for way in ways for one in some][:8]
    return [_template(way) for way in ways]


def _template(parts: list[ast.expr]) -> str:
    made: list[str] = []
    used: dict[str, int] = {}
    for part in parts:
        inner = part.value if isinstance(part, ast.FormattedValue) else part
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            made.append(inner.value)
            continue
        name = name_of(inner)
        used[name] = used.get(name, 0) + 1
        made.append(f"{{{name if used[name] == 1 else f'{name}{used[name]}'}}}")
    return "".join(made)


class Reader(ast.NodeVisitor):
    """Collects what may be shown from one module."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.ui = where.startswith(("ui/", "hosts/diagnostics.py"))
        self.raised = where.startswith(RAISED_ONLY)
        self.raising = False
        self.found: list[Found] = []

    def take(self, node: ast.expr, sure: bool = False) -> None:
        """A text, or the texts of an expression that chooses one. ``sure``: it is shown, also when it is a single word."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            self.add(node.value, node.lineno, sure)
        elif isinstance(node, ast.JoinedStr):
            for template in templates_of(node):
                self.add(template, node.lineno, sure)
            for value in node.values:
                if isinstance(value, ast.FormattedValue) and len(choices(value.value)) == 1:
                    self.visit(value.value)
        elif isinstance(node, ast.IfExp):
            self.take(node.body, sure)
            self.take(node.orelse, sure)
            self.visit(node.test)
        else:
            self.visit(node)

    def add(self, text: str, line: int, sure: bool) -> None:
        literal = PLACE.sub("", text)
        if not re.search(r"[A-Za-z]{2}", literal) or "\n" in text or TECHNICAL.search(literal):
            return
        if self.raised and not self.raising:
            return
        if sure or PHRASE.search(text.strip()) or (self.ui and re.fullmatch(r"[A-Z][a-z]+…?", text)):
            self.found.append(Found(" ".join(text.split()), f"{self.where}:{line}"))

    # -- what is passed over

    def body(self, node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for at, statement in enumerate(node.body):
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                continue  # a docstring
            if at == 0 and isinstance(statement, ast.ImportFrom):
                continue
            self.visit(statement)

    def visit_Module(self, node: ast.Module) -> None:
        self.body(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.body(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name not in ("__repr__",):
            for default in [*node.args.defaults, *(one for one in node.args.kw_defaults if one is not None)]:
                self.visit(default)
            self.body(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_Raise(self, node: ast.Raise) -> None:
        before, self.raising = self.raising, True
        self.generic_visit(node)
        self.raising = before

    def visit_Compare(self, node: ast.Compare) -> None:
        for part in (node.left, *node.comparators):
            if not isinstance(part, ast.Constant):
                self.visit(part)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            self.take(value, sure=isinstance(key, ast.Constant) and key.value in SHOWN_WORDS and isinstance(value, (ast.Constant, ast.JoinedStr)))

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id.strip("_")[:1].isupper() and node.func.id not in QUIET_CALLS:
            before, self.raising = self.raising, True  # an error that is made to be raised elsewhere
            self._call(node, name_of(node.func))
            self.raising = before
        else:
            self._call(node, name_of(node.func))

    def visit_Assign(self, node: ast.Assign) -> None:
        before = self.raising
        self.raising = before or any(isinstance(target, ast.Name) and target.id in ("default", "next_step") for target in node.targets)
        self.take(node.value)
        self.raising = before

    def _call(self, node: ast.Call, called: str) -> None:
        if called == "endpoint":
            return  # its text is for docs/routes.md
        if called == "mixed" and node.args:
            self.take(node.args[0], sure=True)
        if called == "said":
            for argument in node.args:
                self.take(argument, sure=True)
        if called in {name.lower() for name in QUIET_CALLS}:
            return
        self.visit(node.func) if isinstance(node.func, ast.Attribute) else None
        for argument in node.args:
            self.take(argument)
        for keyword in node.keywords:
            if keyword.arg not in ("key", "pattern", "elem_id", "class_", "js", "action", "format", "prefix", "suffix"):
                hidden = (
                    keyword.arg == "label" and isinstance(keyword.value, ast.Constant) and str(keyword.value.value).islower()
                )  # of a hidden field
                self.take(keyword.value, sure=keyword.arg in SHOWN_WORDS and not hidden)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.add(node.value, node.lineno, False)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self.take(node)


def of_html(tree: ast.Module, where: str) -> Iterator[Found]:
    """Texts between the tags and in the attributes of HTML that stands in a module."""
    for node in ast.walk(tree):
        texts = [node.value] if isinstance(node, ast.Constant) else templates_of(node)[:1] if isinstance(node, ast.JoinedStr) else [""]
        text = texts[0]
        if not isinstance(text, str) or "</" not in text and "<p" not in text and "<button" not in text:
            continue
        for between, attribute in re.findall(r">([^<>]*[A-Za-z]{2}[^<>]*)<|(?:title|aria-label|alt)=\"([^\"<>]+)\"", text):
            part = " ".join((between or attribute).split()).strip(" ·")
            if re.search(r"[A-Za-z]{2}", PLACE.sub("", part)):
                yield Found(part, f"{where}:{getattr(node, 'lineno', 0)}")


def of_python() -> Iterator[Found]:
    for path in sorted(PACKAGE.rglob("*.py")):
        where = path.relative_to(PACKAGE).as_posix()
        if where.startswith(ENGLISH_ONLY):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        reader = Reader(where)
        reader.visit(tree)
        yield from reader.found
        yield from of_html(tree, where)


def of_settings() -> Iterator[Found]:
    """What the Settings view makes of the settings' fields."""
    sys.path.insert(0, str(ROOT / "scripts"))
    from civitai_manager_libs.settings import FIELDS
    from civitai_manager_libs.ui import settings_view

    for heading, names in settings_view.grouped():
        yield Found(heading, "ui/settings_view.py")
        for name in names:
            yield Found(settings_view.title(name), "ui/settings_view.py")
    for name in FIELDS:
        yield Found(settings_view.type_and_sentence(name)[1], "settings.py")


# -- the page's scripts

SURE = {("cm.t", 0), ("cm.tn", 1), ("cm.tn", 2), ("cm.mixed", 0)}
SILENT = re.compile(
    r"^(.*\.)?(querySelector(All)?|closest|matches|getElementById|(add|remove)EventListener|[gs]etAttribute(NS)?|hasAttribute|removeAttribute|on|emit|recall|remember|get|matchMedia|"
    r"post|postOnce|fetch|test|startsWith|endsWith|includes|indexOf|replace|split|join|match|matchAll|add|toggle|remove|contains|createElement(NS)?|svg|icon|mount|lookFor|"
    r"error|RegExp|Event|FocusEvent|set|has|execCommand|toLocaleString|DateTimeFormat|RelativeTimeFormat|send|show|require|setProperty)$"
)
KEYS = {"class", "id", "type", "role", "style", "rel", "href", "target", "headers", "method", "credentials", "cache", "viewBox", "d", "fill",
    "loading", "decoding",
        "autocomplete", "referrerpolicy", "referrerPolicy", "list", "name", "behavior", "block", "for", "accept", "preserveAspectRatio",
        "patternUnits", "patternTransform",
        "translate", "src", "preload", "inputmode", "enterkeyhint", "draggable", "dateStyle", "timeStyle", "numeric", "mode", "key", "kind",
        "action"}  # fmt: skip


def shown(literal: Literal) -> bool:
    """Whether a literal of a script looks like a text that is shown."""
    text = literal.text
    if text.strip() in NOT_SHOWN or literal.is_key or literal.compared or not re.search(r"[A-Za-z]{2}", PLACE.sub("", text)):
        return False
    if (literal.call, literal.argument) in SURE:
        return True
    if literal.key in KEYS or literal.key.startswith(("data-", "aria-live", "aria-haspopup", "aria-controls", "aria-current")):
        return False
    if SILENT.match(literal.call) or (literal.call in ("cm.node", "cm.button", "node") and literal.argument == 0):
        return False
    if re.search(
        r"(^|\s)cm[-_]|://|^[.#\[/]|[=<>$\\|]|^\w+[:/]\S|^[A-Z][a-z]+[A-Z]|^[A-Z][\w]*-[A-Z]|\w\.\w+\(|^use strict$|^[a-z]+, [.#]", text
    ) or text.endswith(("=", "(")):
        return False
    return bool(re.match(r"[A-Z][a-z]", text) or re.search(r"[a-z]{2,}\S* +[\w{(“]|[\w}] +[a-z]{2,}", text))


def of_scripts() -> Iterator[Found]:
    for path in sorted((ROOT / "javascript").glob("*.js")):
        for literal in literals(path.read_text(encoding="utf-8")):
            if shown(literal):
                yield Found(" ".join(literal.text.split()), f"javascript/{path.name}:{literal.line}")


def fragments() -> list[str]:
    """Where a script puts a sentence together from pieces, which no other language can: "Move " + count + " files"."""
    return [
        f"javascript/{path.name}:{literal.line}: {literal.text!r}"
        for path in sorted((ROOT / "javascript").glob("*.js"))
        for literal in literals(path.read_text(encoding="utf-8"))
        if literal.joined and literal.text != literal.text.strip() and shown(literal)
    ]


# -- all of it


def collected() -> dict[str, str]:
    """Text -> where it stands first."""
    texts: dict[str, str] = {}
    for text, where in [*of_scripts(), *of_settings(), *of_python()]:
        for part in re.split(r"\s+·\s+", text):
            if re.search(r"[A-Za-z]{2}", PLACE.sub("", part)) and part.strip() not in NOT_SHOWN:
                texts.setdefault(part.strip(), where)
    return texts


def problems(language: str, texts: dict[str, str] | None = None) -> list[str]:
    """What is wrong with a language's file."""
    wanted = collected() if texts is None else texts
    told = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    found = [f"lacks: {text!r} ({wanted[text]})" for text in wanted if not told.get(text)]
    found += [f"has what is not shown any more: {text!r}" for text in told if text not in wanted]
    for text, translation in told.items():
        if translation and sorted(PLACE.findall(text)) != sorted(PLACE.findall(translation)):
            found.append(f"has other places: {text!r} -> {translation!r}")
    return found


def update(language: str) -> None:
    """Give the file every text, in the code's order; what is translated stays."""
    path = FOLDER / f"{language}.json"
    told = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({text: told.get(text, "") for text in collected()}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("language", nargs="?", help="such as de_DE; without it all texts are listed")
    parser.add_argument("--update", action="store_true", help="write what is lacking into the file, empty")
    parser.add_argument("--where", action="store_true", help="list where each text stands")
    asked = parser.parse_args()
    if asked.language is None:
        texts = collected()
        print(json.dumps(texts if asked.where else dict.fromkeys(texts, ""), ensure_ascii=False, indent=1))  # noqa: T201 -- a command's answer
        return 0
    if asked.update:
        update(asked.language)
    found = problems(asked.language)
    print("\n".join(found) or f"{asked.language} is complete.")  # noqa: T201 -- a command's answer
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
