"""What every view must do; a new row of the registry is tested here without a further line."""

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from coview.datasets.synthetic.skeleton import COCO_KEYPOINTS
from coview.datatypes import Frame
from coview.errors import VideoError
from coview.video.stored import read_rgb
from coview.views import VIEWS, View
from coview.views.base import StorageSettings
from coview.views.crop import Geometry
from stand_in_detector import use_stand_in

NUM_FRAMES = 11
HEIGHT, WIDTH = 32, 48
WHOLE = (0.0, 0.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return [
        np.stack([(columns * 5 + 8 * t) % 256, (rows * 7) % 256, (rows * columns) % 256], axis=-1).astype(np.uint8)
        for t in range(NUM_FRAMES)
    ]


@pytest.fixture(params=list(VIEWS), scope="module")
def view(
    request: pytest.FixtureRequest, frames: list[Frame], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[View]:
    with pytest.MonkeyPatch.context() as patch:
        use_stand_in(patch)  # the frames show nobody
        yield VIEWS.load(request.param).example(frames, tmp_path_factory.mktemp("example"))[0]


def extract(
    view: View, frames: list[Frame], folder: Path, *, given: Iterable[Frame] | None = None
) -> Iterator[NDArray[Any]]:
    """What the view makes of these frames."""
    example, video = type(view).example(frames, folder)
    return example.extract(frames if given is None else given, video)


@pytest.fixture(scope="module")
def stored(view: View, frames: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(view.name)
    path = folder / f"video{view.suffix}"
    made = extract(view, frames, tmp_path_factory.mktemp("example"))
    assert view.write(made, path, fps=25.0, storage=StorageSettings(gop=4)) == NUM_FRAMES
    return path


@pytest.fixture(scope="module")
def raw(view: View, stored: Path) -> torch.Tensor:
    return torch.from_numpy(view.read(stored, np.arange(NUM_FRAMES)))[None]  # (1, T, ...)


def sizes_of(raw: torch.Tensor) -> torch.Tensor | None:
    return torch.tensor([raw.shape[2:4]]) if raw.dtype == torch.uint8 else None


def render(view: View, raw: torch.Tensor, *, flip: bool, box: tuple[float, ...] = WHOLE, size: int = 24) -> Any:
    geometry = Geometry(boxes=torch.tensor([box], dtype=torch.float64), flips=torch.tensor([flip]))
    return view.render(raw, sizes_of(raw), geometry, size)


def test_name_suffix_and_options(view: View) -> None:
    assert view.name in VIEWS
    assert view.suffix.startswith(".")
    assert is_dataclass(view.Options)
    assert view.options == view.Options(**{f.name: getattr(view.options, f.name) for f in fields(view.Options)})
    assert view.Options() == view.Options(), "every option has a default"


def test_extract_gives_one_frame_for_each_and_asks_for_no_more_than_two(
    view: View, frames: list[Frame], tmp_path: Path
) -> None:
    taken = 0

    def source() -> Iterator[Frame]:
        nonlocal taken
        for frame in frames:
            taken += 1
            yield frame

    made = extract(view, frames, tmp_path, given=source())
    next(made)
    assert taken <= 2  # lazily: a film of an hour is not held in memory
    assert 1 + sum(1 for _ in made) == NUM_FRAMES


@pytest.mark.parametrize("num_frames", [1, 2])
def test_very_short_videos_are_views_too(view: View, frames: list[Frame], tmp_path: Path, num_frames: int) -> None:
    path = tmp_path / f"short{view.suffix}"
    made = extract(view, frames[:num_frames], tmp_path)
    assert view.write(made, path, fps=25.0, storage=StorageSettings()) == num_frames
    assert len(view.read(path, np.arange(num_frames))) == num_frames


def test_files_that_any_decoder_may_read_are_those_of_rgb(view: View, stored: Path) -> None:
    if not view.stores_rgb:
        pytest.skip("its files are for its own `read` alone")
    some = np.array([0, 3, 10])
    np.testing.assert_array_equal(view.read(stored, some), read_rgb(stored, some))


def test_extract_leaves_the_frames_alone(view: View, frames: list[Frame], tmp_path: Path) -> None:
    copies = [frame.copy() for frame in frames]
    list(extract(view, frames, tmp_path))
    np.testing.assert_array_equal(frames, copies)


def test_reading_some_frames_is_reading_all_and_choosing(view: View, stored: Path) -> None:
    everything = view.read(stored, np.arange(NUM_FRAMES))
    for chosen in ([0], [3, 4, 5], [1, 1, 6, 10, 10], [NUM_FRAMES - 1]):
        np.testing.assert_array_equal(view.read(stored, np.array(chosen)), everything[chosen])


def test_stored_shapes(view: View, stored: Path) -> None:
    read: NDArray[Any] = view.read(stored, np.array([2, 5]))
    if read.dtype == np.uint8:
        assert read.shape == (2, HEIGHT, WIDTH, view.channels)
    else:
        assert read.dtype == np.float32
        assert (read.ndim, read.shape[0], read.shape[-1]) == (4, 2, 3)


def test_frames_that_are_not_there_and_damaged_files_are_named(view: View, stored: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="video"):
        view.read(stored, np.array([0, NUM_FRAMES]))
    damaged = tmp_path / f"damaged{view.suffix}"
    damaged.write_bytes(stored.read_bytes()[: stored.stat().st_size // 3])
    with pytest.raises(VideoError, match="damaged"):
        view.read(damaged, np.array([0]))
    with pytest.raises(VideoError, match="gone"):
        view.read(tmp_path / f"gone{view.suffix}", np.array([0]))


def test_render_shape_type_and_range(view: View, raw: torch.Tensor) -> None:
    clip = render(view, raw, flip=False, box=(0.1, 0.2, 0.7, 0.9))
    assert clip.shape == (1, view.channels, NUM_FRAMES, 24, 24)
    assert clip.dtype == torch.float32
    assert clip.min() >= -1
    assert clip.max() <= 1
    assert view.standardise(clip).shape == clip.shape
    assert torch.isfinite(view.standardise(clip)).all()


def test_flipping_twice_is_the_identity(view: View, raw: torch.Tensor) -> None:
    once, plain = render(view, raw, flip=True), render(view, raw, flip=False)
    assert not torch.equal(once, plain)
    if raw.dtype != torch.uint8:
        other_side = {"left": "right", "right": "left"}
        ends = [name.rpartition("_") for name in COCO_KEYPOINTS]
        swapped = [COCO_KEYPOINTS.index(f"{part}{_}{other_side.get(side, side)}") for part, _, side in ends]
        by_hand = raw[..., swapped, :] * torch.tensor([-1.0, 1, 1]) + torch.tensor([1.0, 0, 0])
        torch.testing.assert_close(render(view, by_hand, flip=True), plain, atol=1e-5, rtol=0)
        torch.testing.assert_close(once.flip(-1)[:, swapped], plain, atol=1e-5, rtol=0)
        return
    # Mirroring pixels and values of the raw clip by hand, then asking for a flip, must give the plain picture.
    mirrored = raw.flip(3)
    signs = (once.flip(-1) * plain).sum(dim=(0, 2, 3, 4)).sign()  # -1 for a channel whose value turns round
    by_hand = render(view, mirrored, flip=True) * signs.view(-1, 1, 1, 1)
    torch.testing.assert_close(by_hand, plain, atol=0.02, rtol=0)
    torch.testing.assert_close(once.flip(-1) * signs.view(-1, 1, 1, 1), plain, atol=0.02, rtol=0)


def test_a_box_shows_its_part_of_the_picture(view: View, raw: torch.Tensor) -> None:
    if raw.dtype != torch.uint8:
        pytest.skip("keypoints are not pictures; their own tests crop them")
    right_half = render(view, raw, flip=False, box=(0.5, 0.0, 1.0, 1.0))
    cut = render(view, raw[:, :, :, WIDTH // 2 :].contiguous(), flip=False)
    torch.testing.assert_close(right_half, cut)


def test_padding_is_never_shown(view: View, raw: torch.Tensor) -> None:
    if raw.dtype != torch.uint8:
        pytest.skip("keypoints have no padding")
    padded = torch.nn.functional.pad(raw, (0, 0, 0, 16, 0, 8), value=255)
    geometry = Geometry(boxes=torch.tensor([WHOLE], dtype=torch.float64), flips=torch.tensor([True]))
    torch.testing.assert_close(view.render(padded, sizes_of(raw), geometry, 24), render(view, raw, flip=True))


@pytest.mark.parametrize("flip", [False, True])
def test_the_scale_says_what_rendering_and_standardising_do(view: View, raw: torch.Tensor, flip: bool) -> None:
    if view.scale is None:
        pytest.skip("its bytes have no scale")
    side = min(HEIGHT, WIDTH)
    square = raw[:, :, :side, :side].contiguous()  # shown at its own size: no pixel is blended
    geometry = Geometry(boxes=torch.tensor([WHOLE], dtype=torch.float64), flips=torch.tensor([flip]))
    shown = view.standardise(view.render(square, torch.tensor([[side, side]]), geometry, side))
    gains, shifts = (torch.tensor(part) for part in view.scale.line(is_mirrored=flip))
    pixels = square.flip(3) if flip else square
    by_scale = pixels / view.scale.unit * gains + shifts  # (1, T, side, side, C)
    torch.testing.assert_close(shown.movedim(1, -1), by_scale, atol=1e-4, rtol=0)


def test_picture_is_rgb_of_the_size_asked_for(view: View, raw: torch.Tensor) -> None:
    picture = view.picture(raw[0, 3].numpy(), height=40, width=56)
    assert picture.shape == (40, 56, 3)
    assert picture.dtype == np.uint8


def test_a_stretch_gives_the_same_frames(view: View, frames: list[Frame], tmp_path: Path) -> None:
    if view.reach is None:
        return
    whole = list(extract(view, frames, tmp_path / "whole"))
    part = list(extract(view, frames, tmp_path / "part", given=frames[3 : 6 + view.reach]))
    np.testing.assert_array_equal(np.stack(part[:3]), np.stack(whole[3:6]))
    last = list(extract(view, frames, tmp_path / "last", given=frames[NUM_FRAMES - 1 - view.reach :]))
    np.testing.assert_array_equal(last[-1], whole[-1])
