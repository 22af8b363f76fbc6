"""What a picture's own file tells: every format, every writer, and files that are made to hurt."""

from __future__ import annotations

import io
import json
import random
import struct
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from civitai_manager_libs.generation import comfy, exif, infotext, pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from demo.told import exif as written_exif

TEXT = "a cat, 漢字 é\nNegative prompt: bad,\nworse\nSteps: 20, Sampler: Euler a, Seed: 5, Size: 512x768"


def saved(form: str, **how: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 16), (10, 20, 30)).save(out, form, **how)
    return out.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(*chunks: bytes) -> bytes:
    plain = saved("PNG")
    return plain[:33] + b"".join(chunks) + plain[33:]  # behind IHDR


def with_comment(raw: bytes, form: str = "JPEG") -> bytes:
    return saved(form, exif=written_exif(raw))


def told(data: bytes) -> str:
    found = pictures.read(data)
    return found.infotext if found else ""


def test_png_texts_of_every_kind() -> None:
    assert told(png(chunk(b"tEXt", b"parameters\0" + TEXT.encode()))) == TEXT
    assert told(png(chunk(b"tEXt", b"parameters\0" + "é\nSteps: 1, Seed: 2, Sampler: x".encode("latin-1")))).startswith("é\n")
    assert told(png(chunk(b"zTXt", b"parameters\0\0" + zlib.compress(TEXT.encode())))) == TEXT
    assert told(png(chunk(b"iTXt", b"parameters\0\0\0\0\0" + TEXT.encode()))) == TEXT
    assert told(png(chunk(b"iTXt", b"parameters\0\1\0de\0Parameter\0" + zlib.compress(TEXT.encode())))) == TEXT
    notes = PngImagePlugin.PngInfo()
    notes.add_text("parameters", TEXT)
    assert told(saved("PNG", pnginfo=notes)) == TEXT
    assert told(saved("PNG")) == ""
    assert told(png(chunk(b"tEXt", b"Title\0a cat"))) == ""
    late = saved("PNG")[:-12] + chunk(b"tEXt", b"parameters\0" + TEXT.encode()) + chunk(b"IEND", b"")
    assert told(late) == TEXT, "behind the pixels"


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "PNG"])
@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le", "utf-16", "utf-8"])
def test_user_comments(form: str, encoding: str) -> None:
    assert told(with_comment(b"UNICODE\0" + TEXT.encode(encoding), form)) == TEXT


def test_user_comments_of_other_codes() -> None:
    assert told(with_comment(b"ASCII\0\0\0a cat\nSteps: 1, Seed: 2, Sampler: x")) == "a cat\nSteps: 1, Seed: 2, Sampler: x"
    assert told(with_comment(b"\0" * 8 + TEXT.encode())) == TEXT
    assert told(with_comment(TEXT.encode())) == TEXT, "no code at all"
    only_han = "漢字漢字\nNegative prompt: 漢\nSteps: 1, Seed: 2, Sampler: x"
    assert told(with_comment(b"UNICODE\0" + only_han.encode("utf-16-le"))) == only_han


def test_other_fields_and_comments() -> None:
    described = Image.Exif()
    described[0x010E] = "a cat\nSteps: 1, Seed: 2, Sampler: x"
    assert told(saved("JPEG", exif=described.tobytes())).startswith("a cat")
    described[0x010E] = "Steps of a stair"
    assert told(saved("JPEG", exif=described.tobytes())) == "", "any photograph may have a description"
    assert told(saved("JPEG", comment=b"a cat\nSteps: 1, Seed: 2, Sampler: x")).startswith("a cat")
    assert told(saved("GIF", comment=b"a cat\nSteps: 1, Seed: 2, Sampler: x")).startswith("a cat")


# -- writers


def texts_png(**texts: object) -> bytes:
    notes = PngImagePlugin.PngInfo()
    for name, value in texts.items():
        notes.add_text(name, value if isinstance(value, str) else json.dumps(value))
    return saved("PNG", pnginfo=notes)


