"""What people paste, and what must not be taken for Civitai."""

from __future__ import annotations

import contextlib
import time

import pytest
from civitai_manager_libs.civitai.references import MAX_TEXT, Reference, parse
from civitai_manager_libs.errors import NotALink, UsageError

SHA = "46b201911248b56f536397182fa92f43ece891e48457f180cc45350319db064f"

ONE = [
    ("https://civitai.com/models/827184", "model", {"model_id": 827184}),
    ("https://civitai.com/models/827184/wai-illustrious-sdxl", "model", {"model_id": 827184}),
    ("https://civitai.com/models/827184?modelVersionId=2514310", "model", {"model_id": 827184, "version_id": 2514310}),
    ("https://civitai.com/models/827184/slug?foo=1&modelVersionId=2514310#comments", "model", {"model_id": 827184, "version_id": 2514310}),
    ("https://www.civitai.com/models/5", "model", {"model_id": 5}),
    ("http://civitai.red/models/5/x", "model", {"model_id": 5}),
    ("civitai.green/models/5", "model", {"model_id": 5}),
    ("www.civitai.buzz/models/5/", "model", {"model_id": 5}),
    ("HTTPS://CIVITAI.COM/models/5", "model", {"model_id": 5}),
    ("//civitai.com/models/5", "model", {"model_id": 5}),
    ("https://civitai.com:443/models/5", "model", {"model_id": 5}),
    ("https://civitai.com/models/5#", "model", {"model_id": 5}),
    ("https://civitai.com/models/5/%E5%BB%BA%E7%AF%89", "model", {"model_id": 5}),
    ("https://civitai.com/models/5/建築", "model", {"model_id": 5}),
    ("https://civitai.com/models/5?modelVersionId=99999999999", "model", {"model_id": 5}),
    ("https://civitai.com/model-versions/77", "version", {"version_id": 77}),
    ("https://civitai.com/api/v1/models/5", "model", {"model_id": 5}),
    ("https://civitai.com/api/v1/model-versions/77", "version", {"version_id": 77}),
    ("https://civitai.com/api/v1/model-versions/mini/77?modelFileId=3", "version", {"version_id": 77, "file_id": 3}),
    (f"https://civitai.com/api/v1/model-versions/by-hash/{SHA.upper()}", "hash", {"hash": SHA}),
    ("https://civitai.com/api/download/models/77", "version", {"version_id": 77}),
    ("https://civitai.com/api/download/models/77?fileId=3", "version", {"version_id": 77, "file_id": 3}),
    ("https://civitai.com/api/download/models/77?type=Model&format=SafeTensor", "version", {"version_id": 77}),
    ("https://civitai.com/api/download/models/77?fileId=3?token=abc", "version", {"version_id": 77, "file_id": 3}),
    ("https://civitai.com/images/123", "image", {"image_id": 123}),
    ("https://civitai.com/images/123?period=AllTime", "image", {"image_id": 123}),
    ("https://civitai.com/api/v1/images?imageId=123", "image", {"image_id": 123}),
    ("https://civitai.com/posts/456", "post", {"post_id": 456}),
    ("urn:air:sdxl:checkpoint:civitai:827184@2514310", "model", {"model_id": 827184, "version_id": 2514310}),
    ("urn:air:sdxl:lora:civitai:827184", "model", {"model_id": 827184}),
    ("urn:air:sdxl:lora:civitai:827184@25:layer.safetensors", "model", {"model_id": 827184, "version_id": 25}),
    ("air:flux1:lora:civitai:1@2", "model", {"model_id": 1, "version_id": 2}),
    ("sdxl:lora:civitai:1@2", "model", {"model_id": 1, "version_id": 2}),
    ("civitai:1@2", "model", {"model_id": 1, "version_id": 2}),
    ("827184", "model", {"model_id": 827184}),
    ("2147483647", "model", {"model_id": 2147483647}),
    (SHA, "hash", {"hash": SHA}),
    (SHA.upper(), "hash", {"hash": SHA}),
    ("A5F58EB1C3", "hash", {"hash": "a5f58eb1c3"}),
    ("0xA5F58EB1C3", "hash", {"hash": "a5f58eb1c3"}),
    ("22D8CB95B807", "hash", {"hash": "22d8cb95b807"}),
    ("4748A7F6", "hash", {"hash": "4748a7f6"}),
    ("12345678", "model", {"model_id": 12345678}),
    ("AutoV2: A5F58EB1C3", "hash", {"hash": "a5f58eb1c3"}),
    ("SHA256:" + SHA, "hash", {"hash": SHA}),
    ("  https://civitai.com/models/5  \n", "model", {"model_id": 5}),
    ('"https://civitai.com/models/5"', "model", {"model_id": 5}),
    ("<https://civitai.com/models/5>", "model", {"model_id": 5}),
    ("(https://civitai.com/models/5).", "model", {"model_id": 5}),
    ("「https://civitai.com/models/5」。", "model", {"model_id": 5}),
    ("https://civitai.com/models/5?modelVersionId=6」をみて", "model", {"model_id": 5, "version_id": 6}),
    ("[a name](https://civitai.com/models/5)", "model", {"model_id": 5}),
    ("\ufeffhttps://civitai.com/models/5\u200b", "model", {"model_id": 5}),
    ("Look at https://civitai.com/models/5, it is nice", "model", {"model_id": 5}),
    (
        "[InternetShortcut]\r\nURL=https://civitai.com/models/5?modelVersionId=6\r\nIconIndex=0\r\nHotKey=0\r\n",
        "model",
        {"model_id": 5, "version_id": 6},
    ),
    (
        '<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0"><dict>\n\t<key>URL</key>\n'
        "\t<string>https://civitai.com/models/5?a=1&amp;modelVersionId=6</string>\n</dict></plist>",
        "model",
        {"model_id": 5, "version_id": 6},
    ),
]

