"""Real full and read-only disks: Python code in a process that has a small file system of its own, which vanishes with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
PREPARE = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(SCRIPTS)!r})
from civitai_manager_libs import errors
def raised(function, *arguments):
    try:
        function(*arguments)
    except errors.CivitaiManagerError as exc:
        return exc
    raise SystemExit(f"{{function.__name__}} raised nothing")
"""


def run_on_mount(folder: Path, options: str, code: str, setup: str = "true") -> str:
    """Run ``code`` with ``folder`` (its variable of that name) as a tmpfs of these options; ``setup`` is shell code run before.

    Returns its output.
    """
    program = f"{PREPARE}\nfolder = Path({str(folder)!r})\n{code}"
    shell = f'mount -t tmpfs -o {options} tmpfs "$1" && cd "$1" && {setup} && cd / && exec "$2" -c "$3"'
    arguments = ["sh", "-c", shell, "sh", str(folder), sys.executable, program]
    for unshare in (["unshare", "--user", "--map-root-user", "--mount"], ["unshare", "--mount"]):
        if subprocess.run([*unshare, "sh", "-c", 'mount -t tmpfs tmpfs "$1"', "sh", str(folder)], capture_output=True).returncode == 0:
            done = subprocess.run([*unshare, *arguments], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout
    raise AssertionError("This test needs a file system of its own: neither user namespaces nor root may mount one here.")
