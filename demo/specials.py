"""The demo's special cases: one model for each thing that Civitai's data does and that a client may trip over.

Every case is a function named as in SPECIAL; its numbers follow from its place in CASES, so new cases are added at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from . import told
from .build import Json, iso, make_file, make_image, make_model, make_version
from .files import Content


class Case(NamedTuple):
    """Where to find a special case: its model, its first version and that version's first file (ids exist also when the case hides them)."""

    model_id: int
    version_id: int
    file_id: int


def case(at: int) -> Case:
    return Case(4_000_000 + at, 4_001_000 + at * 10, 4_010_000 + at * 100)


def simple(
    at: int,
    name: str,
    type: str = "LORA",
    *,
    files: list[Json] | None = None,
    images: list[Json] | None = None,
    version: Json | None = None,
    **more: Any,
) -> Json:
    """A model with one version; `version` overrides that version's keys, `more` the model's."""
    ids = case(at)
    files = [make_file(ids.file_id, name.replace(" ", "") + ".safetensors")] if files is None else files
    images = [make_image(149_000_000 + at * 100 + n, ("hills", "geometric", "sea")[n]) for n in range(2)] if images is None else images
    made = make_version(ids.version_id, "v1.0", files, images)
    made.update(version or {})
    return make_model(ids.model_id, name, type, [made], **more)


def variants_same_name(at: int) -> Json:
    """Four precisions under one file name, as Civitai really lists them."""
    start = case(at).file_id
    files = [
        make_file(
            start + n,
            "cobaltHarbour_v10.safetensors",
            size=80_000 + n * 9000,
            metadata={"format": "SafeTensor", "size": "full", "fp": fp},
            _upload=f"cobalt_{fp}.safetensors",
        )
        for n, fp in enumerate(("fp16", "fp8", "bf16", "nvfp4"))
    ]
    return simple(at, "Cobalt Harbour Variants", "Checkpoint", files=files)


def vae_beside(at: int) -> Json:
    """A checkpoint with a linked VAE of another model's version: its URL stays ?type=VAE."""
    start = case(at).file_id
    files = [
        make_file(start, "linenMorning_v10.safetensors", metadata={"format": "SafeTensor", "size": "pruned", "fp": "fp16"}),
        make_file(start + 1, "linenMorning.vae.safetensors", type="VAE", _linked=True),
    ]
    return simple(at, "Linen Morning with VAE", "Checkpoint", files=files, version={"vaeId": case(at).version_id + 5})


def config_yaml(at: int) -> Json:
    """A checkpoint that needs its .yaml beside it."""
    start = case(at).file_id
    files = [make_file(start, "clayBridge_v10.safetensors"), make_file(start + 1, "clayBridge_v10.yaml", kind="text", size=700, type="Config")]
    return simple(at, "Clay Bridge with Config", "Checkpoint", files=files, version={"baseModel": "SD 2.1 768"})


def training_data_first(at: int) -> Json:
    """The first file is the training data; the model comes second and is primary."""
    start = case(at).file_id
    files = [
        make_file(start, "featherOtter_trainingData.zip", kind="zip", size=20_000, type="Training Data"),
        make_file(start + 1, "featherOtter.safetensors"),
    ]
    return simple(at, "Feather Otter", files=files)


def pickle_safe(at: int) -> Json:
    """A pickle that Civitai's scan passed."""
    message = "**Detected Pickle imports (2)**\n```\ncollections.OrderedDict\ntorch._utils._rebuild_tensor_v2\n```"
    return simple(
        at,
        "Copper Rooftops Pickle",
        "Checkpoint",
        files=[make_file(case(at).file_id, "copperRooftops.ckpt", kind="pickle", pickleScanMessage=message)],
    )


def pickle_danger(at: int) -> Json:
    """A pickle that Civitai's scan calls dangerous, and still serves. (Ours is an empty dictionary.)"""
    message = "**Detected Pickle imports (2)**\n*Dangerous import detected*\n```\n*os.system*\ncollections.OrderedDict\n```"
    file = make_file(case(at).file_id, "tidalPrism.pt", kind="pickle", pickleScanResult="Danger", pickleScanMessage=message)
    return simple(at, "Tidal Prism Danger", "TextualInversion", files=[file], version={"trainedWords": ["tidalPrism"]})


def pending_scan(at: int) -> Json:
    """Just uploaded: no scan, no hashes."""
    pending: Json = {"pickleScanResult": "Pending", "virusScanResult": "Pending", "scannedAt": None, "_hashes": {}}
    return simple(at, "Fresh Willow", files=[make_file(case(at).file_id, "freshWillow.safetensors", **pending)])


