"""The endpoints against the demo Civitai, a real server that follows the real one's answers, refusals and faults."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest
from civitai_manager_libs import errors
from civitai_manager_libs.civitai import payloads, searching
from civitai_manager_libs.civitai.client import Client
from civitai_manager_libs.civitai.refusals import denial
from civitai_manager_libs.civitai.searching import Search
from civitai_manager_libs.civitai.transport import Transport
from civitai_manager_libs.settings import Settings

from demo.catalogue import FIRST, SPECIAL
from demo.server import KEY, DemoServer

from .peer import Answer, Peer, transport

NOW = datetime.datetime.now(datetime.timezone.utc)


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with DemoServer(models=30) as running:
        yield running


@pytest.fixture
def demo(server: DemoServer) -> Iterator[DemoServer]:
    server.forget()
    yield server
    server.clear_faults()


def client(demo: DemoServer, key: str = KEY) -> Client:
    settings = Settings(civitai_url=demo.url, api_key=key, http_timeout=5, http_retry_delay=0.02)
    return Client(Transport(lambda: settings, version="0.0", spacing=0.0))


def test_every_special_model(demo: DemoServer) -> None:
    """Whatever the demo has of oddities is read, or is NotFound."""
    ours, gone = client(demo), []
    for name, case in SPECIAL.items():
        try:
            fetched = ours.model(case.model_id)
        except errors.NotFound:
            gone.append(name)
            continue
        assert fetched.value.id == case.model_id == fetched.raw["id"]
        assert all(version.model_id == case.model_id for version in fetched.value.versions)
        for version in fetched.value.versions:
            assert version.early_access(NOW) is None or name.startswith("early_access")
    assert "deleted" in gone and len(gone) <= 3


def test_a_version_and_its_hashes(demo: DemoServer) -> None:
    ours = client(demo)
    model = ours.model(FIRST[0]).value
    fetched = ours.version(model.versions[0].id)
    version, file = fetched.value, fetched.value.primary
    assert version.model_id == model.id and version.model_name == model.name and fetched.raw["air"]
    assert file is not None and file.sha256 and file.size and file.label
    assert {one.id for one in version.files} == {one.id for one in model.versions[0].files}
    for digest in (file.sha256, file.sha256[:10], file.hashes["AutoV3"]):
        assert ours.version_by_hash(digest).value.model_id == model.id
    assert [one.value.id for one in ours.versions_by_hashes([file.sha256, file.sha256.upper(), "a" * 64, "short"])] == [version.id]
    (match,) = ours.hash_ids([file.sha256, "a" * 64])
    assert (match.sha256, match.version_id, match.model_id) == (file.sha256, version.id, model.id)
    assert ours.versions_by_hashes([]) == [] == ours.hash_ids([])


def test_unknown_things_are_named(demo: DemoServer) -> None:
    ours = client(demo)
    for ask, number in ((ours.model, 999_999_999), (ours.version, 999_999_999), (ours.model, 0), (ours.version, 2**31), (ours.image_versions, 7)):
        with pytest.raises(errors.NotFound) as caught:
            ask(number)
        assert str(number) in caught.value.message
    for digest in ("A" * 64, "../../me", ""):
        with pytest.raises(errors.NotFound):
            ours.version_by_hash(digest)
    with pytest.raises(errors.NotFound):
        ours.version(SPECIAL["unrated"].version_id)


def test_many_models(demo: DemoServer) -> None:
    got = client(demo).models([*FIRST, 999_999_999, 0, FIRST[0]])
    assert {one.value.id for one in got} == set(FIRST)
    assert sum(request["path"] == "/api/v1/models" for request in demo.requests) == 1


def test_images_and_posts_lead_to_versions(demo: DemoServer) -> None:
    ours = client(demo)
    answer, _ = ours.transport.get_json("/api/v1/images", {"browsingLevel": 31, "limit": 20})
    item = next(one for one in answer["items"] if one["modelVersionIds"])  # type: ignore[index,call-overload]
    assert set(ours.image_versions(item["id"])) & set(item["modelVersionIds"])
    assert set(ours.post_versions(item["postId"])) & set(item["modelVersionIds"])


def test_me_and_enums(demo: DemoServer) -> None:
    assert client(demo).me()["username"]
    assert "LORA" in client(demo).enums()["ModelType"]
    with pytest.raises(errors.KeyRejected):
        client(demo, "wrong").me()
    with pytest.raises(errors.LoginRequired):
        client(demo, "").me()


def test_pictures(demo: DemoServer) -> None:
    ours = client(demo)
    picture = ours.model(FIRST[0]).value.versions[0].images[0]
    assert len(ours.image(picture.url, 450)) > 100
    video = ours.model(SPECIAL["only_video"].model_id).value.versions[0].images[0]
    assert video.type == "video" and ours.image(video.url)[:2] == b"\xff\xd8"
    with pytest.raises(errors.NotFound):
        ours.image(ours.model(SPECIAL["missing_image"].model_id).value.versions[0].images[0].url)
    assert all(not request["key"] for request in demo.requests if request["origin"] == "storage")


REFUSED = [
    ("early_access", KEY, errors.EarlyAccess),
    ("early_access_permanent", KEY, errors.EarlyAccess),
    ("early_access", "", errors.LoginRequired),
    ("generation_only", KEY, errors.DownloadsDisabled),
    ("generation_only", "", errors.DownloadsDisabled),
    ("archived", KEY, errors.Archived),
    ("deleted", KEY, errors.NotFound),
    ("real_person", KEY, errors.NotFound),
    ("medium_file", "", errors.LoginRequired),
    ("medium_file", "wrong", errors.KeyRejected),
]


@pytest.mark.parametrize(("name", "key", "kind"), REFUSED)
def test_refused_downloads(demo: DemoServer, name: str, key: str, kind: type[errors.RemoteError]) -> None:
    ours, case = client(demo, key), SPECIAL[name]
    with ours.transport.open(ours.download_url(case.version_id, case.file_id), {"Range": "bytes=0-0"}, authorized=True) as answer:
        error = ours.denial(answer.status_code, answer.headers, answer.content, what="this test")
    assert type(error) is kind
    if name == "early_access" and isinstance(error, errors.EarlyAccess):
        assert error.deadline == "2099-05-06T10:00:00.000Z"
    if name == "early_access_permanent" and isinstance(error, errors.EarlyAccess):
        assert error.deadline is None


def test_an_allowed_download_leads_elsewhere(demo: DemoServer) -> None:
    ours, case = client(demo), SPECIAL["medium_file"]
    with ours.transport.open(ours.download_url(case.version_id, case.file_id), {}, authorized=True) as answer:
        assert answer.status_code == 307 and answer.headers["Location"].startswith(demo.storage_url)
    with ours.transport.open(answer.headers["Location"], {"Range": "bytes=0-9"}, authorized=True) as answer:
        assert answer.status_code == 206 and len(answer.content) == 10


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind"),
    [
        (403, b'{"error":"You do not have access to download this file"}', {}, errors.RemoteError),
        (403, b"<!DOCTYPE html>", {"content-type": "text/html"}, errors.ServiceDown),
        (429, b'{"error":"unusual amount of downloading"}', {}, errors.QuotaExceeded),
        (429, b"", {"Retry-After": "5"}, errors.RateLimited),
        (451, b"", {}, errors.RegionBlocked),
        (503, b"", {}, errors.ServiceDown),
        (307, b"", {"Location": "/login?returnUrl=x"}, errors.LoginRequired),
        (404, b"<html>", {"Content-Type": "text/html"}, errors.ServiceDown),
        (400, b'{"error":"bad"}', {}, errors.BadAnswer),
        (401, b"", {}, errors.LoginRequired),
    ],
)
def test_other_denials(status: int, body: bytes, headers: dict[str, str], kind: type[errors.RemoteError]) -> None:
    assert type(denial(status, headers, body)) is kind


FAULTS = [
    ("rate_limit_silent", {}, errors.RateLimited),
    ("paging_limit", {}, errors.BadAnswer),
    ("error", {"status": 500}, errors.ServiceDown),
    ("error", {"status": 500, "old": True}, errors.ServiceDown),
    ("error", {"status": 522}, errors.ServiceDown),
    ("challenge", {}, errors.ServiceDown),
    ("maintenance", {}, errors.ServiceDown),
    ("region", {}, errors.RegionBlocked),
    ("html_page", {}, errors.ServiceDown),
    ("close", {"after": 20}, errors.ServiceDown),
]


@pytest.mark.parametrize(("name", "options", "kind"), FAULTS, ids=[f"{name}-{options}" for name, options, _ in FAULTS])
def test_faults(demo: DemoServer, name: str, options: dict[str, object], kind: type[errors.RemoteError]) -> None:
    demo.fault(name, **options)
    with pytest.raises(errors.RemoteError) as caught:
        client(demo).model(FIRST[0])
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("name", "options"), [("rate_limit", {"retry_after": 0}), ("error", {"status": 502}), ("close", {"after": 9}), ("maintenance", {})]
)
def test_faults_that_pass(demo: DemoServer, name: str, options: dict[str, object]) -> None:
    demo.fault(name, times=2, **options)
    assert client(demo).model(FIRST[0]).value.id == FIRST[0]


def test_control_characters(demo: DemoServer) -> None:
    demo.fault("control_characters")
    assert client(demo).model(FIRST[0]).value.id == FIRST[0]


def test_offline(server: DemoServer) -> None:
    with DemoServer(models=0) as other:
        ours = client(other)
        ours.enums()
    with pytest.raises(errors.Offline):
        ours.enums()


def test_pages_stay_with_our_host() -> None:
    first = {"items": [{"id": 1}, None], "metadata": {"nextPage": "https://evil.example/api/v1/models?limit=1&cursor=a%7Cb&token=x"}}
    with Peer(Answer(200, first), Answer(200, {"items": [{"id": 2}], "metadata": {}})) as peer:
        assert [one["id"] for one in Client(transport(peer.url)).pages("/api/v1/models", {"limit": 1})] == [1, 2]
        assert [request.path for request in peer.requests] == ["/api/v1/models?limit=1", "/api/v1/models?limit=1&cursor=a%7Cb"]
    with Peer(Answer(200, {"items": [{"id": 1}], "metadata": {"nextPage": "https://civitai.com/api/v1/models?cursor=same"}})) as peer:
        assert len(list(Client(transport(peer.url)).pages("/api/v1/models", {}))) == 2, "a page that names itself ends the list"
    with Peer(Answer(200, [])) as peer, pytest.raises(errors.BadAnswer):
        list(Client(transport(peer.url)).pages("/api/v1/models", {}))


def test_null_entries_of_the_batch_look_up() -> None:
    with Peer(Answer(200, [None, {"id": 5, "modelId": 6, "files": []}, {"id": 5}, "x"])) as peer:
        (only,) = Client(transport(peer.url)).versions_by_hashes(["a" * 64])
        assert isinstance(only.value, payloads.Version) and (only.value.id, only.value.model_id) == (5, 6)
        assert peer.requests[0].body == b'["' + b"A" * 64 + b'"]'


def test_a_search_by_cursor_never_asks_the_host_that_an_answer_names() -> None:
    """``nextPage`` may name any host, and an item may be none; the cursor is all that is taken of it."""
    bodies = [
        {"items": [{"id": 1, "name": "one"}, None, {"name": "no id"}], "metadata": {"nextPage": "https://evil.example/api?token=x&cursor=7%7C8%7C9"}},
        {"items": [], "metadata": {"nextCursor": 30, "nextPage": "https://evil.example/"}},
        {"items": [{"id": 2}], "metadata": {"nextCursor": "30"}},
    ]  # fmt: skip
    with Peer(*(Answer(200, body) for body in bodies)) as peer:
        ours = Client(transport(peer.url))
        first = ours.search(Search(text="x"))
        assert ([one.value.id for one in first.items], first.following, first.seen) == ([1], "7|8|9", 3)
        second = ours.search(Search(text="x"), first.following)
        assert (second.items, second.following) == ([], "30"), "an empty page with a next one"
        assert ours.search(Search(text="x"), second.following).following == "", "a page that leads to itself is the last"
        assert "cursor=7%7C8%7C9" in peer.requests[1].path and "token" not in peer.requests[1].path


@pytest.mark.parametrize(("fault", "options"), [("error", {"status": 503}), ("rate_limit", {"retry_after": 1}), ("close", {"after": 30})])
def test_a_search_passes_over_what_passes(demo: DemoServer, fault: str, options: dict[str, int]) -> None:
    demo.fault(fault, times=1, **options)
    assert client(demo).search(Search(sort="Newest")).items


def test_only_what_was_asked_for_is_let_through() -> None:
    def made(**told: object) -> payloads.Model:
        version = {"id": 5, "baseModel": "Pony", "publishedAt": (NOW - datetime.timedelta(days=20)).isoformat()}
        return payloads.model({"id": 1, "type": "LORA", "creator": {"username": "Ann"}, "tags": ["Cat"], "modelVersions": [version], **told})

    fits = searching.fits
    assert fits(made(), Search(text="x", creator="ann", tag="cat", types=("LORA",), bases=("Pony",), period="Month"), NOW)
    for other in ({"creator": "bob"}, {"tag": "dog"}, {"types": ("VAE",)}, {"bases": ("SDXL 1.0",)}, {"period": "Week"}):
        assert not fits(made(), Search(text="x", **other), NOW), other  # type: ignore[arg-type]
    gated = made(modelVersions=[{"id": 5, "paidAccess": {"permanent": True}}])
    assert fits(gated, Search(), NOW) and not fits(gated, Search(early=False), NOW)
    assert fits(made(modelVersions=[]), Search(early=False), NOW)
