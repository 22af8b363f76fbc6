"""GET /models and GET /images: validation, filters, order and cursors as Civitai has them."""

from __future__ import annotations

import bisect
import json
from typing import Any
from urllib.parse import urlencode

from .build import Json, iso
from .catalogue import Catalogue
from .community import COMMUNITY_IMAGE, COMMUNITY_POST
from .shapes import Shapes, post_of
from .words import MODEL_TYPES

YES, NO = ("true", "1", "yes", "on", "y", "enabled"), ("false", "0", "no", "off", "n", "disabled")
SORTS = ("Highest Rated", "Most Downloaded", "Most Liked", "Most Discussed", "Most Collected", "Most Images", "Newest", "Oldest")
IMAGE_SORTS = ("Most Reactions", "Most Comments", "Most Collected", "Newest", "Oldest", "Random")
PERIODS = ("AllTime", "Year", "Month", "Week", "Day")
PERIOD_DAYS = {"Year": 365, "Month": 31, "Week": 7, "Day": 1}
TOO_MANY = "You've requested too many pages, please use cursors instead"
BOOLEANS = (
    "nsfw",
    "favorites",
    "hidden",
    "primaryFileOnly",
    "supportsGeneration",
    "earlyAccess",
    "fromPlatform",
    "archived",
    "followed",
    "needsReview",
    "paidAccess",
    "onSale",
    "newCreators",
)
IMPOSSIBLE = (
    "allowNoCredit", "allowDerivatives", "allowDifferentLicense", "collectionId", "browsingLevel", "disablePoi", "disableMinor", "isFeatured",
    "pending",
)  # fmt: skip


class Bad(Exception):
    """A refusal with its status and body."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(str(body))
        self.status, self.body = status, body


def zod(path: str, message: str, code: str = "invalid_value") -> Bad:
    issues = [{"code": code, "path": [path], "message": message}]
    return Bad(400, {"error": {"name": "ZodError", "message": json.dumps(issues, indent=2)}})


def number(query: Query, key: str, low: int, high: int | None, otherwise: int | None) -> int | None:
    raw = query.one(key)
    if raw is None:
        return otherwise
    if not raw.lstrip("-").isdigit():
        raise zod(key, "Invalid input: expected number, received NaN", "invalid_type")
    if int(raw) < low or high is not None and int(raw) > high:
        raise zod(
            key,
            f"Too {'small' if int(raw) < low else 'big'}: expected number to be {'>=' if int(raw) < low else '<='}{low if int(raw) < low else high}",
            "too_big",
        )
    return int(raw)


class Query:
    """Query parameters, each possibly repeated."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.pairs = pairs

    def one(self, key: str) -> str | None:
        return next((value for name, value in reversed(self.pairs) if name == key), None)

    def all(self, key: str) -> list[str]:
        return [value for name, value in self.pairs if name == key]

    def flag(self, key: str) -> bool | None:
        raw = self.one(key)
        if raw is None:
            return None
        if raw.lower() not in YES + NO:
            raise zod(key, "Invalid input: expected boolean")
        return raw.lower() in YES

    def choice(self, key: str, known: tuple[str, ...], otherwise: str) -> str:
        raw = self.one(key) or otherwise
        if raw not in known:
            raise zod(key, "Invalid option: expected one of " + "|".join(f'"{name}"' for name in known))
        return raw

    def numbers(self, key: str) -> list[int] | None:
        raw = [part for value in self.all(key) for part in value.split(",") if part.strip()]
        if any(not part.strip().isdigit() for part in raw):
            raise zod(key, "Invalid input: expected number, received NaN", "invalid_type")
        return [int(part) for part in raw] if self.all(key) else None


