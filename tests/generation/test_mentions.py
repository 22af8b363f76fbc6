"""Resources that an infotext or Civitai's meta names: each once, with all that is told of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.generation import comfy, infotext, mentions, metadata
from civitai_manager_libs.generation.mentions import Mention
from hypothesis import given, settings
from hypothesis import strategies as st

DATA = Path(__file__).parent / "data"


def of(text: str) -> list[Mention]:
    return mentions.of(infotext.parse(text))


def test_one_resource_is_one_mention() -> None:
    found = of(
        "a <lora:linen:0.8> b <lora:linen:0.8> <lora:other:1>\nNegative prompt: bad_hands\n"
        "Steps: 1, Seed: 2, Model hash: 1AD6CA7F70, Model: base_v1, "
        'Lora hashes: "linen: 88e247aa8c3d, third: 0x935e6755554c", TI hashes: "bad_hands: 1234567890", '
        "VAE: soft.vae.safetensors, VAE hash: 235745af8d, "
        'Hashes: {"model":"1ad6ca7f70","lora:linen":"edafb9df7d","embed:bad_hands":"1234567890","vae":"235745af8d"}, '
        'Civitai resources: [{"type":"lora","modelVersionId":7,"weight":0.5,"modelName":"linen"}]'
    )
    told = [(one.kind, one.name, one.weight, one.hash, one.version_id) for one in found]
    assert told == [
        ("checkpoint", "base_v1", None, "1ad6ca7f70", 0),
        ("lora", "linen", 0.8, "edafb9df7d", 7),
        ("lora", "other", 1.0, "", 0),
        ("lora", "third", None, "935e6755554c", 0),
        ("embedding", "bad_hands", None, "1234567890", 0),
        ("vae", "soft.vae", None, "235745af8d", 0),
    ]


def test_tags() -> None:
    prompt = "<lora:a:0.5> <LoRA:b c:te=0.2:unet=0.4> <lyco:d> <hypernet:e:-1> <lora:> <lora:f:1:0.3> <lora:g:nan> embedding:folder/easy.pt, x"
    told = [(one.kind, one.name, one.weight) for one in mentions.tags(prompt)]
    assert told == [
        ("lora", "a", 0.5),
        ("lora", "b c", 0.2),
        ("lora", "d", None),
        ("hypernetwork", "e", -1.0),
        ("lora", "f", 1.0),
        ("lora", "g", None),
        ("embedding", "easy", None),
    ]


def test_what_older_and_other_programs_wrote() -> None:
    found = of(
        "a\nSteps: 1, Seed: 2, Model: base, "
        "AddNet Enabled: True, AddNet Module 1: LoRA, AddNet Model 1: linen(88e247aa8c3d), AddNet Weight A 1: 0.6, "
        "Refiner: refine [7440042bbd], Hires upscaler: Latent (bicubic), Hypernet: paint, VAE: Automatic"
    )
    assert [(one.kind, one.name, one.weight, one.hash) for one in found] == [
        ("checkpoint", "base", None, ""),
        ("checkpoint", "refine", None, "7440042bbd"),
        ("lora", "linen", 0.6, "88e247aa8c3d"),
        ("hypernetwork", "paint", None, ""),
    ]


@pytest.mark.parametrize(("raw", "digest"), [("0xABCDEF0123", "abcdef0123"), ("abc", ""), ("0" * 64, ""), ("g" * 10, ""), ("7460a6fa", "7460a6fa")])
def test_hashes_of_any_kind(raw: str, digest: str) -> None:
    assert mentions.clean_hash(raw) == digest


def test_names() -> None:
    assert (
        mentions.stem("folder\\sub/a.b.safetensors") == "a.b" and mentions.stem("v1.5") == "v1.5" and mentions.stem(".safetensors") == ".safetensors"
    )
    air = mentions.of_air("urn:air:sdxl:lora:civitai:1107767@1253442")
    assert air is not None and (air.kind, air.model_id, air.version_id) == ("lora", 1107767, 1253442)
    assert mentions.identity(2**40) == mentions.identity(-1) == mentions.identity("x") == mentions.identity(True) == 0


# -- Civitai's meta


def test_meta_in_every_nesting() -> None:
    flat = {"prompt": "a cat", "steps": 20, "seed": 5}
    for form in (flat, {"id": 1, "meta": flat}, {"id": 1, "meta": {"id": 1, "meta": flat}}, json.dumps(flat), {"id": 1, "meta": json.dumps(flat)}):
        found = metadata.read(form)
        assert found is not None and found.infotext == "a cat\nSteps: 20, Seed: 5, Civitai metadata: {}", form
        assert found.told()["parameters"] == {"Steps": "20", "Seed": "5"}
    for nothing in (None, {}, {"id": 1, "meta": None}, [], 5, "", {"prompt": ""}, {"nsfw": True, "Size": "1x1"}, {"prompt": None, "resources": []}):
        assert metadata.read(nothing) is None, nothing


def test_meta_of_any_types() -> None:
    found = metadata.read(
        {
            "prompt": "a\x00 cat \ud800",
            "negativePrompt": 5,
            "steps": "20",
            "cfgScale": 7.0,
            "seed": 2**60 + 1,
            "sampler": "dpmpp_2m",
            "scheduler": "karras",
            "Clip skip": 2,
            "width": 832,
            "height": 1216.0,
            '"preprocessor': "x",
            "a": "y",
            "Hires upscale": 1.5,
            "ENSD": float("nan"),
            "Tiling": True,
            "Hashes": {"lora:b": "88e247aa8c3d"},
            "Prompt": "no",
            "Lora hashes": "b: 88e247aa8c3d",
            "nested": {"x": 1},
        }
    )
    assert found is not None
    read = infotext.parse(found.infotext)
    assert read.prompt == "a cat \ufffd" and read.negative == "5"
    assert read.parameters == {
        "Steps": "20",
        "Sampler": "DPM++ 2M",
        "Schedule type": "Karras",
        "CFG scale": "7",
        "Seed": str(2**60 + 1),
        "Size": "832x1216",
        "Clip skip": "2",
        "Hires upscale": "1.5",
        "Tiling": "True",
        "Lora hashes": "b: 88e247aa8c3d",
        "Hashes": '{"lora:b":"88e247aa8c3d"}',
    }


def test_hashes_beside_are_told_by_the_infotext_alone() -> None:
    found = metadata.read(
        {
            "prompt": "a <lora:linen:0.8>",
            "steps": 3,
            "Model": "base",
            "Model hash": "1ad6ca7f70",
            "resources": [{"type": "lora", "name": "linen", "weight": 0.8, "hash": "edafb9df7d"}, {"type": "model", "name": "base"}],
            "civitaiResources": [{"type": "lora", "modelVersionId": 7, "weight": 0.4}],
            "additionalResources": [{"name": "urn:air:sdxl:lora:civitai:1@9"}],
        }
    )
    assert found is not None and mentions.of(infotext.parse(found.infotext)) == found.resources
    assert [(one.name, one.hash, one.version_id) for one in found.resources] == [
        ("base", "1ad6ca7f70", 0),
        ("linen", "edafb9df7d", 0),
        ("", "", 7),
        ("", "", 9),
    ]


def test_recorded_metas() -> None:
    (item,) = json.loads((DATA / "images-2.json").read_text())["items"]
    found = metadata.read(item["meta"])
    assert found is not None and [one.version_id for one in found.resources] == [345685, 249861]
    images = json.loads((DATA / "model-version-1.json").read_text())["images"]
    read = [metadata.read(image.get("meta")) for image in images]
    assert sum(one is not None for one in read) == sum(bool((image.get("meta") or {}).get("prompt")) for image in images) > 3
    first = read[0]
    assert first is not None and {one.kind for one in first.resources} == {"checkpoint", "lora", "vae"}


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=12), inner, max_size=4)),
    max_leaves=15,
)
KEYS = st.sampled_from(
    [
        "prompt",
        "negativePrompt",
        "steps",
        "cfgScale",
        "seed",
        "sampler",
        "Size",
        "resources",
        "hashes",
        "civitaiResources",
        "additionalResources",
        "comfy",
        "Model",
        "Model hash",
        "meta",
        "id",
        "Hashes",
        "vaes",
        "models",
        "width",
        "height",
        "clipSkip",
        "Civitai resources",
    ]
)
META = st.dictionaries(st.one_of(KEYS, st.text(max_size=8)), JSON, max_size=8)


@settings(max_examples=300, deadline=None)
@given(st.one_of(META, JSON, META.map(lambda meta: {"id": 1, "meta": meta})))
def test_no_meta_is_too_odd(meta: Any) -> None:
    found = metadata.read(meta)
    if found is not None:
        told = found.told()
        assert json.loads(json.dumps(told)) == told and infotext.parse(found.infotext).prompt == told["prompt"]
        told["infotext"].encode()


NODE = st.fixed_dictionaries(
    {
        "class_type": st.sampled_from(
            ["KSampler", "CLIPTextEncode", "LoraLoader", "CheckpointLoaderSimple", "EmptyLatentImage", "Reroute", "SaveImage"]
        ),
        "inputs": st.dictionaries(
            st.sampled_from(
                ["positive", "negative", "model", "clip", "text", "seed", "steps", "latent_image", "lora_name", "ckpt_name", "images", "any"]
            ),
            st.one_of(JSON, st.lists(st.one_of(st.sampled_from(list("12345")), st.integers(0, 2)), min_size=2, max_size=2)),
            max_size=6,
        ),
    }
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(list("12345")), NODE, max_size=5))
def test_no_graph_is_too_odd(graph: dict[str, Any]) -> None:
    """Circles, links to nowhere, values of other types."""
    for form in (graph, {"prompt": graph}, json.dumps({"prompt": json.dumps(graph), "workflow": {"nodes": [graph]}})):
        comfy.read(form)


def test_a_strangers_text_takes_no_longer_than_its_length() -> None:
    """Texts for which a careless expression tries every combination."""
    begun = time.perf_counter()
    blanks = " " * 60_000
    assert of(f"p\nSteps: 1, Sampler: a, Model: a{blanks}b, VAE: c{blanks}d")
    assert of("p\nSteps: 1, Sampler: a, Model: name [0123456789]")[0] == Mention(kind="checkpoint", name="name", hash="0123456789")
    encoders = {f"e{number}": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["m", 1], "text": ["join", 0]}} for number in range(1000)}
    graph = {
        "s": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 20, "positive": ["all", 0], "negative": ["e0", 0], "model": ["m", 0]}},
        "m": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
        "all": {"class_type": "ConditioningCombine", "inputs": {name: [name, 0] for name in encoders}}, **encoders,
        "join": {"class_type": "StringConcatenate", "inputs": {"string_a": "x" * 3_000_000, "string_b": "y" * 3_000_000}},
    }  # fmt: skip
    assert comfy.read(graph) is not None
    assert time.perf_counter() - begun < 3
