"""Pictures of every kind, honest, hostile and broken."""

from __future__ import annotations

import io
import os
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from civitai_manager_libs.disk import previews
from civitai_manager_libs.errors import NotWritable
from PIL import Image, features
from support import SCRIPTS

RED, GREEN = (220, 20, 20), (20, 200, 20)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def halves(size: tuple[int, int] = (80, 40)) -> Image.Image:
    """Left red, right green."""
    image = Image.new("RGB", size, RED)
    image.paste(GREEN, (size[0] // 2, 0, *size))
    return image


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def small(data: bytes, max_side: int = 512) -> Image.Image:
    result = previews.thumbnail(data, max_side)
    assert result is not None and result[1] == "jpeg" and previews.sniff(result[0]) == "jpeg"
    return opened(result[0])


def near(color: object, expected: tuple[int, int, int]) -> bool:
    return isinstance(color, tuple) and all(abs(a - b) < 30 for a, b in zip(color, expected, strict=True))


def png(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG that claims any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(body))
        + chunk(b"IEND", b"")
    )


MP4 = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + b"\0" * 100
WEBM = b"\x1a\x45\xdf\xa3" + b"\0" * 100


def test_sniff() -> None:
    image = halves()
    for form in ("PNG", "JPEG", "WEBP", "GIF"):
        assert previews.sniff(encoded(image, form)) == form.lower()
    assert previews.sniff(MP4) == "mp4" and previews.sniff(WEBM) == "webm"
    assert (
        previews.sniff(b"\0\0\0\x18ftypmp42") == "mp4"
        and previews.sniff(b"\0\0\0\x18ftypavif") == "avif"
        and previews.sniff(b"\0\0\0\x18ftypheic") is None
    )
    for data in (b"", b"\xff", b"RIFF", b"RIFF\0\0\0\0WAVE", b"<html>", b'{"error":"x"}', b"ERROR 9425: Image access denied"):
        assert previews.sniff(data) is None


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_format_becomes_a_small_jpeg(form: str) -> None:
    if form == "WEBP" and not features.check("webp"):
        pytest.fail("Pillow has no WebP here.")
    image = small(encoded(halves((1600, 800)), form))
    assert image.size == (512, 256) and image.mode == "RGB"
    assert near(image.getpixel((100, 100)), RED) and near(image.getpixel((400, 100)), GREEN)


def test_avif_when_pillow_can() -> None:
    if "AVIF" not in Image.registered_extensions().values():
        assert previews.thumbnail(b"\0\0\0\x18ftypavif" + b"\0" * 50) is None
        return
    data = encoded(halves((1600, 800)), "AVIF")
    assert previews.sniff(data) == "avif" and small(data).size == (512, 256)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "I", "I;16", "F"])
def test_every_mode(mode: str) -> None:
    source = halves()
    if mode == "I;16":
        image = source.convert("L").convert("I").point(lambda value: value * 257 + 0).convert("I;16")
    elif mode in ("F", "I"):
        image = source.convert("L").convert(mode)
    else:
        image = source.convert(mode)
    form = "JPEG" if mode == "YCbCr" else "TIFF" if mode in ("CMYK", "F", "I") else "PNG"
    assert small(encoded(image, form)).size == (80, 40)
    if mode == "CMYK":
        assert near(small(encoded(image, "JPEG")).getpixel((10, 10)), RED)


def test_sixteen_bits_keep_their_brightness() -> None:
    image = Image.new("I", (60, 20), 0)
    image.paste(30000, (20, 0, 40, 20))
    image.paste(65535, (40, 0, 60, 20))
    thumb = small(encoded(image.convert("I;16"), "PNG"))
    assert (
        near(thumb.getpixel((8, 10)), (0, 0, 0))
        and near(thumb.getpixel((30, 10)), (117, 117, 117))
        and near(thumb.getpixel((52, 10)), (255, 255, 255))
    )


def test_transparency_lies_on_grey() -> None:
    for image in (Image.new("RGBA", (40, 40), (255, 0, 0, 0)), Image.new("LA", (40, 40), (255, 0))):
        assert near(small(encoded(image, "PNG")).getpixel((20, 20)), (128, 128, 128))
    palette = Image.new("P", (40, 40), 3)
    palette.putpalette([0, 0, 0] * 3 + [255, 0, 0] + [0, 0, 0] * 252)
    assert near(small(encoded(palette, "GIF", transparency=3)).getpixel((20, 20)), (128, 128, 128))


@pytest.mark.parametrize("orientation", range(0, 10))
def test_exif_orientation(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = small(encoded(halves(), "JPEG", exif=exif))
    upright = {2: (70, 20), 3: (70, 20), 5: (20, 10), 6: (20, 10), 7: (20, 70), 8: (20, 70)}
    assert image.size == ((40, 80) if orientation in (5, 6, 7, 8) else (80, 40))
    assert near(image.getpixel(upright.get(orientation, (10, 20))), RED), orientation
    assert not image.getexif()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_is_ignored() -> None:
    assert small(encoded(halves(), "JPEG", exif=b"Exif\0\0MM\0*garbage" + b"\xff" * 50)).size == (80, 40)


def test_the_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (40, 40), color) for color in (RED, GREEN)]
    for form in ("GIF", "WEBP", "PNG"):
        data = encoded(frames[0], form, save_all=True, append_images=frames[1:], duration=100)
        assert near(small(data).getpixel((20, 20)), RED), form


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (512, 512), (513, 2)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    thumb = small(encoded(Image.new("RGB", size, RED), "PNG"))
    assert max(thumb.size) <= 512 and min(thumb.size) >= 1
    assert max(small(encoded(Image.new("RGB", size, RED), "JPEG"), 64).size) <= 64


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bombs_are_refused_before_they_are_decoded() -> None:
    limit = Image.MAX_IMAGE_PIXELS
    for width, height in ((10_000, 10_000), (100_000, 100_000), (2**31 - 1, 2**31 - 1), (60_000_001, 1)):
        assert previews.thumbnail(png(width, height)) is None
    assert limit == Image.MAX_IMAGE_PIXELS


