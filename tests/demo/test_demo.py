"""The demo Civitai, asked over real connections: every quirk that the product is built against."""

from __future__ import annotations

import hashlib
import io
import json
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from PIL import Image

from demo import build, files
from demo.catalogue import FIRST, MALICIOUS, SPECIAL, Catalogue
from demo.server import KEY, DemoServer
from demo.words import MODEL_TYPES

BEARER = {"Authorization": f"Bearer {KEY}"}
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with DemoServer(models=60) as demo:
        yield demo


@pytest.fixture
def demo(server: DemoServer) -> Iterator[DemoServer]:
    server.clear_faults()
    server.forget()
    yield server
    server.clear_faults()


def get(demo: DemoServer, path: str, **options: Any) -> requests.Response:
    return requests.get(path if path.startswith("http") else demo.url + path, timeout=10, **options)


def api(demo: DemoServer, path: str, **options: Any) -> Any:
    answer = get(demo, "/api/v1" + path, **options)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.content, strict=False)


def link(demo: DemoServer, name: str = "many_versions", **headers: str) -> str:
    """The signed link of a special case's first file."""
    case = SPECIAL[name]
    answer = get(demo, f"/api/download/models/{case.version_id}?fileId={case.file_id}", headers={**BEARER, **headers}, allow_redirects=False)
    assert answer.status_code == 307, answer.text
    return answer.headers["Location"]


def truth(demo: DemoServer, name: str) -> bytes:
    found = demo.catalogue.file(SPECIAL[name].file_id)
    assert found
    return files.read(found[1]["_content"])


# Data


def test_ten_thousand_models_start_at_once() -> None:
    start = time.monotonic()
    with DemoServer(models=10_000) as demo:
        assert time.monotonic() - start < 1.5
        assert api(demo, f"/models/{build.GENERATED_MODEL + 9999}")["id"] == build.GENERATED_MODEL + 9999
        listed = api(demo, "/models?limit=100&nsfw=true&ids=" + ",".join(str(build.GENERATED_MODEL + n * 99) for n in range(100)))
        assert len(listed["items"]) == 100
        assert time.monotonic() - start < 6


def test_the_same_seed_gives_the_same_models() -> None:
    first, second, other = (Catalogue(60, seed) for seed in (1, 1, 2))
    assert first.model(FIRST[7]) == second.model(FIRST[7]) != other.model(FIRST[7])


def test_things_happen_to_models_while_it_runs() -> None:
    with DemoServer(models=20, seed=4) as demo:
        number = build.GENERATED_MODEL + 2
        before = api(demo, f"/models/{number}")
        version = demo.catalogue.publish(number, "v9.0", early_until="2999-01-01T00:00:00.000Z", notes="<p>New.</p>")
        after = api(demo, f"/models/{number}")
        assert [one["id"] for one in after["modelVersions"]] == [version["id"], *(one["id"] for one in before["modelVersions"])]
        assert after["modelVersions"][0]["paidAccess"]["endsAt"] == after["modelVersions"][0]["earlyAccessDeadline"] == "2999-01-01T00:00:00.000Z"
        assert api(demo, f"/model-versions/{version['id']}")["modelId"] == number
        file = after["modelVersions"][0]["files"][0]
        assert api(demo, f"/model-versions/by-hash/{file['hashes']['SHA256']}")["id"] == version["id"]
        other = demo.catalogue.publish(number + 1, "v9.0")
        body = get(demo, api(demo, f"/model-versions/{other['id']}")["files"][0]["downloadUrl"], headers=BEARER).content
        assert hashlib.sha256(body).hexdigest().upper() == api(demo, f"/models/{number + 1}")["modelVersions"][0]["files"][0]["hashes"]["SHA256"]
        demo.catalogue.unlisted.add(number)
        demo.catalogue.remove(number + 1)
        assert api(demo, f"/models?nsfw=true&ids={number},{number + 1},{number + 2}")["items"][0]["id"] == number + 2
        assert api(demo, f"/models/{number}")["id"] == number and get(demo, f"/api/v1/models/{number + 1}").status_code == 404


def test_every_type_and_unique_numbers(server: DemoServer) -> None:
    models = [server.catalogue.model(build.GENERATED_MODEL + n) for n in range(40)]
    assert {model["type"] for model in models if model} == set(MODEL_TYPES)
    everything = [model for model in models if model] + list(server.catalogue.fixed.values())
    for numbers in (
        [version["id"] for model in everything for version in model["modelVersions"]],
        [file["id"] for model in everything for version in model["modelVersions"] for file in version["files"]],
        [image["id"] for model in everything for version in model["modelVersions"] for image in version["images"]],
    ):
        assert len(numbers) == len(set(numbers))
    assert all(server.catalogue.file(file["id"]) for model in everything for version in model["modelVersions"] for file in version["files"])


