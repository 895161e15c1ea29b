import pytest
import torch
from torch.nn.functional import interpolate

from coview.views.crop import Geometry, crop_resize, pixel_range

WHOLE = (0.0, 0.0, 1.0, 1.0)


def geometry(*boxes: tuple[float, float, float, float], flips: tuple[bool, ...] | None = None) -> Geometry:
    return Geometry(torch.tensor(boxes, dtype=torch.float64), torch.tensor(flips or (False,) * len(boxes)))


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def slow_reference(raw, frame_sizes, places, size):
    """The same in float, one picture at a time, with the integer box written out by the test."""
    clips = []
    for clip, (x0, y0, x1, y1), flip in zip(raw, places.boxes, places.flips, strict=True):
        frames = []
        for frame in clip:
            cut = frame[y0:y1, x0:x1].permute(2, 0, 1)[None].float()
            small = interpolate(cut, size=(size, size), mode="bilinear", antialias=True)[0]
            frames.append(small.flip(-1) if flip else small)
        clips.append(torch.stack(frames, dim=1))
    return torch.stack(clips)


class Places:
    def __init__(self, boxes, flips):
        self.boxes, self.flips = boxes, flips


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("num_frames", [1, 5])
def test_equals_cropping_and_resizing_picture_by_picture(channels, num_frames):
    raw = noise(2, num_frames, 40, 60, channels)
    sizes = torch.tensor([[40, 60], [20, 30]])
    where = geometry((0.1, 0.25, 0.9, 0.75), (0.0, 0.5, 0.5, 1.0), flips=(False, True))
    result = crop_resize(raw, sizes, where, 16)
    expected = slow_reference(raw, sizes, Places([(6, 10, 54, 30), (0, 10, 15, 20)], [False, True]), 16)
    assert result.shape == (2, channels, num_frames, 16, 16)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, expected)


def test_a_crop_of_the_right_size_is_copied_exactly():
    raw = noise(1, 3, 24, 32, 3)
    result = crop_resize(raw, torch.tensor([[24, 32]]), geometry((0.25, 0.0, 1.0, 1.0)), 24)
    assert torch.equal(result[0].permute(1, 2, 3, 0), raw[0, :, :, 8:].float())


def test_padding_is_never_seen():
    raw = torch.zeros(1, 2, 20, 30, 2, dtype=torch.uint8)
    raw[:, :, :10, :12] = 200
    result = crop_resize(raw, torch.tensor([[10, 12]]), geometry(WHOLE), 8)
    torch.testing.assert_close(result, torch.full_like(result, 200))


def test_flip_mirrors_after_cropping():
    raw = noise(2, 2, 20, 30, 3)
    raw[1] = raw[0]
    box = (0.2, 0.1, 0.6, 0.9)
    result = crop_resize(raw, torch.tensor([[20, 30]] * 2), geometry(box, box, flips=(False, True)), 12)
    assert torch.equal(result[1], result[0].flip(-1))


def test_a_one_pixel_picture_and_an_empty_box_still_give_a_picture():
    raw = torch.full((1, 1, 1, 1, 3), 7, dtype=torch.uint8)
    result = crop_resize(raw, torch.tensor([[1, 1]]), geometry((0.5, 0.5, 0.5, 0.5)), 4)
    assert torch.equal(result, torch.full((1, 3, 1, 4, 4), 7.0))


@pytest.mark.parametrize(
    ("start", "stop", "length", "expected"),
    [(0.0, 1.0, 10, (0, 10)), (0.26, 0.74, 10, (3, 7)), (1.0, 1.0, 10, (9, 10)), (0.49, 0.51, 3, (1, 2))],
)
def test_pixel_range(start, stop, length, expected):
    assert pixel_range(start, stop, length) == expected


def test_boxes_must_match_the_batch():
    with pytest.raises(ValueError, match="boxes"):
        crop_resize(noise(2, 1, 4, 4, 3), torch.tensor([[4, 4]] * 2), geometry(WHOLE), 4)
