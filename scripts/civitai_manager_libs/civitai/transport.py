"""The one way to Civitai over HTTP: who may see the key, how long to try, and what a failure means.

- The key goes to exactly the configured API origin, over https or to this computer; never to storage, image hosts, or along a redirect.
- ``requests`` decides nothing on its own: no ``.netrc``, no cookies, no redirects; certificates are always verified.
- Tries are repeated with growing delays within ``http_timeout``; pauses that a server asks for hold all threads (``governor``) and come on top.
"""

from __future__ import annotations

import copy
import http.cookiejar
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import msgspec
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from ..errors import BadAnswer, KeyRejected, NotFound, Offline, RemoteError, ServiceDown
from ..reporter import Patience, Plain
from ..settings import LOOPBACK, Settings
from . import images, refusals
from .governor import LONGEST_SPACING, WAITING, Governor
from .values import decode

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
JSON_LIMIT = 64 * 1024 * 1024
API_IN_FLIGHT = 3
IMAGE_IN_FLIGHT = 6
MOST_TRIES = 6
MOST_THROTTLED = 4  # tries that end with 429
MOST_REDIRECTS = 5

Origin = tuple[str, str, int]


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class _Session(requests.Session):
    """A session that adds nothing of its own to what it is told to send. One is shared: its pools are safe for threads."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False  # no .netrc; proxies and certificates are passed with each request
        self.auth = lambda request: request
        self.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(pool_connections=16, pool_maxsize=16))

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: requests shall not even prepare a following request, which would rebuild authorization."""
        return None


