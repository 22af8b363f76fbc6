"""The transport against real servers: what it sends where, what it repeats, and what each failure means."""

from __future__ import annotations

import datetime
import gzip
import threading
import time
from email.utils import format_datetime
from pathlib import Path

import pytest
from civitai_manager_libs import errors
from civitai_manager_libs.civitai import transport as module
from civitai_manager_libs.civitai.transport import Transport
from civitai_manager_libs.reporter import Plain, Stopped
from civitai_manager_libs.settings import Settings

from .peer import CERTIFICATE, KEY, Answer, Peer, Proxy, Waits, closed_port, page, transport

OK = Answer(200, {"ok": True})


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_an_answer_and_what_is_sent() -> None:
    with Peer(OK) as peer:
        value, body = transport(peer.url).get_json("/api/v1/models", {"ids": "1,2", "nsfw": "true", "no": None})
        assert value == {"ok": True} and body == b'{"ok": true}'
        (request,) = peer.requests
        assert request.path == "/api/v1/models?ids=1%2C2&nsfw=true"
        assert request.headers["user-agent"] == "civitai-manager/0.0"
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert "cookie" not in request.headers


def test_post_and_gzip_and_cookies() -> None:
    packed = Answer(200, gzip.compress(b"[" + b"1," * 50_000 + b"1]"), {"Content-Encoding": "gzip", "Set-Cookie": "a=b; Path=/"})
    with Peer(packed) as peer:
        way = transport(peer.url)
        assert len(way.post_json("/x", ["A" * 64])[0]) == 50_001  # type: ignore[arg-type]
        way.get_json("/y")
        assert peer.requests[0].method == "POST" and peer.requests[0].body == b'["' + b"A" * 64 + b'"]'
        assert peer.requests[0].headers["content-type"] == "application/json"
        assert "cookie" not in peer.requests[1].headers


def test_connections_are_kept() -> None:
    with Peer(OK) as peer:
        way = transport(peer.url)
        ports = set()
        peer.server.verify_request = lambda request, address: bool(ports.add(address)) or True  # type: ignore[method-assign,func-returns-value]
        for _ in range(5):
            way.using(Plain()).get_json("/x")
        assert len(ports) == 1


def test_a_changed_key_works_at_once() -> None:
    with Peer(OK) as peer:
        settings = [Settings(civitai_url=peer.url)]
        way = Transport(lambda: settings[0], version="0.0", spacing=0.0)
        way.get_json("/a")
        settings[0] = Settings(civitai_url=peer.url, api_key=" new\n")
        way.get_json("/b")
        assert [request.headers.get("authorization") for request in peer.requests] == [None, "Bearer new"]


def test_an_unusable_key_is_not_sent_and_not_told() -> None:
    with Peer(OK) as peer:
        with pytest.raises(errors.KeyRejected) as caught:
            transport(peer.url, api_key="ab\ncd").get_json("/a")
        assert "ab" not in repr(caught.value.as_dict()).replace("able", "") and not peer.requests


def test_netrc_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\nmachine localhost login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Peer(OK) as peer, Peer(Answer(302, {}, {"Location": f"{peer.url}/b"})) as first:
        way = transport(peer.url, api_key="")
        way.get_json("/a")
        way.get_bytes(f"{first.url}/image.png", 1000)
        way.open(f"{first.url}/x", {}, authorized=True).close()
        assert all("authorization" not in request.headers for request in peer.requests + first.requests)


def test_the_key_stays_on_its_origin() -> None:
    with Peer(OK) as other, Peer(Answer(307, {}, {"Location": f"{other.url}/stolen"})) as api:
        way = transport(api.url)
        assert way.get_json("/api/v1/models/1")[0] == {"ok": True}
        way.get_bytes(f"{other.url}/image.png", 1000)
        way.open(f"{other.url}/file", {"Authorization": "Bearer mine"}, authorized=True).close()
        way.open(f"{api.url}/file", {}, authorized=False).close()
        way.open(f"{api.url.replace('127.0.0.1', 'localhost')}/file", {}, authorized=True).close()
        assert len(other.requests) == 3 and all("authorization" not in request.headers for request in other.requests)
        assert [request.headers.get("authorization") for request in api.requests] == [f"Bearer {KEY}", None, None]
        answer = way.open(f"{api.url}/file", {"Range": "bytes=0-0"}, authorized=True)
        answer.close()
        assert answer.status_code == 307 and api.requests[-1].headers["range"] == "bytes=0-0"
        assert api.requests[-1].headers["authorization"] == f"Bearer {KEY}"


