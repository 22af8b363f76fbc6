"""Command-line flags that the extension adds to the host's own. The host runs this before it parses its arguments."""

from __future__ import annotations

import argparse


def preload(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--civitai-manager-data-dir",
        default=None,
        metavar="DIR",
        help="Civitai Manager: the folder for its library, thumbnails and settings, outside the WebUI's own folder (default: the user's data folder)",
    )
    parser.add_argument(
        "--civitai-manager-url",
        default=None,
        metavar="URL",
        help="Civitai Manager: Civitai's address (default: the one in its settings)",
    )
