"""The settings file: typed, private, atomic; what is broken is kept and said; the environment is never written back."""

from __future__ import annotations

import json
import logging
import math
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from civitai_manager_libs.errors import BadSetting, NotWritable
from civitai_manager_libs.settings import Settings, SettingsStore, check_url
from support import SCRIPTS

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "settings.json"


def store(file: Path, environ: dict[str, str] | None = None, **overrides: object) -> SettingsStore:
    return SettingsStore(file, environ=environ or {}, overrides=overrides)


def write(file: Path, content: bytes | str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_without_a_file_there_are_defaults_and_nothing_is_written(file: Path) -> None:
    made = store(file)
    assert made.current == Settings() and made.notices == []
    assert made.current.civitai_url == "https://civitai.com" and made.current.parallel_downloads == 3
    assert (made.current.http_timeout, made.current.download_timeout, made.current.http_retry_delay) == (60, 600, 2)
    assert not file.parent.exists()


def test_a_value_comes_back_at_the_next_start(file: Path) -> None:
    store(file).update({"api_key": f"  {KEY}\n", "parallel_downloads": "5", "write_sidecars": "false", "http_timeout": 12})
    again = store(file)
    assert again.current == Settings(api_key=KEY, parallel_downloads=5, write_sidecars=False, http_timeout=12.0)
    assert json.loads(file.read_text())["api_key"] == KEY


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes; its user folders are private by their access lists")
def test_the_file_is_private_even_where_an_open_one_was(file: Path) -> None:
    write(file, "{}")
    file.chmod(0o644)
    before = os.umask(0)
    try:
        store(file).update({"api_key": KEY})
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_nothing_is_left_beside_it_and_a_failed_write_keeps_the_old_one(file: Path) -> None:
    made = store(file)
    made.update({"api_key": KEY})
    assert [path.name for path in file.parent.iterdir() if not path.name.endswith(".lock")] == ["settings.json"]
    blocked = SettingsStore(file / "below a file" / "settings.json", environ={})
    with pytest.raises(NotWritable):
        blocked.update({"api_key": "new"})
    assert blocked.current.api_key == ""
    assert store(file).current.api_key == KEY


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1, 2]", b"null", b'"text"', b"\x00\x01\x02", b'{"api_key": "\xff\xfe"}', b"[" * 100_000, b'{"a": ' * 50_000],
)
def test_a_broken_file_is_set_aside_under_a_dated_name_and_said(file: Path, content: bytes) -> None:
    write(file, content)
    made = store(file)
    assert made.current == Settings()
    (aside,) = file.parent.glob("settings.broken-20*.json")
    assert aside.read_bytes() == content and not file.exists()
    assert len(made.notices) == 1 and aside.name in made.notices[0] and "broken" in made.notices[0]
    made.update({"parallel_downloads": 2})
    assert store(file).notices == []


def test_two_broken_files_in_one_second_are_both_kept(file: Path) -> None:
    for content in (b"{one", b"{two"):
        write(file, content)
        store(file)
    assert sorted(path.read_bytes() for path in file.parent.glob("settings.broken-*")) == [b"{one", b"{two"]


def test_a_byte_order_mark_of_an_editor_does_no_harm(file: Path) -> None:
    write(file, b"\xef\xbb\xbf" + json.dumps({"api_key": KEY}).encode())
    assert store(file).current.api_key == KEY


def test_a_bad_value_costs_only_itself(file: Path) -> None:
    write(file, json.dumps({"api_key": KEY, "parallel_downloads": 99, "http_timeout": "soon", "civitai_url": "http://example.org", "unknown": 1}))
    made = store(file)
    assert made.current == Settings(api_key=KEY)
    assert len(made.notices) == 3
    assert all(any(name in notice for notice in made.notices) for name in ("parallel_downloads", "http_timeout", "civitai_url"))
    made.notices.clear()
    made.update({"proxy": "http://proxy:1"})
    assert made.current == Settings(api_key=KEY, proxy="http://proxy:1")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("parallel_downloads", 0), ("parallel_downloads", 11), ("parallel_downloads", 2.5), ("parallel_downloads", "many"), ("http_timeout", 0),
        ("http_timeout", math.nan), ("http_timeout", "nan"), ("http_timeout", math.inf), ("download_timeout", "inf"), ("http_retry_delay", -1),
        ("write_sidecars", "perhaps"), ("write_sidecars", None), ("api_key", None), ("api_key", 5), ("models_dir", ["a"]), ("civitai_url", ""),
        ("nonsense", 1),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_refused_and_changes_nothing(file: Path, name: str, value: object) -> None:
    made = store(file)
    made.update({"parallel_downloads": 4})
    before = file.read_bytes()
    with pytest.raises(BadSetting) as caught:
        made.update({"proxy": "http://proxy:1", name: value})
    assert name in str(caught.value) or name == "civitai_url"
    assert made.current == Settings(parallel_downloads=4) and file.read_bytes() == before


