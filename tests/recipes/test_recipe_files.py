"""Recipes in files: into pictures and out of them again, pixel for pixel; the files of other tools with all that is odd in them."""

from __future__ import annotations

import io
import json
import random
import struct
import zlib
from typing import Any

import pytest
import recipe_shapes as shapes
from civitai_manager_libs.actions.recipes import documents, wording
from civitai_manager_libs.catalog.recipe import Change, Mention, ModelChange, Recipe, Source, changed
from civitai_manager_libs.disk.sidecars.reading import Unreadable
from civitai_manager_libs.errors import BadValue
from civitai_manager_libs.generation import embedding, infotext, pictures
from PIL import Image
from PIL.PngImagePlugin import PngInfo

WHOLE = Recipe(
    uid="ab" * 16, name="Dämmerung / 夕", prompt="a lake, <lora:glow:0.8>", negative="blurry", parameters={"Steps": "25", "Sampler": "Euler a"},
    models=[Mention(kind="checkpoint", name="dream", hash="1ad6ca7f70", version_id=50, model_id=5), Mention(kind="lora", name="glow", weight=0.8)],
    tags=["evening", "Öl"], note="two\nlines", collection="Lakes", favourite=True, level=4, source=Source(kind="civitai", url="https://civitai.com/images/1"),
    created=1700000000.0,
)  # fmt: skip


# -- texts in pictures


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "LOSSLESS"])
@pytest.mark.parametrize("text", [shapes.INFOTEXT, "plain\nSteps: 1, Seed: 2, Size: 1x1"])
def test_a_picture_carries_texts_and_keeps_its_pixels(kind: str, text: str) -> None:
    options: dict[str, Any] = {"lossless": True, "mode": "RGBA"} if kind == "LOSSLESS" else {}
    before = shapes.picture("WEBP" if kind == "LOSSLESS" else kind, "an older text\nSteps: 9, Seed: 9, Size: 9x9", **options)
    document = json.dumps(documents.document(WHOLE), ensure_ascii=False)
    made = embedding.embed(before, text, document)
    assert shapes.pixels(made) == shapes.pixels(before) and shapes.comment_of(made) == text
    assert json.loads(embedding.document_in(made)) == json.loads(document)
    found = pictures.read(made)
    assert found is not None and infotext.parse(found.infotext) == infotext.parse(text)
    again = embedding.embed(made, "other\nSteps: 1, Seed: 2, Size: 1x1", "{}")
    assert embedding.document_in(again) == "{}" and shapes.comment_of(again).startswith("other") and b"an older" not in again
    assert len(again) < len(made), "the earlier texts are gone"
    assert embedding.document_in(before) == ""


def test_what_else_is_in_a_picture_stays() -> None:
    info = PngInfo()
    info.add_text("workflow", '{"nodes": []}')
    info.add_itxt("Comment", "ü")
    png = embedding.embed(shapes.picture("PNG", pnginfo=info), "x", "{}")
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        assert image.info["workflow"] == '{"nodes": []}' and image.info["Comment"] == "ü"
    jpeg = embedding.embed(shapes.picture("JPEG", exif=shapes.user_comment("old", orientation=6, make="Ours"), comment=b"mine"), "new", "{}")
    with Image.open(io.BytesIO(jpeg)) as image:
        exif = image.getexif()
        assert exif[0x0112] == 6 and exif[0x010F] == "Ours" and b"mine" in jpeg
    frames = [Image.new("RGB", (8, 8), (step * 60, 0, 0)) for step in range(3)]
    out = io.BytesIO()
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], duration=50, lossless=True)
    moving = embedding.embed(out.getvalue(), "text", "{}")
    with Image.open(io.BytesIO(moving)) as image:
        assert getattr(image, "n_frames", 1) == 3
    assert shapes.comment_of(moving) == "text"


def test_long_texts_in_a_jpeg() -> None:
    before = shapes.picture("JPEG")
    document = json.dumps({"note": "ö" * 120_000}, ensure_ascii=False)
    made = embedding.embed(before, "x" * 50_000, document)
    assert embedding.document_in(made) == document and shapes.comment_of(made) == "x" * 50_000 and shapes.pixels(made) == shapes.pixels(before)
    with pytest.raises(BadValue, match="too long for a JPEG"):
        embedding.embed(before, "ö" * 40_000, "{}")


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"text"])
def test_what_holds_no_texts_is_refused(data: bytes) -> None:
    assert embedding.document_in(data) == ""
    with pytest.raises(BadValue):
        embedding.embed(data, "x", "{}")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_damage_costs_a_refusal_at_most(kind: str) -> None:
    rng = random.Random(kind)
    whole = embedding.embed(shapes.picture(kind, shapes.INFOTEXT), shapes.INFOTEXT, json.dumps(documents.document(WHOLE)))
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        broken = bytes(data[: rng.randint(20, len(data))])
        embedding.document_in(broken)
        try:
            embedding.embed(broken, "x", "{}")
        except BadValue:
            pass
        try:
            documents.read(broken, "x.png")
        except Unreadable:
            pass


