"""`python -m demo`: the demo Civitai until Ctrl+C."""

from __future__ import annotations

import argparse
import time

from .server import KEY, DemoServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo", description="A Civitai of our own: nothing leaves this computer.")
    parser.add_argument("--port", type=int, default=7862, help="port of the API (0: any free one)")
    parser.add_argument("--storage-port", type=int, default=7863, help="port of files and pictures (0: any free one)")
    parser.add_argument("--models", type=int, default=40, help="how many generated models, at most 10000")
    parser.add_argument("--seed", type=int, default=1, help="other seeds give other models")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--era", choices=("2026-08", "2025-07"), default="2026-08", help="the form of the answers")
    options = parser.parse_args()
    try:
        server = DemoServer(options.models, options.seed, options.latency, options.port, options.storage_port, era=options.era).start()
    except OSError as exc:
        parser.error(f"The ports {options.port} and {options.storage_port} cannot be used: {exc.strerror}. Choose others, or 0 for any free one.")
    with server as demo:
        print(f"API      {demo.url}\nstorage  {demo.storage_url}\nkey      {KEY}\nStop with Ctrl+C.", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print("Stopped.")


if __name__ == "__main__":
    main()
