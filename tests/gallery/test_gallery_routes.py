"""The same over HTTP: the loop answers others while Civitai is slow, files are sent with what browsers need, nothing else can be read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests
from civitai_manager_libs.web import routes
from support import done, served, until

from demo import build

MODEL, VERSION = build.GENERATED_MODEL, build.GENERATED_VERSION
OURS = {"X-Civitai-Manager": "1"}


@pytest.fixture
def url(running: Any) -> Iterator[str]:
    with served(running) as address:
        yield f"{address}{routes.PREFIX}"


def ready(url: str, **query: Any) -> dict[str, Any]:
    return until(lambda: "pending" not in (got := requests.get(url, params=query, timeout=10).json()) and got, 15)


def test_pages_and_files(url: str, running: Any, demo: Any) -> None:
    first = ready(f"{url}/gallery", version=VERSION, limit=30)
    assert len(first["items"]) == 30 and first["next"] and first["as_of"] > 1e9
    second = ready(f"{url}/gallery", version=VERSION, limit=30, cursor=first["next"])
    assert not {one["id"] for one in first["items"]} & {one["id"] for one in second["items"]}
    for bad in ({"version": "x"}, {"version": VERSION, "sort": "Random"}, {"version": VERSION, "level": -4}):
        refused = requests.get(f"{url}/gallery", params=bad, timeout=10)
        assert refused.status_code == 400 and refused.json()["error"]["message"]
    done(running, running.register(str(MODEL)))
    assert requests.post(f"{url}/examples/keep", json={"model": MODEL}, timeout=10).status_code == 403
    ticket = "0123456789ab"
    started = [requests.post(f"{url}/examples/keep", json={"model": MODEL, "ticket": ticket}, headers=OURS, timeout=10).json() for _ in range(2)]
    assert started == [{"job": ticket}] * 2
    done(running, ticket)
    shown = ready(f"{url}/examples", model=MODEL)
    name = shown["items"][0]["kept"]
    sent = requests.get(f"{url}/kept/{name}", timeout=10)
    assert sent.headers["content-type"].startswith("image/") and "max-age=31536000" in sent.headers["cache-control"]
    assert sent.headers["x-content-type-options"] == "nosniff" and len(sent.content) == int(sent.headers["content-length"])
    assert requests.get(f"{url}/kept/{name}", headers={"If-None-Match": sent.headers["etag"]}, timeout=10).status_code == 304
    assert len(requests.get(f"{url}/kept/{name}?size=small", timeout=10).content) < len(sent.content)
    for bad in ("nothing.png", quote("../catalog.db", safe=""), "%2e%2e%2fcatalog.db"):
        assert requests.get(f"{url}/kept/{bad}", timeout=10).status_code == 404
    removed = requests.post(f"{url}/examples/forget", json={"version": VERSION}, headers=OURS, timeout=10).json()
    assert removed["pictures"] == len(shown["items"])


def test_the_server_answers_while_civitai_is_slow(url: str, demo: Any) -> None:
    demo.fault("slow", path="/images", seconds=4)
    begun = time.monotonic()
    for number in range(60):  # more than there are worker threads
        assert "pending" in requests.get(f"{url}/gallery", params={"model": MODEL + number}, timeout=3).json()
    assert requests.get(f"{url}/jobs", timeout=3).status_code == 200
    assert time.monotonic() - begun < 3.5
