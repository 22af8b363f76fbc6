"""A scan of a small library against the demo Civitai: what it finds, keeps, asks and says."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.catalog.models import Wanted
from civitai_manager_libs.disk import hashing
from civitai_manager_libs.errors import NotFound, UsageError
from civitai_manager_libs.hosts.standalone import StandaloneHost
from civitai_manager_libs.transfer.partial import Identity, Part
from libraries import asked, bytes_of, made_up, published, safetensors, sha256_of, write
from PIL import Image
from support import NOWHERE, done, finished, make_application, until

LORA = "webui/models/Lora"


@pytest.fixture
def known(demo: Any) -> list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    found = published(demo)
    return [next(found) for _ in range(6)]


def records(application: Any) -> dict[str, Any]:
    return {record.path: record for record in application.services.files.all()}


def record(application: Any, path: Path) -> Any:
    found = application.services.files.at(path)
    assert found is not None
    return found


def scan(application: Any, *folders: Any) -> dict[str, Any]:
    result: dict[str, Any] = done(application, application.scan([str(folder) for folder in folders]))
    return result


def numbers(result: dict[str, Any]) -> dict[str, int]:
    return {name: value for name, value in result.items() if isinstance(value, int) and value}


def test_known_and_unknown_files(running: Any, demo: Any, tmp_path: Path, known: Any) -> None:
    for model, _, file in known:
        write(tmp_path / LORA / model["type"] / f"{file['id']}.safetensors", bytes_of(file))
    unknown = write(
        tmp_path / LORA / "mine.safetensors",
        made_up(1, **{"ss_base_model_version": "sdxl_base_v1-0", "modelspec.trigger_phrase": "zq cat", "ss_output_name": "Zq_Cat"}),
    )
    result = scan(running)
    models = {model["id"] for model, _, _ in known}
    assert numbers(result) == {"files": 7, "new": 7, "identified": 6, "unknown": 1, "requests": 3}, result
    tensors = record(running, unknown).autov3.upper()
    assert asked(demo) == ["POST /api/v1/model-versions/by-hash/ids", f"GET /api/v1/model-versions/by-hash/{tensors}", "GET /api/v1/models"]
    cards = {card["id"]: card for card in running.cards(limit=100)["items"]}
    assert {one for one in cards if one > 0} == models
    for model, version, file in known:
        found = record(running, tmp_path / LORA / model["type"] / f"{file['id']}.safetensors")
        assert (found.model_id, found.version_id, found.file_id, found.sha256) == (model["id"], version["id"], file["id"], sha256_of(file))
        assert found.health == "verified" and found.kind == "lora" and found.inode
        assert cards[model["id"]]["state"] in ("downloaded", "update") and cards[model["id"]]["thumbnail"]
    mine = record(running, unknown)
    assert (mine.model_id, mine.asked_times, mine.health, mine.alias) == (-mine.id, 1, "whole", "Zq_Cat")
    card = cards[-mine.id]
    assert (card["name"], card["type"], card["base_model"], card["state"]) == ("mine", "LORA", "SDXL 1.0", "local")
    assert running.services.models.body(-mine.id)["trainedWords"] == ["zq cat"]
    assert running.services.host.known_sha256(unknown, "lora") == mine.sha256, "the host was told"

    demo.forget()
    again = scan(running)
    assert numbers(again) == {"files": 7, "identified": 6, "unknown": 1} and not demo.requests, "nothing is read or asked twice"


def test_moved_renamed_changed_vanished_and_back(running: Any, demo: Any, tmp_path: Path) -> None:
    paths = [write(tmp_path / LORA / f"{n}.safetensors", made_up(n)) for n in range(6)]
    scan(running)
    ids = {path: record(running, path).id for path in paths}
    for path in paths:
        running.services.models.set_note(-ids[path], f"note of {path.stem}")
    # Renamed; moved to another kind; swapped with its neighbour; copied elsewhere without its time, then removed; changed; removed.
    renamed = paths[0].rename(paths[0].with_name("new name.safetensors"))
    moved = tmp_path / "webui/models/VAE/x.safetensors"
    moved.parent.mkdir(parents=True)
    paths[1].rename(moved)
    copied = write(tmp_path / "webui/embeddings/copy.safetensors", paths[2].read_bytes())
    paths[2].unlink()
    write(paths[3], made_up(33))
    gone = paths[4].read_bytes()
    paths[4].unlink()
    result = scan(running)
    assert numbers(result) == {"files": 5, "moved": 3, "missing": 1, "unknown": 5, "requests": 2}, result
    for path, was in ((renamed, 0), (moved, 1), (copied, 2), (paths[3], 3), (paths[5], 5)):
        found = record(running, path)
        assert found.id == ids[paths[was]], path
        row = running.services.models.row(found.model_id)
        assert row["note"] == f"note of {was}", "the person's words went along"
    assert record(running, moved).kind == "vae"
    assert (record(running, paths[4]).state, running.services.models.row(-ids[paths[4]])["note"]) == ("missing", "note of 4")
    write(paths[4], gone)
    result = scan(running)
    assert (result["missing"], record(running, paths[4]).id, record(running, paths[4]).state) == (0, ids[paths[4]], "here")


def test_two_files_that_changed_places(running: Any, tmp_path: Path) -> None:
    a, b = (write(tmp_path / LORA / f"{name}.safetensors", made_up(n)) for n, name in enumerate("ab"))
    scan(running)
    before = {path: record(running, path) for path in (a, b)}
    a.rename(tmp_path / "aside")
    b.rename(a)
    (tmp_path / "aside").rename(b)
    assert numbers(scan(running)) == {"files": 2, "moved": 2, "unknown": 2}
    assert record(running, a).id == before[b].id and record(running, a).sha256 == before[b].sha256
    assert record(running, b).id == before[a].id
    assert len(records(running)) == 2


def test_a_file_moved_to_another_drive_is_known_by_its_ends(running: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another inode, the same time: as ``mv`` and file managers do it between drives. It is not read whole."""
    path = write(tmp_path / LORA / "a.safetensors", made_up(1))
    scan(running)
    before = record(running, path)
    target = tmp_path / LORA / "sub" / "b.safetensors"
    target.parent.mkdir()
    shutil.copy2(path, target)
    path.unlink()
    monkeypatch.setattr("civitai_manager_libs.disk.hashing.digests", lambda *_arguments, **_options: pytest.fail("read whole"))
    assert numbers(scan(running)) == {"files": 1, "moved": 1, "unknown": 1}
    assert record(running, target).id == before.id and record(running, target).sha256 == before.sha256


