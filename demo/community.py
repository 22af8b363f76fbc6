"""The pictures that other people have made with a generated model: hundreds for the first model, some for each other one.

Picture n of model `index` has the id COMMUNITY_IMAGE + 1000 * index + n. They are of several levels, some are videos, and they tell their generation
data in every way that there is: see `_meta`.
"""

from __future__ import annotations

import functools
import json
import random
from typing import Any

from . import files, words
from .build import GENERATED_MODEL, Json, generated, iso, make_image, parameters

COMMUNITY_IMAGE, COMMUNITY_POST = 170_000_000, 30_000_000
MANY = 640
LEVELS = (1, 1, 2, 1, 4, 1, 8, 1, 16, 1, 2, 0)
SIZES = ((832, 1216), (832, 1216), (1024, 1024), (1216, 832), (640, 1536))


def count(index: int) -> int:
    """How many pictures there are of a generated model."""
    return MANY if index == 0 else 12 + index * 7 % 50


def pictures(model: Json, seed: int) -> list[tuple[Json, Json, Json]]:
    """All of a generated model as (model, version, image), the newest first."""
    index = model["id"] - GENERATED_MODEL
    return [picture(model, number, seed) for number in reversed(range(count(index)))]


def picture(model: Json, number: int, seed: int) -> tuple[Json, Json, Json]:
    """One of them; two in three are of the model's newest version."""
    index = model["id"] - GENERATED_MODEL
    versions = model["modelVersions"]
    version = versions[0] if number % 3 else versions[number // 3 % len(versions)]
    return model, version, _image(index, number, version["name"], seed)


@functools.lru_cache(maxsize=4096)
def _image(index: int, number: int, version: str, seed: int) -> Json:
    rng = random.Random((seed << 32) + index * 1000 + number)
    size, video = SIZES[number % len(SIZES)], number % 15 == 7
    meta, text, told = _meta(index, number, size, rng)
    styles = [style for theme in words.THEMES.values() for style in theme[0]]
    found = make_image(
        COMMUNITY_IMAGE + index * 1000 + number, styles[(number * 5 + index) % len(styles)], level=LEVELS[number % len(LEVELS)],
        size=(320, 480) if video else size, meta=None if video else meta, type="video" if video else "image",
    )  # fmt: skip
    found.update(_parameters="" if video else text, hasMeta=told and not video)
    found.update(_username=rng.choice(("", *words.CREATORS)) or None, _created=iso(number / 24), _post=COMMUNITY_POST + index * 1000 + number // 3)
    return found


def _meta(index: int, number: int, size: tuple[int, int], rng: random.Random) -> tuple[Json | None, str, bool]:
    """What the API tells of a picture, the text in its original file, and whether the picture is said to have data.

    By the last digit of its number: 0 neither knows anything; 3 only the file; 6 a ComfyUI graph; 8 versions on Civitai instead of hashes.
    """
    kind = number % 10
    if kind == 0:
        return None, "", False
    name, file, version = lora(index, seed=1)
    digest = files.hashes(file["_content"])
    prompt = f"community picture {number} of model {index}, wide view, <lora:{name}_as_uploaded:0.8>, soft light"
    meta: Json = {
        "prompt": prompt, "negativePrompt": "text,\nwatermark", "steps": rng.randint(18, 35), "sampler": rng.choice(words.SAMPLERS),
        "cfgScale": rng.choice((5, 6.5, 7)), "seed": 1000 + number, "Size": f"{size[0]}x{size[1]}", "Model": "someCheckpoint_v2", "clipSkip": 2,
    }  # fmt: skip
    text = parameters(meta)
    if kind == 3:
        return None, text.replace(", Version", f', Lora hashes: "{name}_as_uploaded: {digest["AutoV3"]}", Version'), False
    if kind == 6:
        return {"comfy": json.dumps({"prompt": graph(prompt, number, size), "workflow": {}})}, "", True
    if kind == 8:
        return {**meta, "civitaiResources": [{"type": "lora", "weight": 0.8, "modelVersionId": version}]}, text, True
    named = [{"type": "lora", "name": f"{name}_as_uploaded", "weight": 0.8, "hash": digest["AutoV2"].lower()}]
    return {**meta, "resources": [{"type": "model", "name": "someCheckpoint_v2", "hash": "0123456789"}, *named]}, text, True


@functools.cache
def lora(index: int, seed: int) -> tuple[str, Json, int]:
    """The LoRA that the pictures of a model were made with: the file's stem, the file in full form, its version."""
    places = [place for place, kind in enumerate(words.TYPE_CYCLE) if kind == "LORA"]
    version = generated(places[index % 4], seed)["modelVersions"][0]
    file = version["files"][0]
    return file["name"].rpartition(".")[0], file, version["id"]


def graph(prompt: str, number: int, size: tuple[int, int]) -> dict[str, Any]:
    """A small ComfyUI graph in the form that its API takes."""
    return {
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "seed": 1000 + number, "steps": 24, "cfg": 6.5, "sampler_name": "euler", "scheduler": "karras", "denoise": 1,
                "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0],
            },
        },
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "someCheckpoint_v2.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": size[0], "height": size[1], "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": prompt.replace(f"<lora:{lora(0, 1)[0]}_as_uploaded:0.8>, ", ""), "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "text, watermark", "clip": ["4", 1]}},
    }  # fmt: skip
