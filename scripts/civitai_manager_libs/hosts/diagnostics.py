"""What a person (and a bug report) wants to know about the connection: versions, queue, server, repairs, data, settings. Never a secret.

It only looks: nothing is imported that is not loaded, nothing asked over the network, nothing of the host's changed. What cannot be read says so.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from ..settings import FIELDS, SECRETS, Settings, SettingsStore
from . import queue_repair

Row = list[str]  # name, value, note

LIBRARIES = ("gradio", "httpx", "uvicorn", "starlette", "fastapi")
PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")

PROACTOR = (
    "On Windows this loop logs 'ConnectionResetError: [WinError 10054]' and '_call_connection_lost' whenever a browser closes a connection early. "
    "These lines are an effect, not a cause: nothing was lost."
)
POLICY = "uvicorn 0.36 and newer takes the Proactor loop on Windows whatever event loop policy the WebUI has set."
COMPRESSION = "Compresses long answers, and would hold back event streams; the tab uses none, so it is not concerned."
CUT = f"With httpx {{version}} and this gradio every queued event of the whole WebUI would end after 5 seconds. Setting: {queue_repair.SETTING}."


class Place(NamedTuple):
    """Where we run, as far as it is known."""

    host: str
    blocks: Any = None  # gradio's page
    app: Any = None  # its server
    repair: str = queue_repair.NOT_NEEDED
    settings: SettingsStore | None = None
    queue: tuple[Row, ...] = ()  # said instead of looking at ``blocks``


def report(application: Callable[[], Any], place: Place, loop: str) -> dict[str, Any]:
    """All sections, JSON-ready. ``loop``: the class of the loop that the server runs on, named by a coroutine that runs on it."""
    store = place.settings or _settings_of(application)
    sections = [
        _section("Versions", lambda: versions(place.host)),
        _section("Queue", lambda: iter(place.queue) if place.queue else queue(place.blocks)),
        _section("Server", lambda: server(place, loop)),
        _section("Repairs", lambda: iter([["queue", place.repair, _why(place.repair)]])),
        _section("Data", lambda: data(application)),
        _section("Settings", lambda: settings(store)),
    ]
    return {"sections": _without_secrets(sections, store)}


def as_text(sections: list[dict[str, Any]]) -> str:
    """For a terminal."""
    width = max((len(row[0]) for section in sections for row in section["rows"]), default=0)
    lines: list[str] = []
    for section in sections:
        lines += ["", section["title"]] if lines else [section["title"]]
        lines += [f"  {name:<{width}}  {value}{f'  ({note})' if note else ''}" for name, value, note in section["rows"]]
    return "\n".join(lines)


def _section(title: str, make: Callable[[], Iterator[Row]]) -> dict[str, Any]:
    """What ``make`` yields; where it fails, the rest is one row that says so."""
    rows: list[Row] = []
    try:
        rows.extend(make())
    except Exception as exc:  # noqa: BLE001 - other people's objects: what is missing there must not hide what is not
        rows.append(["could not be read", str(exc) or type(exc).__name__, ""])
    return {"title": title, "rows": rows}


# -- sections


def versions(host: str) -> Iterator[Row]:
    yield ["Civitai Manager", __version__, ""]
    yield ["host", host, ""]
    yield ["Python", platform.python_version(), ""]
    yield ["platform", platform.platform(), ""]
    for name in LIBRARIES:
        yield [name, _version(name) or "not installed", ""]


def _version(name: str) -> str:
    """Of the loaded module, else of what is installed."""
    loaded = getattr(sys.modules.get(name), "__version__", None)
    if isinstance(loaded, str):
        return loaded
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def queue(blocks: Any) -> Iterator[Row]:
    """gradio 3 counts workers for all events; from 4 on each function has a limit of its own unless it says otherwise."""
    if blocks is None:
        yield ["queue", "unknown", "there is no page"]
        return
    found = getattr(blocks, "_queue", None)
    if found is None or getattr(blocks, "enable_queue", True) is False:
        yield ["queue", "off", "each queued event is answered by one plain request; ours need no queue"]
        return
    yield ["queue", "on", ""]
    if hasattr(found, "default_concurrency_limit"):
        limit = found.default_concurrency_limit
        note = "how often one function may run at a time, unless it says otherwise; ours do"
        yield ["default_concurrency_limit", "no limit" if limit is None else str(limit), note]
    else:
        yield ["concurrency_count", str(getattr(found, "max_thread_count", "unknown")), "how many queued events run at a time"]
    size = getattr(found, "max_size", "unknown")
    yield ["max_size", "no limit" if size is None else str(size), "how many may wait"]
    api = getattr(blocks, "api_open", None)
    yield ["api", "unknown" if api is None else "open" if api else "closed", ""]


def server(place: Place, loop: str) -> Iterator[Row]:
    yield ["event loop", loop, _about_loop(loop)]
    if place.app is None:
        return
    names = [_name(item) for item in getattr(place.app, "user_middleware", ())]
    yield ["middleware", ", ".join(names) or "none", COMPRESSION if any("GZip" in name for name in names) else ""]
    yield ["login", "on" if getattr(place.app, "auth", None) is not None else "off", ""]
    root = getattr(place.blocks, "root_path", "") or getattr(place.app, "root_path", "")
    yield ["root path", str(root or "/"), ""]


def _name(middleware: Any) -> str:
    return str(getattr(getattr(middleware, "cls", middleware), "__name__", "?"))


def _about_loop(loop: str) -> str:
    if "Proactor" not in loop:
        return ""
    return f"{PROACTOR} {POLICY}" if _at_least(_version("uvicorn"), (0, 36)) else PROACTOR


def _at_least(version: str, wanted: tuple[int, int]) -> bool:
    found = re.match(r"(\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) >= wanted


def _why(repair: str) -> str:
    return "" if repair == queue_repair.NOT_NEEDED else CUT.format(version=queue_repair.httpx_version())


def data(application: Callable[[], Any]) -> Iterator[Row]:
    found = application()
    catalog = found.data_dir / "catalog.db"
    yield ["folder", _short(found.data_dir), ""]
    yield ["settings file", _short(found.settings.path), ""]
    yield ["catalog", _size(catalog), ""]
    for kind, label in (("checkpoint", "checkpoint folder"), ("lora", "LoRA folder")):
        folder = found.host.folders()[kind][0]
        yield [label, _short(folder), "" if folder.is_dir() else "does not exist yet"]
    yield ["models", str(found.cards(limit=1)["total"]), ""]
    states = Counter(view["state"] for view in found.jobs.changes(0, "")["jobs"])
    yield ["jobs", str(sum(states.values())), ", ".join(f"{number} {state}" for state, number in sorted(states.items()))]
    others = found.jobs.others()
    yield ["other programs", str(others), "work with this library now" if others else ""]


def _short(path: Path) -> str:
    """A path without the name of the person."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(path)


