"""install.py in fresh environments: only what is missing, nothing that is there, no pip when all is there, plain words when offline."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def wheel(folder: Path, name: str, version: str, requires: tuple[str, ...] = ()) -> None:
    """A real wheel of an empty package."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {item}\n" for item in requires)
    files = {
        f"{module}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.writerow([path, f"sha256={digest}", len(text.encode())])
    rows.writerow([f"{info}/RECORD", "", ""])
    with zipfile.ZipFile(folder / f"{module}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record.getvalue()}.items():
            archive.writestr(path, text)


class Fresh:
    """A fresh virtual environment (with what this one has, when asked), an extension folder, and a folder of wheels as the only index."""

    def __init__(self, folder: Path, venv: Path, *, with_ours: bool) -> None:
        self.extension = folder / "extensions" / "civitai manager"  # blanks happen
        self.extension.mkdir(parents=True)
        shutil.copy(ROOT / "install.py", self.extension)
        shutil.copy(ROOT / "requirements.txt", self.extension)
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        self.pip_log = folder / "pip.log"
        self.venv = folder / "venv"
        shutil.copytree(venv, self.venv, symlinks=True)
        self.python = self.venv / "bin" / "python"
        if with_ours:
            site = Path(self.ask("import sysconfig; print(sysconfig.get_path('purelib'))"))
            (site / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def ask(self, code: str) -> str:
        return subprocess.run([str(self.python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    def installed(self) -> dict[str, str]:
        text = self.ask("from importlib import metadata as m; print('\\n'.join(d.metadata['Name'] + '==' + d.version for d in m.distributions()))")
        return dict(line.lower().split("==", 1) for line in text.splitlines())

    def require(self, *lines: str) -> None:
        with (self.extension / "requirements.txt").open("a") as file:
            file.write("\n" + "\n".join(lines) + "\n")

    def run(self, *arguments: str, path: Path | None = None, **environment: str) -> str:
        env = {"PATH": "/usr/bin:/bin", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_LOG": str(self.pip_log), **environment}
        if path is not None:
            env["PYTHONPATH"] = str(path)
        command = [str(self.python), str(self.extension / "install.py"), *arguments]
        result = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert "Traceback" not in result.stdout + result.stderr
        return result.stdout + result.stderr


@pytest.fixture(scope="session")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment as Python makes it; each test gets a copy, which is a fresh one in a tenth of the time."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder


@pytest.fixture
def fresh(tmp_path: Path, venv: Path) -> Fresh:
    return Fresh(tmp_path, venv, with_ours=True)


def test_all_there_means_no_pip_and_no_word(fresh: Fresh) -> None:
    assert fresh.run() == ""
    assert not fresh.pip_log.exists()


def test_only_the_missing_is_installed_and_nothing_else_changes(fresh: Fresh) -> None:
    """The missing package wants another version of what the host ships, and a second missing package: the first is left, the second installed."""
    wheel(fresh.wheels, "cm-missing", "1.4", ("cm-second>=2", "requests<1", "cm-never; python_version < '3'", "cm-extra; extra == 'more'"))
    wheel(fresh.wheels, "cm-second", "2.0")
    wheel(fresh.wheels, "requests", "0.9")
    fresh.require("cm-missing>=1.2")
    before = fresh.installed()
    said = fresh.run()
    after = fresh.installed()
    assert {name: after[name] for name in after.keys() - before.keys()} == {"cm-missing": "1.4", "cm-second": "2.0"}
    assert {name: after[name] for name in before} == before
    assert "installing cm-missing>=1.2" in said
    fresh.pip_log.unlink()
    assert fresh.run() == ""
    assert not fresh.pip_log.exists()


def test_too_old_is_said_and_left(fresh: Fresh) -> None:
    fresh.require("tqdm>=999")
    before = fresh.installed()
    said = fresh.run()
    assert "tqdm" in said
    assert "it was left as it is" in said
    assert fresh.installed() == before
    assert not fresh.pip_log.exists()


def test_offline_is_explained(fresh: Fresh) -> None:
    fresh.require("cm-missing>=1.2")
    said = fresh.run()
    assert "cm-missing>=1.2 could not be installed, so its tab will not appear" in said
    assert "Is this computer online?" in said
    assert "-m pip install --no-deps" in said


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_skip_install_is_honoured(fresh: Fresh, how: str) -> None:
    fresh.require("cm-missing>=1.2")
    said = fresh.run("--skip-install") if how == "argument" else fresh.run(COMMANDLINE_ARGS="--medvram --skip-install")
    assert "--skip-install is set" in said
    assert not fresh.pip_log.exists()


def test_a_bare_environment_names_everything(tmp_path: Path, venv: Path) -> None:
    """Nothing of ours is there: without a network each package is named; pip's own parts suffice to find that out."""
    said = Fresh(tmp_path, venv, with_ours=False).run()
    for name in ("requests", "tqdm", "msgspec", "nh3", "send2trash", "platformdirs", "filelock"):
        assert name in said


def test_the_hosts_own_installer_is_used(fresh: Fresh, tmp_path: Path) -> None:
    host = tmp_path / "host"
    host.mkdir()
    (host / "launch.py").write_text(
        "import subprocess, sys\n"
        "def run_pip(command, desc=None):\n"
        "    print('host installs', desc)\n"
        "    subprocess.run(f'\"{sys.executable}\" -m pip {command}', shell=True, check=True, stdout=subprocess.DEVNULL)\n"
    )
    wheel(fresh.wheels, "cm-missing", "1.4")
    fresh.require("cm-missing>=1.2")
    assert "host installs requirements for Civitai Manager: cm-missing>=1.2" in fresh.run(path=host)
    assert fresh.installed()["cm-missing"] == "1.4"
