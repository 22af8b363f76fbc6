"""What a WebUI generates marks the models that it names as used; pictures on their way into its tabs; what its cards show."""

from __future__ import annotations

import io
import random
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from civitai_manager_libs.actions import mentioned
from civitai_manager_libs.errors import NotFound, UsageError
from civitai_manager_libs.hosts import generated, names
from PIL import Image
from support import make_application

from tests.hostapp.harness import until
from tests.scan.libraries import made_up, write

INFO = (
    "a wood <lora:moss:0.5>, <hypernet:fog:1>\nNegative prompt: text\nSteps: 20, Sampler: Euler a, Seed: 1, Size: 64x64, Model hash: 0123456789, "
    'Model: heron, Lora hashes: "moss: aabbccddeeff, fern: 001122334455", TI hashes: "easyneg: 99aabbccdd", Version: v1.10.1'
)


def png(width: int = 8, height: int = 6) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height)).save(out, "PNG")
    return out.getvalue()


def test_hashes_and_names_are_read_from_an_infotext() -> None:
    found = mentioned.read(INFO)
    assert found.hashes == {"0123456789", "aabbccddeeff", "001122334455", "99aabbccdd"}
    assert found.names == {("lora", "moss"), ("hypernetwork", "fog"), ("checkpoint", "heron"), ("embedding", "easyneg")}
    assert mentioned.read('x\nSteps: 1, Hashes: {"model": "aabbccdd11", "lora:moss": "ffeeddccbb"}').hashes == {"aabbccdd11", "ffeeddccbb"}
    assert mentioned.read("") == mentioned.read("nothing: of the kind") == mentioned.Named(frozenset(), frozenset())
    noise = random.Random(1)
    for _ in range(200):  # whatever is in a picture's text, it is read in no time
        mentioned.read("".join(noise.choice('<lora:>,: "\\{}aA1\n') for _ in range(2000)))


def test_a_long_infotext_is_read_at_once() -> None:
    begun = time.perf_counter()
    assert not mentioned.read(f'a cat\nSteps: 1, Lora hashes: "{"a" * 90_000}"').hashes
    assert time.perf_counter() - begun < 1


def library(tmp_path: Path, demo: Any) -> Any:
    app = make_application(tmp_path, demo)
    app.start()
    for kind, name, number in (("lora", "moss", 1), ("lora", "fern", 2), ("checkpoint", "heron", 3), ("lora", "twin", 4)):
        path = write(tmp_path / kind / f"{name}.safetensors", made_up(number))
        record = app.services.files.add(path, f"{number}" * 64, model_id=None, version_id=None, file_id=None, kind=kind)
        app.services.files.change([(record.id, {"autov3": f"{number:x}" * 12})])
    job = app.scan([str(tmp_path / kind) for kind in ("lora", "checkpoint")])
    app.jobs.wait(job, 60)
    return app


def used(app: Any) -> dict[str, float]:
    return {card["name"]: app.services.models.row(card["id"])["used"] for card in app.cards()["items"]}


@pytest.fixture
def app(tmp_path: Path, demo: Any) -> Any:
    running = library(tmp_path, demo)
    yield running
    running.close()


def test_a_generated_picture_marks_what_it_names(app: Any, tmp_path: Path) -> None:
    before = time.time()
    picture = write(tmp_path / "out" / "00001.png", png())
    write(tmp_path / "out" / "grid-0001.png", png(99))
    app.webui.saw(str(picture), "x <lora:moss:1>\nSteps: 2, Sampler: Euler, Seed: 3, Model: heron")
    app.webui.saw(str(tmp_path / "out" / "grid-0001.png"), "a grid")
    until(lambda: used(app)["moss"] >= before and used(app)["heron"] >= before, 10, "the use")
    assert used(app)["fern"] == 0
    last = until(app.webui.last, 10)
    assert last["infotext"].startswith("x <lora:moss:1>") and last["picture"].startswith("images/last/picture")
    assert app.webui.last_picture() == (png(), "image/png")
    picture.unlink()
    assert app.webui.last()["picture"] is None
    with pytest.raises(NotFound):
        app.webui.last_picture()


