"""Texts for people."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.words import span, visible


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(), "0 s"),
        (timedelta(seconds=-3), "0 s"),
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(minutes=2), "2 min"),
        (timedelta(hours=5, minutes=20, seconds=59), "5 h 20 min"),
        (timedelta(hours=24, minutes=59), "1 d"),
        (timedelta(days=40, hours=3), "40 d 3 h"),
    ],
)
def test_the_two_largest_units(length: timedelta, words: str) -> None:
    assert span(length) == words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("vm-\u202egnp.exe", r"vm-\u202egnp.exe"),
        ("\u2066a\u2069\u200f", r"\u2066a\u2069\u200f"),
        ("a\u200bb\ufeff\xad\u3164", r"a\u200bb\ufeff\xad\u3164"),
        ("\x1b[31m\x7f\x9b\r\n", r"\x1b[31m\x7f\x9b\r\n"),
        ("\ud800\U000e0041", r"\ud800\U000e0041"),
        ("é \u05e9\u05dc\u05d5\u05dd \u0645 日本\U000e0100 ❤\ufe0f \\u", None),
    ],
)
def test_what_nobody_sees_is_escaped(text: str, shown: str | None) -> None:
    """And letters of any script stay, whichever way they run."""
    assert visible(text) == (text if shown is None else shown)


def test_lines_may_stay_lines() -> None:
    assert visible("a\tb\nc\r\u2028", lines=True) == "a\tb\nc" + r"\r\u2028"


@given(st.text())
def test_what_is_shown_is_one_line_that_any_output_takes(text: str) -> None:
    shown = visible(text)

    assert len(shown.splitlines()) <= 1
    assert visible(shown.encode().decode()) == shown
