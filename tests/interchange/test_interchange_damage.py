"""Random damage to other tools' files: nothing raises, what is whole still comes over, and nothing is written to their folders."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import shapes
import test_interchange_beside as tools
from civitai_manager_libs.disk.sidecars import claim
from civitai_manager_libs.disk.sidecars.reading import LIMIT, Unreadable, load
from support import done

ROUNDS = 12
JUNK = [b"", b"null", b"[]", b"0", b'"x"', b"{", b"\xff\xfe", b"\xef\xbb\xbf", b"\0" * 64, b'{"a": NaN, "id": 1e999}', b"[" * 100_000, b"1" * 6000,
        b'{"id": 99999999999999999999, "modelId": -1, "modelVersions": {"a": 1}}', b'{"id": true, "modelVersions": null, "files": 5, "model": []}',
        b'{"id": 1, "modelId": 1, "name": "\\ud800", "model": {"name": ["x"], "tags": {"a": 1}}, "trainedWords": "x", "images": [null]}']  # fmt: skip


def folder_of_all(root: Path) -> None:
    for number in range(3):
        path, digest, size = shapes.model_file(root, f"m{number}.safetensors")
        shapes.put(root / f"m{number}.civitai.info", shapes.version(number + 11, number + 1, sha256=digest, size=size))
        shapes.put(root / f"m{number}.api_info.json", shapes.model(number + 1, [shapes.version(number + 11, number + 1, sha256=digest, size=size)]))
        shapes.put(
            root / f"m{number}.json",
            {"modelId": number + 1, "notes": "n", "preferred weight": 0.5, "activation text groups": ["a", "b"], "extensions": {}},
        )
        shapes.put(root / f"m{number}.metadata.json", tools.metadata(path, digest, size))
        shapes.put(root / f"m{number}.cm-info.json", tools.cm_info(digest))
        shapes.put(root / f"m{number}.civitai.json", shapes.version(number + 11, number + 1))
        (root / f"m{number}.txt").write_text("a, b")
        (root / f"m{number}.preview.png").write_bytes(shapes.picture())


def damage(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    kind = chance.randrange(6)
    if kind == 0:
        data = data[: chance.randrange(len(data) + 1)]
    elif kind == 1:
        for _ in range(chance.randrange(1, 30)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif kind == 2:
        data = bytearray(chance.choice(JUNK))
    elif kind == 3 and path.suffix in (".json", ".info"):
        data = bytearray(json.dumps(wrong(json.loads(data), chance)).encode())
    elif kind == 4:
        start = chance.randrange(len(data))
        del data[start : start + chance.randrange(1, 200)]
    else:
        data = bytearray(data.decode("latin-1").encode("utf-16"))
    path.write_bytes(data)


def wrong(value: Any, chance: random.Random) -> Any:
    """The same document with values of other types here and there."""
    if chance.random() < 0.12:
        return chance.choice([None, True, -1, 0, 1.5, 2**70, "", "text", "\x00", "\ud800", [], [None], {}, {"a": []}, "Model not found"])
    if isinstance(value, dict):
        return {key: wrong(one, chance) for key, one in value.items()}
    return [wrong(one, chance) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_random_damage(offline: Any, lora: Path, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    folder_of_all(lora)
    shortcut = shapes.shortcut(tmp_path / "sc")
    for path in sorted([*lora.iterdir(), *shortcut.rglob("*")]):
        if path.is_file() and path.suffix != ".safetensors" and path.stat().st_size and chance.random() < 0.7:
            damage(path, chance)
    before = shapes.tree_of(lora, shortcut)
    for tool, path in (("all", lora), ("civitai-shortcut", shortcut)):
        job = offline.import_from(tool, str(path), dry_run=True)
        dry = done(offline, job)
        real_job = offline.import_from(tool, str(path))
        real = done(offline, real_job)
        failed = [item.result for item in [*offline.jobs.items(job), *offline.jobs.items(real_job)] if item.state == "failed"]
        assert not failed, failed
        assert sum(dry["models"].values()) == sum(real["models"].values())
        json.dumps(real)
    assert shapes.tree_of(lora, shortcut) == before
    for number in offline.services.models.ids():
        offline.services.exchange.own([number])
        offline.services.models.body(number)
    offline.cards(limit=1000)


@pytest.mark.parametrize("content", JUNK)
def test_the_reader_refuses_with_a_reason(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    try:
        json.dumps(load(path), allow_nan=False).encode()
    except Unreadable as exc:
        assert str(exc)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with path.open("wb") as file:
        file.truncate(LIMIT + 1)
    with pytest.raises(Unreadable, match="bigger"):
        load(path)


@pytest.mark.parametrize("value", [None, True, "", "x", "1", 1, 1.5, "1.5", "1,5", 2**80, float("inf"), [], {}, "Model not found", -5, "0"])
def test_single_values(value: Any) -> None:
    assert isinstance(claim.text(value), str) and isinstance(claim.texts(value), list) and isinstance(claim.flag(value), bool)
    assert claim.number_id(value) in (None, 1) and claim.weight(value) in (None, 1, 1.5, -5) and claim.sha256(value) == "" == claim.autov3(value)
