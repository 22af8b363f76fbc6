"""Makers of models, versions, files and pictures in the demo's own full form, and the generated models.

The full form is the shape of an item of GET /models with private keys (starting with "_") that say what no answer shows: a file's Content,
a version's usageControl, a picture's style. `shapes` turns it into the three public shapes.
"""

from __future__ import annotations

import datetime
import functools
import random
from typing import Any

from . import words
from .files import Content

Json = dict[str, Any]
GENERATED_MODEL, GENERATED_VERSION, GENERATED_FILE, GENERATED_IMAGE = 4_100_000, 4_200_000, 4_400_000, 150_000_000
LIMIT = 10_000
BLURHASH = "U5IiO6s-4Vn+0~EO^5xa00VsL#IU_O?E7yWC"
EXTENSIONS = {"safetensors": "safetensors", "pickle": "pt", "zip": "zip", "text": "yaml", "gguf": "gguf", "onnx": "onnx"}
FORMATS = {"safetensors": "SafeTensor", "pickle": "PickleTensor", "gguf": "GGUF", "onnx": "ONNX", "zip": "Other", "text": "Other"}


def iso(days: float) -> str:
    """A moment so many days before 1 September 2026, as Civitai writes it."""
    moment = datetime.datetime(2026, 9, 1, 10, 30) - datetime.timedelta(days=days)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + "123Z"


def make_file(number: int, name: str, *, size: int = 60_000, kind: str = "safetensors", type: str = "Model", title: str = "", **more: Any) -> Json:
    """One file; `more` overrides any key. Content is `_content`."""
    pickle = kind == "pickle"
    file: Json = {
        "id": number, "name": name, "overrideName": None, "type": type,
        "pickleScanResult": "Success", "pickleScanMessage": "No Pickle imports" if pickle else None, "virusScanResult": "Success",
        "virusScanMessage": None,
        "scannedAt": "2026-08-25T10:11:12.345Z", "metadata": {"format": FORMATS[kind]}, "primary": False,
        "_content": Content(number, size, kind, title or name), "_upload": name, "_hashes": None, "_linked": False, "_disposition": True,
        "_signable": True,
    }  # fmt: skip
    file.update(more)
    return file


def make_image(number: int, style: str, *, level: int = 1, size: tuple[int, int] = (832, 1216), meta: Json | None = None, **more: Any) -> Json:
    """One picture. `_fate` may be "broken" or "missing"; `_parameters` is the text in the original PNG."""
    image: Json = {
        "id": number, "nsfwLevel": level, "width": size[0], "height": size[1], "hash": BLURHASH, "type": "image", "minor": False, "poi": False,
        "hasMeta": meta is not None, "hasPositivePrompt": meta is not None, "onSite": False, "remixOfId": None,
        "_style": style, "_meta": meta, "_fate": "", "_parameters": parameters(meta) if meta else "",
    }  # fmt: skip
    image.update(more)
    return image


def parameters(meta: Json) -> str:
    """The WebUI's text for a picture's generation data."""
    names = {
        "Steps": "steps",
        "Sampler": "sampler",
        "CFG scale": "cfgScale",
        "Seed": "seed",
        "Size": "Size",
        "Model": "Model",
        "Clip skip": "clipSkip",
    }
    tail = ", ".join(f"{label}: {meta[key]}" for label, key in names.items() if key in meta)
    return f"{meta.get('prompt', '')}\nNegative prompt: {meta.get('negativePrompt', '')}\n{tail}, Version: v1.10.1"


def make_version(number: int, name: str, files: list[Json], images: list[Json], *, base: str = "SDXL 1.0", days: float = 20, **more: Any) -> Json:
    """One version; the first file of a primary type (or the first at all) becomes primary unless one already is."""
    if files and not any(file["primary"] for file in files):
        next((file for file in files if file["type"] in ("Model", "Pruned Model", "Diffusion Model", "UNet")), files[0])["primary"] = True
    level = functools.reduce(lambda bits, image: bits | image["nsfwLevel"], images, 0)
    version: Json = {
        "id": number, "index": 0, "name": name, "baseModel": base, "baseModelType": "Standard", "publishedAt": iso(days), "flags": 0,
        "availability": "Public",
        "nsfwLevel": level or 1, "description": None, "trainedWords": [], "vaeId": None, "paidAccess": None,
        "stats": {"downloadCount": 120, "thumbsUpCount": 14, "thumbsDownCount": 0}, "supportsGeneration": False, "files": files, "images": images,
        "_usage": "Download", "_created": iso(days + 1), "_updated": iso(days - 1),
    }  # fmt: skip
    version.update(more)
    return version


