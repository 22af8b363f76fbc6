"""The model folders of each WebUI. Each case runs in a process of its own, with modules that hold what that host's modules hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

ASK = """
import json
from civitai_manager_libs.host import FOLDER_KINDS
from civitai_manager_libs.hosts.webui import WebuiHost
host = WebuiHost()
folders = host.folders()
assert set(folders) == set(FOLDER_KINDS), set(folders) ^ set(FOLDER_KINDS)
assert all(path.is_absolute() for paths in folders.values() for path in paths)
print("ANSWER" + json.dumps({"name": host.name, "folders": {kind: [str(path) for path in paths] for kind, paths in folders.items()}}))
"""

MODULES = """
import sys, types
from types import SimpleNamespace
def module(name, **values):
    made = sys.modules[name] = types.ModuleType(name)
    made.__dict__.update(values)
    return made
"""


def run(code: str, *arguments: str, path: Path | None = None) -> Any:
    roots = [str(item) for item in (path, ROOT / "scripts") if item]
    program = f"import sys\nsys.path[:0] = {roots!r}\n{MODULES}\n{code}\n{ASK}"
    result = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(next(line for line in result.stdout.splitlines() if line.startswith("ANSWER")).removeprefix("ANSWER"))


def test_automatic1111(tmp_path: Path) -> None:
    """The app shaped like the host is that host."""
    code = "from modules import launch_utils, shared, paths_internal\nlaunch_utils.git_tag()"
    data = tmp_path / "webui"
    answer = run(code, "--data-path", str(data), "--ckpt-dir", "/big/checkpoints", path=ROOT / "tests" / "hostapp")
    folders = answer["folders"]
    assert answer["name"] == "AUTOMATIC1111 v1.10.1"
    assert folders["checkpoint"] == ["/big/checkpoints", f"{data}/models/Stable-diffusion"]
    assert folders["lora"] == [f"{data}/models/Lora"]
    assert folders["lycoris"] == [f"{data}/models/LyCORIS", f"{data}/models/Lora"]
    assert folders["vae"] == [f"{data}/models/VAE"]
    assert folders["embedding"][0] == f"{data}/embeddings"
    assert folders["hypernetwork"] == [f"{data}/models/hypernetworks"]
    assert folders["upscaler"][0] == f"{data}/models/ESRGAN"
    assert folders["unet"] == folders["checkpoint"]


def test_automatic1111_with_models_elsewhere(tmp_path: Path) -> None:
    code = "from modules import shared, paths_internal"
    data = tmp_path / "webui"
    (data / "extensions" / "sd-webui-animatediff").mkdir(parents=True)
    folders = run(code, "--data-path", str(data), "--models-dir", "/drive/models", path=ROOT / "tests" / "hostapp")["folders"]
    assert folders["checkpoint"] == ["/drive/models/Stable-diffusion"]
    assert folders["lora"] == ["/drive/models/Lora"]
    assert folders["embedding"][0] == f"{data}/embeddings"
    assert folders["controlnet"] == ["/drive/models/ControlNet"]
    assert folders["wildcards"] == ["/drive/models/wildcards"], "no folder of an extension that is not installed"
    assert folders["motion_module"] == [f"{data}/extensions/sd-webui-animatediff/model", "/drive/models/AnimateDiff"]


def test_forge() -> None:
    code = """
options = SimpleNamespace(ckpt_dir=None, vae_dir=None, lora_dir="/sd/models/Lora", lyco_dir_backcompat="/sd/models/LyCORIS", text_encoder_dir=None,
                          embeddings_dir="/sd/embeddings", hypernetwork_dir="/sd/models/hypernetworks", esrgan_models_path="/sd/models/ESRGAN")
module("modules"); module("modules.shared", cmd_opts=options, opts=SimpleNamespace())
module("modules.paths_internal", data_path="/sd", models_path="/sd/models")
module("backend"); module("modules_forge"); module("modules_forge.shared", controlnet_dir="/cn/models")
module("modules_forge.forge_version", version="2.0.1v1.10.1")
"""
    answer = run(code)
    folders = answer["folders"]
    assert answer["name"] == "Forge f2.0.1v1.10.1"
    assert folders["lycoris"] == folders["lora"] == ["/sd/models/Lora"]
    assert folders["controlnet"] == ["/cn/models", "/sd/models/ControlNet"]
    assert folders["text_encoder"] == ["/sd/models/text_encoder"]
    assert folders["unet"] == folders["checkpoint"] == ["/sd/models/Stable-diffusion"]


def test_forge_neo_has_lists() -> None:
    code = """
options = SimpleNamespace(ckpt_dirs=["/a/ckpt", "/b/ckpt"], lora_dirs=["/b/lora"], lora_dir="/neo/models/Lora", vae_dirs=[],
                          text_encoder_dirs=["/te"], controlnet_dirs=[], controlnet_dir="/neo/models/ControlNet",
                          embeddings_dir="/neo/models/embeddings")