def test_the_environment_decides_and_is_never_written(file: Path) -> None:
    made = store(file, {"CIVITAI_API_KEY": KEY, "CIVITAI_MANAGER_HTTP_TIMEOUT": "7.5", "CIVITAI_MANAGER_WRITE_SIDECARS": "0"}, models_dir="/models")
    assert (made.current.api_key, made.current.http_timeout, made.current.write_sidecars, made.current.models_dir) == (KEY, 7.5, False, "/models")
    assert made.overridden == {"api_key", "http_timeout", "write_sidecars", "models_dir"}
    made.update({"parallel_downloads": 4, "http_timeout": 30})
    assert made.current.http_timeout == 7.5
    written = json.loads(file.read_text())
    assert (written["api_key"], written["http_timeout"], written["write_sidecars"], written["models_dir"]) == ("", 30, True, "")
    assert KEY not in file.read_text()


def test_our_own_variable_comes_before_the_common_one(file: Path) -> None:
    assert store(file, {"CIVITAI_API_KEY": "common", "CIVITAI_MANAGER_API_KEY": "own"}).current.api_key == "own"


def test_a_bad_variable_is_ignored_and_said_without_its_value(file: Path) -> None:
    made = store(file, {"CIVITAI_MANAGER_PARALLEL_DOWNLOADS": "lots", "CIVITAI_MANAGER_HTTP_TIMEOUT": "9"})
    assert (made.current.parallel_downloads, made.current.http_timeout) == (3, 9)
    assert len(made.notices) == 1 and "parallel_downloads" in made.notices[0]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://civitai.com", "https://civitai.com"), ("https://civitai.red/", "https://civitai.red"), ("civitai.green", "https://civitai.green"),
        ("http://127.0.0.1:7862/", "http://127.0.0.1:7862"), ("http://localhost:8000", "http://localhost:8000"), ("http://[::1]:80", "http://[::1]:80"),
        ("https://mirror.example/civitai/", "https://mirror.example/civitai"),
    ],
)  # fmt: skip
def test_addresses_that_a_key_may_be_sent_to(given: str, kept: str) -> None:
    assert check_url(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        "http://civitai.com", "http://127.0.0.1.example.org", "http://localhost.example.org", "http://10.0.0.1", "ftp://civitai.com", "file:///etc/passwd",
        "javascript:alert(1)", "https://", "https://user:password@civitai.com", "https://user@civitai.com", "https://civitai.com?x=1", "", "   ",
        "https://[::1", "https://civitai.com:99999", "https://civitai.com:port", "https://civi tai.com", "https://civitai.com/\nx", "//", "https:///path",
        "http://127.0.0.1@example.org", "https://civitai.com\\@example.org",
    ],
)  # fmt: skip
def test_addresses_that_a_key_may_not_be_sent_to(given: str) -> None:
    with pytest.raises(BadSetting) as caught:
        check_url(given)
    assert "password" not in str(caught.value)