def origin_of(url: str) -> Origin:
    """Scheme, host and port of an address. Raises ValueError for what is no http(s) address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("no web address")
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def is_loopback(host: str) -> bool:
    return host in LOOPBACK or host.startswith("127.")


class Transport:
    """Requests to Civitai. ``settings`` is called for each, so that a changed key or proxy works at once. Safe for threads."""

    def __init__(
        self, settings: Callable[[], Settings], patience: Patience | None = None, *, version: str, spacing: float = 0.1, image_spacing: float = 0.0
    ) -> None:
        self._settings = settings
        self._patience: Patience = patience or Plain()
        self._agent = f"civitai-manager/{version}"
        self._read_timeout = READ_TIMEOUT
        self._spacing = {True: spacing, False: image_spacing}
        self._session = _Session()
        self._governors: dict[Origin, Governor] = {}
        self._lock = threading.Lock()

    def using(self, patience: Patience) -> Transport:
        """The same connections and governors with another patience (that of one job)."""
        twin = copy.copy(self)
        twin._patience = patience
        return twin

    def with_settings(self, change: Callable[[Settings], Settings]) -> Transport:
        """The same connections and governors under other settings: without the key, or with less time to try."""
        twin, settings = copy.copy(self), self._settings
        twin._settings = lambda: change(settings())
        return twin

    def unhurried(self, seconds: float) -> Transport:
        """For answers that are known to be long in coming: the same, with a server that may be silent for so long, and with time for that."""
        twin = self.with_settings(lambda settings: msgspec.structs.replace(settings, http_timeout=max(settings.http_timeout, seconds + 20)))
        twin._read_timeout = seconds
        return twin

    def close(self) -> None:
        self._session.close()

    @property
    def base_url(self) -> str:
        return self._settings().civitai_url

    @property
    def has_key(self) -> bool:
        return bool(self._settings().api_key.strip())

    def own_path(self, url: str) -> str:
        """Path and query of an address out of an answer (``nextPage``), for ``get_json``: its host is never trusted, a token in it is dropped."""
        parts = urlsplit(url)
        query = urlencode([(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name.lower() != "token"])
        return f"{parts.path}?{query}" if query else parts.path

    def get_json(self, path: str, params: Mapping[str, Any] | None = None, *, what: str = "") -> tuple[object, bytes]:
        """Decoded and raw body of ``GET path``. ``what`` names the thing for messages ("model 123"). Raises RemoteError, Stopped."""
        query = urlencode({name: value for name, value in (params or {}).items() if value is not None}, doseq=True)
        return self._json("GET", path + (("&" if "?" in path else "?") + query if query else ""), None, what)

    def post_json(self, path: str, body: object, *, what: str = "") -> tuple[object, bytes]:
        """As ``get_json``; only for look-ups, since a POST is repeated as a GET is."""
        return self._json("POST", path, msgspec.json.encode(body), what)

    def get_bytes(self, url: str, limit: int) -> tuple[bytes, str]:
        """An image or the like: body and content type. Never sends the key. Raises RemoteError (BadAnswer beyond ``limit`` bytes), Stopped."""
        answer = self._exchange("GET", self._public(url), None, limit, authorized=False)
        if answer.status >= 300 or answer.status < 200:
            if answer.status in (403, 404, 410):
                raise NotFound("This image is no longer on Civitai.")
            raise refusals.api_error(answer.status, answer.headers, answer.body, has_key=False, what="an image")
        if not answer.body or refusals.is_page(answer.headers, answer.body):
            raise BadAnswer("Civitai sent no image for an image's address.")
        return answer.body, refusals.header(answer.headers, "Content-Type").partition(";")[0].strip().lower()

    def open(self, url: str, headers: Mapping[str, str], *, authorized: bool) -> requests.Response:
        """One try of a streamed GET for downloads; the caller closes the answer and follows redirects. The key goes only to the API's own origin.

        The API is asked in its turn, and a throttling answer slows all threads. Raises Offline when no connection can be opened; other exceptions
        of ``requests`` pass through. Socket timeouts: 10 s and 30 s.
        """
        timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)
        try:
            if not authorized:
                return self._send("GET", url, None, authorized=False, timeout=timeout, headers=headers)
            governor = self._governor(url)
            with governor.turn(self._patience) as started:
                response = self._send("GET", url, None, authorized=True, timeout=timeout, headers=headers)
                if response.status_code in (429, 503):
                    governor.throttled(started, refusals.retry_after(response.headers) or 0.0)
                return response
        except (requests.RequestException, ValueError) as exc:
            if _unopened(exc):
                raise _offline(exc) from None
            raise

    def _json(self, method: str, path: str, data: bytes | None, what: str) -> tuple[object, bytes]:
        if not path.startswith("/"):
            raise BadAnswer("An address of another site was asked for as Civitai's API.")
        answer = self._exchange(method, self.base_url + path, data, JSON_LIMIT, authorized=True)
        if not 200 <= answer.status < 300 or refusals.is_page(answer.headers, answer.body):
            raise refusals.api_error(answer.status, answer.headers, answer.body, has_key=self.has_key, what=what)
        return decode(answer.body), answer.body

    def _exchange(self, method: str, url: str, data: bytes | None, limit: int, *, authorized: bool) -> Answer:
        """An answer that needs no further try: redirects followed, what may pass repeated. Raises RemoteError when trying is over."""
        effort = _Effort(self._settings())
        redirects = 0
        while True:
            governor = self._governor(url)
            with governor.turn(self._patience) as started:
                try:
                    answer = self._once(method, url, data, limit, effort, authorized)
                except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as exc:
                    delay = effort.after_failure(exc, started)
                    log.info("civitai: %s %s: %s; trying again in %.1f s", method, urlsplit(url).path, type(exc).__name__, delay)
                else:
                    delay = 0.0
                    if answer.status in (429, 503) and not refusals.is_paging_cap(answer.headers, answer.body):
                        governor.throttled(started, effort.after_throttling(answer, started))
                        continue
                    if answer.status in refusals.REPEATABLE:
                        delay = effort.after_refusal(answer, started)
                    else:
                        governor.succeeded()
            if delay:
                self._patience.wait(delay, WAITING)
                continue
            target = refusals.header(answer.headers, "Location")
            if answer.status not in (301, 302, 303, 307, 308) or not target or refusals.login_redirect(target):
                return answer
            redirects += 1
            url = self._redirected(url, target, redirects, authorized=authorized)

    def _once(self, method: str, url: str, data: bytes | None, limit: int, effort: _Effort, authorized: bool) -> Answer:
        left = effort.left
        timeout = (min(CONNECT_TIMEOUT, left), min(self._read_timeout, left))
        headers = {"Accept": "application/json" if authorized else "image/*, video/*;q=0.5, */*;q=0.1"}
        with self._send(method, url, data, authorized=authorized, timeout=timeout, headers=headers) as response:
            body = bytearray()
            end = time.monotonic() + left
            for piece in _pieces(response):
                body += piece
                self._patience.check()
                if len(body) > limit:
                    raise BadAnswer(f"An answer of Civitai is larger than {limit // 2**20} MiB.")
                if time.monotonic() > end:
                    raise requests.ReadTimeout("the answer took too long")
            length = response.headers.get("Content-Length", "")
            if length.isdigit() and response.raw.tell() < int(length):
                raise requests.exceptions.ChunkedEncodingError("the answer was cut short")
            return Answer(response.status_code, dict(response.headers), bytes(body))

    def _send(
        self, method: str, url: str, data: bytes | None, *, authorized: bool, timeout: tuple[float, float], headers: Mapping[str, str]
    ) -> requests.Response:
        settings = self._settings()
        origin = origin_of(url)
        sent = {name: value for name, value in headers.items() if name.lower() != "authorization"}
        sent["User-Agent"] = self._agent
        if data is not None:
            sent["Content-Type"] = "application/json"
        if authorized and settings.api_key.strip() and self._may_see_key(origin):
            sent["Authorization"] = f"Bearer {_clean_key(settings.api_key)}"
        way = {"proxies": _proxies(settings, url), "verify": _certificates()}
        return self._session.request(method, url, data=data, headers=sent, timeout=timeout, stream=True, allow_redirects=False, **way)  # type: ignore[arg-type]

    def _may_see_key(self, origin: Origin) -> bool:
        return origin == origin_of(self.base_url) and (origin[0] == "https" or is_loopback(origin[1]))

    def _governor(self, url: str) -> Governor:
        try:
            origin = origin_of(url)
            api = origin == origin_of(self.base_url)
        except ValueError:
            raise BadAnswer("Civitai gave an address that is none.") from None
        with self._lock:
            if origin not in self._governors:
                self._governors[origin] = Governor(API_IN_FLIGHT if api else IMAGE_IN_FLIGHT, self._spacing[api])
            return self._governors[origin]

    def _redirected(self, url: str, target: str, redirects: int, *, authorized: bool) -> str:
        """Where a redirect leads. Raises BadAnswer for too many, for one from https to open http, and for an image's to where no image may lie."""
        try:
            following = urljoin(url, target)
            new, old = origin_of(following), origin_of(url)
        except ValueError:
            raise BadAnswer("Civitai redirects to an address that is none.") from None
        if redirects > MOST_REDIRECTS:
            raise BadAnswer("Civitai redirects in a circle.")
        if old[0] == "https" and new[0] == "http":
            raise BadAnswer("Civitai redirects to an address without encryption.")
        return following if authorized else self._public(following)

    def _public(self, url: str) -> str:
        """An image's address as it may be asked: at Civitai (``images.is_civitais``), over https, but on this computer."""
        try:
            scheme, host, _ = origin_of(url)
        except ValueError:
            raise BadAnswer("An image's address is none.") from None
        if not images.is_civitais(url, self.base_url):
            raise BadAnswer(f"This image lies at {host}, not at Civitai: it is not fetched.", next_step="Save it yourself, then give it as a file.")
        return url if scheme == "https" or is_loopback(host) else "https" + url[len("http") :]


