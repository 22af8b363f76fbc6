"""Civitai Manager without a WebUI: serves its page, or runs one command of its command line.

    python main.py                     serve on http://127.0.0.1:7861
    python main.py --demo              the same against the bundled demo Civitai: offline, without a key
    python main.py download LINK       one command and out; python main.py register --help
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
for folder in (ROOT, ROOT / "scripts"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from civitai_manager_libs.hosts.event_loop import LOOPS  # noqa: E402

COMMANDS = frozenset({
    "register", "download", "list", "show", "jobs", "resume", "cancel", "search", "scan", "verify", "duplicates", "import", "export", "updates",
    "stats", "infotext",
    "move", "rename", "delete", "orphans", "undo", "trash", "restore",
    "recipe", "recipes",
})  # fmt: skip
EPILOG = """commands (each has --help):
  register LINK...    remember models            list [QUERY]   what is in the library
  download LINK       fetch a verified file      show LINK      one model
  jobs                what runs, what failed     resume [ID]    go on with it
  search WORDS...     what Civitai has           cancel ID      stop it
  doctor              versions, server, is Civitai reachable
  scan [FOLDER...]    what is on the disk        verify [QUERY] read files whole
  duplicates          files that are there twice stats          sizes, free space, what is not well
  updates [QUERY]     newer versions; --apply    fetches them
  move [QUERY]        to where the template says rename FILE NAME  with what lies beside it
  delete QUERY        into the trash             orphans        small files without a model
  undo [BATCH]        take back what was done    trash, restore ID   what was deleted
  import TOOL PATH    from another tool          export FILE    the whole library
  infotext FILE       how a picture was made, and where its models are
  recipes [QUERY]     what was kept              recipe show|export|import ...   one, as a file, from files"""


def login(text: str) -> tuple[str, str]:
    name, colon, password = text.partition(":")
    if not (name and colon and password):
        raise argparse.ArgumentTypeError("expected NAME:PASSWORD")
    return name, password


def create_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="main.py",
        usage="main.py [options] | main.py [options] COMMAND ...",
        description="Civitai Manager: a library of Civitai models.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="store_true", help="show this and exit")
    parser.add_argument("--port", type=int, default=7861, help="the port to serve on (7861)")
    parser.add_argument("--listen", action="store_true", help="serve the whole network, not only this computer; use it with --auth")
    parser.add_argument("--auth", type=login, metavar="NAME:PASSWORD", help="ask for this login")
    parser.add_argument("--demo", action="store_true", help="use the bundled demo Civitai: offline, no key, a small library ready to look at")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="the folder for the library, thumbnails and settings")
    parser.add_argument("--models-dir", type=Path, metavar="DIR", help="a WebUI's folder: files land in its models/Lora and so on")
    parser.add_argument("--civitai-url", metavar="URL", help="Civitai's address")
    parser.add_argument("--event-loop", choices=LOOPS, default="auto", help="the server's event loop, for trouble on Windows (auto)")
    parser.add_argument("--verbose", action="store_true", help="log more")
    parser.add_argument("command", nargs="*", help=argparse.SUPPRESS)
    return parser


def main(argv: list[str]) -> int:
    parser = create_parser()
    arguments, unknown = parser.parse_known_args(argv)
    if "doctor" in arguments.command[:1]:
        from civitai_manager_libs.hosts import doctor

        return doctor.main(argv)
    if COMMANDS.intersection(arguments.command):
        from civitai_manager_libs import cli
        from civitai_manager_libs.hosts.launcher import make

        return cli.main(argv, make)
    if arguments.help:
        parser.print_help()
        return 0
    if unknown or arguments.command:
        parser.error(f"unknown arguments: {' '.join(unknown + arguments.command)}")
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    from civitai_manager_libs.errors import CivitaiManagerError
    from civitai_manager_libs.hosts import launcher

    try:
        launcher.launch(arguments)
    except CivitaiManagerError as exc:
        print(exc, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
