"""What the demo offers: a light index over all models, full forms on demand.

SPECIAL names the special cases (SPECIAL["malicious_names"].model_id, .version_id, .file_id); FIRST lists models that look good on a first screen.
Generated models have the ids 4_100_000 + n, their versions 4_200_000 + 4 n + v, their files 4_400_000 + 16 n + 4 v + f.
"""

from __future__ import annotations

import bisect
import copy
import dataclasses
import functools
import re
import threading
from typing import Any

from . import build, community, files, seeds, specials
from .build import Json
from .specials import MALICIOUS, SPECIAL, Case

__all__ = ["FIRST", "MALICIOUS", "SPECIAL", "Case", "Catalogue"]

FIRST = tuple(build.GENERATED_MODEL + index for index in range(24))
GENERATED_VERSIONS_NEW, GENERATED_FILES_NEW, NEW_IMAGES = 4_250_000, 4_700_000, 160_000_000
BIG_MODEL_ID = SPECIAL["big_file"].model_id
BIG_BYTES = specials.BIG.size


def _light(model: Json) -> Json:
    """The index entry of a model in full form; generated ones are made by build.brief without it."""
    stats = model["stats"]
    dates = [version["publishedAt"] for version in model["modelVersions"] if version["publishedAt"]]
    return {
        "id": model["id"], "name": model["name"], "type": model["type"], "bases": model["baseModels"],
        "creator": (model.get("creator") or {}).get("username"),
        "tags": model["tags"], "likes": stats["thumbsUpCount"] or 0, "downloads": stats["downloadCount"] or 0,
        "published": max(dates, default=build.iso(900)),
        "level": model["nsfwLevel"], "minor": model["minor"], "archived": model.get("mode") == "Archived",
    }  # fmt: skip