def test_secrets_are_not_in_what_is_printed_logged_or_raised(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    proxy = "http://user:proxypassword@proxy:3128"
    with caplog.at_level(logging.DEBUG):
        made = store(file, {"CIVITAI_API_KEY": KEY})
        made.update({"proxy": proxy})
        write(file, '{"api_key": "' + KEY)
        broken = store(file)
        for value in ({"x": KEY}, [KEY]):
            with pytest.raises(BadSetting) as caught:
                made.update({"api_key": value})
            assert KEY not in str(caught.value)
    for text in (repr(made.current), str(made.current), f"{made.current}", repr(made), str(broken.notices), caplog.text):
        assert KEY not in text and "proxypassword" not in text
    assert "parallel_downloads=3" in repr(made.current), "the rest is still shown"


def test_many_threads_change_different_settings(file: Path) -> None:
    made = store(file)
    changes = {"proxy": "http://proxy:1", "parallel_downloads": 7, "http_timeout": 33.0, "models_dir": "/m", "subfolder_template": "{creator}"}
    threads = [threading.Thread(target=made.update, args=({name: value},)) for name, value in list(changes.items()) * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = store(file).current
    assert again == made.current == Settings(**changes)


def test_two_programs_do_not_undo_each_others_changes(file: Path) -> None:
    one, two = store(file), store(file)
    one.update({"api_key": KEY})
    two.update({"parallel_downloads": 8})
    assert store(file).current == Settings(api_key=KEY, parallel_downloads=8)
    assert two.current.api_key == KEY, "and it uses what it has read"


def test_programs_that_write_at_once(file: Path) -> None:
    """Real processes: each writes its own setting sixty times; nobody's is lost and no reader sees half a file."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\nfrom pathlib import Path\nfrom civitai_manager_libs.settings import SettingsStore\n"
        "store = SettingsStore(Path(sys.argv[2]), environ={})\nfor n in range(60): store.update({sys.argv[3]: 1 + n / 2})"
    )
    names = ("http_timeout", "download_timeout", "http_retry_delay")
    processes = [subprocess.Popen([sys.executable, "-c", program, str(SCRIPTS), str(file), name]) for name in names]
    while any(process.poll() is None for process in processes):
        if file.exists():
            json.loads(file.read_bytes())
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert [getattr(store(file).current, name) for name in names] == [30.5, 30.5, 30.5]
    assert not list(file.parent.glob("*broken*")) and not list(file.parent.glob(".settings-*"))


def test_a_file_that_cannot_be_read_is_said_and_left(tmp_path: Path) -> None:
    folder = tmp_path / "settings.json"
    folder.mkdir()
    made = SettingsStore(folder, environ={})
    assert made.current == Settings() and len(made.notices) == 1
    with pytest.raises(NotWritable):
        made.update({"parallel_downloads": 2})
    assert folder.is_dir() and made.current == Settings()


def test_a_read_that_fails_once_costs_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, while a virus scanner holds the file."""
    made = store(file)
    made.update({"api_key": KEY, "parallel_downloads": 5})
    before = file.read_bytes()
    read, failures = Path.read_bytes, [PermissionError(13, "Permission denied")]

    def flaky(self: Path) -> bytes:
        if self == file and failures:
            raise failures.pop()
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", flaky)
    with pytest.raises(NotWritable) as caught:
        made.update({"parallel_downloads": 6})
    assert "nothing was saved" in caught.value.message and not failures
    assert file.read_bytes() == before and made.current == Settings(api_key=KEY, parallel_downloads=5)
    made.update({"parallel_downloads": 6})
    assert store(file).current == Settings(api_key=KEY, parallel_downloads=6)


@pytest.mark.parametrize("url", ["https://civitai.red", "https://www.civitai.com", "civitai.green/", "http://127.0.0.1:7862", "https://civitai.com/"])
def test_the_key_stays_with_civitai_and_with_this_computer(file: Path, url: str) -> None:
    made = store(file)
    made.update({"api_key": KEY})
    assert made.update({"civitai_url": url}).api_key == KEY


@pytest.mark.parametrize("url", ["https://mirror.example", "https://civitai.com.example.org", "https://evilcivitai.com", "https://localhost.example.org"])
def test_the_stored_key_does_not_go_to_another_server(file: Path, url: str) -> None:
    made = store(file)
    made.update({"api_key": KEY})
    assert made.update({"civitai_url": url, "api_key": ""}).api_key == "" and KEY not in file.read_text()
    assert made.update({"api_key": "the key of that server"}).api_key, "its own may be stored"
    assert made.update({"civitai_url": url + "/api", "parallel_downloads": 2}).api_key == "the key of that server", "the same server"
    assert made.update({"civitai_url": "https://third.example"}).api_key == ""
    assert made.update({"civitai_url": url, "api_key": "both at once"}).api_key == "both at once"


def test_a_key_for_this_run_stays_with_any_server(file: Path) -> None:
    made = store(file, {"CIVITAI_API_KEY": KEY})
    assert made.update({"civitai_url": "https://mirror.example"}).api_key == KEY and KEY not in file.read_text()


def test_where_others_may_read_the_file_no_secret_is_kept(file: Path) -> None:
    made = SettingsStore(file, environ={}, private=False)
    assert len(made.notices) == 1 and "CIVITAI_API_KEY" in made.notices[0]
    for changes in ({"api_key": KEY}, {"proxy": "http://user:word@proxy:1", "parallel_downloads": 2}):
        with pytest.raises(BadSetting) as caught:
            made.update(changes)
        assert "CIVITAI_API_KEY" in caught.value.next_step
    assert not file.exists() and made.update({"proxy": "http://proxy:1", "api_key": ""}).proxy == "http://proxy:1"
    assert SettingsStore(file, environ={"CIVITAI_API_KEY": KEY}, private=False).notices == [], "nothing to tell"
    assert KEY not in file.read_text()


def test_a_key_that_was_kept_where_others_may_read_it_is_taken_out(file: Path) -> None:
    store(file).update({"api_key": KEY, "parallel_downloads": 5})
    made = SettingsStore(file, environ={}, private=False)
    assert made.current == Settings(parallel_downloads=5) and KEY not in file.read_text()
    assert any("Make a new one" in notice for notice in made.notices)
