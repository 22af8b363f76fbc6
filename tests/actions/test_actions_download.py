"""Downloading, against the demo Civitai: which file, which folder, which name; refusals; what is here already; what lies beside the file."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.disk import heads
from civitai_manager_libs.errors import FileExists, NeedsConfirmation, NoSpace, NotALink, NotFound, NothingToDownload, UsageError
from civitai_manager_libs.transfer.partial import Identity, Part
from PIL import Image
from support import done, failed, finished, make_application, parts_below, sha256, until

from demo import files as contents
from demo.catalogue import MALICIOUS, SPECIAL

OTTER = SPECIAL["training_data_first"]


def register(application: Any, *names: str) -> None:
    done(application, application.register("\n".join(str(SPECIAL[name].model_id) for name in names)))


def bytes_of(demo: Any, version_id: int, file_id: int) -> bytes:
    version = demo.catalogue.version(version_id)[1]
    return contents.read(next(file for file in version["files"] if file["id"] == file_id)["_content"])


def webui(application: Any) -> Path:
    return application.host.root


def test_the_whole_way(running: Any, demo: Any) -> None:
    register(running, "training_data_first")
    result = done(running, running.download(OTTER.version_id))
    path = Path(result["path"])
    assert path == webui(running) / "models" / "Lora" / "featherOtter.safetensors", "the model, not the training data that comes first"
    assert path.read_bytes() == bytes_of(demo, OTTER.version_id, OTTER.file_id + 1)
    assert (result["verified"], result["already_here"], result["notes"]) == (True, False, [])
    info = json.loads(path.with_suffix(".civitai.info").read_text())
    assert (info["id"], info["modelId"], info["model"]["name"]) == (OTTER.version_id, OTTER.model_id, "Feather Otter")
    assert json.loads(path.with_suffix(".json").read_text())["modelVersionId"] == OTTER.version_id
    (preview,) = path.parent.glob("featherOtter.*.*g") if list(path.parent.glob("featherOtter.*.*g")) else path.parent.glob("featherOtter.*g")
    endings = {"PNG": ".png", "JPEG": (".jpg", ".jpeg"), "WEBP": ".webp"}
    with Image.open(preview) as picture:
        assert preview.suffix in endings[picture.format or ""], "its true extension"
    assert running.cards()["items"][0]["state"] == "downloaded"
    assert running.host.refreshed == [{"lora"}]
    assert parts_below(webui(running)) == []
    sent = [one for one in demo.requests if one["origin"] == "storage"]
    assert sent and all(one["key"] == "" for one in sent), "the key goes to the API only"


def test_sidecars_of_others_are_merged_and_a_preview_is_kept(running: Any) -> None:
    folder = webui(running) / "models" / "Lora"
    folder.mkdir(parents=True)
    (folder / "featherOtter.json").write_text(json.dumps({"activation text": "mine", "preferred weight": 0.7, "other tool": {"a": 1}}))
    (folder / "featherOtter.civitai.info").write_text(json.dumps({"id": OTTER.version_id, "extensions": {"other": 1}}))
    Image.new("RGB", (8, 8)).save(folder / "featherOtter.preview.png")
    kept = (folder / "featherOtter.preview.png").read_bytes()
    register(running, "training_data_first")
    done(running, running.download(OTTER.version_id))
    metadata = json.loads((folder / "featherOtter.json").read_text())
    assert (metadata["activation text"], metadata["preferred weight"], metadata["other tool"]) == ("mine", 0.7, {"a": 1}) and metadata["sha256"]
    info = json.loads((folder / "featherOtter.civitai.info").read_text())
    assert info["extensions"] == {"other": 1} and info["modelId"] == OTTER.model_id
    assert (folder / "featherOtter.preview.png").read_bytes() == kept
    assert len(list(folder.glob("featherOtter*"))) == 4


def test_no_sidecars_when_they_are_not_wanted(tmp_path: Path, demo: Any) -> None:
    application = make_application(tmp_path, demo, write_sidecars=False)
    application.start()
    try:
        register(application, "training_data_first")
        path = Path(done(application, application.download(OTTER.version_id))["path"])
        assert [one.name for one in path.parent.iterdir()] == ["featherOtter.safetensors"]
    finally:
        application.close()


@pytest.mark.parametrize(("name", "count"), [("variants_same_name", 4), ("gguf_variants", 3)])
def test_variants_of_one_name_lie_side_by_side(running: Any, demo: Any, name: str, count: int) -> None:
    register(running, name)
    case = SPECIAL[name]
    files = [case.file_id + n for n in range(count)]
    jobs = {file: running.download(case.version_id, file) for file in files}
    paths = {file: Path(done(running, job)["path"]) for file, job in jobs.items()}
    assert len({str(path).casefold() for path in paths.values()}) == count
    for file, path in paths.items():
        assert path.read_bytes() == bytes_of(demo, case.version_id, file)
    view = running.model_view(case.model_id)
    assert {file["id"]: file["local"] for file in view["versions"][0]["files"]} == {file: [str(path)] for file, path in paths.items()}
    marks = {"variants_same_name": "fp8 bf16 nvfp4", "gguf_variants": "Q5_K_M Q4_K_M"}[name]
    assert all(any(mark in path.name for path in paths.values()) for mark in marks.split())


FOLDERS = {
    ("vae_beside", 0): "models/Stable-diffusion", ("vae_beside", 1): "models/VAE", ("config_yaml", 1): "models/Stable-diffusion",
    ("archive_zip", 0): "models/Poses", ("only_negative", 0): "embeddings", ("gguf_variants", 0): "models/Stable-diffusion",
    ("big_zip", 0): "models/wildcards", ("unknown_kinds", 0): "models/Other", ("training_data_first", 0): "models/Other",
    ("video_preview", 0): "models/AnimateDiff", ("pickle_danger", 0): "embeddings",
}  # fmt: skip


@pytest.mark.parametrize(("name", "at"), FOLDERS)
def test_files_go_where_their_loader_looks(running: Any, name: str, at: int) -> None:
    register(running, name)
    case = SPECIAL[name]
    result = done(running, running.download(case.version_id, case.file_id + at, confirmed=True))
    assert Path(result["path"]).parent == webui(running) / FOLDERS[name, at]


def test_a_config_lies_beside_its_model_under_its_name(running: Any) -> None:
    register(running, "config_yaml")
    case = SPECIAL["config_yaml"]
    elsewhere = webui(running) / "models" / "Lora" / "elsewhere"
    model = Path(done(running, running.download(case.version_id, case.file_id, str(elsewhere), "myBridge"))["path"])
    assert model == elsewhere / "myBridge.safetensors", "the loader goes by the ending"
    config = Path(done(running, running.download(case.version_id, case.file_id + 1))["path"])
    assert config == elsewhere / "myBridge.yaml"


def test_malicious_names_land_inside_the_folder(running: Any, demo: Any, tmp_path: Path) -> None:
    register(running, "malicious_names")
    case = SPECIAL["malicious_names"]
    before = {path for path in tmp_path.rglob("*") if path.is_file() and "data" not in path.parts}
    seen: set[str] = set()
    for n in range(len(MALICIOUS)):
        path = Path(done(running, running.download(case.version_id, case.file_id + n, confirmed=True))["path"])
        assert path.parent == webui(running) / "models" / "Lora", MALICIOUS[n]
        assert (
            not re.search(r'[<>:"/\\|?*\x00-\x1f\u202a-\u202e]', path.name) and not path.name.startswith(".") and path.name.rstrip(". ") == path.name
        )
        assert not re.match(r"(?i)(con|nul)(\.|$)", path.name) and len(path.name.encode()) < 240
        assert path.read_bytes() == bytes_of(demo, case.version_id, case.file_id + n)
        assert path.name.casefold() not in seen
        seen.add(path.name.casefold())
    after = {path for path in tmp_path.rglob("*") if path.is_file() and "data" not in path.parts}
    assert all(path.parent == webui(running) / "models" / "Lora" for path in after - before)


@pytest.mark.parametrize("name", ["../../x.safetensors", "/etc/x.safetensors", "C:\\x", "a/b", "CON", "x\x00y", "...", " "])
def test_a_name_that_is_given_stays_inside_too(running: Any, name: str) -> None:
    register(running, "training_data_first")
    path = Path(done(running, running.download(OTTER.version_id, None, None, name))["path"])
    assert path.parent == webui(running) / "models" / "Lora" and path.suffix == ".safetensors" and ".." not in path.name


def test_a_relative_folder_is_refused(running: Any) -> None:
    register(running, "training_data_first")
    with pytest.raises(UsageError, match="not a model folder"):
        running.download(OTTER.version_id, None, "models/Lora")
    link = f"https://civitai.com/models/{OTTER.model_id}"
    assert "not an absolute folder" in failed(running, running.download_link(link, folder="models/Lora"))["message"]


def test_a_page_can_only_choose_model_folders(running: Any, tmp_path: Path) -> None:
    register(running, "training_data_first")
    lora = webui(running) / "models" / "Lora"
    for folder in (tmp_path, lora.parent, lora / ".." / ".." / "x", Path("/etc")):
        with pytest.raises(UsageError, match="not a model folder"):
            running.download(OTTER.version_id, None, str(folder))
    assert Path(done(running, running.download(OTTER.version_id, None, str(lora / "mine")))["path"]).parent == lora / "mine"


def test_subfolders_follow_the_template(tmp_path: Path, demo: Any) -> None:
    application = make_application(tmp_path, demo, subfolder_template="{base_model}/{creator}/{model}")
    application.start()
    try:
        register(application, "malicious_names", "no_creator", "training_data_first")
        lora = webui(application) / "models" / "Lora"
        otter = Path(done(application, application.download(OTTER.version_id))["path"])
        assert len(otter.relative_to(lora).parts) == 4 and otter.parent.name == "Feather Otter"
        odd = Path(done(application, application.download(SPECIAL["malicious_names"].version_id))["path"])
        assert lora in odd.parents and len(odd.relative_to(lora).parts) == 4 and "." not in odd.parent.name
        orphan = Path(done(application, application.download(SPECIAL["no_creator"].version_id))["path"])
        assert orphan.relative_to(lora).parts[1] == "Unknown"
    finally:
        application.close()


@pytest.mark.parametrize(("name", "words"), [("pickle_danger", "dangerous"), ("pickle_safe", "pickle file")])
def test_a_risky_file_asks_first(running: Any, demo: Any, name: str, words: str) -> None:
    register(running, name)
    case = SPECIAL[name]
    demo.forget()
    with pytest.raises(NeedsConfirmation, match=words) as caught:
        running.download(case.version_id)
    assert caught.value.remedy == "confirm" and caught.value.data["version_id"] == case.version_id
    assert failed(running, running.download_link(str(case.model_id)))["code"] == "needs_confirmation"
    assert not [one for one in demo.requests if one["origin"] == "storage" or "download" in one["path"]]
    assert Path(done(running, running.download(case.version_id, confirmed=True))["path"]).exists()


REFUSALS = {
    "early_access": ("early_access", "2099-05-06"),
    "early_access_permanent": ("early_access", "Buy access"),
    "early_access_unknown_end": ("early_access", "Buy access"),
    "generation_only": ("downloads_disabled", "Choose another version"),
    "unsignable": ("not_found", "Check the link"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_each_refusal_has_its_sentence_and_next_step(running: Any, name: str) -> None:
    register(running, name)
    error = failed(running, running.download(SPECIAL[name].version_id))
    code, step = REFUSALS[name]
    assert error["code"] == code and step in error["next_step"] and error["message"]
    assert not [path for path in webui(running).rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("key", "code", "step"), [("", "login_required", "Add your API key"), ("wrong-key-00000000", "key_rejected", "Make a new key")]
)
def test_without_a_key_and_with_a_wrong_one(tmp_path: Path, demo: Any, key: str, code: str, step: str) -> None:
    application = make_application(tmp_path, demo, key="")
    application.start()
    try:
        register(application, "training_data_first")
        application.close()
        application = make_application(tmp_path, demo, key=key)
        application.start()
        error = failed(application, application.download(OTTER.version_id))
        assert (error["code"], error["remedy"]) == (code, "settings") and step in error["next_step"]
        assert key not in str(error) or not key
        assert parts_below(tmp_path) == []
    finally:
        application.close()


def test_what_changes_at_civitai_after_registering(running: Any, demo: Any) -> None:
    """Archived, taken down or gone since: told as such, by the download itself."""
    register(running, "training_data_first")
    kept = demo.catalogue.fixed[OTTER.model_id]
    for change, code in (({"mode": "Archived"}, "archived"), ({"mode": "TakenDown"}, "not_found"), ({"_found": False}, "not_found")):
        changed = {**kept, **change}
        try:
            demo.catalogue.fixed[OTTER.model_id] = changed
            demo.catalogue.fixed_versions[OTTER.version_id] = changed
            assert failed(running, running.download(OTTER.version_id))["code"] == code
        finally:
            demo.catalogue.fixed[OTTER.model_id] = demo.catalogue.fixed_versions[OTTER.version_id] = kept
    assert parts_below(webui(running)) == []


@pytest.mark.parametrize("name", ["archived", "no_files"])
def test_nothing_to_download(running: Any, name: str) -> None:
    register(running, name)
    with pytest.raises(NothingToDownload):
        running.download(SPECIAL[name].version_id)
    with pytest.raises(NothingToDownload):
        running.folder_choices(SPECIAL[name].version_id)
    assert failed(running, running.download_link(str(SPECIAL[name].model_id)))["code"] == "nothing_to_download"


def test_a_version_that_is_not_registered(running: Any) -> None:
    with pytest.raises(NotFound, match="not registered"):
        running.download(OTTER.version_id)
    register(running, "training_data_first")
    with pytest.raises(NothingToDownload, match="no such file"):
        running.download(OTTER.version_id, 77)


def test_by_link_without_registering_first(running: Any) -> None:
    result = done(running, running.download_link(f"https://civitai.com/models/{OTTER.model_id}"))
    assert Path(result["path"]).name == "featherOtter.safetensors" and running.cards()["total"] == 1
    view = finished(running, running.download_link(f"https://civitai.com/models/{OTTER.model_id}"))
    assert view.result["already_here"] and view.model_id == OTTER.model_id and view.title == "featherOtter.safetensors"
    for text in ("nonsense", "5 6", "5\n6"):
        with pytest.raises(NotALink):
            running.download_link(text)
    assert failed(running, running.download_link(str(SPECIAL["deleted"].model_id)))["code"] == "not_found"


def test_the_newest_version_that_is_free(running: Any) -> None:
    """Of many the first; a hash means its own file; a version that is named decides."""
    case = SPECIAL["many_versions"]
    assert done(running, running.download_link(str(case.model_id)))["version_id"] == case.version_id
    assert done(running, running.download_link(str(case.model_id), version_id=4_009_003))["version_id"] == 4_009_003
    assert done(running, running.download_link(f"https://civitai.com/models/{case.model_id}?modelVersionId=4009005"))["version_id"] == 4_009_005


def test_a_hash_names_its_own_file(running: Any, demo: Any) -> None:
    case = SPECIAL["variants_same_name"]
    content = demo.catalogue.version(case.version_id)[1]["files"][2]["_content"]
    assert done(running, running.download_link(contents.hashes(content)["SHA256"]))["file_id"] == case.file_id + 2


# -- what is here already


def test_the_same_file_again_is_recognised(running: Any, demo: Any) -> None:
    register(running, "training_data_first")
    first = done(running, running.download(OTTER.version_id))
    demo.forget()
    again = done(running, running.download(OTTER.version_id))
    assert again["already_here"] and again["path"] == first["path"]
    assert not [one for one in demo.requests if "model/" in one["path"] and one["origin"] == "storage"]


def test_an_identical_file_that_was_there_before_us(running: Any, demo: Any) -> None:
    register(running, "training_data_first")
    target = webui(running) / "models" / "Lora" / "featherOtter.safetensors"
    target.parent.mkdir(parents=True)
    target.write_bytes(bytes_of(demo, OTTER.version_id, OTTER.file_id + 1))
    result = done(running, running.download(OTTER.version_id))
    assert result["already_here"] and result["verified"] and Path(result["path"]) == target
    assert target.with_suffix(".civitai.info").exists() and running.cards()["items"][0]["state"] == "downloaded"


def test_a_copy_in_another_folder_of_the_host_serves(running: Any) -> None:
    register(running, "training_data_first")
    first = Path(done(running, running.download(OTTER.version_id, None, str(webui(running) / "models" / "Lora" / "mine")))["path"])
    again = done(running, running.download(OTTER.version_id))
    assert again["already_here"] and Path(again["path"]) == first


def test_what_its_first_bytes_tell_is_known_without_a_scan(running: Any) -> None:
    register(running, "training_data_first")
    path = Path(done(running, running.download(OTTER.version_id))["path"])
    record, head = running.services.files.at(path), heads.look(path)
    assert head.print and (record.head, record.autov3, record.alias) == (head.print, head.autov3, head.alias)
    assert (record.kind, record.health, record.sha256) == ("lora", "verified", sha256(path)) and record.verified


def test_a_press_on_a_file_that_is_here_takes_away_nothing_that_is_known_of_it(running: Any) -> None:
    register(running, "training_data_first")
    path = Path(done(running, running.download(OTTER.version_id))["path"])
    record = running.services.files.at(path)
    running.services.files.change([(record.id, {"autov3": "0123456789ab", "alias": "Otter_v1"})])
    before = running.services.files.at(path)
    assert done(running, running.download(OTTER.version_id))["already_here"]
    assert running.services.files.at(path) == before


def test_a_hash_that_is_only_claimed_is_computed_before_it_counts(running: Any) -> None:
    """As a sidecar leaves it: the published hash is recorded for a file whose bytes are others."""
    register(running, "training_data_first")
    path = Path(done(running, running.download(OTTER.version_id))["path"])
    record = running.services.files.at(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    found = path.stat()
    claim = {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "health": "whole", "verified": 0}
    running.services.files.change([(record.id, claim)])
    assert "another file" in failed(running, running.download(OTTER.version_id))["message"]
    assert running.services.files.at(path).health == "whole" and path.read_bytes() == data, "nothing is touched"


def test_a_recorded_file_that_was_deleted_or_changed_is_fetched_again(running: Any, demo: Any) -> None:
    register(running, "training_data_first")
    path = Path(done(running, running.download(OTTER.version_id))["path"])
    path.unlink()
    assert running.model_view(OTTER.model_id)["versions"][0]["files"][1]["local"] == []
    assert not done(running, running.download(OTTER.version_id))["already_here"]
    assert path.read_bytes() == bytes_of(demo, OTTER.version_id, OTTER.file_id + 1)


@pytest.mark.parametrize("same_size", [False, True])
def test_a_different_file_is_never_overwritten(running: Any, demo: Any, same_size: bool) -> None:
    register(running, "training_data_first")
    target = webui(running) / "models" / "Lora" / "FeatherOtter.safetensors"  # another case: the same name on Windows
    target.parent.mkdir(parents=True)
    mine = b"x" * (len(bytes_of(demo, OTTER.version_id, OTTER.file_id + 1)) if same_size else 100)
    target.write_bytes(mine)
    view = finished(running, running.download(OTTER.version_id))
    if view.state == "done":
        assert Path(view.result["path"]) != target and str(OTTER.version_id) in view.result["path"]
    else:
        assert view.error is not None and (view.error["code"], view.error["remedy"]) == ("file_exists", "rename")
    assert target.read_bytes() == mine
    chosen = finished(running, running.download(OTTER.version_id, None, str(target.parent), target.name))
    assert target.read_bytes() == mine
    assert chosen.state == "failed" or chosen.result["path"] != str(target)
    if chosen.state == "failed":
        assert chosen.error is not None and chosen.error["code"] == "file_exists"


def quickly(application: Any, job: str) -> Any:
    """The result of a download on a slow connection, by a new and fast one."""
    application.jobs.pause(job)
    finished(application, job)
    application.jobs.resume(job)
    return done(application, job)


def test_two_downloads_never_share_a_name(running: Any, demo: Any) -> None:
    """Two files that want one name at the same time: neither may take the other's bytes for its own."""
    register(running, "training_data_first", "medium_file")
    demo.fault("drip", path="/model/4012900", times=1, rate=30_000_000)  # the 64 MiB take two seconds
    folder = str(webui(running) / "models" / "Lora")
    slow = running.download(SPECIAL["medium_file"].version_id, None, folder, "same")
    until(lambda: running.jobs.view(slow).bytes_done > 0)
    with pytest.raises(FileExists, match="Another download"):
        running.download(OTTER.version_id, None, folder, "SAME")
    running.jobs.pause(slow)
    finished(running, slow)
    with pytest.raises(FileExists, match="Another download"):
        running.download(OTTER.version_id, None, folder, "same")
    running.jobs.resume(slow)
    view = finished(running, slow)
    assert view.state == "done", view.error
    case = SPECIAL["medium_file"]
    assert sha256(Path(view.result["path"])) == sha256_of(demo, case.version_id, case.file_id)
    assert parts_below(webui(running)) == []


