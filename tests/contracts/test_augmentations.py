"""What every augmentation operation must do; a new row of AUGMENTATIONS is tested here without a new line."""

from dataclasses import fields, is_dataclass

import numpy as np
import pytest
import torch

from coview.augmentation import AUGMENTATIONS, ClipAugmentation, Operation
from coview.views import VIEWS

VIEWS_OF_PICTURES = [name for name in VIEWS if VIEWS.load(name).scale is not None]


@pytest.fixture(params=list(AUGMENTATIONS))
def operation(request) -> Operation:
    kind = AUGMENTATIONS.load(request.param)
    return kind(kind.Settings(**often(kind)))


def often(kind: type[Operation]) -> dict[str, float]:
    """Return settings that change something: every probability is a half, the rest as it is."""
    return {field.name: 0.5 for field in fields(kind.Settings) if field.name.endswith("probability")}


def clip_of(view: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(VIEWS.load(view).channels, 6, 32, 32, generator=generator)


def test_it_is_described_and_set_by_a_frozen_dataclass(operation):
    assert type(operation).__doc__
    assert is_dataclass(operation.Settings)
    assert operation.Settings.__dataclass_params__.frozen


def test_it_draws_as_often_whatever_comes_of_it(operation):
    """So that the draws that follow do not depend on what was drawn."""
    counts = set()
    for seed in range(20):
        generator = np.random.default_rng(seed)
        operation.draw(generator, num_frames=6)
        after = generator.bit_generator.state["state"]
        counts.add(next(n for n in range(100) if np.random.PCG64(seed).advance(n).state["state"] == after))
    assert len(counts) == 1


@pytest.mark.parametrize("view", VIEWS_OF_PICTURES)
def test_shape_and_type_stay_and_the_same_draw_does_the_same(operation, view):
    kind = VIEWS.load(view)
    of = kind(kind.Options())
    if not operation.concerns(of):
        pytest.skip(f"it leaves {view} alone")
    changes = 0
    for seed in range(20):
        drawn = operation.draw(np.random.default_rng(seed), num_frames=6)
        one, again = (operation.apply(clip_of(view), drawn, view=of) for _ in range(2))
        assert one.shape == clip_of(view).shape
        assert one.dtype == torch.float32
        assert torch.isfinite(one).all()
        assert torch.equal(one, again)
        changes += not torch.equal(one, clip_of(view))
    assert changes, "it changes a clip now and then"


def test_it_works_in_the_module_by_its_name(operation):
    name = next(row for row in AUGMENTATIONS if AUGMENTATIONS.load(row) is type(operation))
    given = {
        view: torch.randint(0, 256, (8, VIEWS.load(view).channels, 4, 40, 48), dtype=torch.uint8)
        for view in VIEWS_OF_PICTURES
    }
    still = {"flip_probability": 0.0, "jitter_probability": 0.0, "grey_probability": 0.0}
    plain = ClipAugmentation(size=32, **still)(given)
    changed = ClipAugmentation(size=32, **still, operations=[{"name": name, **often(type(operation))}])(given)
    differs = {view for view in given if not torch.equal(plain[view], changed[view])}
    assert differs
    assert differs <= {view for view in given if operation.concerns(VIEWS.load(view)(VIEWS.load(view).Options()))}
    assert {view: clips.shape for view, clips in changed.items()} == {
        view: clips.shape for view, clips in plain.items()
    }