def test_index_entries_agree_with_full_models(server: DemoServer) -> None:
    for entry in server.catalogue.index:
        model = server.catalogue.model(entry["id"])
        assert model and (model["name"], model["type"], model["tags"]) == (entry["name"], entry["type"], entry["tags"])
        assert set(model["baseModels"]) == set(entry["bases"])


def test_hashes_are_those_of_the_bytes(demo: DemoServer) -> None:
    file = api(demo, f"/models/{build.GENERATED_MODEL + 1}")["modelVersions"][0]["files"][0]
    body = get(demo, file["downloadUrl"], headers=BEARER).content
    sha = hashlib.sha256(body).hexdigest().upper()
    assert len(body) == round(file["sizeKB"] * 1024)
    assert (file["hashes"]["SHA256"], file["hashes"]["AutoV2"], file["hashes"]["SHA256_12"]) == (sha, sha[:10], sha[:12])
    header = int.from_bytes(body[:8], "little")
    assert file["hashes"]["AutoV3"] == hashlib.sha256(body[8 + header :]).hexdigest()[:12].upper()
    assert file["hashes"]["CRC32"] == zlib.crc32(body).to_bytes(4, "little").hex().upper()
    tensors = json.loads(body[8 : 8 + header])
    assert max(part["data_offsets"][1] for name, part in tensors.items() if name != "__metadata__") == len(body) - 8 - header


def test_autov1_of_files_from_two_mebibytes() -> None:
    content = files.Content(77, 3 << 20)
    body = files.read(content)
    assert files.hashes(content)["AutoV1"] == hashlib.sha256(body[0x100000:0x110000]).hexdigest()[:8].upper()
    assert "AutoV1" not in files.hashes(files.Content(77, 1 << 20))
    assert b"".join(files.data(content, 1_048_000, 2_099_999)) == body[1_048_000:2_099_999]


# Models and versions


def test_three_shapes(demo: DemoServer) -> None:
    number = SPECIAL["no_description"].model_id
    full = api(demo, f"/models/{number}")["modelVersions"][0]
    assert not {"description", "trainedWords", "paidAccess", "vaeId", "supportsGeneration"} & set(full)
    assert {"covered", "createdAt", "status"} <= set(full)
    assert (
        "id" not in full["images"][0]
        and full["files"][0]["pickleScanMessage"] is None
        and full["files"][0]["downloadUrl"].endswith(f"?fileId={full['files'][0]['id']}")
    )
    listed = api(demo, f"/models?ids={number}")["items"][0]["modelVersions"][0]
    assert (
        listed["description"] is None
        and listed["trainedWords"] == []
        and "id" in listed["images"][0]
        and "?" not in listed["files"][0]["downloadUrl"]
    )
    version = api(demo, f"/model-versions/{full['id']}")
    assert version["modelId"] == number and version["air"].endswith(f"{number}@{full['id']}") and "overrideName" not in version["files"][0]
    assert version["files"][0]["scannedAt"] == "2026-08-25T10:11:12.345" and "meta" in version["images"][0] and version["usageControl"] == "Download"


def test_primary_on_every_file_of_a_version(demo: DemoServer) -> None:
    case = SPECIAL["variants_same_name"]
    version = api(demo, f"/model-versions/{case.version_id}")
    assert [file["primary"] for file in version["files"]] == [True, False, False, False]
    assert len({file["name"] for file in version["files"]}) == 1 and len({file["hashes"]["SHA256"] for file in version["files"]}) == 4
    assert api(demo, f"/model-versions/mini/{case.version_id}?modelFileId={case.file_id + 2}")["fileName"] == "cobalt_bf16.safetensors"
    listed = api(demo, f"/models?ids={case.model_id}&primaryFileOnly=true")["items"][0]
    assert len(listed["modelVersions"][0]["files"]) == 1


