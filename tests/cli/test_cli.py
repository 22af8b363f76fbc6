"""``python main.py COMMAND`` as a real process against the demo Civitai."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import NOWHERE, ROOT, finished, make_application, until

from demo.catalogue import FIRST, SPECIAL
from demo.server import KEY

OTTER = SPECIAL["training_data_first"]
HILL = SPECIAL["medium_file"]


class Terminal:
    """Runs commands on one library, as a person would."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.outputs: list[str] = []

    def command(self, *arguments: str, plain: bool = False) -> list[str]:
        own = [] if plain else ["--data-dir", str(self.folder / "data"), "--models-dir", str(self.folder / "webui"), "--civitai-url", self.url]
        return [sys.executable, str(ROOT / "main.py"), *own, *arguments]

    def environment(self, key: str = KEY) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CIVITAI") and "proxy" not in name.lower()}
        short = {"CIVITAI_MANAGER_HTTP_RETRY_DELAY": "0.05", "CIVITAI_MANAGER_DOWNLOAD_TIMEOUT": "5"}
        return {**kept, **short, "CIVITAI_API_KEY": key, "HOME": str(self.folder), "PYTHONUNBUFFERED": "1"}

    def run(self, *arguments: str, plain: bool = False, key: str = KEY) -> subprocess.CompletedProcess[str]:
        command = self.command(*arguments, plain=plain)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=self.environment(key), cwd=self.folder)
        self.outputs += [done.stdout, done.stderr]
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def json(self, *arguments: str, status: int = 0, key: str = KEY) -> Any:
        """The one document on standard output."""
        done = self.run(*arguments, "--json", key=key)
        assert done.returncode == status, done.stderr + done.stdout
        return json.loads(done.stdout)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(self.command(*arguments), env=self.environment(), cwd=self.folder, text=True, **options)


@pytest.fixture
def terminal(tmp_path: Path, demo: Any) -> Terminal:
    return Terminal(tmp_path, demo.url)


def test_the_story(terminal: Terminal, tmp_path: Path) -> None:
    shown = terminal.json("show", str(OTTER.model_id))
    assert (shown["name"], shown["registered"]) == ("Feather Otter", ""), "looking does not register"
    assert terminal.json("list") == []
    registered = terminal.json("register", str(OTTER.model_id), f"https://civitai.com/models/{FIRST[0]}")
    assert registered["state"] == "done" and registered["result"]["new"] == 2
    assert {card["id"] for card in terminal.json("list")} == {OTTER.model_id, FIRST[0]}
    assert [card["name"] for card in terminal.json("list", "feather", "OTTER")] == ["Feather Otter"]
    downloaded = terminal.json("download", str(OTTER.model_id))
    path = Path(downloaded["result"]["path"])
    assert path == tmp_path / "webui" / "models" / "Lora" / "featherOtter.safetensors" and downloaded["result"]["verified"]
    shown = terminal.json("show", f"https://civitai.com/models/{OTTER.model_id}?modelVersionId={OTTER.version_id}")
    assert shown["registered"] and [file["local"] for file in shown["versions"][0]["files"]] == [[], [str(path)]]
    jobs = terminal.json("jobs")
    assert [(job["kind"], job["state"]) for job in jobs] == [("register", "done"), ("download", "done")]
    assert terminal.json("resume") == []
    again = terminal.json("download", str(OTTER.model_id))
    assert again["result"]["already_here"]
    assert KEY not in "".join(terminal.outputs)


def test_words_for_people(terminal: Terminal, tmp_path: Path) -> None:
    done = terminal.run("register", str(OTTER.model_id))
    assert done.returncode == 0 and re.search(rf"registered +{OTTER.model_id} +Feather Otter", done.stdout) and done.stderr == ""
    assert re.search(r"^refreshed", terminal.run("register", str(OTTER.model_id)).stdout)
    done = terminal.run("download", str(OTTER.model_id), "--to", "here")
    assert done.stdout.startswith(str(tmp_path / "here" / "featherOtter.safetensors")) and "verified" in done.stdout and done.stderr == ""
    done = terminal.run("list")
    assert "Feather Otter" in done.stdout and "downloaded" in done.stdout and "1 model\n" in done.stderr
    done = terminal.run("show", str(OTTER.model_id))
    assert "here: " + str(tmp_path / "here") in done.stdout and "Feather Otter" in done.stdout
    done = terminal.run("jobs")
    assert done.stdout.count("done") == 3
    assert "nothing to resume" in terminal.run("resume").stderr
    assert all("\r" not in text for text in terminal.outputs), "no progress bar where nobody looks"


