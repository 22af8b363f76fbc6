"""Variants of Civitai's image URLs.

A URL is ``https://HOST/ACCOUNT/UUID/PARAMETERS/NAME.EXT``; the parameters (``original=true``, ``width=450,optimized=true``) choose what the image
server sends. Only the UUID and the parameters matter to it. Addresses of another shape (avatars at other sites) are returned unchanged.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

VIDEO_ENDINGS = (".mp4", ".webm", ".mov")

_PARAMETERS = re.compile(r"[A-Za-z]+=[^,/]*(,[A-Za-z]+=[^,/]*)*")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


_HOSTS = re.compile(r"([a-z0-9-]+\.)*civitai\.(com|red|green|buzz)")
_LOCAL = ("127.0.0.1", "localhost", "::1")


def is_civitais(url: str, civitai_url: str) -> bool:
    """Whether an address that a page or an answer names lies at Civitai, or at the site that is set in its place, so that this computer may fetch it.

    Anything else may lie where only this computer gets to: the router, a service of the company, another person's machine. Of this computer itself
    only what lies beside a Civitai that is here, too (the demo).
    """
    try:
        parts, own = urlsplit(url), urlsplit(civitai_url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or "@" in parts.netloc:
        return False
    return bool(_HOSTS.fullmatch(host)) or (host == own.hostname and host not in _LOCAL) or (host in _LOCAL and own.hostname in _LOCAL)


def is_video(url: str) -> bool:
    """Whether the address names a video."""
    return url.partition("?")[0].lower().endswith(VIDEO_ENDINGS)


def sized(url: str, width: int) -> str:
    """The same picture at most ``width`` pixels wide (the server rounds up to 96, 320, 450, 512, 800, ...); a video stays a (small) video."""
    return _variant(url, f"transcode=true,width={width}" if is_video(url) else f"width={width}")


def still(url: str, width: int) -> str:
    """A still picture at most ``width`` pixels wide; of a video its first frame, as JPEG."""
    if not is_video(url):
        return sized(url, width)
    return _variant(url, f"anim=false,transcode=true,width={width}", ending=".jpeg")


def original(url: str) -> str:
    """The file as it was uploaded: the only variant that can still hold generation data."""
    return _variant(url, "original=true")


def _variant(url: str, parameters: str, ending: str = "") -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    steps = parts.path.split("/")
    if len(steps) >= 3 and _PARAMETERS.fullmatch(steps[-2]):
        steps[-2] = parameters
    elif len(steps) >= 3 and _UUID.fullmatch(steps[-2]):
        steps.insert(-1, parameters)
    else:
        return url
    if ending:
        steps[-1] = steps[-1].rsplit(".", 1)[0] + ending
    return urlunsplit(parts._replace(path="/".join(steps)))
