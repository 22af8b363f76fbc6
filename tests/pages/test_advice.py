"""A checkpoint that needs what it does not hold says so in the panel; many models are refreshed at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from demo.specials import SPECIAL
from tests.hostapp.harness import until

pytestmark = pytest.mark.once
MODELS = [SPECIAL[name].model_id for name in ("many_versions", "variants_same_name")]


def bare_checkpoint(path: Path) -> None:
    """A diffusion model alone, as Flux and its like are shared: no text encoder, no VAE."""
    names = [f"double_blocks.{number}.img_attn.qkv.weight" for number in range(4)]
    tensors = {name: {"dtype": "F32", "shape": [16], "data_offsets": [64 * place, 64 * place + 64]} for place, name in enumerate(names)}
    head = json.dumps(tensors).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(64 * len(names)))


def test_a_checkpoint_without_a_text_encoder_says_so(make_app: Any, browser: Any, tmp_path: Path) -> None:
    app = make_app(tmp_path / "app")
    bare_checkpoint(app.models / "Stable-diffusion" / "bare.safetensors")
    with app:
        job = app.post("/civitai-manager/scan", json={}).json()["job"]
        until(lambda: any(one["id"] == job and one["state"] == "done" for one in app.jobs()), 60, "the scan")
        page = browser.open(app.url)
        page.locator(".cm-card", has_text="bare").first.click()
        page.wait_for_selector("#civitai_manager.cm-panel-open:not(.cm-choosing)", timeout=15_000)
        advice = page.locator(".cm-advice li")
        advice.filter(has_text="bare.safetensors holds no text encoder").wait_for()
        advice.filter(has_text="There is no VAE in the library.").wait_for()
    assert browser.errors == []


def test_many_are_refreshed_at_once(app: Any, browser: Any, demo: Any) -> None:
    app.register("\n".join(map(str, MODELS)))
    app.post("/civitai-manager/models/edit", json={"ids": MODELS, "add_tags": ["again"]})
    page = browser.open(app.url)
    page.fill(".cm-search", "#again")
    page.press(".cm-search", "Enter")
    page.wait_for_selector(".cm-count:text-is('2 models')")
    page.focus(".cm-scroll")
    page.keyboard.press("Control+a")
    page.wait_for_selector(".cm-select-count:has-text('2 selected')")
    demo.forget()
    page.click(".cm-select-tools button:has-text('More')")
    page.click(".cm-menu button:has-text('Refresh from Civitai')")
    page.wait_for_selector(".cm-undo-line:has-text('Asking Civitai about 2 models.')")
    wanted = {f"/models/{model_id}" for model_id in MODELS}
    until(lambda: wanted <= {"/models/" + one["path"].partition("?")[0].rsplit("/", 1)[-1] for one in demo.requests}, 30, "the questions")
    assert browser.errors == []