def make_model(number: int, name: str, type: str, versions: list[Json], *, creator: Json | None = None, **more: Any) -> Json:
    """One model. `creator` may be {} for none at all; `_found` False means that no endpoint knows it."""
    for at, version in enumerate(versions):
        version.setdefault("_model", number)
        if not version["index"]:
            version["index"] = at
    level = functools.reduce(lambda bits, version: bits | version["nsfwLevel"], versions, 0)
    if creator is None:
        creator = {"username": words.CREATORS[number % len(words.CREATORS)], "image": None}
    model: Json = {
        "id": number, "name": name, "description": f"<p>{name}, one of the demo's models.</p>", "allowNoCredit": True,
        "allowCommercialUse": ["Image", "RentCivit"],
        "allowDerivatives": True, "allowDifferentLicense": True, "type": type, "minor": False, "sfwOnly": False, "poi": False, "nsfw": False,
        "nsfwLevel": level or 1, "availability": "Public", "userId": 700_000 + number % 97,
        "baseModels": list(dict.fromkeys(v["baseModel"] for v in versions)),
        "cosmetic": None, "supportsGeneration": False,
        "stats": {"downloadCount": 120, "thumbsUpCount": 14, "thumbsDownCount": 0, "commentCount": 2, "tippedAmountCount": 0},
        "creator": creator, "tags": ["demo"], "modelVersions": versions, "_found": True, "_listed": True,
    }  # fmt: skip
    model.update(more)
    return model