def archive_zip(at: int) -> Json:
    """Poses in a zip archive that is the primary file."""
    return simple(at, "Garden Walk Poses", "Poses", files=[make_file(case(at).file_id, "gardenWalk.zip", kind="zip", size=40_000, type="Archive")])


def _gated(at: int, name: str, ends: str | None, permanent: bool = False) -> Json:
    extra: Json = {"paidAccess": {"permanent": permanent, "endsAt": ends}}
    if ends:
        extra["earlyAccessDeadline"] = ends
    return simple(at, name, version=extra)


def early_access(at: int) -> Json:
    """Early access until 2099: 401 without a key, 403 with one."""
    return _gated(at, "Saffron Dawn Early", "2099-05-06T10:00:00.000Z")


def early_access_permanent(at: int) -> Json:
    """Paid for ever."""
    return _gated(at, "Saffron Dawn Patron", None, True)


def early_access_unknown_end(at: int) -> Json:
    """Gated, with no end announced."""
    return _gated(at, "Saffron Dawn Soon", None)


def early_access_ended(at: int) -> Json:
    """Was early access; its end has passed, so it downloads."""
    return simple(
        at,
        "Saffron Dawn Free",
        version={"earlyAccessDeadline": "2025-01-01T00:00:00.000Z", "paidAccess": {"permanent": False, "endsAt": "2025-01-01T00:00:00.000Z"}},
    )


def generation_only(at: int) -> Json:
    """The creator disabled downloads: 401 for everybody."""
    return simple(at, "Studio Only", version={"_usage": "Generation", "supportsGeneration": True})


def archived(at: int) -> Json:
    """Archived: no files, no URL, 410."""
    return simple(at, "Old Observatory", files=[], mode="Archived")


def taken_down(at: int) -> Json:
    """Taken down: no pictures."""
    return simple(at, "Hidden Pavilion", mode="TakenDown")


def no_versions(at: int) -> Json:
    """A model without versions."""
    return make_model(case(at).model_id, "Empty Frame", "Checkpoint", [])


def no_creator(at: int) -> Json:
    """The creator's account is gone: no such key."""
    return simple(at, "Orphan Heron", creator={})


def no_description(at: int) -> Json:
    """Description null, the creator's name and picture null."""
    return simple(at, "Wordless Meadow", description=None, creator={"username": None, "image": None})


MALICIOUS = (
    "../../evil.safetensors", "..\\..\\evil2.safetensors", "C:\\x.safetensors", "CON.safetensors", "nul\x00byte.safetensors",
    "/etc/evil.safetensors", "long" * 120 + ".safetensors",
    "\U0001f98a fox \U0001f33f.safetensors", "水彩風景_柔らかい光.safetensors", "gpj.\u202esrotcnetefas.safetensors",
    "trailing dots... .safetensors.",
    "new\nline.safetensors",
    "quote\"semi;colon'.safetensors", "", ".hidden", "a:b|c?d*e<f>.safetensors", "~/.ssh/authorized_keys", "100%41.safetensors",
)  # fmt: skip


def malicious_names(at: int) -> Json:
    """Eighteen files with names that must never leave their folder (MALICIOUS, in order)."""
    return simple(
        at, "Odd Names/..", "LORA", files=[make_file(case(at).file_id + n, name, title="odd name", size=20_000) for n, name in enumerate(MALICIOUS)]
    )


def unrated(at: int) -> Json:
    """nsfwLevel 0: listed by /models/:id, 404 at /model-versions/:id."""
    images = [make_image(149_000_000 + at * 100, "dunes", level=0)]
    return simple(at, "Unrated Dunes", images=images, version={"nsfwLevel": 0}, nsfwLevel=0)


def control_characters(at: int) -> Json:
    """Raw control characters inside the JSON strings (the private-use letters become them when sent)."""
    return simple(at, "Bell\ue007 and\ue001 Tab\ue009", description="<p>One\ue00btwo\ue00athree</p>")


def digit_username(at: int) -> Json:
    """An all-digit user name, sent as a JSON number."""
    return simple(at, "Number Painter", creator={"username": 20260901, "image": None})


def null_stats(at: int) -> Json:
    """Counts hidden by the creator, and no date of publication."""
    hidden = {"downloadCount": None, "thumbsUpCount": None, "thumbsDownCount": None}
    return simple(
        at, "Quiet Counter", version={"stats": hidden, "publishedAt": None}, stats={**hidden, "commentCount": None, "tippedAmountCount": None}
    )


