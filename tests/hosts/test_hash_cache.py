"""The WebUI's cache of hashes. Each case runs in a process of its own, with modules that hold what that host's modules hold."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

HOST = """
import sys, types, os
from pathlib import Path
from types import SimpleNamespace
sys.path.insert(0, {scripts!r})
def module(name, **values):
    made = sys.modules[name] = types.ModuleType(name)
    made.__dict__.update(values)
    return made
kept, dumps = {{}}, []
def cache(part): return kept.setdefault(part, {{}})
def addnet_hash_safetensors(file): ...
def of_tensors(filename, title, use_addnet_hash=False): return addnet_hash_safetensors(filename)
def of_all(filename, title, use_addnet_hash=False): return ""
data = Path({data!r})
module("modules")
module("modules.shared", cmd_opts=SimpleNamespace(ckpt_dir=None, lora_dir=str(data / "models/Lora")), opts=SimpleNamespace())
module("modules.paths_internal", data_path=str(data), models_path=str(data / "models"))
module("modules.hashes", cache=cache, dump_cache=lambda: dumps.append(1), sha256={sha256})
from civitai_manager_libs.hosts.webui import WebuiHost
host = WebuiHost()
lora, checkpoint = data / "models/Lora/sub/a.safetensors", data / "models/Stable-diffusion/sub/b.safetensors"
A, B, T = "a" * 64, "b" * 64, "c" * 64
"""


def run(tmp_path: Path, code: str, sha256: str = "of_tensors") -> None:
    for name in ("models/Lora/sub/a.safetensors", "models/Stable-diffusion/sub/b.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"x")
    program = HOST.format(scripts=str(ROOT / "scripts"), data=str(tmp_path), sha256=sha256) + code
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("sha256", "of_network"), [("of_tensors", "T"), ("of_all", "A")])
def test_written_as_the_host_would(tmp_path: Path, sha256: str, of_network: str) -> None:
    code = f"""
host.remember_sha256(lora, "lora", A, T)
host.remember_sha256(checkpoint, "checkpoint", B)
assert kept["hashes-addnet"] == {{"lora/a": {{"mtime": os.path.getmtime(lora), "sha256": {of_network}}}}}, kept
assert kept["hashes"]["checkpoint/sub/b.safetensors"] == {{"mtime": os.path.getmtime(checkpoint), "sha256": B}}, kept
assert len(dumps) == 2
host.remember_sha256(checkpoint.with_name("none.safetensors"), "checkpoint", B)  # not there: said in the log, nothing else
"""
    run(tmp_path, code, sha256)


def test_read_when_the_time_is_the_files(tmp_path: Path) -> None:
    faked = hashlib.sha256(b"b.safetensors").hexdigest()
    code = f"""
cache("hashes")["lora/a"] = {{"mtime": os.path.getmtime(lora), "sha256": A.upper()}}
cache("hashes")["checkpoint/sub/b.safetensors"] = {{"mtime": os.path.getmtime(checkpoint), "sha256": B}}
assert (host.known_sha256(lora, "lora"), host.known_sha256(checkpoint, "checkpoint")) == (A, B)
assert host.known_sha256(lora, "vae") == host.known_sha256(lora, "hypernetwork") == ""
os.utime(checkpoint, (1, 1))
assert host.known_sha256(checkpoint, "checkpoint") == "", "an older file under this name"
for wrong in ({faked!r}, "abc", None, 5):
    cache("hashes")["checkpoint/sub/b.safetensors"] = {{"mtime": 1, "sha256": wrong}}
    assert host.known_sha256(checkpoint, "checkpoint") == ""
for wrong in (5, {{"mtime": "x"}}, []):
    cache("hashes")["lora/a"] = wrong
    assert host.known_sha256(lora, "lora") == ""
"""
    run(tmp_path, code)


def test_the_hosts_own_name_of_a_checkpoint_counts(tmp_path: Path) -> None:
    code = """
module("modules.sd_models", checkpoints_list={"x": SimpleNamespace(filename=str(checkpoint), name="other name")})
host.remember_sha256(checkpoint, "checkpoint", B)
assert list(kept["hashes"]) == ["checkpoint/other name"]
"""
    run(tmp_path, code)


def test_a_host_without_such_a_cache(tmp_path: Path) -> None:
    code = """
def broken(part): raise OSError("disk I/O error")
sys.modules["modules.hashes"].cache = broken
assert host.known_sha256(lora, "lora") == ""
host.remember_sha256(lora, "lora", A, T)
del sys.modules["modules.hashes"]
assert host.known_sha256(lora, "lora") == ""
host.remember_sha256(lora, "lora", A, T)
"""
    run(tmp_path, code)
    assert os.listdir(tmp_path) == ["models"]
