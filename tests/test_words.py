"""Spans of time for people."""

from __future__ import annotations

from datetime import timedelta

import pytest

from exporter.words import span


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
