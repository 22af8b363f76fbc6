"""Faults that can be switched on while the demo runs: in process with DemoServer.fault(...), over HTTP with POST /__demo__/faults.

Each fault has a name, an optional `path` (a regular expression searched in "path?query"), `times` (how many requests it hits; None: every one)
and options of its own. NAMES lists them all with where they strike and what they take.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Any

API, STORAGE, DOWNLOAD = "api", "storage", "download"

# name -> (where it strikes, what it does)
NAMES: dict[str, tuple[tuple[str, ...], str]] = {
    "rate_limit": ((API,), "429 with Retry-After (retry_after=1)"),
    "rate_limit_silent": ((API,), "429 without Retry-After"),
    "paging_limit": ((API,), "429 with the paging sentence"),
    "error": ((API,), "status=500 (JSON; old=True: as before 2026-08), 503 (JSON, Retry-After 2), other 5xx the edge's HTML; html=True"),
    "storage_error": ((STORAGE,), "the same on the storage origin (status=503)"),
    "challenge": ((API,), "403 HTML with cf-mitigated: challenge"),
    "maintenance": ((API,), "503 HTML"),
    "region": ((API,), "451"),
    "forbidden": ((DOWNLOAD,), '403 {"error": "Forbidden"}'),
    "html_page": ((API,), "200 HTML instead of JSON"),
    "empty_page": ((API,), "a list without its items (a statement timed out); cursor=True: the next cursor stays, else it is gone, too"),
    "wrong_image": ((API,), "GET /images answers with other pictures than those of the imageId that was asked for"),
    "control_characters": ((API,), "raw control characters inside the first strings of a JSON answer"),
    "key_rejected": ((API,), "no key is accepted"),
    "download_limit": ((DOWNLOAD,), "429 about unusual downloading, no Retry-After"),
    "short_expiry": ((DOWNLOAD,), "the signed link lives only `seconds`=1"),
    "undefined_url": ((API,), "downloadUrl https://undefined/... in answers"),
    "stall": ((API, STORAGE), "sends `after`=0 bytes, then nothing for `seconds`=30, then closes"),
    "slow": ((API, STORAGE), "waits `seconds`=1 before the answer, then answers well"),
    "close": ((API, STORAGE), "announces all, sends `after`=0 bytes, closes (FIN)"),
    "reset": ((STORAGE,), "announces all, sends `after`=0 bytes, resets (RST)"),
    "length_short": ((STORAGE,), "announces `by`=1000 bytes fewer than it sends"),
    "length_long": ((STORAGE,), "announces `by`=1000 bytes more than it sends, then closes"),
    "ignore_range": ((STORAGE,), "200 from the first byte whatever Range says"),
    "range_416": ((STORAGE,), "416 for every Range"),
    "wrong_bytes": ((STORAGE,), "the right size, other bytes"),
    "drip": ((STORAGE,), "sends `rate`=10000 bytes a second"),
    "expired": ((STORAGE,), "403 XML: the request has expired"),
    "json_file": ((STORAGE,), "200 with 90 bytes of JSON as the file"),
    "html_file": ((STORAGE,), "200 with an HTML page as the file"),
    "no_disposition": ((STORAGE,), "no Content-Disposition"),
    "no_length": ((STORAGE,), "no Content-Length: chunked, and no Range"),
    "changed_file": ((STORAGE,), "another `revision`=1 of the file: other ETag and bytes (same_bytes=True: only the ETag); `after` cuts it there"),
}  # fmt: skip


@dataclass
class Fault:
    """One switched-on fault; `times` counts down."""

    name: str
    path: str = ""
    times: int | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def get(self, key: str, otherwise: Any) -> Any:
        return self.options.get(key, otherwise)


class Faults:
    """The faults of one demo, in the order in which they were switched on; the first that fits a request is used, once per request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, name: str, path: str = "", times: int | None = None, **options: Any) -> Fault:
        """Switch a fault on. Raises ValueError for an unknown name or a bad pattern."""
        if name not in NAMES:
            raise ValueError(f"no fault is called {name!r}; there are: {', '.join(sorted(NAMES))}")
        try:
            re.compile(path)
        except re.error as exc:
            raise ValueError(f"the path is not a regular expression: {exc}") from exc
        fault = Fault(name, path, times, options)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [{"name": fault.name, "path": fault.path, "times": fault.times, **fault.options} for fault in self._faults]

    def take(self, where: str, target: str, *, names: tuple[str, ...] = (), but: tuple[str, ...] = ()) -> Fault | None:
        """The first fault for this place and target, counted down; `names` restricts, `but` excludes."""
        with self._lock:
            for fault in self._faults:
                fits = where in NAMES[fault.name][0] and (not names or fault.name in names) and fault.name not in but
                if fits and fault.times != 0 and re.search(fault.path, target):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None