def test_a_redirect_on_the_api_keeps_the_key() -> None:
    with Peer(Answer(308, {}, {"Location": "/b"}), OK) as peer:
        transport(peer.url).get_json("/a")
        assert [request.path for request in peer.requests] == ["/a", "/b"] and peer.requests[1].headers["authorization"] == f"Bearer {KEY}"


def test_redirects_end() -> None:
    with Peer(Answer(302, {}, {"Location": "/again"})) as peer:
        with pytest.raises(errors.BadAnswer):
            transport(peer.url).get_json("/a")
        assert len(peer.requests) == module.MOST_REDIRECTS + 1
    with Peer(Answer(307, {}, {"Location": "http://[broken"})) as peer, pytest.raises(errors.BadAnswer):
        transport(peer.url).get_json("/a")
    with Peer(Answer(307, {}, {"Location": "/login?returnUrl=x"})) as peer, pytest.raises(errors.LoginRequired):
        transport(peer.url, api_key="").get_json("/a")


def test_no_key_over_open_http() -> None:
    way = Transport(lambda: Settings(civitai_url="http://civitai.example", api_key=KEY), version="0.0")
    assert not way._may_see_key(("http", "civitai.example", 80))
    secure = Transport(lambda: Settings(api_key=KEY), version="0.0")
    assert secure._may_see_key(("https", "civitai.com", 443))
    for origin in (
        ("http", "civitai.com", 80),
        ("https", "image.civitai.com", 443),
        ("https", "b2.civitai.com", 443),
        ("https", "civitai.com", 8443),
    ):
        assert not secure._may_see_key(origin)


def test_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer(OK) as target, Proxy(target) as proxy:
        # A name that no DNS knows, so that only the proxy can reach it.
        settings = Settings(civitai_url="http://civitai.invalid", proxy=proxy.url, api_key=KEY)
        way = Transport(lambda: settings, version="0.0", spacing=0.0)
        assert way.get_json("/a")[0] == {"ok": True}
        assert proxy.requests[0].path == "http://civitai.invalid/a" and "authorization" not in proxy.requests[0].headers
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        settings = Settings(civitai_url="http://civitai.invalid")
        assert way.get_json("/b")[0] == {"ok": True} and len(proxy.requests) == 2
        settings = Settings(civitai_url=target.url, proxy=proxy.url)
        assert way.get_json("/c")[0] == {"ok": True}
        assert len(proxy.requests) == 2, "this computer is asked directly"


@pytest.mark.parametrize("proxy", ["dead", "http://", "nonsense://x:1", "socks5://127.0.0.1:1"])
def test_a_bad_proxy_is_named(proxy: str) -> None:
    proxy = f"http://user:pa55@127.0.0.1:{closed_port()}" if proxy == "dead" else proxy
    way = Transport(lambda: Settings(civitai_url="https://civitai.invalid", proxy=proxy, http_retry_delay=0.01), version="0.0", spacing=0.0)
    with pytest.raises(errors.Offline) as caught:
        way.get_json("/a")
    assert "proxy" in caught.value.message and "pa55" not in str(caught.value)


def test_offline_is_said_after_one_more_try() -> None:
    waits = Waits()
    with pytest.raises(errors.Offline):
        transport(f"http://127.0.0.1:{closed_port()}", waits, http_retry_delay=0.5).get_json("/a")
    assert len(waits.waits) == 1
    with pytest.raises(errors.Offline):
        transport("http://civitai.invalid", waits).get_json("/a")
    with pytest.raises(errors.Offline):
        transport("http://127.0.0.1:1").open(f"http://127.0.0.1:{closed_port()}/a", {}, authorized=True)


def test_certificates_are_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with Peer(OK, tls=True) as peer:
        with pytest.raises(errors.Offline) as caught:
            transport(peer.url).get_json("/a")
        assert "certificate" in caught.value.message and not peer.requests
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
        assert transport(peer.url).get_json("/a")[0] == {"ok": True}


def test_no_encryption_where_it_is_expected() -> None:
    with Peer(OK) as peer, pytest.raises(errors.Offline) as caught:  # plain http where TLS is expected
        transport(peer.url.replace("http://", "https://")).get_json("/a")
    assert "safely" in caught.value.message


