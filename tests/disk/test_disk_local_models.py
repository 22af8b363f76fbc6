"""Model files in real folders, and which small files are whose."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from civitai_manager_libs.disk import local_models


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def found(model: Path) -> set[str]:
    return {path.name for path in local_models.sidecar_files(model)}


def test_exactly_its_own_sidecars(tmp_path: Path) -> None:
    own = {
        "foo.civitai.info", "foo.json", "foo.api_info.json", "foo.metadata.json", "foo.cm-info.json", "foo.html", "foo.txt", "foo.yaml", "foo.png",
        "foo.preview.png", "foo.preview.jpeg", "foo.preview.mp4", "foo.example.0.jpeg", "foo.example.1.png",
    }  # fmt: skip
    others = {
        "foo2.json", "foo bar.json", "foo.v2.json", "foo.v2.preview.png", "foo-1.civitai.info", "foo_1.png", "foobar.preview.png", "foo.preview",
        "foo.example.3.png", "foo.safetensors.part", "foo.bak.json", "xfoo.json",
    }  # fmt: skip
    touch(tmp_path, "foo.safetensors", "foo.v2.safetensors", *own, *others)
    assert found(tmp_path / "foo.safetensors") == own
    assert found(tmp_path / "foo.v2.safetensors") == {"foo.v2.json", "foo.v2.preview.png"}


def test_a_model_whose_name_looks_like_a_sidecar(tmp_path: Path) -> None:
    touch(tmp_path, "foo.safetensors", "foo.preview.safetensors", "foo.preview.png", "foo.metadata.ckpt", "foo.metadata.json", "foo.png")
    assert found(tmp_path / "foo.safetensors") == {"foo.png"}
    assert found(tmp_path / "foo.preview.safetensors") == {"foo.preview.png"}
    assert found(tmp_path / "foo.metadata.ckpt") == {"foo.metadata.json"}


def test_special_characters_are_no_patterns(tmp_path: Path) -> None:
    touch(tmp_path, "[a]*?.pt", "[a]*?.json", "a.json", "[a]*?.preview.webp", "b.pt")
    assert found(tmp_path / "[a]*?.pt") == {"[a]*?.json", "[a]*?.preview.webp"}
    assert found(tmp_path / "b.pt") == set() == found(tmp_path / "none" / "c.pt")


def test_the_model_itself_is_no_sidecar(tmp_path: Path) -> None:
    touch(tmp_path, "hair.txt", "hair.yaml")
    assert found(tmp_path / "hair.txt") == {"hair.yaml"}


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("x.safetensors", True),
        ("x.CKPT", True),
        ("x.gguf", True),
        ("x.safetensors.part", False),
        (".x.safetensors", False),
        ("x.json", False),
        ("x", False),
    ],
)
def test_is_model_file(name: str, is_one: bool) -> None:
    assert local_models.is_model_file(name) is is_one


def listed(*folders: Path) -> list[str]:
    return [path.name for path in local_models.iter_model_files(folders)]


def test_all_models_once(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "models/b.safetensors",
        "models/a.pt",
        "models/a.json",
        "models/sub/deep/c.gguf",
        "models/.hidden/d.pt",
        "models/x.pt.part",
        "models/.e.pt",
    )
    touch(tmp_path, "drive/f.ckpt")
    (tmp_path / "models" / "link").symlink_to(tmp_path / "drive", target_is_directory=True)
    (tmp_path / "models" / "again").symlink_to(tmp_path / "drive", target_is_directory=True)
    (tmp_path / "drive" / "loop").symlink_to(tmp_path / "models", target_is_directory=True)
    (tmp_path / "models" / "file.safetensors").symlink_to(tmp_path / "drive" / "f.ckpt")
    (tmp_path / "models" / "dead.pt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "models" / "self.pt").symlink_to(tmp_path / "models" / "self.pt")
    (tmp_path / "models" / "folder.pt").mkdir()
    assert listed(tmp_path / "models") == ["a.pt", "b.safetensors", "file.safetensors", "f.ckpt", "c.gguf"]
    assert listed(tmp_path / "models", tmp_path / "models" / "sub", tmp_path / "drive", tmp_path / "none") == listed(tmp_path / "models")
    assert listed(tmp_path / "models" / "a.pt") == []


def test_a_deep_tree(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(150):
        folder = folder / "d"
    touch(folder, "x.pt")
    assert listed(tmp_path) == ["x.pt"]


@pytest.mark.skipif(os.name == "nt", reason="names are always text there")
def test_names_that_are_not_text_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "x.pt")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.pt")).write_bytes(b"")
    assert listed(tmp_path) == ["x.pt"]
