"""Names from strangers: safe on Windows and Linux, whatever they are."""

from __future__ import annotations

import itertools
import random
import unicodedata
from pathlib import Path

import pytest
from civitai_manager_libs.disk import names
from civitai_manager_libs.errors import UsageError

DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"} | {f"{device}{digit}" for device in ("com", "lpt") for digit in "0123456789¹²³"}
PIECES = [
    "", " ", ".", "..", "...", "/", "\\", "../", "..\\", "C:", "C:\\", "//server/share/", "\0", "\n", "\t", "\x7f", "\x85", "\u2028",
    "CON", "nul", "CoM1",
    "COM¹", "lpt9", "aux ", "con.tar", "a", "Model v1.0", "裸絞め", "é", "e\u0301", "👩\u200d🚀", "\u202e", "\u2066", "\ufeff", "\u200b",
    "\ud800", "<>:\"|?*",
    ".safetensors", ".preview.png", ".civitai.info", ".part", "x" * 300, "裸" * 120, "👩" * 100, "\xa0", "\u3000", "~", "-rf", "$HOME",
    "%PATH%", "\u226e", "<\u0338",
]  # fmt: skip


def nasty() -> list[str]:
    rng = random.Random(1)
    alphabet = "".join(piece for piece in PIECES if len(piece) < 20)
    mixed = ["".join(rng.choices(alphabet, k=rng.randint(1, 300))) for _ in range(1500)]
    return PIECES + ["".join(pair) for pair in itertools.product(PIECES, PIECES)] + mixed


def check(name: str) -> None:
    assert name and name == unicodedata.normalize("NFC", name)
    assert len(name) <= 150 and len(name.encode("utf-8")) <= 200
    assert not set(name) & set('<>:"/\\|?*')
    assert not any(
        unicodedata.category(character) == "Cc" or character in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"
        for character in name
    )
    assert name.strip() == name and name.strip(".") == name
    assert name.split(".")[0].strip().lower() not in DEVICES
    assert Path(name).name == name


def test_every_nasty_name_becomes_safe_and_stays_so() -> None:
    for text in nasty():
        for function in (names.safe_name, names.safe_file_name):
            name = function(text, "fallback")
            try:
                check(name)
                assert function(name, "fallback") == name
            except AssertionError:
                raise AssertionError(f"{function.__name__}({text!r}) -> {name!r}") from None


def test_the_worst_can_really_be_written(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    for text in PIECES + [f"../../{piece}.safetensors" for piece in PIECES]:
        path = names.inside(tmp_path / "inside", names.safe_file_name(text, "fallback"))
        for suffix in ("", ".preview.jpeg", ".civitai.info", ".part.json"):
            path.with_name(path.name + suffix).write_bytes(b"")
    assert [entry.name for entry in tmp_path.iterdir()] == ["inside"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model.safetensors", "model.safetensors"),
        ("../../x.safetensors", "x.safetensors"),
        ("/etc/passwd", "passwd"),
        ("C:\\Windows\\system32\\x.dll", "x.dll"),
        ("CON", "_CON"),
        ("nul.safetensors", "_nul.safetensors"),
        ("con .txt", "_con.txt"),
        ("a\0b.safetensors", "ab.safetensors"),
        ("what? <lora:x>.pt", "what_ _lora_x_.pt"),
        ("name.safetensors. . ", "name.safetensors"),
        (".safetensors", "fallback.safetensors"),
        ("..", "fallback"),
        ("folder/", "fallback"),
        ("e\u0301.pt", "é.pt"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("Mihaila Krea V1.safetensors", "Mihaila Krea V1.safetensors"),
        ("console.pt", "console.pt"),
        (None, "fallback"),
    ],
)
def test_file_names(text: str | None, expected: str) -> None:
    assert names.safe_file_name(text, "fallback") == expected


def test_long_names_keep_their_extension() -> None:
    for stem in ("x" * 400, "裸" * 400, "👩" * 400):
        name = names.safe_file_name(stem + ".safetensors")
        assert name.endswith(stem[0] + ".safetensors") and 140 < len(name.encode()) <= 200
    assert names.safe_file_name("con" + " " * 300 + "x.pt") == "_con.pt"


def test_fallbacks() -> None:
    assert names.safe_name("", "Unknown") == "Unknown" and names.safe_name(None) == "Unknown"
    assert names.safe_name("..", "../evil") == "_evil" and names.safe_name(".", "") == "unnamed"
    assert names.safe_file_name("", "model.safetensors") == "model.safetensors"
    assert names.safe_file_name(".pt", "model.safetensors") == "model.pt"
    assert names.safe_file_name("", "") == "unnamed"
    assert names.safe_name("Anime / Realistic") == "Anime _ Realistic"


@pytest.mark.parametrize("part", ["..", "../x", "a/../../x", "a\\..\\b", "/etc", "\\x", "C:\\x", "C:x", "//server/x", "a\0b"])
def test_inside_refuses(tmp_path: Path, part: str) -> None:
    with pytest.raises(UsageError, match="leads out"):
        names.inside(tmp_path, part)
    with pytest.raises(UsageError):
        names.inside(tmp_path, "sub", part)


def test_inside_accepts(tmp_path: Path) -> None:
    assert names.inside(tmp_path) == names.inside(tmp_path, "") == tmp_path
    assert names.inside(tmp_path, "SDXL 1.0/creator", "..name..pt") == tmp_path / "SDXL 1.0" / "creator" / "..name..pt"
    (tmp_path / "drive").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "drive", target_is_directory=True)
    assert names.inside(tmp_path / "link", "x.pt") == tmp_path / "link" / "x.pt"


def test_same_name(tmp_path: Path) -> None:
    (tmp_path / "Model.safetensors").write_bytes(b"")
    (tmp_path / "Ärger.pt").write_bytes(b"")
    assert names.same_name_exists(tmp_path, "model.SAFETENSORS") == tmp_path / "Model.safetensors"
    assert names.same_name_exists(tmp_path, "a\u0308RGER.pt") == tmp_path / "Ärger.pt"
    assert names.same_name_exists(tmp_path, "model.pt") is None
    assert names.same_name_exists(tmp_path / "none", "x") is None and names.same_name_exists(tmp_path / "Ärger.pt", "x") is None


def test_same_name_prefers_the_exact_one(tmp_path: Path) -> None:
    for name in ("A.pt", "a.pt"):
        (tmp_path / name).write_bytes(b"")
    if len(list(tmp_path.iterdir())) == 2:  # not on a file system that ignores case
        assert names.same_name_exists(tmp_path, "a.pt") == tmp_path / "a.pt"


def test_unique_name(tmp_path: Path) -> None:
    assert names.unique_name(tmp_path, "x.pt") == "x.pt"
    for expected in ("X.pt", "x (2).pt", "x (3).pt"):
        assert names.unique_name(tmp_path, "x.pt") == expected.lower()
        (tmp_path / expected).write_bytes(b"")
    long = names.safe_file_name("裸" * 300 + ".safetensors")
    (tmp_path / long).write_bytes(b"")
    other = names.unique_name(tmp_path, long)
    check(other)
    assert other != long and other.endswith(" (2).safetensors")
