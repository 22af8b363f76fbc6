"""Reads the string literals of our plain scripts, each with what it is used for: enough to tell which are shown to people. Not a whole parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class Token(NamedTuple):
    kind: str  # "text", "word", "sign", "regex", "number"
    value: str
    line: int


class Literal(NamedTuple):
    """``call``: the function whose ``argument`` it is, or is part of; ``key``: of the object in which it is a value; ``joined``: a + is beside it."""

    text: str
    line: int
    call: str
    argument: int
    key: str
    is_key: bool
    compared: bool
    joined: bool


TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)
    |(?P<number>\d[\w.]*)|(?P<word>[\w$]+)|(?P<sign>=>|\.\.\.|===|!==|==|!=|<=|>=|&&|\|\||\?\?|\?\.|\+=|-=|\+\+|--|.)""",
    re.VERBOSE | re.DOTALL,
)
REGEX = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*")
BEFORE_REGEX = set("(,=:[!&|?{};+-*<>~%^") | {"=>", "===", "!==", "==", "!=", "&&", "||", "??", "return", "typeof", "case", "in", "of", "..."}
ESCAPE = re.compile(r"\\(u\{([0-9a-fA-F]+)\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|.)", re.DOTALL)


def unescape(raw: str) -> str:
    def one(match: re.Match[str]) -> str:
        if code := match[2] or match[3] or match[4]:
            return chr(int(code, 16))
        return {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}.get(match[1], match[1])

    return ESCAPE.sub(one, raw)


def tokens(source: str) -> Iterator[Token]:
    at, line, before = 0, 1, "("
    while at < len(source):
        match = REGEX.match(source, at) if source[at] == "/" and source[at : at + 2] not in ("//", "/*") and before in BEFORE_REGEX else None
        kind = "regex"
        if match is None:
            match = TOKEN.match(source, at)
            assert match is not None
            kind = match.lastgroup or ""
        value = match[0]
        if kind not in ("space", "comment"):
            yield Token(kind, value, line)
            before = value if kind in ("sign", "word") else kind
        line += value.count("\n")
        at = match.end()


class _Level:
    """An open bracket: the call that it belongs to, which argument we are in, and the key of the value."""

    def __init__(self, sign: str, call: str) -> None:
        self.sign, self.call, self.argument, self.key = sign, call, 0, ""


def _called(found: list[Token]) -> str:
    """The name before a bracket: ``cm.node``; "" where it is no call."""
    names: list[str] = []
    for token in reversed(found):
        if token.kind == "word" and (not names or names[0] == "."):
            names.insert(0, token.value)
        elif token.value in (".", "?.") and names and names[0] != ".":
            names.insert(0, ".")
        else:
            break
    name = "".join(names)
    return "" if name in ("if", "for", "while", "return", "switch", "catch", "of", "in") else name


COMPARISONS = {"===", "!==", "==", "!=", "case"}


def literals(source: str) -> Iterator[Literal]:
    """Every string of a script. Of a template literal only one without ${...} is a text."""
    found = list(tokens(source))
    levels = [_Level("{", "")]
    for at, token in enumerate(found):
        now = levels[-1]
        before, after = (found[at - 1].value if at else ""), (found[at + 1].value if at + 1 < len(found) else "")
        if token.kind == "sign" and token.value in "([{":
            levels.append(_Level(token.value, _called(found[max(0, at - 12) : at]) if token.value == "(" else ""))
        elif token.kind == "sign" and token.value in ")]}" and len(levels) > 1:
            levels.pop()
        elif token.value == "," and token.kind == "sign":
            now.argument += 1
            now.key = ""
        elif token.kind in ("word", "text") and after == ":" and before in ("{", ",") and now.sign == "{":
            now.key = token.value.strip("\"'")
        if token.kind != "text" or (token.value[0] == "`" and "${" in token.value):
            continue
        is_key = after == ":" and before in ("{", ",") and now.sign == "{"
        is_key = is_key or before == "[" and after == "]" and at > 1 and found[at - 2].kind == "word"
        call = next((level for level in reversed(levels) if level.sign == "("), now)
        direct = now if now.sign == "(" else call
        key = next((level.key for level in reversed(levels) if level.sign == "{" or level.sign == "(" and level.call), "")
        yield Literal(
            unescape(token.value[1:-1]), token.line, direct.call, direct.argument, key if now.sign != "(" or not now.call else "", is_key,
            before in COMPARISONS or after in COMPARISONS or after == "in", before == "+" or after == "+",
        )  # fmt: skip
