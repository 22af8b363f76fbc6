"""Recipes from elsewhere: other tools' folders, another machine's manifest, a damaged catalog; killed in the middle; and what a terminal says."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import recipe_shapes as shapes
from civitai_manager_libs.actions import rebuild
from civitai_manager_libs.application import Application
from civitai_manager_libs.catalog.database import Database
from civitai_manager_libs.catalog.recipe import Change
from civitai_manager_libs.catalog.recipe_search import Wanted
from civitai_manager_libs.generation import embedding
from support import NOWHERE, ROOT, done, make_application, until


@pytest.fixture
def offline(tmp_path: Path) -> Iterator[Application]:
    application = make_application(tmp_path, NOWHERE, http_timeout=1)
    application.start()
    yield application
    application.close()


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file below a folder: theirs is only read."""
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size, path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()}


def lora_manager(folder: Path) -> Path:
    """A folder as Lora Manager leaves it: a whole recipe, one whose picture is gone, one cut off, one of another machine, one without texts."""
    place = folder / "loras" / "recipes"
    place.mkdir(parents=True)
    number = shapes.LORA_MANAGER["id"]
    (place / f"{number}.recipe.json").write_bytes(shapes.lora_manager())
    (place / f"{number}.webp").write_bytes(shapes.picture("WEBP"))
    (place / "lost.recipe.json").write_bytes(shapes.lora_manager(id="1" * 8, title="Lost", file_path="/other/gone.webp"))
    (place / "cut.recipe.json").write_bytes(shapes.lora_manager()[:100])
    (place / "bare.recipe.json").write_bytes(shapes.lora_manager(id=None, title="Bare", gen_params={}, loras=[], checkpoint=None, file_path=""))
    (place / "bare.png").write_bytes(shapes.picture("PNG", shapes.INFOTEXT))
    (place / "notes.txt").write_text("nothing of ours")
    return folder / "loras"


def of(application: Application) -> dict[str, dict[str, Any]]:
    cards = application.recipes.cards(Wanted())["items"]
    return {card["name"]: application.recipes.view(card["id"]) for card in cards}


@pytest.mark.parametrize("tool", ["lora-manager", "all"])
def test_lora_managers_folder(offline: Application, tmp_path: Path, tool: str) -> None:
    folder = lora_manager(tmp_path)
    before = tree(folder)
    dry = done(offline, offline.import_from(tool, str(folder), dry_run=True))
    assert of(offline) == {} and not offline.services.recipe_folder.exists()
    report = done(offline, offline.import_from(tool, str(folder)))
    assert dry["recipes"] == report["recipes"] and tree(folder) == before
    assert {one["name"]: (one["what"], one["picture"], one["prompt"]) for one in report["recipes"]} == {
        "Dusk": ("new", "there", True), "Lost": ("new", "lost", True), "Bare": ("new", "there", True),
    }  # fmt: skip
    assert report["new_recipes"] == 3 and any("cut.recipe.json" in one["path"] for one in report["unreadable"])
    found = of(offline)
    assert found["Dusk"]["picture"].endswith(".webp") and found["Dusk"]["level"] == 4 and found["Lost"]["picture"] == ""
    assert found["Bare"]["prompt"].startswith("masterpiece") and len(found["Bare"]["models"]) == 2, "what the picture itself says"
    again = done(offline, offline.import_from(tool, str(folder)))
    assert again["new_recipes"] == 0 and again["known_recipes"] == 3 and len(of(offline)) == 3


def test_ours_is_kept_where_it_differs(offline: Application, tmp_path: Path) -> None:
    folder = lora_manager(tmp_path)
    done(offline, offline.import_from("lora-manager", str(folder)))
    ours = of(offline)["Dusk"]
    offline.recipes.change(ours["id"], Change(set={"prompt": "mine", "note": "my note"}, remove_tags=["evening"]))
    offline.recipes.delete([of(offline)["Lost"]["id"]])
    report = done(offline, offline.import_from("lora-manager", str(folder)))
    now = of(offline)["Dusk"]
    assert (now["prompt"], now["note"]) == ("mine", "my note") and "evening" in now["tags"] and "Lost" not in of(offline)
    assert any(one["field"] == "recipe: prompt" and one["ours"] == "mine" for one in report["conflicts"])
    assert any("deleted here" in one["note"] for one in report["notes"])


