"""Texts of the page's scripts, so that they can be translated."""

from __future__ import annotations

from docs.texts import fragments


def test_no_sentence_of_a_script_is_put_together_from_pieces() -> None:
    """Another language has another order: use cm.t("Move {count} files", {count: count})."""
    assert not fragments()
