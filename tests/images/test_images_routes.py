"""The routes for pictures over real HTTP, as the page asks them, on the demo Civitai."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from civitai_manager_libs.application import Application
from civitai_manager_libs.web import routes
from support import done, served

from demo.community import COMMUNITY_IMAGE, lora
from demo.pictures import encoded
from demo.server import DemoServer

OURS = {"x-civitai-manager": "1"}
TEXT = "a cat <lora:thing:0.5>\nNegative prompt: bad\nSteps: 5, Sampler: Euler a, Seed: 4, Size: 64x96"


@pytest.fixture
def url(running: Application) -> Iterator[str]:
    with served(running) as address:
        yield f"{address}{routes.PREFIX}/"


def post(url: str, status: int = 200, data: bytes | None = None, headers: dict[str, str] | None = None, **body: Any) -> Any:
    sent: dict[str, Any] = {"data": data} if data is not None else {"json": body}
    answer = requests.post(url, headers=OURS if headers is None else headers, timeout=60, **sent)
    assert answer.status_code == status, answer.text
    return answer.json()


def shown(demo: DemoServer, number: int) -> dict[str, Any]:
    """A picture as the page has it."""
    answer = requests.get(f"{demo.url}/api/v1/images", {"imageId": number, "browsingLevel": 31}, timeout=30).json()
    (item,) = answer["items"]
    return {"url": item["url"], "id": item["id"], "type": item["type"], "level": 1, "width": item["width"], "hash": item["hash"], "post_id": None}


def test_data_at_once_or_by_a_job(url: str, running: Application, demo: DemoServer) -> None:
    picture = shown(demo, COMMUNITY_IMAGE + 1)
    ticket = "0123456789ab"
    first = post(url + "images/data", picture=picture, ticket=ticket)
    assert first == {"job": ticket}
    data = done(running, ticket)["data"]
    assert (data["state"], data["source"], data["parameters"]["Seed"]) == ("found", "api", "1001")
    assert post(url + "images/data", picture=picture, ticket=ticket) == {"job": ticket}, "the same press again"
    again = post(url + "images/data", picture=picture)["data"]
    assert {**again, "checked": 0} == {**data, "checked": 0} and again["checked"] > 1e9
    assert set(again) == {"state", "source", "infotext", "prompt", "negative", "parameters", "resources", "comfy", "checked"}


def test_resolve_fetch_and_rename(url: str, running: Application, demo: DemoServer) -> None:
    name, _, version = lora(0, 1)
    digest: str = requests.get(f"{demo.url}/api/v1/model-versions/{version}", timeout=30).json()["files"][0]["hashes"]["AutoV3"]
    text = f'a hill <lora:other_name:0.8>\nSteps: 5, Sampler: Euler a, Seed: 4, Lora hashes: "other_name: {digest.lower()}"'
    told = post(url + "resources/resolve", infotext=text)
    assert told["resources"][0]["state"] == "unknown" and told["resources"][0]["file"] is None
    (found,) = done(running, told["job"])["resources"]
    assert (found["state"], found["by"], found["version_id"]) == ("civitai", "hash", version)
    assert found["url"].endswith(f"?modelVersionId={version}") and found["title"] and found["version_name"]
    assert "job" not in post(url + "resources/resolve", mentions=[found]), "it is remembered"
    assert post(url + "resources/rename", infotext=text) == {"infotext": text, "prompt": text.split("\n")[0], "changed": []}
    result = done(running, post(url + "resources/fetch", mentions=[found], confirmed=False)["job"])
    assert result["skipped"] == [] and len(result["started"]) == 1
    done(running, result["started"][0])
    (here,) = post(url + "resources/resolve", infotext=text)["resources"]
    assert here["state"] == "here" and here["file"]["stem"] == name and here["weight"] == 0.8
    made = post(url + "resources/rename", infotext=text)
    assert made["changed"] == [{"from": "other_name", "to": name}]
    assert made["infotext"] == text.replace("other_name", name)
    assert done(running, post(url + "resources/fetch", version_ids=[version])["job"])["started"] == []


def test_read_a_dropped_file(url: str) -> None:
    data, _ = encoded("hills", 1, (64, 96), None, TEXT)
    read = post(url + "images/read", data=data)["data"]
    assert (read["state"], read["source"], read["infotext"], read["negative"]) == ("found", "file", TEXT, "bad")
    assert post(url + "images/read", data=TEXT.encode())["data"]["prompt"] == "a cat <lora:thing:0.5>"
    assert post(url + "images/read", data=encoded("hills", 1, (64, 96), None)[0])["data"]["state"] == "none"


def test_refusals(url: str) -> None:
    assert "no picture" in post(url + "images/read?picture=1", 400, data=TEXT.encode())["error"]["message"], "a text that is called a picture"
    assert "picture" in post(url + "images/read", 400, data=b"\x00\x01\x02\x03")["error"]["message"]
    post(url + "images/read", 403, data=b"x", headers={})
    post(url + "images/data", 403, headers={}, picture={"url": "https://x"})
    post(url + "images/data", 400, picture={})
    post(url + "images/data", 400, picture={"url": 5})
    post(url + "images/data", 400)
    post(url + "resources/resolve", 400, mentions=[{"weight": "heavy"}])
    post(url + "resources/resolve", 400, mentions=[{"name": "x"}] * 300)
    post(url + "resources/fetch", 400)
    post(url + "resources/rename", 400)
    assert post(url + "resources/resolve", infotext="") == {"resources": []}