@pytest.mark.parametrize("place", ["before", "after"])
def test_global_options_stand_before_or_after(tmp_path: Path, demo: Any, place: str) -> None:
    terminal = Terminal(tmp_path, demo.url)
    options = ["--data-dir", str(tmp_path / "d"), f"--models-dir={tmp_path / 'm'}", "--civitai-url", demo.url, "--json"]
    words = ["download", str(OTTER.model_id)]
    done = terminal.run(*(options + words if place == "before" else words + options), plain=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["path"] == str(tmp_path / "m" / "models" / "Lora" / "featherOtter.safetensors")
    assert (tmp_path / "d" / "catalog.db").exists()


def test_version_and_file(terminal: Terminal) -> None:
    case = SPECIAL["variants_same_name"]
    result = terminal.json("download", str(case.model_id), "--version", str(case.version_id), "--file", str(case.file_id + 2))["result"]
    assert (result["version_id"], result["file_id"]) == (case.version_id, case.file_id + 2)
    error = terminal.json("download", str(case.model_id), "--file", "5", status=1)["error"]
    assert error["code"] == "nothing_to_download"


def test_some_failed_is_1_and_names_each(terminal: Terminal) -> None:
    document = terminal.json("register", str(FIRST[0]), str(SPECIAL["deleted"].model_id), "nonsense/nothing.html", status=1)
    assert [one["model_id"] for one in document["error"]["registered"]] == [FIRST[0]]
    assert {one["code"] for one in document["error"]["failed"]} == {"not_found", "not_a_link"}
    done = terminal.run("register", str(FIRST[1]), str(SPECIAL["deleted"].model_id))
    assert done.returncode == 1 and str(FIRST[1]) in done.stdout and f"failed      {SPECIAL['deleted'].model_id}: " in done.stderr


def test_a_failed_job_can_be_resumed(terminal: Terminal, demo: Any) -> None:
    demo.fault("error", path="/models/4000003", status=500)
    document = terminal.json("register", str(OTTER.model_id), status=1)
    assert document["error"]["code"] == "service_down"
    demo.clear_faults()
    (resumed,) = terminal.json("resume", document["id"])
    assert resumed["state"] == "done" and [card["id"] for card in terminal.json("list")] == [OTTER.model_id]


def test_of_equal_failed_jobs_only_the_newest_is_resumed(terminal: Terminal, demo: Any) -> None:
    demo.fault("error", path="/models/400", status=500)
    first, second = (terminal.json("register", str(OTTER.model_id), status=1)["id"] for _ in range(2))
    other = terminal.json("register", str(HILL.model_id), status=1)["id"]
    demo.clear_faults()
    done = terminal.run("resume", "--json")
    assert done.returncode == 0, done.stderr
    assert [(job["id"], job["state"]) for job in json.loads(done.stdout)] == [(second, "done"), (other, "done")]
    assert done.stderr.count("skipped") == 1 and first in done.stderr and second in done.stderr
    assert {job["id"]: job["state"] for job in terminal.json("jobs")} == {first: "failed", second: "done", other: "done"}
    done = terminal.run("resume")
    assert done.returncode == 0 and done.stdout == "" and done.stderr.strip() == "nothing to resume", "the newer one has done its work"


def test_ctrl_c_pauses_all_that_are_resumed(terminal: Terminal, demo: Any) -> None:
    demo.fault("error", path="/models/400", status=500)
    ids = {terminal.json("register", str(case.model_id), status=1)["id"] for case in (OTTER, HILL)}
    demo.clear_faults()
    demo.fault("slow", path="/models/", seconds=6)
    demo.forget()
    process = terminal.start("resume", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: len(demo.requests) == 2, 40)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in told
    demo.clear_faults()
    application = make_application(terminal.folder, demo)
    try:
        application.start(serving=False)
        assert {record.id: (record.state, record.owner) for record in application.jobs.unfinished("register")} == dict.fromkeys(ids, ("paused", None))
    finally:
        application.close()


def test_names_in_any_script_go_into_a_redirected_output(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where a redirected output is cp1252."""
    case = SPECIAL["huge_text"]
    terminal.run("register", str(case.model_id))
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    for words in (["list"], ["list", "--json"], ["show", str(case.model_id)]):
        done = subprocess.run(terminal.command(*words), capture_output=True, timeout=60, env=terminal.environment(), cwd=terminal.folder)
        assert done.returncode == 0, done.stderr
        assert "朝の光 · صباح · 🌄" in done.stdout.decode("utf-8")
    done = subprocess.run(terminal.command("register", "水彩 🌄"), capture_output=True, timeout=60, env=terminal.environment(), cwd=terminal.folder)
    assert done.returncode == 2 and b"\\u6c34\\u5f69" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["register", "what is this"], "not_a_link"), (["download", "what"], "not_a_link"), (["show", "what"], "not_a_link"),
        (["resume", "nojob"], "unknown_job"), (["cancel", "nojob"], "unknown_job"), (["show", "5 6"], "not_a_link"),
    ],
)  # fmt: skip
def test_wrong_usage_is_2(terminal: Terminal, words: list[str], code: str) -> None:
    assert terminal.json(*words, status=2)["error"]["code"] == code
    done = terminal.run(*words)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.strip()


@pytest.mark.parametrize(
    "words", [["register"], ["download"], ["download", "5", "--version", "x"], ["lst"], ["list", "--nonsense"], ["show"], ["cancel"]]
)
def test_wrong_words_are_2_too(terminal: Terminal, words: list[str]) -> None:
    done = terminal.run(*words)
    assert done.returncode == 2 and "usage" in done.stderr and done.stdout == ""


def test_an_address_that_no_key_may_go_to_is_2(terminal: Terminal) -> None:
    done = terminal.run("list", "--json", "--civitai-url", "http://example.org")
    assert done.returncode == 2 and json.loads(done.stdout)["error"]["code"] == "bad_setting"


def test_a_risky_file_needs_yes(terminal: Terminal) -> None:
    case = SPECIAL["pickle_danger"]
    error = terminal.json("download", str(case.model_id), status=1)["error"]
    assert error["code"] == "needs_confirmation" and "--yes" in error["next_step"]
    assert terminal.json("download", str(case.model_id), "--yes")["state"] == "done"


def test_offline(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, NOWHERE)
    for words in (["register", "5"], ["download", "5"], ["show", "5"]):
        assert terminal.json(*words, status=1)["error"]["code"] == "offline"
    assert terminal.json("list") == []


@pytest.mark.parametrize("key", [KEY, "wrong-key-0123456789abcdef"])
def test_the_key_is_in_no_output_and_no_file(terminal: Terminal, tmp_path: Path, demo: Any, key: str) -> None:
    for words in (
        ["register", str(OTTER.model_id)],
        ["download", str(OTTER.model_id)],
        ["download", str(SPECIAL["early_access"].model_id)],
        ["jobs"],
        ["resume"],
    ):
        terminal.run(*words, "--verbose", key=key)
        terminal.run(*words, "--json", key=key)
    assert any("INFO" in text for text in terminal.outputs), "--verbose says more"
    assert key not in "".join(terminal.outputs)
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or key.encode() not in file.read_bytes(), file


def on_terminal(
    terminal: Terminal, *words: str, until_text: Callable[[str], bool] | None = None, signal_then: int | None = None
) -> tuple[int, str, str]:
    """Run with standard error on a real terminal: status, standard output, what the terminal showed."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    process = terminal.start(*words, stdout=subprocess.PIPE, stderr=slave)
    os.close(slave)
    shown, end = "", time.monotonic() + 60
    while time.monotonic() < end:
        ready, _, _ = select.select([master], [], [], 0.1)
        if ready:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the process has closed its end
                break
            if not piece:
                break
            shown += piece.decode(errors="replace")
            if until_text is not None and signal_then is not None and until_text(shown):
                process.send_signal(signal_then)
                until_text = None
        elif process.poll() is not None:
            break
    out, _ = process.communicate(timeout=30)
    os.close(master)
    return process.returncode, out, shown


def test_progress_is_on_the_terminal_only(terminal: Terminal, demo: Any) -> None:
    demo.fault("drip", path="/model/4010301", times=1, rate=100_000)
    status, out, shown = on_terminal(terminal, "download", str(OTTER.model_id), "--json")
    assert status == 0 and json.loads(out)["state"] == "done"
    assert "\r" in shown and "featherOtter.safetensors" in shown and "%" in shown


def test_the_terminal_says_what_is_waited_for_and_its_clock_goes_on(terminal: Terminal, demo: Any) -> None:
    demo.fault("stall", path="/model/4012900", times=1, after=3_000_000, seconds=4.5)
    status, out, shown = on_terminal(terminal, "download", str(HILL.model_id), "--json")
    assert status == 0 and json.loads(out)["state"] == "done"
    assert re.search(r"no byte for [23] s", shown), shown[-2000:]
    silent = [line for line in shown.split("\r") if "no byte for" in line]
    assert len({found[1] for line in silent if (found := re.search(r"\[(\d\d:\d\d)<", line))}) >= 2, "the time on the line goes on"


def test_a_terminal_that_goes_away_costs_the_line_and_not_the_work(terminal: Terminal, demo: Any) -> None:
    demo.fault("drip", path="/model/4012900", times=1, rate=5_000_000)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    process = terminal.start("download", str(HILL.model_id), "--json", stdout=subprocess.PIPE, stderr=slave)
    os.close(slave)
    shown = ""
    end = time.monotonic() + 60
    while not in_the_middle(shown) and time.monotonic() < end:
        shown += os.read(master, 65536).decode(errors="replace")
    os.close(master)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and json.loads(out)["state"] == "done"


@pytest.mark.parametrize("how", ["closed", "broken"])
def test_a_standard_error_that_nobody_reads_does_not_break_the_work(terminal: Terminal, tmp_path: Path, how: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "settings.json").write_text("{broken")  # there is something to be told before the work begins
    words = terminal.command("register", str(OTTER.model_id), str(SPECIAL["deleted"].model_id), "--json")
    if how == "closed":
        done = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *words], stdout=subprocess.PIPE, timeout=60, env=terminal.environment())
    else:
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=writing, timeout=60, env=terminal.environment())
        os.close(writing)
    document = json.loads(done.stdout)
    assert done.returncode == 1 and [one["model_id"] for one in document["error"]["registered"]] == [OTTER.model_id]


