"""What a score depends on: scores whose places are known."""

import itertools

import pytest
import torch

from coview.analysis.occlusion import boxes, gradient_map, occlusion_map, spans


@pytest.mark.parametrize(
    ("length", "side", "stride", "expected"),
    [(8, 4, 2, [(0, 4), (2, 6), (4, 8)]), (7, 4, 2, [(0, 4), (2, 6), (3, 7)]), (3, 5, 2, [(0, 3)])],
)
def test_spans_cover_to_the_end(length, side, stride, expected):
    assert spans(length, side=side, stride=stride) == expected


@pytest.mark.parametrize(("moments", "across"), [(1, 2), (3, 2), (8, 4)])
def test_boxes_cover_every_place_and_moment(moments, across):
    covered = torch.zeros(6, 9, 7)
    for frames, rows, columns in boxes((6, 9, 7), moments=moments, across=across):
        covered[slice(*frames), slice(*rows), slice(*columns)] += 1
    assert covered.min() >= 1


def test_equals_plain_loops():
    """A score that reads one pixel of one frame: each box that covers it costs the same."""
    clip = torch.zeros(2, 4, 8, 8)
    clip[1, 2, 5, 5] = 64.0  # the mean of channel 1 is 0.25: covering it costs 63.75

    def score(clips):
        return clips[:, 1, 2, 5, 5]

    found = occlusion_map(score, clip, moments=2, across=2)
    total, count = torch.zeros(4, 8, 8), torch.zeros(4, 8, 8)
    for (t0, t1), (y0, y1), (x0, x1) in boxes((4, 8, 8), moments=2, across=2):
        fall = 63.75 if t0 <= 2 < t1 and y0 <= 5 < y1 and x0 <= 5 < x1 else -0.0
        for t, y, x in itertools.product(range(t0, t1), range(y0, y1), range(x0, x1)):
            total[t, y, x] += fall
            count[t, y, x] += 1
    torch.testing.assert_close(found, total / count)
    assert found[2, 5, 5] == 63.75
    assert found[:2].abs().max() == 0  # the other moment


def test_the_gradient_is_where_the_score_reads():
    generator = torch.Generator().manual_seed(1)
    clip = torch.randn(2, 3, 4, 5, generator=generator)
    weights = torch.zeros(2, 3, 4, 5)
    weights[:, 1, 2, 3] = torch.tensor([2.0, -3.0])
    found = gradient_map(lambda clips: (clips * weights).sum(dim=(1, 2, 3, 4)), clip, draws=2, noise=0.1, seed=0)
    expected = torch.zeros(3, 4, 5)
    expected[1, 2, 3] = 5.0
    torch.testing.assert_close(found, expected)


def test_the_same_noise_every_time():
    clip = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(1))
    first, second = (
        gradient_map(lambda clips: (clips**3).sum(dim=(1, 2, 3, 4)), clip, draws=3, noise=0.2, seed=5) for _ in range(2)
    )
    assert torch.equal(first, second)