def test_civitai_shortcuts_folder(offline: Application, tmp_path: Path) -> None:
    folder = tmp_path / "data_sc"
    (folder / "sc_recipes").mkdir(parents=True)
    (folder / "CivitaiShortCut.json").write_text(json.dumps({"37458": {"id": 37458, "name": "Civitai Shortcut", "type": "LORA"}}))
    (folder / "CivitaiShortCutRecipeCollection.json").write_text(json.dumps(shapes.SHORTCUT))
    (folder / "sc_recipes" / shapes.SHORTCUT["My recipe"]["image"]).write_bytes(shapes.picture("JPEG"))  # the name lies
    before = tree(folder)
    report = done(offline, offline.import_from("civitai-shortcut", str(folder)))
    assert tree(folder) == before and report["new_recipes"] == 3
    mine = of(offline)["My recipe"]
    assert mine["picture"].endswith(".jpeg") and mine["collection"] == "portraits" and mine["models"][1]["name"] == "Civitai Shortcut"
    assert {one["name"]: one["picture"] for one in report["recipes"]} == {"My recipe": "there", "Renamed": "none", "Lost": "lost"}


def test_the_manifest_takes_recipes_along(offline: Application, tmp_path: Path) -> None:
    (made,) = offline.recipes.from_file(shapes.picture("PNG", shapes.INFOTEXT), "a.png")["recipes"]
    offline.recipes.change(made["id"], Change(set={"name": "Dämmerung", "note": "mine", "favourite": True}, add_tags=["Öl"]))
    (other,) = offline.recipes.from_file(shapes.INFOTEXT.encode() + b", Clip skip: 2", "b.txt")["recipes"]
    (gone,) = offline.recipes.from_file(b"x\nSteps: 1, Seed: 2, Size: 1x1", "c.txt")["recipes"]
    offline.recipes.delete([gone["id"]])
    path = tmp_path / "library.json"
    told = done(offline, offline.export_library(str(path)))
    assert (told["recipes"], told["pictures"]) == (2, 1) and len(list((tmp_path / "library.pictures").iterdir())) == 1
    there = make_application(tmp_path / "there", NOWHERE, http_timeout=1)
    there.start()
    dry = done(there, there.import_library(str(path), dry_run=True))
    assert dry["new_recipes"] == 2 and of(there) == {}
    report = done(there, there.import_library(str(path)))
    assert [one["picture"] for one in report["recipes"]] == ["there", "none"] and report["unreadable"] == []
    ours, theirs = of(offline)["Dämmerung"], of(there)["Dämmerung"]
    for name in ("uid", "prompt", "negative", "parameters", "tags", "note", "favourite", "picture", "width", "source", "created"):
        assert ours[name] == theirs[name], name
    assert there.recipes.picture(theirs["id"], small=False) == offline.recipes.picture(ours["id"], small=False)
    (tmp_path / "library.pictures" / ours["picture"]).unlink()
    assert done(there, there.import_library(str(path)))["known_recipes"] == 2 and of(there)["Dämmerung"]["picture"], "what is here stays"
    there.recipes.purge([there.recipes.delete([theirs["id"]]) and theirs["id"]])
    assert any("do not lie beside" in one["note"] for one in done(there, there.import_library(str(path)))["notes"])
    there.close()
    assert other["name"]


