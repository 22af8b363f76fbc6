"""Room, permission, and the system's trash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from civitai_manager_libs.disk import space, trash
from civitai_manager_libs.errors import NotWritable, TrashFailed

from .mounts import PREPARE, run_on_mount


def test_free_and_device_of_what_is_not_there_yet(tmp_path: Path) -> None:
    future = tmp_path / "not" / "yet" / "x.safetensors"
    assert space.device(future) == space.device(tmp_path) == tmp_path.stat().st_dev
    assert abs(space.free(future) - shutil.disk_usage(tmp_path).free) < 1 << 30
    assert space.free(Path("relative/path")) > 0 and space.free(tmp_path / ("x" * 5000)) > 0


def test_two_disks_are_told_apart(tmp_path: Path) -> None:
    output = run_on_mount(
        tmp_path, "size=64k", "from civitai_manager_libs.disk import space\nprint(space.free(folder / 'x'), space.device(folder / 'x'))"
    )
    free, device = map(int, output.split())
    assert 0 < free <= 65536 and device != space.device(tmp_path)


def test_writable_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "Lora"
    space.check_writable(folder)
    space.check_writable(folder)
    assert folder.is_dir() and not list(folder.iterdir())


def test_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder, reason in (
        (tmp_path / "file", "not a folder"),
        (tmp_path / "file" / "below", "not a folder"),
        (tmp_path / ("x" * 300), "too long"),
        (Path("/proc/civitai-manager"), "created"),
    ):
        with pytest.raises(NotWritable) as caught:
            space.check_writable(folder)
        assert reason in caught.value.message and str(folder) in caught.value.message
    assert (tmp_path / "file").read_text() == "x"


def in_own_home(tmp_path: Path, code: str) -> None:
    """send2trash decides at import where the trash is: a process with a home of its own."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "XDG_DATA_HOME": str(home / "share")}
    program = f"{PREPARE}\nfrom civitai_manager_libs.disk import trash\nfolder = Path({str(tmp_path)!r})\n{code}"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into the trash as the freedesktop specification places it")
def test_trash_gives_back(tmp_path: Path) -> None:
    (tmp_path / "model 裸.safetensors").write_bytes(b"weights")
    (tmp_path / "link.pt").symlink_to(tmp_path / "model 裸.safetensors")
    in_own_home(
        tmp_path,
        "trash.move_to_trash(folder / 'link.pt')\n"
        "assert (folder / 'model 裸.safetensors').exists()\ntrash.move_to_trash(folder / 'model 裸.safetensors')",
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["home"]
    trashed = tmp_path / "home" / "share" / "Trash" / "files"
    assert (trashed / "model 裸.safetensors").read_bytes() == b"weights" and (trashed / "link.pt").is_symlink()


def test_trash_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(TrashFailed, match="not there"):
        trash.move_to_trash(tmp_path / "none")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a file in place of the trash folder")
def test_a_trash_that_does_not_work_deletes_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"weights")
    in_own_home(tmp_path, "(folder / 'home' / 'share').write_text('a file')\nprint(raised(trash.move_to_trash, folder / 'x.pt').code)")
    assert (tmp_path / "x.pt").read_bytes() == b"weights"


def test_what_cannot_be_moved_stays() -> None:
    path = Path("/proc/self/status")
    if not path.exists():
        pytest.fail("This test needs /proc, a place where nothing can be moved away.")
    with pytest.raises(TrashFailed) as caught:
        trash.move_to_trash(path)
    assert path.exists() and caught.value.next_step