def test_broken_pictures_are_none() -> None:
    rng = random.Random(1)
    whole = [encoded(halves((200, 100)), form) for form in ("PNG", "JPEG", "WEBP", "GIF")]
    for data in (
        b"",
        b"x",
        MP4,
        WEBM,
        b"<html>",
        png(50, 50),
        png(0, 0),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        *(data[:30] for data in whole),
    ):
        assert previews.thumbnail(data) is None
    for data in whole:
        for _ in range(40):
            damaged = bytearray(data[: rng.randint(20, len(data))])
            for _ in range(rng.randint(1, 20)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            result = previews.thumbnail(bytes(damaged))
            assert result is None or opened(result[0]).size


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tmp_path / "x.v1.safetensors"


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_preview_has_its_true_extension(model: Path, form: str) -> None:
    data = encoded(halves(), form)
    path = previews.write_beside(model, data)
    assert path == model.with_name(f"x.v1.preview.{form.lower()}") and path.read_bytes() == data
    assert previews.write_beside(model, encoded(halves((8, 8)), "PNG")) is None and len(list(model.parent.iterdir())) == 1


@pytest.mark.parametrize("suffix", previews.WEBUI_SUFFIXES)
def test_an_existing_preview_stays(model: Path, suffix: str) -> None:
    existing = model.with_name("x.v1" + suffix)
    existing.write_bytes(b"the user's")
    assert previews.has_webui_preview(model)
    assert previews.write_beside(model, encoded(halves(), "PNG")) is None
    assert existing.read_bytes() == b"the user's" and len(list(model.parent.iterdir())) == 1


def test_what_the_webui_cannot_show_is_not_written(model: Path) -> None:
    for data in (MP4, WEBM, b"", b"<html>", encoded(halves(), "BMP")):
        assert previews.write_beside(model, data) is None
    assert not list(model.parent.iterdir())


def test_avif_is_converted_when_pillow_can(model: Path) -> None:
    can = "AVIF" in Image.registered_extensions().values()
    path = previews.write_beside(model, encoded(halves(), "AVIF") if can else b"\0\0\0\x18ftypavif" + b"\0" * 50)
    assert (path == model.with_name("x.v1.preview.jpeg")) if can else path is None


def test_unwritable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotWritable):
        previews.write_beside(tmp_path / "file" / "x.pt", encoded(halves(), "PNG"))


def test_importing_needs_no_pillow() -> None:
    """The host starts quietly: Pillow is loaded with the first picture."""
    import sys

    scripts = str(Path(__file__).resolve().parents[2] / "scripts")
    code = f"import sys; sys.path.insert(0, {scripts!r}); import civitai_manager_libs.disk.previews; assert 'PIL' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def jpeg(size: tuple[int, int], **options: object) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(out, "JPEG", **options)
    return out.getvalue()


def test_a_jpeg_of_thumbnail_size_is_kept_as_it_came() -> None:
    data = jpeg((200, 300))
    assert previews.thumbnail(data, 300) == (data, "jpeg")


def test_a_broken_jpeg_of_thumbnail_size_is_noticed() -> None:
    data = jpeg((200, 300))
    assert previews.thumbnail(data[: len(data) // 2], 300) is None


def test_a_jpeg_that_says_more_than_its_picture_is_packed_anew() -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    made = previews.thumbnail(jpeg((200, 300), exif=exif), 300)
    assert made is not None and b"secret place" not in made[0]


GREEDY = {
    "16 bits": ("I;16", (7700, 7700), "PNG", {}, False),
    "16 bits within the limit": ("I;16", (3990, 3990), "PNG", {}, True),
    "transparent": ("RGBA", (7700, 7700), "PNG", {}, False),
    "transparent within the limit": ("RGBA", (3990, 3990), "PNG", {}, True),
    "grey and transparent within the limit": ("LA", (3990, 3990), "PNG", {}, True),
    "a drafted JPEG": ("RGB", (7700, 7700), "JPEG", {}, True),
    "a progressive JPEG": ("RGB", (7700, 7700), "JPEG", {"progressive": True}, False),
    "a long JPEG that cannot be drafted": ("RGB", (60000, 900), "JPEG", {}, False),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak where Linux tells it")
@pytest.mark.parametrize(("mode", "size", "form", "options", "shown"), GREEDY.values(), ids=GREEDY)
def test_a_small_file_cannot_take_much_memory(
    tmp_path: Path, mode: str, size: tuple[int, int], form: str, options: dict[str, bool], shown: bool
) -> None:
    """Four at once, as a registration does; measured in a process of its own."""
    (tmp_path / "picture").write_bytes(encoded(Image.new(mode, size), form, **options))
    program = """
import re, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from civitai_manager_libs.disk import previews
from PIL import Image
Image.init()
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
data = Path(sys.argv[1]).read_bytes()
before = peak()
with ThreadPoolExecutor(4) as pool: made = list(pool.map(previews.thumbnail, [data] * 4))
print(sum(map(bool, made)), round(peak() - before))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "picture")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env={**os.environ, "PYTHONPATH": str(SCRIPTS)})
    made, mebibytes = map(int, done.stdout.split())
    assert (made == 4) is shown and mebibytes < 220, done.stdout