def test_a_packed_text_fills_no_memory() -> None:
    bomb = zlib.compress(b"0" * (64 << 20))
    body = embedding.KEYWORD.encode() + b"\0\1\0\0\0" + bomb
    chunk = struct.pack(">I4s", len(body), b"iTXt") + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))
    png = shapes.picture("PNG")
    assert len(embedding.document_in(png[:33] + chunk + png[33:])) <= embedding.LARGEST


# -- documents


def test_a_recipe_comes_back_whole() -> None:
    told = json.loads(json.dumps(documents.document(WHOLE)))
    assert documents.of_document(told) == WHOLE
    local = Recipe(uid="ab" * 16, name="x", picture="a.png", width=3, used=5.0, models=[Mention(name="m", id=9)])
    back = documents.of_document(documents.document(local))
    assert (back.picture, back.width, back.used, back.models[0].id) == ("", 0, 0.0, 0), "what is true here only stays here"


@pytest.mark.parametrize(
    "told",
    [None, [], {}, {"format": "other"}, {"format": documents.FORMAT}, {"format": documents.FORMAT, "version": 99, "recipe": {}},
     {"format": documents.FORMAT, "version": 1, "recipe": {"name": 5}}, {"format": documents.FORMAT, "version": 1, "recipe": {"tags": "x"}}],
)  # fmt: skip
def test_what_is_no_document_is_told(told: Any) -> None:
    with pytest.raises(Unreadable):
        documents.of_document(told)


def test_an_odd_model_costs_only_itself() -> None:
    told = documents.document(WHOLE)
    told["recipe"]["models"] += [{"name": 5}, "x", None, {"name": "good", "id": 7, "weight": "x"}, {"name": "good", "id": 7}]
    told["recipe"]["unknown"] = {"of": "a later version"}
    assert [(one.name, one.id) for one in documents.of_document(told).models] == [("dream", 0), ("glow", 0), ("good", 0)]


# -- any file


def test_a_dropped_picture() -> None:
    for kind in ("PNG", "JPEG", "WEBP"):
        (read,) = documents.read(shapes.picture(kind, shapes.INFOTEXT), "00012.png")
        assert read.recipe.prompt.startswith("masterpiece") and read.recipe.negative == "blurry,\nlow quality" and read.picture
        assert read.recipe.parameters["Sampler"] == "DPM++ 2M" and "Lora hashes" not in read.recipe.parameters
        assert [(one.kind, one.name, one.weight, one.hash) for one in read.recipe.models] == [
            ("checkpoint", "dream", None, "1ad6ca7f70"), ("lora", "glow", 0.8, "88e247aa8c3d"),
        ]  # fmt: skip
        assert read.recipe.name == "masterpiece, a lake at dusk, 夕焼け"
        assert read.recipe.source == Source(kind="image", title="00012.png") and read.recipe.uid == ""
        bare = documents.read(shapes.picture(kind), "holiday.png")[0]
        assert (bare.recipe.name, bare.recipe.prompt) == ("holiday", "")


def test_a_text_and_nonsense() -> None:
    (read,) = documents.read(shapes.INFOTEXT.encode(), "settings.txt")
    assert read.recipe.parameters["Seed"] == "123" and read.picture == b"" and read.recipe.name == "settings"
    for data in (b"", b"\0\0 \n", b"{", b"[1]", b'{"a": 1}', b"\x00\x01\x02binary\x00" * 50, b"null", b"{}"):
        if data == b"null":
            continue
        with pytest.raises(Unreadable):
            documents.read(data, "x")


def test_several_documents_are_several_recipes() -> None:
    other = Recipe(uid="cd" * 16, name="Other", prompt="x")
    found = documents.read(json.dumps([documents.document(WHOLE), documents.document(other)]).encode(), "all.json")
    assert [one.recipe for one in found] == [WHOLE, other]


# -- Lora Manager


