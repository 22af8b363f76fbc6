"""The routes for the library over real HTTP: reading, editing, refusing; two pages at once."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from civitai_manager_libs.application import Application
from civitai_manager_libs.catalog.files import LocalFile
from civitai_manager_libs.catalog.models import Entry, VersionEntry
from civitai_manager_libs.web import assets, edits, routes
from support import NOWHERE, done, make_application, served

OURS = {"x-civitai-manager": "1"}


class Page:
    """A browser's page, as far as the routes see one."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}{routes.PREFIX}"
        self.session = requests.Session()

    def get(self, path: str, **query: Any) -> Any:
        answer = self.session.get(f"{self.url}/{path}", params=query, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, status: int = 200, headers: dict[str, str] | None = None, data: Any = None, **body: Any) -> Any:
        sent = {"data": data} if data is not None else {"json": body}
        answer = self.session.post(f"{self.url}/{path}", headers=OURS if headers is None else headers, timeout=60, **sent)
        assert answer.status_code == status, answer.text
        assert answer.headers["cache-control"] == "no-store"
        told = answer.json()
        if status != 200:
            assert set(told["error"]) >= {"code", "message", "next_step", "remedy"} and told["error"]["message"]
        return told


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a library of 2,501 models, made once; each test works on a copy of it."""
    folder = tmp_path_factory.mktemp("library")
    made = make_application(folder, NOWHERE)
    made.start()
    entries = [
        Entry(n, f"Model {n}", "LORA" if n % 2 else "VAE", "ann", False, (1, 4, 0)[n % 3], ["Pony"], "", f"model {n}", [VersionEntry(n * 10, {})])
        for n in range(1, 2501)
    ]
    made.services.models.save_all((entry, {"id": entry.id, "name": entry.name, "type": entry.type}) for entry in entries)
    made.services.files.put([LocalFile(f"/nowhere/{n}.safetensors", 1000, 1, f"{n:064x}", n, n * 10) for n in (1, 2, 3)])
    (number,) = made.services.files.put([LocalFile("/nowhere/mine.safetensors", 7, 1, health="truncated")])
    made.services.models.save(Entry(-number, "mine", "LORA", "", False, 0, [], "", "", [], refreshed=False), {})
    made.services.files.change([(number, {"model_id": -number})])
    made.close()
    return folder / "data"


@contextlib.contextmanager
def started(folder: Path, library: Path) -> Iterator[Application]:
    shutil.copytree(library, folder / "data")
    made = make_application(folder, NOWHERE)
    made.start()
    yield made
    made.close()


@pytest.fixture
def application(tmp_path: Path, library: Path) -> Iterator[Application]:
    with started(tmp_path, library) as made:
        yield made


@pytest.fixture
def url(application: Application) -> Iterator[str]:
    with served(application) as address:
        yield address


@pytest.fixture
def page(url: str) -> Page:
    return Page(url)


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory, library: Path) -> Iterator[Page]:
    """For requests that are refused, one after the other: none of them changes anything."""
    with started(tmp_path_factory.mktemp("refusing"), library) as made, served(made) as address:
        yield Page(address)


def test_looking(page: Page) -> None:
    window = page.get("cards", q="model", type="lora", sort="name", limit=10, offset=5)
    assert window["total"] == 1250 and len(window["items"]) == 10 and window["offset"] == 5
    everything = page.get("ids", state="downloaded", hide=0)
    assert everything["count"] == 4 and everything["bytes"] == 3007 and -4 in everything["ids"]
    assert page.get("ids", hide=2)["count"] == page.get("cards", hide=2)["total"] == 833
    assert page.get("cards", hide="nonsense", sort="nonsense", state="nonsense")["total"] == 2501
    facets = page.get("facets")
    assert facets["types"] == ["LORA", "VAE"] and facets["counts"]["states"]["downloaded"] == 4 and facets["counts"]["states"]["broken"] == 1
    assert facets["filters"] == [] and facets["collections"] == []


def test_a_whole_day_of_editing(page: Page, application: Application) -> None:
    assert page.post("models/edit", ids=[1, 2, -4], set={"favourite": True, "note": "gut für Öl"}, add_tags=["a", "b"], ticket="t1") == {"changed": 3}
    assert sorted(page.get("ids", q="is:favourite #a öl")["ids"]) == [-4, 1, 2]
    page.post("models/edit", ids=[2], remove_tags=["A"])
    assert page.get("tags", prefix="")["tags"] == [{"tag": "b", "count": 3, "own": True}, {"tag": "a", "count": 2, "own": True}]
    one = page.post("collections", name="Portraits")["id"]
    two = page.post("collections", name="Scenes", note="wide")["id"]
    assert page.post(f"collections/{one}/add", ids=[3, 1, -4, 2]) == {"changed": 4}
    page.post(f"collections/{one}/order", ids=[1, 2], before=3)
    page.post(f"collections/{one}/note", id=1, note="the best")
    assert page.get("ids", collection="portraits", sort="collection")["ids"] == [1, 2, 3, -4]
    page.post(f"collections/{one}", name="Faces")
    assert page.post(f"collections/{one}/remove", ids=[3]) == {"changed": 1}
    page.post("collections/move", ids=[two], before=one)
    assert [(each["name"], each["count"]) for each in page.get("facets")["collections"]] == [("Scenes", 0), ("Faces", 3)]
    words = page.post("models/1/words", words="zinnia", name="flowers", weight=0.5)["id"]
    other = page.post("models/1/words", words="rose")["id"]
    page.post(f"words/{words}", weight=None, negative="thorns")
    page.post(f"words/{other}/move", before=words)
    page.post("models/1/ignore", versions=[10])
    view = application.model_view(1)
    assert view is not None and [each["words"] for each in view["word_sets"]] == ["rose", "zinnia"] and view["word_sets"][1]["weight"] is None
    assert view["word_sets"][1]["name"] == "flowers" and view["collections"] == [{"id": one, "name": "Faces", "note": "the best"}]
    assert view["ignored"] == [10] and view["own_tags"] == ["a", "b"] and view["favourite"] is True and view["note"] == "gut für Öl"
    assert view["files"][0]["state"] == "here" and view["files"][0]["name"] == "1.safetensors"
    page.post(f"words/{words}/delete")
    page.post("models/1/ignore", versions=[10], ignored=False)
    page.post("filters", name="Mine", filters={"q": "is:favourite", "hide": 4})
    assert page.get("filters")["filters"] == [{"name": "Mine", "filters": {"q": "is:favourite", "hide": 4}}]
    page.post("filters/delete", name="mine")
    page.post(f"collections/{two}/delete")
    assert page.get("filters")["filters"] == [] and len(page.get("facets")["collections"]) == 1


def test_a_file_that_is_only_here_is_shown_in_full(page: Page, application: Application) -> None:
    page.post("models/edit", ids=[-4], set={"weight": 0.6}, add_tags=["mine"])
    view = application.model_view(-4)
    assert view is not None and (view["name"], view["type"], view["url"], view["versions"], view["weight"]) == ("mine", "LORA", "", [], 0.6)
    assert view["files"][0]["health"] == "truncated" and view["own_tags"] == ["mine"]
    (card,) = page.get("cards", q="is:local")["items"]
    assert (card["id"], card["state"], card["broken"], card["size"]) == (-4, "broken", True, 7)
    assert application.model_view(12345) is None


def test_a_whole_library_is_edited_by_a_job(page: Page, application: Application) -> None:
    ids = page.get("ids")["ids"]
    began = time.perf_counter()
    job = page.post("models/edit", ids=ids, set={"rating": 3}, add_tags=["all"])["job"]
    assert time.perf_counter() - began < 5, "answers at once"
    assert done(application, job, 60) == {"changed": 2501}
    assert page.get("ids", q="#all")["count"] == 2501
    again = page.post("models/edit", ids=ids, set={"rating": 1}, remove_tags=["all"])["job"]
    assert again != job and done(application, again, 60) == {"changed": 2501} and page.get("ids", q="#all")["count"] == 0


@pytest.mark.parametrize("path", [path.format(id=1) for path in edits.EDITS])
def test_only_our_page_may_edit(refusing: Page, path: str) -> None:
    for headers in ({}, {**OURS, "sec-fetch-site": "cross-site"}, {**OURS, "origin": "https://elsewhere.example"}):
        assert refusing.post(path[1:], 403, headers=headers)["error"]["code"] == "refused"


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("models/edit", b"", 400), ("models/edit", b"no json", 400), ("models/edit", b"[]", 400), ("models/edit", b'{"ids": "1"}', 400),
        ("models/edit", b'{"ids": [1.5], "set": {"rating": 1}}', 400), ("models/edit", b'{"ids": [true]}', 400),
        ("models/edit", b'{"ids": [1]}', 400),
        ("models/edit", b'{"ids": [1], "set": {"rating": 9}}', 400), ("models/edit", b'{"ids": [1], "set": {"name": "x"}}', 400),
        ("models/edit", b'{"ids": [1], "add_tags": [7]}', 400), ("models/edit", b'{"ids": [99999], "set": {"rating": 1}}', 404),
        ("models/edit", b'{"ids": [9999999999999999999999], "set": {"rating": 1}}', 400), ("models/edit", b'\xff\xfe', 400),
        ("models/edit", b'{"ids": [1], "set": {"note": "\\ud83d"}}', 400), ("models/edit", b"[" * 100_000, 400),
        ("collections", b'{"name": ""}', 400), ("collections/77", b'{"name": "x"}', 404), ("collections/x", b'{"name": "x"}', 400),
        ("collections/99999999999999999999999", b'{"name": "x"}', 400), ("collections/1/add", b'{"ids": [1]}', 404),
        ("words/5", b'{"words": "x"}', 404),
        ("models/99999/words", b'{"words": "x"}', 404), ("filters", b'{"name": "x"}', 400), ("filters", b'{"name": "x", "filters": []}', 400),
        ("filters", b" " * 300_000, 400), ("models/edit", b" " * 5_000_000, 400),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said(refusing: Page, path: str, sent: bytes, status: int) -> None:
    before = refusing.get("facets"), refusing.get("models/1"), refusing.get("cards")["items"]
    told = refusing.post(path, status, data=sent)["error"]
    assert told["code"] in ("usage", "bad_value", "not_found")
    assert (refusing.get("facets"), refusing.get("models/1"), refusing.get("cards")["items"]) == before


@pytest.mark.parametrize("name", ["style.css", "scripts.js"])
def test_a_file_under_its_stamp_is_not_asked_for_again(url: str, name: str) -> None:
    def asked(query: str, **headers: str) -> requests.Response:
        return requests.get(f"{url}{routes.PREFIX}/assets/{name}{query}", headers=headers, timeout=20)

    def kept(query: str) -> str:
        return asked(query).headers["cache-control"]

    assert "immutable" in kept(f"?v={assets.stamp(name)}")
    assert kept("") == kept("?v=1") == kept("?again") == "private, no-cache"
    answer = asked("")
    assert answer.status_code == 200 and all(path.read_text(encoding="utf-8") in answer.text for path in assets.files(name))
    assert asked("", **{"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_two_pages_edit_at_once(url: str, application: Application) -> None:
    errors: list[BaseException] = []

    def edit(name: str, field: str) -> None:
        page = Page(url)
        try:
            for turn in range(15):
                page.post("models/edit", ids=[1, 2, 3], set={field: f"{name} {turn}"}, add_tags=[f"{name}{turn}"])
                page.post(f"collections/{shared}/add", ids=[100 * len(name) + turn])
        except BaseException as exc:
            errors.append(exc)

    shared = Page(url).post("collections", name="shared")["id"]
    threads = [threading.Thread(target=edit, args=arguments) for arguments in (("x", "note"), ("yy", "negative"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    view = application.model_view(2)
    assert view is not None and (view["note"], view["negative"], len(view["own_tags"])) == ("x 14", "yy 14", 30)
    assert Page(url).get("ids", collection="shared")["count"] == 30


# -- scan, verify, and what moves files


def test_the_same_press_sent_twice_starts_one_scan(page: Page, application: Application, tmp_path: Path) -> None:
    ticket = "0123456789ab"
    first = page.post("scan", folders=[str(tmp_path)], ticket=ticket)["job"]
    done(application, first)
    assert page.post("scan", folders=[str(tmp_path)], ticket=ticket)["job"] == first == ticket
    assert page.post("scan", 400, folders=[str(tmp_path / "none")])["error"]["next_step"]
    assert page.post("verify", ids=[1], ticket="0123456789ac")["job"] == "0123456789ac"
    page.post("verify", 404, ids=[999_999])


def test_a_model_as_the_panel_wants_it(page: Page) -> None:
    page.post("models/edit", ids=[1], set={"favourite": True, "weight": 0.8}, add_tags=["mine"])
    told = page.get("models/1")
    assert (told["favourite"], told["weight"], told["own_tags"]) == (True, 0.8, ["mine"])
    assert told["files"][0]["path"] == "/nowhere/1.safetensors" and "description" not in told
    local = page.get("models/-4")
    assert local["files"][0]["health"] == "truncated" and local["versions"] == []


def test_duplicates_go_to_the_trash_and_come_back(page: Page, application: Application) -> None:
    folder = next(iter(application.host.folders().values()))[0]
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("a.safetensors", "b.safetensors"):
        head = b'{"w":{"dtype":"F32","shape":[16],"data_offsets":[0,64]}}'
        (folder / name).write_bytes(len(head).to_bytes(8, "little") + head + bytes(64))
    done(application, page.post("scan")["job"])
    plan = page.post("plans/duplicates")
    assert [one["from"] for group in plan["groups"] for one in group["files"]] == [str(folder / "b.safetensors")]
    done(application, page.post("organise", action=plan["action"], request=plan["request"], groups=plan["groups"])["job"])
    assert not (folder / "b.safetensors").exists()
    assert page.get("trash")["files"][0]["path"] == str(folder / "b.safetensors")
    assert page.get("journal")["batches"][0]["done"] == 1
    done(application, page.post("undo")["job"])
    assert (folder / "b.safetensors").exists() and page.get("trash")["files"] == []
    assert page.post("plans/orphans")["count"] == 0
