from __future__ import annotations

import sys
import traceback


def report(message: str, *, exc_info: bool = False) -> None:
    """As the host prints errors: each line marked, the traceback below."""
    for line in message.splitlines():
        print("***", line, file=sys.stderr)
    if exc_info:
        for line in traceback.format_exc().splitlines():
            print("   ", line, file=sys.stderr)
        print("---", file=sys.stderr)
    sys.stderr.flush()