def test_lora_managers_recipe() -> None:
    (read,) = documents.read(shapes.lora_manager(), "x.recipe.json")
    recipe = read.recipe
    assert (recipe.name, recipe.prompt, recipe.negative, recipe.level, recipe.created) == ("Dusk", "a lake", "blurry", 4, 1700000000.5)
    assert recipe.parameters == {
        "Steps": "25", "Sampler": "Euler a", "CFG scale": "7", "Seed": "123", "Size": "64x96", "Denoising strength": "0.4",
    }  # fmt: skip
    assert [(one.kind, one.name, one.weight, one.version_id) for one in recipe.models] == [
        ("checkpoint", "Dream", None, 50), ("lora", "glow", 0.8, 77), ("lora", "Gone", 0.5, 78),
    ]  # fmt: skip
    assert recipe.tags == ["evening", "öl", "SDXL 1.0"] and recipe.source.url == "https://civitai.com/images/1"
    assert recipe.uid == shapes.LORA_MANAGER["id"].replace("-", "") and read.name == "0f8fad5b-d9cb-469f-a165-70867728950e.webp"


@pytest.mark.parametrize(
    "odd",
    [{"loras": None}, {"gen_params": None}, {"gen_params": {}, "title": ""}, {"checkpoint": "dream.safetensors"}, {"tags": None}, {"id": 5},
     {"preview_nsfw_level": "x"}, {"preview_nsfw_level": 999}, {"created_date": "yesterday"}, {"created_date": -1}, {"base_model": None},
     {"loras": [{"strength": "x"}, {"strength": 1e400, "file_name": "a"}, 5]}, {"title": "t" * 500}, {"source_path": "javascript:x"},
     {"tags": ["x" * 300], "favorite": True}],
)  # fmt: skip
def test_odd_values_of_lora_manager(odd: dict[str, Any]) -> None:
    (read,) = documents.read(shapes.lora_manager(**odd), "name.recipe.json")
    assert read.recipe.name and len(read.recipe.uid) == 32 and not read.recipe.source.url.startswith("java")


def test_what_lora_manager_puts_into_pictures() -> None:
    for kind in ("JPEG", "WEBP"):
        text = f"{shapes.INFOTEXT}\nRecipe metadata: {shapes.lora_manager(title='Inside').decode()}"
        (read,) = documents.read(shapes.picture(kind, text), "x.webp")
        assert (read.recipe.name, read.recipe.prompt) == ("Inside", "a lake") and read.picture
    (cut,) = documents.read(shapes.picture("JPEG", f"{shapes.INFOTEXT}\nRecipe metadata: {{cut off"), "x.webp")
    assert cut.recipe.prompt.startswith("masterpiece"), "the picture's own text holds"


# -- Civitai Shortcut


def test_civitai_shortcuts_recipes() -> None:
    found = documents.read(json.dumps(shapes.SHORTCUT).encode(), "CivitaiShortCutRecipeCollection.json")
    mine, renamed, lost = (one.recipe for one in found)
    assert (mine.name, mine.note, mine.collection) == ("My recipe", "free text", "portraits")
    assert found[0].name == "3f0d9c0e-1111-4222-8333-444444444444.png"
    assert mine.prompt == "1girl, <lora:glow:0.8>, a\nsecond line" and mine.negative == "bad hands"
    wanted = {"Steps": "20", "Sampler": "DPM++ 2M Karras", "CFG scale": "7", "Seed": "123", "Size": "512x768"}
    assert {name: mine.parameters.get(name) for name in wanted} == wanted and "Lora hashes" not in mine.parameters
    assert [(one.kind, one.name, one.model_id) for one in mine.models] == [("lora", "glow", 0), ("other", "", 37458)]
    assert (renamed.name, renamed.note, renamed.collection, renamed.prompt, renamed.models) == ("Renamed", "", "", "", [])
    assert (lost.prompt, lost.note, found[2].name) == ("p", "", "gone.png")
    assert len({one.recipe.uid for one in found}) == 3
    told, _, _ = documents.of_shortcut("My recipe", shapes.SHORTCUT["My recipe"], {37458: {"name": "Civitai Shortcut"}})
    assert told.models[1].name == "Civitai Shortcut" and told.uid == mine.uid


@pytest.mark.parametrize("odd", [None, 5, {"generate": 5}, {"generate": {"options": "x", "prompt": 5}}, {"generate": {"options": {"Steps": None}}},
                                 {"shortcuts": "x", "image": 5, "classification": 5, "description": []}])  # fmt: skip
def test_odd_values_of_civitai_shortcut(odd: Any) -> None:
    recipe, _, _ = documents.of_shortcut("name", odd, {})
    assert recipe.name == "name" and recipe.note == ""


# -- prompt and list


def test_a_recipe_as_the_webui_reads_it() -> None:
    recipe = wording.recipe_of(shapes.INFOTEXT)
    back = wording.recipe_of(wording.infotext_of(recipe))
    assert back == recipe
    models = [Mention(kind="lora", name="glow", weight=0.5), Mention(kind="checkpoint", name="dream", hash="1ad6ca7f70")]
    added = Recipe(prompt="a lake", models=models)
    text = infotext.parse(wording.infotext_of(added))
    assert text.prompt == "a lake, <lora:glow:0.5>" and (text.parameters["Model"], text.parameters["Model hash"]) == ("dream", "1ad6ca7f70")
    nameless = Recipe(prompt="x", models=[Mention(kind="lora", version_id=77, id=3)])
    assert "<lora:glow:1>" in wording.infotext_of(nameless, {3: "glow"}) and "lora:" not in wording.infotext_of(nameless).partition("\n")[0]


