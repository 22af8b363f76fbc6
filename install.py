"""Run by the host before it starts: installs the requirements that are missing, and never touches what is there.

The host's pins win: a package that is present stays as it is, whatever its version, and nothing is pulled in beside the missing packages
(``--no-deps``; what a new package itself needs is looked up and installed in the same way). When all is there, pip is not run. The exit code
is always 0: the host starts in any case, and the tab's log line says what is missing.
"""

from __future__ import annotations

import importlib
import os
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

REQUIREMENTS = Path(__file__).resolve().parent / "requirements.txt"
NAME = "Civitai Manager"


def requirement_class() -> Any:
    """``packaging.requirements.Requirement``: every host ships it; pip has a copy of its own."""
    for module in ("packaging.requirements", "pip._vendor.packaging.requirements"):
        try:
            return importlib.import_module(module).Requirement
        except ImportError:
            continue
    return None


def read_requirements() -> list[str]:
    lines = (line.split("#", 1)[0].strip() for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def installed_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def check(lines: list[str]) -> tuple[list[str], list[str]]:
    """What is missing (as requirement lines), and sentences about what is present but older than we need."""
    requirement = requirement_class()
    missing, notes = [], []
    for line in lines:
        parsed = requirement(line)
        if parsed.marker is not None and not parsed.marker.evaluate({"extra": ""}):
            continue
        version = installed_version(parsed.name)
        if version is None:
            missing.append(f"{parsed.name}{parsed.specifier}")
        elif not parsed.specifier.contains(version, prereleases=True):
            notes.append(f"{parsed.name} {version} is installed, {parsed.specifier} is what {NAME} was tested with; it was left as it is.")
    return missing, notes


def needed_by(lines: list[str]) -> list[str]:
    """The requirements of packages that were just installed."""
    requirement = requirement_class()
    found: list[str] = []
    for line in lines:
        try:
            found += metadata.requires(requirement(line).name) or []
        except metadata.PackageNotFoundError:
            continue
    return found


def pip_arguments(missing: list[str]) -> list[str]:
    # Few retries: without a network the answer should come in seconds, the host is waiting.
    return ["install", "--no-deps", "--disable-pip-version-check", "--retries", "1", "--timeout", "15", *missing]


def run_pip(missing: list[str]) -> None:
    """Install through the host's own function when there is one (its index and its installer), else with pip. Raises when it fails."""
    arguments = pip_arguments(missing)
    try:
        host_pip = importlib.import_module("launch").run_pip
    except Exception:  # noqa: BLE001 -- no host, or one whose launcher cannot be imported from here
        host_pip = None
    if host_pip is not None:
        quoted = " ".join(f'"{argument}"' if argument in missing else argument for argument in arguments)
        host_pip(quoted, f"requirements for {NAME}: {', '.join(missing)}")
        return
    result = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError((result.stderr or result.stdout).strip())


def explain(missing: list[str], reason: str) -> str:
    command = f'"{sys.executable}" -m pip install --no-deps ' + " ".join(f'"{line}"' for line in missing)
    return (
        f"{NAME}: {', '.join(missing)} could not be installed, so its tab will not appear. The WebUI itself is not affected.\n"
        f"{NAME}: Is this computer online? Start the WebUI again when it is, or run: {command}\n"
        f"{NAME}: pip said: {reason.splitlines()[-1] if reason else 'nothing'}"
    )


def skipped() -> bool:
    """``--skip-install`` among the arguments of this call or in the host's ``COMMANDLINE_ARGS``."""
    try:
        arguments = shlex.split(os.environ.get("COMMANDLINE_ARGS", ""))
    except ValueError:
        arguments = os.environ.get("COMMANDLINE_ARGS", "").split()
    return "--skip-install" in arguments or "--skip-install" in sys.argv


def install() -> None:
    wanted = read_requirements()
    noted: set[str] = set()
    while wanted:
        missing, notes = check(wanted)
        for note in notes:
            if note not in noted:
                noted.add(note)
                print(f"{NAME}: {note}")
        if not missing:
            return
        if skipped():
            print(f"{NAME}: --skip-install is set, but {', '.join(missing)} is missing; the tab will not appear until it is installed.")
            return
        print(f"{NAME}: installing {', '.join(missing)}")
        try:
            run_pip(missing)
        except Exception as exc:  # noqa: BLE001 -- the host reports any failure of its pip in its own way
            print(explain(missing, str(exc).strip()))
            return
        importlib.invalidate_caches()
        still, _ = check(missing)
        if still:
            print(explain(still, "it ended without an error, but the package is not there"))
            return
        wanted = needed_by(missing)


def main() -> None:
    try:
        install()
    except Exception as exc:  # noqa: BLE001 -- whatever happens here must not stop the host
        print(f"{NAME}: its requirements could not be checked ({exc!r}). If the tab does not appear, run: pip install -r {REQUIREMENTS}")


if __name__ == "__main__":
    main()
