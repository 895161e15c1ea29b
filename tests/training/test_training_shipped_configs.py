"""Every config that comes with coview starts and ends under two processes, in small: no collective on one rank."""

import dataclasses
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
import torch

from coview.config import RunConfig
from coview.config.files import config_names, load_config
from coview.datatypes import ViewBatch, random_generator
from coview.training.building import build_method, resolve_config
from coview.training.distributed import Processes
from coview.training.pretrain import _precision, input_channels
from coview.training.runlog import RunLog
from coview.training.trainer import Trainer
from coview.views import VIEWS
from two_processes import WORLD_SIZE, run_in_processes

CLASSES = ("left", "right")
NUM_VIDEOS, BATCH_SIZE, SIZE = 8, 4, 32


def small(name: str, *, is_quick: bool) -> RunConfig:
    """A shipped config with small clips and two steps a stage; `is_quick`: the smallest encoder in place of its own.

    How it computes is as shipped.
    """
    shipped = load_config(name)
    changes = {
        "training.batch_size": BATCH_SIZE,
        "training.max_steps": 2,
        "training.workers": 0,
        "training.log_every": 1,
        "clip.num_blocks": min(shipped.clip.num_blocks, 4),
        "clip.block_length": min(shipped.clip.block_length, 4),
        **{f"views.{view}.size": SIZE for view in shipped.views},
    }
    if is_quick:
        shipped = dataclasses.replace(shipped, encoder={"name": "tiny3d", "widths": [4, 4, 8, 8]})
    return load_config(shipped, changes)


def kind_of(config: RunConfig) -> tuple[object, ...]:
    """What decides which code a run goes through; configs of one kind differ in numbers."""
    training, method = config.training, config.method
    computing = (training.precision, training.channels_last, training.loss_parts > 1, training.encoder_chunks > 1)
    named = (method["name"], method.get("head"), len(config.views))
    return (*named, *computing, config.optimiser.name, config.schedule.name)


def one_of_each_kind() -> list[str]:
    return list({kind_of(load_config(name)): name for name in config_names()}.values())


class RandomFeed:
    """Two batches of noise."""

    steps_per_epoch = NUM_VIDEOS // BATCH_SIZE

    def __init__(self, config: RunConfig, channels: dict[str, int], rank: int) -> None:
        self.config, self.channels, self.rank = config, channels, rank

    def training(self, views: Sequence[str], *, epoch: int, first_step: int) -> Generator[ViewBatch]:
        clip, share = self.config.clip, BATCH_SIZE // WORLD_SIZE
        for step in range(first_step, self.steps_per_epoch):
            draw = random_generator(self.rank, epoch, step)
            clips = {}
            for view in views:
                size = self.config.views[view].size
                shape = (share, clip.clips_per_video, self.channels[view], clip.num_blocks * clip.block_length)
                clips[view] = torch.from_numpy(draw.normal(size=(*shape, size, size)).astype("float32"))
            rows = torch.arange(share) + share * self.rank
            yield ViewBatch(clips, rows, tuple(CLASSES[row % 2] for row in rows.tolist()))

    def validation(self, views: Sequence[str]) -> Generator[ViewBatch]:
        yield from self.training(views, epoch=0, first_step=1)


def train_all(rank: int, names: list[str], is_quick: bool) -> dict[str, list[float]]:
    """Train each config in turn; return its steps and what its weights add up to."""
    ends = {}
    for name in names:
        config = resolve_config(small(name, is_quick=is_quick), num_videos=NUM_VIDEOS, classes=CLASSES)
        views = {view: VIEWS.load(view) for view in config.views}
        channels = input_channels(views, config.views)
        processes = Processes(rank, WORLD_SIZE, torch.device("cpu"))
        torch.manual_seed(config.seed)
        method = build_method(config, channels)
        precision = _precision(config, method, channels, processes, None, num_videos=NUM_VIDEOS)
        precision.place(method, processes.device)
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder)
            log = RunLog(run, is_main=False)
            feed = RandomFeed(config, channels, rank)
            trainer = Trainer(method, feed, config=config, run=run, processes=processes, precision=precision, log=log)
            assert trainer.run(), name
            assert trainer.position.global_step == 2 * len(method.stages()), name
        weights = sum(value.double().sum() for value in method.state_dict().values() if value.is_floating_point())
        ends[name] = [trainer.position.global_step, float(weights)]
    return ends


def check(names: list[str], folder: Path, *, is_quick: bool) -> None:
    one, other = run_in_processes(train_all, names, is_quick, folder=folder)
    assert sorted(one) == sorted(names)
    for name in names:
        assert one[name] == other[name], name


@pytest.mark.xdist_group("processes")
def test_one_config_of_each_kind_trains_to_its_end_under_two_processes(tmp_path):
    check(one_of_each_kind(), tmp_path, is_quick=True)


@pytest.mark.exhaustive
@pytest.mark.xdist_group("processes")
@pytest.mark.parametrize("name", config_names())
def test_every_config_trains_to_its_end_under_two_processes(tmp_path, name):
    check([name], tmp_path, is_quick=False)
