"""GET /api/download/models/:id: the order of refusals, the choice of the file, and the signed link to the storage origin."""

from __future__ import annotations

import datetime
import hashlib
import re
import time
from typing import Any
from urllib.parse import quote, urlencode

from .build import Json

SECRET = "the demo signs its own links"
FILE_TYPES = (
    "Model", "Text Encoder", "Vision Encoder", "Pruned Model", "Negative", "Training Data", "VAE", "Config", "Archive", "UNet", "Diffusion Model",
    "CLIPVision", "ControlNet",
    "Workflow", "Upscaler", "Enhancement LoRA", "Other",
)  # fmt: skip
FORMATS = ("SafeTensor", "PickleTensor", "GGUF", "Diffusers", "Core ML", "ONNX", "Other")
PRIMARY = ("Model", "Pruned Model", "Diffusion Model", "UNet")
PREFERENCES = (("format", "SafeTensor", 100.0), ("size", "pruned", 10.0), ("fp", "fp16", 1.0), ("quantType", "Q4_K_M", 0.5))
BROWSERS = ("mozilla", "chrome", "safari", "firefox", "opera", "edge")
UNUSUAL = "We've noticed an unusual amount of downloading from your account. Contact support@civitai.com or come back later."
LOGIN = "The creator of this asset requires you to be logged in to download it"
DISABLED = "The creator of this asset has disabled downloads on this file"
GATED = "This asset is in Early Access. You can use Buzz access it now!"


class Refusal(Exception):
    """A denial: status, JSON body; `page` is where a browser is sent instead; `plain` False means JSON for browsers too."""

    def __init__(self, status: int, body: Json, *, page: str = "", plain: bool = True) -> None:
        super().__init__(body.get("error", ""))
        self.status, self.body, self.page, self.plain = status, body, page, plain


def looks_like_browser(agent: str) -> bool:
    return any(word in agent.lower() for word in BROWSERS)


def check_query(query: dict[str, str]) -> None:
    """Row 3: unknown types and formats."""
    for key, known in (("type", FILE_TYPES), ("format", FORMATS), ("size", ("full", "pruned"))):
        if key in query and query[key] not in known:
            options = "|".join(f'"{name}"' for name in known)
            raise Refusal(400, {"error": f"✖ Invalid option: expected one of {options}\n  → at {key}"}, plain=False)
    if "fileId" in query and not query["fileId"].isdigit():
        raise Refusal(400, {"error": "✖ Invalid input: expected number, received NaN\n  → at fileId"}, plain=False)


def gated(version: Json, now: float | None = None) -> Json | None:
    """The version's gate while it is shut: {"endsAt", "permanent"}."""
    gate = version.get("paidAccess")
    if not gate:
        return None
    ends = gate.get("endsAt")
    moment = datetime.datetime.fromtimestamp(now or time.time(), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return None if ends and ends < moment else gate


def check_access(found: tuple[Json, Json] | None, signed_in: bool) -> tuple[Json, Json]:
    """Rows 4 to 9."""
    if found is None or found[0]["poi"]:
        raise Refusal(404, {"error": "File not found"})
    model, version = found
    if model.get("mode") == "Archived":
        raise Refusal(410, {"error": "Model archived, not available for download"})
    if model.get("mode") == "TakenDown":
        raise Refusal(404, {"error": "File not found"})
    if version["_usage"] != "Download":
        raise Refusal(401, {"error": "Unauthorized", "message": DISABLED}, plain=False)
    if not signed_in:
        raise Refusal(401, {"error": "Unauthorized", "message": LOGIN}, page=_login(version["id"]))
    gate = gated(version)
    if gate:
        deadline = {"deadline": gate["endsAt"]} if gate.get("endsAt") else {}
        raise Refusal(403, {"error": "Early Access", **deadline, "message": GATED}, page=f"/model-versions/{version['id']}")
    return model, version


def _login(version: int) -> str:
    back = quote(f"/model-versions/{version}", safe="")
    return f"/login?returnUrl={back}&reason=download-auth"


def _score(file: Json) -> float:
    total = 1000.0 + (1000 if file["type"] in PRIMARY else 0)
    for key, wanted, weight in PREFERENCES:
        total += weight if file["metadata"].get(key) == wanted else -weight
    return total


def choose(version: Json, query: dict[str, str]) -> Json:
    """Rows 11 to 13: the file that Civitai would serve."""
    missing = Refusal(404, {"error": "File not found"})
    if "fileId" in query:
        chosen = next((file for file in version["files"] if file["id"] == int(query["fileId"])), None)
    else:
        fitting = [file for file in version["files"] if "type" not in query or file["type"] == query["type"]]
        exact = [file for file in fitting if all(file["metadata"].get(key) == query[key] for key, _, _ in PREFERENCES if key in query)]
        chosen = max(exact or fitting, key=_score, default=None)
        if chosen and not exact:
            raise missing
    if chosen is None or not chosen["_signable"]:
        raise missing
    return chosen


def signature(path: str, expires: int) -> str:
    return hashlib.sha256(f"{SECRET}:{path}:{expires}".encode()).hexdigest()


def signed(storage: str, file: Json, lifetime: float) -> str:
    """The link to the bytes, in the form of Cloudflare R2's; `X-Demo-Until` is when it stops working (Unix seconds)."""
    ending = re.sub(r"[^A-Za-z0-9]", "", file["_upload"].rpartition(".")[2])[:12] or "bin"
    path = f"/700001/model/{file['id']}.{ending}"
    until = int((time.time() + lifetime) * 1000)
    query: dict[str, Any] = {"X-Amz-Expires": 86400}
    if file["_disposition"]:
        name = file["name"].encode("ascii", "replace").decode().replace('"', "").replace("\n", " ").replace("\x00", "")
        query["response-content-disposition"] = f'attachment; filename="{name}"'
    query.update({"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": "demo/20260901/us-east-1/s3/aws4_request", "X-Demo-Until": until})
    query.update({"X-Amz-SignedHeaders": "host", "X-Amz-Signature": signature(path, until)})
    return f"{storage}{path}?{urlencode(query, quote_via=quote)}"
