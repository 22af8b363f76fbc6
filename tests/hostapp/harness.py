"""For tests: the product in a process of its own (in the app shaped like the host, or alone), and a browser that looks at it.

    with DemoServer() as demo, Webui(tmp_path, demo) as app, Browser() as browser:
        page = browser.open(app.url)

``app.kill()`` is kill -9; ``app.start()`` starts again on the same port with the same data.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

ROOT = Path(__file__).resolve().parents[2]
HOSTAPP = Path(__file__).resolve().parent
OTHERS = HOSTAPP / "other-extensions"
EXTENSION = "civitai-manager"
# The first that is there: the one without windows is the same engine and takes a third less processor time.
CHROMIUMS = ["/usr/lib/chromium/chromium-headless-shell", "/usr/bin/chromium"]
CHROMIUM_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--process-per-site",  # tabs of one browser share a process, which knows gradio's scripts after the first (``Browser._first``)
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]  # fmt: skip
FOREIGN = re.compile(r"^(?!http://(127\.0\.0\.1|localhost)[:/]|data:|blob:)")
START_SECONDS = 90.0
KEY = "demo-key-0123456789abcdef"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def until(what: Callable[[], Any], seconds: float = 20.0, text: str = "") -> Any:
    """The first true answer of ``what``; fails after ``seconds`` with its last answer."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{text or 'what was waited for'} did not come in {seconds:.0f} s; last: {answer!r}")
        time.sleep(0.1)


def copy_extension(folder: Path) -> Path:
    """What a user has after "Install from URL": the files that the host reads, at ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("scripts", "javascript", "localizations"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignore, dirs_exist_ok=True)
    for name in ("install.py", "preload.py", "requirements.txt", "style.css"):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, folder / name)
    return folder


class Process:
    """A server in a process of its own. ``folder`` keeps its data and its log; ``demo`` (a DemoServer or None) is its Civitai."""

    def __init__(self, folder: Path, demo: Any = None, *, key: str = KEY, environment: dict[str, str] | None = None) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.demo = demo
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = self.folder / "manager"
        self.log_file = self.folder / "log.txt"
        self._key, self._environment = key, environment or {}
        self._process: subprocess.Popen[bytes] | None = None

    # -- what differs

    def command(self) -> list[str]:
        raise NotImplementedError

    def ready_url(self) -> str:
        raise NotImplementedError

    # -- life

    def environment(self) -> dict[str, str]:
        """The user's own folders, proxies and key are out of reach."""

        def foreign(name: str) -> bool:
            return name.upper().startswith(("CIVITAI", "COMMANDLINE_ARGS")) or "proxy" in name.lower()

        kept = {name: value for name, value in os.environ.items() if not foreign(name)}
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        own = {name: str(home / name.lower()) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
        more = {"HOME": str(home), "PYTHONUNBUFFERED": "1", "GRADIO_ANALYTICS_ENABLED": "False", "NO_PROXY": "*"}
        if self._key:
            more["CIVITAI_API_KEY"] = self._key
        return {**kept, **own, **more, **self._environment}

    def start(self, wait: bool = True) -> Process:
        assert self._process is None or self._process.poll() is not None, "it runs already"
        with self.log_file.open("ab") as out:
            self._process = subprocess.Popen(
                self.command(), cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )
        if wait:
            self.wait_ready()
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        def ready() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, f"it ended with {self._process.returncode}:\n{self.log()}"
            try:
                return self.is_ready(requests.get(self.ready_url(), timeout=5))
            except requests.RequestException:
                return False

        until(ready, seconds, f"the server; its log:\n{self.log()}\n; it")

    def is_ready(self, response: requests.Response) -> bool:
        return response.status_code in (200, 401)

    def kill(self) -> None:
        """kill -9: no clean-up of any kind."""
        self._end(signal.SIGKILL)

    def stop(self) -> int | None:
        """SIGTERM, and the exit code."""
        return self._end(signal.SIGTERM)

    def interrupt(self) -> int | None:
        """Ctrl-C, and the exit code."""
        return self._end(signal.SIGINT)

    def _end(self, number: int) -> int | None:
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
                raise AssertionError(f"it did not end on signal {number}:\n{self.log()}") from None
        return self._process.returncode

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.is_file() else ""

    def __enter__(self) -> Any:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)

    # -- what it is asked

    def get(self, path: str, session: Any = requests, **options: Any) -> requests.Response:
        return session.get(self.url + path, timeout=20, **options)

    def post(self, path: str, session: Any = requests, **options: Any) -> requests.Response:
        """As our own page posts: with our header."""
        headers = {"X-Civitai-Manager": "1", **options.pop("headers", {})}
        return session.post(self.url + path, timeout=20, headers=headers, **options)

    def jobs(self, session: Any = requests) -> list[dict[str, Any]]:
        return self.get("/civitai-manager/jobs?since=0", session).json()["jobs"]

    def cards(self, session: Any = requests) -> list[dict[str, Any]]:
        return self.get("/civitai-manager/cards", session).json()["items"]

    def register(self, text: str, session: Any = requests, seconds: float = 60.0) -> dict[str, Any]:
        """Register over the page's route and wait until that job has ended; the job as the page sees it."""
        answer = self.post("/civitai-manager/register", session, json={"text": text})
        assert answer.status_code == 200, answer.text
        job = answer.json()["job"]

        def ended() -> dict[str, Any] | None:
            return next((view for view in self.jobs(session) if view["id"] == job and view["state"] in ("done", "failed", "cancelled")), None)

        return until(ended, seconds, "the registration")


