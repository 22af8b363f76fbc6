"""What the diagnostics say, and what they never say: with made-up surroundings, on the real server, and from ``main.py doctor``."""

from __future__ import annotations

import json
import subprocess
import types
from pathlib import Path
from typing import Any

import pytest
import requests
from civitai_manager_libs.hosts import diagnostics
from civitai_manager_libs.hosts.diagnostics import Place
from civitai_manager_libs.settings import SettingsStore
from support import NOWHERE, make_application

from demo.server import KEY
from tests.hostapp.harness import Standalone, until

PASSWORD, LOGIN = "pa55:w@rd", "ada:pa55:w@rd"
PROXY = f"http://{LOGIN}@proxy.example:8080"


def by_title(answer: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Title -> name -> [value, note]."""
    return {section["title"]: {row[0]: row[1:] for row in section["rows"]} for section in answer["sections"]}


def look(place: Place, loop: str = "Loop", application: Any = None) -> dict[str, dict[str, list[str]]]:
    def missing() -> Any:
        raise RuntimeError("not started")

    return by_title(diagnostics.report(application or missing, place, loop))


def page(major: int) -> Any:
    queue = {"max_thread_count": 64} if major == 3 else {"default_concurrency_limit": 1, "max_thread_count": 40}
    return types.SimpleNamespace(
        _queue=types.SimpleNamespace(max_size=None, **queue), enable_queue=True, api_open=True, root_path="/sd", auth=[("ada", "secret")]
    )


def middleware(*names: str) -> Any:
    return types.SimpleNamespace(user_middleware=[types.SimpleNamespace(cls=type(name, (), {})) for name in names], auth={"ada": "secret"})


def test_the_queue_of_each_gradio() -> None:
    three, four = (look(Place("host", page(major)))["Queue"] for major in (3, 4))
    assert three["queue"][0] == "on" and three["concurrency_count"][0] == "64" and three["max_size"][0] == "no limit"
    assert four["default_concurrency_limit"][0] == "1" and four["api"][0] == "open" and "concurrency_count" not in four
    off = page(3)
    off.enable_queue = False
    assert look(Place("host", off))["Queue"]["queue"][0] == "off"


def test_the_server_and_its_middleware() -> None:
    server = look(Place("host", page(3), middleware("GZipMiddleware", "CORSMiddleware")), "_UnixSelectorEventLoop")["Server"]
    assert server["event loop"] == ["_UnixSelectorEventLoop", ""]
    assert server["middleware"][0] == "GZipMiddleware, CORSMiddleware" and "event streams" in server["middleware"][1]
    assert server["login"][0] == "on" and server["root path"][0] == "/sd"
    assert look(Place("host", page(3), middleware("CORSMiddleware")))["Server"]["middleware"] == ["CORSMiddleware", ""]


@pytest.mark.parametrize(("version", "told"), [("0.23.2", False), ("0.35.0", False), ("0.36.0", True), ("1.0", True)])
def test_the_proactor_loop_is_explained(monkeypatch: pytest.MonkeyPatch, version: str, told: bool) -> None:
    monkeypatch.setattr(diagnostics, "_version", lambda name: version)
    note = look(Place("host"), "ProactorEventLoop")["Server"]["event loop"][1]
    assert "WinError 10054" in note
    assert ("whatever event loop policy" in note) is told


def test_what_cannot_be_read_says_so_and_hides_nothing_else() -> None:
    class Strange:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(f"no {name} for you")

    found = look(Place("host", Strange(), Strange()))
    assert set(found) == {"Versions", "Queue", "Server", "Repairs", "Data", "Settings"}
    assert "for you" in found["Queue"]["could not be read"][0]
    assert found["Server"]["event loop"][0] == "Loop" and "for you" in found["Server"]["could not be read"][0]
    assert found["Data"]["could not be read"][0] == "not started"
    assert found["Settings"]["settings"][0] == "unknown"
    assert found["Versions"]["gradio"][0]


@pytest.mark.parametrize(("proxy", "shown"), [
    (PROXY, "http://proxy.example:8080"),
    ("http://proxy.example:8080", "http://proxy.example:8080"),
    ("socks5h://u:p/w@d@[::1]:1080/x?y", "socks5h://[::1]:1080"),
    ("u:p@proxy.example", "proxy.example"),
    ("", ""),
])  # fmt: skip
def test_a_proxy_is_shown_without_its_login(proxy: str, shown: str) -> None:
    assert diagnostics.bare(proxy) == shown


def test_no_secret_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the key, not a proxy's login, neither from the settings nor from the environment, nor where it should never be: in a folder's name."""
    monkeypatch.setenv("HTTPS_PROXY", "http://eve:0ther-pass@elsewhere.example:1")
    application = make_application(tmp_path / f"with {KEY}", NOWHERE, proxy=PROXY, parallel_downloads=5)
    application.start()
    try:
        answer = diagnostics.report(lambda: application, Place("host", page(4), middleware(KEY)), "Loop")
        text = json.dumps(answer) + diagnostics.as_text(answer["sections"])
        for secret in (KEY, PASSWORD, LOGIN, "pa55", "0ther-pass"):
            assert secret not in text, secret
        settings = by_title(answer)["Settings"]
        assert settings["api_key"][0] == "set" and settings["proxy"][0] == "set: http://proxy.example:8080"
        assert settings["parallel_downloads"][0] == "5" and "http_timeout" in settings
        assert "resume_at_start" not in settings, "only what differs"
    finally:
        application.close()
    store = SettingsStore(tmp_path / "none.json", environ={})
    proxy = look(Place("host", settings=store))["Settings"]["proxy"]
    assert proxy == ["not set", "the environment's HTTPS_PROXY: http://elsewhere.example:1"]


def test_the_data(running: Any) -> None:
    data = look(Place("host"), application=lambda: running)["Data"]
    assert data["models"][0] == "0" and data["jobs"][0] == "0" and data["other programs"][0] == "0"
    assert data["catalog"][0].endswith(" MB") and data["LoRA folder"][1] == "does not exist yet"


# -- the real server


def test_the_route_of_the_server(tmp_path: Path, demo: Any) -> None:
    with Standalone(tmp_path, demo, environment={"CIVITAI_MANAGER_PROXY": ""}) as app:
        answer = app.get("/civitai-manager/diagnostics")
        assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
        assert KEY not in answer.text
        found = by_title(answer.json())
        assert found["Versions"]["host"][0] == "standalone" and found["Versions"]["uvicorn"][0][0].isdigit()
        assert "EventLoop" in found["Server"]["event loop"][0] and found["Server"]["login"][0] == "off"
        assert found["Queue"]["queue"][0] == "on" and found["Repairs"]["queue"][0] == "not needed"
        assert found["Settings"]["api_key"][0] == "set"

        assert app.get("/civitai-manager/reach").status_code in (404, 405)
        assert requests.post(f"{app.url}/civitai-manager/reach", json={"text": ""}, timeout=10).status_code == 403, "our header is missing"
        ticket = "00000000beef"
        for _ in range(2):
            answer = app.post("/civitai-manager/reach", json={"text": "", "ticket": ticket})
            assert answer.status_code == 200 and answer.json() == {"job": ticket}
        view = until(lambda: next((job for job in app.jobs() if job["id"] == ticket and job["state"] == "done"), None), 20, "the answer")
        assert view["kind"] == "reach" and view["title"] == "Ask Civitai" and view["result"]["key"] == "accepted"
        check_other_tickets(app)


def check_other_tickets(app: Standalone) -> None:
    """The same press twice, and what is no body at all."""
    ticket = "0123456789ab"
    bodies = [{"text": "4100000", "ticket": ticket}, {"text": "4100000", "ticket": ticket}, {"text": "4100001", "ticket": ticket}]
    assert [app.post("/civitai-manager/register", json=body).json() for body in bodies] == [{"job": ticket}] * 3
    assert app.post("/civitai-manager/register", json={"text": "4100000", "ticket": 7}).status_code == 400
    for body in ("[]", "null", '"text"', "{", "[" * 100_000):
        assert app.post("/civitai-manager/register", data=body).status_code == 400
    until(lambda: [card["id"] for card in app.cards()] == [4100000], 20, "the model")
    picture = {"url": "http://127.0.0.1:9/none.png", "ticket": "0123456789ac"}
    answers = [app.post("/civitai-manager/models/4100000/thumbnail", json=picture) for _ in range(2)]
    assert answers[0].json() == answers[1].json() and answers[0].status_code in (200, 404)


def test_the_login_guards_the_diagnostics(tmp_path: Path, demo: Any) -> None:
    with Standalone(tmp_path, demo, arguments=["--auth", "ada:secret"]) as app:
        assert app.get("/civitai-manager/diagnostics").status_code == 401
        assert app.post("/civitai-manager/reach", json={"text": ""}).status_code == 401
        session = requests.Session()
        assert session.post(f"{app.url}/login", data={"username": "ada", "password": "secret"}, timeout=10).status_code == 200
        answer = app.get("/civitai-manager/diagnostics", session)
        assert by_title(answer.json())["Server"]["login"][0] == "on" and "secret" not in answer.text


# -- the doctor


def doctor(app: Standalone, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    at = app.command()
    command = [*at[:2], *at[at.index("--data-dir") :], "doctor", *arguments]
    done = subprocess.run(command, cwd=app.folder, env={**app.environment(), **environment}, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    assert KEY not in done.stdout + done.stderr
    return done


def test_the_doctor_says_the_same_and_asks_civitai(tmp_path: Path, demo: Any) -> None:
    app = Standalone(tmp_path, demo)
    before = doctor(app)
    assert before.returncode == 0 and "there is no library in" in before.stdout
    assert not (app.data_dir / "catalog.db").exists()
    with app:
        assert app.register("4100000")["state"] == "done"
        during = doctor(app)
        assert during.returncode == 0, during.stderr
        for word in ("Versions", "gradio", "event loop", "default_concurrency_limit", "Repairs", "Settings", "Reached in", "Your key is accepted."):
            assert word in during.stdout, word
        found = json.loads(doctor(app, "--json").stdout)
        assert found["civitai"]["key"] == "accepted" and found["error"] is None
        titles = by_title(found)
        assert titles["Data"]["models"][0] == "1" and titles["Data"]["other programs"][0] == "1" and titles["Data"]["jobs"][0] == "1"
        assert set(titles) == set(by_title(app.get("/civitai-manager/diagnostics").json()))
        assert [job["kind"] for job in app.jobs()] == ["register"], "it leaves nothing behind"


def test_the_doctor_fails_when_civitai_is_not_reached(tmp_path: Path) -> None:
    app = Standalone(tmp_path, arguments=["--civitai-url", NOWHERE], environment={"CIVITAI_MANAGER_HTTP_RETRY_DELAY": "0.05"})
    done = doctor(app, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1 and found["error"]["code"] == "offline" and by_title(found)["Versions"]


def test_the_doctor_with_a_broken_library_or_a_wrong_word(tmp_path: Path, demo: Any) -> None:
    app = Standalone(tmp_path, demo)
    (app.data_dir / "catalog.db").mkdir(parents=True)
    done = doctor(app, PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and "could not be read" in done.stdout and "Reached in" in done.stdout
    assert doctor(app, "--nonsense").returncode == 2
    wrong = Standalone(tmp_path / "wrong", arguments=["--civitai-url", "http://example.org"])
    done = doctor(wrong, "--json")
    assert done.returncode == 2 and "http://example.org" in done.stderr and json.loads(done.stdout)["error"]["code"]