GRAPH: dict[str, Any] = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": ["20", 0],
            "steps": 24,
            "cfg": 6.5,
            "sampler_name": "dpmpp_2m",
            "scheduler": "karras",
            "denoise": 1,
            "model": ["11", 0],
            "positive": ["15", 0],
            "negative": ["15", 1],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "SDXL\\base_v1.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 832, "height": 1216, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["21", 0], "clip": ["12", 0]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "bad embedding:easy", "clip": ["12", 0]}},
    "10": {"class_type": "LoraLoader", "inputs": {"lora_name": "a/linen.safetensors", "strength_model": 0.8, "model": ["4", 0], "clip": ["4", 1]}},
    "11": {
        "class_type": "Power Lora Loader (rgthree)",
        "inputs": {
            "lora_1": {"on": True, "lora": "second.safetensors", "strength": 0.5},
            "lora_2": {"on": False, "lora": "off.safetensors", "strength": 1},
            "model": ["10", 0],
            "clip": ["10", 1],
        },
    },
    "12": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -2, "clip": ["11", 1]}},
    "15": {
        "class_type": "ControlNetApplyAdvanced",
        "inputs": {"positive": ["6", 0], "negative": ["7", 0], "control_net": ["16", 0], "image": ["17", 0]},
    },
    "16": {"class_type": "ControlNetLoader", "inputs": {"control_net_name": "depth.safetensors"}},
    "20": {"class_type": "Seed (rgthree)", "inputs": {"seed": 99}},
    "21": {"class_type": "Text Concatenate", "inputs": {"text_a": "a cat", "text_b": "on a wall"}},
    "30": {"class_type": "VAEDecode", "inputs": {"samples": ["40", 0], "vae": ["31", 0]}},
    "31": {"class_type": "VAELoader", "inputs": {"vae_name": "soft.safetensors"}},
    "32": {"class_type": "SaveImage", "inputs": {"images": ["30", 0]}},
    "40": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 1,
            "steps": 10,
            "cfg": 4,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 0.4,
            "model": ["11", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["41", 0],
        },
    },
    "41": {"class_type": "LatentUpscale", "inputs": {"samples": ["3", 0], "width": 1664, "height": 2432}},
}


def test_a_graph() -> None:
    """Through a ControlNet, two loaders of LoRAs, joined texts and a seed of its own; the second sampler only refines."""
    found = pictures.read(texts_png(prompt=GRAPH, workflow={"nodes": []}))
    assert found is not None and found.comfy and found.source == "comfy"
    read = infotext.parse(found.infotext)
    assert read.prompt == "a cat, on a wall <lora:linen:0.8> <lora:second:0.5>" and read.negative == "bad embedding:easy"
    assert read.parameters == {
        "Steps": "24",
        "Sampler": "DPM++ 2M",
        "Schedule type": "Karras",
        "CFG scale": "6.5",
        "Seed": "99",
        "Size": "832x1216",
        "Model": "base_v1",
        "Clip skip": "2",
    }
    named = {(one.kind, one.name) for one in found.resources}
    assert named == {
        ("checkpoint", "base_v1"),
        ("lora", "linen"),
        ("lora", "second"),
        ("embedding", "easy"),
        ("vae", "soft"),
        ("other", "depth"),
    }


def test_a_graph_of_flux() -> None:
    """Guider, noise and sigmas apart, no negative prompt."""
    graph = {
        "1": {
            "class_type": "SamplerCustomAdvanced",
            "inputs": {"noise": ["2", 0], "guider": ["3", 0], "sampler": ["4", 0], "sigmas": ["5", 0], "latent_image": ["6", 0]},
        },
        "2": {"class_type": "RandomNoise", "inputs": {"noise_seed": 7}},
        "3": {"class_type": "BasicGuider", "inputs": {"model": ["8", 0], "conditioning": ["7", 0]}},
        "4": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
        "5": {"class_type": "BasicScheduler", "inputs": {"scheduler": "simple", "steps": 28, "denoise": 1, "model": ["8", 0]}},
        "6": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 1024, "height": 1024}},
        "7": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["9", 0]}},
        "8": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux1-dev.safetensors"}},
        "9": {"class_type": "CLIPTextEncode", "inputs": {"text": "a harbour", "clip": ["10", 0]}},
        "10": {"class_type": "DualCLIPLoader", "inputs": {"clip_name1": "t5.safetensors", "clip_name2": "l.safetensors"}},
    }
    found = comfy.read(json.dumps(graph))
    assert found is not None
    read = infotext.parse(found.infotext)
    assert (
        read.prompt == "a harbour"
        and read.negative == ""
        and read.parameters
        == {
            "Steps": "28",
            "Sampler": "Euler",
            "Schedule type": "Simple",
            "Distilled CFG Scale": "3.5",
            "Seed": "7",
            "Size": "1024x1024",
            "Model": "flux1-dev",
        }
    )


