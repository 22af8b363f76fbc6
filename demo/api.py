"""The API origin as a Starlette application: /api/v1/..., /api/download/..., the few plain pages, and the demo's own switches."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from . import downloads
from .build import Json
from .catalogue import FIRST, SPECIAL
from .faults import API, DOWNLOAD, NAMES
from .listing import Bad, Lister, Query, number
from .seeds import FOLDER
from .shapes import Shapes
from .words import MODEL_TYPES

if TYPE_CHECKING:
    from .server import DemoServer

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
PUBLIC = {"Cache-Control": "public, s-maxage=300, stale-while-revalidate=150"}
LONG = {"Cache-Control": "public, s-maxage=3600, stale-while-revalidate=1800"}
PRIVATE = {"Cache-Control": "max-age=0, private, no-cache"}
NO_STORE = {"Cache-Control": "no-store, max-age=0"}
NOT_A_NUMBER = "✖ Invalid input: expected number, received NaN\n  → at id"


def encode(value: Any) -> bytes:
    """JSON as Civitai sends it; U+E000 to U+E01F become raw control characters (a defect that Civitai has had)."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return re.sub(rb"\xee\x80([\x80-\x9f])", lambda match: bytes([match[1][0] - 0x80]), text) if b"\xee\x80" in text else text


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(encode(value), status, {"Content-Type": "application/json; charset=utf-8", "X-Handled-By": "civitai-demo-1", **(headers or {})})


