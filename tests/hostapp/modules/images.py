"""Saving of a made picture: the file with its texts, the last parameters, and the callbacks."""

from __future__ import annotations

import os

from PIL import Image, PngImagePlugin

from modules import script_callbacks, shared


def save_image(image: Image.Image, info: str) -> str:
    """Write a PNG into the outputs; its path. The text is in it as "parameters"."""
    folder = os.path.join(shared.data_path, shared.opts.outdir_samples)
    os.makedirs(folder, exist_ok=True)
    number = len(os.listdir(folder))
    path = os.path.join(folder, f"{number:05}.png")
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", info)
    image.save(path, pnginfo=texts)
    with open(os.path.join(shared.data_path, "params.txt"), "w", encoding="utf8") as file:
        file.write(info)
    script_callbacks.image_saved_callback(script_callbacks.ImageSaveParams(image, None, path, {"parameters": info}))
    return path
