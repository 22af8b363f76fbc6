"""Sidecars: merged with what other tools wrote, in every encoding, never destroyed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.disk.sidecars import civitai_info, webui_json
from civitai_manager_libs.disk.sidecars.plain_text import text_of
from civitai_manager_libs.errors import DiskError, NotWritable

RECORDED = Path(__file__).parent / "data" / "civitaiinfo-1.json"

VERSION = {
    "id": 10, "modelId": 1, "name": "v1", "baseModel": "SDXL 1.0", "trainedWords": ["裸", "b"], "description": "<p>note</p>",
    "images": [{"url": "https://image.civitai.com/a/1.jpeg", "nsfwLevel": 1}], "files": [{"id": 5, "name": "x.safetensors"}],
}  # fmt: skip
MODEL = {
    "id": 1, "name": "Model 裸", "type": "LORA", "nsfw": False, "poi": False, "description": "<p>all</p>", "tags": ["style"], "allowNoCredit": True,
    "allowCommercialUse": ["Image"], "allowDerivatives": True, "allowDifferentLicense": True, "creator": {"username": "me", "image": None},
    "modelVersions": [{"id": 10}], "stats": {"downloadCount": 5},
}  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "x.v1.safetensors"
    path.write_bytes(b"weights")
    return path


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))


# .civitai.info


def test_info_of_a_new_file(model: Path) -> None:
    path = civitai_info.write(model, VERSION, MODEL)
    assert path.name == "x.v1.civitai.info" and path.read_bytes().isascii() and path.read_text().startswith('{\n    "id": 10')
    info = load(path)
    assert {key: info[key] for key in VERSION} == VERSION
    assert info["creator"] == MODEL["creator"] and "modelVersions" not in info["model"] and "id" not in info["model"]
    assert set(info["model"]) == {
        "name", "type", "nsfw", "poi", "description", "tags", "allowNoCredit", "allowCommercialUse", "allowDerivatives", "allowDifferentLicense",
    }  # fmt: skip
    assert civitai_info.read(path) == info and VERSION["images"] == [{"url": "https://image.civitai.com/a/1.jpeg", "nsfwLevel": 1}]


def test_info_of_a_nested_and_of_a_sparse_version(model: Path) -> None:
    info = load(civitai_info.write(model, {"id": 10, "name": "v1"}, MODEL))
    assert info["modelId"] == 1 and info["trainedWords"] == info["files"] == info["images"] == [] and info["description"] is None
    model.with_name("x.v1.civitai.info").unlink()
    info = load(civitai_info.write(model, {"id": 10, "modelId": 7, "model": {"name": "n", "type": "LORA"}, "images": None}, {}))
    assert info["modelId"] == 7 and info["model"] == {"name": "n", "type": "LORA", "tags": [], "description": None} and info["images"] == []
    assert "creator" not in info


def test_info_merges_with_what_others_wrote(model: Path) -> None:
    path = civitai_info.path_of(model)
    old = {
        "id": 10, "name": "old name", "description": "kept when Civitai says nothing", "trainedWords": ["old"], "my key": {"a": 1}, "creator": "{}",
        "model": {"name": "old", "mine": True}, "extensions": {"sd_civitai_helper": {"version": "1.8", "skeleton_file": False}, "other": {}},
        "images": [{"url": "https://image.civitai.com/a/1.jpeg", "local_file": "x.v1.example.0.jpeg", "nsfwLevel": 8}, {"url": "gone"}],
    }  # fmt: skip
    path.write_text(json.dumps(old))
    info = load(civitai_info.write(model, {**VERSION, "description": None}, MODEL))
    assert info["my key"] == {"a": 1} and info["extensions"] == old["extensions"] and info["model"]["mine"] is True
    assert info["name"] == "v1" and info["trainedWords"] == ["裸", "b"] and info["description"] == "kept when Civitai says nothing"
    assert info["creator"] == MODEL["creator"] and info["model"]["name"] == "Model 裸"
    assert info["images"] == [{"url": "https://image.civitai.com/a/1.jpeg", "nsfwLevel": 1, "local_file": "x.v1.example.0.jpeg"}]


def test_info_over_a_recorded_one(model: Path) -> None:
    path = civitai_info.path_of(model)
    path.write_bytes(RECORDED.read_bytes())
    recorded = load(RECORDED)
    assert civitai_info.read(path) == recorded
    info = load(
        civitai_info.write(model, {"id": recorded["id"], "name": "IL_v1.1", "images": recorded["images"][:1]}, {"id": 902206, "tags": ["pose"]})
    )
    assert info["name"] == "IL_v1.1" and info["stats"] == recorded["stats"] and info["model"]["type"] == "LORA" and info["model"]["tags"] == ["pose"]
    assert info["images"] == recorded["images"][:1] and set(recorded) <= set(info)


def test_info_of_another_version_keeps_only_what_is_not_the_old_versions(model: Path) -> None:
    path = civitai_info.path_of(model)
    recorded = load(RECORDED)
    path.write_text(json.dumps({**recorded, "mine": 1, "extensions": {"a": {}}}))
    info = load(civitai_info.write(model, VERSION, MODEL))
    assert info["mine"] == 1 and info["extensions"] == {"a": {}} and "stats" not in info and "publishedAt" not in info


def test_info_heals_a_skeleton(model: Path) -> None:
    path = civitai_info.path_of(model)
    skeleton = {"id": "", "modelId": "", "skeleton_file": True, "extensions": {"sd_civitai_helper": {"version": "1.8", "skeleton_file": True}}}
    path.write_text(json.dumps(skeleton))
    info = load(civitai_info.write(model, VERSION, MODEL))
    assert "skeleton_file" not in info and info["id"] == 10
    assert info["extensions"] == {"sd_civitai_helper": {"version": "1.8", "skeleton_file": False}}


@pytest.mark.parametrize("content", [b"{broken", b"[1]", b"<html>", b"\x00\x01\x02garbage"])
def test_info_that_is_broken_is_kept_aside(model: Path, content: bytes) -> None:
    path = civitai_info.path_of(model)
    path.write_bytes(content)
    assert civitai_info.read(path) is None
    assert load(civitai_info.write(model, VERSION, MODEL))["id"] == 10
    (aside,) = (entry for entry in model.parent.iterdir() if ".broken-" in entry.name)
    assert aside.read_bytes() == content and aside.name.startswith("x.v1.civitai.info.broken-")


@pytest.mark.parametrize("content", [b"", b"  \n", b"\0" * 40])
def test_blank_files_hold_nothing(model: Path, content: bytes) -> None:
    for write, path in (
        (lambda: civitai_info.write(model, VERSION, MODEL), civitai_info.path_of(model)),
        (lambda: webui_json.write(model, url="u"), webui_json.path_of(model)),
    ):
        path.write_bytes(content)
        assert load(write())
    assert len(list(model.parent.iterdir())) == 3


def test_nothing_new_is_not_written_again(model: Path) -> None:
    first, second = civitai_info.write(model, VERSION, MODEL), webui_json.write(model, url="u")
    before = [path.stat().st_ino for path in (first, second)]
    civitai_info.write(model, VERSION, MODEL)
    webui_json.write(model, url="u")
    assert [path.stat().st_ino for path in (first, second)] == before


def test_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for write in (lambda: civitai_info.write(tmp_path / "file" / "x.pt", VERSION), lambda: webui_json.write(tmp_path / "file" / "x.pt", url="u")):
        with pytest.raises((NotWritable, DiskError)):
            write()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_encodings(model: Path, encoding: str) -> None:
    for module in (civitai_info, webui_json):
        path = module.path_of(model)
        path.write_bytes(json.dumps({"description": "Größe “é”\ttab"}, ensure_ascii=False).encode(encoding))
        assert module.read(path) == {"description": "Größe “é”\ttab"}
    assert load(webui_json.write(model, url="u")) == {"description": "Größe “é”\ttab", "notes": "u"}


def test_control_characters_in_strings(model: Path) -> None:
    path = civitai_info.path_of(model)
    path.write_bytes(b'{"name": "a\x01\nb"}')
    assert civitai_info.read(path) == {"name": "a\x01\nb"}
    path.write_text("[" * 100000)
    assert civitai_info.read(path) is None and civitai_info.read(path.with_name("none")) is None and civitai_info.read(path.parent) is None


# .json of the WebUI


def test_json_of_a_new_file(model: Path) -> None:
    path = webui_json.write(
        model, description="<p>Größe</p><p>two</p>", base_model="Illustrious", trained_words=["a, b,", "a, b", " <lora:x:1> c\nd "],
    model_id=1, version_id=10,
        sha256="ab" * 32, url="https://civitai.com/models/1?modelVersionId=10",
    )  # fmt: skip
    assert path.name == "x.v1.json" and "Größe" in path.read_text("utf-8")
    assert load(path) == {
        "description": "Größe\ntwo", "sd version": "SDXL", "activation text": "a, b, c d", "notes": "https://civitai.com/models/1?modelVersionId=10",
        "modelId": 1, "modelVersionId": 10, "sha256": "AB" * 32,
    }  # fmt: skip


def test_json_changes_nothing_that_has_a_value(model: Path) -> None:
    path = webui_json.path_of(model)
    old = {
        "description": "mine", "sd version": "Unknown", "activation text": "my words", "negative text": "bad", "preferred weight": 0.8, "notes": "",
        "modelId": "Model not found", "sha256": None, "unpackList": ["a"], "extensions": {"sd_civitai_helper": {}}, "vae": "x",
    }  # fmt: skip
    path.write_text(json.dumps(old))
    known = dict(description="<b>theirs</b>", base_model="SD 1.5", trained_words=["w"], model_id=1, version_id=10, sha256="ab", url="u")
    assert load(webui_json.write(model, **known)) == {**old, "notes": "u", "sha256": "AB", "modelVersionId": 10}  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"{broken", b"[1, 2]", b'"text"', b"null", b"not json at all"])
def test_json_that_cannot_be_read_is_left_alone(model: Path, content: bytes) -> None:
    path = webui_json.path_of(model)
    path.write_bytes(content)
    with pytest.raises(DiskError, match="left as it is") as caught:
        webui_json.write(model, url="u")
    assert "x.v1.json" in caught.value.message and caught.value.next_step
    assert path.read_bytes() == content and len(list(model.parent.iterdir())) == 2


def test_json_of_nothing_known(model: Path) -> None:
    assert load(webui_json.write(model, description=None, base_model=None, sha256=None)) == {}


@pytest.mark.parametrize(
    ("base_model", "expected"),
    [
        ("SD 1.5", "SD1"), ("SD 1.4", "SD1"), ("SD 1.5 LCM", "SD1"), ("SD 2.1 768", "SD2"), ("SDXL 1.0", "SDXL"),
        ("SDXL Lightning", "SDXL"), ("Pony", "SDXL"),
        ("Illustrious", "SDXL"), ("NoobAI", "SDXL"), ("Pony V7", "Unknown"), ("SD 3.5 Large", "Unknown"), ("Flux.1 D", "Unknown"),
        ("SVD XT", "Unknown"), ("Other", ""), ("", ""), (None, ""),
    ],
)  # fmt: skip
def test_sd_version(base_model: str | None, expected: str) -> None:
    assert webui_json.sd_version(base_model) == expected


def test_activation_text() -> None:
    assert webui_json.activation_text([]) == ""
    assert webui_json.activation_text(["choke hold \\(rnc\\)", "", ",", "x,", "x", None, 5]) == "choke hold \\(rnc\\), x"  # type: ignore[list-item]


# plain text


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (None, ""),
        ("", ""),
        ("plain &amp; simple", "plain & simple"),
        ("<p>one</p><p>two<br>three</p>", "one\ntwo\nthree"),
        ("<h1>T</h1><ul><li><p>a</p></li><li>b</li></ul>", "T\n- a\n- b"),
        ("a<script>alert('x')</script><style>p{}</style>b", "ab"),
        ('<a href="javascript:x">link</a> <img src=x onerror="alert(1)">', "link"),
        ("x &lt;b&gt; y", "x <b> y"),
        ("<p>a   b\n\n c&nbsp;d</p>", "a b c d"),
        ("<unclosed <b>bold", "bold"),
        ("a<![x foo ]]>b", None),
        ("a<!DOCTYPE [<!ENTITY x>]>b", None),
        ("</div></p>x", "x"),
    ],
)
def test_text_of(html: str | None, expected: str | None) -> None:
    text = text_of(html)
    if expected is not None:
        assert text == expected


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<a",
        "&#",
        "<![CDATA[",
        "<!--",
        "<p>",
        "<div>",
        "<ul><li>",
        "<b>",
        "<svg>",
        "<?",
        "</",
        "<script>",
        "<table>",
        "\ud800",
        "<![x ",
        " ",
        "<a href='",
    ],
)
def test_hostile_html_costs_no_time(piece: str) -> None:
    before = time.process_time()
    text_of(piece * 20000 + "x")
    assert time.process_time() - before < 2


def test_a_model_that_is_itself_a_json_file_is_not_written_into(tmp_path: Path) -> None:
    workflow = tmp_path / "flow.json"
    workflow.write_text('{"nodes": []}')
    with pytest.raises(DiskError):
        webui_json.write(workflow, description="text", sha256="ab")
    assert workflow.read_text() == '{"nodes": []}'
