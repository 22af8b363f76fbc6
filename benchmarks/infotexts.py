"""Reading 1,000 infotexts, as pages of pictures come with them, and what they name; and 1,000 picture files."""

from __future__ import annotations

import io
import random
import time


def texts(count: int = 1000) -> list[str]:
    """Of the length that people's are: some 1,500 letters, with LoRAs, hashes and hires keys."""
    chance, made = random.Random(1), []
    words = ["linen", "harbour", "morning", "light", "portrait", "detailed", "soft", "wide view", "old bridge", "(evening:1.2)"]
    for number in range(count):
        prompt = ", ".join(chance.choice(words) for _ in range(120)) + "".join(f" <lora:linen_{number}_{place}:0.{place}>" for place in range(1, 5))
        hashes = ", ".join(f"linen_{number}_{place}: {chance.randrange(1 << 48):012x}" for place in range(1, 5))
        made.append(
            f"{prompt}\nNegative prompt: {', '.join(chance.choice(words) for _ in range(60))}\nSteps: 30, Sampler: DPM++ 2M, Schedule type: Karras, "
            f"CFG scale: 7, Seed: {chance.randrange(1 << 32)}, Size: 832x1216, Model hash: {chance.randrange(1 << 40):010x}, Model: base_{number}, "
            f'Denoising strength: 0.35, Hires upscale: 1.5, Hires upscaler: 4x-Linen, '
            f'ADetailer prompt: "a, b", Lora hashes: "{hashes}", Version: v1.10.1'
        )
    return made


def measure() -> list[tuple[str, str, str]]:
    from civitai_manager_libs.generation import infotext, mentions, pictures
    from PIL import Image, PngImagePlugin

    many, files = texts(), []
    for text in many[:100]:
        out, notes = io.BytesIO(), PngImagePlugin.PngInfo()
        notes.add_itxt("parameters", text, zip=True)
        Image.effect_noise((256, 384), 50).save(out, "PNG", pnginfo=notes)
        files.append(out.getvalue())
    times = []
    for work in (
        lambda: [infotext.parse(text) for text in many],
        lambda: [mentions.of(infotext.parse(text)) for text in many],
        lambda: [infotext.parse(text).text for text in many],
        lambda: [pictures.read(file) for _ in range(10) for file in files],
    ):
        runs = []
        for _ in range(3):
            began = time.perf_counter()
            work()
            runs.append(time.perf_counter() - began)
        times.append(min(runs))
    names = ("1,000 infotexts read", "and their resources named", "read and written again", "1,000 PNG files read")
    return [(name, f"{seconds * 1000:.0f} ms", "under 500 ms") for name, seconds in zip(names, times, strict=True)]
