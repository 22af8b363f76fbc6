"""What the ends of a file tell."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.disk import heads


def safetensors(body: bytes = b"\1" * 64, metadata: dict[str, str] | None = None, name: str = "w") -> bytes:
    described: dict[str, Any] = {name: {"dtype": "U8", "shape": [len(body)], "data_offsets": [0, len(body)]}}
    raw = json.dumps({"__metadata__": metadata or {}, **described}).encode()
    return len(raw).to_bytes(8, "little") + raw + body


def with_header(header: object) -> bytes:
    raw = json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", b"x" * 5000)
    return out.getvalue()


SEVEN = b"7z\xbc\xaf\x27\x1c\0\4" + b"\0" * 4 + (100).to_bytes(8, "little") + (20).to_bytes(8, "little") + b"\0" * 4 + b"x" * 120
CASES = {
    "whole.safetensors": (safetensors(), "whole"),
    "cut.safetensors": (safetensors()[:-1], "truncated"),
    "longer.safetensors": (safetensors() + b"\0", "truncated"),
    "cut in its header.safetensors": (safetensors()[:30], "truncated"),
    "few.sft": (b"\x10\0", "truncated"),
    "only words.safetensors": (with_header({"__metadata__": {}}), "whole"),
    "no offsets.safetensors": (with_header({"w": {}}), ""),
    "one offset.safetensors": (with_header({"w": {"data_offsets": [0]}}), ""),
    "null.safetensors": (with_header({"w": {"data_offsets": None}}), ""),
    "number.safetensors": (with_header({"w": 5}), ""),
    "letter.safetensors": (with_header({"w": {"data_offsets": [0, "x"]}}), ""),
    "page.safetensors": (b"\n<!DOCTYPE html><html>", "wrong"),
    "refusal.safetensors": (b'{"error":"Unauthorized","message":"..."}', "wrong"),
    "other.safetensors": (b"\x80\x02}q\0." * 50, "wrong"),
    "empty.ckpt": (b"", "truncated"),
    "zip.ckpt": (zipped(), "whole"),
    "cut.pt": (zipped()[:-30], "truncated"),
    "pickle.pt": (b"\x80\x02}q\0.", ""),
    "a.zip": (zipped(), "whole"),
    "b.zip": (b"no archive", "wrong"),
    "a.gguf": (b"GGUF\3\0\0\0", "whole"),
    "b.gguf": (b"nothing of it", "wrong"),
    "a.7z": (SEVEN, "whole"),
    "b.7z": (SEVEN[:-1], "truncated"),
    "a.rar": (b"Rar!\x1a\x07\1\0xx", "whole"),
    "b.rar": (b"PK\3\4", "wrong"),
    "a.onnx": (b"\x08\x08", ""),
}


@pytest.mark.parametrize("name", CASES)
def test_health(tmp_path: Path, name: str) -> None:
    data, health = CASES[name]
    (tmp_path / name).write_bytes(data)
    found = heads.look(tmp_path / name)
    assert (found.health, found.size) == (health, len(data))


def test_the_print_depends_on_size_and_both_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"

    def print_of(data: bytes) -> str:
        path.write_bytes(data)
        return heads.look(path).print

    data = bytes(range(256)) * 2000
    prints = {print_of(one) for one in (data, b"x" + data[1:], data[:-1] + b"x", data + b"\0", data[:100])}
    assert len(prints) == 5 and print_of(data) in prints
    middle = bytearray(data)
    middle[len(data) // 2] ^= 1
    assert print_of(bytes(middle)) == print_of(data), "so a file of another time is not recognised by it alone"


@pytest.mark.parametrize(
    ("metadata", "words", "base", "autov3"),
    [
        ({"modelspec.trigger_phrase": " zq cat ", "modelspec.architecture": "flux-1-dev/lora"}, ["zq cat"], "Flux.1 D", ""),
        (
            {"ss_tag_frequency": json.dumps({"10_zq": {"zq": 10, "cat": 4, "red": 10}}), "ss_base_model_version": "sd_v1"},
            ["zq", "red"], "SD 1.5", "",
        ),
        ({"sshs_model_hash": "AB" * 32}, [], "", "ab" * 6),
        ({"modelspec.hash_sha256": "0x" + "cd" * 32}, [], "", "cd" * 6),
        ({"sshs_model_hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}, [], "", ""),
        ({"sshs_model_hash": "none", "ss_tag_frequency": "[" * 9000, "ss_base_model_version": "unheard of"}, [], "", ""),
        ({"ss_tag_frequency": '{"a": {"b": "c"}, "d": 5}'}, [], "", ""),
    ],
)  # fmt: skip
def test_what_a_trainer_wrote(metadata: dict[str, str], words: list[str], base: str, autov3: str) -> None:
    assert heads.trigger_words(metadata) == words
    assert heads.base_model(metadata) == base
    assert heads.autov3(metadata) == autov3


@pytest.mark.parametrize(
    ("folder", "tensor", "metadata", "kind"),
    [
        ("ComfyUI/models/loras/style", "w", {}, "lora"), ("ComfyUI/models/diffusion_models", "w", {}, "unet"),
        ("x/Text-encoder", "w", {}, "text_encoder"),
        ("x", "lora_unet_down.lora_up.weight", {}, "lora"), ("x", "w", {"ss_network_module": "lycoris.kohya"}, "lycoris"), ("x", "w", {}, "other"),
        ("x", "w", {"modelspec.architecture": "stable-diffusion-v1/textual-inversion"}, "embedding"), ("x", "first.hada_w1_a", {}, "lycoris"),
        ("x", "cond_stage_model.transformer", {}, "checkpoint"), ("x", "model.diffusion_model.input", {}, "unet"),
        ("x", "emb_params", {}, "embedding"),
    ],
)  # fmt: skip
def test_the_kind_of_a_file_in_any_folder(tmp_path: Path, folder: str, tensor: str, metadata: dict[str, str], kind: str) -> None:
    path = tmp_path / folder / "a.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(safetensors(metadata=metadata, name=tensor))
    assert heads.look(path).kind == kind