def video_preview(at: int) -> Json:
    """The first preview is a video, the second a picture."""
    images = [make_image(149_000_000 + at * 100, "sea", size=(320, 480), type="video"), make_image(149_000_001 + at * 100, "sea")]
    return simple(at, "Tidal Motion", "MotionModule", images=images)


def only_video(at: int) -> Json:
    """Nothing but a video."""
    return simple(at, "Drifting Film", images=[make_image(149_000_000 + at * 100, "sea", size=(320, 480), type="video")])


def broken_image(at: int) -> Json:
    """The first picture is cut off and damaged, the second is whole."""
    return simple(
        at, "Torn Postcard", images=[make_image(149_000_000 + at * 100, "rings", _fate="broken"), make_image(149_000_001 + at * 100, "rings")]
    )


def missing_image(at: int) -> Json:
    """The only picture answers 404."""
    return simple(at, "Lost Postcard", images=[make_image(149_000_000 + at * 100, "rings", _fate="missing")])


def hostile_description(at: int) -> Json:
    """Everything that must be cleaned before a page shows it."""
    text = (
        "<h1>Prompt Weaver</h1><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
        '<iframe src="javascript:alert(1)"></iframe><a href="javascript:document.title=1">link</a>'
        '<p style="position:fixed;inset:0;background:red" onclick="document.title=2">Style</p><style>body{display:none}</style>'
        '<svg onload="document.title=3"></svg><img src="https://example.org/pixel.png">'
        '<p>Plain text <strong>stays</strong>. &lt;lora:x:1&gt;</p><form action="/"><button>Go</button></form>'
    )
    words = ["<script>document.title='owned'</script>", '"><img src=x onerror=document.title=4>']
    return simple(
        at,
        'Prompt <b onmouseover="document.title=5">Weaver</b>',
        description=text,
        version={"trainedWords": words, "description": text},
        tags=["<i>tag</i>"],
    )


BIG = Content(1, 4 << 30, "safetensors", "four gibibytes")


def big_file(at: int) -> Json:
    """A file of exactly 4 GiB, for benchmarks and space checks."""
    return simple(at, "Mountain of Data", "Checkpoint", files=[make_file(case(at).file_id, "mountainOfData.safetensors", _content=BIG)])


def medium_file(at: int) -> Json:
    """64 MiB, for stopping and resuming."""
    return simple(at, "Hill of Data", "Checkpoint", files=[make_file(case(at).file_id, "hillOfData.safetensors", size=64 << 20)])


def only_config(at: int) -> Json:
    """No model file, only a configuration."""
    return simple(
        at, "Depth Settings", "Controlnet", files=[make_file(case(at).file_id, "depth_settings.yaml", kind="text", size=500, type="Config")]
    )


def only_negative(at: int) -> Json:
    """The only file is a negative embedding."""
    file = make_file(case(at).file_id, "plain_hands.pt", kind="pickle", type="Negative", size=25_000)
    return simple(at, "Plain Hands Negative", "TextualInversion", files=[file], version={"trainedWords": ["plain_hands"]})


def no_disposition(at: int) -> Json:
    """The storage sends no Content-Disposition."""
    return simple(at, "Nameless Parcel", files=[make_file(case(at).file_id, "namelessParcel.safetensors", _disposition=False)])


def real_person(at: int) -> Json:
    """Depicts a real person: hidden from lists, 404 on download."""
    return simple(at, "Town Mayor Portrait", poi=True, _listed=False)


def deleted(at: int) -> Json:
    """Deleted: 404 everywhere."""
    return simple(at, "Gone", _found=False, _listed=False)


def many_versions(at: int) -> Json:
    """Forty versions; their ids lie beside the scheme (4_009_000 and up after the first)."""
    ids, versions = case(at), []
    for n in range(40):
        number = ids.version_id if n == 0 else 4_009_000 + n
        versions.append(
            make_version(
                number,
                f"v{40 - n}",
                [make_file(ids.file_id + n, f"longRoad_v{40 - n}.safetensors", size=20_000)],
                [make_image(149_000_000 + at * 100 + n, "hills")],
            )
        )
    return make_model(ids.model_id, "Long Road", "LORA", versions)


def wrong_hash(at: int) -> Json:
    """The hashes in the answers belong to an older upload than the bytes that are served."""
    file = make_file(case(at).file_id, "staleBread.safetensors")
    return simple(at, "Stale Bread", files=[{**file, "_hashes": replace(file["_content"], revision=99)}])


