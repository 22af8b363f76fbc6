"""Hashes and safetensors headers, from real bytes."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import pytest
from civitai_manager_libs.disk import hashing
from civitai_manager_libs.reporter import Plain, StopFlag, Stopped


def safetensors(body: bytes = b"\1" * 64, header: object = None, pad: int = 0) -> bytes:
    described = {"__metadata__": {"ss_tag": "裸"}, "w": {"dtype": "U8", "shape": [len(body)], "data_offsets": [0, len(body)]}}
    raw = json.dumps(described if header is None else header).encode() + b" " * pad
    return len(raw).to_bytes(8, "little") + raw + body


def make(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    return path


class Watch:
    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def update(self, *, bytes_done: int = 0, bytes_total: int = 0, **more: object) -> None:
        self.seen.append((bytes_done, bytes_total))


@pytest.mark.parametrize("size", [0, 1, hashing.BLOCK - 1, hashing.BLOCK, hashing.BLOCK * 3 + 17])
def test_sha256(tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    path = make(tmp_path, data[:size])
    watch = Watch()
    assert hashing.sha256(path, Plain(), watch) == hashlib.sha256(data[:size]).hexdigest() == hashing.sha256(path)
    assert [done for done, _ in watch.seen] == sorted(done for done, _ in watch.seen)
    assert not size or watch.seen[-1] == (size, size)


def test_sha256_stops_when_asked(tmp_path: Path) -> None:
    path = make(tmp_path, b"x" * hashing.BLOCK * 4)
    flag = StopFlag()

    class Job(Plain):
        asked = 0

        def check(self) -> None:
            self.asked += 1
            if self.asked == 2:
                threading.Thread(target=flag.set, args=("pause",)).start()
            if self.asked > 2 and flag.wait(5):
                raise Stopped(flag.reason)

    job = Job()
    with pytest.raises(Stopped) as caught:
        hashing.sha256(path, job)
    assert caught.value.reason == "pause" and job.asked == 3


def test_missing_file(tmp_path: Path) -> None:
    for function in (hashing.sha256, hashing.autov3, hashing.safetensors_header):
        with pytest.raises(OSError):
            function(tmp_path / "none")


@pytest.mark.parametrize("body", [b"", b"\1" * 64, b"\2" * (hashing.BLOCK * 2 + 5)])
def test_autov3_is_the_hash_behind_the_header(tmp_path: Path, body: bytes) -> None:
    path = make(tmp_path, safetensors(body))
    assert hashing.autov3(path) == hashlib.sha256(body).hexdigest()[:12]


def test_autov3_of_a_huge_header_skips_the_length_only(tmp_path: Path) -> None:
    data = safetensors(b"\1" * 10, pad=hashing.SCANNER_HEADER)
    path = make(tmp_path, data)
    assert hashing.autov3(path) == hashlib.sha256(data[8:]).hexdigest()[:12]


def test_the_header_is_read(tmp_path: Path) -> None:
    header = hashing.safetensors_header(make(tmp_path, safetensors()))
    assert header and header["__metadata__"] == {"ss_tag": "裸"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x10",
        b"\x10\0\0\0\0\0\0\0",
        b"<!DOCTYPE html><html>not a model</html>",
        b'{"error":"Unauthorized","message":"The creator of this asset requires you to be logged in"}',
        b"PK\x03\x04" + b"\0" * 100,
        (5).to_bytes(8, "little") + b"{nope",
        (6).to_bytes(8, "little") + b"[1, 2]",
        (2**63).to_bytes(8, "little") + b"{}",
        (200_000).to_bytes(8, "little") + b'{"a":' * 40_000,
    ],
)
def test_what_is_no_safetensors_file(tmp_path: Path, data: bytes) -> None:
    path = make(tmp_path, data)
    assert hashing.safetensors_header(path) is None and hashing.autov3(path) is None
