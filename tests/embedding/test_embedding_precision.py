"""Embedding in bf16: chosen where it pays, refused where vectors would differ, never mixed in the cache."""

import logging

import pytest
import torch
from torch import nn

from coview.datasets.prepared import PreparedDataset
from coview.embedding import precision
from coview.embedding.cache import identity_of
from coview.embedding.precision import place_encoder, usable_dtypes
from coview.embedding.run import Run
from coview.encoders import ENCODERS
from coview.training import precision as training_precision
from coview.training.precision import choose_embedding_dtype
from small_run import small_config

CPU = torch.device("cpu")


def mean(maps: torch.Tensor) -> torch.Tensor:
    return maps.float().mean(dim=(2, 3, 4))


def placed(encoder: nn.Module, dtype_name: str = "bf16") -> precision.PlacedEncoder:
    config = small_config()
    view = next(iter(config.views))
    return place_encoder(encoder, dtype_name, view=view, config=config, pool=mean, device=CPU)


def test_bf16_is_used_by_a_copy_whose_vectors_agree() -> None:
    encoder = ENCODERS.load("tiny3d")(in_channels=3).eval()
    low, full = placed(encoder), placed(encoder, "fp32")
    assert (low.precision.dtype_name, full.precision.dtype_name) == ("bf16", "fp32")
    assert full.network is encoder
    assert placed(encoder).network is low.network  # copied and tried once
    clips = torch.randn(3, 3, 4, 32, 32)
    with torch.no_grad():
        assert low(clips).dtype == torch.bfloat16
        assert nn.functional.cosine_similarity(mean(low(clips)), mean(full(clips))).min() > 0.9995
    assert all(p.is_contiguous() for p in encoder.parameters())


class Coarse(nn.Module):
    """Its vectors turn in bf16."""

    in_channels, feature_size = 3, 8

    def __init__(self) -> None:
        super().__init__()
        self.inner = ENCODERS.load("tiny3d")(in_channels=3, widths=(4, 4, 4, 8)).eval()

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.inner(clips)
        return maps.roll(1, 1) if torch.is_autocast_enabled("cpu") else maps


def test_an_encoder_whose_vectors_would_differ_stays_in_fp32(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    coarse = Coarse()
    assert placed(coarse).precision.dtype_name == "fp32"
    assert placed(coarse).precision.dtype_name == "fp32"
    assert caplog.text.count("is embedded in fp32: in bf16 its vectors have a cosine of") == 1


def test_without_units_a_run_that_chose_bf16_embeds_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {"rgb": "bf16", "flow": "fp32"}
    monkeypatch.setattr(precision, "has_bf16_units", lambda: True)
    assert usable_dtypes(chosen, CPU) == chosen
    assert usable_dtypes(chosen, torch.device("cuda")) == {"rgb": "fp32", "flow": "fp32"}
    monkeypatch.setattr(precision, "has_bf16_units", lambda: False)
    assert usable_dtypes(chosen, CPU) == {"rgb": "fp32", "flow": "fp32"}


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({"fp32": 0.1, "bf16": 0.05}, "bf16"),
        ({"fp32": 0.1, "bf16": 0.09}, "fp32"),  # little to win
        ({"fp32": 0.001, "bf16": 0.0001}, "fp32"),  # of nearly nothing
    ],
)
def test_the_choice_when_a_run_begins(
    monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float], expected: str
) -> None:
    def measure(watch: object, choice: tuple[str, bool], num_clips: int, *, learns: bool) -> float:
        assert not learns
        return num_clips * seconds[choice[0]]

    monkeypatch.setattr(training_precision.Stopwatch, "measure", measure)
    monkeypatch.setattr(training_precision, "has_bf16_units", lambda: True)
    encoder = ENCODERS.load("tiny3d")(in_channels=2)
    assert choose_embedding_dtype(encoder, (64, 2, 4, 16, 16), CPU) == expected
    monkeypatch.setattr(training_precision, "has_bf16_units", lambda: False)
    assert choose_embedding_dtype(encoder, (64, 2, 4, 16, 16), CPU) == "fp32"


def test_a_run_remembers_its_choice_and_the_cache_tells_formats_apart(small_run, monkeypatch) -> None:
    monkeypatch.setattr(precision, "has_bf16_units", lambda: True)
    data = PreparedDataset.open(small_run.data)
    run = Run.load(small_run.run)
    full = run.embed(data)
    before = identity_of(run, data, data.ready, weights="trained", device="cpu")
    run.resolved = {**run.resolved, "embedding_precision": dict.fromkeys(run.views, "bf16")}
    monkeypatch.setattr(precision, "LEAST_COSINE", 0.9)
    low = run.embed(data)
    after = identity_of(run, data, data.ready, weights="trained", device="cpu")
    assert full.description["precision"] == dict.fromkeys(run.views, "fp32")
    assert low.description["precision"] == dict.fromkeys(run.views, "bf16")
    assert before == {name: value for name, value in after.items() if name != "bf16"}
    assert after["bf16"] == list(run.views)
    for view in run.views:
        assert (low[view] != full[view]).any()
        assert (low[view] * full[view]).sum(axis=1).min() > 0.99
