"""An app shaped like AUTOMATIC1111 1.10.1, for tests: it loads extensions, builds the page and reloads it as the host does, without any model.

    python tests/hostapp/webui.py --port 7860 --data-path DIR [--gradio-auth user:password] [--no-gradio-queue] [--subpath NAME]

Extensions are in ``DIR/extensions``. It runs on gradio 3.41.2 (AUTOMATIC1111, reForge), 4.40.0 (Forge) and on a current one.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from modules import launch_utils
from modules.shared_cmd_options import cmd_opts

if not cmd_opts.skip_install:
    launch_utils.run_extensions_installers()

from modules import (
    extensions,
    hostapp_api,
    infotext_utils,  # noqa: F401 -- extensions find it, and its older name, already there
    initialize_util,
    script_callbacks,
    scripts,
    sd_hijack,  # noqa: F401 -- the same
    sd_models,
    sd_vae,
    shared,
    timer,
    ui,
    ui_extra_networks,
)


def initialize_rest() -> None:
    extensions.list_extensions()
    scripts.load_scripts()
    sd_models.list_models()
    sd_vae.refresh_vae_list()
    shared.reload_hypernetworks()


def api_only() -> None:
    """``--nowebui``: no page; the callbacks get no Blocks."""
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()
    initialize_util.setup_middleware(app)
    script_callbacks.before_ui_callback()
    hostapp_api.add_routes(app)
    script_callbacks.app_started_callback(None, app)
    uvicorn.run(app, host="127.0.0.1", port=cmd_opts.port, log_level="warning")


def start_ui():
    """Build the page and serve it. Returns nothing: ``shared.demo`` is what runs."""
    ui_extra_networks.initialize()
    script_callbacks.before_ui_callback()
    shared.demo = ui.create_ui()
    timer.startup_timer.record("create ui")
    if not cmd_opts.no_gradio_queue:
        shared.demo.queue(64)
    app, _, _ = shared.demo.launch(
        server_name=initialize_util.gradio_server_name(),
        auth=list(initialize_util.get_gradio_auth_creds()) or None,
        allowed_paths=[shared.data_path, shared.script_path, *cmd_opts.gradio_allowed_path],
        **ui.launch_arguments(),
    )
    timer.startup_timer.record("gradio launch")
    app.user_middleware = [item for item in app.user_middleware if item.cls.__name__ != "CORSMiddleware"]
    initialize_util.setup_middleware(app)
    hostapp_api.add_routes(app)
    script_callbacks.app_started_callback(shared.demo, app)
    hostapp_api.started += 1
    print(f"Startup time: {timer.startup_timer.summary()}.", flush=True)


def webui() -> None:
    while True:
        start_ui()
        command = None
        while command not in ("stop", "restart"):
            command = shared.state.wait_for_server_command(timeout=5)
        if command == "stop":
            shared.demo.close()
            return
        print("Restarting UI...", flush=True)
        shared.demo.close()
        time.sleep(0.5)
        timer.startup_timer.reset()
        script_callbacks.app_reload_callback()
        script_callbacks.script_unloaded_callback()
        hostapp_api.reloads += 1
        initialize_rest()


def hide_infotext() -> None:
    """As in a host that has no such module: nobody else finds it."""
    for name in ("modules.infotext_utils", "modules.generation_parameters_copypaste"):
        sys.modules[name] = None  # type: ignore[assignment]
    vars(sys.modules["modules"]).pop("infotext_utils", None)


def main() -> None:
    if cmd_opts.hostapp_without_infotext:
        hide_infotext()
    if cmd_opts.hostapp_audit:
        hostapp_api.record(cmd_opts.hostapp_audit)
    initialize_util.fix_asyncio_event_loop_policy()
    initialize_util.configure_sigint_handler()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    initialize_rest()
    threading.Thread(target=api_only if cmd_opts.nowebui else webui, name="webui", daemon=True).start()
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    sys.modules["webui"] = sys.modules["__main__"]
    main()
