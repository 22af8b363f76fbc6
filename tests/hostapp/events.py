"""Queued events as a page sends them, raw: over a WebSocket each on gradio 3, over one POST and one event stream from 4 on.

    config = page_config(app.url)
    messages = queued(app.url, config, event(config, "txt2img_generate"), ["a heron", "", 20])
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import requests

Message = dict[str, Any]  # as gradio sends it, with "at": seconds since the event was sent
COMPLETED = "process_completed"


def page_config(url: str) -> dict[str, Any]:
    return requests.get(f"{url}/config", timeout=20).json()


def event(config: dict[str, Any], elem_id: str, trigger: str = "click") -> int:
    """The number of the first event of an element."""
    component = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == elem_id)
    for index, dependency in enumerate(config["dependencies"]):
        for target in dependency["targets"]:
            bound = target == component and dependency["trigger"] == trigger if isinstance(target, int) else list(target) == [component, trigger]
            if bound:
                return int(dependency.get("id", index))
    raise AssertionError(f"nothing happens on {trigger} of {elem_id}")


def queued(url: str, config: dict[str, Any], number: int, data: list[Any], heard: Callable[[Message], None] | None = None) -> list[Message]:
    """Send one queued event and wait for its end; every message. One that was refused ends with a message "queue_full"."""
    if config.get("protocol", "ws") == "ws":
        return _over_websocket(url, number, data, heard)
    return _over_stream(url, config, number, data, heard)


class _Heard(list[Message]):
    def __init__(self, tell: Callable[[Message], None] | None) -> None:
        super().__init__()
        self._started, self._tell = time.monotonic(), tell

    def add(self, message: Message) -> str:
        message["at"] = time.monotonic() - self._started
        self.append(message)
        if self._tell is not None:
            self._tell(message)
        return str(message["msg"])


def _over_websocket(url: str, number: int, data: list[Any], heard: Callable[[Message], None] | None) -> list[Message]:
    from websockets.sync.client import connect

    found, session = _Heard(heard), {"fn_index": number, "session_hash": uuid.uuid4().hex[:11]}
    with connect(f"{url.replace('http', 'ws', 1)}/queue/join", open_timeout=30) as socket:
        while True:
            said = found.add(json.loads(socket.recv(timeout=60)))
            if said == "send_hash":
                socket.send(json.dumps(session))
            elif said == "send_data":
                socket.send(json.dumps({**session, "data": data, "event_data": None}))
            elif said in (COMPLETED, "queue_full"):
                return found


def _over_stream(url: str, config: dict[str, Any], number: int, data: list[Any], heard: Callable[[Message], None] | None) -> list[Message]:
    base, session, found = url + config.get("api_prefix", ""), uuid.uuid4().hex[:11], _Heard(heard)
    body = {"fn_index": number, "session_hash": session, "data": data, "event_data": None, "trigger_id": None}
    answer = requests.post(f"{base}/queue/join", json=body, timeout=30)
    if answer.status_code == 503:
        found.add({"msg": "queue_full", "text": answer.text})
        return found
    assert answer.status_code == 200, answer.text
    with requests.get(f"{base}/queue/data", params={"session_hash": session}, stream=True, timeout=60) as stream:
        for line in stream.iter_lines():
            if line.startswith(b"data:") and found.add(json.loads(line[5:])) == COMPLETED:
                break
    return found
