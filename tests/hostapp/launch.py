"""What extensions import from the host's launcher."""

from __future__ import annotations

from modules import launch_utils

args = launch_utils.args
git_tag = launch_utils.git_tag
run_pip = launch_utils.run_pip