def in_the_middle(shown: str) -> bool:
    return re.search(r"hillOfData.* [1-9]\d*%", shown) is not None


def test_ctrl_c_pauses_and_tells_how_to_go_on(terminal: Terminal, demo: Any, tmp_path: Path) -> None:
    demo.fault("drip", path="/model/4012900", times=1, rate=10_000_000)
    status, out, shown = on_terminal(terminal, "download", str(HILL.model_id), "--json", until_text=in_the_middle, signal_then=signal.SIGINT)
    assert status == 130 and "Traceback" not in shown and json.loads(out)["state"] == "paused"
    found = re.search(r"Paused. Go on with: python main.py resume (\w+)", shown)
    assert found, shown[-500:]
    part = tmp_path / "webui" / "models" / "Stable-diffusion" / "hillOfData.safetensors.part"
    kept = part.stat().st_size
    assert kept > 0
    (job,) = terminal.json("jobs")
    assert (job["id"], job["state"]) == (found[1], "paused") and job["bytes_done"] > 0
    demo.forget()
    (resumed,) = terminal.json("resume", found[1])
    assert resumed["state"] == "done" and resumed["result"]["verified"] and not part.exists()
    assert [one["headers"].get("Range") for one in demo.requests if "/model/" in one["path"] and one["origin"] == "storage"] == [f"bytes={kept}-"]