def test_the_callback_never_reaches_the_host(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[tuple[str, str]] = []
    working = SimpleNamespace(webui=SimpleNamespace(saw=lambda path, text: seen.append((path, text))))
    generated.saved(lambda: working)(SimpleNamespace(filename="a.png", pnginfo={"parameters": "text"}))
    generated.saved(lambda: working)(SimpleNamespace(filename="a.png", pnginfo={}))
    generated.saved(lambda: working)(SimpleNamespace(filename="a.png", pnginfo=None))
    assert seen == [("a.png", "text")]

    def broken() -> Any:
        raise RuntimeError("not started")

    callback = generated.saved(broken)
    for _ in range(3):
        callback(SimpleNamespace(filename="a.png", pnginfo={"parameters": "text"}))
    assert len([one for one in caplog.records if "not noted" in one.message]) == 1, "said once"
    generated.watch(SimpleNamespace(), broken)  # a host without the callback


def test_pictures_on_their_way(app: Any) -> None:
    key = app.webui.keep(png(30, 20))
    assert app.webui.picture(key).size == (30, 20)
    for bad in (b"", b"hello", b"\x00\x00\x00\x18ftypmp42"):
        with pytest.raises(UsageError):
            app.webui.keep(bad)
    for wrong, error in (("../../settings.json", UsageError), ("", UsageError), ("0" * 32, NotFound)):
        with pytest.raises(error):
            app.webui.picture(wrong)
    with pytest.raises(UsageError):
        app.webui.picture(app.webui.keep(png()[:40]))
    keys = [app.webui.keep(png(number + 1)) for number in range(30)]
    assert app.webui.picture(keys[-1]).width == 30
    with pytest.raises(NotFound):
        app.webui.picture(key)
    with pytest.raises(UsageError):
        app.webui.prepare("https://image.civitai.com/x/y/z.mp4")


def test_cards_are_known_by_path_and_by_a_name_that_one_model_has(app: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "lora" / "moss.safetensors")
    elsewhere = "/elsewhere/moss.safetensors"
    found = app.webui.cards([(path, "lora", "moss"), ("", "lora", "fern"), ("", "checkpoint", "fern"), (elsewhere, "lora", "moss")])
    assert [one and one["name"] for one in found] == ["moss", "fern", None, None]


def test_names_are_those_of_the_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    path = tmp_path / "moss.safetensors"
    assert names.prompt_name(path, "lora") == "moss"
    assert names.prompt_name(path, "checkpoint") == "moss.safetensors"
    listed = {"moss": SimpleNamespace(filename=str(path), name="moss", get_alias=lambda: "moss_v3")}
    monkeypatch.setitem(sys.modules, "networks", SimpleNamespace(available_networks=listed))
    assert names.prompt_name(path, "lycoris") == "moss_v3"
    assert names.prompt_name(tmp_path / "fern.safetensors", "lora") == "", "the host does not know it yet"
    titles = {"x": SimpleNamespace(filename=str(path), title="sub/moss.safetensors [0123456789]")}
    monkeypatch.setitem(sys.modules, "modules.sd_models", SimpleNamespace(checkpoints_list=titles))
    assert names.prompt_name(path, "checkpoint") == "sub/moss.safetensors [0123456789]"
    monkeypatch.setitem(sys.modules, "networks", SimpleNamespace(available_networks={"moss": SimpleNamespace(filename=str(path), get_alias=1 / 2)}))
    assert names.prompt_name(path, "lora") == "moss"


def test_a_picture_of_civitai_comes_as_it_was_uploaded(app: Any, demo: Any) -> None:
    body, _ = app.services.client.transport.get_json("/api/v1/models/4100003")
    url = next(image["url"] for version in body["modelVersions"] for image in version["images"] if image["type"] == "image")
    demo.forget()
    view = app.jobs.wait(app.webui.prepare(url), 30)
    assert view.state == "done", view
    assert app.webui.picture(view.result["key"]).width > 0
    assert any("original=true" in one["path"] for one in demo.requests)