def test_default_names_avoid_those_that_are_being_downloaded(running: Any, demo: Any) -> None:
    register(running, "training_data_first", "medium_file")
    demo.fault("drip", path="/model/4012900", times=1, rate=30_000_000)
    folder = str(webui(running) / "models" / "Lora")
    slow = running.download(SPECIAL["medium_file"].version_id, None, folder, "featherOtter")
    until(lambda: running.jobs.view(slow).bytes_done > 0)
    other = done(running, running.download(OTTER.version_id))
    assert Path(other["path"]).name == f"featherOtter-{OTTER.version_id}.safetensors"
    assert quickly(running, slow)["path"].endswith("featherOtter.safetensors")


def test_the_same_file_asked_for_in_two_ways_at_once(running: Any, demo: Any) -> None:
    """By its page and by its link: two jobs, one file; the second does not spoil the first."""
    case = SPECIAL["medium_file"]
    register(running, "medium_file")
    demo.fault("drip", path="/model/4012900", times=1, rate=30_000_000)
    slow = running.download(case.version_id)
    until(lambda: running.jobs.view(slow).bytes_done > 0)
    second = finished(running, running.download_link(str(case.model_id)))
    result = quickly(running, slow)
    assert second.state == "failed" and second.error is not None and second.error["code"] == "busy"
    assert sha256(Path(result["path"])) == sha256_of(demo, case.version_id, case.file_id)
    running.jobs.retry(second.id)
    assert done(running, second.id)["already_here"]


