"""Where the resources of a picture are: by hash, version, name; what Civitai is asked; fetching what is missing; names made equal to the files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.actions.recipes.making import Making
from civitai_manager_libs.application import Application
from civitai_manager_libs.catalog.files import LocalFile
from civitai_manager_libs.generation import infotext, renaming
from civitai_manager_libs.generation.renaming import Names
from support import ROOT, done, failed, make_application

from demo.catalogue import SPECIAL
from demo.community import lora
from demo.files import hashes
from demo.server import DemoServer

NAME, FILE, VERSION = lora(0, 1)
HASHES = {kind: value.lower() for kind, value in hashes(FILE["_content"]).items()}
REST = "\nSteps: 5, Sampler: Euler a, Seed: 4, Size: 64x96"


def resolved(application: Application, *mentions: dict[str, Any], ask: bool = True) -> list[dict[str, Any]]:
    told = application.images.resolve(named=list(mentions))
    found: list[dict[str, Any]] = done(application, told["job"])["resources"] if "job" in told and ask else told["resources"]
    return found


def put(application: Application, path: str, **columns: Any) -> int:
    (number,) = application.services.files.put([LocalFile(path, 1000, 1, **columns)])
    return number


@pytest.mark.parametrize("kind", ["SHA256", "AutoV2", "AutoV3", "SHA256_12"])
@pytest.mark.parametrize("prefix", ["", "0x"])
def test_a_file_here_by_any_hash(running: Application, demo: DemoServer, kind: str, prefix: str) -> None:
    number = put(running, "/m/renamed.safetensors", sha256=HASHES["SHA256"], autov3=HASHES["AutoV3"], kind="lora")
    demo.forget()
    (found,) = resolved(running, {"kind": "lora", "name": "as it was called", "hash": prefix + HASHES[kind].upper(), "weight": 0.5})
    assert (found["state"], found["by"], found["weight"]) == ("here", "hash", 0.5)
    assert found["file"] == {"id": number, "stem": "renamed", "path": "/m/renamed.safetensors"}
    assert not demo.requests


def test_a_name_is_told_as_a_name(running: Application) -> None:
    put(running, "/m/Linen.safetensors", sha256="ab" * 32, kind="lora")
    put(running, "/m/linen.pt", sha256="cd" * 32, kind="embedding")
    (found,) = resolved(running, {"kind": "lora", "name": "linen"})
    assert (found["state"], found["by"], found["file"]["stem"]) == ("here", "name", "Linen")
    (other,) = resolved(running, {"kind": "lora", "name": "linen", "hash": "abababababab"}, ask=False)
    assert other["by"] == "hash"
    (different,) = resolved(running, {"kind": "lora", "name": "linen", "hash": "1234567890"}, ask=False)
    assert different["state"] == "unknown", "its hash says that it is another file"
    assert running.images.rename(f"a <lora:linen:1>{REST}")["changed"] == [], "a name alone renames nothing"


def test_the_name_that_a_trainer_gave_is_a_name(running: Application) -> None:
    put(running, "/m/my-file.safetensors", sha256="ab" * 32, alias="Lantern_Style", kind="lora")
    (found,) = resolved(running, {"kind": "lora", "name": "lantern_style"}, ask=False)
    assert (found["state"], found["by"], found["file"]["stem"]) == ("here", "name", "my-file")
    put(running, "/m/lantern_style.safetensors", sha256="cd" * 32, alias="other", kind="lora")
    (found,) = resolved(running, {"kind": "lora", "name": "lantern_style"}, ask=False)
    assert found["file"]["stem"] == "lantern_style", "a file of that name comes first"
    for number, name in enumerate(("one", "two")):
        put(running, f"/m/{name}.safetensors", sha256=f"{number}f" * 32, alias="last", kind="lora")
    put(running, "/m/three.pt", sha256="9f" * 32, alias="none", kind="lora")
    for name in ("last", "none"):
        (found,) = resolved(running, {"kind": "lora", "name": name}, ask=False)
        assert found["state"] == "unknown", "the WebUI loads nothing by a name that two networks have"
    recipe = running.recipes.make(Making(name="told", infotext=f"<lora:Lantern_Style:1> <lora:last:1>{REST}"))["id"]
    assert [one["here"] for one in running.recipes.view(recipe)["models"]] == [True, False]


def test_states_of_a_version(running: Application, demo: DemoServer) -> None:
    (civitai,) = resolved(running, {"kind": "lora", "version_id": VERSION, "name": ""})
    assert (civitai["state"], civitai["by"]) == ("civitai", "version") and civitai["model_id"] and civitai["url"].startswith(demo.url)
    put(running, "/m/old.safetensors", sha256="ef" * 32, kind="lora", model_id=civitai["model_id"], version_id=VERSION + 1)
    (other,) = resolved(running, {"kind": "lora", "version_id": VERSION})
    assert other["state"] == "other_version" and other["file"]["stem"] == "old" and other["version_name"] == civitai["version_name"]
    put(running, "/m/new.safetensors", sha256=HASHES["SHA256"], kind="lora", model_id=civitai["model_id"], version_id=VERSION)
    (here,) = resolved(running, {"kind": "lora", "version_id": VERSION})
    assert here["state"] == "here" and here["file"]["stem"] == "new"


def test_civitai_is_asked_once_and_in_batches(running: Application, demo: DemoServer) -> None:
    versions = [{"kind": "checkpoint", "version_id": 4_200_000 + 4 * number} for number in range(12)]
    demo.forget()
    found = resolved(running, *versions, {"kind": "lora", "hash": HASHES["SHA256"]}, {"kind": "lora", "hash": "1234567890"}, {"version_id": 7})
    assert [one["state"] for one in found] == ["civitai"] * 13 + ["unknown"] * 2
    paths = [one["path"] for one in demo.requests]
    assert paths.count("/api/v1/models") == 1 and len(paths) <= 4, paths
    demo.forget()
    again = running.images.resolve(named=[*versions, {"hash": "1234567890"}, {"version_id": 7}])
    assert "job" not in again and not demo.requests, "also what Civitai does not know is remembered"


def test_the_same_told_twice_is_one(running: Application) -> None:
    text = f'a <lora:x:0.8>{REST}, Lora hashes: "x: {HASHES["AutoV3"]}", Civitai resources: [{{"type":"lora","modelVersionId":{VERSION}}}]'
    (one,) = done(running, running.images.resolve(text)["job"])["resources"]
    assert one["name"] == "x" and one["weight"] == 0.8 and one["version_id"] == VERSION


def test_a_failure_of_asking_is_told_and_costs_nothing(tmp_path: Path, demo: DemoServer) -> None:
    demo.fault("rate_limit_silent")
    application = make_application(tmp_path, demo)
    application.start()
    try:
        told = application.images.resolve(named=[{"kind": "lora", "version_id": VERSION}])
        assert told["resources"][0]["state"] == "unknown"
        error = failed(application, told["job"], 90)
        assert error["code"] == "rate_limited" and error["next_step"]
        demo.clear_faults()
        assert resolved(application, {"kind": "lora", "version_id": VERSION})[0]["state"] == "civitai"
    finally:
        application.close()


def test_fetch_what_is_missing_with_reasons_for_the_rest(running: Application, demo: DemoServer) -> None:
    cases = {
        "early_access": "early_access", "early_access_permanent": "early_access", "generation_only": "downloads_disabled", "archived": "archived",
        "pickle_safe": "needs_confirmation",
    }  # fmt: skip
    versions = [VERSION, *(SPECIAL[name].version_id for name in cases)]
    result = done(running, running.images.fetch_missing([{"kind": "lora", "name": "nowhere"}], versions)["job"], 60)
    assert {one["name"]: one["code"] for one in result["skipped"]} == {
        "nowhere": "not_found", **{f"version {SPECIAL[name].version_id}": code for name, code in cases.items()},
    }  # fmt: skip
    assert all(one["message"] and "next_step" in one for one in result["skipped"])
    (job,) = result["started"]
    path = Path(done(running, job)["path"])
    assert path.stem == NAME and running.services.models.row(resolved(running, {"version_id": VERSION})[0]["model_id"]) is not None
    pickle = SPECIAL["pickle_safe"]
    again = done(running, running.images.fetch_missing(version_ids=[VERSION, pickle.version_id], confirmed=True)["job"])
    assert again["here"] == [f"version {VERSION}"] and len(again["started"]) == 1 and not again["skipped"]
    done(running, again["started"][0])


def test_fetch_by_hash_takes_the_file_of_that_hash(running: Application) -> None:
    """Of four files of one name, not the primary one."""
    case = SPECIAL["variants_same_name"]
    done(running, running.register(f"https://civitai.com/models/{case.model_id}"))
    body = running.services.models.body(case.model_id)
    assert body is not None
    digest = body["modelVersions"][0]["files"][2]["hashes"]["SHA256"]
    (job,) = done(running, running.images.fetch_missing([{"kind": "checkpoint", "hash": digest[:10]}])["job"])["started"]
    assert done(running, job)["sha256"] == digest.lower()


def test_rename_everything_that_is_certain(running: Application) -> None:
    put(running, "/m/Lora/linen_v2.safetensors", sha256="aa" * 32, autov3="88e247aa8c3d", kind="lora")
    put(running, "/m/e/easy-new.pt", sha256="bb" * 32, kind="embedding")
    put(running, "/m/c/base v3.safetensors", sha256="cc" * 32, kind="checkpoint")
    put(running, "/m/v/soft2.vae.safetensors", sha256="dd" * 32, kind="vae")
    text = (
        "a cat, <lora:linen:0.8>, easyneg, not-easyneg <lora:easyneg:1>\nNegative prompt: (easyneg:1.2),\nworse\n"
        "Steps: 5, Sampler: Euler a, Seed: 4, "
        f'Model hash: {"cc" * 5}, Model: base_v1, VAE hash: {"dd" * 5}, VAE: soft.safetensors, Hires prompt: "b, <lora:linen:0.2>", '
        f'Lora hashes: "linen: 88e247aa8c3d", TI hashes: "easyneg: {"bb" * 5}", Version: v1.10.1'
    )
    made = running.images.rename(text)
    assert made["infotext"] == (
        "a cat, <lora:linen_v2:0.8>, easy-new, not-easyneg <lora:easyneg:1>\nNegative prompt: (easy-new:1.2),\nworse\nSteps: 5, Sampler: Euler a, "
        f'Seed: 4, Model hash: {"cc" * 5}, Model: base v3, VAE hash: {"dd" * 5}, VAE: soft2.vae.safetensors, Hires prompt: "b, <lora:linen_v2:0.2>", '
        f'Lora hashes: "linen_v2: 88e247aa8c3d", TI hashes: "easy-new: {"bb" * 5}", Version: v1.10.1'
    )
    assert made["prompt"] == "a cat, <lora:linen_v2:0.8>, easy-new, not-easyneg <lora:easyneg:1>"
    assert {(one["from"], one["to"]) for one in made["changed"]} == {
        ("linen", "linen_v2"), ("easyneg", "easy-new"), ("base_v1", "base v3"), ("soft.safetensors", "soft2.vae.safetensors"),
    }  # fmt: skip
    assert running.images.rename(made["infotext"]) == {**made, "changed": []}


def test_loras_that_are_told_by_number_get_their_tags_when_asked(running: Application) -> None:
    """What Civitai's own generator writes: no tag in the prompt."""
    (known,) = resolved(running, {"kind": "lora", "version_id": VERSION})
    put(running, "/m/linen.safetensors", sha256=HASHES["SHA256"], kind="lora", model_id=known["model_id"], version_id=VERSION)
    text = infotext.write("a cat", "", {"Steps": "5", "Seed": "4", "Civitai resources": json.dumps([
        {"type": "lora", "weight": 0.45, "modelVersionId": VERSION}])})  # fmt: skip
    assert running.images.rename(text)["changed"] == []
    made = running.images.rename(text, add=True)
    assert infotext.parse(made["infotext"]).prompt == "a cat <lora:linen:0.45>"
    assert made["changed"] == [{"from": "", "to": "<lora:linen:0.45>"}]
    assert running.images.rename(made["infotext"], add=True)["changed"] == []