def test_a_path_in_a_manifest_leads_nowhere(offline: Application, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(shapes.picture("PNG"))
    listed = [{"name": "x", "prompt": "y", "picture": "../secret.png"}, 5]
    document = {"format": "civitai-manager-library", "version": 1, "models": [], "recipes": listed}
    (tmp_path / "l.json").write_text(json.dumps(document))
    report = done(offline, offline.import_library(str(tmp_path / "l.json")))
    assert report["recipes"][0]["picture"] == "lost" and len(report["unreadable"]) == 1 and of(offline)["x"]["picture"] == ""


def test_killed_in_the_middle_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    place = tmp_path / "loras" / "recipes"
    place.mkdir(parents=True)
    count = 120
    for number in range(count):
        told = shapes.lora_manager(id=f"{number:032x}", title=f"Recipe {number}", file_path=f"/x/{number}.png")
        (place / f"{number}.recipe.json").write_bytes(told)
        (place / f"{number}.png").write_bytes(shapes.picture("PNG", size=(64, 64 + number)))
    arguments = ["import", "lora-manager", str(tmp_path / "loras")]
    rng = random.Random(5)
    for _ in range(4):
        process = subprocess.Popen(command(tmp_path) + arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(tmp_path))
        time.sleep(rng.uniform(0.6, 1.6))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert run(tmp_path, *arguments).returncode == 0
    cards = json.loads(run(tmp_path, "recipes", "--json").stdout)
    assert sorted(card["name"] for card in cards) == sorted(f"Recipe {number}" for number in range(count)) and all(card["picture"] for card in cards)


def test_a_damaged_catalog_gives_recipes_back(tmp_path: Path) -> None:
    application = make_application(tmp_path, NOWHERE, http_timeout=1)
    application.start()
    (made,) = application.recipes.from_file(shapes.picture("PNG", shapes.INFOTEXT), "a.png")["recipes"]
    application.recipes.change(made["id"], Change(set={"name": "Saved", "note": "mine", "collection": "C"}, add_tags=["Öl"]))
    (gone,) = application.recipes.from_file(b"x\nSteps: 1, Seed: 2, Size: 1x1", "c.txt")["recipes"]
    application.recipes.delete([gone["id"]])
    before = application.recipes.view(made["id"])
    application.close()
    path = tmp_path / "data" / "catalog.db"
    database = Database(path)
    with database.writing() as db:
        db.execute("UPDATE recipes SET favourite = 'x', level = 'y' WHERE id = ?", (made["id"],))
    database.close()
    again = make_application(tmp_path, NOWHERE, http_timeout=1)
    damaged = path.with_name("catalog.broken-1.db")
    path.rename(damaged)
    for ending in ("-wal", "-shm", ".damaged"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    again.start()
    for _ in range(2):  # a resumed one does no harm
        done(again, rebuild.start(again.services, damaged))
    (number,) = again.services.recipes.all()
    after = again.recipes.view(number)
    for name in ("uid", "name", "prompt", "negative", "parameters", "tags", "note", "collection", "picture", "source", "created"):
        assert after[name] == before[name], name
    assert [one["what"] for one in after["history"]] == [one["what"] for one in before["history"]] and not after["favourite"]
    assert len(after["models"]) == 2 and again.recipes.picture(number, small=False)[0] == shapes.picture("PNG", shapes.INFOTEXT)
    assert len(again.services.recipes.all(deleted=True)) == 2, "what was in the trash is there again"
    assert until(lambda: again.recipes.restore(number, after["history"][0]["id"]), 5)
    again.close()


# -- the terminal


def command(folder: Path) -> list[str]:
    places = ["--data-dir", str(folder / "data"), "--models-dir", str(folder / "webui")]
    return [sys.executable, str(ROOT / "main.py"), *places, "--civitai-url", NOWHERE]


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CIVITAI") and "proxy" not in name.lower()}
    return {**kept, "HOME": str(folder), "CIVITAI_MANAGER_HTTP_TIMEOUT": "2"}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    made = subprocess.run(command(folder) + list(arguments), capture_output=True, text=True, timeout=120, env=environment(folder), cwd=folder)
    assert "Traceback" not in made.stderr, made.stderr
    return made


def test_recipes_in_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(shapes.picture("PNG", shapes.INFOTEXT))
    (tmp_path / "bad.bin").write_bytes(b"\0\1" * 40)
    taken = run(tmp_path, "recipe", "import", "a.png", "bad.bin", "gone.png")
    assert taken.returncode == 1 and "new" in taken.stdout
    assert "bad.bin is not taken: it is no picture" in taken.stderr and "gone.png is not there" in taken.stderr
    (card,) = json.loads(run(tmp_path, "recipes", "lake", "--json").stdout)
    number = str(card["id"])
    assert run(tmp_path, "recipes").stdout.split()[:2] == [number, "masterpiece,"]
    assert json.loads(run(tmp_path, "recipes", "zzz", "--json").stdout) == []
    shown = run(tmp_path, "recipe", "show", number)
    assert "lora: glow 0.8  (not here)" in shown.stdout and "Negative prompt: blurry" in shown.stdout
    assert json.loads(run(tmp_path, "recipe", "show", number, "--json").stdout)["parameters"]["Seed"] == "123"
    (tmp_path / "out").mkdir()
    assert run(tmp_path, "recipe", "export", number, "--to", "out").returncode == 0
    (path,) = (tmp_path / "out").iterdir()
    assert embedding.document_in(path.read_bytes()) and path.suffix == ".png"
    assert run(tmp_path, "recipe", "export", number, "--to", "out", "--plain").stdout.strip().endswith(".json")
    again = json.loads(run(tmp_path, "recipe", "import", str(path), "--json").stdout)
    assert again["recipes"][0]["what"] == "known" and again["failed"] == []
    assert run(tmp_path, "recipe", "show", "99").returncode == 1 and run(tmp_path, "recipe", "show", "x").returncode == 2
    assert run(tmp_path, "recipe", "export", number, "--to", "nowhere").returncode == 2
