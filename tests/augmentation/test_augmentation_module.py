"""Augmentation as a module: shapes, one draw for all views, repeatability, further operations, mistakes."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from coview import registry
from coview.augmentation import ClipAugmentation, Operation
from coview.errors import UserError
from coview.views import View


def rgb(count: int = 2, *, side: int = 40) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, 4, side, side), dtype=torch.uint8, generator=generator)


def test_one_view_and_a_dict_of_views_see_the_same_draws():
    clips = rgb()
    alone = ClipAugmentation(size=24)(clips)
    assert alone.shape == (2, 3, 4, 24, 24)
    assert alone.dtype == torch.float32
    flow = torch.full((2, 2, 4, 40, 40), 127, dtype=torch.uint8)
    both = ClipAugmentation(size={"rgb": 24, "flow": 12})({"rgb": clips, "flow": flow})
    assert torch.equal(both["rgb"], alone)
    assert both["flow"].shape == (2, 2, 4, 12, 12)


def test_calls_differ_and_seeds_repeat():
    augmentation, again = ClipAugmentation(size=24, seed=1), ClipAugmentation(size=24, seed=1)
    first, second = augmentation(rgb()), augmentation(rgb())
    assert not torch.equal(first, second)
    assert torch.equal(again(rgb()), first)
    assert torch.equal(again(rgb()), second)


def test_eval_is_the_centre_crop():
    augmentation = ClipAugmentation(size=40).eval()
    clips = rgb()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    torch.testing.assert_close(augmentation(clips), (clips / 255 - mean) / std, atol=1e-5, rtol=1e-5)


def test_a_mirror_negates_u_where_rgb_is_mirrored():
    flow = torch.full((1, 2, 1, 40, 40), 255, dtype=torch.uint8)
    certain = {"crop_area": (1.0, 1.0), "crop_aspect": (1.0, 1.0), "flip_probability": 1.0}
    clips = rgb(1)[:, :, :1]
    made = ClipAugmentation(size=40, jitter_probability=0, grey_probability=0, **certain)({"rgb": clips, "flow": flow})
    assert (made["flow"][:, 0] < 0).all()
    assert (made["flow"][:, 1] > 0).all()
    plain = ClipAugmentation(size=40).eval()(clips)
    torch.testing.assert_close(made["rgb"], plain.flip(-1), atol=1e-5, rtol=1e-5)


def test_erase_hits_the_same_box_of_every_view():
    flow = torch.full((3, 2, 4, 40, 40), 255, dtype=torch.uint8)
    erase = {"name": "erase", "probability": 1.0, "area": [0.1, 0.3]}
    clips = {"rgb": rgb(3), "flow": flow}
    made = ClipAugmentation(size=20, operations=[erase])(clips)
    plain = ClipAugmentation(size=20)(clips)
    for row in range(3):
        erased = (made["flow"][row] == 0).all(dim=0)
        assert 0.05 < erased.float().mean() < 0.4
        assert (made["rgb"][row][:, erased] == 0).all()
        assert torch.equal(made["rgb"][row][:, ~erased], plain["rgb"][row][:, ~erased])


def test_an_operation_of_ones_own(monkeypatch):
    monkeypatch.setattr(registry, "_decorated", {})

    @dataclass(frozen=True)
    class Settings:
        amount: float = 1.0

    @registry.register("augmentation", "shift")
    class Shift(Operation):
        def concerns(self, view: View) -> bool:
            return view.name == "rgb"

        def draw(self, generator: np.random.Generator, *, num_frames: int) -> float:
            return float(generator.random()) * self.settings.amount

        def apply(self, clip: torch.Tensor, drawn: float, *, view: View) -> torch.Tensor:
            return clip + drawn

    Shift.Settings = Settings
    flow = torch.full((2, 2, 4, 40, 40), 127, dtype=torch.uint8)
    clips = {"rgb": rgb(), "flow": flow}
    made = ClipAugmentation(size=20, operations=[{"name": "shift", "amount": 2.0}])(clips)
    plain = ClipAugmentation(size=20)(clips)
    shifts = (made["rgb"] - plain["rgb"]).flatten(1)
    assert (shifts.amax(1) - shifts.amin(1) < 1e-5).all()
    assert shifts[0, 0] != shifts[1, 0]
    assert torch.equal(made["flow"], plain["flow"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop_aera": (0.2, 1)}, "crop_aera.*did you mean 'crop_area'"),
        ({"flip_probability": 2}, "flip_probability"),
        ({"operations": [{"probability": 1}]}, r"operations\[0\] has no name"),
        ({"operations": [{"name": "eraze"}]}, "did you mean 'erase'"),
        ({"operations": [{"name": "erase", "prob": 1}]}, r"operations\[0\]\.prob"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(UserError, match=message):
        ClipAugmentation(**settings)


@pytest.mark.parametrize(
    "clips",
    [rgb().float() / 255, rgb()[:, :2], rgb()[0], {"rgb": rgb().movedim(1, -1)}],
    ids=["float", "2", "4d", "last"],
)
def test_wrong_clips_are_named(clips):
    with pytest.raises(UserError, match="clips of rgb are"):
        ClipAugmentation()(clips)