module("modules"); module("modules.shared", cmd_opts=options, opts=SimpleNamespace())
module("modules.paths_internal", data_path="/neo", models_path="/neo/models")
module("backend"); module("modules_forge")
"""
    answer = run(code)
    folders = answer["folders"]
    assert answer["name"] == "Forge Neo"
    assert folders["checkpoint"] == ["/a/ckpt", "/b/ckpt", "/neo/models/Stable-diffusion"]
    assert folders["lora"] == folders["lycoris"] == ["/b/lora", "/neo/models/Lora"]
    assert folders["vae"] == ["/neo/models/VAE"]
    assert folders["embedding"][0] == "/neo/models/embeddings"
    assert folders["text_encoder"] == ["/te", "/neo/models/text_encoder"]
    assert folders["hypernetwork"] == ["/neo/models/hypernetworks"]


def test_sdnext_keeps_folders_in_its_options() -> None:
    code = """
options = SimpleNamespace(ckpt_dir="/next/models/Stable-diffusion", diffusers_dir="/next/models/Diffusers", vae_dir="models/VAE",
                          unet_dir="/next/models/UNET", te_dir="/next/models/Text-encoder", lora_dir="/loras",
                          embeddings_dir="/next/models/embeddings", control_dir="/next/models/control", esrgan_models_path="/next/models/ESRGAN")
module("modules"); module("modules.shared", cmd_opts=SimpleNamespace(ckpt_dir=None, lora_dir=None), opts=options)
module("modules.paths", data_path="/next", models_path="/next/models")
"""
    answer = run(code)
    folders = answer["folders"]
    assert answer["name"] == "SD.Next"
    assert folders["checkpoint"][0] == "/next/models/Stable-diffusion"
    assert folders["lora"] == folders["lycoris"] == ["/loras", "/next/models/Lora"]
    assert folders["vae"] == ["/next/models/VAE"]
    assert folders["unet"] == ["/next/models/UNET"]
    assert folders["text_encoder"] == ["/next/models/Text-encoder"]
    assert folders["controlnet"] == ["/next/models/control"]


def test_refresh_reaches_the_hosts_lists_and_contains_failures(tmp_path: Path) -> None:
    """The lists of the app shaped like the host see new files; a host that fails or lacks something fails nothing of ours."""
    data = tmp_path / "webui"
    code = f"""
import logging
logging.basicConfig(stream=sys.stdout)
sys.path.append({str(ROOT / "tests" / "hostapp" / "extensions-builtin" / "Lora")!r})
import networks
from modules import call_queue, sd_hijack, sd_models, sd_vae, shared
from civitai_manager_libs.hosts.webui import WebuiHost as Host
from pathlib import Path
host = Host()
for kind in ("checkpoint", "lora", "lycoris", "vae", "hypernetwork"):
    folder = host.folders()[kind][0]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"new-{{kind}}.pt").write_bytes(b"")
    (folder / f"new-{{kind}}.safetensors").write_bytes(b"")
host.refresh(set(host.folders()))
assert "new-checkpoint" in sd_models.checkpoints_list
assert {{"new-lora", "new-lycoris"}} <= set(networks.available_networks)
assert "new-vae" in sd_vae.vae_dict
assert "new-hypernetwork" in shared.hypernetworks
assert sd_hijack.model_hijack.embedding_db.word_embeddings == {{}}  # no model is loaded, so they are not read
embeddings = host.folders()["embedding"][0]
embeddings.mkdir(parents=True)
(embeddings / "new-embedding.pt").write_bytes(b"")
sd_models.model_data.sd_model = object()
host.refresh({{"embedding"}})
assert "new-embedding" in sd_hijack.model_hijack.embedding_db.word_embeddings
sd_models.list_models = lambda: 1 / 0
host.refresh({{"checkpoint"}})
del sys.modules["modules.sd_vae"]
host.refresh({{"vae"}})
"""
    run(code, "--data-path", str(data), path=ROOT / "tests" / "hostapp")


def test_no_key_is_stored_below_what_the_host_serves(tmp_path: Path) -> None:
    """Also where the user's own folders are below it, as in a container whose home is the WebUI's folder."""
    program = """
import json, sys
from pathlib import Path
from civitai_manager_libs.errors import BadSetting
from civitai_manager_libs.hosts.webui import settings_store
served, folder = Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2] else None
store = settings_store(folder, served, {})
try:
    store.update({"api_key": "0123456789abcdef", "parallel_downloads": 4})
except BadSetting as exc:
    print(json.dumps([str(store.path), store.notices, str(exc)]))
else:
    print(json.dumps([str(store.path), store.notices, ""]))
"""
    webui, home, safe = tmp_path / "webui", tmp_path / "home", tmp_path / "safe"
    for path in (webui, home, safe):
        path.mkdir()

    def ask(home: Path, folder: Path | str) -> list[Any]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "CIVITAI"))}
        environment = {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT / "scripts")}
        command = [sys.executable, "-c", program, str(webui), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=True)
        return list(json.loads(done.stdout))

    for folder in ("", webui / "data", safe):
        path, notices, refusal = ask(home, folder)
        assert not Path(path).is_relative_to(webui) and "0123456789abcdef" in Path(path).read_text() and notices == [] and refusal == ""
    for folder in ("", webui / "data"):
        path, notices, refusal = ask(webui, folder)
        assert "CIVITAI_API_KEY" in notices[0] and "CIVITAI_API_KEY" in refusal
    assert ask(webui, safe)[1:] == [[], ""]
    assert not any("0123456789abcdef" in file.read_text() for file in webui.rglob("*.json"))