@pytest.mark.parametrize(
    "failure", [Answer(behaviour="reset"), Answer(200, {"a": "b" * 100}, behaviour="cut"), Answer(408), page(502), Answer(504), page(524)]
)
def test_what_may_pass_is_tried_again(failure: Answer) -> None:
    waits = Waits()
    with Peer(failure, failure, OK) as peer:
        assert transport(peer.url, waits).get_json("/a")[0] == {"ok": True}
        assert len(peer.requests) == 3
    first, second = waits.waits
    assert 0.015 < first < 0.025 and 0.03 < second < 0.05 and waits.texts == {"waiting for Civitai"}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(400, {"error": {"name": "ZodError", "message": "bad"}}), errors.BadAnswer),
        (Answer(401, {"error": "Unauthorized"}), errors.KeyRejected),
        (Answer(403, {"error": "Forbidden"}), errors.RemoteError),
        (page(403), errors.ServiceDown),
        (Answer(403, b"x", {"cf-mitigated": "challenge"}), errors.ServiceDown),
        (Answer(404, {"error": "No model with id 1"}), errors.NotFound),
        (Answer(410, {"error": "gone"}), errors.Archived),
        (Answer(451, {"error": "no", "code": "REGION_BLOCKED"}), errors.RegionBlocked),
        (Answer(500, {"error": "An unexpected error occurred", "message": "An unexpected error occurred"}), errors.ServiceDown),
        (Answer(429, {"error": "You've requested too many pages, please use cursors instead"}), errors.BadAnswer),
        (page(200, "We're adjusting a few things"), errors.ServiceDown),
        (page(404), errors.ServiceDown),
        (Answer(200, b"not json"), errors.BadAnswer),
        (Answer(200, b""), errors.BadAnswer),
        (Answer(405, {"error": "Method not allowed"}), errors.BadAnswer),
    ],
)
def test_what_is_final_is_asked_once(answer: Answer, kind: type[errors.RemoteError]) -> None:
    waits = Waits()
    with Peer(answer) as peer:
        with pytest.raises(errors.RemoteError) as caught:
            transport(peer.url, waits).get_json("/api/v1/models/1", what="model 1")
        assert type(caught.value) is kind and len(peer.requests) == 1 and not waits.waits
        assert KEY not in repr(caught.value.as_dict())
        if kind is errors.NotFound:
            assert "model 1" in caught.value.message


def test_no_key_means_log_in() -> None:
    with Peer(Answer(401, {"error": "Unauthorized"})) as peer, pytest.raises(errors.LoginRequired):
        transport(peer.url, api_key="").get_json("/api/v1/me")


def test_tries_end() -> None:
    waits = Waits()
    with Peer(page(502)) as peer:
        with pytest.raises(errors.ServiceDown):
            transport(peer.url, waits).get_json("/a")
        assert len(peer.requests) == module.MOST_TRIES
    with Peer(Answer(behaviour="reset")) as peer, pytest.raises(errors.ServiceDown) as caught:
        transport(peer.url, waits).get_json("/a")
    assert "breaks off" in caught.value.message


def test_the_timeout_bounds_all_tries() -> None:
    with Peer(Answer(502)) as peer:
        start = time.monotonic()
        with pytest.raises(errors.ServiceDown):
            transport(peer.url, http_timeout=0.5, http_retry_delay=0.2).get_json("/a")
        assert time.monotonic() - start < 0.6 and len(peer.requests) in (2, 3)


@pytest.mark.parametrize("answer", [Answer(200, {"a": "b" * 500}, behaviour="drip"), Answer(200, {}, delay=3)])
def test_a_trickle_and_a_silence_end(answer: Answer) -> None:
    with Peer(answer) as peer:
        start = time.monotonic()
        with pytest.raises(errors.ServiceDown) as caught:
            transport(peer.url, http_timeout=0.4).get_json("/a")
        assert time.monotonic() - start < 2.0 and "in time" in caught.value.message


@pytest.mark.parametrize(("status", "form"), [(429, "date"), (503, "seconds")])
def test_retry_after_holds_all_threads(status: int, form: str) -> None:
    now = datetime.datetime.now(datetime.timezone.utc)
    value = "2" if form == "seconds" else format_datetime(now + datetime.timedelta(seconds=3), usegmt=True)
    with Peer(Answer(status, {"error": "slow"}, {"Retry-After": value}), OK) as peer:
        waits = Waits(0.5)
        way = transport(peer.url, waits, http_timeout=0.5)
        threads = [threading.Thread(target=way.get_json, args=("/a",)) for _ in range(3)]
        threads[0].start()
        time.sleep(0.3)
        for thread in threads[1:]:
            thread.start()
        for thread in threads:
            thread.join()
        first, *others = sorted(request.time for request in peer.requests)
        assert len(others) == 3 and min(others) - first > 1.5
        assert max(waits.waits) > 1 and waits.texts == {"waiting for Civitai"}