def test_a_touched_file_keeps_its_identity_and_a_replaced_one_does_not(running: Any, demo: Any, tmp_path: Path, known: Any) -> None:
    (first, _, file), (second, _, other), *_ = (one for one in known)
    path = write(tmp_path / LORA / "a.safetensors", bytes_of(file))
    scan(running)
    running.services.models.set_note(first["id"], "mine")
    os.utime(path, (1, 1))
    demo.forget()
    assert numbers(scan(running)) == {"files": 1, "identified": 1} and not demo.requests
    assert record(running, path).mtime_ns == 10**9 and record(running, path).health == "verified"
    write(path, bytes_of(other))
    scan(running)
    found = record(running, path)
    assert (found.model_id, found.file_id, found.sha256) == (second["id"], other["id"], sha256_of(other))
    row = running.services.models.row(first["id"])
    assert row["note"] == "mine", "the old model keeps the person's data"


def test_unhealthy_files(running: Any, demo: Any, tmp_path: Path, known: Any) -> None:
    (model, version, file), *_ = known
    whole = bytes_of(file)
    cut = write(tmp_path / LORA / "cut.safetensors", whole[:-1000])
    version_raw, _ = running.services.client.transport.get_json(f"/api/v1/model-versions/{version['id']}")
    cut.with_name("cut.civitai.info").write_text(json.dumps(version_raw))
    page = write(tmp_path / LORA / "page.safetensors", b"<!DOCTYPE html><title>Log in</title>")
    empty = write(tmp_path / "webui/models/Stable-diffusion/empty.ckpt", b"")
    archive = write(tmp_path / "webui/models/Stable-diffusion/cut.ckpt", b"PK\3\4" + b"x" * 5000)
    seven = write(tmp_path / "webui/models/Poses/poses.zip", b"no archive")
    result = scan(running)
    health = {Path(one.path).name: one.health for one in records(running).values()}
    assert health == {cut.name: "truncated", page.name: "wrong", empty.name: "truncated", archive.name: "truncated", seven.name: "wrong"}
    assert result["truncated"] == 3 and not any(one.sha256 for one in records(running).values()), "what is broken is not hashed"
    assert record(running, cut).model_id == model["id"], "its sidecar says what it was to be"
    cards = {card["id"]: card["state"] for card in running.cards(limit=100)["items"]}
    assert cards[model["id"]] == "broken"
    write(cut, whole)
    os.utime(cut.with_name("cut.civitai.info"), (1, 1))
    scan(running)
    assert record(running, cut).health == "verified" and record(running, cut).file_id == file["id"]


