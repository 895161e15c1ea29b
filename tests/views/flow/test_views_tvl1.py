import cv2
import numpy as np
import pytest
import torch

from coview.views.flow import tvl1_numba
from coview.views.flow.tvl1 import Tvl1Settings, doubling, gaussian, level_shapes
from coview.views.flow.tvl1_numba import plane_stride, tvl1_pair
from coview.views.flow.tvl1_torch import median3, tvl1_flow_batch
from known_motion import Pair, end_point_error, known_motion_pairs, one_layer

HEIGHT, WIDTH = 96, 120


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return list(known_motion_pairs(HEIGHT, WIDTH, seed=3, magnitudes=(1.0, 6.0)))


@pytest.fixture(scope="module")
def flows(pairs):
    return [tvl1_pair(pair.first, pair.second) for pair in pairs]


def torch_flow(first, second):
    return tvl1_flow_batch(torch.from_numpy(first)[None], torch.from_numpy(second)[None])[0].numpy()


def test_finds_a_known_translation():
    motion = np.full((HEIGHT, WIDTH, 2), (3.25, -1.5), np.float32)
    pair = one_layer("shift", motion, np.random.default_rng(0))
    flow = tvl1_pair(pair.first, pair.second)
    assert flow.shape == (HEIGHT, WIDTH, 2)
    assert flow.dtype == np.float32
    assert np.median(flow[..., 0]) == pytest.approx(3.25, abs=0.03)
    assert np.median(flow[..., 1]) == pytest.approx(-1.5, abs=0.03)


def test_error_is_no_higher_than_opencvs(pairs, flows):
    theirs = cv2.optflow.DualTVL1OpticalFlow_create()
    steady = [(pair, flow) for pair, flow in zip(pairs, flows, strict=True) if pair.name.split()[0] != "noise,"]
    chosen = steady[::2]
    ours = np.mean([end_point_error(flow, pair) for pair, flow in chosen])
    reference = np.mean([end_point_error(theirs.calc(pair.first, pair.second, None), pair) for pair, _ in chosen])
    assert ours <= reference * 1.05


def test_torch_and_numba_agree(pairs, flows):
    for pair, flow in zip(pairs[::4], flows[::4], strict=True):
        difference = np.linalg.norm(torch_flow(pair.first, pair.second) - flow, axis=-1)
        assert difference.mean() <= 0.005, pair.name


def test_a_batch_is_its_pairs(pairs):
    chosen = pairs[:3]
    first, second = (torch.from_numpy(np.stack([getattr(p, side) for p in chosen])) for side in ("first", "second"))
    settings = Tvl1Settings(warps=2, iterations=5)
    together = tvl1_flow_batch(first, second, settings)
    alone = torch.cat([tvl1_flow_batch(first[i : i + 1], second[i : i + 1], settings) for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-3)


@pytest.mark.parametrize("flow_of", [tvl1_pair, torch_flow])
def test_identical_pictures_do_not_move(pairs, flow_of):
    assert np.abs(flow_of(pairs[0].first, pairs[0].first)).max() < 1e-4


def test_mirroring_both_pictures_mirrors_the_flow_and_negates_u(pairs, flows):
    pair, flow = pairs[3], flows[3]
    mirrored = tvl1_pair(pair.first[:, ::-1].copy(), pair.second[:, ::-1].copy())[:, ::-1] * (-1, 1)
    assert np.linalg.norm(flow, axis=-1).mean() > 0.2
    assert np.linalg.norm(mirrored - flow, axis=-1).mean() < 0.05


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 9), (16, 16), (5, 400)])
def test_small_and_odd_shapes(shape):
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 256, (2, *shape)).astype(np.uint8)
    for flow in (tvl1_pair(first, second), torch_flow(first, second)):
        assert flow.shape == (*shape, 2)
        assert np.isfinite(flow).all()
    assert not tvl1_pair(first, first).any()


@pytest.mark.parametrize("flow_of", [tvl1_pair, torch_flow])
def test_pictures_without_texture_do_not_move(flow_of):
    dark, bright = np.full((24, 32), 40, np.uint8), np.full((24, 32), 90, np.uint8)
    assert np.abs(flow_of(dark, bright)).max() < 1e-4


def test_pictures_wider_than_one_stride_are_computed_alike():
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.uniform(0, 255, (20, 360)).astype(np.float32), (0, 0), 2)
    moved = np.roll(picture, 1, axis=1)
    assert plane_stride(360) != plane_stride(180)
    wide, narrow = tvl1_pair(picture, moved), tvl1_pair(picture[:, :180].copy(), moved[:, :180].copy())
    assert np.abs(wide[:, 40:140] - narrow[:, 40:140]).mean() < 0.02


def test_unequal_or_coloured_pictures_are_refused():
    grey = np.zeros((8, 8), np.uint8)
    with pytest.raises(ValueError, match="second"):
        tvl1_pair(grey, np.zeros((8, 9), np.uint8))
    with pytest.raises(ValueError, match="first"):
        tvl1_pair(np.zeros((8, 8, 3), np.uint8), grey)


def test_works_where_no_folder_can_keep_compiled_code(monkeypatch):
    real, asked = tvl1_numba.numba.njit, []

    def njit(**options):
        asked.append(options.get("cache", False))
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(tvl1_numba.numba, "njit", njit)
    assert tvl1_numba._compiled(lambda x: x + 1)(2) == 3
    assert asked == [True, False]


def test_level_shapes_halve_until_the_coarsest_side():
    assert level_shapes(100, 61, coarsest_side=12) == [(100, 61), (50, 31), (25, 16)]
    assert level_shapes(2, 2, coarsest_side=12) == [(2, 2)]


def test_doubling_and_gaussian():
    before, after = doubling(3, 5)
    assert before.tolist() == [0, 0, 1, 1, 2]
    assert after.tolist() == [0, 1, 1, 2, 2]
    assert gaussian(0.0).tolist() == [0, 0, 1, 0, 0]
    assert gaussian(1.0).sum() == pytest.approx(1)


def test_median3_equals_opencvs():
    plane = np.random.default_rng(0).normal(size=(1, 2, 9, 11)).astype(np.float32)
    expected = np.stack([cv2.medianBlur(channel, 3) for channel in plane[0]])
    assert np.array_equal(median3(torch.from_numpy(plane))[0].numpy(), expected)