def after(prompt: str, change: Change, models: list[Mention]) -> Recipe:
    before = Recipe(prompt=prompt, models=models)
    return wording.synced(before, changed(before, change))


GLOW = Mention(kind="lora", name="glow", weight=0.8, id=1)


@pytest.mark.parametrize(
    ("prompt", "change", "made", "models"),
    [
        ("a, <lora:glow:0.8>, b", Change(change_models=[ModelChange(id=1, weight=0.5)]), "a, <lora:glow:0.5>, b", [("glow", 0.5)]),
        ("a <lora:Glow:0.8:0.5:te=1>", Change(change_models=[ModelChange(id=1, weight=2)]), "a <lora:glow:2:0.5:te=1>", [("glow", 2)]),
        ("a <lora:glow>", Change(change_models=[ModelChange(id=1, weight=0.5)]), "a <lora:glow:0.5>", [("glow", 0.5)]),
        ("a, <lora:glow:0.8>, b", Change(change_models=[ModelChange(id=1, name="other")]), "a, <lora:other:0.8>, b", [("other", 0.8)]),
        ("a, <lora:glow:0.8>, b", Change(remove_models=[1]), "a, b", []),
        ("<lora:glow:0.8>, b", Change(remove_models=[1]), "b", []),
        ("a, <lora:glow:0.8>", Change(remove_models=[1]), "a", []),
        ("a <lora:glow:0.8>, b", Change(remove_models=[1]), "a , b", []),
        ("a\n<lora:glow:0.8>\nb", Change(remove_models=[1]), "a\n\nb", []),
        ("a, <lora:other:1>", Change(remove_models=[1]), "a, <lora:other:1>", []),
        ("a", Change(add_models=[Mention(kind="lora", name="new", weight=0.7)]), "a, <lora:new:0.7>", [("glow", 0.8), ("new", 0.7)]),
        ("a <lora:new:1>", Change(add_models=[Mention(kind="lora", name="New")]), "a <lora:new:1>", [("glow", 0.8), ("New", None)]),
        ("a", Change(add_models=[Mention(kind="embedding", name="easy")]), "a", [("glow", 0.8), ("easy", None)]),
        ("a, <lora:glow:0.8>", Change(set={"prompt": "a, <lora:glow:0.3>"}), "a, <lora:glow:0.3>", [("glow", 0.3)]),
        ("a, <lora:glow:0.8>", Change(set={"prompt": "a"}), "a", []),
        ("a", Change(set={"prompt": "b"}), "b", [("glow", 0.8)]),
        ("a", Change(set={"prompt": "b <lora:x:1> <lora:x:1>"}), "b <lora:x:1> <lora:x:1>", [("glow", 0.8), ("x", 1)]),
        ("a, <lora:glow:0.8>", Change(set={"name": "only"}), "a, <lora:glow:0.8>", [("glow", 0.8)]),
    ],
)
def test_prompt_and_list_agree(prompt: str, change: Change, made: str, models: list[Any]) -> None:
    recipe = after(prompt, change, [GLOW])
    assert recipe.prompt == made and [(one.name, one.weight) for one in recipe.models] == models


def test_the_checkpoint_stands_in_the_parameters_too() -> None:
    before = wording.recipe_of(shapes.INFOTEXT)
    before.models[0].id = 4
    renamed = wording.synced(before, changed(before, Change(change_models=[ModelChange(id=4, name="other", hash="")])))
    assert renamed.parameters["Model"] == "other" and "Model hash" not in renamed.parameters
    gone = wording.synced(before, changed(before, Change(remove_models=[4])))
    assert "Model" not in gone.parameters and "Model hash" not in gone.parameters and gone.parameters["Seed"] == "123"


@pytest.mark.parametrize(
    ("prompt", "title", "name"),
    [
        ("", "", "Recipe"), ("<lora:x:1>", "", "Recipe"), ("(masterpiece:1.2), [a], lake", "", "masterpiece, a, lake"), ("x", "Title", "Title"),
        ("word " * 40, "", "word " * 11 + "word…"), ("y" * 100, "", "y" * 60 + "…"),
    ],
)  # fmt: skip
def test_names_for_what_has_none(prompt: str, title: str, name: str) -> None:
    assert wording.name_of(Recipe(prompt=prompt), title) == name
