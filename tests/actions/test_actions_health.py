"""Statistics of a library whose sums are counted in plain Python beside them, and advice about what a checkpoint lacks."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.actions import companions as advising
from civitai_manager_libs.actions import register
from civitai_manager_libs.application import Application
from civitai_manager_libs.catalog.database import bump
from civitai_manager_libs.catalog.files import LocalFile
from civitai_manager_libs.civitai import payloads
from civitai_manager_libs.disk import companions
from support import NOWHERE, make_application


@pytest.fixture
def application(tmp_path: Path) -> Any:
    made = make_application(tmp_path, NOWHERE)
    made.start()
    yield made
    made.close()


def model(number: int, kind: str, base: str, files: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    version = {"id": number * 10, "name": "v1", "baseModel": base, "files": files or [], "images": []}
    return {"id": number, "name": f"model {number}", "type": kind, "modelVersions": [version]}


def save(application: Application, *bodies: dict[str, Any]) -> None:
    application.services.models.save_all((register.entry_of(payloads.model(body)), body) for body in bodies)


def safetensors(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: {"dtype": "U8", "shape": [1], "data_offsets": [place, place + 1]} for place, name in enumerate(names)}
    header = json.dumps(tensors).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(len(names)))
    return path


# -- statistics


def test_an_empty_library_has_nothing_to_tell(application: Application) -> None:
    told = application.statistics()
    assert told["total"] == {"files": 0, "bytes": 0} and told["growth"] == [] and told["biggest"] == [] and told["duplicates"]["groups"] == 0
    assert told["unused"]["recorded"] == 0 and told["checked"]["models"] == 0
    assert told["drives"] and all(one["free"] > 0 for one in told["drives"]), "where files would go"


def test_sums_agree_with_counting(application: Application, tmp_path: Path) -> None:
    kinds, bases = ("LORA", "Checkpoint", "VAE"), ("SDXL 1.0", "Pony", "Flux.1 D", "")
    save(application, *(model(n, kinds[n % 3], bases[n % 4]) for n in range(1, 41)))
    records = []
    for n in range(1, 201):
        known = n % 5 != 0
        records.append(
            LocalFile(
                str(tmp_path / f"{n}.safetensors"), n * 1000, 1, sha256=f"{n % 90:064x}", model_id=1 + n % 40 if known else None,
                version_id=(1 + n % 40) * 10 if known else None, kind="lora", inode=n % 150, device=1,
                state="missing" if n % 11 == 0 else "here", health="truncated" if n % 13 == 0 else "",
            )
        )  # fmt: skip
    application.services.files.put(records)
    for record in records:
        record.model_id = record.model_id or 0
    application.services.models.set_gone(3)
    here = [one for one in records if one.state == "here"]
    told = application.statistics()
    assert told["total"] == {"files": len(here), "bytes": sum(one.size for one in here)}
    types, base = Counter[str](), Counter[str]()
    for one in here:
        types[kinds[one.model_id % 3] if one.model_id else "lora"] += one.size
        base[bases[one.model_id % 4] if one.model_id else ""] += one.size
    assert {one["name"]: one["bytes"] for one in told["types"]} == types
    assert {one["name"]: one["bytes"] for one in told["bases"]} == base
    assert [one["bytes"] for one in told["types"]] == sorted((one["bytes"] for one in told["types"]), reverse=True)
    assert sum(one["files"] for one in told["drives"]) == len(here)
    assert [one["size"] for one in told["biggest"]] == sorted((one.size for one in here), reverse=True)[:20]
    broken = [one for one in here if one.health]
    assert (told["broken"]["files"], told["broken"]["bytes"]) == (len(broken), sum(one.size for one in broken))
    missing = [one for one in records if one.state != "here"]
    assert (told["missing"]["files"], told["missing"]["bytes"]) == (len(missing), sum(one.size for one in missing))
    assert told["unknown"]["files"] == sum(not one.model_id for one in here) == told["not_asked"]
    assert told["gone"]["models"] == 1 and told["gone"]["items"][0]["model_id"] == 3
    groups: dict[str, list[LocalFile]] = {}
    for one in here:
        groups.setdefault(one.sha256, []).append(one)
    places = {digest: len({one.inode or one.path for one in some}) for digest, some in groups.items()}
    wasted = sum(max(one.size for one in some) * (places[digest] - 1) for digest, some in groups.items() if len(some) > 1)
    assert told["duplicates"]["wasted"] == wasted and told["duplicates"]["groups"] == sum(len(some) > 1 for some in groups.values())
    assert told["growth"][-1]["bytes_then"] == told["total"]["bytes"]


def test_a_second_name_of_a_file_wastes_nothing(application: Application, tmp_path: Path) -> None:
    one = safetensors(tmp_path / "webui/models/Lora/a.safetensors", "x")
    os.link(one, one.with_name("b.safetensors"))
    for path in (one, one.with_name("b.safetensors")):
        application.services.files.add(path, "a" * 64, model_id=None, version_id=None, file_id=None)
    assert application.statistics()["duplicates"]["wasted"] == 0
    one.with_name("c.safetensors").write_bytes(one.read_bytes())
    application.services.files.add(one.with_name("c.safetensors"), "a" * 64, model_id=None, version_id=None, file_id=None)
    told = application.statistics()["duplicates"]
    assert told["wasted"] == one.stat().st_size and len(told["items"][0]["paths"]) == 3


def test_what_is_unused_is_told_only_where_use_is_recorded(application: Application, tmp_path: Path) -> None:
    save(application, model(1, "LORA", "Pony"), model(2, "LORA", "Pony"))
    for number in (1, 2):
        application.services.files.put([LocalFile(str(tmp_path / f"{number}"), number, 1, model_id=number)])
    assert application.statistics()["unused"]["recorded"] == 0
    with application._database.writing() as db:
        db.execute("UPDATE models SET used = ? WHERE id = 1", (time.time(),))
        bump(db, "catalog")
    told = application.statistics()["unused"]
    assert told["recorded"] and [one["model_id"] for one in told["items"]] == [2]


def test_a_drive_that_is_not_there_has_no_free_space(application: Application) -> None:
    application.services.files.put([LocalFile("/no/such/drive/a.safetensors", 5, 1, device=99)])
    drive = next(one for one in application.statistics()["drives"] if one["bytes"])
    assert (drive["free"], drive["size"], drive["files"]) == (None, None, 1)


def test_statistics_of_many_files_take_a_moment(application: Application) -> None:
    save(application, *(model(n, "LORA", "Pony") for n in range(1, 2001)))
    application.services.files.put(
        LocalFile(f"/x/{n}", n, 1, sha256=f"{n % 9000:064x}", model_id=1 + n % 2000, version_id=(1 + n % 2000) * 10, inode=n + 1, device=7)
        for n in range(10_000)
    )
    start = time.thread_time()  # of this thread alone: other tests may run beside it
    application.statistics()
    assert time.thread_time() - start < 0.5


# -- companions


def test_tensors_tell_what_a_checkpoint_holds() -> None:
    whole = ("model.diffusion_model.a", "first_stage_model.b", "cond_stage_model.c")
    assert companions.lacking(whole) == []
    assert companions.lacking(whole[:2]) == ["text_encoder"]
    assert companions.lacking(("model.diffusion_model.a", "vae.b", "text_encoders.c")) == []
    assert companions.lacking(("double_blocks.0.img_attn.qkv.weight",)) == ["text_encoder", "vae"]
    assert companions.lacking(("lora_unet_x.alpha",)) is None and companions.lacking(()) is None


@pytest.mark.parametrize(
    ("base", "word"),
    [
        ("Flux.1 D", "T5-XXL"),
        ("Flux.2 Klein 9B-base", "Qwen3"),
        ("Flux.2 D", "Mistral"),
        ("SD 3.5 Large", "CLIP-G"),
        ("ZImageTurbo", "Qwen3"),
        ("Qwen", "VL"),
    ],  # fmt: skip
)
def test_what_is_usual_goes_by_the_longest_word(base: str, word: str) -> None:
    usual = companions.usual(base)
    assert usual is not None and word in usual.encoders
    assert companions.usual("SDXL 1.0") is None and companions.usual("") is None


def advice(application: Application, number: int) -> dict[str, dict[str, Any]]:
    view = application.model_view(number)
    assert view is not None
    return {one["part"]: one for one in view["advice"]}


def test_a_checkpoint_says_what_it_lacks_and_what_is_here(application: Application, tmp_path: Path) -> None:
    files = [
        {"id": 1, "name": "flux.safetensors", "type": "Model", "metadata": {"format": "SafeTensor"}, "sizeKB": 1},
        {"id": 2, "name": "ae.safetensors", "type": "VAE", "sizeKB": 2, "hashes": {"SHA256": "C" * 64}},
    ]
    save(application, model(1, "Checkpoint", "Flux.1 D", files))
    records = application.services.files
    path = safetensors(tmp_path / "webui/models/Stable-diffusion/flux.safetensors", "double_blocks.0.a")
    records.add(path, "b" * 64, model_id=1, version_id=10, file_id=1, kind="checkpoint")
    told = advice(application, 1)
    assert told["vae"]["known"] == told["text_encoder"]["known"] == "read"
    assert told["vae"]["state"] == "missing" and told["vae"]["offered"] == [{"file_id": 2, "name": "ae.safetensors", "size": 2048}]
    assert "holds no VAE" in told["vae"]["sentence"] and "can be downloaded" in told["vae"]["sentence"]
    assert "usually need CLIP-L and T5-XXL" in told["text_encoder"]["sentence"] and told["text_encoder"]["state"] == "missing"

    encoder = safetensors(tmp_path / "webui/models/text_encoder/something.safetensors", "x")
    records.add(encoder, "d" * 64, model_id=None, version_id=None, file_id=None, kind="text_encoder")
    assert advice(application, 1)["text_encoder"]["state"] == "unsure"
    encoder = safetensors(tmp_path / "webui/models/text_encoder/t5xxl_fp8.safetensors", "x")
    records.add(encoder, "e" * 64, model_id=None, version_id=None, file_id=None, kind="text_encoder")
    told = advice(application, 1)["text_encoder"]
    assert told["state"] == "likely" and "by its name" in told["sentence"] and told["here"][0]["name"] == "t5xxl_fp8.safetensors"
    vae = safetensors(tmp_path / "webui/models/VAE/whatever.safetensors", "y")
    records.add(vae, "c" * 64, model_id=None, version_id=None, file_id=None, kind="vae")
    assert advice(application, 1)["vae"]["state"] == "here", "the listed one, by its hash, whatever its name"


def test_a_whole_checkpoint_and_a_network_need_nothing(application: Application, tmp_path: Path) -> None:
    save(application, model(1, "Checkpoint", "Flux.1 D"), model(2, "LORA", "Flux.1 D"), model(3, "Checkpoint", "SDXL 1.0"))
    records = application.services.files
    whole = safetensors(tmp_path / "a.safetensors", "model.diffusion_model.x", "first_stage_model.y", "text_encoders.z")
    records.add(whole, "1" * 64, model_id=1, version_id=10, file_id=None, kind="checkpoint")
    records.add(safetensors(tmp_path / "b.safetensors", "lora_unet.x"), "2" * 64, model_id=2, version_id=20, file_id=None, kind="lora")
    (tmp_path / "c.ckpt").write_bytes(b"PK")
    records.add(tmp_path / "c.ckpt", "3" * 64, model_id=3, version_id=30, file_id=None, kind="checkpoint")
    assert [application.model_view(number)["advice"] for number in (1, 2, 3)] == [[], [], []]  # type: ignore[index]


def test_a_rule_of_thumb_is_worded_as_one(application: Application, tmp_path: Path) -> None:
    save(application, model(1, "Checkpoint", "Qwen"))
    gguf = tmp_path / "qwen.gguf"
    gguf.write_bytes(b"GGUF")
    application.services.files.add(gguf, "1" * 64, model_id=1, version_id=10, file_id=None, kind="unet")
    told = advice(application, 1)
    assert {one["known"] for one in told.values()} == {"usual"} and all("may need" in one["sentence"] for one in told.values())


def test_a_header_is_read_once(application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(application, model(1, "Checkpoint", "Flux.1 D"))
    path = safetensors(tmp_path / "once.safetensors", "double_blocks.0.a")
    application.services.files.add(path, "b" * 64, model_id=1, version_id=10, file_id=1, kind="checkpoint")
    before = advice(application, 1)
    monkeypatch.setattr(advising.hashing, "safetensors_header", None)
    assert advice(application, 1) == before
