"""What strangers wrote is text on the page, never a part of it."""

from __future__ import annotations

import datetime
import re

import pytest
from civitai_manager_libs.ui import choice, render

NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '<a href="javascript:alert(1)">x</a>',
        '<a href="data:text/html,x">x</a>',
        '<p onclick="alert(1)" style="position:fixed" id="cm_choice" class="cm-card">x</p>',
        "<iframe src=//x></iframe><object></object><embed>",
        "<form action=/x><input name=a><button>go</button></form>",
        "<style>body{display:none}</style><link rel=stylesheet href=//x>",
        "<svg onload=alert(1)><script>alert(2)</script></svg>",
        "<math><mtext></p><style><img src=x onerror=alert(1)></style></math>",
        "<base href=//x><meta http-equiv=refresh content=0>",
        "<template><img src=x onerror=alert(1)></template>",
    ],
)
def test_clean(hostile: str) -> None:
    cleaned = render.clean(f"before {hostile} after").lower()
    assert "before" in cleaned and "after" in cleaned or hostile.startswith(("<math", "<svg"))
    tags = ("<script", "<iframe", "<form", "<input", "<button", "<style", "<img", "<svg", "<base", "<meta", "<link")
    for word in (*tags, "onerror", "onclick", "onload", "javascript:", "data:", "style=", "id=", "class="):
        assert word not in cleaned


def test_clean_keeps_what_people_wrote() -> None:
    cleaned = render.clean('<h2>Use</h2><p>A <strong>word</strong> &lt;lora:x:1&gt; <a href="https://x.org/y">there</a></p><ul><li>one</li></ul>')
    assert "<strong>word</strong>" in cleaned and "&lt;lora:x:1&gt;" in cleaned and "<li>one</li>" in cleaned
    assert 'href="https://x.org/y"' in cleaned and 'target="_blank"' in cleaned and "noopener" in cleaned


def test_everything_else_is_escaped() -> None:
    assert render.tag("span", "<b>", data_x='"><script>') == '<span data-x="&quot;&gt;&lt;script&gt;">&lt;b&gt;</span>'
    assert render.link("javascript:alert(1)", "<x>") == "&lt;x&gt;"
    assert "<script" not in render.chips(["<script>", '"><img src=x>']) and "<img" not in render.chips(['"><img src=x>'])
    assert "<b>" not in render.notices(["<b>"])
    view = {"id": 1, "name": "<b>n</b>", "type": "<i>", "creator": "<u>", "thumbnail": "", "url": "javascript:x", "versions": [], "tags": ["<t>"]}
    html = choice.head(view, None, '"><x>') + choice.about(view, None)
    assert not any(part in html for part in ("<b>", "<i>", "<u>", "<x>", "<t>", "javascript"))


@pytest.mark.parametrize(("count", "text"), [(None, "size unknown"), (0, "0 B"), (999, "999 B"), (2_132_625_408, "2.1 GB"), (4 << 40, "4.4 TB")])
def test_size(count: int | None, text: str) -> None:
    assert render.size(count) == text


@pytest.mark.parametrize(
    ("when", "text"),
    [
        ("2026-11-22T01:00:00Z", "today"),
        ("2026-11-20T01:00:00Z", "2 days ago"),
        ("2026-10-01T01:00:00.123Z", "1 month ago"),
        ("2023-10-01T01:00:00+02:00", "3 years ago"),
        ("2026-12-03T13:00:00Z", "in 11 days"),
        ("2026-11-22T18:00:00Z", "today"),
        ("", ""),
        (None, ""),
        ("soon", ""),
    ],
)
def test_ago(when: str | None, text: str) -> None:
    assert render.ago(when, NOW) == text


def test_equal_labels_are_told_apart() -> None:
    assert choice.distinct(["a", "b", "a", "a"]) == ["a", "b", "a (2)", "a (3)"]


def test_a_choice_finds_its_entry() -> None:
    entries = [{"id": 1, "primary": False}, {"id": 2, "primary": True}, {"id": 3, "primary": False}]
    assert choice.pick(entries, 3) is entries[2]
    assert choice.pick(entries, 9) is entries[1]
    assert choice.pick([], 1) is None
    assert choice.by_label(entries, ["a", "b", "c"], "c") is entries[2]
    assert choice.by_label(entries, ["a", "b", "c"], "gone", 1) is entries[0]


def test_early_access_says_the_day_and_how_long() -> None:
    now = datetime.datetime(2026, 11, 22, 9, tzinfo=datetime.timezone.utc)
    assert re.sub("<.*?>", "", render.deadline("2026-12-03T10:00:00Z", now)) == "3 December 2026 (in 11 days)"
    assert render.deadline("permanent") == render.deadline(None) == ""
    line = re.sub("<.*?>", "", choice.access({"early_access": "2099-05-06T07:08:09.000Z"}))
    assert re.match(r"Early access until 6 May 2099 \(in \d+ years\): Civitai gives", line)
    assert "Permanent early access:" in choice.access({"early_access": "permanent"}) and choice.access({}) == choice.access(None) == ""
