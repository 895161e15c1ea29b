import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from coview.augmentation.blur import TRUNCATE, Blur, blur, blur_matrix
from coview.config import BlurSettings
from coview.datatypes import random_generator


@pytest.mark.parametrize("sigma", [0.1, 0.7, 1.5, 2.0, 6.0])
@pytest.mark.parametrize("shape", [(3, 2, 40, 52), (1, 3, 33, 7), (2, 1, 1, 1)])
def test_blur_equals_scipy(sigma: float, shape: tuple[int, int, int, int]) -> None:
    clip = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    radius = int(np.ceil(TRUNCATE * sigma))
    expected = clip.double().numpy()
    for axis in (2, 3):
        if radius <= shape[axis]:
            expected = gaussian_filter1d(expected, sigma, axis=axis, mode="reflect", radius=radius)
        else:
            expected = gaussian_filter1d(expected, sigma, axis=axis, mode="reflect", radius=shape[axis])
    np.testing.assert_allclose(blur(clip, sigma).numpy(), expected, atol=1e-5)


def test_a_bright_point_becomes_a_bell_of_that_width() -> None:
    clip = torch.zeros(1, 1, 65, 65)
    clip[..., 32, 32] = 1
    after = blur(clip, 2.0)[0, 0].double()
    offsets = torch.arange(65).double() - 32
    assert after.sum() == pytest.approx(1, abs=1e-5)
    assert ((after.sum(0) * offsets**2).sum()) ** 0.5 == pytest.approx(2.0, rel=0.03)  # cut at 3 sigma
    assert ((after.sum(1) * offsets**2).sum()) ** 0.5 == pytest.approx(2.0, rel=0.03)


def test_even_pictures_stay_even_up_to_the_edge() -> None:
    torch.testing.assert_close(blur(torch.full((3, 2, 9, 31), 0.7), 3.0), torch.full((3, 2, 9, 31), 0.7))


def test_the_matrix_is_a_band() -> None:
    matrix, radius = blur_matrix(50, 1.5)
    assert radius == 5
    far = torch.arange(50)[:, None].sub(torch.arange(50)).abs() > radius
    assert (matrix[far] == 0).all()
    torch.testing.assert_close(matrix.sum(1), torch.ones(50))


def test_sigmas_lie_in_range_and_come_as_often_as_asked() -> None:
    settings = BlurSettings(blur_probability=0.5, blur_sigma=(0.5, 1.5))
    sigmas = np.array([Blur(settings).draw(random_generator(n), num_frames=4) for n in range(300)])
    drawn = sigmas[sigmas > 0]
    assert 110 < len(drawn) < 190
    assert 0.5 <= drawn.min() < 0.6
    assert 1.4 < drawn.max() <= 1.5
    assert Blur(BlurSettings(blur_probability=0)).draw(random_generator(0), num_frames=4) == 0.0