STRANGE = [
    "",
    "   \n",
    "hello",
    "https://example.com/models/5",
    "https://civitai.com.evil.com/models/5",
    "https://evilcivitai.com/models/5",
    "https://civitai.com@evil.com/models/5",
    "https://user:pass@civitai.com/models/5",
    "https://evil.com\\@civitai.com/models/5",
    "https://evil.com/?u=https://civitai.com/models/5",
    "evil.com/?u=https://civitai.com/models/5",
    "https://image.civitai.com/models/5",
    "ftp://civitai.com/models/5",
    "javascript://civitai.com/models/5",
    "https://civitai.com:8080/models/5",
    "https://civitai.com/",
    "https://civitai.com/models",
    "https://civitai.com/models/train",
    "https://civitai.com/models/0",
    "https://civitai.com/models/5abc",
    "https://civitai.com/models/99999999999",
    "https://civitai.com/user/someone",
    "https://[civitai.com/models/5",
    "urn:air:sdxl:lora:huggingface:827184@1",
    "0",
    "-5",
    "１２３",
    "9" * 30,
    "0" * 64,
    SHA + "0",
    "https://civitai.com/api/download/models/",
]


@pytest.mark.parametrize(("text", "kind", "fields"), ONE, ids=[text[:60] for text, _, _ in ONE])
def test_one(text: str, kind: str, fields: dict[str, object]) -> None:
    (reference,) = parse(text)
    assert reference == Reference(kind, reference.text, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", STRANGE)
def test_not_a_link(text: str) -> None:
    with pytest.raises(NotALink) as caught:
        parse(text)
    assert "Accepted" in caught.value.next_step


def test_several_in_order_each_once() -> None:
    text = f"https://civitai.com/models/5\nhttps://civitai.red/models/5/other-name, 7 {SHA}\n\n7;https://civitai.com/models/5?modelVersionId=6"
    got = [(one.kind, one.model_id, one.version_id, one.hash) for one in parse(text)]
    assert got == [("model", 5, None, None), ("model", 7, None, None), ("hash", None, None, SHA), ("model", 5, 6, None)]


def test_two_links_pasted_into_one_another() -> None:
    assert [one.model_id for one in parse("https://civitai.com/models/5https://civitai.com/models/6")] == [5, 6]


def test_what_is_not_understood_is_reported() -> None:
    got = parse("5, nonsense\nhttps://example.com/x\nhttps://civitai.com/models/6")
    assert [(one.kind, one.text) for one in got if one.kind == "unknown"] == [("unknown", "nonsense"), ("unknown", "https://example.com/x")]
    assert [one.model_id for one in got if one.kind == "model"] == [5, 6]


def test_numbers_in_a_sentence_are_no_ids() -> None:
    assert [one.model_id for one in parse("SD 15 and 20 more: https://civitai.com/models/6")] == [6]


def test_several_shortcut_files() -> None:
    text = "[InternetShortcut]\nURL=https://civitai.com/models/5\n[InternetShortcut]\nURL=https://civitai.com/models/6\n"
    assert [one.model_id for one in parse(text)] == [5, 6]


def test_the_configured_host() -> None:
    with pytest.raises(NotALink):
        parse("http://127.0.0.1:7862/models/5")
    assert parse("http://127.0.0.1:7862/models/5", hosts={"127.0.0.1:7862"})[0].model_id == 5
    with pytest.raises(NotALink):
        parse("http://127.0.0.1:7863/models/5", hosts={"127.0.0.1:7862"})


def test_a_large_text_is_quick() -> None:
    assert len(parse("\n".join(f"https://civitai.com/models/{number}" for number in range(1, 5001)))) == 5000


HOSTILE = {
    "blank lines in a shortcut": "[InternetShortcut]" + "\n" * MAX_TEXT,
    "blanks in a shortcut": "[InternetShortcut]\nURL" + " " * MAX_TEXT,
    "open strings in a webloc": "<key>URL</key><string>" * MAX_TEXT,
    "open keys in a webloc": "<key>" * MAX_TEXT,
    "blanks in a webloc": "<key>URL</key>" + " " * MAX_TEXT,
    "a number in a webloc": "<key>URL</key><string>&#" + "9" * MAX_TEXT,
    "digits": "9" * MAX_TEXT,
    "digits of an AIR": "civitai:" + "1" * MAX_TEXT,
    "colons": "civitai:1" + ":" * MAX_TEXT,
    "dots": "civitai:1:" + "." * MAX_TEXT,
    "letters": "a" * MAX_TEXT,
    "percents": "https://civitai.com/" + "%" * MAX_TEXT,
    "brackets": "https://[" + "[" * MAX_TEXT,
    "less-thans": "<" * MAX_TEXT,
    "blanks": " " * MAX_TEXT,
    "schemes": "1https://" * MAX_TEXT,
    "questions": "https://civitai.com/models?" + "&" * MAX_TEXT,
    "labels": "sha256:" * MAX_TEXT,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_takes_long(text: str) -> None:
    """In its own process time, so that a busy machine changes nothing; a quadratic reading takes minutes."""
    text = text[: MAX_TEXT - 1] + "!"
    before = time.process_time()
    with contextlib.suppress(NotALink):
        parse(text)
    assert time.process_time() - before < 10


def test_a_text_that_is_too_long_is_refused_with_a_next_step() -> None:
    assert parse("5" + " " * (MAX_TEXT - 1))[0].model_id == 5
    with pytest.raises(UsageError) as caught:
        parse("5" + " " * MAX_TEXT)
    assert not isinstance(caught.value, NotALink) and "at a time" in caught.value.next_step


def test_blanks_and_other_entries_in_shortcut_files() -> None:
    shortcut = "[InternetShortcut]\n  url = https://civitai.com/models/5 \nURL=\nBaseURL=https://civitai.com/models/6"
    assert [one.model_id for one in parse(shortcut)] == [5]
    webloc = "<key> URL </key>\n<integer>1</integer><key>x</key><string>https://civitai.com/models/6</string><key>URL</key> <string>{}</string>"
    assert [one.model_id for one in parse(webloc.format("https://civitai.com/models/7"))] == [7]
