"""start.sh in folders with blanks, without Python, with an old one, offline, and when all is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("bash", "dirname", "cat", "cmp", "rm", "env")


def checkout(folder: Path) -> Path:
    """What a user has, as far as the script is concerned. main.py tells its arguments."""
    folder.mkdir(parents=True)
    for name in ("start.sh", "requirements.txt", "requirements-standalone.txt"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "main.py").write_text("import sys\nprint('arguments', sys.argv[1:])\nprint('python', sys.prefix)\n")
    return folder


def tools(folder: Path) -> Path:
    """A PATH with nothing but what the script itself needs."""
    folder.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return folder


def script(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!{shutil.which('bash')}\n{text}\n")
    path.chmod(0o755)


def start(folder: Path, cwd: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(cwd), **environment}
    return subprocess.run([str(folder / "start.sh"), *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return checkout(tmp_path / "my programs" / "civitai manager")


def ready(folder: Path) -> None:
    """The environment as an earlier start has left it; its packages are those of this Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / ".venv")], check=True)
    site = next((folder / ".venv" / "lib").glob("python3*")) / "site-packages"
    (site / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (folder / ".venv" / "installed.txt").write_text((folder / "requirements.txt").read_text() + (folder / "requirements-standalone.txt").read_text())


def test_when_all_is_there_it_starts_at_once(here: Path, tmp_path: Path) -> None:
    ready(here)
    result = start(here, tmp_path, "--demo", "--data-dir", "a b", PIP_LOG=str(tmp_path / "pip.log"))
    assert result.returncode == 0, result.stderr
    assert "arguments ['--demo', '--data-dir', 'a b']" in result.stdout
    assert f"python {here / '.venv'}" in result.stdout
    assert not (tmp_path / "pip.log").exists()


def test_changed_requirements_are_installed_once(here: Path, tmp_path: Path) -> None:
    ready(here)
    (here / "requirements.txt").write_text((here / "requirements.txt").read_text() + "# changed\n")
    (here / "requirements-standalone.txt").write_text("-r requirements.txt\n")
    first, log = start(here, tmp_path, PIP_NO_INDEX="1"), tmp_path / "pip.log"
    assert first.returncode == 0, first.stderr
    assert "Installing" in first.stdout
    second = start(here, tmp_path, PIP_NO_INDEX="1", PIP_LOG=str(log))
    assert second.returncode == 0
    assert "Installing" not in second.stdout
    assert not log.exists()


def test_a_first_start_makes_the_environment_and_offline_is_explained(here: Path, tmp_path: Path) -> None:
    result = start(here, tmp_path, PIP_NO_INDEX="1", PYTHON=sys.executable)
    assert result.returncode == 1
    assert "Making the environment" in result.stdout
    assert "Is this computer online?" in result.stderr
    assert "arguments" not in result.stdout
    assert (here / ".venv" / "bin" / "python").exists()


def test_without_python(here: Path, tmp_path: Path) -> None:
    result = start(here, tmp_path, PATH=str(tools(tmp_path / "bin")))
    assert result.returncode == 1
    assert "Python was not found" in result.stderr
    assert "Installing" not in result.stdout


def test_with_a_python_that_is_too_old(here: Path, tmp_path: Path) -> None:
    path = tools(tmp_path / "bin")
    script(path, "python3", 'if [ "$1" = --version ]; then echo Python 3.8.1; else exit 1; fi')
    result = start(here, tmp_path, PATH=str(path))
    assert result.returncode == 1
    assert "needs Python 3.10 to 3.13. Found: Python 3.8.1" in result.stderr


def test_without_the_venv_module(here: Path, tmp_path: Path) -> None:
    path = tools(tmp_path / "bin")
    script(path, "python3", f'case "$2" in *ensurepip*) exit 1;; esac\nexec "{sys.executable}" "$@"')
    result = start(here, tmp_path, PATH=str(path))
    assert result.returncode == 1
    assert "venv module is missing" in result.stderr
    assert "sudo apt install python3-venv" in result.stderr


def test_the_scripts_are_sound() -> None:
    for name in ("start.sh", "test.sh", ".ci/run"):
        result = subprocess.run(["bash", "-n", str(ROOT / name)], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert os.access(ROOT / name, os.X_OK), name
    assert b"\r\n" in (ROOT / "start.bat").read_bytes()
