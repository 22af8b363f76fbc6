"""The rules of the house, read from the imports of every module: who may know whom, and that importing does nothing.

The layers, from the door inwards: hosts -> ui, web, cli -> application -> actions -> transfer, jobs, civitai -> catalog, disk -> settings, host,
errors, reporter. A module may import from its own layer's package and from every layer further in.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from support import PACKAGE, ROOT, SCRIPTS

NAME = "civitai_manager_libs"
LAYERS = (
    ("hosts",),
    ("ui", "web", "cli", "cli_library", "cli_discover", "cli_recipes", "cli_images"),
    ("application",),
    ("actions",),
    ("transfer", "jobs", "civitai", "generation"),
    ("catalog", "disk"),
    ("settings", "host", "errors", "reporter", ""),
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
# Same layer, and still allowed: what the routes and the tab share, and the foundation's own order.
BESIDE = {
    ("ui", "web"), ("cli", "web"), ("cli", "cli_library"), ("cli", "cli_discover"), ("cli", "cli_recipes"), ("cli_recipes", "cli_library"),
    ("cli", "cli_images"), ("settings", "errors"), ("host", "errors"), ("reporter", "errors"),
}  # fmt: skip
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    parts = path.relative_to(SCRIPTS).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Full names of what a file imports, wherever in it, with their lines; ``from a import b`` gives ``a.b``."""
    package = dotted(path).split(".") if path.name == "__init__.py" else dotted(path).split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            yield from ((f"{base}.{name.name}", node.lineno) for name in node.names)


def part(name: str) -> str:
    """ "actions" of "civitai_manager_libs.actions.register"; "" for the package itself."""
    return (name.split(".") + [""])[1]


