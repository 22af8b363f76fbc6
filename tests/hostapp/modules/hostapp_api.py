"""Not the host's: how a test drives this app (``/hostapp/...``), and the record of what the process does outside itself."""

from __future__ import annotations

import json
import sys
import threading
import time

from modules import sd_models, sd_vae, shared

reloads = 0
started = 0
WATCHED = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "subprocess.Popen", "os.system", "os.posix_spawn", "os.fork", "os.exec")


def record(path: str) -> None:
    """Append one JSON line to ``path`` for each connection, look-up or process start: the event, its arguments, the files of the stack."""
    lock = threading.Lock()

    def hook(event: str, arguments: tuple) -> None:
        if event not in WATCHED:
            return
        frame, stack = sys._getframe(1), []
        while frame is not None:
            stack.append(frame.f_code.co_filename)
            frame = frame.f_back
        line = json.dumps({"time": time.time(), "event": event, "arguments": repr(arguments)[:300], "stack": stack})
        with lock, open(path, "a", encoding="utf8") as out:
            out.write(line + "\n")

    sys.addaudithook(hook)


def status() -> dict:
    import networks

    return {
        "reloads": reloads,
        "started": started,
        "tabs": shared.tab_names,
        "checkpoints": sorted(sd_models.checkpoints_list),
        "checkpoint": shared.opts.sd_model_checkpoint,
        "vaes": sorted(sd_vae.vae_dict),
        "loras": sorted(networks.available_networks),
        "hypernetworks": sorted(shared.hypernetworks),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "cpu": time.process_time(),
    }


def reload() -> dict:
    shared.state.request_restart()
    return {"reloads": reloads}


def add_routes(app) -> None:
    app.add_api_route("/hostapp/status", status, methods=["GET"])
    app.add_api_route("/hostapp/reload", reload, methods=["POST"])
