"""torchcodec reads what `read_rgb` reads: through a stand-in everywhere, and itself where it is installed."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from coview.errors import MissingExtraError, UserError
from coview.video.device_decoding import read_rgb_on
from coview.video.stored import read_rgb, write_rgb
from stand_in_torchcodec import require_torchcodec, use_stand_in

CPU = torch.device("cpu")
NUM_FRAMES = 40
COLOURS = [(230, 20, 20), (20, 230, 20), (20, 20, 230), (240, 240, 30), (15, 15, 15), (245, 245, 245)]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bars of strong colours that move by a pixel a frame: a wrong matrix, range or frame is seen."""
    bars = np.repeat(np.array(COLOURS, np.uint8), 16, axis=0)  # (96, 3)
    frames = (np.tile(np.roll(bars, t, axis=0), (64, 1, 1)) for t in range(NUM_FRAMES))
    path = tmp_path_factory.mktemp("stored") / "bars.mp4"
    assert write_rgb(frames, path, fps=25, gop=8) == NUM_FRAMES
    return path


def test_frames_are_asked_for_by_their_numbers(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = use_stand_in(monkeypatch)
    frames = read_rgb_on(CPU, stored, np.array([3, 3, 9]))
    assert torch.equal(frames, torch.from_numpy(read_rgb(stored, np.array([3, 3, 9]))))
    assert (kind.opened, kind.asked) == ([(stored, "cpu")], [[3, 3, 9]])


def test_what_cannot_be_decoded_is_told(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = use_stand_in(monkeypatch)
    with pytest.raises(UserError, match=r"torchcodec cannot read .*bars.mp4 on cpu: .*index=40; training.decoder pyav"):
        read_rgb_on(CPU, stored, np.array([NUM_FRAMES]))
    with pytest.raises(UserError, match=r"bars.mp4 on cuda: Unsupported device: cuda; training.decoder pyav"):
        read_rgb_on(torch.device("cuda"), stored, np.array([0]))

    class Fallback:
        def __bool__(self) -> bool:
            return True

        def __str__(self) -> str:
            return "NVcuvid unavailable"

    monkeypatch.setattr(
        kind, "cpu_fallback", property(lambda self: Fallback(), lambda self, value: None), raising=False
    )
    with pytest.raises(UserError, match=r"cpu cannot decode .*bars.mp4 \(NVcuvid unavailable\); training.decoder pyav"):
        read_rgb_on(CPU, stored, np.array([0]))


def test_without_torchcodec_the_extra_is_named(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    monkeypatch.delitem(sys.modules, "torchcodec.decoders", raising=False)
    with pytest.raises(MissingExtraError, match=r"training.decoder torchcodec .*pip install 'coview\[torchcodec\]'"):
        read_rgb_on(CPU, stored, np.array([0]))


@pytest.mark.parametrize("error", ["RuntimeError", "OSError"])
def test_a_torchcodec_that_cannot_be_loaded_is_told(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    (tmp_path / "torchcodec").mkdir()
    (tmp_path / "torchcodec" / "__init__.py").write_text(f'raise {error}("""Could not\n load libtorchcodec""")\n')
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchcodec"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(
        UserError,
        match=r"cannot be loaded \(Could not load libtorchcodec\).* FFmpeg.* CUDA alone. training.decoder pyav",
    ):
        read_rgb_on(CPU, stored, np.array([0]))


@pytest.mark.parametrize("indices", [[0], [39], [7, 8], [2, 2, 2, 30, 31, 31], list(range(1, 40, 3))])
def test_pictures_are_those_of_pyav(stored: Path, indices: list[int]) -> None:
    require_torchcodec()
    compare(CPU, stored, indices)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_pictures_of_a_gpu_are_those_of_pyav(stored: Path) -> None:
    require_torchcodec()
    compare(torch.device("cuda", 0), stored, [2, 2, 9, 30])


def compare(device: torch.device, stored: Path, indices: list[int]) -> None:
    frames = read_rgb_on(device, stored, np.array(indices))
    assert (frames.device, frames.dtype) == (device, torch.uint8)
    others = read_rgb(stored, np.arange(NUM_FRAMES)).astype(int)  # (40, H, W, 3)
    errors = [np.abs(others - frame).mean(axis=(1, 2, 3)) for frame in frames.cpu().numpy()]
    assert [int(error.argmin()) for error in errors] == indices
    assert max(error.min() for error in errors) < 2


def test_what_torchcodec_does_not_find_is_told(stored: Path, tmp_path: Path) -> None:
    require_torchcodec()
    with pytest.raises(UserError, match=r"torchcodec cannot read .*bars.mp4 on cpu: .*training.decoder pyav"):
        read_rgb_on(CPU, stored, np.array([NUM_FRAMES]))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(stored.read_bytes()[:300])
    with pytest.raises(UserError, match=r"cut.mp4"):
        read_rgb_on(CPU, cut, np.array([0]))


@pytest.mark.skipif(torch.cuda.is_available(), reason="only where there is no GPU")
def test_torchcodec_without_a_gpu_says_so(stored: Path) -> None:
    require_torchcodec()
    with pytest.raises(UserError, match=r"bars.mp4 on cuda: .*training.decoder pyav"):
        read_rgb_on(torch.device("cuda"), stored, np.array([0]))
