"""Which folder names are taken for classes, and that it is said."""

import pytest

from coview.datasets.folder_labels import decide_labels
from coview.datasets.listing import Listing
from coview.datatypes import VideoEntry
from coview.errors import UserError


def listing(labels, *, labels_from="folders"):
    entries = tuple(VideoEntry(id=f"v{number}", path="", label=label) for number, label in enumerate(labels))
    return Listing(entries, labels_from=labels_from)


def decided(labels, rule="auto", **options):
    found = decide_labels(listing(labels, **options), rule, layout="folder")
    return [entry.label for entry in found.entries], found


@pytest.mark.parametrize(
    "labels",
    [
        ["wave", "wave", "jump", "jump"],
        ["brush hair"] * 2 + ["cartwheel"] * 3 + ["dribble"],
        ["may pole", "may pole", "sit up", "sit up"],
        ["Run"] * 9 + ["walk"] * 10 + [None] * 2,
        ["跳", "跳", "走", "走"],
    ],
)
def test_folders_that_are_evidently_classes_are_labels_and_it_is_said(labels):
    kept, found = decided(labels)
    assert kept == labels
    assert found.labels_from == "folders"
    assert found.remarks[-1].endswith("are taken for labels; if they are none: --labels none")


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (["2023", "2023", "2024"], "2023, 2024 are named like a date"),
        (["2023-05", "2023-05", "walk", "walk"], "2023-05 is named like a date"),
        (["12 May", "12 May", "3 June", "3 June"], "named like a date"),
        (["100GOPRO"] * 2 + ["101GOPRO"] * 2, "a place to keep files"),
        (["Camera"] * 2 + ["WhatsApp Video"] * 2, "a place to keep files"),
        (["part 1"] * 2 + ["part 2"] * 2, "a number"),
        (["wave", "wave"], "there is one folder only"),
        (["a wedding", "the sea", "home", "home"], "most folders hold a single video"),
        (["wave", "wave", "jump", "jump", None], "many videos lie in no folder"),
    ],
)
def test_folders_that_may_mean_anything_are_no_labels_and_it_is_said(labels, why):
    kept, found = decided(labels)
    assert kept == [None] * len(labels)
    assert found.labels_from == "none"
    assert why in found.remarks[-1]
    assert found.remarks[-1].endswith("if they are: --labels folders")


def test_the_user_decides():
    assert decided(["2023", "2024"], "folders")[0] == ["2023", "2024"]
    assert decided(["wave", "wave", "jump", "jump"], "none")[0] == [None] * 4
    assert decided(["wave", "jump"], "none", labels_from="lists")[0] == [None] * 2


def test_labels_of_lists_are_labels_whatever_they_are_called():
    kept, found = decided(["0", "1"], labels_from="lists")
    assert kept == ["0", "1"]
    assert found.remarks == ()
    with pytest.raises(UserError, match="'folder' takes labels from lists"):
        decided(["0", "1"], "folders", labels_from="lists")


def test_a_folder_without_folders_needs_no_word():
    assert decided([None, None])[1].remarks == ()
