from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from coview.datasets.synthetic import (
    RenderedClip,
    SyntheticSettings,
    Truth,
    read_synthetic,
    read_truth,
    render_clip,
    rendering,
    write_truth,
)
from coview.datasets.synthetic.actions import ACTIONS, TURNS_PER_SECOND
from coview.datasets.synthetic.movement import Movement, draw_movement, joint_angles
from coview.datasets.synthetic.settings import GROUP_SIZE, action_of, group_of, split_of
from coview.datasets.synthetic.skeleton import COCO_KEYPOINTS, Body, pose_body, turn
from coview.errors import UserError

SMALL = SyntheticSettings(num_videos=40, num_frames=10, height=48, width=64)
TIMES = np.arange(50) / 25


def assert_same(first: RenderedClip, second: RenderedClip) -> None:
    assert (first.id, first.label, first.group, first.split) == (second.id, second.label, second.group, second.split)
    for name in ("frames", "keypoints", "masks"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_a_clip_follows_from_seed_and_index_alone() -> None:
    clip = render_clip(SMALL, 7)
    render_clip(SMALL, 8)
    assert_same(clip, render_clip(SMALL, 7))
    assert_same(clip, render_clip(SyntheticSettings(num_videos=8, num_frames=10, height=48, width=64), 7))
    other = render_clip(SyntheticSettings(num_videos=40, num_frames=10, height=48, width=64, seed=1), 7)
    assert (clip.frames != other.frames).mean() > 0.5
    with pytest.raises(ValueError, match="clip 40 of a set of 40"):
        render_clip(SMALL, 40)


def test_shapes_and_types() -> None:
    clip = render_clip(SMALL, 0)
    assert clip.frames.shape == (10, 48, 64, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.keypoints.shape == (10, 1, 17, 3)
    assert clip.keypoints.dtype == np.float32
    assert clip.masks.shape == (10, 48, 64)
    assert set(np.unique(clip.masks)) == {0, 255}


@pytest.mark.parametrize("index", range(0, 10, 3))
def test_keypoints_lie_on_the_person_and_the_person_is_large_enough(index: int) -> None:
    settings = SyntheticSettings(num_frames=30)
    clip = render_clip(settings, index)
    on_person, near_person = [], []
    for mask, keypoints in zip(clip.masks, clip.keypoints[:, 0], strict=True):
        near = cv2.dilate(mask, np.ones((3, 3)))
        for x, y, score in keypoints:
            if score > 0:
                place = (int(y * settings.height), int(x * settings.width))
                on_person.append(mask[place] > 0)
                near_person.append(near[place] > 0)
            else:
                assert not (0 <= x < 1 and 0 <= y < 1)
    assert len(on_person) > 0.7 * 30 * 17  # the feet of large people are below the picture
    assert np.mean(on_person) > 0.98
    assert all(near_person)
    rows = np.flatnonzero(clip.masks.max(axis=(0, 2)))
    assert np.ptp(rows) > settings.height / 3


def test_keypoints_partly_outside_have_score_zero() -> None:
    outside = []
    for index in range(40):
        keypoints = render_clip(SyntheticSettings(num_videos=40, num_frames=12, height=32, width=32), index).keypoints
        inside = ((keypoints[..., :2] >= 0) & (keypoints[..., :2] < 1)).all(axis=-1)
        np.testing.assert_array_equal(keypoints[..., 2], inside.astype(np.float32))
        outside.append(not inside.all())
    assert 0 < sum(outside) < 40


def contrast_of_places(clips: list[RenderedClip]) -> float:
    """Return the mean over clips of the deviation of grey levels where the person never is."""
    found = []
    for clip in clips:
        is_far = cv2.dilate(clip.masks.max(axis=0), np.ones((5, 5))) == 0
        found.append(clip.frames.astype(float).mean(axis=-1)[:, is_far].std())
    return float(np.mean(found))


def test_the_easier_the_less_there_is_beside_the_action() -> None:
    easy, middle, hard = (
        [render_clip(SyntheticSettings(num_frames=20, height=48, width=64, difficulty=d), n) for n in range(0, 20, 5)]
        for d in (0.0, 0.5, 1.0)
    )
    found = [contrast_of_places(clips) for clips in (easy, middle, hard)]
    assert found[0] < 0.8 * found[1] < 0.64 * found[2]
    assert [clip.label for clip in easy] == [clip.label for clip in hard]


@pytest.mark.parametrize("index", [0, 6])
def test_nothing_but_the_figure_depends_on_the_label(index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = {}
    for label in ACTIONS:
        monkeypatch.setattr(rendering, "action_of", lambda seed, index, label=label: label)
        clips[label] = render_clip(SMALL, index)
    first, *_ = ACTIONS
    some = clips[first]
    anyone = np.max([clip.masks for clip in clips.values()], axis=0)
    # Smooth edges reach a pixel beyond the masks.
    elsewhere = np.stack([cv2.dilate(mask, np.ones((5, 5))) == 0 for mask in anyone])
    assert elsewhere.mean() > 0.4
    for label, clip in clips.items():
        assert clip.label == label
        np.testing.assert_array_equal(clip.frames[elsewhere], some.frames[elsewhere])
        if label != first:
            assert (clip.keypoints != some.keypoints).any()


def test_each_ten_in_a_row_show_every_action_once_and_groups_stay_together() -> None:
    settings = SyntheticSettings()
    labels = [action_of(settings.seed, index) for index in range(settings.num_videos)]
    splits = [split_of(index, test_share=0.4) for index in range(settings.num_videos)]
    for start in range(0, settings.num_videos, 10):
        assert sorted(labels[start : start + 10]) == sorted(ACTIONS)
    assert labels[:10] != labels[10:20]
    groups: dict[int, list[int]] = {}
    for index in range(settings.num_videos):
        groups.setdefault(group_of(index), []).append(index)
    for members in groups.values():
        assert len({labels[index] for index in members}) == len(members) == GROUP_SIZE
        assert len({splits[index] for index in members}) == 1
    assert Counter(splits) == {"train": 300, "test": 200}
    by_part = Counter(zip(labels, splits, strict=True))
    assert {by_part[label, "test"] for label in ACTIONS} == {20}


@pytest.mark.parametrize(("share", "tests"), [(0.0, 0), (0.25, 5), (0.4, 8), (0.5, 10), (1.0, 20)])
def test_share_of_test_clips(share: float, tests: int) -> None:
    splits = [split_of(index, test_share=share) for index in range(200)]
    assert splits.count("test") == 10 * tests
    assert set(splits[:20]) == {"train", "test"} or share in (0.0, 0.25, 1.0)


def test_clips_of_a_group_show_one_person_in_one_place() -> None:
    means = np.stack([render_clip(SMALL, index).frames.mean(axis=(0, 1, 2)) for index in range(20)])
    distances = np.linalg.norm(means[:, None] - means[None], axis=-1)
    same = np.arange(20)[:, None] // GROUP_SIZE == np.arange(20)[None] // GROUP_SIZE
    assert distances[same].sum() / (same.sum() - 20) < 0.5 * distances[~same].mean()


def test_the_classes_are_what_two_arms_can_do_whichever_is_the_left_one() -> None:
    pairs = {frozenset((action.lead, action.other)) for action in ACTIONS.values()}
    assert len(pairs) == len(ACTIONS) == 10
    assert set().union(*pairs) == set(TURNS_PER_SECOND.values())


@pytest.mark.parametrize("action", ACTIONS)
def test_arms_turn_as_fast_and_to_the_side_that_the_label_says(action: str) -> None:
    joints = pose_body(joint_angles(action, plain_movement(TIMES, leads_left=True)), Body())
    for side, sign, name in zip(("left", "right"), (1, -1), action.split("_"), strict=True):
        arm = joints[f"wrist_{side}"] - joints[f"shoulder_{side}"]
        turns = np.unwrap(np.arctan2(sign * arm[:, 0], -arm[:, 1])) / (2 * np.pi)  # outwards from hanging down
        assert turns[-1] - turns[0] == pytest.approx(TURNS_PER_SECOND[name] * TIMES[-1])


def test_an_arm_is_anywhere_at_any_moment_whatever_the_class() -> None:
    generator = np.random.default_rng(5)
    movements = [draw_movement(generator, TIMES) for _ in range(200)]
    for action in ACTIONS:
        angles = np.deg2rad([joint_angles(action, one)["shoulder_abduct_left"][7] for one in movements])
        assert np.abs(np.exp(1j * angles).mean()) < 0.2


def plain_movement(
    clock: np.ndarray, *, leads_left: bool, starts: tuple[float, float] = (0.0, 0.0), **idle: float
) -> Movement:
    names = draw_movement(np.random.default_rng(0), TIMES).idle
    return Movement(clock, starts, leads_left, {name: np.full_like(clock, idle.get(name, 0.0)) for name in names})


@pytest.mark.parametrize("action", ACTIONS)
def test_leading_with_the_other_side_is_the_mirror_image(action: str) -> None:
    clock = np.linspace(0, 1, 23)
    left, right = (
        pose_body(joint_angles(action, plain_movement(clock, leads_left=leads_left, starts=(0.1, 0.7))), Body())
        for leads_left in (True, False)
    )
    for name, place in left.items():
        swapped = name.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")
        np.testing.assert_allclose(place * (-1, 1, 1), right[swapped], atol=1e-12)


@pytest.mark.parametrize("action", ACTIONS)
def test_bones_keep_their_lengths_and_feet_stay_on_the_ground(action: str) -> None:
    angles = joint_angles(action, draw_movement(np.random.default_rng(3), TIMES))
    joints = pose_body(angles, Body())
    bones = {("shoulder", "elbow"): 0.19, ("elbow", "wrist"): 0.171, ("hip", "knee"): 0.245, ("knee", "ankle"): 0.245}
    for side in ("left", "right"):
        for (start, end), length in bones.items():
            lengths = np.linalg.norm(joints[f"{start}_{side}"] - joints[f"{end}_{side}"], axis=-1)
            np.testing.assert_allclose(lengths, length)
    lowest = np.minimum(joints["ankle_left"][:, 1], joints["ankle_right"][:, 1])
    np.testing.assert_allclose(lowest, 0.04 + angles["lift"])
    assert set(COCO_KEYPOINTS) <= set(joints)


def test_turning_by_hand() -> None:
    np.testing.assert_allclose(turn("x", 90.0) @ [0, 1, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(turn("y", 90.0) @ [0, 0, 1], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(turn("z", np.array([90.0, 180.0])) @ [1, 0, 0], [[0, 1, 0], [-1, 0, 0]], atol=1e-12)


def test_a_raised_left_arm_is_up_at_the_left() -> None:
    idle = {"shoulder_abduct_left": 105.0, "arm_twist_left": 90.0, "elbow_left": 45.0}
    angles = plain_movement(np.array([0.0]), leads_left=True, **idle).idle
    joints = pose_body(angles, Body())
    (waving,) = joints["wrist_left"] - joints["shoulder_left"]
    (hanging,) = joints["wrist_right"] - joints["shoulder_right"]
    assert hanging[1] < -0.3
    assert waving[0] > 0.1
    assert waving[1] > 0.05


def nearest_label_share(features: np.ndarray, clips: list[RenderedClip]) -> float:
    """Share of clips whose nearest clip of another group shows the same action."""
    features = features / np.linalg.norm(features, axis=1, keepdims=True)
    groups, labels = (np.array([getattr(clip, name) for clip in clips]) for name in ("group", "label"))
    cosines = np.where(groups[:, None] == groups[None], -2, features @ features.T)
    return float((labels[cosines.argmax(axis=1)] == labels).mean())


def test_motion_tells_the_actions_apart_and_pixels_do_not() -> None:
    settings = SyntheticSettings(num_videos=120, num_frames=24, height=32, width=32)
    clips = [render_clip(settings, index) for index in range(120)]
    places = dict(
        zip(
            COCO_KEYPOINTS, np.stack([clip.keypoints[:, 0, :, :2] for clip in clips]).transpose(2, 3, 0, 1), strict=True
        )
    )
    turns = []
    for side, sign in (("left", 1), ("right", -1)):
        x, y = places[f"elbow_{side}"] - places[f"shoulder_{side}"]  # (n, T) each
        turns.append(np.unwrap(np.arctan2(sign * x, y), axis=1)[:, [0, -1]] @ (-1, 1))
    motion = np.sort(np.stack(turns, axis=1), axis=1)  # (n, 2)
    gaps = np.linalg.norm(motion[:, None] - motion[None], axis=-1) + 1e9 * np.eye(120)
    labels = np.array([clip.label for clip in clips])
    assert (labels[gaps.argmin(axis=1)] == labels).mean() > 0.95
    frames = np.stack([clip.frames.astype(np.float32).mean(axis=-1) for clip in clips])
    means = frames.mean(axis=1).reshape(120, -1)
    assert nearest_label_share(means - means.mean(axis=1, keepdims=True), clips) < 0.22
    assert nearest_label_share(np.abs(np.diff(frames, axis=1)).mean(axis=1).reshape(120, -1), clips) < 0.22


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"height": 31}, "even sides of at least 32 pixels, got 96 x 31"),
        ({"width": 65}, "got 65 x 96"),
        ({"num_videos": 0}, "got 0 videos"),
        ({"fps": 0.0}, "0.0 frames a second"),
        ({"test_share": 1.5}, "test_share and difficulty are shares from 0 to 1"),
        ({"difficulty": -0.1}, "got 0.4, -0.1 and 0"),
    ],
)
def test_settings_that_cannot_be(given: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        SyntheticSettings(**given)  # type: ignore[arg-type]


def test_truth_comes_back_as_it_was(tmp_path: Path) -> None:
    clip = render_clip(SMALL, 2)
    path = tmp_path / "clip.npz"
    write_truth(Truth(clip.keypoints, clip.masks), path)
    truth = read_truth(path)
    np.testing.assert_array_equal(truth.keypoints, clip.keypoints)
    np.testing.assert_array_equal(truth.masks, clip.masks)
    assert truth.masks.dtype == np.uint8
    assert path.stat().st_size < clip.masks.nbytes / 4


def test_damaged_truth_is_named(tmp_path: Path) -> None:
    path = tmp_path / "clip.npz"
    clip = render_clip(SMALL, 2)
    write_truth(Truth(clip.keypoints, clip.masks), path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=r"clip\.npz"):
        read_truth(path)
    with pytest.raises(UserError, match=r"other\.npz"):
        read_truth(tmp_path / "other.npz")


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"labels\.csv.*coview prepare"):
        read_synthetic(tmp_path / "nothing")
    with pytest.raises(UserError, match="is not finished"):
        read_synthetic(tmp_path)
    with pytest.raises(UserError, match="has no lists"):
        read_synthetic(tmp_path, lists=tmp_path)
