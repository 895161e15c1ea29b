from pathlib import Path

import numpy as np
import torch

from coview.datatypes import RGB_MEAN as MEAN
from coview.datatypes import RGB_STD as STD
from coview.views.base import StorageSettings
from coview.views.crop import Geometry
from coview.views.rgb import RgbView

RGB = RgbView(RgbView.Options())


def test_stored_pictures_look_like_the_source(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:32, :48]
    frames = [
        np.stack([rows * 7, columns * 5, np.full_like(rows, 20 * index)], axis=-1).astype(np.uint8)
        for index in range(10)
    ]
    count = RGB.write(RGB.extract(frames), tmp_path / "a.mp4", fps=25.0, storage=StorageSettings())
    read = RGB.read(tmp_path / "a.mp4", np.array([2, 9, 9]))
    assert count == 10
    assert read.dtype == np.uint8
    assert np.abs(read.astype(int) - np.stack([frames[i] for i in (2, 9, 9)])).mean() < 4


def test_render_is_in_0_1_and_standardise_uses_mean_and_deviation() -> None:
    raw = torch.zeros(1, 2, 8, 8, 3, dtype=torch.uint8)
    raw[..., 0] = 255
    geometry = Geometry(boxes=torch.tensor([[0.0, 0.0, 1.0, 1.0]]), flips=torch.tensor([False]))
    clip = RGB.render(raw, torch.tensor([[8, 8]]), geometry, 4)
    assert clip.shape == (1, 3, 2, 4, 4)
    torch.testing.assert_close(clip[0, :, 0, 0, 0], torch.tensor([1.0, 0.0, 0.0]))
    expected = (torch.tensor([1.0, 0.0, 0.0]) - torch.tensor(MEAN)) / torch.tensor(STD)
    torch.testing.assert_close(RGB.standardise(clip)[0, :, 1, 3, 2], expected)
