"""The demo's pictures: painted on request with Pillow, different for each picture number, the same each time."""

from __future__ import annotations

import colorsys
import functools
import io
import math
import random
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageFilter

from . import told

Colour = tuple[int, int, int]
Scene = tuple[Image.Image, ImageDraw.ImageDraw, random.Random, list[Colour]]
WIDTHS = (96, 320, 450, 512, 800, 1200, 1600, 2200)

# Sky above, sky below, then four layers from far to near, and an accent. Chosen by hand: these are the first thing a newcomer sees.
PALETTES = (
    ("#1b2a49", "#f2a65a", "#c8553d", "#8c3b3b", "#4a2c3f", "#241a2e", "#ffe3b3"),
    ("#8ecae6", "#fdf0d5", "#a3c9a8", "#69a297", "#50808e", "#2f4858", "#ffb703"),
    ("#2d3047", "#e0a890", "#b66d7a", "#7a4e6d", "#4a3b5c", "#2a2540", "#fff1d0"),
    ("#d8e2dc", "#ffe5d9", "#f4acb7", "#9d8189", "#6d6875", "#4a4453", "#e56b6f"),
    ("#0b132b", "#3a506b", "#5bc0be", "#2f7f86", "#1c4b5c", "#0f2b3a", "#f7f3c8"),
    ("#f6bd60", "#f7ede2", "#f5cac3", "#84a59d", "#5b7f77", "#38534e", "#f28482"),
    ("#cad2c5", "#eef2e6", "#84a98c", "#52796f", "#354f52", "#2f3e46", "#e9c46a"),
    ("#264653", "#e9c46a", "#f4a261", "#e76f51", "#9b4a3c", "#4b2e2b", "#fefae0"),
    ("#3d5a80", "#e0fbfc", "#98c1d9", "#6290b5", "#3d5a80", "#293241", "#ee6c4d"),
    ("#5f0f40", "#fb8b24", "#e36414", "#9a031e", "#5f0f40", "#2e0822", "#ffd9a0"),
)  # fmt: skip


def _palette(rng: random.Random) -> list[Colour]:
    """A hand-picked palette with its hue turned a little, so that neighbours differ."""
    turn, out = rng.uniform(-0.04, 0.04), []
    for code in rng.choice(PALETTES):
        red, green, blue = (int(code[at : at + 2], 16) / 255 for at in (1, 3, 5))
        hue, light, depth = colorsys.rgb_to_hls(red, green, blue)
        out.append(tuple(round(part * 255) for part in colorsys.hls_to_rgb((hue + turn) % 1, light, depth)))
    return out  # type: ignore[return-value]


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    return tuple(round(a + (b - a) * share) for a, b in zip(first, second, strict=True))  # type: ignore[return-value]


def _sky(width: int, height: int, top: Colour, bottom: Colour) -> Image.Image:
    ramp = Image.linear_gradient("L").resize((width, height))
    return Image.composite(Image.new("RGB", (width, height), bottom), Image.new("RGB", (width, height), top), ramp)


def _sun(scene: Scene, x: float, y: float, size: float) -> None:
    """A disc with a soft glow, painted small and enlarged, which is cheap."""
    image, _, _, colours = scene
    width, height = image.size
    small = Image.new("L", (width // 8 + 1, height // 8 + 1), 0)
    radius = size * min(width, height) / 8
    cx, cy = x * width / 8, y * height / 8
    ImageDraw.Draw(small).ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=150)
    glow = small.filter(ImageFilter.GaussianBlur(radius * 0.9)).resize((width, height), Image.Resampling.BICUBIC)
    image.paste(Image.new("RGB", (width, height), colours[6]), (0, 0), glow)
    radius, cx, cy = radius * 8 * 0.72, cx * 8, cy * 8
    ImageDraw.Draw(image).ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=_mix(colours[6], (255, 255, 255), 0.25))