class Catalogue:
    """All models of one demo. Thread safe; nothing but the special cases and recordings is made before it is asked for."""

    def __init__(self, models: int = 40, seed: int = 1, era: str = "2026-08") -> None:
        self.count, self.seed, self.era = max(0, min(models, build.LIMIT)), seed, era
        taken: set[int] = set()
        fixed = specials.all_specials() + seeds.seeded(taken)
        self.fixed = {model["id"]: model for model in fixed}
        self.fixed_versions = {version["id"]: model for model in fixed for version in model["modelVersions"]}
        self.fixed_images = {
            image["id"]: (model, version, image) for model in fixed for version in model["modelVersions"] for image in version["images"]
        }
        self.fixed_files = {file["id"]: (version, file) for model in fixed for version in model["modelVersions"] for file in version["files"]}
        self._unchanged = functools.lru_cache(maxsize=1024)(lambda index: build.generated(index, self.seed))
        self._changed: dict[int, Json] = {}  # generated models that something has happened to since, by index
        self.unlisted: set[int] = set()  # models that lists leave out, though they are there
        self._new_versions: dict[int, Json] = {}
        self._new_files: dict[int, tuple[Json, Json]] = {}
        self._new_images: dict[int, tuple[Json, Json, Json]] = {}
        self._lock = threading.Lock()
        self._hashes: dict[str, list[tuple[str, int]]] = {}
        self._hashed = 0

    # What happens while the demo runs

    def publish(self, number: int, name: str, *, base: str = "", early_until: str = "", files: list[Json] | None = None, notes: str = "") -> Json:
        """Give a generated model a newer version, the first of its list: files as its newest one has them, or these. Its full form.

        `early_until`: in early access until then (ISO 8601), "permanent" for good.
        """
        index = number - build.GENERATED_MODEL
        model = copy.deepcopy(self._generated(index))
        newest = model["modelVersions"][0]
        place = GENERATED_FILES_NEW + index * 32 + len(model["modelVersions"]) * 4
        version = copy.deepcopy(newest)
        gate = {"permanent": early_until == "permanent", "endsAt": None if early_until == "permanent" else early_until} if early_until else None
        version.update(
            id=GENERATED_VERSIONS_NEW + index * 8 + len(model["modelVersions"]), name=name, baseModel=base or newest["baseModel"],
            publishedAt=build.iso(-len(model["modelVersions"])), description=notes or None, paidAccess=gate,
            files=copy.deepcopy(newest["files"]) if files is None else files,
        )  # fmt: skip
        if gate and gate["endsAt"]:
            version["earlyAccessDeadline"] = gate["endsAt"]
        for at, file in enumerate(version["files"]):
            if files is None:
                file.update(id=place + at, name=f"new-{file['name']}", _content=dataclasses.replace(file["_content"], number=place + at))
        for at, image in enumerate(version["images"]):
            image["id"] = NEW_IMAGES + index * 48 + len(model["modelVersions"]) * 6 + at
        model["modelVersions"] = [version, *model["modelVersions"]]
        model["baseModels"] = list(dict.fromkeys(one["baseModel"] for one in model["modelVersions"]))
        self._changed[index] = model
        self._new_versions[version["id"]] = model
        self._new_files.update((file["id"], (version, file)) for file in version["files"])
        self._new_images.update((image["id"], (model, version, image)) for image in version["images"])
        with self._lock:
            self._add({"modelVersions": [version]})
        return version

    def remove(self, number: int) -> None:
        """From now on nobody knows a generated model."""
        index = number - build.GENERATED_MODEL
        self._changed[index] = {**self._generated(index), "_found": False}

    def _generated(self, index: int) -> Json:
        return self._changed.get(index) or self._unchanged(index)

    # One thing by its number

    def model(self, number: int) -> Json | None:
        """The model in full form, or None when Civitai would not know it."""
        index = number - build.GENERATED_MODEL
        found = self._generated(index) if 0 <= index < self.count else self.fixed.get(number)
        return found if found and found["_found"] else None

    def version(self, number: int) -> tuple[Json, Json] | None:
        """(model, version), or None."""
        index, _ = divmod(number - build.GENERATED_VERSION, 4)
        model = self._generated(index) if 0 <= index < self.count else self._new_versions.get(number) or self.fixed_versions.get(number)
        if model is None or not model["_found"]:
            return None
        return next(((model, version) for version in model["modelVersions"] if version["id"] == number), None)

    def file(self, number: int) -> tuple[Json, Json] | None:
        """(version, file), or None."""
        index, rest = divmod(number - build.GENERATED_FILE, 16)
        if not 0 <= index < self.count:
            return self._new_files.get(number) or self.fixed_files.get(number)
        return next(
            ((version, file) for version in self._generated(index)["modelVersions"] for file in version["files"] if file["id"] == number), None
        )

    def image(self, number: int) -> tuple[Json, Json, Json] | None:
        """(model, version, image), or None."""
        index, place = divmod(number - community.COMMUNITY_IMAGE, 1000)
        if 0 <= index < self.count and place < community.count(index):
            return community.picture(self._generated(index), place, self.seed)
        index, _ = divmod(number - build.GENERATED_IMAGE, 24)
        if not 0 <= index < self.count:
            return self._new_images.get(number) or self.fixed_images.get(number)
        model = self._generated(index)
        return next(((model, version, image) for version in model["modelVersions"] for image in version["images"] if image["id"] == number), None)

    def community(self, model: Json) -> list[tuple[Json, Json, Json]]:
        """What other people have made with a generated model: (model, version, image), the newest first."""
        generated = 0 <= model["id"] - build.GENERATED_MODEL < self.count
        return community.pictures(model, self.seed) if generated else []

    # Lists

    @functools.cached_property
    def index(self) -> list[Json]:
        """The index entries of every listed model."""
        entries = [_light(model) for model in self.fixed.values() if model["_listed"]]
        for number in range(self.count):
            light = build.brief(number, self.seed)
            light["bases"] = self._bases(light)
            light.update(published=build.iso(light["days"]), minor=False, archived=False)
            entries.append(light)
        return entries

    @staticmethod
    def _bases(light: Json) -> list[str]:
        start = build.words.BASE_MODELS.index(light["base"])
        return [light["base"], *(build.words.BASE_MODELS[(start + at) % len(build.words.BASE_MODELS)] for at in range(1, 1 + light["index"] % 3))]

    @functools.cached_property
    def words(self) -> list[tuple[str, set[str]]]:
        """For each index entry its lower-case name and the words that a text search matches."""
        return [
            (str(entry["name"]).lower(), set(re.findall(r"\w+", f"{entry['name']} {entry['creator']} {' '.join(entry['tags'])}".lower())))
            for entry in self.index
        ]

    @functools.cached_property
    def creators(self) -> dict[str, int]:
        """User name -> number of models."""
        found: dict[str, int] = {}
        for entry in self.index:
            if entry["creator"] is not None:
                found[str(entry["creator"])] = found.get(str(entry["creator"]), 0) + 1
        return found

    @functools.cached_property
    def tags(self) -> list[str]:
        return sorted({tag for entry in self.index for tag in entry["tags"]})

    # By hash

    def _add(self, model: Json) -> None:
        """Enter every hash of a model's published files."""
        for version in model["modelVersions"]:
            for file in version["files"]:
                if file["_hashes"] == {} or file["_content"] == specials.BIG and specials.BIG not in files.KNOWN:
                    continue
                for value in files.hashes(file["_hashes"] or file["_content"]).values():
                    places = self._hashes.setdefault(value, [])
                    bisect.insort(places, (version["publishedAt"] or "9", version["id"]))

    def by_hash(self, value: str) -> int | None:
        """The id of the oldest version that holds a file with this hash. A miss reads every file's hashes once (some seconds for 10,000 models)."""
        value = value.upper()
        with self._lock:
            if not self._hashed:
                for model in self.fixed.values():
                    if model["_found"] and not model["poi"]:
                        self._add(model)
            while value not in self._hashes and self._hashed < self.count:
                self._add(build.generated(self._hashed, self.seed))
                self._hashed += 1
            self._hashed = max(self._hashed, 1)
            places = self._hashes.get(value)
            return places[0][1] if places else None


def hashes_of(file: Json) -> dict[str, Any]:
    """The hashes that Civitai's answers show for a file in full form."""
    known = file["_hashes"]
    return {} if known == {} else dict(files.hashes(known or file["_content"]))