def test_a_download_by_page_joins_the_one_by_link(running: Any, demo: Any) -> None:
    case = SPECIAL["medium_file"]
    demo.fault("drip", path="/model/4012900", times=1, rate=30_000_000)
    first = running.download_link(str(case.model_id))
    until(lambda: running.jobs.view(first).bytes_done > 0)
    assert running.download(case.version_id) == first
    running.jobs.pause(first)
    assert finished(running, first).state == "paused"
    assert running.download(case.version_id) == first
    assert done(running, first)["verified"]


def sha256_of(demo: Any, version_id: int, file_id: int) -> str:
    version = demo.catalogue.version(version_id)[1]
    return contents.hashes(next(file for file in version["files"] if file["id"] == file_id)["_content"])["SHA256"].lower()


def test_a_kill_between_placing_and_tidying_leaves_no_part(running: Any, demo: Any) -> None:
    """The file has its name already, its part is the second link to it."""
    register(running, "training_data_first")
    target = webui(running) / "models" / "Lora" / "featherOtter.safetensors"
    target.parent.mkdir(parents=True)
    part = target.with_name(target.name + ".part")
    part.write_bytes(bytes_of(demo, OTTER.version_id, OTTER.file_id + 1))
    target.hardlink_to(part)
    Path(f"{part}.json").write_text("{}")
    assert done(running, running.download(OTTER.version_id))["already_here"]
    assert parts_below(webui(running)) == [] and target.exists()