def test_linked_vae_keeps_its_url(demo: DemoServer) -> None:
    case = SPECIAL["vae_beside"]
    assert api(demo, f"/models/{case.model_id}")["modelVersions"][0]["files"][1]["downloadUrl"].endswith("?type=VAE&format=SafeTensor")
    vae = api(demo, f"/model-versions/{case.version_id}")["files"][1]
    assert vae["downloadUrl"].endswith("?type=VAE")
    assert hashlib.sha256(get(demo, vae["downloadUrl"], headers=BEARER).content).hexdigest().upper() == vae["hashes"]["SHA256"]


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/models/999999999", 404, "No model with id 999999999"),
        (f"/models/{SPECIAL['deleted'].model_id}", 404, f"No model with id {SPECIAL['deleted'].model_id}"),
        ("/models/abc", 400, "✖ Invalid input: expected number, received NaN\n  → at id"),
        ("/models/2147483648", 400, "✖ Too big: expected number to be <=2147483647\n  → at id"),
        ("/model-versions/999999999", 404, "Model not found"),
        ("/model-versions/99999999999", 500, "Failed to fetch model version details"),
        (f"/model-versions/{SPECIAL['unrated'].version_id}", 404, "Model not found"),
        (f"/model-versions/{SPECIAL['no_files'].version_id}", 404, "Missing model file"),
        ("/model-versions/by-hash/0123456789", 404, "Model not found"),
        ("/models?page=11&limit=100", 429, "You've requested too many pages, please use cursors instead"),
        ("/models?query=fox&page=1", 400, "Cannot use page param with query search. Use cursor-based pagination."),
        ("/models?favorites=false", 401, "Unauthorized"),
        ("/me", 401, "Unauthorized"),
    ],
)
def test_refusals(demo: DemoServer, path: str, status: int, error: str) -> None:
    answer = get(demo, "/api/v1" + path)
    assert (answer.status_code, answer.json()) == (status, {"error": error})
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize(
    "query",
    ["types=LORA,LoCon", "limit=101", "limit=x", "sort=newest", "nsfw=perhaps", "checkpointType=Standard", "allowNoCredit=true", "browsingLevel=1"],
)
def test_bad_queries(demo: DemoServer, query: str) -> None:
    answer = get(demo, "/api/v1/models?" + query)
    assert answer.status_code == 400 and answer.json()["error"]["name"] == "ZodError"
    assert json.loads(answer.json()["error"]["message"])


def test_unrated_is_in_the_model(demo: DemoServer) -> None:
    assert api(demo, f"/models/{SPECIAL['unrated'].model_id}")["modelVersions"][0]["nsfwLevel"] == 0


def test_special_shapes(demo: DemoServer) -> None:
    def model(name: str) -> Any:
        return api(demo, f"/models/{SPECIAL[name].model_id}")

    assert model("no_versions")["modelVersions"] == []
    assert "creator" not in model("no_creator") and model("no_description")["creator"]["username"] is None
    assert model("digit_username")["creator"]["username"] == 20260901
    assert model("null_stats")["stats"]["downloadCount"] is None
    assert "files" not in model("archived")["modelVersions"][0] and "downloadUrl" not in model("archived")["modelVersions"][0]
    assert "images" not in model("taken_down")["modelVersions"][0]
    assert model("pending_scan")["modelVersions"][0]["files"][0]["hashes"] == {}
    assert model("pickle_danger")["modelVersions"][0]["files"][0]["pickleScanResult"] == "Danger"
    assert [file["type"] for file in model("training_data_first")["modelVersions"][0]["files"]] == ["Training Data", "Model"]
    assert [file["name"] for file in model("malicious_names")["modelVersions"][0]["files"]] == list(MALICIOUS)
    assert model("early_access")["modelVersions"][0]["earlyAccessDeadline"].startswith("2099")
    assert model("early_access_permanent")["modelVersions"][0]["paidAccess"] == {"permanent": True, "endsAt": None}
    assert len(model("many_versions")["modelVersions"]) == 40
    assert round(model("big_file")["modelVersions"][0]["files"][0]["sizeKB"] * 1024) == 4 << 30


def test_raw_control_characters(demo: DemoServer) -> None:
    body = get(demo, f"/api/v1/models/{SPECIAL['control_characters'].model_id}").content
    with pytest.raises(ValueError, match="control character"):
        json.loads(body)
    assert json.loads(body, strict=False)["name"] == "Bell\x07 and\x01 Tab\t"


# Lists


def test_cursors_walk_through_everything_once(demo: DemoServer) -> None:
    for sort in ("Highest Rated", "Most Downloaded", "Newest", "Oldest"):
        seen, url = [], f"{demo.url}/api/v1/models?limit=30&nsfw=true&sort={sort}"
        while url:
            page = json.loads(get(demo, url).content, strict=False)
            seen += [item["id"] for item in page["items"]]
            url = page["metadata"].get("nextPage", "")
            assert bool(url) == ("nextCursor" in page["metadata"])
        assert len(seen) == len(set(seen)) > 80, sort


def test_page_is_ignored_and_echoed(demo: DemoServer) -> None:
    first, third = (json.loads(get(demo, f"/api/v1/models?limit=5&page={page}").content, strict=False) for page in (1, 3))
    assert [item["id"] for item in first["items"]] == [item["id"] for item in third["items"]]
    assert third["metadata"]["currentPage"] == 3 and third["metadata"]["pageSize"] == 5 and "totalItems" not in third["metadata"]
    assert get(demo, "/api/v1/models?cursor=5").json() == {"message": "Invalid cursor: expected 3 value(s) for this sort, received 1"}
    assert api(demo, "/models?limit=0")["items"] == []


