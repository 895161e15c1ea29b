"""Each detector alone, and the skeletons that are mapped to COCO's."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch

from coview.datatypes import Frame
from coview.errors import UserError, VideoError
from coview.video.stored import write_planes
from coview.views.base import SourceVideo
from coview.views.persons.detectors import PERSON_DETECTORS
from coview.views.persons.detectors.base import Part, PersonOptions, Persons
from coview.views.persons.detectors.masks import resized_mask
from coview.views.persons.detectors.skeletons import SKELETONS, as_coco

COCO = "nose eye_l eye_r ear_l ear_r shoulder_l shoulder_r elbow_l elbow_r wrist_l wrist_r hip_l hip_r knee_l knee_r ankle_l ankle_r"  # noqa: E501
OPENPOSE = "nose neck shoulder_r elbow_r wrist_r shoulder_l elbow_l wrist_l hip_r knee_r ankle_r hip_l knee_l ankle_l eye_r eye_l ear_r ear_l"  # noqa: E501
BODY_25 = "nose neck shoulder_r elbow_r wrist_r shoulder_l elbow_l wrist_l mid_hip hip_r knee_r ankle_r hip_l knee_l ankle_l eye_r eye_l ear_r ear_l toe_l small_toe_l heel_l toe_r small_toe_r heel_r"  # noqa: E501
BLAZEPOSE = "nose inner_l eye_l outer_l inner_r eye_r outer_r ear_l ear_r mouth_l mouth_r shoulder_l shoulder_r elbow_l elbow_r wrist_l wrist_r pinky_l pinky_r index_l index_r thumb_l thumb_r hip_l hip_r knee_l knee_r ankle_l ankle_r heel_l heel_r toe_l toe_r"  # noqa: E501


@pytest.mark.parametrize("names", [COCO, OPENPOSE, BODY_25, BLAZEPOSE])
def test_skeletons_are_mapped_by_the_names_of_their_points(names: str) -> None:
    points = names.split()
    assert [points[index] for index in SKELETONS[len(points)]] == COCO.split()


def test_a_skeleton_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"21 keypoints are no skeleton.*25 \(BODY_25\)"):
        as_coco(np.zeros((3, 21, 3), np.float32))


def test_masks_of_every_kind_and_size() -> None:
    mask = np.zeros((8, 12), bool)
    mask[:, 6:] = True
    for given in (mask, mask.astype(np.float64), mask.astype(np.uint8) * np.uint8(255)):
        resized = resized_mask(given, 16, 24)
        assert resized.dtype == np.uint8
        assert resized[:, :11].max() == 0
        assert resized[:, 13:].min() == 255
    assert resized_mask(np.full((2, 2), np.nan), 2, 2).max() == 0


def frames(count: int, height: int = 24, width: int = 32) -> list[Frame]:
    return [np.full((height, width, 3), number, np.uint8) for number in range(count)]


def detect(options: PersonOptions, part: Part, count: int, video: SourceVideo | None = None) -> list[Persons]:
    detector = PERSON_DETECTORS.load(options.detector)(options)
    detector.check(part)
    return list(detector.detect(frames(count), video, frozenset({part})))


def given(tmp_path: Path, **settings: Any) -> tuple[PersonOptions, SourceVideo]:
    video = SourceVideo("class/clip", Path("videos/class/clip.mp4"), width=320, height=240)
    return PersonOptions(detector="files", folder=tmp_path, **settings), video


def test_given_keypoints_in_pixels_with_another_skeleton(tmp_path: Path) -> None:
    options, video = given(tmp_path, coordinates="pixels")
    keypoints = np.zeros((2, 3, 25, 3))
    keypoints[0, 1] = [[10 * k, 5 * k, 0.5] for k in range(25)]
    keypoints[1, :, :, :2] = np.nan  # nobody, as some tools write it
    keypoints[1, :, :, 2] = 1
    np.savez(tmp_path / "clip.npz", keypoints=keypoints, other=np.zeros(3))
    first, second = detect(options, "keypoints", 2, video)
    assert first.keypoints is not None
    assert first.keypoints.shape == (1, 17, 3)
    np.testing.assert_allclose(first.keypoints[0, 5], [50 / 320, 25 / 240, 0.5])  # left shoulder, point 5 of BODY_25
    np.testing.assert_allclose(first.keypoints[0, 16], [110 / 320, 55 / 240, 0.5])  # right ankle, point 11
    assert second.keypoints is not None
    assert second.keypoints.shape == (0, 17, 3)


def test_the_video_id_goes_before_the_name_of_the_file(tmp_path: Path) -> None:
    options, video = given(tmp_path)
    (tmp_path / "class").mkdir()
    np.save(tmp_path / "clip.npy", np.full((1, 17, 2), 0.25))
    np.save(tmp_path / "class" / "clip.npy", np.full((1, 17, 2), 0.75))
    (found,) = detect(options, "keypoints", 1, video)
    np.testing.assert_allclose(found.keypoints, np.broadcast_to([0.75, 0.75, 1], (1, 17, 3)))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 17, 3)), "holds 5 frames, the video has 4"),
        (np.zeros((3, 17, 3)), "holds 3 frames, the video has 4"),
        (np.zeros((4, 16, 3)), "16 keypoints are no skeleton"),
        (np.zeros((4, 17)), r"has shape \(4, 17\), expected \(T, K, 3\)"),
        (np.full((4, 17, 3), 90.0), "for pixels set coordinates to pixels"),
        (np.array([{}]), "cannot be read"),
    ],
)
def test_given_keypoints_that_do_not_fit(tmp_path: Path, array: Any, message: str) -> None:
    options, video = given(tmp_path)
    np.save(tmp_path / "clip.npy", array, allow_pickle=True)
    with pytest.raises(VideoError, match=message) as caught:
        detect(options, "keypoints", 4, video)
    assert caught.value.kind == "unmatched"


def test_given_masks_as_arrays_and_as_videos(tmp_path: Path) -> None:
    options, video = given(tmp_path)
    masks = np.zeros((4, 48, 64), np.uint8)
    for number, mask in enumerate(masks):
        mask[:, 16 * number : 16 * number + 16] = 255
    np.save(tmp_path / "clip.npy", masks > 0)
    from_array = [persons.mask for persons in detect(options, "mask", 4, video)]
    (tmp_path / "clip.npy").unlink()
    write_planes([mask[..., None] for mask in masks], tmp_path / "clip.mp4", fps=25, gop=8, crf=0)
    from_video = [persons.mask for persons in detect(options, "mask", 4, video)]
    for number, (one, other) in enumerate(zip(from_array, from_video, strict=True)):
        assert one is not None
        assert other is not None
        assert one.shape == (24, 32)
        assert one[:, 8 * number : 8 * number + 8].min() == 255
        assert one.mean() == pytest.approx(255 / 4)
        assert np.abs(one.astype(int) - other).mean() < 2
    for count, message in ((5, "ends after 4 frames"), (3, "goes on after the 3 frames")):
        with pytest.raises(VideoError, match=message):
            detect(options, "mask", count, video)


def test_the_truth_is_missing_where_clips_are_not_synthetic(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"truth/clip.npz.*Only synthetic clips have a truth"):
        detect(PersonOptions(detector="truth"), "mask", 1, SourceVideo("clip", tmp_path / "clip.mp4"))


class FakeNetwork(torch.nn.Module):
    """Answers as torchvision's networks do: two persons, one of them unsure, and a dog."""

    def __init__(self, **given: Any) -> None:
        super().__init__()
        self.given = given
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.batches: list[int] = []

    def forward(self, pictures: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        self.batches.append(len(pictures))
        assert not self.training
        return [self.answer(picture) for picture in pictures]

    def answer(self, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        _, height, width = picture.shape
        assert picture.max() <= 1
        number = round(picture[0, 0, 0].item() * 255)
        masks = torch.zeros(3, 1, height, width)
        masks[0, 0, :4] = 1.0
        masks[1:] = 1.0
        return {
            "labels": torch.tensor([1, 1, 18]),
            "scores": torch.tensor([0.8, 0.2, 0.9]) * (number != 2),
            "keypoints": torch.tensor([width / 2, height / 4, 1.0]).expand(3, 17, 3) + number,
            "keypoints_scores": torch.zeros(3, 17),
            "masks": masks,
        }


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch) -> list[FakeNetwork]:
    """Put a torchvision in place; return the networks it builds."""
    made: list[FakeNetwork] = []

    def build(**given: Any) -> FakeNetwork:
        made.append(FakeNetwork(**given))
        return made[-1]

    detection = ModuleType("torchvision.models.detection")
    detection.keypointrcnn_resnet50_fpn = detection.maskrcnn_resnet50_fpn = build  # type: ignore[attr-defined]
    models = ModuleType("torchvision.models")
    models.detection = detection  # type: ignore[attr-defined]
    for module in (ModuleType("torchvision"), models, detection):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return made


def test_rcnn_keeps_persons_that_are_sure_enough_in_batches(torchvision: list[FakeNetwork]) -> None:
    found = detect(PersonOptions(detector="rcnn", batch_size=2), "keypoints", 5)
    assert [len(persons.keypoints) for persons in found if persons.keypoints is not None] == [1, 1, 0, 1, 1]
    assert found[1].keypoints is not None
    np.testing.assert_allclose(found[1].keypoints[0, 0], [17 / 32, 7 / 24, 0.8 * 0.5], rtol=1e-6)
    (network,) = torchvision
    assert network.batches == [2, 2, 1]
    assert network.given == {"weights": "DEFAULT", "progress": False}


def test_rcnn_masks_are_the_surest_person_at_each_pixel(torchvision: list[FakeNetwork]) -> None:
    found = detect(PersonOptions(detector="rcnn", min_confidence=0.1), "mask", 3)
    mask = found[0].mask
    assert mask is not None
    assert np.unique(mask[:4]).tolist() == [round(0.8 * 255)]
    assert np.unique(mask[4:]).tolist() == [round(0.2 * 255)]
    assert found[2].mask is not None
    assert found[2].mask.max() == 0


def test_rcnn_takes_weights_from_a_file(torchvision: list[FakeNetwork], tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    options = PersonOptions(detector="rcnn", weights=weights)
    with pytest.raises(UserError, match=r"no file .*weights.pth; .*keypointrcnn_resnet50_fpn"):
        detect(options, "keypoints", 1)
    torch.save({"scale": torch.full((1,), 5.0)}, weights)
    detect(options, "keypoints", 1)
    assert torchvision[-1].given == {"weights": None, "weights_backbone": None}
    assert torchvision[-1].scale.item() == 5
    weights.write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"weights.pth holds no weights"):
        detect(options, "keypoints", 1)


def test_rcnn_says_what_is_missing(torchvision: list[FakeNetwork], monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(**given: Any) -> None:
        raise URLError("no network")

    detection = sys.modules["torchvision.models.detection"]
    monkeypatch.setattr(detection, "maskrcnn_resnet50_fpn", offline)
    with pytest.raises(UserError, match=r"weights of maskrcnn_resnet50_fpn cannot be downloaded.*option weights"):
        detect(PersonOptions(detector="rcnn"), "mask", 1)
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(UserError, match="needs torchvision"):
        detect(PersonOptions(detector="rcnn"), "mask", 1)
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="no CUDA device"):
            detect(PersonOptions(detector="rcnn", device="cuda"), "mask", 1)
