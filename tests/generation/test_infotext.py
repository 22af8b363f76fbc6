"""The infotext: what we write is read back the same, by us and by a model of the host's reader; what the host writes, we read."""

from __future__ import annotations

import importlib.util
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest
from civitai_manager_libs.generation import infotext, mentions
from hypothesis import given, settings
from hypothesis import strategies as st
from support import ROOT

PAYLOADS = Path(__file__).parent / "data"
PIECES = [", ", ": ", '"', "\n", "Negative prompt: ", "Steps: 20, ", "Seed: 5, ", "Size: 5x6, ", 'Hires prompt: "a, b", ', "Hashes: {", "<lora:a:1>"]


@pytest.fixture(scope="module")
def host() -> Any:
    """The host's reader in the app shaped like it, without the rest of the app."""
    before = {name: sys.modules.get(name) for name in ("modules", "modules.shared")}
    shared = types.ModuleType("modules.shared")
    shared.opts = types.SimpleNamespace(infotext_skip_pasting=[])  # type: ignore[attr-defined]
    package = types.ModuleType("modules")
    package.shared = shared  # type: ignore[attr-defined]
    sys.modules.update({"modules": package, "modules.shared": shared})
    spec = importlib.util.spec_from_file_location("infotext_reading", ROOT / "tests/hostapp/modules/infotext_reading.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    for name, module in before.items():
        sys.modules.pop(name)
        if module is not None:
            sys.modules[name] = module
    return made


LETTERS = st.one_of(st.sampled_from(list('ab :,"\\\n-/<>()[]{}x1.é漢')), st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"))
TEXT = st.text(alphabet=LETTERS, max_size=60)
PROMPT = TEXT.filter(lambda text: not any(line.strip().startswith("Negative prompt:") for line in text.split("\n")))
NAME = st.one_of(
    st.text(alphabet=st.sampled_from(list("abcXYZ 019-/_éß")), max_size=12),
    st.sampled_from(["Steps", "Seed", "Hashes", "Civitai resources", "Lora hashes", "Hires upscale", "ADetailer prompt 2nd"]),
)
ANY = st.one_of(TEXT, st.lists(st.one_of(TEXT, st.sampled_from(PIECES)), max_size=14).map("".join))


@settings(max_examples=400, deadline=None)
@given(PROMPT, PROMPT, st.dictionaries(NAME, TEXT, max_size=6))
def test_what_we_write_is_read_back(host: Any, prompt: str, negative: str, parameters: dict[str, str]) -> None:
    written = infotext.write(prompt, negative, parameters)
    ours, theirs = infotext.parse(written), host.parse_generation_parameters(written)
    assert ours.prompt == infotext.clean(prompt)
    if "Hypernet" not in parameters:
        assert theirs["Prompt"] == ours.prompt
    assert theirs["Negative prompt"] == ours.negative == infotext.clean(negative)
    usable = {name: value for name, value in parameters.items() if infotext.is_name(name)}
    told = {name: value for name, value in ours.parameters.items() if infotext.PADDING.get(name) != value and name != infotext.MARK}
    assert told == usable
    for name, value in usable.items():
        expected: dict[str, str] = {}
        host.put(expected, name, value)
        assert {key: theirs[key] for key in expected} == expected
    assert infotext.parse(infotext.write(ours.prompt, ours.negative, ours.parameters)) == ours


@settings(max_examples=400, deadline=None)
@given(ANY)
def test_whatever_the_host_reads_we_read(host: Any, text: str) -> None:
    ours, theirs = infotext.parse(text), host.parse_generation_parameters(text)
    assert theirs["Negative prompt"] == ours.negative
    if "Hypernet" not in ours.parameters and "Prompt" not in ours.parameters:
        assert theirs["Prompt"] == ours.prompt
    pairs = {name: host.unquoted(value) for name, value in host.pairs(text.strip().split("\n")[-1]) if value}
    if not any(name in pairs for name in infotext.BARE_JSON):
        assert ours.parameters == (pairs if ours.parameters else {})


@settings(max_examples=300, deadline=None)
@given(ANY)
def test_any_text_can_be_read_and_its_resources_told(text: str) -> None:
    read = infotext.parse(text)
    assert infotext.parse(read.text).parameters.keys() >= {name for name in read.parameters if infotext.is_name(name)}
    assert len(mentions.of(read)) <= mentions.MOST


def test_the_form_is_the_hosts() -> None:
    told = {"Steps": "20", "Sampler": "Euler a", "Size": "512x768", "Lora hashes": "a: 1, b: 2"}
    text = infotext.write("a cat,\nsitting", "bad, worse\nworst", told)
    assert text == (
        "a cat,\nsitting\nNegative prompt: bad, worse\nworst\nSteps: 20, Sampler: Euler a, Size: 512x768, Lora hashes: \"a: 1, b: 2\""
    )
    assert infotext.parse(text).size == (512, 768)
    assert infotext.write("", "bad", {}) == "Negative prompt: bad"
    assert infotext.quote("plain") == "plain" and infotext.quote("a\nb") == '"a\\nb"' and infotext.quote("漢, é") == '"漢, é"'


def test_few_parameters_stay_parameters() -> None:
    """The host takes a line with fewer than three for prompt."""
    assert infotext.parse("a cat\nSeed: 5, Steps: 20").prompt == "a cat\nSeed: 5, Steps: 20"
    read = infotext.parse(infotext.write("a cat", "", {"Seed": "5"}))
    assert read.prompt == "a cat" and read.parameters["Seed"] == "5"
    lookalike = "colours: red, shapes: round, sizes: big"
    assert infotext.parse(infotext.write(lookalike, "", {})).prompt == lookalike


def test_bare_json_of_civitai() -> None:
    """The WebUI's reader cuts these values; ours does not, also where their text looks like parameters."""
    text = (
        'a\nNegative prompt:\nSteps: 30, Sampler: Undefined, Civitai resources: [{"type":"lora","modelVersionId":7,"modelName":"x, Steps: 99, y"}], '
        'Hashes: {"model":"1ad6ca7f70","lora:a":"88e247aa8c3d"}, Civitai metadata: {}, Version: v1.9.4'
    )
    read = infotext.parse(text)
    assert read.parameters["Steps"] == "30" and read.parameters["Version"] == "v1.9.4" and read.negative == ""
    assert read.parameters["Hashes"] == '{"model":"1ad6ca7f70","lora:a":"88e247aa8c3d"}'
    assert infotext.parse(read.text).parameters == read.parameters
    broken = infotext.parse("a\nSteps: 30, Seed: 5, Hashes: {\"model\": , Version: v1")
    assert broken.parameters["Version"] == "v1"


def test_recorded_texts() -> None:
    on_site = infotext.parse((PAYLOADS / "a1111-parameters-1.txt").read_text(encoding="utf-8"))
    assert on_site.negative == "" and on_site.size == (832, 1216)
    assert [one.version_id for one in mentions.of(on_site)] == [691639, 1202162, 1470588, 746484, 914935, 1189379, 757030]
    forge = infotext.parse((PAYLOADS / "a1111-parameters-2.txt").read_text(encoding="utf-8"))
    assert forge.parameters["Hires upscaler"] == "4x-AnimeSharp" and forge.parameters["Diffusion in Low Bits"] == "Automatic (fp16 LoRA)"
    assert forge.prompt.count("\n") == 3
    named = {one.name: one for one in mentions.of(forge)}
    assert named["ck-shadow-circuit-IL"].hash == "88e247aa8c3d" and named["ck-shadow-circuit-IL"].weight == 0.78
    assert named["waiNSFWIllustrious_v100"].hash == "1ad6ca7f70" and named["waiNSFWIllustrious_v100"].kind == "checkpoint"


def test_long_texts_take_no_time() -> None:
    """Each of these would keep a reader busy for minutes that starts anew at every letter."""
    for line in ("a" * 200_000, "a " * 200_000, 'ab: "' * 40_000, 'ab: "\\\\' * 40_000, "[{" * 100_000, "ab: [[" * 30_000, "<lora:" * 30_000):
        began = time.perf_counter()
        mentions.of(infotext.parse(f"x\n{line}"))
        assert time.perf_counter() - began < 5, line[:10]
    deep = infotext.parse("x\nSteps: 1, Seed: 2, Hashes: " + "[" * 100_000)
    assert deep.parameters["Steps"] == "1"
