"""Civitai's three shapes of a model, and its shape of a picture, made from the demo's full form.

The list keeps nulls, /models/:id drops them, /model-versions/:id is another set of keys altogether.
"""

from __future__ import annotations

import copy
from typing import Any
from urllib.parse import quote

from .build import Json
from .catalogue import hashes_of
from .files import size

BUCKET = "xG1nkqKTMzGDvpLrqFT7WA"
NAMED_LEVELS = {0: "None", 1: "None", 2: "Soft", 4: "Mature", 8: "X", 16: "X", 32: "Blocked"}
ECOSYSTEMS = {"SD 1": "sd1", "SD 2": "sd2", "SDXL": "sdxl", "Pony": "sdxl", "Illu": "sdxl", "Noob": "sdxl", "Flux": "flux1", "SD 3": "sd3"}


def uuid(number: int) -> str:
    """A picture's uuid: its number in the last group."""
    return f"00000000-0000-4000-8000-{number:012x}"


class Shapes:
    """Turns full forms into answers. `storage` is the origin of pictures, `base` the API's own address (used where Civitai uses a fixed host)."""

    def __init__(self, storage: str, base: str, era: str) -> None:
        self.storage, self.base, self.old = storage, base, era == "2025-07"

    # Parts

    def image_url(self, image: Json, name: str | None = None) -> str:
        ending = {"video": "mp4", "audio": "mp3"}.get(image["type"], "jpeg")
        form = f"width={image['width']}" if self.old else "original=true"
        return f"{self.storage}/{BUCKET}/{uuid(image['id'])}/{form}/{name or image['id']}.{ending}"

    def avatar(self, creator: Json) -> Json:
        image = creator.get("image")
        name = creator.get("username")
        number = 147_000_000 + sum(map(ord, str(name)))
        if image is None and name is not None and number % 3:
            image = f"{self.storage}/{BUCKET}/{uuid(number)}/width=96/{quote(str(name))}.jpeg"
        return {"username": name, "image": image}

    def _query(self, file: Json, short: bool = False) -> str:
        """The list's form of a file's URL parameters: only what is set, no format for training data."""
        parts = {"type": file["type"]}
        if not short:
            keep = ("size", "fp", "quantType") if file["type"] == "Training Data" else ("format", "size", "fp", "quantType")
            parts.update({key: file["metadata"][key] for key in keep if file["metadata"].get(key)})
        return "?" + "&".join(f"{key}={quote(str(value))}" for key, value in parts.items())

    def file(self, file: Json, version: int, host: str, form: str) -> Json:
        """One file; form is "list", "model" or "version"."""
        url, metadata = f"{host}/api/download/models/{version}", dict(file["metadata"])
        if form == "list" or self.old:
            url += "" if file["primary"] else self._query(file)
        else:
            url += self._query(file, form == "version") if file["_linked"] else f"?fileId={file['id']}"
        if form == "model":
            metadata = {key: value for key, value in metadata.items() if value not in (None, [])}
        if form == "version":
            metadata = {key: metadata.get(key) for key in ("format", "size", "fp")} if metadata else {}
        hashes = hashes_of(file)
        if self.old:
            hashes.pop("SHA256_12", None)
        shown: Json = {"id": file["id"], "sizeKB": size(file["_content"]) / 1024, "name": file["name"]}
        if form != "version" and not self.old:
            shown["overrideName"] = file["overrideName"]
        shown["type"] = file["type"]
        for key in ("pickleScanResult", "pickleScanMessage", "virusScanResult", "virusScanMessage", "scannedAt"):
            shown[key] = file[key]
        if form == "version" and file["scannedAt"]:
            shown["scannedAt"] = file["scannedAt"].rstrip("Z").rstrip("0")
        shown.update(metadata=metadata, hashes=hashes, downloadUrl=url)
        if form == "version":
            shown["primary"] = file["primary"]
        elif file["primary"]:
            shown["primary"] = True
        return shown

    def image(self, image: Json, form: str) -> Json:
        """One picture of a version; form as in `file`."""
        shown: Json = {"id": image["id"]} if form == "list" else {}
        shown["url"] = self.image_url(image)
        public = {key: value for key, value in image.items() if key != "id" and not key.startswith("_")}
        if form != "version":
            return {**shown, **public}
        first = {key: public[key] for key in ("nsfwLevel", "width", "height", "hash", "type")}
        metadata = {"hash": image["hash"], "size": 123456, "width": image["width"], "height": image["height"]}
        last = {key: public[key] for key in ("hasMeta", "hasPositivePrompt", "onSite", "remixOfId")}
        return {**shown, **first, "metadata": metadata, "minor": False, "poi": False, "meta": image["_meta"], "availability": "Public", **last}

    def _version(self, model: Json, version: Json, host: str, form: str, mask: int | None, primary_only: bool) -> Json:
        """A version inside a model."""
        public = {key: value for key, value in version.items() if not key.startswith("_") and key not in ("files", "images")}
        if self.old:
            gate = public.pop("paidAccess", None)
            public.pop("flags", None)
            public["availability"] = "EarlyAccess" if gate else public["availability"]
            public["stats"] = {**public["stats"], "ratingCount": 0, "rating": 0}
        files = [] if model.get("mode") == "Archived" else [file for file in version["files"] if file["primary"] or not primary_only]
        images = [] if model.get("mode") == "TakenDown" else [image for image in version["images"] if mask is None or image["nsfwLevel"] & mask]
        public["files"] = [self.file(file, version["id"], host, form) for file in files]
        public["images"] = [self.image(image, form) for image in images[:20]]
        if model.get("mode") != "Archived":
            public["downloadUrl"] = f"{host}/api/download/models/{version['id']}"
        if form == "model":
            public["covered"] = public.pop("supportsGeneration")
            public.update(createdAt=version["_created"], status="Published")
            public = {key: value for key, value in public.items() if value is not None and value != []}
        return public

    # Whole answers

    def model(
        self, model: Json, host: str, form: str, *, mask: int | None = None, bases: list[str] | None = None, primary_only: bool = False
    ) -> Json:
        """form "list": an item of GET /models; form "model": GET /models/:id (host is then the demo's own)."""
        if self.old and "_recorded" in model:
            return self._recorded(model, host)
        public = {key: value for key, value in model.items() if not key.startswith("_") and key not in ("modelVersions", "creator", "tags")}
        if self.old:
            for key in ("userId", "baseModels"):
                public.pop(key, None)
        if model["creator"]:
            public["creator"] = self.avatar(model["creator"])
        public["tags"] = model["tags"]
        versions = [version for version in model["modelVersions"] if not bases or version["baseModel"] in bases]
        public["modelVersions"] = [self._version(model, version, host, form, mask, primary_only) for version in versions]
        return public

    def _recorded(self, model: Json, host: str) -> Json:
        """A recording as it was, with our own files and pictures behind it."""
        shown = copy.deepcopy(model["_recorded"])
        for raw, version in zip(shown["modelVersions"], model["modelVersions"], strict=True):
            for file, ours in zip(raw.get("files") or [], version["files"], strict=True):
                made = self.file(ours, version["id"], host, "list")
                file.update(sizeKB=made["sizeKB"], hashes=made["hashes"], downloadUrl=made["downloadUrl"])
            for image, picture in zip(raw.get("images") or [], version["images"], strict=True):
                image["url"] = self.image_url(picture)
            if "downloadUrl" in raw:
                raw["downloadUrl"] = f"{host}/api/download/models/{version['id']}"
        return shown

    def air(self, model: Json, version: Json) -> str:
        return f"urn:air:{ECOSYSTEMS.get(version['baseModel'][:4], 'other')}:{model['type'].lower()}:civitai:{model['id']}@{version['id']}"

    def version(self, model: Json, version: Json, host: str) -> Json:
        """GET /model-versions/:id and the hash lookups."""
        shown: Json = {"id": version["id"], "modelId": model["id"], "name": version["name"], "nsfwLevel": version["nsfwLevel"]}
        shown.update(createdAt=version["_created"], updatedAt=version["_updated"], status="Published", publishedAt=version["publishedAt"])
        shown.update(trainedWords=version["trainedWords"], trainingStatus=None, trainingDetails=None, baseModel=version["baseModel"])
        shown.update(
            baseModelType=version.get("baseModelType"), description=version["description"], uploadType="Created", usageControl=version["_usage"]
        )
        gate = version.get("paidAccess")
        if self.old:
            shown.update(earlyAccessEndsAt=(gate or {}).get("endsAt"), earlyAccessConfig={"timeframe": 14} if gate else None)
            shown["availability"] = "EarlyAccess" if gate else "Public"
        else:
            shown.update(licensingFee=None, paidAccess=gate)
        stats = {key: version["stats"].get(key) for key in ("downloadCount", "thumbsUpCount")}
        parent = {"name": model["name"], "type": model["type"], "nsfw": model["nsfw"], "poi": model["poi"]}
        if model.get("mode"):
            parent["mode"] = model["mode"]
        shown.update(air=self.air(model, version), stats=stats, model=parent)
        archived = model.get("mode") == "Archived"
        shown["files"] = [] if archived else [self.file(file, version["id"], host, "version") for file in version["files"]]
        shown["images"] = [] if model.get("mode") == "TakenDown" else [self.image(image, "version") for image in version["images"][:10]]
        if not archived:
            shown["downloadUrl"] = f"{host}/api/download/models/{version['id']}"
        return shown

    def mini(self, model: Json, version: Json, file: Json, host: str) -> Json:
        """GET /model-versions/mini/:id, the only one with the name under which the file was uploaded."""
        gate = version.get("paidAccess") or {}
        return {
            "air": self.air(model, version), "versionName": version["name"], "modelName": model["name"], "userId": model["userId"],
            "baseModel": version["baseModel"],
            "availability": version["availability"], "publishedAt": version["publishedAt"], "size": size(file["_content"]) / 1024,
            "fileType": file["type"],
            "fileName": file["_upload"], "hashes": hashes_of(file),
            "downloadUrls": [f"{host}/api/download/models/{version['id']}?fileId={file['id']}"],
            "format": file["metadata"].get("format"), "canGenerate": version["supportsGeneration"], "isFeatured": False, "requireAuth": True,
            "checkPermission": bool(gate),
            "earlyAccessEndsAt": gate.get("endsAt"), "freeTrialLimit": None, "additionalResourceCharge": False, "minor": False, "sfwOnly": False,
            "fees": [], "payoutEnabled": False,
        }  # fmt: skip

    def picture(self, model: Json, version: Json, image: Json, *, meta: str) -> Json:
        """An item of GET /images; meta is "none", "flat" or "nested"."""
        found: Any = image["_meta"] if meta != "none" else None
        if meta == "nested":
            found = {"id": image["id"], "meta": found}
        level = image["nsfwLevel"]
        return {
            "id": image["id"], "url": self.image_url(image, uuid(image["id"])), "hash": image["hash"], "width": image["width"],
            "height": image["height"],
            "nsfwLevel": NAMED_LEVELS[level], "type": image["type"], "nsfw": level > 1, "browsingLevel": level,
            "createdAt": image.get("_created") or version["_created"], "postId": image.get("_post") or post_of(version["id"]),
            "stats": {"cryCount": 0, "laughCount": 2, "likeCount": 9, "dislikeCount": 0, "heartCount": 4, "commentCount": 1}, "meta": found,
            "username": image["_username"] if "_username" in image else (model["creator"] or {}).get("username"), "baseModel": version["baseModel"],
            "modelVersionIds": [version["id"]],
        }  # fmt: skip


def post_of(version: int) -> int:
    """The number of the post that holds a version's pictures."""
    return version + 10_000_000