# -- stopping


def test_pause_resume_and_cancel_of_a_download(running: Any, demo: Any) -> None:
    register(running, "medium_file")
    case = SPECIAL["medium_file"]
    demo.fault("drip", path="/model/4012900", times=2, rate=20_000_000)
    job = running.download(case.version_id)
    until(lambda: running.jobs.view(job).bytes_done > 2_000_000)
    running.jobs.pause(job)
    view = finished(running, job, 5)
    assert view.state == "paused"
    target = webui(running) / "models" / "Stable-diffusion" / "hillOfData.safetensors"
    kept = target.with_name(target.name + ".part").stat().st_size
    assert kept > 2_000_000 and not target.exists()
    demo.forget()
    running.jobs.resume(job)
    until(lambda: running.jobs.view(job).bytes_done > kept + 1_000_000)
    asked = [one["headers"].get("Range") for one in demo.requests if one["origin"] == "storage" and "/model/" in one["path"]]
    assert asked == [f"bytes={kept}-"]
    running.jobs.cancel(job)
    assert finished(running, job, 5).state == "cancelled"
    assert parts_below(webui(running)) == [] and not target.exists()
    demo.clear_faults()
    running.jobs.retry(job)
    assert sha256(Path(done(running, job)["path"])) == sha256_of(demo, case.version_id, case.file_id)


