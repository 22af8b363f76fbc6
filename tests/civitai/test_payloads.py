"""Recorded answers of every year, and broken ones."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.civitai import images, payloads
from civitai_manager_libs.civitai.values import decode, parse_time, time_text
from civitai_manager_libs.errors import BadAnswer

HERE = Path(__file__).resolve().parent
FOLDERS = (HERE / "payloads", HERE.parent.parent / "demo" / "payloads")
FILES = {path.stem: path for folder in FOLDERS for path in sorted(folder.glob("*.json"))}
NOW = datetime.datetime(2026, 8, 15, tzinfo=datetime.timezone.utc)


def load(name: str) -> Any:
    return decode(FILES[name].read_bytes())


def models_in(raw: Any) -> list[Any]:
    if isinstance(raw, dict) and isinstance(raw.get("items"), list):
        return [one for one in raw["items"] if "modelVersions" in one]
    return [raw] if isinstance(raw, dict) and "modelVersions" in raw else []


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_recording_decodes(name: str) -> None:
    raw = load(name)
    for one in models_in(raw):
        model = payloads.model(one)
        assert model.id == one["id"] and model.name == one["name"] and model.type == one["type"]
        assert len(model.versions) == len(one["modelVersions"])
        for version, got in zip(model.versions, one["modelVersions"], strict=True):
            assert (version.id, version.model_id, version.model_name) == (got["id"], model.id, model.name)
            check_version(version, got)
    if isinstance(raw, dict) and "files" in raw and "id" in raw:
        check_version(payloads.version(raw), raw)


def check_version(version: payloads.Version, raw: dict[str, Any]) -> None:
    assert len(version.files) == len(raw.get("files") or [])
    assert {image.url for image in version.images} == {image["url"] for image in raw.get("images") or []}
    for file, got in zip(version.files, raw.get("files") or [], strict=True):
        assert file.size == round(got["sizeKB"] * 1024)
        assert file.scan in ("Success", "Danger", "Pending", "Error", "Unknown")
        told = (got.get("hashes") or {}).get("SHA256", "")
        assert file.sha256 == (told.lower() if len(told) == 64 else None)
    for image in version.images:
        assert image.nsfw_level in (0, 1, 2, 4, 8, 16, 32)
        assert image.type in ("image", "video")


def test_2023_and_its_danger() -> None:
    model = payloads.model(load("checkpoint-1"))
    files = [file for version in model.versions for file in version.files]
    assert "Danger" in {file.scan for file in files} and any(file.is_pickle for file in files)
    assert model.allow_commercial_use == ["Sell"] or isinstance(model.allow_commercial_use, list)


def test_no_versions() -> None:
    assert payloads.model(load("checkpoint-5")).versions == []


def test_by_id_lacks_keys() -> None:
    version = payloads.model(load("model-1")).versions[0]
    assert version.model_id == 215485 and version.trained_words == [] and version.primary is not None


def test_variants_of_one_name_have_labels() -> None:
    (version,) = payloads.model(load("quantvariants-1")).versions
    assert len({file.name for file in version.files}) == 1
    assert len({file.label for file in version.files}) == len(version.files) > 1


def test_label() -> None:
    raw = {"id": 1, "name": "x.safetensors", "sizeKB": 2082642.5, "metadata": {"format": "SafeTensor", "size": "pruned", "fp": "fp16"}}
    assert payloads.file(raw).label == "SafeTensor · pruned · fp16 · 2.1 GB"
    assert [payloads.human_size(size) for size in (0, 999, 1000, 999_949, 999_951, 2_000_000_000_000)] == [
        "0 B", "999 B", "1.0 KB", "999.9 KB", "1.0 MB", "2.0 TB",
    ]  # fmt: skip


def test_primary_is_no_training_data() -> None:
    raw = {
        "id": 1,
        "files": [{"id": 1, "type": "Training Data", "name": "a.zip", "primary": True}, {"id": 2, "type": "Model", "name": "a.safetensors"}],
    }
    primary = payloads.version(raw).primary
    assert primary is not None and primary.id == 2


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"name": "a.ckpt"}, True),
        ({"name": "a.PT", "metadata": {"format": "SafeTensor"}}, True),
        ({"name": "a.safetensors"}, False),
        ({"name": "a.safetensors", "metadata": {"format": "PickleTensor"}}, False),
        ({"name": "a", "metadata": {"format": "PickleTensor"}}, True),
        ({"name": "a.zip", "metadata": {"format": "Other"}}, False),
    ],
)
def test_pickles(raw: dict[str, Any], expected: bool) -> None:
    assert payloads.file(raw).is_pickle is expected


@pytest.mark.parametrize(
    ("pickle", "virus", "expected"),
    [
        ("Success", "Success", "Success"),
        ("Success", "Danger", "Danger"),
        ("Error", "Danger", "Danger"),
        ("Pending", "Success", "Pending"),
        ("Success", "Error", "Error"),
        ("Success", None, "Success"),
        (None, None, "Unknown"),
        ("New word", "Pending", "New word"),
    ],
)
def test_scan_is_the_worse(pickle: str | None, virus: str | None, expected: str) -> None:
    assert payloads.file({"pickleScanResult": pickle, "virusScanResult": virus}).scan == expected


def version_of(**fields: Any) -> payloads.Version:
    return payloads.version({"id": 1, **fields})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"availability": "Public", "paidAccess": None}, None),
        ({"earlyAccessTimeFrame": 2, "publishedAt": "2026-08-14T00:00:00.000Z"}, "2026-08-16T00:00:00.000Z"),
        ({"earlyAccessTimeFrame": 2, "createdAt": "2026-08-14T12:00:00Z"}, "2026-08-16T12:00:00.000Z"),
        ({"earlyAccessTimeFrame": 2, "publishedAt": "2023-08-14T00:00:00.000Z"}, None),
        ({"earlyAccessTimeFrame": 0, "publishedAt": "2026-08-14T00:00:00.000Z"}, None),
        ({"earlyAccessTimeFrame": 10**12, "publishedAt": "2026-08-14T00:00:00.000Z"}, None),
        ({"availability": "EarlyAccess", "earlyAccessEndsAt": "2026-08-20T10:00:00.000Z"}, "2026-08-20T10:00:00.000Z"),
        ({"availability": "EarlyAccess", "earlyAccessEndsAt": "2026-08-01T10:00:00.000Z"}, None),
        ({"availability": "EarlyAccess"}, "permanent"),
        (
            {"earlyAccessDeadline": "2026-08-23T20:55:59.248Z", "paidAccess": {"permanent": False, "endsAt": "2026-08-23T20:55:59.248Z"}},
            "2026-08-23T20:55:59.248Z",
        ),
        ({"paidAccess": {"permanent": False, "endsAt": "2026-08-01T00:00:00Z"}}, None),
        ({"paidAccess": {"permanent": True, "endsAt": None}}, "permanent"),
        ({"paidAccess": {"permanent": False, "endsAt": None}}, "permanent"),
        ({"paidAccess": {}}, None),
        ({"earlyAccessDeadline": "2026-08-15T01:00:00+02:00"}, None),
        ({"earlyAccessDeadline": "nonsense"}, None),
    ],
)
def test_early_access(fields: dict[str, Any], expected: str | None) -> None:
    assert version_of(**fields).early_access(NOW) == expected


def test_early_access_recordings() -> None:
    assert payloads.version(load("earlyaccess-4")).early_access(NOW) == "2026-08-23T20:55:59.248Z"
    for version in payloads.model(load("earlyaccess-1")).versions:
        assert version.early_access(NOW) is None
    told = [payloads.version({"id": one["versionId"], "paidAccess": one["paidAccess"]}).early_access(NOW) for one in load("paidaccess-1")]
    assert told == ["2099-05-06T10:00:00.000Z", "permanent", "permanent", "permanent", None]


def test_trained_words() -> None:
    words = ["a,", " a", "b\nc ,", "", None, 5, "x \\(y\\)", "x \\\\(y\\\\)", {"no": 1}]
    assert payloads.clean_words(words) == ["a", "b c", "5", "x \\(y\\)"]
    assert payloads.clean_words("no list") == []


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Sell", ["Sell"]),
        ("None", []),
        ("{Image,RentCivit}", ["Image", "RentCivit"]),
        (["Image"], ["Image"]),
        ([], []),
        (None, []),
        ({}, []),
        ("{}", []),
    ],
)
def test_commercial_use(raw: object, expected: list[str]) -> None:
    assert payloads.model({"id": 1, "allowCommercialUse": raw}).allow_commercial_use == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("{}", ""), (None, ""), ({}, ""), ({"username": 12345}, "12345"), ({"username": None, "image": None}, ""), ({"username": "a"}, "a"), ([], "")],
)
def test_creator(raw: object, expected: str) -> None:
    creator = payloads.model({"id": 1, "creator": raw}).creator
    assert (creator.username if creator else "") == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"nsfw": "None"}, 1),
        ({"nsfw": "Soft"}, 2),
        ({"nsfw": "X"}, 8),
        ({"nsfw": True}, 8),
        ({"nsfw": False}, 0),
        ({"nsfwLevel": 16, "nsfw": True}, 16),
        ({"nsfwLevel": "Soft", "browsingLevel": 2}, 2),
        ({}, 0),
        ({"nsfwLevel": None}, 0),
    ],
)
def test_image_levels(raw: dict[str, Any], expected: int) -> None:
    assert payloads.image({"url": "u", **raw}).nsfw_level == expected


def test_image_shapes() -> None:
    assert payloads.image({"url": "https://h/a/b.mp4"}).type == "video"
    assert payloads.image({"url": "https://h/a/b.jpeg", "type": None}).type == "image"
    assert payloads.image({"url": "u", "meta": {"id": 1, "meta": {"prompt": "x"}}}).meta == {"prompt": "x"}
    assert payloads.image({"url": "u", "meta": {"id": 1, "meta": None}}).meta is None
    assert payloads.image({"url": "u", "meta": {"prompt": "x"}}).meta == {"prompt": "x"}
    raw = {"id": 1, "images": [{"url": "a", "width": 1}, {"url": "b"}, {"url": "a", "width": 2}, {"url": None}, None, 5]}
    assert [(image.url, image.width) for image in payloads.version(raw).images] == [("a", 1), ("b", None)]


def test_broken_fields_cost_only_themselves() -> None:
    raw = {
        "id": "7",
        "name": None,
        "type": 3,
        "tags": [{"name": "a"}, "b", None, "a", {"name": None}],
        "stats": None,
        "nsfw": "maybe",
        "modelVersions": [
            None,
            {"name": "no id"},
            {
                "id": 8,
                "files": [None, "x", {"id": 9, "hashes": None, "metadata": None, "sizeKB": "12.5", "scannedAt": "2025-05-19T02:43:46.31"}],
                "images": {},
            },
        ],
    }
    model = payloads.model(raw)
    assert (model.id, model.name, model.tags, model.nsfw) == (7, "", ["a", "b"], False)
    (version,) = model.versions
    (file,) = version.files
    assert (file.id, file.size, file.sha256, file.scanned_at) == (9, 12800, None, "2025-05-19T02:43:46.310Z")


@pytest.mark.parametrize("junk", [None, True, -1, 10**30, 1.5, float("nan"), "x", [], {}, [None], {"a": None}, "\x00", [[]]])
def test_any_junk_in_any_field(junk: object) -> None:
    """Every field of recorded objects, one after the other, replaced by junk: nothing raises but for the id."""
    for name in ("model-1", "video-1", "model-version-3"):
        whole = load(name)
        read = payloads.model if "modelVersions" in whole else payloads.version
        for target in (whole, whole.get("modelVersions", [whole])[0], whole.get("modelVersions", [whole])[0]["files"][0]):
            for field in list(target):
                kept, target[field] = target[field], junk
                try:
                    read(whole)
                except BadAnswer:
                    assert field == "id" and target is whole
                target[field] = kept


@pytest.mark.parametrize("raw", [None, [], "x", {}, {"id": None}, {"id": 0}, {"id": -3}, {"id": True}])
def test_no_object_is_a_bad_answer(raw: object) -> None:
    with pytest.raises(BadAnswer):
        payloads.model(raw)
    with pytest.raises(BadAnswer):
        payloads.version(raw)


@pytest.mark.parametrize("sha", ["0" * 64, "A5F58EB1C33616...", "", None])
def test_unknown_sha256(sha: str | None) -> None:
    assert payloads.file({"hashes": {"SHA256": sha}}).sha256 is None
    assert payloads.file({"hashes": {}}).sha256 is None


def test_decode() -> None:
    assert decode(b'{"a": "x\x01\ny"}') == {"a": "x\x01\ny"}
    assert decode(b"\xef\xbb\xbf[1]") == [1]
    assert decode(b'{"a": "\\ud83d"}') == {"a": "\ufffd"}
    assert decode('{"a": "😀", "b": "\x01"}'.encode()) == {"a": "😀", "b": "\x01"}
    assert decode(b'{"seed": 123456789012345678901234567890}')["seed"] in (123456789012345678901234567890, 1.2345678901234568e29)  # type: ignore[index]
    for body in (b"", b"<html>", b'{"a": ', b"[" * 100_000):
        with pytest.raises(BadAnswer):
            decode(body)
    json.dumps(decode(b'{"a": "\\ud83d\x01"}')).encode()


def test_times() -> None:
    assert parse_time("2025-05-19T02:43:46.31") == datetime.datetime(2025, 5, 19, 2, 43, 46, 310000, datetime.timezone.utc)
    assert parse_time("2025-05-19") is not None
    moment = parse_time("2025-05-19T02:43:46+02:00")
    assert moment is not None and time_text(moment) == "2025-05-19T00:43:46.000Z"
    assert [parse_time(raw) for raw in ("", None, 5, "2025-13-01T00:00:00Z", "0001-01-01T00:00:00+10:00")] == [None] * 5


BASE = "https://image.civitai.com/xG1nkqKTMzGDvpLrqFT7WA/55fd7e4e-576b-4800-7b8a-a120e2bb2500"


@pytest.mark.parametrize("parameters", ["/original=true", "/width=450", "/width=832,optimized=true", ""])
def test_image_variants(parameters: str) -> None:
    picture, video = f"{BASE}{parameters}/1.jpeg", f"{BASE}{parameters}/1.mp4"
    assert images.sized(picture, 320) == f"{BASE}/width=320/1.jpeg" == images.still(picture, 320)
    assert images.sized(video, 450) == f"{BASE}/transcode=true,width=450/1.mp4"
    assert images.still(video, 450) == f"{BASE}/anim=false,transcode=true,width=450/1.jpeg"
    assert images.original(picture) == f"{BASE}/original=true/1.jpeg"


@pytest.mark.parametrize("url", ["https://lh3.googleusercontent.com/a/abc=s96-c", "https://h/x.png", "", "http://["])
def test_other_addresses_stay(url: str) -> None:
    assert images.sized(url, 450) == url == images.original(url)
    assert not images.is_video(url)