def _size(path: Path) -> str:
    try:
        return f"{path.stat().st_size / 1024 / 1024:.1f} MB"
    except FileNotFoundError:
        return "none yet"


def settings(store: SettingsStore | None) -> Iterator[Row]:
    """The key's presence, the proxy without its login, and every other setting that was changed."""
    if store is None:
        yield ["settings", "unknown", "they could not be read"]
        return
    defaults = Settings()
    for name in FIELDS:
        value = getattr(store.current, name)
        note = "by the environment or the command line" if name in store.overridden else ""
        if name == "proxy":
            yield _proxy(value, note)
        elif name in SECRETS:
            yield [name, "set" if value else "not set", note]
        elif value != getattr(defaults, name):
            yield [name, str(value), note]


def _proxy(value: str, note: str) -> Row:
    if value:
        return ["proxy", f"set: {bare(value)}", note]
    name = next((name for name in PROXIES if os.environ.get(name)), "")
    return ["proxy", "not set", f"the environment's {name}: {bare(os.environ[name])}" if name else note]


def bare(proxy: str) -> str:
    """A proxy's address without user and password."""
    scheme = re.match(r"[a-z][a-z0-9+.-]*://", proxy, re.IGNORECASE)
    place = re.match(r"[\w.:\[\]-]*", proxy.rpartition("@")[2] if "@" in proxy else proxy[scheme.end() if scheme else 0 :])
    return f"{scheme[0] if scheme else ''}{place[0] if place else ''}"


# -- secrets


def _settings_of(application: Callable[[], Any]) -> SettingsStore | None:
    try:
        found: SettingsStore = application().settings
    except Exception:  # noqa: BLE001 - not started, or it could not start
        return None
    return found


def _without_secrets(sections: list[dict[str, Any]], store: SettingsStore | None) -> list[dict[str, Any]]:
    """Once more, whatever a row was made of: a secret in a folder's name or in an error's text is not shown either."""
    hidden = _hidden(store)

    def clean(text: str) -> str:
        for secret in hidden:
            text = text.replace(secret, "***")
        return text

    return [{"title": section["title"], "rows": [[clean(cell) for cell in row] for row in section["rows"]]} for section in sections]


def _hidden(store: SettingsStore | None) -> list[str]:
    """The key, and the logins and passwords of proxies; the longest first, since one may hold another."""
    proxies = [os.environ.get(name, "") for name in PROXIES]
    found: set[str] = set()
    if store is not None:
        found.add(store.current.api_key.strip())
        proxies.append(store.current.proxy)
    for proxy in proxies:
        login = proxy.rpartition("@")[0].rpartition("//")[2]
        found |= {login, login.partition(":")[2]}
    return sorted((secret for secret in found if len(secret) > 3), key=len, reverse=True)