def adult(at: int) -> Json:
    """Declared adult, level XXX (the picture is an abstract one): left out without nsfw=true."""
    return simple(at, "Curtained Gallery", images=[make_image(149_000_000 + at * 100, "rings", level=16)], nsfw=True)


def duplicate_bytes(at: int) -> Json:
    """The same bytes as `original_bytes`, uploaded later by another person."""
    return simple(
        at,
        "Twin Ponds Copy",
        files=[make_file(case(at).file_id, "twinPondsCopy.safetensors", _content=Content(2, 70_000, "safetensors", "twin"))],
        version={"publishedAt": iso(3)},
    )


def original_bytes(at: int) -> Json:
    """The older upload: by-hash must name this one."""
    return simple(
        at,
        "Twin Ponds",
        files=[make_file(case(at).file_id, "twinPonds.safetensors", _content=Content(2, 70_000, "safetensors", "twin"))],
        version={"publishedAt": iso(300)},
    )


def no_files(at: int) -> Json:
    """A version without files: "Missing model file"."""
    return simple(at, "Empty Basket", files=[])


def odd_trained_words(at: int) -> Json:
    """Trigger words with commas, newlines, escapes, duplicates and a LoRA tag."""
    found = [
        "linen,",
        "linen,",
        "soft\nlight",
        "harbour \\(evening\\)",
        "<lora:linen:0.8>",
        "a whole prompt, with commas, and (weights:1.2)",
        "",
        "ü水",
    ]
    return simple(at, "Talkative Linen", version={"trainedWords": found})


def unknown_kinds(at: int) -> Json:
    """Types and base models that no client knows yet."""
    file = make_file(case(at).file_id, "hologram.holo", type="Hologram", metadata={"format": "HoloTensor", "fp": "fp2", "depth": 7})
    return simple(
        at,
        "Hologram Kit",
        "Hologram",
        files=[file],
        version={"baseModel": "Future 9", "availability": "Sometimes", "newKey": {"x": 1}},
        anotherNewKey=[1, 2],
    )


def gguf_variants(at: int) -> Json:
    """One name, several quantisations."""
    start = case(at).file_id
    kinds = enumerate(("Q8_0", "Q5_K_M", "Q4_K_M"))
    files = [
        make_file(start + n, "gentleFlux.gguf", kind="gguf", size=90_000 - n * 9000, metadata={"format": "GGUF", "quantType": q}) for n, q in kinds
    ]
    return simple(at, "Gentle Flux GGUF", "Checkpoint", files=files, version={"baseModel": "Flux.1 D"})


def unsignable(at: int) -> Json:
    """Listed, but the storage has lost it: 404 "File not found" with a key."""
    return simple(at, "Lost Parcel", files=[make_file(case(at).file_id, "lostParcel.safetensors", _signable=False)])


def huge_text(at: int) -> Json:
    """A description of some 400 KB and a name in many scripts."""
    return simple(at, "Πρωί · 朝の光 · صباح · 🌄 ", description="<p>" + "A long walk along the river. " * 14_000 + "</p>")


def big_zip(at: int) -> Json:
    """Wildcards in a zip, with the training data, to be stored in folders of their own."""
    return simple(at, "Colour Wildcards", "Wildcards", files=[make_file(case(at).file_id, "colours.zip", kind="zip", size=90_000, type="Archive")])


def told_in_files(at: int) -> Json:
    """Pictures whose data are in their own files, in every form (see told.WAYS)."""
    return simple(at, "Linen Sail Logbook", images=told.images(149_000_000 + at * 100))


CASES: tuple[Callable[[int], Json], ...] = (
    variants_same_name, vae_beside, config_yaml, training_data_first, pickle_safe, pickle_danger, pending_scan, archive_zip, early_access,
    early_access_permanent,
    early_access_unknown_end, early_access_ended, generation_only, archived, taken_down, no_versions, no_creator, no_description, malicious_names,
    unrated, control_characters,
    digit_username, null_stats, video_preview, only_video, broken_image, missing_image, hostile_description, big_file, medium_file, only_config,
    only_negative, no_disposition,
    real_person, deleted, many_versions, wrong_hash, adult, duplicate_bytes, original_bytes, no_files, odd_trained_words, unknown_kinds,
    gguf_variants, unsignable, huge_text, big_zip, told_in_files,
)  # fmt: skip
SPECIAL: dict[str, Case] = {make.__name__: case(at) for at, make in enumerate(CASES)}


def all_specials() -> list[Json]:
    """Every special model in full form."""
    return [make(at) for at, make in enumerate(CASES)]
