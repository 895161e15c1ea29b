"""Counts in messages."""

import pytest

from coview.wording import counted, some


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (1, "batch", "1 batch"),
        (10, "batch", "10 batches"),
        (0, "video", "0 videos"),
        (1200, "class", "1,200 classes"),
        (2, "process", "2 processes"),
    ],
)
def test_counts(count, noun, text):
    assert counted(count, noun) == text


def test_names():
    assert some(["a"]) == "a"
    assert some(list("abcdef"), 2) == "a, b and 4 more"
