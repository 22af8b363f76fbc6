from __future__ import annotations

import functools
import os
import subprocess
import sys

from modules import cmd_args
from modules.errors import report
from modules.paths_internal import extensions_dir, script_path

args, _ = cmd_args.parser.parse_known_args()


@functools.lru_cache
def git_tag() -> str:
    """The host asks git; here the version that this app is shaped like."""
    return "v1.10.1"


def run_pip(command: str, desc: str | None = None) -> None:
    if args.skip_install:
        return
    if desc:
        print(f"Installing {desc}")
    result = subprocess.run(f'"{sys.executable}" -m pip {command} --prefer-binary', shell=True, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"Couldn't install {desc}.\nError code: {result.returncode}\nstderr: {result.stderr}")


def run_extension_installer(folder: str) -> None:
    path = os.path.join(folder, "install.py")
    if not os.path.isfile(path):
        return
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([script_path, os.environ.get("PYTHONPATH", "")])}
    result = subprocess.run([sys.executable, path], env=env, capture_output=True, text=True, check=False)
    print(result.stdout, end="")
    if result.returncode != 0:
        report(f"Error running install.py for extension {folder}.\n{result.stderr}")


def run_extensions_installers() -> None:
    if os.path.isdir(extensions_dir):
        for name in sorted(os.listdir(extensions_dir)):
            run_extension_installer(os.path.join(extensions_dir, name))