def test_civitais_own_graphs() -> None:
    """Resources by AIR, and the person's own words in extraMetadata."""
    graph = {
        "resource-stack": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "urn:air:sdxl:checkpoint:civitai:827184@1410435"}},
        "resource-stack-1": {
            "class_type": "LoraLoader",
            "inputs": {"lora_name": "urn:air:sdxl:lora:civitai:122359@135867", "strength_model": 1.55, "model": ["resource-stack", 0]},
        },
        "6": {"class_type": "smZ CLIPTextEncode", "inputs": {"text": "expanded words", "text_g": "", "clip": ["resource-stack-1", 1]}},
        "7": {"class_type": "smZ CLIPTextEncode", "inputs": {"text": "bad", "clip": ["resource-stack-1", 1]}},
        "11": {
            "class_type": "KSampler",
            "inputs": {
                "sampler_name": "euler_ancestral",
                "scheduler": "normal",
                "seed": 5,
                "steps": 47,
                "cfg": 6.5,
                "denoise": 0.3,
                "model": ["resource-stack-1", 0],
                "positive": ["6", 0],
                "negative": ["7", 0],
            },
        },
        "extra": {"airs": ["urn:air:other:upscaler:civitai:147759@164821", "urn:air:sdxl:checkpoint:civitai:827184@1410435"]},
        "extraMetadata": json.dumps({"prompt": "my words", "negativePrompt": "bad", "resources": [{"modelVersionId": 1410435, "strength": 1}]}),
    }
    found = pictures.read(with_comment(b"UNICODE\0" + json.dumps(graph).encode("utf-16-be")))
    assert found is not None
    read = infotext.parse(found.infotext)
    assert read.prompt == "my words" and read.parameters["Denoising strength"] == "0.3"
    assert {(one.kind, one.version_id, one.weight) for one in found.resources} == {
        ("checkpoint", 1410435, 1.0),
        ("lora", 135867, 1.55),
        ("upscaler", 164821, None),
    }


def test_the_pages_form_of_a_graph() -> None:
    """Some files have the workflow only."""
    workflow = {
        "nodes": [
            {"id": 1, "type": "CheckpointLoaderSimple", "widgets_values": ["base.safetensors"]},
            {"id": 2, "type": "CLIPTextEncode", "widgets_values": ["a tree"], "inputs": [{"name": "clip", "link": 1}]},
            {"id": 3, "type": "CLIPTextEncode", "widgets_values": ["bad"], "inputs": [{"name": "clip", "link": 2}]},
            {"id": 4, "type": "EmptyLatentImage", "widgets_values": [512, 768, 1]},
            {
                "id": 5,
                "type": "KSampler",
                "widgets_values": [42, "fixed", 20, 7, "euler", "normal", 1],
                "inputs": [
                    {"name": "model", "link": 3},
                    {"name": "positive", "link": 4},
                    {"name": "negative", "link": 5},
                    {"name": "latent_image", "link": 6},
                ],
            },
        ],
        "links": [
            [1, 1, 1, 2, 0, "CLIP"],
            [2, 1, 1, 3, 0, "CLIP"],
            [3, 1, 0, 5, 0, "MODEL"],
            [4, 2, 0, 5, 1, "C"],
            [5, 3, 0, 5, 2, "C"],
            [6, 4, 0, 5, 3, "LATENT"],
        ],
    }
    assert told(texts_png(workflow=workflow)) == (
        "a tree\nNegative prompt: bad\nSteps: 20, Sampler: Euler, Schedule type: Normal, CFG scale: 7, Seed: 42, Size: 512x768, Model: base"
    )


def test_swarm_fooocus_and_novel() -> None:
    swarm = {
        "sui_image_params": {
            "prompt": "a cat",
            "negativeprompt": "bad",
            "model": "SDXL/base_v1",
            "seed": 5,
            "steps": 20,
            "cfgscale": 7.0,
            "width": 832,
            "height": 1216,
            "sampler": "euler",
            "scheduler": "normal",
            "loras": ["linen"],
            "loraweights": ["0.8"],
        },
        "sui_models": [{"name": "linen.safetensors", "param": "loras", "hash": "0x" + "ab" * 32}],
    }
    found = pictures.read(texts_png(parameters=swarm))
    assert found is not None and infotext.parse(found.infotext).prompt == "a cat <lora:linen:0.8>"
    assert [(one.kind, one.name, one.hash) for one in found.resources] == [("checkpoint", "base_v1", ""), ("lora", "linen", "ab" * 32)]
    fooocus = {
        "prompt": "a cat",
        "negative_prompt": "bad",
        "steps": 30,
        "base_model": "juggernaut.safetensors",
        "base_model_hash": "1234567890",
        "guidance_scale": 4,
        "resolution": "(896, 1152)",
        "sampler": "dpmpp_2m_sde_gpu",
        "scheduler": "karras",
        "seed": "7",
        "loras": [["offset.safetensors", 0.1, "abcdef0123"]],
        "version": "Fooocus v2.5.5",
    }
    read = infotext.parse(told(texts_png(parameters=fooocus, fooocus_scheme="fooocus")))
    assert read.prompt == "a cat <lora:offset:0.1>" and read.parameters["Sampler"] == "DPM++ 2M SDE" and read.parameters["Size"] == "896x1152"
    novel = texts_png(
        Software="NovelAI", Description="a cat", Comment={"uc": "bad", "steps": 28, "sampler": "k_euler_ancestral", "scale": 5, "seed": 1}
    )
    assert told(novel).startswith("a cat\nNegative prompt: bad\nSteps: 28, Sampler: Euler a, CFG scale: 5, Seed: 1")