class Api:
    """All endpoints of one demo."""

    def __init__(self, demo: DemoServer) -> None:
        self.demo, self.catalogue = demo, demo.catalogue
        self.shapes = Shapes(demo.storage_url, demo.url, demo.catalogue.era)
        self.lister = Lister(demo.catalogue, self.shapes)

    def app(self) -> Starlette:
        v1, routes = "/api/v1", []
        for path, endpoint, kind in (
            (f"{v1}/models", self.models, "mixed"), (f"{v1}/models/{{id}}", self.model, "public"),
            (f"{v1}/model-versions/by-hash/ids", self.by_hash_ids, "post"),
            (f"{v1}/model-versions/by-hash", self.by_hashes, "post"), (f"{v1}/model-versions/by-hash/{{hash}}", self.by_hash, "public"),
            (f"{v1}/model-versions/mini/{{id}}", self.mini, "mixed"), (f"{v1}/model-versions/{{id}}", self.version, "mixed"),
            (f"{v1}/images", self.images, "public"),
            (f"{v1}/enums", self.enums, "public"), (f"{v1}/tags", self.tags, "public"), (f"{v1}/creators", self.creators, "public"),
            (f"{v1}/users", self.users, "public"),
            (f"{v1}/me", self.me, "authed"), (f"{v1}/vault/get", self.vault, "authed"), (f"{v1}/permissions/check", self.permissions, "public"),
            ("/api/download/models/{id}", self.download, "download"),
        ):  # fmt: skip
            routes.append(Route(path, self.wrap(endpoint, kind), methods=METHODS))
        for path, page in (
            ("/", self.home),
            ("/login", self.login),
            ("/models/{id}", self.page),
            ("/models/{id}/{slug}", self.page),
            ("/model-versions/{id}", self.version_page),
        ):
            routes.append(Route(path, page))
        routes.append(Route("/__demo__/faults", self.switch, methods=["GET", "POST", "DELETE"]))
        for name in ("requests", "log"):
            routes.append(Route(f"/__demo__/{name}", lambda request: answer(self.demo.requests)))
        return Starlette(routes=routes)

    # Wrappers

    def wrap(self, endpoint: Any, kind: str) -> Any:
        """What Civitai's PublicEndpoint, MixedAuthEndpoint and AuthedEndpoint do around a handler."""

        async def run(request: Request) -> Response:
            cors = {
                "Access-Control-Allow-Origin": "*",
                "Access-Control-Allow-Headers": "*",
                "Access-Control-Allow-Methods": "GET, POST" if kind == "post" else "GET",
            }
            if request.method == "OPTIONS":
                return Response(b"", headers=cors)
            if kind in ("mixed", "authed") and request.method not in ("GET", "HEAD"):
                return answer({"error": "Method not allowed"}, 405)
            signed_in = self.signed_in(request)
            if kind == "authed" and not signed_in:
                return answer({"error": "Unauthorized"}, 401, PRIVATE)
            cache = PRIVATE if kind == "authed" or kind == "mixed" and signed_in else PUBLIC
            try:
                body = await request.body() if kind == "post" else b""
                result = await run_in_threadpool(endpoint, request, body) if kind == "post" else await run_in_threadpool(endpoint, request)
            except Bad as refusal:
                result = answer(refusal.body, refusal.status, {} if refusal.status == 404 and "error" in refusal.body else NO_STORE)
            if not isinstance(result, Response):
                result = answer(result)
            for key, value in {**cors, **cache}.items():
                result.headers.setdefault(key, value)
            return result

        return run

    def signed_in(self, request: Request) -> bool:
        """Whether the request carries the key; the header wins over ?token=. A wrong one counts as none."""
        header = request.headers.get("authorization")
        key = header.partition(" ")[2] if header else request.query_params.get("token", "")
        if not key or self.demo.faults.take(API, request.url.path, names=("key_rejected",)):
            return False
        return key in self.demo.keys

    @staticmethod
    def host(request: Request) -> str:
        return f"http://{request.headers.get('host') or 'localhost'}"

    def query(self, request: Request) -> Query:
        return Query(parse_qsl(request.url.query, keep_blank_values=True))

    @staticmethod
    def number(request: Request, high: int | None = None) -> int:
        raw = request.path_params["id"]
        if not re.fullmatch(r"-?\d+", raw):
            raise Bad(400, {"error": NOT_A_NUMBER})
        value = int(raw)
        if value < 1 or high and value > high:
            words = "Too small: expected number to be >0" if value < 1 else f"Too big: expected number to be <={high}"
            raise Bad(400, {"error": f"✖ {words}\n  → at id"})
        return value

    # Models and versions

    def models(self, request: Request) -> Json:
        return self.lister.models(self.query(request), self.host(request), self.signed_in(request))

    def model(self, request: Request) -> Json:
        wanted = self.number(request, 2147483647)
        model = self.catalogue.model(wanted)
        if model is None:
            raise Bad(404, {"error": f"No model with id {wanted}"})
        return self.shapes.model(model, self.demo.url, "model")

    def _version(self, wanted: int, host: str) -> Json:
        found = self.catalogue.version(wanted)
        if found is None or not found[1]["nsfwLevel"] & 31:
            raise Bad(404, {"error": "Model not found"})
        if not found[1]["files"]:
            raise Bad(404, {"error": "Missing model file"})
        shown = self.shapes.version(*found, host)
        if self.demo.faults.take(API, f"/api/v1/model-versions/{wanted}", names=("undefined_url",)):
            shown["downloadUrl"] = f"https://undefined/api/download/models/{wanted}"
        return shown

    def version(self, request: Request) -> Json:
        wanted = self.number(request)
        if wanted > 2147483647:
            raise Bad(500, {"error": "Failed to fetch model version details"})
        return self._version(wanted, self.host(request))

    def mini(self, request: Request) -> Json:
        found, file_id = self.catalogue.version(self.number(request)), number(self.query(request), "modelFileId", 1, None, None)
        if found is None:
            raise Bad(404, {"error": "Model not found"})
        wanted = [file for file in found[1]["files"] if (file["id"] == file_id if file_id else file["primary"])]
        if not wanted:
            raise Bad(404, {"error": f"Model file {file_id} not found in version {found[1]['id']}" if file_id else "Missing model file"})
        return self.shapes.mini(*found, wanted[0], self.host(request))

    def by_hash(self, request: Request) -> Response:
        found = self.catalogue.by_hash(request.path_params["hash"])
        if found is None:
            return answer({"error": "Model not found"}, 404, LONG)
        return answer(self._version(found, self.host(request)), headers=LONG)

    @staticmethod
    def _hashes(body: bytes, limit: int) -> list[str]:
        try:
            hashes = json.loads(body)
        except ValueError:
            hashes = None
        if not isinstance(hashes, list) or len(hashes) > limit or any(not isinstance(one, str) or len(one) != 64 for one in hashes):
            raise Bad(400, {"error": 'Request must include an array of SHA256 Hashes. [{"code":"custom","path":[],"message":"Invalid input"}]'})
        return hashes

    def by_hashes(self, request: Request, body: bytes) -> list[Json]:
        found = [self.catalogue.by_hash(one) for one in self._hashes(body, 100)]
        return [self._version(one, self.host(request)) for one in reversed(found) if one is not None]

    def by_hash_ids(self, request: Request, body: bytes) -> list[Json]:
        rows = []
        for one in self._hashes(body, 10_000):
            version = self.catalogue.by_hash(one)
            found = self.catalogue.version(version) if version else None
            if found:
                rows.append({"modelVersionId": version, "modelId": found[0]["id"], "hash": one.upper()})
        return rows

    def images(self, request: Request) -> Json:
        query = self.query(request)
        if self.demo.faults.take(API, f"{request.url.path}?{request.url.query}", names=("wrong_image",)):
            query = Query([pair for pair in query.pairs if pair[0] != "imageId"])
        return self.lister.images(query, self.host(request))

    # Small lists

    def enums(self, request: Request) -> Json:
        found = json.loads((FOLDER / "enums-1.json").read_text(encoding="utf-8"))
        return {**found, "ModelType": list(MODEL_TYPES)} if self.catalogue.era != "2025-07" else found

    def _paged(self, request: Request, what: str, rows: list[Json]) -> Json:
        limit, page = number(self.query(request), "limit", 1, 200, 20), number(self.query(request), "page", 1, None, 1)
        assert limit and page
        pages = max(1, -(-len(rows) // limit))
        metadata: Json = {"totalItems": len(rows), "currentPage": page, "pageSize": limit, "totalPages": pages}
        for name, number_, there in (("nextPage", page + 1, page < pages), ("prevPage", page - 1, page > 1)):
            if there:
                metadata[name] = f"{self.host(request)}/api/v1/{what}?limit={limit}&page={number_}"
        return {"items": rows[(page - 1) * limit : page * limit], "metadata": metadata}

    def tags(self, request: Request) -> Json:
        start = (self.query(request).one("query") or "").lower()
        rows = [
            {"name": tag, "link": f"{self.host(request)}/api/v1/models?tag={tag}"} for tag in self.catalogue.tags if tag.lower().startswith(start)
        ]
        return self._paged(request, "tags", rows)

    def creators(self, request: Request) -> Json:
        part = (self.query(request).one("query") or "").lower()
        link = f"{self.host(request)}/api/v1/models?username="
        rows = [
            {"username": name, "modelCount": count, "link": link + name} for name, count in self.catalogue.creators.items() if part in name.lower()
        ]
        return self._paged(request, "creators", rows)

    def users(self, request: Request) -> Json:
        part = (self.query(request).one("query") or "").lower()
        return {
            "items": [
                {"id": 700_000 + at, "username": name, "avatarNsfw": "None"}
                for at, name in enumerate(self.catalogue.creators)
                if part in name.lower()
            ][:10]
        }

    def me(self, request: Request) -> Json:
        return {"id": 700_001, "username": "demo_painter", "tier": "founder", "status": "active", "isMember": True, "subscriptions": ["monthly"]}

    def vault(self, request: Request) -> Json:
        return {"vault": None}

    def permissions(self, request: Request) -> Json:
        return {str(one): True for one in self.query(request).numbers("entityIds") or []}

    # Downloads

    def download(self, request: Request) -> Response:
        browser = downloads.looks_like_browser(request.headers.get("user-agent", ""))
        try:
            return self._download(request)
        except downloads.Refusal as refusal:
            if browser and refusal.page:
                return RedirectResponse(refusal.page, 307, NO_STORE)
            if browser and refusal.plain:
                return Response(
                    refusal.body.get("message") or refusal.body["error"], refusal.status, {**NO_STORE, "Content-Type": "text/plain; charset=utf-8"}
                )
            return answer(refusal.body, refusal.status, NO_STORE)

    def _download(self, request: Request) -> Response:
        if request.method == "HEAD":
            raise downloads.Refusal(401, {"error": "Unauthorized", "message": downloads.LOGIN}, plain=False)
        query = dict(parse_qsl(request.url.query.replace("?", "&")))
        fault = self.demo.faults.take(DOWNLOAD, f"{request.url.path}?{request.url.query}")
        if fault and fault.name == "forbidden":
            raise downloads.Refusal(403, {"error": "Forbidden"})
        if fault and fault.name == "download_limit":
            raise downloads.Refusal(429, {"error": downloads.UNUSUAL})
        downloads.check_query(query)
        raw = request.path_params["id"]
        if not raw.isdigit():
            raise downloads.Refusal(400, {"error": NOT_A_NUMBER}, plain=False)
        signed_in = self.signed_in(request) or not request.headers.get("authorization") and query.get("token") in self.demo.keys
        _, version = downloads.check_access(self.catalogue.version(int(raw)), signed_in)
        lifetime = float(fault.get("seconds", 1)) if fault else self.demo.expiry
        return RedirectResponse(downloads.signed(self.demo.storage_url, downloads.choose(version, query), lifetime), 307, NO_STORE)

    # Pages for people

    def home(self, request: Request) -> Response:
        names = [model["name"] for model in map(self.catalogue.model, FIRST) if model]
        rows = "".join(f'<li><a href="/models/{one}">{html.escape(name)}</a></li>' for one, name in zip(FIRST, names, strict=False))
        cases = "".join(f'<li><a href="/models/{case.model_id}">{name}</a></li>' for name, case in SPECIAL.items())
        return HTMLResponse(f"<!DOCTYPE html><title>Demo Civitai</title><h1>Demo Civitai</h1><ul>{rows}</ul><h2>Special cases</h2><ul>{cases}</ul>")

    def login(self, request: Request) -> Response:
        return HTMLResponse("<!DOCTYPE html><title>Sign in</title><h1>Sign in to continue</h1><p>This page stands for Civitai's login.</p>")

    def page(self, request: Request) -> Response:
        model = self.catalogue.model(self.number(request, 2147483647)) if request.path_params["id"].isdigit() else None
        if model is None:
            return HTMLResponse("<!DOCTYPE html><title>Not found</title><h1>Page not found</h1>", 404)
        rows = "".join(f"<li>{html.escape(version['name'])}, {html.escape(version['baseModel'])}</li>" for version in model["modelVersions"])
        images = [image for version in model["modelVersions"] for image in version["images"] if image["nsfwLevel"] <= 1][:3]
        shown = "".join(
            f'<img width="225" src="{self.shapes.image_url(image).replace("original=true", "anim=false,width=450")}" alt="">'
            for image in images
            if image["type"] == "image"
        )
        return HTMLResponse(f"<!DOCTYPE html><title>{html.escape(model['name'])}</title><h1>{html.escape(model['name'])}</h1>{shown}<ul>{rows}</ul>")

    def version_page(self, request: Request) -> Response:
        found = self.catalogue.version(int(request.path_params["id"])) if request.path_params["id"].isdigit() else None
        return (
            RedirectResponse(f"/models/{found[0]['id']}?modelVersionId={found[1]['id']}") if found else HTMLResponse("<h1>Page not found</h1>", 404)
        )

    # Switches

    async def switch(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.demo.clear_faults()
        if request.method == "POST":
            try:
                options = json.loads(await request.body())
                self.demo.fault(options.pop("name"), **options)
            except (ValueError, KeyError, TypeError, AttributeError) as exc:
                return answer({"error": str(exc)}, 400)
        return answer({"faults": self.demo.faults.listed(), "names": {name: text for name, (_, text) in NAMES.items()}})