def test_next_page_has_the_host_of_the_request(demo: DemoServer) -> None:
    port = demo.url.rsplit(":", 1)[1]
    assert requests.get(f"http://localhost:{port}/api/v1/models?limit=1", timeout=5).json()["metadata"]["nextPage"].startswith("http://localhost:")


def test_pg_unless_asked(demo: DemoServer) -> None:
    ids = f"ids={SPECIAL['adult'].model_id},{SPECIAL['only_config'].model_id}"
    assert [item["id"] for item in api(demo, f"/models?{ids}")["items"]] == [SPECIAL["only_config"].model_id]
    assert len(api(demo, f"/models?{ids}&nsfw=true")["items"]) == 2
    assert not api(demo, f"/models?nsfw=true&ids={SPECIAL['real_person'].model_id}")["items"]


def test_search_pages_may_be_empty(demo: DemoServer) -> None:
    page = json.loads(get(demo, "/api/v1/models?query=s&limit=2&baseModels=Future 9").content)
    assert page["items"] == [] and page["metadata"]["nextCursor"] == "2"
    assert SPECIAL["original_bytes"].model_id in [item["id"] for item in api(demo, "/models?query=twin ponds")["items"]]
    assert get(demo, "/api/v1/models?username=nobody-here").status_code == 404
    assert {item["type"] for item in api(demo, "/models?types=LORA&types=VAE")["items"]} == {"LORA", "VAE"}


def test_hash_lookups(demo: DemoServer) -> None:
    twin = api(demo, f"/models/{SPECIAL['duplicate_bytes'].model_id}")["modelVersions"][0]["files"][0]["hashes"]
    for value in twin.values():
        assert api(demo, f"/model-versions/by-hash/{value.lower()}")["id"] == SPECIAL["original_bytes"].version_id
    other = api(demo, f"/models/{build.GENERATED_MODEL + 50}")["modelVersions"][0]
    wanted = [twin["SHA256"], other["files"][0]["hashes"]["SHA256"], "0" * 64]
    found = requests.post(f"{demo.url}/api/v1/model-versions/by-hash", json=wanted, timeout=10).json()
    assert {version["id"] for version in found} == {SPECIAL["original_bytes"].version_id, other["id"]}
    rows = requests.post(f"{demo.url}/api/v1/model-versions/by-hash/ids", json=wanted, timeout=10).json()
    assert (
        rows[0] == {"modelVersionId": SPECIAL["original_bytes"].version_id, "modelId": SPECIAL["original_bytes"].model_id, "hash": twin["SHA256"]}
        and len(rows) == 2
    )
    for bad in (["x"], {}, ["A" * 64] * 101):
        assert requests.post(f"{demo.url}/api/v1/model-versions/by-hash", json=bad, timeout=10).status_code == 400


def test_images(demo: DemoServer) -> None:
    model = build.GENERATED_MODEL + 1
    plain, nested = api(demo, f"/images?modelId={model}"), api(demo, f"/images?modelId={model}&withMeta=true")
    assert all(item["meta"] is None for item in plain["items"])
    assert set(nested["items"][0]["meta"]) == {"id", "meta"}
    version = plain["items"][0]["modelVersionIds"][0]
    flat = [item["meta"] for item in api(demo, f"/images?modelVersionId={version}&withMeta=true")["items"] if item["meta"]]
    assert all("prompt" in meta or "comfy" in meta for meta in flat)
    one = api(demo, f"/images?imageId={plain['items'][0]['id']}")["items"]
    assert len(one) == 1 and api(demo, f"/images?postId={one[0]['postId']}")["items"]
    assert api(demo, f"/images?modelId={SPECIAL['adult'].model_id}")["items"] == []
    assert len(api(demo, f"/images?modelId={SPECIAL['adult'].model_id}&browsingLevel=31")["items"]) == 1
    page = api(demo, "/images?limit=3")
    assert "|" in page["metadata"]["nextCursor"] and len(json.loads(get(demo, page["metadata"]["nextPage"]).content)["items"]) == 3


