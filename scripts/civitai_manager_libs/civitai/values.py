"""Single values out of Civitai's JSON: each function takes anything and gives its type or a default, and never raises. And the JSON itself."""

from __future__ import annotations

import datetime
import json
import math
import re
from typing import Any

import msgspec

from ..errors import BadAnswer

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?\s*(Z|[+-]\d\d:?\d\d)?", re.ASCII)


def decode(body: bytes) -> object:
    """A JSON body. Control characters inside strings, seen in Civitai's answers, are accepted. Raises BadAnswer."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return _whole(json.loads(body.decode("utf-8-sig", "replace"), strict=False))
    except (ValueError, RecursionError):
        raise BadAnswer("Civitai's answer cannot be read: it is no valid JSON.") from None


def _whole(value: Any) -> Any:
    """Without half surrogate pairs, which no database or file takes."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(one) for name, one in value.items()}
    return value


def as_text(raw: object) -> str:
    """Text, also where a number stands in its place (all-digit user names); "" for anything else."""
    if isinstance(raw, str):
        return raw.replace("\x00", "")
    return str(raw) if isinstance(raw, (int, float)) and not isinstance(raw, bool) else ""


def as_number(raw: object) -> float | None:
    if isinstance(raw, str):
        try:
            raw = float(raw)
        except ValueError:
            return None
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        return None
    return raw if abs(raw) < 2**63 and math.isfinite(raw) else None


def as_int(raw: object) -> int | None:
    """A whole number of at most 63 bits."""
    number = int(raw) if isinstance(raw, str) and raw.isascii() and raw.isdigit() and len(raw) < 20 else as_number(raw)
    return int(number) if number is not None and abs(number) < 2**63 and number == int(number) else None


def as_bool(raw: object) -> bool | None:
    if isinstance(raw, str):
        return {"true": True, "false": False}.get(raw.lower())
    return bool(raw) if isinstance(raw, (bool, int)) else None


def as_list(raw: object) -> list[Any]:
    return raw if isinstance(raw, list) else []


def as_dict(raw: object) -> dict[str, Any]:
    return raw if isinstance(raw, dict) else {}


def parse_time(raw: object) -> datetime.datetime | None:
    """An ISO 8601 time with any number of decimals; without a zone it is UTC (``scannedAt`` of /model-versions)."""
    match = _TIME.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second, decimals, zone = match.groups()
    try:
        micros = int(((decimals or "") + "000000")[:6])
        clock = (int(hour or 0), int(minute or 0), int(second or 0), micros)
        moment = datetime.datetime(int(year), int(month), int(day), *clock, tzinfo=datetime.timezone.utc)
        if zone and zone != "Z":
            ahead = datetime.timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
            moment = moment - ahead if zone[0] == "+" else moment + ahead
    except (ValueError, OverflowError):
        return None
    return moment


def time_text(moment: datetime.datetime) -> str:
    """ISO 8601 in UTC as Civitai writes it: milliseconds and ``Z``."""
    return moment.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_time(raw: object) -> str | None:
    """A time as ``time_text`` writes it, or None."""
    moment = parse_time(raw)
    return time_text(moment) if moment is not None else None
