"""The arguments of AUTOMATIC1111 1.10.1 that matter to an extension with model folders, with the host's own defaults."""

from __future__ import annotations

import argparse
import os

from modules.paths_internal import data_path, models_path

parser = argparse.ArgumentParser()
parser.add_argument("--data-dir", "--data-path", dest="data_dir", default=data_path)
parser.add_argument("--models-dir", default=None)
parser.add_argument("--ckpt-dir", default=None)
parser.add_argument("--vae-dir", default=None)
parser.add_argument("--lora-dir", default=os.path.join(models_path, "Lora"))
parser.add_argument("--lyco-dir-backcompat", default=os.path.join(models_path, "LyCORIS"))
parser.add_argument("--embeddings-dir", default=os.path.join(data_path, "embeddings"))
parser.add_argument("--hypernetwork-dir", default=os.path.join(models_path, "hypernetworks"))
parser.add_argument("--esrgan-models-path", default=os.path.join(models_path, "ESRGAN"))
parser.add_argument("--realesrgan-models-path", default=os.path.join(models_path, "RealESRGAN"))
parser.add_argument("--listen", action="store_true")
parser.add_argument("--server-name", default=None)
parser.add_argument("--port", type=int, default=None)
parser.add_argument("--subpath", default=None)
parser.add_argument("--gradio-auth", default=None)
parser.add_argument("--gradio-allowed-path", action="append", default=[])
parser.add_argument("--no-gradio-queue", action="store_true")
parser.add_argument("--skip-install", action="store_true")
parser.add_argument("--nowebui", action="store_true")
parser.add_argument("--theme", default=None, choices=["light", "dark"])
parser.add_argument("--ui-debug-mode", action="store_true")
# Not the host's: what the tests observe.
parser.add_argument("--hostapp-audit", default=None, help="write one JSON line for each connection, name look-up and process start to this file")
parser.add_argument("--hostapp-work-seconds", type=float, default=2.0, help="how long the app's own queued work takes")
parser.add_argument("--hostapp-without-extensions", action="store_true", help="start without the user's extensions, to compare with")
parser.add_argument("--hostapp-without-infotext", action="store_true", help="be a host that has no module infotext_utils")