def test_the_communitys_pictures(demo: DemoServer) -> None:
    model, found, cursor = build.GENERATED_MODEL, [], ""
    while True:  # by model: numbers as cursors
        page = api(demo, f"/images?modelId={model}&withMeta=true&browsingLevel=31&limit=200&cursor={cursor}" if cursor else
                   f"/images?modelId={model}&withMeta=true&browsingLevel=31&limit=200")  # fmt: skip
        found += page["items"]
        cursor = page["metadata"].get("nextCursor", "")
        if not cursor:
            break
        assert cursor.isdigit()
    ids = [item["id"] for item in found]
    assert len(ids) == len(set(ids)) > 500 and ids == sorted(ids, reverse=True)
    assert {item["browsingLevel"] for item in found} == {1, 2, 4, 8, 16} and {item["type"] for item in found} == {"image", "video"}
    version = api(demo, f"/models/{model}")["modelVersions"][0]["id"]
    oldest = api(demo, f"/images?modelVersionId={version}&sort=Oldest&browsingLevel=31&limit=5")
    assert "|" in oldest["metadata"]["nextCursor"]
    assert [item["createdAt"] for item in oldest["items"]] == sorted(item["createdAt"] for item in oldest["items"])
    assert len(api(demo, f"/images?modelVersionId={version}&period=Day&browsingLevel=31")["items"]) < 30
    demo.fault("empty_page", path="/images", cursor=True, times=1)
    empty = api(demo, f"/images?modelId={model}")
    assert empty["items"] == [] and empty["metadata"]["nextCursor"]


def test_small_endpoints(demo: DemoServer) -> None:
    assert "Checkpoint" in api(demo, "/enums")["ModelType"] and api(demo, "/tags?query=land")["items"][0]["name"] == "landscape"
    assert api(demo, "/creators?limit=2")["metadata"]["pageSize"] == 2 and api(demo, "/users?query=maren")["items"][0]["username"] == "marenpaints"
    assert api(demo, "/me", headers=BEARER)["username"] == "demo_painter" and api(demo, f"/me?token={KEY}")["status"] == "active"
    assert requests.post(f"{demo.url}/api/v1/models", timeout=5).status_code == 405
    assert (
        get(demo, f"/models/{FIRST[0]}").text.startswith("<!DOCTYPE html>")
        and get(demo, "/login").status_code == 200
        and get(demo, "/").status_code == 200
    )


def test_a_wrong_key_is_no_key(demo: DemoServer) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    answer = get(demo, "/api/v1/models?limit=1", headers=wrong)
    assert answer.status_code == 200 and answer.headers["Cache-Control"].startswith("public")
    assert get(demo, "/api/v1/models?limit=1", headers=BEARER).headers["Cache-Control"].startswith("max-age=0, private")
    assert get(demo, f"/api/v1/me?token={KEY}", headers=wrong).status_code == 401
    assert [entry["key"] for entry in demo.requests] == ["other", "demo", "other"]


# Downloads


@pytest.mark.parametrize(
    ("name", "anonymous", "with_key"),
    [
        ("deleted", 404, 404), ("real_person", 404, 404), ("archived", 410, 410), ("generation_only", 401, 401),
        ("many_versions", 401, 307), ("early_access", 401, 403),
        ("early_access_permanent", 401, 403), ("early_access_ended", 401, 307), ("no_files", 401, 404),
        ("unsignable", 401, 404), ("unrated", 401, 307),
    ],
)  # fmt: skip
def test_order_of_refusals(demo: DemoServer, name: str, anonymous: int, with_key: int) -> None:
    path = f"/api/download/models/{SPECIAL[name].version_id}"
    assert get(demo, path, allow_redirects=False).status_code == anonymous
    answer = get(demo, path, headers=BEARER, allow_redirects=False)
    assert answer.status_code == with_key and answer.headers["Cache-Control"] == "no-store, max-age=0"
    assert get(demo, path + "?type=Nonsense", headers=BEARER).status_code == 400


def test_refusal_bodies(demo: DemoServer) -> None:
    early = f"/api/download/models/{SPECIAL['early_access'].version_id}"
    assert get(demo, early).json() == {"error": "Unauthorized", "message": "The creator of this asset requires you to be logged in to download it"}
    assert get(demo, early, headers=BEARER).json()["deadline"] == "2099-05-06T10:00:00.000Z"
    assert "deadline" not in get(demo, f"/api/download/models/{SPECIAL['early_access_permanent'].version_id}", headers=BEARER).json()
    assert "disabled downloads" in get(demo, f"/api/download/models/{SPECIAL['generation_only'].version_id}", headers=BEARER).json()["message"]


def test_browsers_get_pages(demo: DemoServer) -> None:
    number = SPECIAL["early_access"].version_id
    answer = get(demo, f"/api/download/models/{number}", headers=BROWSER)
    assert answer.history[0].headers["Location"] == f"/login?returnUrl=%2Fmodel-versions%2F{number}&reason=download-auth" and "Sign in" in answer.text
    assert get(demo, f"/api/download/models/{SPECIAL['archived'].version_id}", headers=BROWSER).text == "Model archived, not available for download"


