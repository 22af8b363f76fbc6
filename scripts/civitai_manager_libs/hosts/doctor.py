"""``python main.py doctor``: what the Connection page shows, as text, for a server that would be started here; then Civitai is asked.

Exit status: 0 Civitai was reached, 1 it was not, 2 wrong usage. Another program may be serving the same library meanwhile.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from typing import Any

from .. import __version__
from ..actions import reach
from ..application import Application
from ..civitai.client import Client
from ..civitai.transport import Transport
from ..cli import DEFAULTS, FAILED, INTERRUPTED, OK, USAGE, common
from ..errors import CivitaiManagerError, explain
from . import diagnostics
from .event_loop import loop_factory
from .launcher import make, say

KEY = {"accepted": "Your key is accepted.", "not accepted": "Your key is NOT accepted: make a new one on civitai.com.", "none": "No key is set."}


def main(argv: list[str]) -> int:
    """The exit status. argparse ends wrong usage with status 2."""
    parser = argparse.ArgumentParser(prog="main.py", parents=[common()], allow_abbrev=False, description=__doc__.partition("\n\n")[0])
    parser.add_argument("command", choices=["doctor"], metavar="doctor")
    arguments = parser.parse_args(argv, argparse.Namespace(**DEFAULTS))
    level = logging.INFO if arguments.verbose else logging.CRITICAL
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        return examine(make(arguments), as_json=arguments.json)
    except CivitaiManagerError as exc:
        return refuse(exc, arguments.json)
    except KeyboardInterrupt:
        return INTERRUPTED


def examine(application: Application, *, as_json: bool) -> int:
    """Look, tell, ask, tell."""
    try:
        sections = look(application)
        if not as_json:
            say(diagnostics.as_text(sections))
            say(f"\nAsking {application.settings.current.civitai_url} ...")
        found, error = ask(application)
    finally:
        application.close()
    if as_json:
        say(json.dumps({"sections": sections, "civitai": found, "error": error}, indent=2))
    elif error is not None:
        say(f"{error['message']} {error['next_step']}".strip())
    else:
        say(f"Reached in {found['milliseconds']} ms. {KEY[found['key']]}")
    return FAILED if error is not None else OK


def look(application: Application) -> list[dict[str, Any]]:
    """The sections. A library that is not there yet is not made, and one that cannot be opened is told in its section."""
    failure: Exception | None = None
    try:
        if (application.data_dir / "catalog.db").exists():
            application.start(serving=False)
        else:
            failure = FileNotFoundError(f"there is no library in {application.data_dir} yet")
    except Exception as exc:  # noqa: BLE001 - whatever is wrong with it, the rest is told
        failure = exc

    def opened() -> Application:
        if failure is not None:
            raise failure
        return application

    place = diagnostics.Place(application.host.name, settings=application.settings, queue=queue())
    sections: list[dict[str, Any]] = diagnostics.report(opened, place, loop())["sections"]
    return sections


def loop() -> str:
    """The class of loop that a server here would run on."""
    made = loop_factory("auto")()
    made.close()
    return type(made).__name__


def queue() -> tuple[diagnostics.Row, ...]:
    """The queue that a server here would have. The command line works without gradio, a server does not."""
    try:
        from ..ui.compat import queue_arguments
    except Exception as exc:  # noqa: BLE001 - a broken installation is what a doctor is asked about
        return (["queue", "no server can run here", f"gradio cannot be imported: {type(exc).__name__}: {exc}"],)
    limits = queue_arguments()
    api = "open" if limits.pop("api_open") else "closed"
    return (["queue", "on", ""], *([name, str(value), ""] for name, value in limits.items()), ["api", api, ""])


def ask(application: Application) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What ``actions.reach`` found, or what stopped it. No job: the doctor leaves nothing behind in the library."""
    settings = application.settings
    transport = Transport(lambda: settings.current, version=__version__)
    try:
        return reach.ask(Client(transport)), None
    except Exception as exc:  # noqa: BLE001 - the same
        return {}, explain(exc)
    finally:
        transport.close()


def refuse(error: CivitaiManagerError, as_json: bool) -> int:
    if as_json:
        say(json.dumps({"sections": [], "civitai": {}, "error": explain(error)}, indent=2))
    print(error, file=sys.stderr)  # noqa: T201 -- as the other commands
    return USAGE