# -- files that are made to hurt


def test_bombs_stay_small() -> None:
    bomb = zlib.compress(b"Steps: 1, Seed: 2, Sampler: x" + b"a" * (1 << 26), 9)
    tracemalloc.start()
    pictures.read(png(*[chunk(b"zTXt", b"k%d\0\0" % number + bomb) for number in range(30)]))
    pictures.read(png(chunk(b"iTXt", b"parameters\0\1\0\0\0" + bomb)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 120 << 20, f"{peak >> 20} MiB"


def test_no_pixel_is_decoded() -> None:
    """A picture that says it has 4 billion pixels."""
    huge = pictures.PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", 65535, 65535, 8, 2, 0, 0, 0)) + chunk(b"tEXt", b"parameters\0" + TEXT.encode())
    assert told(huge + chunk(b"IEND", b"")) == TEXT


def hostile() -> Iterator[bytes]:
    yield b""
    yield pictures.PNG
    yield pictures.PNG + b"\xff\xff\xff\xfftEXtparameters\0abc"
    yield png(chunk(b"tEXt", b"no nul"), chunk(b"iTXt", b"x\0"), chunk(b"zTXt", b"parameters\0\0not zlib"), chunk(b"eXIf", b"II*\0"))
    yield b"\xff\xd8\xff\xe1\x00\x00"
    yield b"\xff\xd8\xff" + b"\xff" * 1000
    yield b"RIFF\xff\xff\xff\xffWEBPEXIF\xff\xff\xff\xff"
    yield b"GIF89a!\xfe\xff"
    loop = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", exif.EXIF_IFD, 4, 1, 8)  # a directory that is its own
    yield b"\xff\xd8\xff\xe1" + struct.pack(">H", len(loop) + 8) + b"Exif\0\0" + loop
    far = b"II*\0\x08\0\0\0" + struct.pack("<H", 65535) + struct.pack("<HHII", 0x010E, 2, 0xFFFFFFFF, 0xFFFFFFF0) * 100
    yield b"\xff\xd8\xff\xe1" + struct.pack(">H", len(far) + 8) + b"Exif\0\0" + far
    for deep in ("[" * 200_000, '{"a":' * 100_000, '{"prompt":"' + "{" * 100_000 + '"}'):
        yield png(chunk(b"tEXt", b"prompt\0" + deep.encode()), chunk(b"tEXt", b"parameters\0" + deep.encode()))
    nodes = {str(number): {"class_type": "KSampler", "inputs": {"seed": 1, "positive": [str((number + 1) % 3000), 0]}} for number in range(3000)}
    yield png(chunk(b"tEXt", b"prompt\0" + json.dumps(nodes).encode()))


@pytest.mark.parametrize("data", list(hostile()))
def test_hostile_files(data: bytes) -> None:
    began = time.perf_counter()
    pictures.read(data)
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_damaged_files(form: str) -> None:
    """Every kind of damage that chance makes of a good file, cut anywhere."""
    notes = PngImagePlugin.PngInfo()
    notes.add_itxt("parameters", TEXT, zip=True)
    good = saved("PNG", pnginfo=notes) if form == "PNG" else with_comment(b"UNICODE\0" + TEXT.encode("utf-16-be"), form)
    chance = random.Random(1)
    for place in range(0, len(good), max(1, len(good) // 200)):
        pictures.read(good[:place])
        broken = bytearray(good)
        for _ in range(8):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        pictures.read(bytes(broken))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([b"", pictures.PNG, b"\xff\xd8\xff\xe1", b"RIFF\0\0\0\0WEBP", b"GIF89a", pictures.PNG + b"\0\0\0\x20tEXtparameters\0"]),
    st.binary(max_size=300),
)
def test_any_bytes(beginning: bytes, rest: bytes) -> None:
    pictures.read(beginning + rest)
    dict(exif.texts(b"II*\0\x08\0\0\0" + rest))
    exif.comment(rest)