class _Effort:
    """How much of one request's time and patience is used up. ``http_timeout`` bounds the sum of its tries and of its own delays."""

    def __init__(self, settings: Settings) -> None:
        self.left = settings.http_timeout
        self._timeout = settings.http_timeout
        self._delay = settings.http_retry_delay
        self._tries = 0
        self._unopened = 0

    def after_failure(self, exc: Exception, started: float) -> float:
        """Seconds before the next try. Raises Offline or ServiceDown when there is none, and what is no matter of the connection."""
        self._used(started)
        if isinstance(exc, ValueError) and not isinstance(exc, requests.ConnectionError):
            raise _unusable(exc) from None
        if _unopened(exc):
            self._unopened += 1
            delay = min(1.0, self._next_delay())
            if self._unopened > 1 or delay >= self.left:
                raise _offline(exc) from None
        else:
            delay = self._next_delay()
            if self._tries >= MOST_TRIES or delay >= self.left:
                slow = isinstance(exc, requests.Timeout) or "timed out" in str(exc)
                raise ServiceDown("Civitai does not answer in time." if slow else "The connection to Civitai breaks off again and again.") from None
        self.left -= delay
        return delay

    def after_refusal(self, answer: Answer, started: float) -> float:
        """Seconds before the next try after a status that may pass. Raises ServiceDown when there is none."""
        self._used(started)
        delay = self._next_delay()
        if self._tries >= MOST_TRIES or delay >= self.left:
            raise refusals.api_error(answer.status, answer.headers, answer.body, has_key=False)
        self.left -= delay
        return delay

    def after_throttling(self, answer: Answer, started: float) -> float:
        """Seconds in which nobody shall ask this host. What Retry-After demands does not count as used. Raises RateLimited or ServiceDown."""
        self._used(started)
        demanded = refusals.retry_after(answer.headers)
        delay = self._next_delay()
        most = MOST_TRIES if answer.status == 503 else MOST_THROTTLED
        if self._tries >= most or (demanded is None and delay >= self.left) or self.left <= 0:
            raise refusals.api_error(answer.status, answer.headers, answer.body, has_key=False)
        if demanded is None:
            self.left -= delay
            return min(delay, LONGEST_SPACING)
        return demanded

    def _used(self, started: float) -> None:
        self._tries += 1
        self.left -= time.monotonic() - started

    def _next_delay(self) -> float:
        delay = self._delay * random.uniform(0.8, 1.2)
        self._delay *= 2
        return delay


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """The decoded body as it arrives, so that a trickle is noticed by the caller's clock and not only by the socket's."""
    read1 = getattr(response.raw, "read1", None)
    if read1 is None:  # urllib3 1; each piece is waited for in full, so it is small
        yield from response.iter_content(64)
        return
    while piece := read1(65536, decode_content=True):
        yield piece