class Lister:
    """Answers the two lists."""

    def __init__(self, catalogue: Catalogue, shapes: Shapes) -> None:
        self.catalogue, self.shapes = catalogue, shapes

    # Models

    def models(self, query: Query, host: str, signed_in: bool) -> Json:
        """The body of GET /models. Raises Bad."""
        limit = number(query, "limit", 0, 100, 100)
        page = number(query, "page", 1, None, None)
        assert limit is not None
        sort, _ = query.choice("sort", SORTS, "Highest Rated"), query.choice("period", PERIODS, "AllTime")
        for kind in query.all("types"):
            if kind not in MODEL_TYPES:
                raise zod("types", "Invalid option: expected one of " + "|".join(f'"{name}"' for name in MODEL_TYPES))
        query.choice("checkpointType", ("Trained", "Merge", ""), "")
        flags = {key: query.flag(key) for key in BOOLEANS}
        for key in IMPOSSIBLE:
            if query.one(key) is not None:
                raise zod(key, "Invalid input: expected boolean, received string", "invalid_type")
        if not signed_in and (query.one("favorites") is not None or query.one("hidden") is not None):
            raise Bad(401, {"error": "Unauthorized"})
        text = query.one("query")
        if text and page:
            raise Bad(400, {"error": "Cannot use page param with query search. Use cursor-based pagination."})
        if page and page * limit > 1000:
            raise Bad(429, {"error": TOO_MANY})
        entries, following = self._search(query, text, limit, flags) if text else self._listed(query, sort, limit, flags)
        mask = None if flags["nsfw"] else 1
        bases = query.all("baseModels") or None
        found = [self.catalogue.model(entry["id"]) for entry in entries]
        items = [
            self.shapes.model(model, host, "list", mask=mask, bases=bases, primary_only=bool(flags["primaryFileOnly"])) for model in found if model
        ]
        metadata: Json = {}
        if following is not None:
            pairs = [(key, value) for key, value in query.pairs if key != "cursor"] + [("cursor", following)]
            metadata = {"nextCursor": following, "nextPage": f"{host}/api/v1/models?{urlencode(pairs)}"}
        if page and query.one("cursor") is None:
            metadata.update(currentPage=page, pageSize=limit)
        return {"items": items, "metadata": metadata}

    def _keep(self, entry: Json, query: Query, flags: dict[str, bool | None], *, searching: bool) -> bool:
        """All filters but the text."""
        if entry["id"] in self.catalogue.unlisted or ((entry["minor"] or not entry["level"]) if flags["nsfw"] else not entry["level"] & 1):
            return False
        types, bases, name = query.all("types"), query.all("baseModels"), query.one("username")
        tag, period = query.one("tag") or query.one("tagname"), query.one("period")
        if types and entry["type"] not in types or bases and not set(bases) & set(entry["bases"]):
            return False
        if name and str(entry["creator"] or "").lower() != name.lower() or tag and tag.lower() not in (str(tag_).lower() for tag_ in entry["tags"]):
            return False
        if flags["favorites"] and entry["id"] % 7:  # whose key it is likes every seventh
            return False
        if (kind := query.one("checkpointType")) and entry["type"] == "Checkpoint" and kind != ("Trained", "Merge")[entry["id"] % 2]:
            return False
        if flags["archived"] is not None and flags["archived"] != entry["archived"]:
            return False
        return not period or period == "AllTime" or searching or entry["published"] >= iso(PERIOD_DAYS[period])

    def _order(self, sort: str) -> Any:
        if sort in ("Newest", "Oldest"):
            return lambda entry: (entry["published"], entry["id"])
        if sort == "Most Downloaded":
            return lambda entry: (entry["downloads"], entry["likes"], entry["id"])
        return lambda entry: (entry["likes"], entry["downloads"], entry["id"])

    def _listed(self, query: Query, sort: str, limit: int, flags: dict[str, bool | None]) -> tuple[list[Json], str | None]:
        name = query.one("username")
        if name and name.lower() not in (creator.lower() for creator in self.catalogue.creators):
            raise Bad(404, {"message": "User not found"})
        order, kept = self._order(sort), [entry for entry in self.catalogue.index if self._keep(entry, query, flags, searching=False)]
        ids, versions = query.numbers("ids"), query.numbers("modelVersionIds")
        if ids is not None:
            kept = [entry for entry in kept if entry["id"] in set(ids)]
        if versions is not None:
            owners = {found[0]["id"] for found in map(self.catalogue.version, versions) if found}
            kept = [entry for entry in kept if entry["id"] in owners]
        kept.sort(key=order, reverse=sort != "Oldest")
        start, cursor = 0, query.one("cursor")
        if cursor is not None:
            start = self._after(kept, cursor, order, sort)
        rows = kept[start : start + limit + 1]
        following = "|".join(map(str, order(rows[limit]))) if len(rows) > limit else None
        return rows[:limit], following

    @staticmethod
    def _after(kept: list[Json], cursor: str, order: Any, sort: str) -> int:
        """Where the row that the cursor names (or the next after it) stands."""
        parts: list[Any] = cursor.split("|")
        dated = sort in ("Newest", "Oldest")
        if len(parts) != (2 if dated else 3):
            raise Bad(400, {"message": f"Invalid cursor: expected {2 if dated else 3} value(s) for this sort, received {len(parts)}"})
        try:
            key = (parts[0], int(parts[1])) if dated else tuple(map(int, parts))
        except ValueError:
            raise Bad(400, {"message": "Invalid cursor"}) from None
        if sort == "Oldest":
            return bisect.bisect_left([order(entry) for entry in kept], key)
        return len(kept) - bisect.bisect_right([order(entry) for entry in reversed(kept)], key)

    def _search(self, query: Query, text: str, limit: int, flags: dict[str, bool | None]) -> tuple[list[Json], str | None]:
        """Text search: the window is cut first and filtered afterwards, so a page may be short or empty while more follow."""
        wanted, cursor = text.lower().split(), query.one("cursor") or "0"
        if not cursor.isdigit():
            raise Bad(400, {"message": "Invalid cursor"})
        hits, types = [], query.all("types")
        for entry, (name, words) in zip(self.catalogue.index, self.catalogue.words, strict=True):
            if (not types or entry["type"] in types) and all(word in name or any(known.startswith(word) for known in words) for word in wanted):
                hits.append((0 if name.startswith(text.lower()) else 1, entry["id"], entry))
        hits.sort(key=lambda hit: hit[:2])
        start = int(cursor)
        following = str(start + limit) if len(hits) > start + limit else None
        return [entry for _, _, entry in hits[start : start + limit] if self._keep(entry, query, flags, searching=True)], following

    # Pictures

    def images(self, query: Query, host: str) -> Json:
        """The body of GET /images. Raises Bad."""
        limit, page = number(query, "limit", 0, 200, 100), number(query, "page", 1, None, None)
        wanted = {key: number(query, key, 0, None, None) for key in ("postId", "modelId", "modelVersionId", "imageId", "userId")}
        assert limit is not None
        if page and page * limit > 1000:
            raise Bad(429, {"error": TOO_MANY})
        database = wanted["imageId"] is not None or wanted["modelId"] is not None and wanted["modelVersionId"] is None
        flat = query.flag("flatMeta")
        meta = "none" if not query.flag("withMeta") else "flat" if (flat if flat is not None else not database) else "nested"
        mask, kind = self._mask(query), query.one("type")
        sort = query.choice("sort", IMAGE_SORTS, "Most Reactions")
        if sort == "Random" and query.one("collectionId") is None:
            raise Bad(400, {"error": "Random sort requires a collectionId"})
        since = iso(PERIOD_DAYS[period]) if (period := query.choice("period", PERIODS, "AllTime")) in PERIOD_DAYS else ""
        rows = [row for row in self._pictures(wanted, query.one("username")) if row[2]["nsfwLevel"] & mask and (not kind or row[2]["type"] == kind)]
        rows = [row for row in rows if str(row[2].get("_created") or row[1]["_created"]) >= since]
        if database:  # there the sorts by reactions fall back to this one
            rows.sort(key=lambda row: -row[2]["id"])
        elif sort in ("Newest", "Oldest"):
            rows.sort(key=lambda row: str(row[2].get("_created") or row[1]["_created"]), reverse=sort == "Newest")
        cursor = query.one("cursor")
        if cursor is not None and not cursor.replace("|", "").isdigit():
            raise Bad(400, {"message": "Invalid cursor"})
        if database and cursor:
            rows = [row for row in rows if row[2]["id"] <= int(cursor.split("|")[0])]
        start = int(cursor.split("|")[0]) if cursor and not database else (page - 1) * limit if page and not cursor else 0
        window = rows[start : start + limit]
        metadata: Json = {}
        if len(rows) > start + limit:
            following = str(rows[start + limit][2]["id"]) if database else f"{start + limit}|1788256200000"
            pairs = [(key, value) for key, value in query.pairs if key not in ("cursor", "page")]
            pairs.append(("page", str(page + 1)) if page else ("cursor", following))
            metadata = {"nextCursor": following, "nextPage": f"{host}/api/v1/images?{urlencode(pairs)}"}
        if page:
            metadata.update(currentPage=page, pageSize=limit)
        return {"items": [self.shapes.picture(*row, meta=meta) for row in window], "metadata": metadata}

    @staticmethod
    def _mask(query: Query) -> int:
        if query.one("browsingLevel") is not None:
            return number(query, "browsingLevel", 0, 63, 1) or 1
        raw = query.one("nsfw") or "None"
        named = {"None": 1, "Soft": 3, "Mature": 7, "X": 31, "Blocked": 32}
        if raw not in named and raw.lower() not in YES + NO:
            raise zod("nsfw", "Invalid input")
        return named.get(raw, 60 if raw.lower() in YES else 1)

    def _pictures(self, wanted: dict[str, int | None], username: str | None) -> list[tuple[Json, Json, Json]]:
        """All pictures that fit the ids; without ids those of the first 200 models."""
        if wanted["imageId"] is not None:
            one = self.catalogue.image(wanted["imageId"])
            return [one] if one and one[0]["_found"] and not one[0]["poi"] else []
        version = wanted["modelVersionId"]
        post = wanted["postId"]
        if post is not None and post >= COMMUNITY_POST:
            index, place = divmod(post - COMMUNITY_POST, 1000)
            shared = (self.catalogue.image(COMMUNITY_IMAGE + index * 1000 + place * 3 + at) for at in range(3))
            return [row for row in shared if row]
        if post is not None:
            version = post - post_of(0)
        if version is not None:
            found = self.catalogue.version(version)
            models = [found[0]] if found else []
        elif wanted["modelId"] is not None:
            models = [model for model in [self.catalogue.model(wanted["modelId"])] if model]
        else:
            models = [model for entry in self.catalogue.index[:200] if (model := self.catalogue.model(entry["id"]))]
        rows = [(model, one, image) for model in models for one in model["modelVersions"] for image in one["images"]]
        if post is None and (version is not None or wanted["modelId"] is not None):
            rows += [row for model in models for row in self.catalogue.community(model)]
        rows = [row for row in rows if version is None or row[1]["id"] == version]
        shown = [row for row in rows if not row[2]["poi"] and not row[0]["poi"]]
        return [row for row in shown if not username or str(row[2].get("_username", (row[0]["creator"] or {}).get("username"))) == username]