def test_choice_of_the_file(demo: DemoServer) -> None:
    case = SPECIAL["variants_same_name"]
    path = f"/api/download/models/{case.version_id}"

    def size(query: str) -> int:
        return len(get(demo, path + query, headers=BEARER).content)

    assert size("") == size("?fileId=" + str(case.file_id)) == 80_000 and size("?type=Model&fp=bf16") == 98_000
    assert get(demo, path + "?fp=fp64", headers=BEARER).status_code == 404 and get(demo, path + "?fileId=1", headers=BEARER).status_code == 404
    assert get(demo, f"{path}?fileId={case.file_id}?token={KEY}").status_code == 200


def test_the_signed_link(demo: DemoServer) -> None:
    target = link(demo)
    assert target.startswith(demo.storage_url) and demo.storage_url != demo.url
    answer = get(demo, target)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="longRoad_v40.safetensors"' and answer.headers["Accept-Ranges"] == "bytes"
    refused = get(demo, target, headers=BEARER)
    assert refused.status_code == 400 and "Missing x-amz-content-sha256" in refused.text
    assert requests.head(demo.url + f"/api/download/models/{SPECIAL['many_versions'].version_id}", headers=BEARER, timeout=5).status_code == 401
    assert get(demo, target.replace("X-Amz-Signature=", "X-Amz-Signature=0")).status_code == 403
    assert "Content-Disposition" not in get(demo, link(demo, "no_disposition")).headers
    assert demo.requests[-1]["key"] == "" and demo.requests[-1]["origin"] == "storage"
    demo.fault("short_expiry", times=1, seconds=0.2)
    short = link(demo)
    assert get(demo, short).status_code == 200
    time.sleep(0.25)
    assert get(demo, short).status_code == 403 and "expired" in get(demo, short).text


def test_ranges(demo: DemoServer) -> None:
    target, body = link(demo), truth(demo, "many_versions")
    first = get(demo, target, headers={"Range": "bytes=0-0"})
    assert first.status_code == 206 and first.headers["Content-Range"] == "bytes 0-0/20000" and first.content == body[:1]
    assert get(demo, target, headers={"Range": "bytes=5000-"}).content == body[5000:]
    assert get(demo, target, headers={"Range": "bytes=-7"}).content == body[-7:]
    assert get(demo, target, headers={"Range": "bytes=20000-"}).status_code == 416
    assert get(demo, target, headers={"Range": "bytes=9-", "If-Range": first.headers["ETag"]}).status_code == 206
    assert get(demo, target, headers={"Range": "bytes=9-", "If-Range": '"other"'}).content == body


def test_malicious_names_can_all_be_fetched(demo: DemoServer) -> None:
    case = SPECIAL["malicious_names"]
    for at in range(len(MALICIOUS)):
        assert len(get(demo, f"/api/download/models/{case.version_id}?fileId={case.file_id + at}", headers=BEARER).content) == 20_000


def test_a_stale_hash(demo: DemoServer) -> None:
    told = api(demo, f"/model-versions/{SPECIAL['wrong_hash'].version_id}")["files"][0]["hashes"]["SHA256"]
    assert hashlib.sha256(get(demo, link(demo, "wrong_hash")).content).hexdigest().upper() != told


# Pictures


def test_pictures(demo: DemoServer) -> None:
    image = next(item for item in api(demo, f"/images?modelId={build.GENERATED_MODEL + 1}&withMeta=true")["items"] if item["meta"]["meta"])
    original = get(demo, image["url"])
    assert image["url"].endswith(".jpeg") and original.content.startswith(b"\x89PNG") and original.headers["Content-Type"] == "image/png"
    opened = Image.open(io.BytesIO(original.content))
    assert opened.size == (image["width"], image["height"]) and "Negative prompt:" in opened.info["parameters"]
    for asked, width in ((450, 450), (400, 450), (100, 320), (1700, image["width"])):
        small = Image.open(io.BytesIO(get(demo, image["url"].replace("original=true", f"width={asked}")).content))
        assert small.format == "JPEG" and small.width == width and "parameters" not in small.info
    assert (
        get(demo, image["url"].replace("original=true", "width=320")).content == get(demo, image["url"].replace("original=true", "width=300")).content
    )