def test_closing_in_the_middle_and_starting_again(tmp_path: Path, demo: Any) -> None:
    case = SPECIAL["medium_file"]
    demo.fault("drip", path="/model/4012900", times=1, rate=20_000_000)
    first = make_application(tmp_path, demo)
    first.start()
    register(first, "medium_file")
    job = first.download(case.version_id)
    until(lambda: first.jobs.view(job).bytes_done > 2_000_000)
    first.close()
    second = make_application(tmp_path, demo)
    second.start()
    try:
        result = done(second, job)
        assert sha256(Path(result["path"])) == sha256_of(demo, case.version_id, case.file_id)
        assert parts_below(tmp_path / "webui") == []
    finally:
        second.close()


# -- disks


def test_space_is_checked_before_a_byte_moves(running: Any, demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that no disk here can hold: the size that Civitai declares decides."""
    case = SPECIAL["training_data_first"]
    version = demo.catalogue.fixed[case.model_id]["modelVersions"][0]
    content = version["files"][1]["_content"]
    from dataclasses import replace

    known = {**contents.hashes(content)}
    huge = replace(content, size=1 << 60)
    monkeypatch.setitem(contents.KNOWN, huge, known)
    monkeypatch.setitem(version["files"][1], "_content", huge)
    register(running, "training_data_first")
    with pytest.raises(NoSpace, match="needs 1.* free"):
        running.download(case.version_id)
    error = failed(running, running.download_link(str(case.model_id)))
    assert error["code"] == "no_space" and error["needed"] > error["free"]
    assert not [one for one in demo.requests if "download" in one["path"]]
    assert parts_below(webui(running)) == []


PROGRAM = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
from support import make_application, done, failed, finished, until, parts_below
from civitai_manager_libs.errors import CivitaiManagerError
folder = Path({folder!r})
def started():
    application = make_application(folder.parent, {url!r})
    application.host.root = folder
    application.start()
    done(application, application.register("\\n".join({ids!r})))
    return application
"""


def on_a_small_disk(tmp_path: Path, demo: Any, options: str, code: str, setup: str = "true") -> str:
    from disk.mounts import run_on_mount
    from support import ROOT, SCRIPTS

    mount = tmp_path / "mount"
    mount.mkdir()
    ids = [str(SPECIAL[name].model_id) for name in ("big_file", "medium_file", "training_data_first")]
    program = PROGRAM.format(paths=[str(SCRIPTS), str(ROOT), str(ROOT / "tests")], folder=str(mount), url=demo.url, ids=ids)
    return run_on_mount(mount, options, program + code, setup)


def test_everything_that_is_queued_has_to_fit(tmp_path: Path, demo: Any) -> None:
    """5 GiB of disk and two files of 4 GiB: the second is refused while the first is only at its beginning."""
    demo.fault("drip", path="/model/4012800", rate=1_000_000)
    big = SPECIAL["big_file"]
    code = f"""
application = started()
models = application.host.folders()["checkpoint"][0]
first = application.download({big.version_id})
until(lambda: application.jobs.view(first).bytes_done > 0)
try:
    application.download({big.version_id}, None, str(models), "another")
except CivitaiManagerError as exc:
    print(exc.code, "queued" in exc.message)
print(failed(application, application.download_link("{big.model_id}", folder=str(folder / "third")))["code"])
application.jobs.cancel(first)
finished(application, first)
second = application.download({big.version_id}, None, str(models), "another")
until(lambda: application.jobs.view(second).bytes_done > 0)
application.jobs.cancel(second)
finished(application, second)
print(parts_below(folder))
application.close()
"""
    assert on_a_small_disk(tmp_path, demo, "size=5g", code).splitlines() == ["no_space True", "no_space", "[]"]


def test_a_disk_that_fills_up_in_the_middle(tmp_path: Path, demo: Any) -> None:
    """Another program takes the space: the download stops, says so, and goes on when there is room again."""
    demo.fault("drip", path="/model/4012900", times=1, rate=30_000_000)
    case = SPECIAL["medium_file"]
    code = f"""
application = started()
job = application.download({case.version_id})
until(lambda: application.jobs.view(job).bytes_done > 1_000_000)
hog = folder / "hog"
with hog.open("wb") as out:
    try:
        while True:
            out.write(b"x" * (1 << 20))
            out.flush()
    except OSError:
        pass
error = failed(application, job)
print(error["code"], [path.name for path in (folder / "models" / "Lora").glob("*.safetensors")])
hog.unlink()
application.jobs.retry(job)
print(done(application, job)["verified"])
application.close()
"""
    assert on_a_small_disk(tmp_path, demo, "size=140m", code).splitlines() == ["no_space []", "True"]


def test_a_read_only_folder_is_told_before_a_byte_moves(tmp_path: Path, demo: Any) -> None:
    demo.forget()
    code = f"""
application = started()
print(failed(application, application.download({OTTER.version_id}))["code"])
application.close()
"""
    told = on_a_small_disk(tmp_path, demo, "size=10m", code, setup='mkdir -p models/Lora && mount -o remount,ro,size=200m "$PWD"')
    assert told.strip() in ("not_writable", "no_space")
    assert told.strip() == "not_writable"
    assert not [one for one in demo.requests if "/download/" in one["path"]]


def test_a_folder_that_is_a_file(running: Any) -> None:
    register(running, "training_data_first")
    blocker = webui(running) / "models" / "Lora" / "blocker"
    blocker.parent.mkdir(parents=True)
    blocker.write_text("a file")
    error = failed(running, running.download(OTTER.version_id, None, str(blocker / "below")))
    assert error["code"] == "not_writable" and str(blocker) in error["message"]
    shutil.rmtree(webui(running), ignore_errors=True)


def test_a_part_of_somebody_else_is_never_deleted(running: Any, demo: Any) -> None:
    register(running, "training_data_first")
    folder = webui(running) / "models" / "Lora"
    folder.mkdir(parents=True)
    part = folder / "featherOtter.safetensors.part"
    part.write_bytes(b"another program's")
    demo.fault("drip", path="/model/", times=1, rate=20_000)
    job = running.download(OTTER.version_id)
    until(lambda: running.jobs.view(job).bytes_done > 0)
    running.jobs.cancel(job)
    finished(running, job)
    assert [path.name for path in folder.iterdir()] == ["featherOtter.safetensors.part.unknown"]
    assert (folder / "featherOtter.safetensors.part.unknown").read_bytes() == b"another program's"


def test_cancelling_a_download_that_never_started_touches_nothing(running: Any, demo: Any) -> None:
    register(running, "training_data_first", "medium_file")
    running.settings.update({"parallel_downloads": 1})
    folder = webui(running) / "models" / "Lora"
    folder.mkdir(parents=True)
    part = folder / "featherOtter.safetensors.part"
    part.write_bytes(b"another program's")
    demo.fault("drip", path="/model/", times=1, rate=20_000)
    first = running.download(SPECIAL["medium_file"].version_id)
    until(lambda: running.jobs.view(first).bytes_done > 0)
    second = running.download(OTTER.version_id)
    assert running.jobs.view(second).state == "queued"
    running.jobs.cancel(second)
    running.jobs.cancel(first)
    finished(running, first)
    assert part.read_bytes() == b"another program's"


def test_a_file_without_a_hash_is_known_again(running: Any) -> None:
    register(running, "pending_scan")
    case = SPECIAL["pending_scan"]
    first = done(running, running.download(case.version_id, case.file_id))
    assert running.services.files.at(Path(first["path"])).health != "verified", "there was nothing to compare it with"
    again = done(running, running.download(case.version_id, case.file_id))
    assert (again["path"], again["already_here"], again["verified"]) == (first["path"], True, False)
    running.services.files.forget(first["path"])  # as if the process had died before the record
    Part(Path(first["path"])).save(Identity(case.version_id, case.file_id, first["size"], "", total=first["size"]))
    third = done(running, running.download(case.version_id, case.file_id, name=Path(first["path"]).name))
    assert (third["path"], third["already_here"]) == (first["path"], True)
    assert parts_below(webui(running)) == []