def test_a_long_pause_is_not_waited_for() -> None:
    waits = Waits()
    with Peer(Answer(429, {"error": "slow"}, {"Retry-After": "3600"})) as peer:
        way = transport(peer.url, waits)
        for _ in range(2):
            with pytest.raises(errors.RateLimited) as caught:
                way.get_json("/a")
        until = datetime.datetime.fromisoformat(caught.value.until or "")
        assert 3500 < (until - datetime.datetime.now(datetime.timezone.utc)).total_seconds() < 3601
        assert len(peer.requests) == 1 and not waits.waits


def test_429_without_a_time() -> None:
    with Peer(page(429, "Error 1015")) as peer:
        with pytest.raises(errors.RateLimited):
            transport(peer.url).get_json("/a")
        assert len(peer.requests) == module.MOST_THROTTLED


def test_a_wait_can_be_stopped() -> None:
    class Stopping(Plain):
        def wait(self, seconds: float, text: str) -> None:
            raise Stopped("cancel")

    with Peer(Answer(429, {}, {"Retry-After": "60"})) as peer:
        start = time.monotonic()
        with pytest.raises(Stopped):
            transport(peer.url, Stopping()).get_json("/a")
        assert time.monotonic() - start < 1


def test_images() -> None:
    picture = Answer(200, b"\x89PNG" + b"x" * 2000, {"Content-Type": "image/png; x=y"})
    with Peer(picture) as peer:
        way = transport(peer.url)
        assert way.get_bytes(f"{peer.url}/a.png", 3000) == (picture.body, "image/png")
        assert "authorization" not in peer.requests[0].headers
        with pytest.raises(errors.BadAnswer):
            way.get_bytes(f"{peer.url}/a.png", 1000)
    for answer, kind in ((Answer(404), errors.NotFound), (page(200), errors.BadAnswer), (Answer(200, b""), errors.BadAnswer)):
        with Peer(answer) as peer, pytest.raises(kind):
            transport(peer.url).get_bytes(f"{peer.url}/a.png", 1000)


@pytest.mark.parametrize(
    "url",
    [
        "", "file:///etc/passwd", "ftp://h/x", "http://[", "/relative", "http://127.0.0.1:1/x", "http://localhost/x", "https://192.168.0.1/router.png",
        "https://169.254.169.254/latest", "https://civitai.com.example.org/a.png", "https://user@image.civitai.com/a.png", "https://[fe80::1]/a.png",
    ],
)  # fmt: skip
def test_images_from_strange_places(url: str) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise AssertionError("it was asked")

    way = Transport(Settings, version="0.0")
    way._session.request = nobody  # type: ignore[method-assign, assignment]
    with pytest.raises(errors.BadAnswer):
        way.get_bytes(url, 1000)


def test_an_image_is_not_redirected_to_another_place() -> None:
    with Peer(Answer(302, {}, {"Location": "http://192.168.0.1/router.png"})) as peer, pytest.raises(errors.BadAnswer, match="192.168.0.1"):
        transport(peer.url).get_bytes(f"{peer.url}/a.png", 1000)


def test_images_are_asked_over_https() -> None:
    assert Transport(Settings, version="0.0")._public("http://imagecache.civitai.com/x") == "https://imagecache.civitai.com/x"


def test_own_path() -> None:
    way = Transport(Settings, version="0.0")
    assert way.own_path("https://evil.com/api/v1/models?limit=3&cursor=1%7C2&token=abc") == "/api/v1/models?limit=3&cursor=1%7C2"
    with pytest.raises(errors.BadAnswer):
        way.get_json("@evil.com/x")


def test_few_at_a_time() -> None:
    with Peer(Answer(200, {}, delay=0.05)) as peer:
        way = transport(peer.url)
        threads = [threading.Thread(target=way.using(Plain()).get_json, args=(f"/{number}",)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert peer.most_running == module.API_IN_FLIGHT and len(peer.requests) == 12
