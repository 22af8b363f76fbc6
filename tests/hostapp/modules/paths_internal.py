"""Where things are; safe to import before anything is installed. ``--data-path`` is another name for the host's ``--data-dir``."""

from __future__ import annotations

import argparse
import os
import shlex
import sys

sys.argv += shlex.split(os.environ.get("COMMANDLINE_ARGS", ""))

modules_path = os.path.dirname(os.path.realpath(__file__))
script_path = os.path.dirname(modules_path)

_parser = argparse.ArgumentParser(add_help=False)
_parser.add_argument("--data-dir", "--data-path", dest="data_dir", default=script_path)
_parser.add_argument("--models-dir", default=None)
_known = _parser.parse_known_args()[0]

data_path = os.path.abspath(_known.data_dir)
models_path = os.path.abspath(_known.models_dir) if _known.models_dir else os.path.join(data_path, "models")
extensions_dir = os.path.join(data_path, "extensions")
extensions_builtin_dir = os.path.join(script_path, "extensions-builtin")
config_states_dir = os.path.join(data_path, "config_states")