def _proxies(settings: Settings, url: str) -> dict[str, str]:
    host = urlsplit(url).hostname or ""
    if is_loopback(host):
        return {}
    if settings.proxy:
        return {"http": settings.proxy, "https": settings.proxy}
    return dict(get_environ_proxies(url))


def _certificates() -> str | bool:
    """The certificates to trust: the user's own bundle where the environment names one; never none."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True


def _clean_key(key: str) -> str:
    key = key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise KeyRejected("The API key holds characters that no key has: it was not sent.")
    return key


def _unopened(exc: BaseException) -> bool:
    """Whether not even a connection came about: no name, refused, unreachable, a proxy that refuses, a certificate that is not accepted."""
    if isinstance(exc, (requests.exceptions.ProxyError, requests.exceptions.SSLError, requests.ConnectTimeout)):
        return True
    reason = getattr(exc.args[0] if exc.args else None, "reason", None)
    return isinstance(reason, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError))


def _offline(exc: BaseException) -> Offline:
    if isinstance(exc, requests.exceptions.ProxyError):
        return Offline("Civitai cannot be reached: the proxy does not answer or refuses.", next_step="Check the proxy in Settings.")
    if isinstance(exc, requests.exceptions.SSLError):
        certificate = "certificate" in str(exc).lower()
        return Offline(
            f"Civitai cannot be reached safely: the {'certificate' if certificate else 'encryption'} of the connection is not accepted.",
            next_step="Check this computer's clock, and whether a proxy or virus scanner stands between. Nothing was sent.",
        )
    return Offline()


def _unusable(exc: Exception) -> RemoteError:
    strange_scheme = isinstance(exc.args[0] if exc.args else None, urllib3.exceptions.ProxySchemeUnknown)
    if strange_scheme or isinstance(exc, (requests.exceptions.InvalidProxyURL, requests.exceptions.InvalidSchema)):
        return Offline("The proxy of the settings or the environment cannot be used.", next_step="Give it as http://host:port in Settings.")
    return BadAnswer("Civitai gave an address that cannot be asked.")
