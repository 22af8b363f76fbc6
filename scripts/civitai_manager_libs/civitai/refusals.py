"""What an answer other than the wanted one means: status, headers and body in, a typed error out."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from ..errors import (
    Archived,
    BadAnswer,
    DownloadsDisabled,
    EarlyAccess,
    KeyRejected,
    LoginRequired,
    NotFound,
    QuotaExceeded,
    RateLimited,
    RegionBlocked,
    RemoteError,
    ServiceDown,
)
from .governor import local_time
from .values import as_dict, as_text, as_time, decode

Headers = Mapping[str, str]

REPEATABLE = frozenset({408, 502, 503, 504, *range(520, 528)})
"""Statuses after which the same request may work. Not 500: Civitai gives it for requests that it will never answer."""


def header(headers: Headers, name: str) -> str:
    """A header's value whatever the case of its name, "" when missing."""
    return next((value for key, value in headers.items() if key.lower() == name.lower()), "")


def is_page(headers: Headers, body: bytes) -> bool:
    """Whether this is an HTML page (of Cloudflare, of a maintenance, of a login) in the place of data."""
    start = body[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return "text/html" in header(headers, "Content-Type").lower() or start.startswith((b"<!doctype", b"<html"))


def retry_after(headers: Headers) -> float | None:
    """Seconds that the server asks to wait (a number or an HTTP date, against the server's own clock), None when it names none."""
    value = header(headers, "Retry-After").strip()
    try:
        return min(max(0.0, float(value)), 10.0**7)
    except ValueError:
        wanted = _date(value)
    if wanted is None:
        return None
    now = _date(header(headers, "Date")) or datetime.datetime.now(datetime.timezone.utc)
    return max(0.0, (wanted - now).total_seconds())


def _date(value: str) -> datetime.datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)


def is_paging_cap(headers: Headers, body: bytes) -> bool:
    """The 429 that means "this page number is not served", and that waiting does not help."""
    text = message_of(body).lower()
    return "too many pages" in text or "use cursors" in text


def message_of(body: bytes) -> str:
    """Civitai's own words: ``message``, ``error``, or ``error.message``; "" when the body is no such object."""
    try:
        got = as_dict(decode(body))
    except BadAnswer:
        return ""
    error = got.get("error")
    said = as_text(got.get("message")) or as_text(error) or as_text(as_dict(error).get("message"))
    return " ".join(said.split())[:300]


def login_redirect(location: str) -> bool:
    """Whether a redirect leads to the login page."""
    try:
        return urlsplit(location).path.rstrip("/") == "/login"
    except ValueError:
        return False


def api_error(status: int, headers: Headers, body: bytes, *, has_key: bool, what: str = "") -> RemoteError:
    """What a refusal of the API (not of a download) means. ``what`` names the thing asked for, as in "model 123"."""
    said = message_of(body)
    if status == 401 or (300 <= status < 400 and login_redirect(header(headers, "Location"))):
        return KeyRejected() if has_key else LoginRequired()
    if status == 404 and not is_page(headers, body):
        return NotFound(f"Civitai does not know {what}." if what else "")
    if status == 429:
        if is_paging_cap(headers, body):
            return BadAnswer(f"Civitai does not serve this page of the list: {said}.")
        return rate_limited(headers)
    reason = f"{status}: {said}" if said else f"{status}"
    return _common(status, headers, body, said) or BadAnswer(f"Civitai refused the request for {what or 'this'} ({reason}).")


def denial(status: int, headers: Headers, body: bytes, *, has_key: bool = False, what: str = "") -> RemoteError:
    """What a refused download means, by the table of Civitai's download route. ``has_key``: whether the request carried a key."""
    said, named = message_of(body), bool(what)
    what = what or "this file"
    if 300 <= status < 400:
        return KeyRejected() if has_key else LoginRequired()
    if status == 401:
        if "disabled downloads" in said.lower():
            return DownloadsDisabled(f"The creator has disabled downloads of {what}." if named else "")
        return KeyRejected() if has_key else LoginRequired()
    if status == 403 and not is_page(headers, body):
        return _forbidden(body, said, what)
    if status == 404 and not is_page(headers, body):
        return NotFound(f"Civitai has no file to give for {what}." if named else "Civitai does not have this file.")
    if status == 410:
        return Archived(f"The model of {what} is archived: Civitai no longer offers its files." if named else "")
    if status == 429:
        return rate_limited(headers) if header(headers, "Retry-After") or is_page(headers, body) else QuotaExceeded()
    return _common(status, headers, body, said) or BadAnswer(f"Civitai refused the download of {what} ({status}{': ' + said if said else ''}).")


def _forbidden(body: bytes, said: str, what: str) -> RemoteError:
    try:
        got = as_dict(decode(body))
    except BadAnswer:
        got = {}
    if "early access" in f"{as_text(got.get('error'))} {said}".lower():
        return EarlyAccess(deadline=as_time(got.get("deadline")))
    return RemoteError(
        f"Civitai does not give your account access to {what}{': ' + said if said else ''}.".replace("..", "."),
        next_step="Open the model's page on Civitai, logged in, and see what its creator asks for.",
    )


def _common(status: int, headers: Headers, body: bytes, said: str) -> RemoteError | None:
    """What means the same for every request."""
    if status == 451:
        return RegionBlocked()
    if header(headers, "cf-mitigated").lower() == "challenge" or (status == 403 and is_page(headers, body)):
        return ServiceDown(
            "Civitai's guard (Cloudflare) asks for a check that only a browser can pass.",
            next_step="Try again in some minutes; if it stays, try another network or proxy.",
        )
    if status == 410:
        return Archived()
    if status == 403:
        return RemoteError(f"Civitai refuses access{': ' + said if said else ''}.", next_step="Check your account on Civitai.")
    if status >= 500 or status == 408:
        return ServiceDown(f"Civitai is not working right now ({status}{': ' + said if said else ''}).")
    if is_page(headers, body):
        return ServiceDown(f"Civitai sent a web page instead of data ({status}); it may be under maintenance.")
    return None


def rate_limited(headers: Headers) -> RateLimited:
    """With the time that the server names, if it names one."""
    pause = retry_after(headers)
    return RateLimited(until=local_time(pause) if pause is not None else None)
