from __future__ import annotations

import threading


class State:
    """What the server was asked to do: "stop", "restart" or nothing."""

    def __init__(self) -> None:
        self._command: str | None = None
        self._asked = threading.Condition()
        self.job = ""

    def request_restart(self) -> None:
        with self._asked:
            self._command = "restart"
            self._asked.notify_all()

    def wait_for_server_command(self, timeout: float) -> str | None:
        with self._asked:
            self._asked.wait_for(lambda: self._command is not None, timeout)
            command, self._command = self._command, None
            return command