class Webui(Process):
    """The product as an extension of the app shaped like the host, on the gradio of this Python.

    ``others``: extensions of ``other-extensions`` to install beside it; ``arguments``: more of the host's flags.
    """

    def __init__(
        self, folder: Path, demo: Any = None, *, arguments: Iterable[str] = (), others: Iterable[str] = (), extension: bool = True, **options: Any
    ) -> None:
        super().__init__(folder, demo, **options)
        self.data_path = self.folder / "webui"
        self.extensions = self.data_path / "extensions"
        self.models = self.data_path / "models"
        self._arguments = list(arguments)
        self.extensions.mkdir(parents=True, exist_ok=True)
        if extension:
            copy_extension(self.extensions / EXTENSION)
        for name in others:
            shutil.copytree(OTHERS / name, self.extensions / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        self._extension = extension

    def command(self) -> list[str]:
        found = [sys.executable, str(HOSTAPP / "webui.py"), "--port", str(self.port), "--data-path", str(self.data_path)]
        if self._extension:
            found += ["--civitai-manager-data-dir", str(self.data_dir)]
            found += ["--civitai-manager-url", self.demo.url if self.demo is not None else "http://127.0.0.1:9"]
        return found + self._arguments

    def ready_url(self) -> str:
        return f"{self.url}/hostapp/status"

    def is_ready(self, response: requests.Response) -> bool:
        return response.status_code == 200 and self._up(response.json())

    def _up(self, status: dict[str, Any]) -> bool:
        """Before the app's own routes are there, gradio answers their addresses in a way of its own."""
        return "started" in status and status["started"] > status["reloads"]

    def status(self) -> dict[str, Any]:
        return self.get("/hostapp/status").json()

    def reload(self) -> None:
        """Press "Reload UI" and wait until the new page is served."""
        before = self.status()["reloads"]
        requests.post(f"{self.url}/hostapp/reload", timeout=20)

        def reloaded() -> bool:
            try:
                status = self.status()
            except (requests.RequestException, ValueError):
                return False
            return self._up(status) and status["reloads"] > before

        until(reloaded, 30, "the reloaded page")


class Standalone(Process):
    """The product alone: ``main.py``."""

    def __init__(self, folder: Path, demo: Any = None, *, arguments: Iterable[str] = (), **options: Any) -> None:
        super().__init__(folder, demo, **options)
        self.models = self.data_dir / "models"
        self._arguments = list(arguments)

    def command(self) -> list[str]:
        found = [sys.executable, str(ROOT / "main.py"), "--port", str(self.port), "--data-dir", str(self.data_dir)]
        if self.demo is not None:
            found += ["--civitai-url", self.demo.url]
        return found + self._arguments

    def ready_url(self) -> str:
        return f"{self.url}/config"


class Browser:
    """Debian's Chromium. ``errors``: what pages wrote to their consoles as errors, and exceptions. Nothing but this computer is reached.

    Several may be open: Playwright itself, which allows only one of it in a thread, is shared by them.
    """

    _playwright: Any = None
    _users = 0

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._shared: Any = None  # the context of each test's first page
        self._taken = False
        self._frozen: list[Any] = []

    def __enter__(self) -> Browser:
        from playwright.sync_api import sync_playwright

        chromium = next((path for path in CHROMIUMS if Path(path).exists()), None)
        assert chromium, "Chromium is missing: sudo apt install chromium"
        if Browser._playwright is None:
            Browser._playwright = sync_playwright().start()
        Browser._users += 1
        self._chromium = Browser._playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        return self

    def __exit__(self, *exc: object) -> None:
        self._chromium.close()
        Browser._users -= 1
        if not Browser._users:
            Browser._playwright.stop()
            Browser._playwright = None

    def page(self, width: int = 1280, height: int = 900, dark: bool = False, context: Any = None, **options: Any) -> Any:
        """A page of a browser of its own, or in a given context (a second tab). Other sites do not exist; what was asked of them is in ``foreign``.

        They do not exist because no name is resolved, not because requests are stopped on their way: that would cost each of the page's own some
        40 ms, and its cache.
        """
        self.foreign: list[str] = []
        if context is None and not self._taken and not options:
            return self._first(width, height, dark)
        if context is None:
            context = self._chromium.new_context(viewport={"width": width, "height": height}, color_scheme=_scheme(dark), **options)
        return self._listened(context.new_page())

    def _first(self, width: int, height: int, dark: bool) -> Any:
        """The first page of a test: a new tab of one browser for all tests, in the process of the tab before, which knows gradio's scripts already.

        Nothing of the test before is left: its tab was frozen when it ended and is closed as soon as the new one is in its process, storage and
        cookies are removed.
        """
        if self._shared is None:
            self._shared = self._chromium.new_context()
        self._taken = True
        before = list(self._shared.pages)
        page = self._listened(self._shared.new_page())
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=_scheme(dark))
        devtools = self._shared.new_cdp_session(page)
        for old in before:
            address = urlsplit(old.url)
            if address.netloc:
                origin = f"{address.scheme}://{address.netloc}"
                devtools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "local_storage,cookies"})
        devtools.detach()
        self._shared.clear_cookies()
        self._shared.clear_permissions()
        page.once("domcontentloaded", lambda: [old.close() for old in before])
        return page

    def _listened(self, page: Any) -> Any:
        page.on("request", lambda request: self.foreign.append(request.url) if FOREIGN.match(request.url) else None)
        page.on("console", lambda message: self._heard(page, message))
        page.on("pageerror", lambda error: self.errors.append(f"exception: {error}") if page not in self._frozen else None)
        return page

    def forget(self) -> None:
        """A test has ended: close every page but the shared browser's last, which is stopped."""
        self.errors.clear()
        self._taken = False
        self._frozen.clear()
        for context in list(self._chromium.contexts):
            if context is not self._shared:
                context.close()
                continue
            for page in context.pages[:-1]:
                page.close()
            for page in context.pages:
                self._frozen.append(page)
                context.new_cdp_session(page).send("Page.setWebLifecycleState", {"state": "frozen"})

    def _heard(self, page: Any, message: Any) -> None:
        where = (message.location or {}).get("url", "")
        if any(url in message.text for url in self.foreign):  # gradio 3 and 4 miss their fonts
            return
        if message.type == "error" and page not in self._frozen and (not where.startswith("http") or where.startswith(("http://127.0.0.1", "http://localhost"))):
            self.errors.append(f"{message.text} ({where})")

    def open(self, url: str, **options: Any) -> Any:
        """A page at the tab, ready to be used."""
        page = self.page(**options)
        page.goto(url)
        open_tab(page)
        return page


def _scheme(dark: bool) -> str:
    return "dark" if dark else "light"


def open_tab(page: Any, name: str = "Civitai Manager") -> None:
    """Show our tab (alone, there is only ours) and wait until it is drawn."""
    page.wait_for_selector("#tabs, #civitai_manager", state="attached", timeout=30_000)
    if page.query_selector("#tabs"):
        page.get_by_role("tab", name=name).or_(page.locator("#tabs > .tab-nav > button", has_text=name)).first.click()
    if name == "Civitai Manager":
        page.wait_for_selector("#civitai_manager", state="visible", timeout=30_000)


def audit(path: Path) -> list[dict[str, Any]]:
    """What ``--hostapp-audit`` has written."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