def _ridge(scene: Scene, level: float, swing: float, colour: Colour, sharp: bool = False) -> None:
    """One layer of hills (or peaks) across the picture, filled to the bottom."""
    image, draw, rng, _ = scene
    width, height = image.size
    waves = [(rng.uniform(0.6, 1.4) * 2**step, rng.uniform(0, 6.3), swing / 1.8**step) for step in range(5 if sharp else 3)]
    points = []
    for at in range(0, width + 16, max(4, width // 160)):
        x = at / width
        wave = [math.sin(x * 6.3 * f + p) for f, p, _ in waves]
        rise = sum((1 - 2 * abs(w) if sharp else w) * a for w, (_, _, a) in zip(wave, waves, strict=True))
        points.append((at, (level - rise) * height))
    draw.polygon([(0, height), *points, (width + 16, height)], fill=colour)


def _stars(scene: Scene, count: int) -> None:
    image, draw, rng, colours = scene
    for _ in range(count):
        x, y, r = rng.random() * image.width, rng.random() ** 1.5 * image.height * 0.5, rng.uniform(0.4, 1.6) * image.width / 700
        draw.ellipse((x - r, y - r, x + r, y + r), fill=_mix(colours[0], colours[6], rng.uniform(0.4, 1)))


def hills(scene: Scene) -> None:
    _, _, rng, colours = scene
    _sun(scene, rng.uniform(0.2, 0.8), rng.uniform(0.25, 0.45), rng.uniform(0.08, 0.16))
    for layer in range(4):
        _ridge(scene, 0.5 + layer * 0.13, 0.05, colours[2 + layer])


def mountains(scene: Scene) -> None:
    image, draw, rng, colours = scene
    _stars(scene, 60)
    _sun(scene, rng.uniform(0.2, 0.8), rng.uniform(0.18, 0.3), 0.08)
    for layer in range(3):
        _ridge(scene, 0.5 + layer * 0.1, 0.13 - layer * 0.02, colours[2 + layer], sharp=True)
    top = int(image.height * 0.78)
    mirror = image.crop((0, top - (image.height - top), image.width, top)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    image.paste(Image.blend(mirror, Image.new("RGB", mirror.size, colours[5]), 0.45), (0, top))
    for _ in range(14):
        y, x, length = rng.uniform(0.8, 0.98) * image.height, rng.random() * image.width, rng.uniform(0.05, 0.2) * image.width
        draw.line((x, y, x + length, y), fill=_mix(colours[5], colours[1], 0.35), width=max(1, image.height // 500))


def dunes(scene: Scene) -> None:
    _, _, rng, colours = scene
    _sun(scene, rng.uniform(0.3, 0.7), 0.32, 0.18)
    for layer in range(6):
        _ridge(scene, 0.52 + layer * 0.085, 0.035 + layer * 0.01, _mix(colours[2], colours[5], layer / 5))


def sea(scene: Scene) -> None:
    image, draw, rng, colours = scene
    x = rng.uniform(0.3, 0.7)
    _sun(scene, x, 0.42, 0.14)
    _ridge(scene, 0.55, 0.02, colours[4])
    for row in range(11):
        _ridge(scene, 0.58 + row * 0.04, 0.006 + row * 0.0012, _mix(colours[2], colours[5], row / 10))
    for row in range(16):
        y, half = (0.58 + row * 0.025) * image.height, rng.uniform(0.02, 0.1) * image.width
        draw.line(
            (x * image.width - half, y, x * image.width + half, y), fill=_mix(colours[6], colours[3], row / 20), width=max(2, image.height // 300)
        )


def waves(scene: Scene) -> None:
    _, _, _, colours = scene
    for row in range(10):
        _ridge(scene, 0.16 + row * 0.09, 0.05, _mix(colours[row % 4 + 1], colours[min(5, row // 2 + 1)], 0.5))


def skyline(scene: Scene) -> None:
    image, draw, rng, colours = scene
    width, height = image.size
    _stars(scene, 40)
    _sun(scene, rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.4), 0.12)
    for layer in range(3):
        x, colour = -0.05, colours[2 + layer]
        while x < 1:
            wide, tall = rng.uniform(0.07, 0.16), rng.uniform(0.15, 0.42) - layer * 0.05
            left, right, top = x * width, (x + wide) * width, (0.85 + layer * 0.08 - tall) * height
            draw.rectangle((left, top, right, height), fill=colour)
            if rng.random() < 0.35:
                draw.polygon([(left, top), (right, top), ((left + right) / 2, top - wide * width * 0.7)], fill=colour)
            cell = wide * width / 5
            for row in range(int((height - top) / cell / 1.6)):
                for column in (1, 2.5, 4):
                    if rng.random() < 0.4:
                        wx, wy = left + (column - 0.4) * cell, top + (row * 1.6 + 0.6) * cell
                        draw.rectangle((wx, wy, wx + cell * 0.55, wy + cell * 0.8), fill=_mix(colour, colours[6], 0.55 if layer else 0.25))
            x += wide + rng.uniform(-0.01, 0.03)


def arches(scene: Scene) -> None:
    image, draw, rng, colours = scene
    width, height = image.size
    columns = rng.choice((2, 3))
    draw.rectangle((0, 0, width, height), fill=colours[1])
    for step in range(5):
        colour, inset = _mix(colours[2], colours[5], step / 4) if step < 4 else colours[6], step * 0.055
        for column in range(columns):
            cell = width / columns
            left, right = cell * (column + 0.08 + inset), cell * (column + 0.92 - inset)
            radius, base = (right - left) / 2, height * 0.86
            top = height * (0.2 + inset * 0.7) + radius
            draw.rectangle((left, top, right, base), fill=colour)
            draw.ellipse((left, top - radius, right, top + radius), fill=colour)
    draw.rectangle((0, height * 0.86, width, height), fill=colours[4])
    draw.polygon([(0, height * 0.86), (width, height * 0.86), (width * 0.8, height), (width * 0.2, height)], fill=_mix(colours[4], colours[6], 0.3))


def _animal(scene: Scene, ears: float, tail: float) -> None:
    """A seated animal seen from behind, on a hill before a large sun."""
    image, draw, rng, colours = scene
    width, height = image.size
    x = rng.uniform(0.4, 0.6)
    _sun(scene, x + 0.05, 0.45, 0.26)
    _ridge(scene, 0.68, 0.03, colours[3])
    _ridge(scene, 0.78, 0.03, colours[4])
    unit, cx, base, ink = min(width, height) * 0.2, x * width, height * 0.8, colours[5]
    draw.ellipse((cx - unit * 0.75, base - unit * 1.5, cx + unit * 0.75, base + unit * 0.3), fill=ink)
    draw.ellipse((cx - unit * 0.52, base - unit * 2.3, cx + unit * 0.52, base - unit * 1.35), fill=ink)
    for side in (-1, 1):
        draw.polygon(
            [
                (cx + side * unit * 0.5, base - unit * 1.9),
                (cx + side * unit * 0.42, base - unit * (2.3 + ears)),
                (cx + side * unit * 0.05, base - unit * 2.2),
            ],
            fill=ink,
        )
    box = (cx + unit * 0.3, base - unit * 0.9, cx + unit * (1.2 + tail), base + unit * 0.3)
    draw.arc(box, 20, 200, fill=ink, width=int(unit * (0.18 + tail * 0.4)))
    _ridge(scene, 0.88, 0.02, ink)


def fox(scene: Scene) -> None:
    _animal(scene, 0.55, 0.7)


def cat(scene: Scene) -> None:
    _animal(scene, 0.35, 0.15)


def birds(scene: Scene) -> None:
    image, draw, rng, colours = scene
    width, height = image.size
    _sun(scene, rng.uniform(0.25, 0.75), 0.35, 0.2)
    for _ in range(rng.randint(5, 9)):
        x, y, size = rng.uniform(0.1, 0.9) * width, rng.uniform(0.12, 0.55) * height, rng.uniform(0.04, 0.11) * width
        wing = size * rng.uniform(0.3, 0.6)
        draw.polygon(
            [
                (x - size, y - wing),
                (x - size * 0.3, y - wing * 0.5),
                (x, y),
                (x + size * 0.3, y - wing * 0.5),
                (x + size, y - wing),
                (x, y + size * 0.16),
            ],
            fill=colours[5],
        )
    for layer in range(3):
        _ridge(scene, 0.7 + layer * 0.1, 0.03, colours[3 + layer])


def _table(scene: Scene) -> None:
    image, draw, _, colours = scene
    draw.rectangle((0, image.height * 0.68, image.width, image.height), fill=colours[3])
    draw.rectangle((0, image.height * 0.68, image.width, image.height * 0.69), fill=_mix(colours[3], colours[6], 0.4))


def vase(scene: Scene) -> None:
    image, draw, rng, colours = scene
    width, height = image.size
    _sun(scene, 0.7, 0.3, 0.22)
    _table(scene)
    cx, base, unit = width * rng.uniform(0.4, 0.6), height * 0.8, min(width, height) * 0.17
    for _ in range(rng.randint(5, 8)):
        dx, dy, size = rng.uniform(-1.7, 1.7) * unit, rng.uniform(2.6, 4.2) * unit, unit * rng.uniform(0.28, 0.5)
        draw.line((cx, base - unit * 1.8, cx + dx, base - dy), fill=colours[4], width=max(2, int(unit * 0.07)))
        petal = rng.choice((colours[2], colours[6], colours[1]))
        for turn in range(6):
            px, py = cx + dx + math.cos(turn * 1.047) * size * 0.7, base - dy + math.sin(turn * 1.047) * size * 0.7
            draw.ellipse((px - size * 0.5, py - size * 0.5, px + size * 0.5, py + size * 0.5), fill=petal)
        draw.ellipse((cx + dx - size * 0.4, base - dy - size * 0.4, cx + dx + size * 0.4, base - dy + size * 0.4), fill=colours[4])
    draw.ellipse((cx - unit * 1.6, base - unit * 0.1, cx + unit * 1.9, base + unit * 0.3), fill=_mix(colours[3], colours[5], 0.5))
    draw.ellipse((cx - unit, base - unit * 1.5, cx + unit, base + unit * 0.15), fill=colours[5])
    draw.polygon(
        [
            (cx - unit * 0.8, base - unit * 1.1),
            (cx + unit * 0.8, base - unit * 1.1),
            (cx + unit * 0.4, base - unit * 2),
            (cx - unit * 0.4, base - unit * 2),
        ],
        fill=colours[5],
    )
    draw.ellipse((cx - unit * 0.6, base - unit * 1.2, cx - unit * 0.35, base - unit * 0.6), fill=_mix(colours[5], colours[6], 0.35))


def fruit(scene: Scene) -> None:
    image, draw, rng, colours = scene
    width, height = image.size
    _sun(scene, 0.3, 0.28, 0.2)
    _table(scene)
    cx, base, unit = width * 0.5, height * 0.78, min(width, height) * 0.14
    for row, count in ((0, 4), (1, 3), (2, 2)):
        for at in range(count):
            x, y, tint = cx + (at - (count - 1) / 2) * unit * 1.35, base - unit * (1.2 + row * 1.05), rng.choice((colours[2], colours[6], colours[1]))
            draw.ellipse((x - unit * 0.75, y - unit * 0.75, x + unit * 0.75, y + unit * 0.75), fill=tint)
            draw.ellipse((x - unit * 0.45, y - unit * 0.5, x - unit * 0.1, y - unit * 0.15), fill=_mix(tint, (255, 255, 255), 0.5))
    draw.pieslice((cx - unit * 3.2, base - unit * 2.6, cx + unit * 3.2, base + unit * 1.6), 0, 180, fill=colours[5])
    draw.rectangle((cx - unit * 0.9, base + unit * 1.5, cx + unit * 0.9, base + unit * 1.75), fill=colours[5])


def geometric(scene: Scene) -> None:
    image, draw, rng, colours = scene
    width, height = image.size
    columns = rng.choice((3, 4))
    cell = width / columns
    for row in range(int(height / cell) + 1):
        for column in range(columns):
            x, y = column * cell, row * cell
            ground, shape = rng.sample(colours[1:], 2)
            draw.rectangle((x, y, x + cell, y + cell), fill=ground)
            form = rng.randrange(5)
            if form == 0:
                draw.ellipse((x + cell * 0.12, y + cell * 0.12, x + cell * 0.88, y + cell * 0.88), fill=shape)
            elif form == 1:
                draw.pieslice((x - cell, y - cell, x + cell, y + cell), 0, 90, fill=shape)
            elif form == 2:
                draw.polygon([(x, y + cell), (x + cell, y + cell), (x + cell, y)], fill=shape)
            elif form == 3:
                draw.pieslice((x, y + cell * 0.5, x + cell, y + cell * 1.5), 180, 360, fill=shape)
            else:
                draw.rectangle((x, y, x + cell * 0.5, y + cell), fill=shape)


def rings(scene: Scene) -> None:
    image, draw, rng, colours = scene
    for _ in range(3):
        x, y, size = rng.random() * image.width, rng.random() * image.height, rng.uniform(0.35, 0.75) * image.width
        for step in range(9):
            radius = size * (1 - step / 9)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colours[1 + step % 6])


STYLES: dict[str, Callable[[Scene], None]] = {
    style.__name__: style for style in (hills, mountains, dunes, sea, waves, skyline, arches, fox, cat, birds, vase, fruit, geometric, rings)
}  # fmt: skip


def paint(style: str, number: int, width: int, height: int) -> Image.Image:
    """The picture in the wanted size; the composition does not depend on it."""
    rng = random.Random(f"{style}:{number}")
    colours = _palette(rng)
    image = _sky(width * 2, height * 2, colours[0], colours[1])
    STYLES[style]((image, ImageDraw.Draw(image), rng, colours))
    return image.resize((width, height), Image.Resampling.BOX)


def snapped(wanted: int, native: int) -> int:
    """Civitai's width rule: up to the next step, at most 1800 and the picture's own width."""
    return max(1, min(next((step for step in WIDTHS if step >= wanted), 2200), 1800, native))


@functools.lru_cache(maxsize=256)
def encoded(style: str, number: int, native: tuple[int, int], width: int | None, parameters: str = "", form: str = "png") -> tuple[bytes, str]:
    """Bytes and content type: width None is the original (JPEG; with `parameters` PNG, or what `form` says, see told), a number a resized JPEG."""
    out = io.BytesIO()
    if width is None:
        image = paint(style, number, *native)
        if not parameters:
            image.save(out, "JPEG", quality=92)
            return out.getvalue(), "image/jpeg"
        return told.written(image, parameters, form)
    side = snapped(width, native[0])
    paint(style, number, side, max(1, round(native[1] * side / native[0]))).save(out, "JPEG", quality=85)
    return out.getvalue(), "image/jpeg"
