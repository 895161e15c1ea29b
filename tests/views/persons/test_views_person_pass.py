from pathlib import Path

import numpy as np
import pytest

import stand_in_detector
from coview.datatypes import Frame
from coview.views.base import SourceVideo
from coview.views.persons.detectors.base import Persons
from coview.views.persons.pose import PoseOptions, PoseView
from coview.views.persons.segmentation import SegmentationOptions, SegmentationView
from coview.views.persons.shared_pass import PackedPersons, resolve_detector
from coview.views.persons.tracks import between


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in_detector.use_stand_in(monkeypatch)


def frames(count: int) -> list[Frame]:
    return [np.full((24, 32, 3), 10 * number, np.uint8) for number in range(count)]


def both(pose: PoseOptions, segmentation: SegmentationOptions) -> tuple[PoseView, SegmentationView, SourceVideo]:
    views = PoseView(pose), SegmentationView(segmentation)
    return *views, SourceVideo("clip", Path("clip.mp4"), views=views)


def test_one_pass_serves_both_views_of_a_video() -> None:
    pose, segmentation, video = both(PoseOptions(), SegmentationOptions(crf=3.0))
    keypoints = list(pose.extract(frames(7), video))
    masks = list(segmentation.extract(frames(7), video))
    assert list(stand_in_detector.CALLS) == [{"keypoints", "mask"}]
    assert list(stand_in_detector.LOOKED_AT) == [10 * number for number in range(7)]
    alone = list(SegmentationView(SegmentationOptions()).extract(frames(7)))
    np.testing.assert_array_equal(masks, alone)
    assert [len(persons) for persons in keypoints] == [1, 1, 1, 1, 0, 1, 1]
    assert [pose.counts(frame)["frames_with_person"] for frame in keypoints] == [1, 1, 1, 1, 0, 1, 1]
    assert [segmentation.counts(frame)["frames_with_person"] for frame in masks] == [1, 1, 1, 1, 0, 1, 1]


def test_views_with_other_settings_look_for_themselves() -> None:
    pose, segmentation, video = both(PoseOptions(every=2), SegmentationOptions())
    list(pose.extract(frames(5), video))
    list(segmentation.extract(frames(5), video))
    assert list(stand_in_detector.CALLS) == [{"keypoints"}, {"mask"}]


def test_every_third_frame_is_looked_at_and_the_rest_filled_in() -> None:
    pose, segmentation, video = both(PoseOptions(every=3), SegmentationOptions(every=3))
    keypoints = list(pose.extract(frames(11), video))
    masks = list(segmentation.extract(frames(11), video))
    assert list(stand_in_detector.LOOKED_AT) == [0, 30, 60, 90]
    assert len(keypoints) == len(masks) == 11
    nose = [float(persons[0, 0, 0]) for persons in keypoints]
    steps = [0.05 * number / 3 for number in range(10)]
    assert nose == pytest.approx([0.1 + step for step in (*steps, steps[-1])])  # a line, and the last one repeats
    starts = [int(mask[4, :, 0].argmax()) for mask in masks]
    assert starts == [3, 3, 5, 5, 5, 7, 7, 7, 9, 9, 9]  # the nearest


def test_a_video_of_one_frame_and_of_none() -> None:
    view = PoseView(PoseOptions(every=4))
    assert len(list(view.extract(frames(1)))) == 1
    assert list(view.extract([])) == []


def person(x: float, score: float = 1.0) -> np.ndarray:
    return np.stack([np.full(17, x), np.full(17, 0.5), np.full(17, score)], axis=-1).astype(np.float32)


def test_between_two_frames_persons_are_told_apart_by_place() -> None:
    before = Persons(np.stack([person(0.1, 0.4), person(0.7)]))
    after = Persons(np.stack([person(0.8), person(0.2, 0.8), person(0.45)]))
    quarter = between(before, after, share=0.25).keypoints
    assert quarter is not None
    assert sorted(quarter[:, 0, 0].tolist()) == pytest.approx([0.125, 0.725])
    assert quarter[quarter[:, 0, 0] < 0.5][0, 0, 2] == pytest.approx(0.5)
    later = between(before, after, share=0.75).keypoints
    assert later is not None
    assert sorted(later[:, 0, 0].tolist()) == pytest.approx([0.175, 0.45, 0.775])  # the third has come


def test_who_is_far_from_everybody_does_not_fly_across_the_picture() -> None:
    before, after = Persons(person(0.1)[None]), Persons(person(0.9)[None])
    for share, x in ((0.4, 0.1), (0.6, 0.9)):
        found = between(before, after, share=share).keypoints
        assert found is not None
        assert found[:, 0, 0].tolist() == pytest.approx([x])
    nobody = Persons(np.zeros((0, 17, 3), np.float32))
    assert between(nobody, after, share=0.2).keypoints.shape == (0, 17, 3)  # type: ignore[union-attr]


def test_packed_persons_come_back_as_they_were() -> None:
    mask = np.random.default_rng(0).integers(0, 256, (6, 8), np.uint8)
    again = PackedPersons.of(Persons(person(0.3)[None], mask)).unpacked()
    np.testing.assert_array_equal(again.mask, mask)
    np.testing.assert_array_equal(again.keypoints, person(0.3)[None])
    assert PackedPersons.of(Persons(person(0.3)[None])).unpacked().mask is None


def test_auto_is_the_truth_where_there_is_one() -> None:
    assert resolve_detector(PoseOptions(), "synthetic") == "truth"
    assert resolve_detector(PoseOptions(), "ucf101") == "mediapipe"
    assert resolve_detector(PoseOptions(detector="rcnn"), "synthetic") == "rcnn"