def where(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def is_of(name: str, library: str) -> bool:
    return name == library or name.startswith(library + ".")


def offenders(library: str, allowed: tuple[str, ...]) -> list[str]:
    return [
        f"{where(path)}:{line}" for path in MODULES if not where(path).startswith(allowed) for name, line in imports(path) if is_of(name, library)
    ]


def test_there_are_modules_to_look_at() -> None:
    assert len(MODULES) > 40
    assert {part(dotted(path)) for path in MODULES} >= {
        "hosts",
        "ui",
        "web",
        "cli",
        "application",
        "actions",
        "transfer",
        "jobs",
        "civitai",
        "catalog",
    }


def test_imports_point_one_way() -> None:
    wrong = []
    for path in MODULES:
        own = part(dotted(path))
        assert own in LEVEL, f"{where(path)} belongs to no layer: add it to the picture in architecture.md and here"
        for name, line in imports(path):
            other = part(name)
            if not is_of(name, NAME) or other == own or name == f"{NAME}.__version__":
                continue
            assert other in LEVEL, f"{where(path)}:{line} imports {name}, which is of no layer"
            if not (LEVEL[own] < LEVEL[other] or (LEVEL[own] == LEVEL[other] and (own, other) in BESIDE)):
                wrong.append(f"{where(path)}:{line} imports {name}")
    assert not wrong


def test_catalog_and_civitai_do_not_know_each_other() -> None:
    wrong = [
        f"{where(path)}:{line}"
        for path in MODULES
        for name, line in imports(path)
        if (part(dotted(path)), part(name)) in {("catalog", "civitai"), ("civitai", "catalog")} and is_of(name, NAME)
    ]
    assert not wrong


def test_the_host_is_known_in_hosts_only() -> None:
    assert not offenders("modules", ("hosts/",))


def test_gradio_is_known_by_the_page_only() -> None:
    assert not offenders("gradio", ("ui/", "web/access.py", "hosts/"))


def test_requests_is_known_by_the_network_only() -> None:
    assert not offenders("requests", ("civitai/", "transfer/"))
    for library in ("httpx", "aiohttp", "urllib.request"):
        assert not offenders(library, ()), "one layer for all requests"


def test_gradio_versions_are_told_apart_in_one_place() -> None:
    pattern = re.compile(r"(gr|gradio)\.__version__|version\(\s*[\"']gradio[\"']")
    wrong = [where(path) for path in MODULES if pattern.search(path.read_text(encoding="utf-8")) and where(path) != "ui/compat.py"]
    assert not wrong


def sql_calls(path: Path) -> Iterator[int]:
    """Lines that hand a text to execute, executemany or executescript."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("execute", "executemany", "executescript"):
            yield node.lineno


def test_sql_stays_with_the_database() -> None:
    wrong = [
        f"{where(path)}:{line}"
        for path in MODULES
        if not where(path).startswith("catalog/") and where(path) != "jobs/store.py"
        for line in sql_calls(path)
    ]
    assert not wrong
    assert list(sql_calls(PACKAGE / "catalog" / "models.py")), "the test would see it"
    assert not [place for place in offenders("sqlite3", ("catalog/", "jobs/store.py"))]


def test_the_hosts_door_only_opens() -> None:
    """scripts/civitai_manager.py stays thin: callbacks, no logic."""
    assert len((SCRIPTS / "civitai_manager.py").read_text(encoding="utf-8").splitlines()) < 80


def test_files_stay_readable() -> None:
    long = {where(path): lines for path in MODULES if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 450}
    assert not long


IMPORT = f"""
import sys
sys.path.insert(0, {str(SCRIPTS)!r})
import importlib, threading
NETWORK = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen", "os.system", "os.exec", "os.fork",
           "os.posix_spawn", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.", "sqlite3.connect", "webbrowser.open", "tempfile.")
seen = []
def hook(event, arguments):
    if not watching:
        return
    if event == "open":
        path, mode, flags = arguments
        writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (mode is None and flags & 3)
        if writes and "__pycache__" not in str(path):
            seen.append((event, str(path), mode))
    elif event.startswith(NETWORK):
        if not any("__pycache__" in str(one) for one in arguments):
            seen.append((event, str(arguments)[:200]))
watching = False
sys.addaudithook(hook)
"""


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def without(*beginnings: str) -> list[str]:
    """Every module but those of these folders and files."""
    return [dotted(path) for path in MODULES if not where(path).startswith(beginnings)]


def test_importing_does_nothing_but_define() -> None:
    """No connection, no process, no file written, no thread, no variable of the environment: our own modules, in a fresh interpreter."""
    names = without("hosts/webui.py", "ui/", "web/", "hosts/")
    libraries = (
        "requests",
        "msgspec",
        "nh3",
        "send2trash",
        "platformdirs",
        "filelock",
        "tqdm",
        "PIL.Image",
        "sqlite3",
        "asyncio",
        "concurrent.futures",
    )
    code = IMPORT + (
        f"for name in {libraries!r}: importlib.import_module(name)\n"  # what the libraries do is theirs
        "import os\nbefore, environment = threading.active_count(), dict(os.environ)\nwatching = True\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "watching = False\nassert not seen, seen\nassert threading.active_count() == before, threading.enumerate()\n"
        "assert dict(os.environ) == environment\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('gradio', 'modules', 'fastapi', 'uvicorn')], 'heavy imports'\n"
        "print('quiet')"
    )
    assert run_python(code) == "quiet"


def test_the_page_needs_no_host_and_importing_it_does_nothing() -> None:
    names = [dotted(path) for path in MODULES if where(path).startswith(("ui/", "web/", "hosts/")) and where(path) != "hosts/webui.py"]
    code = IMPORT + (
        "import gradio, fastapi, uvicorn, PIL.Image, nh3, requests, sqlite3\nwatching = True\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "watching = False\nassert not seen, seen\nassert 'modules' not in sys.modules\nprint('quiet')"
    )
    assert run_python(code) == "quiet"


def module_level_calls(path: Path) -> Iterator[str]:
    """Statements at the top of a module that are calls for their effect, such as ``os.makedirs(...)``."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) or isinstance(node, (ast.With, ast.For, ast.While)):
            yield f"{where(path)}:{node.lineno}"


def test_modules_hold_definitions_only() -> None:
    assert not [place for path in MODULES for place in module_level_calls(path)]
