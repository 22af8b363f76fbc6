"""Recipes over real HTTP: making, editing from two pages, pictures, files, the trash; and what is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import recipe_shapes as shapes
import requests
from civitai_manager_libs.actions.recipes import documents, pictures
from civitai_manager_libs.application import Application
from civitai_manager_libs.catalog.files import LocalFile
from civitai_manager_libs.generation import embedding
from civitai_manager_libs.web import recipes as recipe_routes
from civitai_manager_libs.web import routes
from support import NOWHERE, done, failed, make_application, served

OURS = {"x-civitai-manager": "1"}


class Page:
    def __init__(self, url: str) -> None:
        self.url = f"{url}{routes.PREFIX}"
        self.session = requests.Session()

    def raw(self, path: str, **query: Any) -> requests.Response:
        return self.session.get(f"{self.url}/{path}", params=query, timeout=30)

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        answer = self.raw(path, **query)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, path: str, status: int = 200, **body: Any) -> Any:
        return self._post(path, status, json=body)

    def send(self, path: str, data: bytes, status: int = 200, **query: Any) -> Any:
        return self._post(path, status, data=data, params=query)

    def _post(self, path: str, status: int, **sent: Any) -> Any:
        answer = self.session.post(f"{self.url}/{path}", headers=OURS, timeout=60, **sent)
        assert answer.status_code == status, answer.text
        told = answer.json()
        if status != 200:
            assert set(told["error"]) >= {"code", "message", "next_step", "remedy"} and told["error"]["message"]
        return told


@pytest.fixture
def application(tmp_path: Path, demo: Any) -> Iterator[Application]:
    made = make_application(tmp_path, demo)
    made.start()
    yield made
    made.close()


@pytest.fixture
def url(application: Application) -> Iterator[str]:
    with served(application) as address:
        yield address


@pytest.fixture
def page(url: str) -> Page:
    return Page(url)


def stored(application: Application) -> set[str]:
    return {path.name for path in application.services.recipe_folder.glob("*/*")}


def test_what_tells_that_a_model_is_here(page: Page, application: Application) -> None:
    """A name alone is not certain, and is told as such."""
    application.services.files.put([LocalFile("/m/glow.safetensors", 1, 1, "88e247aa8c3d" + "0" * 52, 1, 2)])
    told = 'a <lora:glow:1>, <lora:shine:1>, <lora:fern:1>\nSteps: 5, Seed: 1, Lora hashes: "shine: 88e247aa8c3d"'
    view = page.get(f"recipes/{page.post('recipes', infotext=told)['id']}")
    assert [(one["name"], one["here"], one["by"]) for one in view["models"]] == [("glow", True, "name"), ("shine", True, "hash"), ("fern", False, "")]


def test_a_day_with_recipes(page: Page, application: Application) -> None:
    made = page.post("recipes", infotext=shapes.INFOTEXT, tags=["evening"], collection="Lakes", ticket="a" * 12)
    number = made["id"]
    assert page.post("recipes", infotext=shapes.INFOTEXT, ticket="a" * 12) == made, "the same press, sent twice"
    view = page.get(f"recipes/{number}")
    assert view["name"] == "masterpiece, a lake at dusk, 夕焼け" and list(view["parameters"])[:2] == ["Steps", "Sampler"] and view["history"] == []
    glow = view["models"][1]
    assert (glow["name"], glow["weight"], glow["here"]) == ("glow", 0.8, False)
    lighter = [{"id": glow["id"], "weight": 0.5}]
    told = page.post(f"recipes/{number}", set={"name": "Dusk", "favourite": True}, parameters={"Seed": None}, change_models=lighter)
    assert set(told["changed"]) == {"name", "favourite", "prompt", "parameters", "models"}
    view = page.get(f"recipes/{number}")
    assert "<lora:glow:0.5>" in view["prompt"] and "Seed" not in view["parameters"] and "<lora:glow:0.5>" in view["infotext"]
    (entry,) = view["history"]
    assert page.get(f"recipes/{number}/history/{entry['id']}")["parameters"]["Seed"] == "123"
    page.post(f"recipes/{number}/restore", history=entry["id"])
    assert page.get(f"recipes/{number}")["name"] == "masterpiece, a lake at dusk, 夕焼け" and len(page.get(f"recipes/{number}")["history"]) == 2
    application.services.files.put([LocalFile("/nowhere/glow.safetensors", 1, 1, "88e247aa8c3d" + "0" * 52, 1, 2)])
    card = page.get("recipes", q="dusk", sort="name")["items"][0]
    assert (card["models"], card["missing"], card["collection"], card["picture"], card["base"]) == (2, 1, "Lakes", "", "dream")
    copied = page.post(f"recipes/{number}/copy", ticket="b" * 12)["id"]
    assert page.post(f"recipes/{number}/copy", ticket="b" * 12)["id"] == copied != number
    assert page.get(f"recipes/{copied}")["equal"] == [{"id": number, "name": "masterpiece, a lake at dusk, 夕焼け", "deleted": False}]
    assert page.post("recipes/edit", ids=[number, copied], set={"collection": "Evening lakes"}, add_tags=["both"]) == {"changed": 2}
    page.post(f"recipes/{copied}/used")
    facets = page.get("recipes/facets")
    assert facets["collections"] == [{"name": "Evening lakes", "count": 2}] and facets["total"] == 2
    assert page.post("recipes/delete", ids=[number]) == {"changed": 1} and page.get("recipes")["total"] == 1
    assert page.get("recipes", state="deleted")["items"][0]["id"] == number and page.get(f"recipes/{number}")["deleted"] > 0
    assert page.post("recipes/undelete", ids=[number]) == {"changed": 1} and page.get("recipes", hide=2)["total"] == 2


def test_equal_ones_are_told(page: Page) -> None:
    number = page.post("recipes", infotext=shapes.INFOTEXT)["id"]
    told = page.post("recipes", infotext=shapes.INFOTEXT, name="Another")
    assert told == {"equal": [{"id": number, "name": "masterpiece, a lake at dusk, 夕焼け", "deleted": False}]} and page.get("recipes")["total"] == 1
    assert page.post("recipes", infotext=shapes.INFOTEXT, name="Another", anyway=True)["id"] != number
    dropped = page.send("recipes/drop", shapes.picture("PNG", shapes.INFOTEXT), name="x.png")
    assert dropped["recipes"] == [] and {one["name"] for one in dropped["equal"]} == {"Another", "masterpiece, a lake at dusk, 夕焼け"}
    assert page.send("recipes/drop", shapes.picture("PNG", shapes.INFOTEXT), name="x.png", anyway=1)["recipes"][0]["what"] == "new"
    assert page.post("recipes", name="by hand")["id"] and page.post("recipes", name="by hand")["id"], "nothing is equal to nothing"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_recipe_as_one_file_and_back(page: Page, application: Application, kind: str) -> None:
    original = shapes.picture(kind, shapes.INFOTEXT)
    (made,) = page.send("recipes/drop", original, name="00012.png", ticket="c" * 12)["recipes"]
    assert page.send("recipes/drop", original, name="00012.png", ticket="c" * 12)["recipes"][0]["id"] == made["id"], "the same press, sent twice"
    number = made["id"]
    page.post(f"recipes/{number}", set={"name": "Dämmerung: 夕/1", "note": "mine", "collection": "Lakes", "favourite": True}, add_tags=["Öl"])
    answer = page.raw(f"recipes/{number}/picture")
    assert answer.content == original and answer.headers["content-type"] == f"image/{kind.lower()}", "byte for byte"
    view = page.get(f"recipes/{number}")
    assert (view["name"], view["note"], view["collection"], view["favourite"], view["tags"]) == ("Dämmerung: 夕/1", "mine", "Lakes", True, ["Öl"])
    small = page.raw(f"recipes/{number}/thumbnail", v=view["picture"].partition(".")[0])
    assert small.headers["content-type"] == "image/jpeg" and "immutable" in small.headers["cache-control"]
    assert (view["width"], view["height"]) == (64, 96)
    assert page.session.get(small.url, headers={"if-none-match": small.headers["etag"]}, timeout=30).status_code == 304
    shared = page.raw(f"recipes/{number}/file")
    assert "attachment" in shared.headers["content-disposition"] and "filename*=UTF-8''D%C3%A4mmerung" in shared.headers["content-disposition"]
    assert shapes.pixels(shared.content) == shapes.pixels(original) and "masterpiece" in shapes.comment_of(shared.content)
    page.post("recipes/delete", ids=[number])
    back = page.send("recipes/drop", shared.content, name="anything.bin")["recipes"]
    assert back == [{"id": number, "name": "Dämmerung: 夕/1", "what": "known", "conflicts": []}] and page.get(f"recipes/{number}")["deleted"] == 0
    page.post("recipes/delete", ids=[number])
    page.post("recipes/purge")
    (again,) = page.send("recipes/drop", shared.content, name="anything.bin")["recipes"]
    assert again["what"] == "new"
    after = page.get(f"recipes/{again['id']}")
    for name in ("name", "prompt", "negative", "parameters", "note", "collection", "favourite", "tags", "source", "uid", "created"):
        assert after[name] == view[name], name
    models = [[(one["name"], one["weight"], one["hash"]) for one in told["models"]] for told in (after, view)]
    assert models[0] == models[1]


def test_a_recipe_without_a_picture_is_a_document(page: Page) -> None:
    number = page.post("recipes", infotext=shapes.INFOTEXT)["id"]
    shared = page.raw(f"recipes/{number}/file")
    assert shared.headers["content-type"].startswith("application/json") and shared.json()["format"] == documents.FORMAT
    page.send(f"recipes/{number}/picture", shapes.picture("PNG"))
    assert page.raw(f"recipes/{number}/file", plain=1).json() == shared.json() and page.raw(f"recipes/{number}/file").content[:4] == b"\x89PNG"
    gif = shapes.picture("GIF")
    page.send(f"recipes/{number}/picture", gif)
    assert embedding.document_in(page.raw(f"recipes/{number}/file").content), "a kind that holds no texts goes as a JPEG"


def test_pictures_come_and_go(page: Page, application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    number = page.post("recipes", infotext=shapes.INFOTEXT)["id"]
    first, second = shapes.picture("PNG"), shapes.picture("JPEG")
    page.send(f"recipes/{number}/picture", first, level=4)
    page.send(f"recipes/{number}/picture", second)
    page.post(f"recipes/{number}/picture/remove")
    assert page.get(f"recipes/{number}/picture", 404)["error"]["code"] == "not_found" and len(stored(application)) == 4
    latest = page.get(f"recipes/{number}")["history"]
    page.post(f"recipes/{number}/restore", history=latest[1]["id"])
    view = page.get(f"recipes/{number}")
    assert page.raw(f"recipes/{number}/picture").content == first and view["level"] == 4 and page.get("recipes", hide=2)["total"] == 0
    for bad in (b"", b"text", b"\x89PNG\r\n\x1a\n", b"\0\0\0\x18ftypmp42" + b"\0" * 50):
        assert page.send(f"recipes/{number}/picture", bad, 400)["error"]["code"] == "bad_value"
    assert page.raw(f"recipes/{number}/picture").content == first
    page.post("recipes/delete", ids=[number])
    page.post("recipes/purge", ids=[number])
    assert len(stored(application)) == 4, "what was stored just now may be about to get a recipe"
    monkeypatch.setattr(pictures, "_YOUNG", -1.0)
    page.post("recipes/purge")
    assert stored(application) == set()


def test_a_picture_of_civitais(page: Page, application: Application, demo: Any) -> None:
    number = page.post("recipes", infotext=shapes.INFOTEXT)["id"]
    model = next(iter(application.services.client.pages("/api/v1/models", {"limit": 5})))
    image = next(one for version in model["modelVersions"] for one in version["images"] if one["type"] == "image")
    job = page.post(f"recipes/{number}/picture/fetch", picture={"url": image["url"], "type": "image", "level": 1}, ticket="d" * 12)["job"]
    assert done(application, job)["recipe"] == number
    view = page.get(f"recipes/{number}")
    assert view["picture"] and view["level"] == 1 and view["width"] > 0
    made = page.post("recipes", infotext="x", name="with", picture={"url": image["url"], "type": "image", "level": 2}, ticket="e" * 12)
    assert done(application, made["job"])["recipe"] == made["id"]
    lost = page.post(f"recipes/{number}/picture/fetch", picture={"url": image["url"].replace("/original", "/x") + "zzz/none.jpeg"})["job"]
    if application.jobs.wait(lost, 20).state == "failed":
        assert failed(application, lost)["message"] and page.get(f"recipes/{number}")["picture"] == view["picture"]
    assert page.post(f"recipes/{number}/picture/fetch", 400, picture={"url": "file:///etc/passwd"})["error"]["code"] == "usage"
    count = page.get("recipes")["total"]
    assert page.post("recipes", 400, infotext="y", name="without", picture={"url": "file:///etc/passwd"})["error"]["code"] == "usage"
    assert page.get("recipes")["total"] == count, "nothing is made"


def test_what_is_refused_changes_nothing(page: Page, application: Application) -> None:
    number = page.post("recipes", infotext=shapes.INFOTEXT)["id"]
    before = page.get(f"recipes/{number}")
    page.post(f"recipes/{number}", 400, set={"name": "x" * 500, "note": "no"})
    page.post(f"recipes/{number}", 400, set={"uid": "x"})
    page.post(f"recipes/{number}", 400, add_models=[{"name": ""}])
    page.post(f"recipes/{number}", 400, add_tags="x")
    page.post(f"recipes/{number}", 404, change_models=[{"id": 999, "weight": 1}])
    page.post(f"recipes/{number}/restore", 404, history=5)
    page.post("recipes/999", 404, set={"name": "x"})
    page.post("recipes/999/copy", 404)
    page.send("recipes/999/picture", shapes.picture("PNG"), 404)
    page.send("recipes/drop", b"\x00\x01binary" * 9, 400, name="a.bin")
    page.send("recipes/drop", b"", 400)
    page.get("recipes/999", 404)
    page.get("recipes/999/file", 404)
    assert page.get(f"recipes/{number}") == before and page.get("recipes", sort="x", state="x", hide="x", offset="x")["total"] == 1
    for path in [path for _, path, _ in recipe_routes.routes(lambda: application)]:
        answer = page.session.post(page.url + path.replace("{id}", "1").replace("{recipe_id}", "1"), data=b"{}", timeout=30)
        assert answer.status_code in (403, 405), f"{path}: without our header nothing is done"


def test_two_pages_at_once_lose_nothing(url: str, application: Application) -> None:
    number = Page(url).post("recipes", name="both")["id"]
    problems: list[BaseException] = []

    def edit(which: int) -> None:
        mine = Page(url)
        try:
            for step in range(12):
                mine.post(f"recipes/{number}", add_tags=[f"{which}-{step}"], parameters={f"P{which}{step}": "1"})
                mine.post(f"recipes/{number}", add_models=[{"kind": "lora", "name": f"m{which}{step}"}], set={("note", "negative")[which]: str(step)})
        except BaseException as exc:
            problems.append(exc)

    threads = [threading.Thread(target=edit, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    view = Page(url).get(f"recipes/{number}")
    assert not problems and len(view["tags"]) == len(view["parameters"]) == len(view["models"]) == 24
    assert view["prompt"].count("<lora:") == 24 and (view["note"], view["negative"]) == ("11", "11")


def test_without_civitai_nothing_is_missing(tmp_path: Path) -> None:
    application = make_application(tmp_path, NOWHERE)
    application.start()
    number = application.recipes.from_file(shapes.picture("PNG", shapes.INFOTEXT), "a.png")["recipes"][0]["id"]
    path = application.recipes.save(number, tmp_path)
    assert application.recipes.save(number, tmp_path).name == f"{path.stem} (2).png" and json.loads(embedding.document_in(path.read_bytes()))
    application.close()
    again = make_application(tmp_path, NOWHERE)
    again.start()
    assert again.recipes.view(number)["prompt"].startswith("masterpiece")
    again.close()