def test_ctrl_c_while_looking_says_nothing_ugly(terminal: Terminal, demo: Any) -> None:
    demo.fault("slow", path="/models/", seconds=8)
    process = terminal.start("show", str(OTTER.model_id), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: demo.requests)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=15)
    assert process.returncode == 130 and out == "" and "Traceback" not in err


def test_a_second_process_sees_and_stops_the_job(terminal: Terminal, demo: Any, tmp_path: Path) -> None:
    demo.fault("drip", path="/model/4012900", rate=10_000_000)
    first = terminal.start("download", str(HILL.model_id), "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        job = until(lambda: next((one for one in terminal.json("jobs") if one["bytes_done"] > 0), None), 15)
        assert job["state"] == "running" and job["elsewhere"] and job["title"] == "hillOfData.safetensors"
        tab = make_application(tmp_path, demo)
        tab.start()
        try:
            assert tab.jobs.view(job["id"]).state == "running", "an open tab sees what the terminal does"
            tab.jobs.pause(job["id"])
            assert finished(tab, job["id"], 10).state == "paused"
        finally:
            tab.close()
        out, _ = first.communicate(timeout=20)
        assert json.loads(out)["state"] == "paused" and first.returncode == 1
        cancelled = terminal.json("cancel", job["id"])
        assert cancelled["state"] == "cancelled"
        assert not list((tmp_path / "webui").rglob("*.part*"))
    finally:
        first.kill()
        first.communicate()


def test_a_killed_command_is_resumed(terminal: Terminal, demo: Any, tmp_path: Path) -> None:
    demo.fault("drip", path="/model/4012900", times=1, rate=10_000_000)
    process = terminal.start("download", str(HILL.model_id), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder = tmp_path / "webui" / "models" / "Stable-diffusion"
    until(lambda: [part for part in folder.glob("*.part") if part.stat().st_size > 1_000_000], 15)
    process.kill()
    process.wait(10)
    assert [job["state"] for job in terminal.json("jobs")] == ["paused"]
    (resumed,) = terminal.json("resume")
    assert resumed["state"] == "done" and resumed["result"]["verified"]
    assert not list(folder.glob("*.part*"))


def test_a_pipe_that_closes_early_is_no_trouble(terminal: Terminal) -> None:
    terminal.run("register", *map(str, FIRST[:3]))
    command = " ".join(f"'{word}'" for word in terminal.command("list")) + " | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, env=terminal.environment())
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


def test_notices_go_to_standard_error(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "settings.json").write_text("{broken")
    done = terminal.run("list", "--json")
    assert json.loads(done.stdout) == [] and "set aside as settings.broken-" in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["register", "--help"], ["download", "--help"]])