def brief(index: int, seed: int) -> Json:
    """The little that lists and searches need of generated model `index`: cheap, and the same as in the full form."""
    rng = random.Random((seed << 20) + index)
    kind = words.TYPE_CYCLE[index % len(words.TYPE_CYCLE)]
    theme = list(words.THEMES)[(index + seed) % len(words.THEMES)]
    _, nouns, tags = words.THEMES[theme]
    adjective, noun = words.ADJECTIVES[(index * 7 + seed) % len(words.ADJECTIVES)], nouns[(index // 5 + seed) % len(nouns)]
    name = f"{adjective} {noun} {rng.choice(words.SUFFIXES[kind])}" + (f" {index // 407 + 1}" if index >= 407 else "")
    base = words.BASE_MODELS[(index + index // 12) % len(words.BASE_MODELS)]
    likes = rng.randint(20, 900)
    level = 1 if index < 40 else rng.choices((1, 3, 5, 7), (80, 14, 4, 2))[0]
    return {
        "index": index, "id": GENERATED_MODEL + index, "name": name, "type": kind, "theme": theme, "noun": noun, "adjective": adjective, "base": base,
        "creator": words.CREATORS[rng.randrange(len(words.CREATORS))], "tags": [*rng.sample(tags, 3), base.lower(), noun.lower()],
        "likes": likes, "downloads": likes * rng.randint(8, 30), "days": round(rng.uniform(2, 700), 3), "level": level,
    }  # fmt: skip


def _description(light: Json, rng: random.Random) -> str:
    opener = rng.choice(words.OPENERS).format(noun=light["noun"].lower())
    extra = rng.choice(
        (
            "<h3>How to use</h3><ul><li>Weight <strong>0.6 to 0.9</strong></li><li>20 to 30 steps</li><li>Best in <em>portrait</em> format</li></ul>",
            '<p style="color:#c0392b;font-size:18px">Please read the notes of each version first.</p><blockquote>Less is more.</blockquote>',
            '<p>Thanks to everybody who sent pictures. More on <a href="https://example.org/notes" target="_blank" rel="ugc">my page</a>.</p><hr>',
            '<p>A short film about it:</p><iframe src="https://example.org/embed/1" width="300" height="200"></iframe><p>Enjoy.</p>',
        )
    )
    return f"<p>{opener}</p>{extra}"


def _generated_files(light: Json, number: int, version: int, words_: list[str], rng: random.Random) -> list[Json]:
    kind, camel = light["type"], light["name"].replace(" ", "")
    stem = f"{camel[0].lower()}{camel[1:]}_v{version + 1}0"
    title = f"{light['name']} {version + 1}"
    room = (50_000, 3_000_000) if light["index"] < 400 and rng.random() < 0.2 else (50_000, 160_000)
    size = [rng.randint(*room) for _ in range(4)]
    if kind in ("Poses", "Wildcards", "Workflows", "ComfyWorkflows"):
        return [make_file(number, f"{stem}.zip", size=size[0] // 3, kind="zip", type="Archive", title=title)]
    if kind in ("Upscaler", "Detection", "Hypernetwork", "AestheticGradient"):
        message = "**Detected Pickle imports (2)**\n```\ncollections.OrderedDict\ntorch._utils._rebuild_tensor_v2\n```"
        return [make_file(number, f"{stem}.pt", size=size[0], kind="pickle", title=title, pickleScanMessage=message)]
    if kind == "LLM":
        return [make_file(number, f"{stem}.gguf", size=size[0], kind="gguf", title=title, metadata={"format": "GGUF", "quantType": "Q4_K_M"})]
    name = f"{words_[0]}.safetensors" if kind == "TextualInversion" else f"{stem}.safetensors"
    sort = "VAE" if kind == "VAE" else "Model"
    first = make_file(number, name, size=size[0], type=sort, title=title, metadata={"format": "SafeTensor", "size": "pruned", "fp": "fp16"})
    if kind != "Checkpoint":
        return [first]
    full = make_file(number + 1, name, size=size[1], title=title, metadata={"format": "SafeTensor", "size": "full", "fp": "fp32"})
    files = [first, full] if version % 2 == 0 else [first]
    if light["base"].startswith("SD 1"):
        files.append(make_file(number + 2, f"{stem}.yaml", size=600, kind="text", type="Config", title=title))
    return files


def _generated_images(light: Json, number: int, rng: random.Random) -> list[Json]:
    styles, images = words.THEMES[light["theme"]][0], []
    for at in range(rng.randint(2, 5)):
        size = rng.choice(((832, 1216), (832, 1216), (1024, 1024), (1216, 832)))
        prompt = f"{light['adjective'].lower()} {light['noun'].lower()}, {', '.join(light['tags'][:2])}, soft light"
        meta: Json = {
            "prompt": prompt, "negativePrompt": "text, watermark", "steps": rng.randint(18, 35), "sampler": rng.choice(words.SAMPLERS),
            "cfgScale": rng.choice((5, 6.5, 7)),
            "seed": rng.randrange(1 << 32), "Size": f"{size[0]}x{size[1]}", "Model": light["name"].replace(" ", "_"), "clipSkip": 2, "resources": [],
        }  # fmt: skip
        level = 1 if at == 0 else rng.choice([bit for bit in (1, 2, 4, 8) if light["level"] & bit])
        images.append(
            make_image(number + at, styles[(at + light["index"]) % len(styles)], level=level, size=size, meta=meta if rng.random() < 0.8 else None)
        )
    return images


def generated(index: int, seed: int) -> Json:
    """Generated model `index` in full form."""
    light = brief(index, seed)
    rng = random.Random((seed << 20) + index + (1 << 60))
    versions = []
    count = 1 + index % 3
    trigger = f"{light['adjective'].lower()}{light['noun'].split()[0].lower()}"
    trained = [trigger, f"{trigger} style"] if light["type"] in ("LORA", "LoCon", "DoRA", "TextualInversion", "Hypernetwork") else []
    for at in range(count):
        number, days = GENERATED_VERSION + index * 4 + at, light["days"] + at * 60
        files = _generated_files(light, GENERATED_FILE + index * 16 + at * 4, count - 1 - at, trained or [trigger], rng)
        images = _generated_images(light, GENERATED_IMAGE + index * 24 + at * 6, rng)
        base = light["base"] if at == 0 else words.BASE_MODELS[(words.BASE_MODELS.index(light["base"]) + at) % len(words.BASE_MODELS)]
        downloads = light["downloads"] // (at + 2)
        stats = {"downloadCount": downloads, "thumbsUpCount": light["likes"] // (at + 2), "thumbsDownCount": 0}
        notes = "<p>Sharper edges, calmer colours.</p>" if at == 0 and count > 1 else None
        versions.append(
            make_version(
                number,
                f"v{count - at}.0",
                files,
                images,
                base=base,
                days=days,
                stats=stats,
                trainedWords=trained,
                description=notes,
                supportsGeneration=at == 0,
            )
        )
    stats = {
        "downloadCount": light["downloads"],
        "thumbsUpCount": light["likes"],
        "thumbsDownCount": light["likes"] // 60,
        "commentCount": 3,
        "tippedAmountCount": 0,
    }
    creator = {"username": light["creator"], "image": None}
    level = functools.reduce(lambda bits, version: bits | version["nsfwLevel"], versions, 0)
    return make_model(
        light["id"], light["name"], light["type"], versions, creator=creator, tags=light["tags"], stats=stats, nsfwLevel=level,
        description=_description(light, rng),
        supportsGeneration=True,
    )  # fmt: skip