def civitai_info(file: dict[str, Any]) -> dict[str, Any]:
    size = len(bytes_of(file))
    return {"id": 7, "modelId": 8, "files": [{"sizeKB": size / 1024, "hashes": {"SHA256": sha256_of(file).upper()}}]}


SIDECARS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    ".civitai.info": civitai_info,
    ".json": lambda file: {"description": "", "modelId": 1, "sha256": sha256_of(file).upper()},
    ".metadata.json": lambda file: {"sha256": sha256_of(file), "size": len(bytes_of(file)), "hash_status": "completed"},
    ".cm-info.json": lambda file: {"ModelId": 1, "VersionId": 2, "Hashes": {"SHA256": sha256_of(file).upper()}},
}


@pytest.mark.parametrize("suffix", SIDECARS)
def test_a_sidecar_spares_reading(running: Any, tmp_path: Path, known: Any, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (model, _, file), *_ = known
    path = write(tmp_path / LORA / "a.safetensors", bytes_of(file))
    path.with_name("a" + suffix).write_text(json.dumps(SIDECARS[suffix](file)))
    monkeypatch.setattr("civitai_manager_libs.disk.hashing.digests", lambda *_arguments, **_options: pytest.fail("read whole"))
    scan(running)
    found = record(running, path)
    assert (found.sha256, found.model_id, found.health, found.verified) == (sha256_of(file), model["id"], "whole", 0), "claimed, not verified"


@pytest.mark.parametrize("suffix", SIDECARS)
def test_an_implausible_sidecar_is_not_believed(running: Any, tmp_path: Path, known: Any, suffix: str) -> None:
    (_, _, file), (model, _, other), *_ = known
    path = write(tmp_path / LORA / "a.safetensors", bytes_of(other))
    sidecar = path.with_name("a" + suffix)
    sidecar.write_text(json.dumps(SIDECARS[suffix](file)))
    old = time.time() - 100
    os.utime(sidecar, (old, old))  # the model was replaced after the sidecar was written
    scan(running)
    assert (record(running, path).sha256, record(running, path).model_id) == (sha256_of(other), model["id"])


def test_two_models_that_share_a_sidecar(running: Any, tmp_path: Path, known: Any) -> None:
    (_, _, file), (_, _, other), *_ = known
    a = write(tmp_path / LORA / "a.safetensors", bytes_of(file))
    b = write(tmp_path / LORA / "a.ckpt", bytes_of(other))
    (tmp_path / LORA / "a.json").write_text(json.dumps(SIDECARS[".json"](file)))
    scan(running)
    assert [record(running, path).sha256 for path in (a, b)] == [sha256_of(file), sha256_of(other)]


def test_the_hosts_hash_spares_reading(running: Any, tmp_path: Path, known: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (model, _, file), *_ = known
    path = write(tmp_path / LORA / "a.safetensors", bytes_of(file))
    running.services.host.remember_sha256(path, "lora", sha256_of(file))
    monkeypatch.setattr("civitai_manager_libs.disk.hashing.digests", lambda *_arguments, **_options: pytest.fail("read whole"))
    scan(running)
    assert record(running, path).model_id == model["id"]


def test_edited_words_do_not_hide_the_model(running: Any, demo: Any, tmp_path: Path, known: Any) -> None:
    """Other bytes in the header, the same tensors: the batch does not know it, the hash of the tensors does."""
    (model, version, file), *_ = known
    data = bytes_of(file)
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"]["edited"] = "by somebody"
    raw = json.dumps(header).encode()
    path = write(tmp_path / LORA / "edited.safetensors", len(raw).to_bytes(8, "little") + raw + data[8 + length :])
    result = scan(running)
    assert (record(running, path).model_id, record(running, path).version_id, result["requests"]) == (model["id"], version["id"], 3)
    assert [one for one in asked(demo) if "by-hash" in one][1].startswith("GET ")
    verified = done(running, running.verify([model["id"]]))
    assert verified["verified"] == 1, "only its words were edited"


def test_offline_everything_local_is_done(tmp_path: Path, demo: Any, known: Any) -> None:
    (model, _, file), *_ = known
    path = write(tmp_path / LORA / "a.safetensors", bytes_of(file))
    Image.new("RGB", (64, 96), "teal").save(path.with_name("a.preview.png"))
    offline = make_application(tmp_path, NOWHERE, http_timeout=1)
    offline.start()
    try:
        result = scan(offline)
        found = record(offline, path)
        assert numbers(result) == {"files": 1, "new": 1, "unknown": 1} and "the next scan asks again" in result["notes"][0]
        assert (found.sha256, found.model_id, found.asked_times) == (sha256_of(file), -found.id, 0)
        assert offline.thumbnail(-found.id), "the picture beside it"
        offline.services.models.set_note(-found.id, "mine")
    finally:
        offline.close()
    online = make_application(tmp_path, demo)
    online.start()
    try:
        assert numbers(scan(online)) == {"files": 1, "identified": 1, "requests": 2}
        assert online.services.models.row(model["id"])["note"] == "mine" and online.services.models.row(-found.id) is None
        assert online.thumbnail(model["id"])
    finally:
        online.close()


def test_unknown_files_are_asked_about_again_later(running: Any, demo: Any, tmp_path: Path) -> None:
    path = write(tmp_path / LORA / "a.safetensors", made_up(1))
    scan(running)
    found = record(running, path)
    for times, days in ((1, 1), (2, 2), (3, 4)):
        for ago, requests in ((days * 86400 - 60, 0), (days * 86400 + 60, 1)):
            running.services.files.change([(found.id, {"asked": time.time() - ago, "asked_times": times})])
            assert scan(running)["requests"] == requests, (times, ago)
    assert record(running, path).asked_times == 4


def test_all_roots_links_exclusions_and_further_folders(tmp_path: Path, demo: Any) -> None:
    far = tmp_path / "other drive"
    write(far / "loras" / "far.safetensors", made_up(1))
    write(far / "stuff" / "unclear.safetensors", safetensors(b"x" * 300, **{"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}))
    write(far / "old" / "left out.safetensors", made_up(3))
    write(tmp_path / LORA / "near.safetensors", made_up(4))
    write(tmp_path / LORA / "near.bak.safetensors", made_up(5))
    write(tmp_path / LORA / ".hidden" / "h.safetensors", made_up(6))
    (tmp_path / LORA / "loop").symlink_to(tmp_path / "webui")
    (tmp_path / LORA / "linked").symlink_to(far / "loras")
    (tmp_path / LORA / "one.safetensors").symlink_to(far / "stuff" / "unclear.safetensors")
    os.link(tmp_path / LORA / "near.safetensors", tmp_path / LORA / "near again.safetensors")
    application = make_application(tmp_path, demo, scan_folders=f"{far}\n{tmp_path / 'nowhere'}\n", scan_exclude=f"*.bak.*\n{far}/old")
    application.start()
    try:
        assert scan(application)["files"] == 3
        kinds = {str(Path(path).relative_to(tmp_path)): one.kind for path, one in records(application).items()}
        names = (f"{LORA}/linked/far.safetensors", "other drive/stuff/unclear.safetensors", f"{LORA}/near again.safetensors")
        assert kinds == dict.fromkeys(names, "lora")
    finally:
        application.close()


def test_a_drive_that_is_not_there_loses_nothing(tmp_path: Path, demo: Any) -> None:
    drive = tmp_path / "drive"
    paths = [write(drive / "loras" / f"{n}.safetensors", made_up(n)) for n in range(2)]
    near = write(tmp_path / LORA / "near.safetensors", made_up(9))
    (tmp_path / LORA / "link").symlink_to(tmp_path / "second")
    linked = write(tmp_path / "second" / "x.safetensors", made_up(8))
    application = make_application(tmp_path, demo, scan_folders=str(drive))
    application.start()
    try:
        scan(application)
        for folder in (drive, tmp_path / "second"):
            folder.rename(folder.with_name(f"away {folder.name}"))
        near.unlink()
        result = scan(application)
        assert numbers(result) == {"missing": 1, "away": 3}, result
        assert any(str(drive) in note for note in result["notes"])
        states = {Path(path).name: one.state for path, one in records(application).items()}
        assert states == {paths[0].name: "here", paths[1].name: "here", "near.safetensors": "missing", linked.name: "here"}
        for folder in (drive, tmp_path / "second"):
            folder.with_name(f"away {folder.name}").rename(folder)
        paths[0].unlink()
        assert numbers(scan(application)) == {"files": 2, "missing": 2, "unknown": 2}
        shutil.rmtree(drive / "loras")
        assert numbers(scan(application)) == {"files": 1, "missing": 3, "unknown": 1}, "the folder can be listed, so its files are gone"
    finally:
        application.close()


def test_some_folders_only(running: Any, tmp_path: Path) -> None:
    a = write(tmp_path / LORA / "a" / "a.safetensors", made_up(1))
    b = write(tmp_path / LORA / "b" / "b.safetensors", made_up(2))
    scan(running)
    a.unlink()
    b.unlink()
    assert scan(running, tmp_path / LORA / "a")["missing"] == 1
    assert (record(running, a).state, record(running, b).state) == ("missing", "here"), "what was not looked at is not judged"
    elsewhere = write(tmp_path / "elsewhere" / "vae" / "c.safetensors", made_up(3))
    assert scan(running, tmp_path / "elsewhere")["new"] == 1 and record(running, elsewhere).kind == "vae"
    with pytest.raises(UsageError):
        running.scan([str(tmp_path / "none")])


def test_a_file_recorded_under_two_names_is_one(running: Any, tmp_path: Path, known: Any) -> None:
    """A download recorded it by way of a link to its folder: it must not look like a copy that can be deleted."""
    (model, version, file), *_ = known
    real = write(tmp_path / LORA / "real" / "a.safetensors", bytes_of(file))
    scan(running)
    (tmp_path / LORA / "zz link").symlink_to(real.parent)
    other = tmp_path / LORA / "zz link" / "a.safetensors"
    running.services.files.add(other, sha256_of(file), model_id=model["id"], version_id=version["id"], file_id=file["id"], kind="lora")
    assert len(running.duplicates()) == 1
    scan(running)
    assert list(records(running)) == [str(real)] and not running.duplicates()


def test_a_download_meanwhile_is_not_forgotten(running: Any, tmp_path: Path, known: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from civitai_manager_libs.actions import scan as scanning

    (model, version, file), *_ = known
    path = write(tmp_path / LORA / "a.safetensors", bytes_of(file))
    real = scanning.look

    def slow(looked_at: Path) -> Any:
        known = {"model_id": model["id"], "version_id": version["id"], "file_id": file["id"]}
        running.services.files.add(path, sha256_of(file), **known, kind="lora", health="verified")
        return real(looked_at)

    monkeypatch.setattr(scanning, "look", slow)
    scan(running)
    assert (record(running, path).file_id, record(running, path).health) == (file["id"], "verified")


def test_what_an_older_version_recorded_is_looked_at_once(running: Any, tmp_path: Path, known: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (model, version, file), *_ = known
    path = write(tmp_path / LORA / "a.safetensors", bytes_of(file))
    ids = {"model_id": model["id"], "version_id": version["id"], "file_id": file["id"]}
    running.services.files.add(path, sha256_of(file), **ids, health="verified")
    monkeypatch.setattr("civitai_manager_libs.disk.hashing.digests", lambda *_arguments, **_options: pytest.fail("read whole"))
    result = scan(running)
    found = record(running, path)
    assert (found.kind, found.health, found.model_id, bool(found.head)) == ("lora", "verified", model["id"], True)
    assert result["requests"] == 1, "its model was not registered"


def test_big_files_can_be_stopped_and_are_not_begun_anew(tmp_path: Path, demo: Any) -> None:
    application = make_application(tmp_path, demo, hash_threads=1)
    application.start()
    paths = []
    for n in range(3):
        paths.append(write(tmp_path / "webui/models/ESRGAN" / f"{n}.pth", b"%d" % n))
        os.truncate(paths[-1], 700 << 20)  # sparse
    try:
        job = application.scan()
        until(lambda: len([one for one in records(application).values() if one.sha256]) == 1, 60)
        began = time.monotonic()
        application.jobs.pause(job)
        view = finished(application, job)
        assert view.state == "paused" and time.monotonic() - began < 5
        assert 0 < view.bytes_done < view.bytes_total == 3 * (700 << 20)
        hashed = {path for path, one in records(application).items() if one.sha256}
        assert 1 <= len(hashed) < 3
        application.jobs.resume(job)
        until(lambda: application.jobs.view(job).bytes_total == (3 - len(hashed)) * (700 << 20), 20, "only the rest being read")
        result = done(application, job, 90)
        assert (result["files"], result["new"], result["unknown"]) == (3, 3, 3)
        assert records(application)[str(paths[1])].sha256 == hashing.sha256(paths[1])
    finally:
        application.close()


def test_long_hashing_asks_in_between(running: Any, demo: Any, tmp_path: Path, known: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from civitai_manager_libs.actions import scan as scanning

    monkeypatch.setattr(scanning, "FIRST_ASK", 0.0)
    for _, _, file in known:
        write(tmp_path / "webui/models/VAE" / f"{file['id']}.safetensors", bytes_of(file))
    result = scan(running)
    assert (result["identified"], result["unknown"]) == (6, 0) and sum("by-hash/ids" in one for one in asked(demo)) > 1


def test_unfinished_downloads_and_stale_temporary_files(running: Any, tmp_path: Path) -> None:
    ours = tmp_path / LORA / "ours.safetensors"
    write(ours.with_name("ours.safetensors.part"), b"x" * 100)
    Part(ours).save(Identity(version_id=5, file_id=6, size=1000))
    write(tmp_path / LORA / "theirs.safetensors.part", b"y" * 10)
    write(tmp_path / LORA / "notes.txt.part", b"")
    stale, fresh, other = (tmp_path / LORA / name for name in (".cm-0123456789abcdef.tmp", ".cm-0123456789abcde0.tmp", ".cm-not-ours.tmp"))
    for path in (stale, fresh, other):
        path.write_bytes(b"")
    for path in (stale, other):
        os.utime(path, (time.time() - 90000,) * 2)
    result = scan(running)
    assert sorted((Path(part["path"]).name, part["size"], part["resumable"]) for part in result["parts"]) == [
        ("ours.safetensors.part", 100, True), ("theirs.safetensors.part", 10, False),
    ]  # fmt: skip
    assert result["swept"] == 1 and [path.exists() for path in (stale, fresh, other)] == [False, True, True]


def test_duplicates(running: Any, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / LORA / f"{name}.safetensors", made_up(1))
    write(tmp_path / LORA / "d.safetensors", made_up(2))
    scan(running)
    (group,) = running.duplicates()
    assert [Path(path).name for path in group["paths"]] == ["a.safetensors", "b.safetensors", "c.safetensors"]
    (tmp_path / LORA / "b.safetensors").unlink()
    write(tmp_path / LORA / "e.safetensors", made_up(1))
    assert numbers(scan(running))["moved"] == 1 and len(running.duplicates()[0]["paths"]) == 3


def test_verify(running: Any, tmp_path: Path, known: Any) -> None:
    (model, _, file), (_, _, other), *_ = known
    good = write(tmp_path / LORA / "good.safetensors", bytes_of(file))
    rotten = write(tmp_path / LORA / "rotten.safetensors", made_up(1))
    claimed = write(tmp_path / LORA / "claimed.safetensors", made_up(2))
    claimed.with_name("claimed.json").write_text(json.dumps({"sha256": sha256_of(other)}))
    scan(running)
    status = rotten.stat()
    data = bytearray(rotten.read_bytes())
    data[-1] ^= 1
    rotten.write_bytes(data)
    os.utime(rotten, ns=(status.st_atime_ns, status.st_mtime_ns))
    result = done(running, running.verify())
    assert (result["files"], result["verified"]) == (3, 1)
    assert {Path(one["path"]).name: one["outcome"] for one in result["problems"]} == {rotten.name: "wrong", claimed.name: "wrong"}
    health = {Path(one.path).name: one.health for one in records(running).values()}
    assert health == {good.name: "verified", rotten.name: "wrong", claimed.name: "wrong"}
    assert done(running, running.verify([model["id"]])) == {"files": 1, "verified": 1, "problems": []}
    with pytest.raises(NotFound):
        running.verify(query="nothing of this name")


def test_what_is_broken_is_not_verified_by_its_own_hash(running: Any, tmp_path: Path) -> None:
    """Of a file that only this disk has, the hash that was read first is that of the broken file."""
    short = write(tmp_path / LORA / "short.safetensors", made_up(1)[:-20])
    page = write(tmp_path / LORA / "page.safetensors", b"<!DOCTYPE html><html>log in</html>" * 9)
    scan(running)
    before = {Path(one.path).name: one.health for one in records(running).values()}
    assert before == {short.name: "truncated", page.name: "wrong"}
    result = done(running, running.verify())
    assert result["verified"] == 0 and len(result["problems"]) == 2 and all(one["reason"] for one in result["problems"])
    assert {Path(one.path).name: one.health for one in records(running).values()} == before
    assert running.cards(Wanted(query="is:broken"))["total"] == 2


def test_a_file_that_cannot_be_read_does_not_stop_the_others(running: Any, tmp_path: Path) -> None:
    write(tmp_path / LORA / "a.safetensors", made_up(1))
    bad = write(tmp_path / LORA / "bad.safetensors", made_up(2))
    bad.chmod(0)
    if os.access(bad, os.R_OK):
        pytest.skip("root reads everything")
    result = scan(running)
    assert result["files"] == 2 and result["failed"][0]["path"] == str(bad)


def test_the_standalone_host_keeps_no_hashes(tmp_path: Path, running: Any) -> None:
    host = StandaloneHost(running.settings, tmp_path)
    host.remember_sha256(tmp_path / "a.safetensors", "lora", "0" * 64)
    assert host.known_sha256(tmp_path / "a.safetensors", "lora") == ""
