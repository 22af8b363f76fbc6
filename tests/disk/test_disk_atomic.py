"""Atomic writes: new or old, never half; nothing left behind; refusals explained."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from civitai_manager_libs.disk import atomic
from civitai_manager_libs.errors import NoSpace, NotWritable

from .mounts import PREPARE, run_on_mount


def test_writes_new_and_old_files(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.json"
    atomic.write_json(path, {"a": "裸 é"})
    assert "裸 é" in path.read_text("utf-8") and json.loads(path.read_text("utf-8")) == {"a": "裸 é"}
    atomic.write_json(path, {"a": "裸 é"}, ascii_only=True)
    assert path.read_bytes().isascii() and path.read_bytes().startswith(b'{\n    "a"')
    atomic.write(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.json"]


def test_half_characters_do_not_break_the_file(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "x.json", {"name": "a\ud800b"})
    assert json.loads((tmp_path / "x.json").read_text("utf-8")) == {"name": "a?b"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_mode_of_an_existing_file_stays_and_a_new_one_follows_the_umask(tmp_path: Path) -> None:
    old, new, plain = tmp_path / "old", tmp_path / "new", tmp_path / "plain"
    old.write_bytes(b"1")
    old.chmod(0o640)
    atomic.write(old, b"2")
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    atomic.write(new, b"")
    plain.write_bytes(b"")
    assert new.stat().st_mode == plain.stat().st_mode


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "x.json", tmp_path / "x.json"
    target.write_text("old")
    link.symlink_to(target)
    atomic.write_text(link, "new")
    assert link.is_symlink() and target.read_text() == "new"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["real", "x.json"]


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("I am a file")
    for path in (tmp_path / "models" / "x.json", tmp_path / "models" / "lora" / "x.json"):
        with pytest.raises(NotWritable) as caught:
            atomic.write(path, b"x")
        assert str(path.parent) in caught.value.message and "not a folder" in caught.value.message
    assert (tmp_path / "models").read_text() == "I am a file"


def test_failure_at_the_swap_cleans_up_and_keeps_the_old(tmp_path: Path) -> None:
    with pytest.raises(NotWritable, match="too long"):
        atomic.write(tmp_path / ("x" * 300), b"data")
    (tmp_path / "folder").mkdir()
    with pytest.raises(NotWritable):
        atomic.write(tmp_path / "folder", b"data")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_a_write_that_fails_in_the_middle(tmp_path: Path) -> None:
    """The file size limit of a process refuses bytes while they are written, as FAT32 does after 4 GiB."""
    (tmp_path / "x").write_bytes(b"old")
    code = f"""{PREPARE}
import resource, signal
from civitai_manager_libs.disk import atomic
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
exc = raised(atomic.write, Path({str(tmp_path / "x")!r}), b"new" * 10000)
assert exc.code == "not_writable" and "of this size" in exc.message, exc
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_full_disk(tmp_path: Path) -> None:
    run_on_mount(
        tmp_path,
        "size=64k",
        """
from civitai_manager_libs.disk import atomic, space
(folder / "x").write_bytes(b"old")
exc = raised(atomic.write, folder / "x", b"n" * 200000)
assert exc.code == "no_space" and str(folder) in exc.message, exc
assert [entry.name for entry in folder.iterdir()] == ["x"] and (folder / "x").read_bytes() == b"old"
try:
    (folder / "filler").write_bytes(b"n" * 200000)
except OSError:
    pass
assert space.free(folder / "not" / "yet") == 0
assert raised(space.check_writable, folder).code == "no_space"
assert sorted(entry.name for entry in folder.iterdir()) == ["filler", "x"]
""",
    )


def test_read_only_disk(tmp_path: Path) -> None:
    run_on_mount(
        tmp_path,
        "size=64k",
        """
from civitai_manager_libs.disk import atomic, space
for function, arguments in ((atomic.write, (folder / "x", b"new")), (atomic.write, (folder / "sub" / "x", b"new")),
                            (space.check_writable, (folder,)), (space.check_writable, (folder / "new",))):
    exc = raised(function, *arguments)
    assert exc.code == "not_writable" and "read-only" in exc.message and str(folder) in exc.message, exc
assert (folder / "x").read_bytes() == b"old\\n" and len(list(folder.iterdir())) == 1
""",
        setup='echo old > x && cd / && mount -o remount,ro "$1"',
    )


def test_every_full_disk_is_no_space() -> None:
    windows = OSError(errno.EINVAL, "disk full")
    windows.winerror = 112  # type: ignore[attr-defined]
    for exc in (OSError(errno.ENOSPC, "x"), OSError(errno.EDQUOT, "x"), windows):
        assert isinstance(atomic.disk_error(exc, Path("/models")), NoSpace)
    assert "permission" in atomic.disk_error(PermissionError(errno.EACCES, "x"), Path("/models")).message
    assert "strange" in atomic.disk_error(OSError(errno.EIO, "strange"), Path("/models")).message


def test_many_writers_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "x"
    contents = [bytes([65 + number]) * 20000 for number in range(6)]
    threads = [threading.Thread(target=lambda data=data: [atomic.write(path, data) for _ in range(5)]) for data in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert not path.exists() or path.read_bytes() in contents
    assert path.read_bytes() in contents and len(list(tmp_path.iterdir())) == 1
