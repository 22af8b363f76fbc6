"""``main.py`` as a server of its own: starts, says where it is, keeps strangers out, ends cleanly, and its page needs no other site."""

from __future__ import annotations

import io
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from civitai_manager_libs.hosts import launcher

from tests.hostapp.harness import ROOT, Browser, Standalone, until


def test_it_serves_says_where_and_ends_cleanly(tmp_path: Path, demo: Any) -> None:
    with Standalone(tmp_path, demo) as app:
        assert f"Civitai Manager is ready: {app.url}" in app.log()
        assert app.register("4100000")["state"] == "done"
        assert app.stop() == 0
        app.start()
        assert [card["id"] for card in app.cards()] == [4100000]
        assert app.interrupt() == 0
        assert "Traceback" not in app.log()


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the system tells how often a process woke up on Linux only")
def test_a_server_that_nobody_uses_sleeps(tmp_path: Path, demo: Any) -> None:
    with Standalone(tmp_path, demo) as app:

        def woken() -> int:
            return int(re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", Path(f"/proc/{app.pid}/status").read_text(), re.MULTILINE)[0])

        time.sleep(2)  # it has come to rest
        before = woken()
        time.sleep(2)
        assert woken() - before < 500, "gradio's queue alone would wake it two thousand times"


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    app = Standalone(tmp_path)
    with socket.create_server(("127.0.0.1", app.port)):
        result = subprocess.run(app.command(), cwd=tmp_path, env=app.environment(), capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert f"Port {app.port} is in use." in result.stderr
    assert f"--port {app.port + 1}" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (app.data_dir / "catalog.db").exists()


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    app = Standalone(tmp_path, arguments=["--auth", "nobody"])
    for command, said in ((app.command(), "NAME:PASSWORD"), ([sys.executable, str(ROOT / "main.py"), "--prot", "1"], "--prot")):
        result = subprocess.run(command, cwd=tmp_path, env=app.environment(), capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 2
        assert said in result.stderr


def test_an_address_that_a_key_may_not_be_sent_to_is_refused(tmp_path: Path) -> None:
    app = Standalone(tmp_path, arguments=["--civitai-url", "http://example.org"])
    result = subprocess.run(app.command(), cwd=tmp_path, env=app.environment(), capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert "http://example.org" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_login_guards_page_and_routes(tmp_path: Path, demo: Any) -> None:
    with Standalone(tmp_path, demo, arguments=["--auth", "ada:secret"]) as app:
        assert app.get("/config").status_code == 401
        assert app.get("/civitai-manager/cards").status_code == 401
        assert app.post("/civitai-manager/register", json={"text": "4100000"}).status_code == 401
        session = requests.Session()
        assert session.post(f"{app.url}/login", data={"username": "ada", "password": "wrong"}, timeout=10).status_code == 400
        assert app.get("/civitai-manager/cards", session).status_code == 401
        assert session.post(f"{app.url}/login", data={"username": "ada", "password": "secret"}, timeout=10).status_code == 200
        assert app.get("/civitai-manager/cards", session).status_code == 200


def test_listening_without_a_login_is_warned_of(tmp_path: Path, demo: Any) -> None:
    with Standalone(tmp_path / "open", demo, arguments=["--listen"]) as app:
        assert "WARNING: everyone who can reach this computer" in app.log()
        for word in ("without a login", "your key", "--auth NAME:PASSWORD"):
            assert word in app.log(), word
    with Standalone(tmp_path / "closed", demo, arguments=["--listen", "--auth", "ada:secret"]) as app:
        assert "WARNING" not in app.log()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_consoles_encoding_does_not_stop_the_start(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding, errors="strict"))
    launcher.say("The library is in /home/Łucja/模型")
    told = written.getvalue().decode(encoding)
    assert told.startswith("The library is in /home/") and told.endswith("\n")
    assert ("模型" in told) is (encoding == "utf-8")
    monkeypatch.setattr(sys, "stdout", None)  # pythonw: no console at all
    launcher.say("heard by nobody")


def test_it_starts_on_a_console_that_knows_ascii_only(tmp_path: Path) -> None:
    """``--demo`` names its folder."""
    environment = {"PYTHONIOENCODING": "ascii:strict", "XDG_CACHE_HOME": str(tmp_path / "Łucja"), "PYTHONUTF8": "0"}
    app = Standalone(tmp_path / "app", arguments=["--demo"], key="")
    command = app.command()
    at = command.index("--data-dir")
    app.command = lambda: [*command[:at], *command[at + 2 :]]  # type: ignore[method-assign]
    app.environment = lambda: {**Standalone.environment(app), **environment}  # type: ignore[method-assign]
    with app:
        assert "\\u0141ucja" in app.log() and "is ready" in app.log()


def test_the_page_needs_no_other_site(tmp_path: Path, demo: Any) -> None:
    with Standalone(tmp_path, demo) as app, Browser() as browser:
        page = browser.open(app.url)
        page.wait_for_function("() => window.civitaiManager && window.civitaiManager.page")
        page.wait_for_timeout(1000)
        assert browser.foreign == []
        assert browser.errors == []


def test_the_demo_is_offline_and_has_a_library(tmp_path: Path) -> None:
    """``--demo`` in a network namespace would be the same: its only connections are to this computer."""
    app = Standalone(tmp_path, arguments=["--demo"], key="")
    with app:
        until(lambda: len(app.cards()) >= 10, 60, "the demo's models")
        until(lambda: sum(card["state"] == "downloaded" for card in app.cards()) >= 2, 60, "the demo's downloads")
        assert "nothing leaves it" in app.log()
        numbers = [card["id"] for card in app.cards()]
        assert app.get(f"/civitai-manager/thumbnail/{numbers[0]}").status_code == 200
        assert app.stop() == 0
        app.start()
        assert [card["id"] for card in app.cards()] == numbers
        assert "Traceback" not in app.log()


def test_two_demos_do_not_fight_for_ports(tmp_path: Path) -> None:
    with Standalone(tmp_path / "one", arguments=["--demo"], key="") as one, Standalone(tmp_path / "two", arguments=["--demo"], key="") as two:
        for app in (one, two):
            until(lambda app=app: len(app.cards()) >= 10, 60, "the demo's models")


def test_help_names_the_commands(tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, str(ROOT / "main.py"), "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0
    for word in ("--demo", "--listen", "--models-dir", "register", "download", "doctor"):
        assert word in result.stdout