def test_renaming_leaves_the_rest_alone() -> None:
    odd = "  odd   blanks <lora:x:1>\nno parameters"
    assert renaming.renamed(odd, Names({"y": "z"})) == (odd, [])
    assert renaming.renamed(odd, Names({"x": "z"}))[0] == "odd   blanks <lora:z:1>\nno parameters"
    hashed = f'a <lora:x:1>{REST}, Hashes: {{"lora:x":"88e247aa8c3d","model":"1"}}'
    assert infotext.parse(renaming.renamed(hashed, Names({"x": "z"}))[0]).parameters["Hashes"] == '{"lora:z": "88e247aa8c3d", "model": "1"}'


def test_from_a_terminal(tmp_path: Path, demo: DemoServer) -> None:
    import subprocess
    import sys

    from demo.pictures import encoded

    text = f'a cat <lora:thing:0.5>{REST}, Lora hashes: "thing: {HASHES["AutoV3"]}"'
    (tmp_path / "cat.png").write_bytes(encoded("hills", 1, (64, 96), None, text)[0])
    (tmp_path / "plain.png").write_bytes(encoded("hills", 1, (64, 96), None)[0])
    (tmp_path / "cat.txt").write_text(text)

    def run(*arguments: str, status: int = 0) -> str:
        command = [sys.executable, str(ROOT / "main.py"), "--data-dir", str(tmp_path / "data"), "--models-dir", str(tmp_path / "w"), "--civitai-url"]
        made = subprocess.run([*command, demo.url, "infotext", *arguments], capture_output=True, text=True, timeout=120, cwd=tmp_path)
        assert made.returncode == status, made.stdout + made.stderr
        return made.stdout

    shown = run("cat.png")
    assert shown.startswith(text) and "on Civitai" in shown and f"modelVersionId={VERSION}" in shown
    document = json.loads(run("cat.txt", "--json", "--offline"))
    assert document["infotext"] == text and document["resources"][0]["state"] == "civitai", "remembered from the first look"
    assert "no generation data" in run("plain.png", status=1)
    assert run("missing.png", status=2) == ""
    shutil.rmtree(tmp_path / "data")