def test_odd_pictures(demo: DemoServer) -> None:
    def first(name: str) -> dict[str, Any]:
        return api(demo, f"/models/{SPECIAL[name].model_id}")["modelVersions"][0]["images"][0]

    video = first("only_video")
    assert video["type"] == "video" and video["url"].endswith(".mp4")
    film = get(demo, video["url"])
    assert film.headers["Content-Type"] == "video/mp4" and film.content[4:8] == b"ftyp"
    still = get(demo, video["url"].replace("original=true", "anim=false,transcode=true,width=450").replace(".mp4", ".jpeg"))
    assert Image.open(io.BytesIO(still.content)).format == "JPEG"
    assert get(demo, first("missing_image")["url"]).status_code == 404
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(get(demo, first("broken_image")["url"]).content)).load()


# Faults


@pytest.mark.parametrize(
    ("options", "status", "kind", "header"),
    [
        ({"name": "rate_limit", "retry_after": 3}, 429, "application/json", ("Retry-After", "3")),
        ({"name": "rate_limit_silent"}, 429, "application/json", None),
        ({"name": "paging_limit"}, 429, "application/json", None),
        ({"name": "error", "status": 500}, 500, "application/json", None),
        ({"name": "error", "status": 503}, 503, "application/json", ("Retry-After", "2")),
        ({"name": "error", "status": 502}, 502, "text/html", None),
        ({"name": "error", "status": 520}, 520, "text/html", None),
        ({"name": "error", "status": 524}, 524, "text/html", None),
        ({"name": "challenge"}, 403, "text/html", ("cf-mitigated", "challenge")),
        ({"name": "maintenance"}, 503, "text/html", None),
        ({"name": "region"}, 451, "application/json", None),
        ({"name": "html_page"}, 200, "text/html", None),
    ],
)
def test_api_faults(demo: DemoServer, options: dict[str, Any], status: int, kind: str, header: tuple[str, str] | None) -> None:
    switched = requests.post(f"{demo.url}/__demo__/faults", json={**options, "path": "^/api/v1/models/", "times": 1}, timeout=5)
    assert switched.status_code == 200 and len(switched.json()["faults"]) == 1
    assert get(demo, "/api/v1/enums").status_code == 200
    answer = get(demo, f"/api/v1/models/{FIRST[0]}")
    assert answer.status_code == status and answer.headers["Content-Type"].startswith(kind)
    assert answer.headers.get(header[0]) == header[1] if header else "Retry-After" not in answer.headers
    assert get(demo, f"/api/v1/models/{FIRST[0]}").headers["Content-Type"].startswith("application/json")


def test_switches_over_http(demo: DemoServer) -> None:
    assert requests.post(f"{demo.url}/__demo__/faults", json={"name": "nonsense"}, timeout=5).status_code == 400
    requests.post(f"{demo.url}/__demo__/faults", json={"name": "error"}, timeout=5)
    assert get(demo, "/api/v1/enums").status_code == 500
    requests.delete(f"{demo.url}/__demo__/faults", timeout=5)
    assert get(demo, "/api/v1/enums").status_code == 200
    assert [entry["status"] for entry in get(demo, "/__demo__/requests").json()] == [500, 200]


def test_spoiled_answers(demo: DemoServer) -> None:
    demo.fault("control_characters", times=1)
    body = get(demo, "/api/v1/models?limit=1").content
    with pytest.raises(ValueError, match="control character"):
        json.loads(body)
    assert json.loads(body, strict=False)["items"]
    demo.fault("close", "/api/v1/", times=1, after=100)
    with pytest.raises(requests.exceptions.RequestException):
        get(demo, "/api/v1/models?limit=1")
    demo.fault("stall", "/api/v1/", times=1, seconds=2)
    with pytest.raises(requests.exceptions.RequestException):
        requests.get(demo.url + "/api/v1/enums", timeout=0.3)
    demo.fault("key_rejected", times=1)
    assert get(demo, "/api/v1/me", headers=BEARER).status_code == 401 and get(demo, "/api/v1/me", headers=BEARER).status_code == 200


def test_download_faults(demo: DemoServer) -> None:
    path = f"/api/download/models/{SPECIAL['many_versions'].version_id}"
    demo.fault("download_limit", times=1)
    answer = get(demo, path, headers=BEARER)
    assert answer.status_code == 429 and "unusual amount" in answer.json()["error"] and "Retry-After" not in answer.headers
    demo.fault("forbidden", times=1)
    assert get(demo, path, headers=BEARER).json() == {"error": "Forbidden"}
    target, body = link(demo), truth(demo, "many_versions")
    demo.fault("wrong_bytes", times=1)
    wrong = get(demo, target).content
    assert len(wrong) == len(body) and wrong != body
    demo.fault("json_file", times=1)
    assert len(get(demo, target).content) == 90
    demo.fault("html_file", times=1)
    assert get(demo, target).headers["Content-Type"].startswith("text/html")
    demo.fault("ignore_range", times=1)
    assert get(demo, target, headers={"Range": "bytes=5-"}).content == body
    demo.fault("range_416", times=1)
    assert get(demo, target, headers={"Range": "bytes=5-"}).status_code == 416
    demo.fault("expired", times=1)
    assert get(demo, target).status_code == 403
    demo.fault("no_disposition", times=1)
    assert "Content-Disposition" not in get(demo, target).headers
    demo.fault("no_length", times=1)
    chunked = get(demo, target)
    assert "Content-Length" not in chunked.headers and chunked.content == body
    demo.fault("storage_error", times=1, status=503)
    assert get(demo, target).status_code == 503
    demo.fault("drip", times=1, rate=100_000)
    start = time.monotonic()
    assert get(demo, target).content == body and time.monotonic() - start > 0.15


