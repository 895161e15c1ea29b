"""Names of videos, ids and words for the parts of a split."""

import pytest

from coview.datasets.listing import is_video_name, some, split_part, unique_ids, without_suffix


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["wave/a.mp4", "b.MP4"], ["wave/a", "b"]),
        (["a.mp4", "a.avi", "b.avi"], ["a.mp4", "a.avi", "b"]),
        (["x/a.mp4", "y/a.mp4"], ["x/a", "y/a"]),
        (["a.mp4", "a.avi", "a.mp4.mkv"], ["a.mp4", "a.avi", "a.mp4.mkv"]),
        (["take.1.mp4", "take.2.mp4", "no suffix"], ["take.1", "take.2", "no suffix"]),
        ([], []),
    ],
)
def test_ids_are_paths_without_suffix_unless_two_would_be_the_same(names, ids):
    assert unique_ids(names) == ids


@pytest.mark.parametrize("word", ["val", "Validation", " dev ", "valid", "validate", "VAL"])
def test_words_for_validation(word):
    assert split_part(word) == "validation"


@pytest.mark.parametrize(
    ("word", "part"), [("Train", "train"), ("testing", "test"), ("fold1", None), ("", None), ("trainval", None)]
)
def test_other_words_for_parts(word, part):
    assert split_part(word) == part


def test_videos_are_known_by_their_extension_in_any_case():
    assert [is_video_name(name) for name in ("a.MP4", "b.c.webm", "a.txt", "mp4", ".mp4")] == [True, True, *[False] * 3]
    assert without_suffix("a.b.AVI") == "a.b"
    assert without_suffix("a.b") == "a.b"


def test_messages_name_a_few():
    assert some(["a", "b"]) == "a, b"
    assert some(["a", "b", "c", "d", "e"], 2) == "a, b and 3 more"