def test_help(terminal: Terminal, words: list[str]) -> None:
    done = terminal.run(*words, plain=True)
    assert done.returncode == 0 and "usage" in done.stdout and done.stderr == ""


def test_searching_civitai(terminal: Terminal, demo: Any) -> None:
    found = terminal.json("search", "--type", "LORA", "--type", "LoCon", "--sort", "Newest", "--limit", "5")["items"]
    assert 0 < len(found) <= 5 and {one["type"] for one in found} <= {"LORA", "LoCon"}
    assert all(one["mark"] is None for one in found) and terminal.json("list") == []
    named = terminal.json("search", f"https://civitai.com/models/{OTTER.model_id}")["items"]
    assert [one["name"] for one in named] == ["Feather Otter"]
    terminal.json("register", str(OTTER.model_id))
    done = terminal.run("search", "feather", "otter")
    assert done.returncode == 0 and re.search(rf"{OTTER.model_id} +registered +Feather Otter · ", done.stdout) and done.stderr == ""
    assert "nothing that matches" in terminal.run("search", "no-such-thing-at-all").stdout
    assert terminal.run("search", "--sort", "Best").returncode == 2
    done = terminal.run("search", "--creator", "nobody_of_that_name")
    assert done.returncode == 1 and "does not know the creator nobody_of_that_name" in done.stderr