@pytest.mark.parametrize(("name", "error"), [("reset", ConnectionResetError), ("close", None)])
def test_broken_bodies(demo: DemoServer, name: str, error: type | None) -> None:
    target, body, got = link(demo), truth(demo, "many_versions"), bytearray()
    demo.fault(name, times=1, after=9000)
    answer = get(demo, target, stream=True)
    assert answer.headers["Content-Length"] == "20000"
    with pytest.raises(requests.exceptions.RequestException) as caught:
        for piece in answer.iter_content(1000):
            got += piece
    assert bytes(got) == body[: len(got)] and len(got) >= 8000
    if error:
        assert "reset" in str(caught.value).lower()


def test_wrong_lengths(demo: DemoServer) -> None:
    target, body = link(demo), truth(demo, "many_versions")
    demo.fault("length_short", times=1, by=100)
    assert get(demo, target).content == body[:-100]
    demo.fault("length_long", times=1, by=100)
    with pytest.raises(requests.exceptions.RequestException):
        get(demo, target)


def test_a_stalled_file(demo: DemoServer) -> None:
    demo.fault("stall", "model/", times=1, after=5000, seconds=3)
    with pytest.raises(requests.exceptions.RequestException):
        requests.get(link(demo), timeout=0.4)


def test_a_changed_file(demo: DemoServer) -> None:
    target, body = link(demo), truth(demo, "many_versions")
    demo.fault("changed_file", times=1, after=9000)
    old = get(demo, target, stream=True)
    with pytest.raises(requests.exceptions.RequestException):
        old.content  # noqa: B018
    whole = get(demo, target, headers={"Range": "bytes=9000-", "If-Range": old.headers["ETag"]})
    assert whole.status_code == 200 and whole.content == body and whole.headers["ETag"] != old.headers["ETag"]


def test_unreachable_and_back_on_the_same_port() -> None:
    with DemoServer(models=2) as demo:
        url = demo.url + "/api/v1/enums"
        assert requests.get(url, timeout=5).status_code == 200
        demo.stop()
        for origin in (url, demo.storage_url):
            with pytest.raises(requests.exceptions.ConnectionError):
                requests.get(origin, timeout=5)
        demo.start()
        assert requests.get(url, timeout=5).status_code == 200 and requests.get(demo.storage_url, timeout=5).status_code == 404


def test_the_old_era() -> None:
    with DemoServer(models=2, era="2025-07") as demo:
        recorded = api(demo, "/models/1386")
        assert "modelId" in recorded["modelVersions"][0] and recorded["modelVersions"][0]["images"][0]["nsfw"] == "None"
        file = recorded["modelVersions"][0]["files"][0]
        assert hashlib.sha256(get(demo, file["downloadUrl"], headers=BEARER).content).hexdigest().upper() == file["hashes"]["SHA256"]
        model = api(demo, f"/models/{FIRST[0]}")
        assert "SHA256_12" not in model["modelVersions"][0]["files"][0]["hashes"] and "/width=" in model["modelVersions"][0]["images"][0]["url"]
        early = api(demo, f"/model-versions/{SPECIAL['early_access'].version_id}")
        assert early["availability"] == "EarlyAccess" and early["earlyAccessEndsAt"].startswith("2099")
    with DemoServer(models=2) as demo:
        assert "modelId" not in api(demo, "/models/1386")["modelVersions"][0]


def test_many_at_once_and_fast(demo: DemoServer) -> None:
    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(lambda n: get(demo, f"/api/v1/models/{FIRST[n % 24]}").status_code, range(100)))
    assert codes == [200] * 100
    answer = get(demo, link(demo, "medium_file"), stream=True)
    digest, start = hashlib.sha256(), time.monotonic()
    while piece := answer.raw.read(1 << 20):
        digest.update(piece)
    assert time.monotonic() - start < 5
    assert digest.hexdigest().upper() == api(demo, f"/model-versions/{SPECIAL['medium_file'].version_id}")["files"][0]["hashes"]["SHA256"]
