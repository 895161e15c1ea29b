"""The instance baselines: infonce with its copy and queue, coclr with positives of the other view, cmc across views."""

import dataclasses
import math
from itertools import permutations

import pytest
import torch
from torch import Tensor

from coview.datatypes import ViewBatch
from coview.encoders import tiny3d
from coview.errors import UserError
from coview.losses import info_nce_loss
from coview.methods import METHODS, Method, Progress
from coview.methods.base import Sizes
from two_processes import half, run_in_processes

CHANNELS = {"rgb": 3, "flow": 2, "mask": 1}


def build(name: str, *views: str, **settings: object) -> Method:
    torch.manual_seed(0)
    encoders = {view: tiny3d(in_channels=CHANNELS[view], widths=(4, 4, 8, 8)) for view in views}
    return METHODS.load(name)(encoders, projection_size=8, **settings)


def batch_of(num_videos: int, clips: int, seed: int = 0, views: tuple[str, ...] = ("rgb", "flow")) -> ViewBatch:
    draw = torch.Generator().manual_seed(seed)
    made = {view: torch.randn(num_videos, clips, CHANNELS[view], 4, 16, 16, generator=draw) for view in views}
    return ViewBatch(made, torch.arange(num_videos) + num_videos * seed)


def z_of(method: Method, view: str, clips: Tensor, network: str = "") -> Tensor:
    encoder, head = method.encoders[view], method.heads[view]
    if network == "copy":
        encoder, head = method.copies[view].encoder, method.copies[view].head
    return head(encoder(clips).mean(dim=(2, 3, 4)))


def progress_of(method: Method, stage: str, step: int) -> Progress:
    method.begin_stage(stage)
    index = [one.name for one in method.stages()].index(stage)
    return Progress(method.stages()[index], index, epoch=0, step=step, num_steps=10)


def train(method: Method, stage: str, batches: int, clips: int = 2) -> list[ViewBatch]:
    """Take plain gradient steps from the stage's beginning; return the batches."""
    taken = [batch_of(3, clips, seed) for seed in range(batches)]
    for step, batch in enumerate(taken):
        progress = progress_of(method, stage, step)
        method(batch, progress).total.backward()
        with torch.no_grad():
            for parameter in method.parameters():
                if parameter.grad is not None:
                    parameter.sub_(0.1 * parameter.grad)
        method.zero_grad()
        method.after_step()
    return taken


def test_cmc_is_the_mean_over_ordered_pairs_of_views():
    method = build("cmc", *CHANNELS, temperature=0.3).eval()
    batch = batch_of(3, 1, views=tuple(CHANNELS))
    with torch.no_grad():
        z = {view: z_of(method, view, clips[:, 0]) for view, clips in batch.clips.items()}
        losses = [info_nce_loss(z[a], z[b], temperature=0.3) for a, b in permutations(z, 2)]
        output = method(batch)
    torch.testing.assert_close(output.total, torch.stack(losses).mean())
    assert list(output.chance_level.values()) == [pytest.approx(math.log(3))] * 3
    with pytest.raises(UserError, match="two views"):
        build("cmc", "rgb")


def test_infonce_asks_the_copy_and_the_queue():
    method = build("infonce", "rgb", "flow", queue=4, momentum=0.9)
    assert [(stage.name, stage.views) for stage in method.stages()] == [("rgb", ("rgb",)), ("flow", ("flow",))]
    train(method, "rgb", 2)
    batch, progress = batch_of(3, 2, seed=9), progress_of(method, "rgb", 2)
    method.eval()
    with torch.no_grad():
        clips = batch.clips["rgb"]
        queries, keys = z_of(method, "rgb", clips[:, 0]), z_of(method, "rgb", clips[:, 1], "copy")
        assert not torch.allclose(keys, z_of(method, "rgb", clips[:, 1])), "the copy lags behind"
        old = method.queue.queue.rows(0)
        assert old.shape == (4, 8)
        output = method(batch, progress)
    torch.testing.assert_close(output.total, info_nce_loss(queries, keys, temperature=0.07, extra_keys=old))
    assert output.chance_level == {"rgb/info-nce": pytest.approx(math.log(3 + 4))}


def test_the_copy_follows_by_its_momentum():
    method = build("infonce", "rgb", momentum=0.75)
    train(method, "rgb", 1)
    before = [weight.clone() for weight in method.copies["rgb"].parameters()]
    originals = [*method.encoders["rgb"].parameters(), *method.heads["rgb"].parameters()]
    assert all(torch.equal(mine, its) for mine, its in zip(before, originals, strict=True)), "all of it at the start"
    progress = progress_of(method, "rgb", 1)
    method(batch_of(3, 2, seed=1), progress)
    with torch.no_grad():
        for original in originals:
            original.add_(1)  # as a step of the optimiser
    method.after_step()
    for old, now in zip(before, method.copies["rgb"].parameters(), strict=True):
        torch.testing.assert_close(now, old + 0.25)
    for mine, its in zip(method.copies["rgb"].encoder.buffers(), method.encoders["rgb"].buffers(), strict=True):
        assert torch.equal(mine, its)


def test_a_stage_begins_with_an_empty_queue_and_a_copy_of_today():
    method = build("infonce", "rgb", "flow", queue=6)
    train(method, "rgb", 2)
    assert method.queue.queue.filled == 6
    with torch.no_grad():
        for parameter in method.encoders["flow"].parameters():
            parameter.add_(0.1)  # as weights that come from elsewhere
    train(method, "flow", 1)
    assert method.queue.queue.filled == 3
    copied = method.copies["flow"].encoder.parameters()
    assert all(torch.equal(mine, its) for mine, its in zip(copied, method.encoders["flow"].parameters(), strict=True))


@pytest.mark.parametrize("name", ["infonce", "coclr"])
def test_the_queue_is_at_most_half_the_videos(name):
    kind = METHODS.load(name)
    sizes = Sizes(batch_size=16, num_videos=212)
    assert kind.resolve_settings(kind.Settings(), sizes).queue == 106
    assert kind.resolve_settings(kind.Settings(), dataclasses.replace(sizes, num_videos=9537)).queue == 2048
    assert kind.resolve_settings(kind.Settings(queue=7), sizes).queue == 7


def test_coclr_alternates_and_needs_two_views():
    stages = build("coclr", "rgb", "flow", single_view_epochs=3, cross_view_epochs=2).stages()
    assert [(stage.name, stage.views, stage.epochs) for stage in stages] == [
        ("rgb", ("rgb",), 3),
        ("flow", ("flow",), 3),
        ("cycle1-rgb", ("rgb", "flow"), 2),
        ("cycle1-flow", ("flow", "rgb"), 2),
        ("cycle2-rgb", ("rgb", "flow"), 2),
        ("cycle2-flow", ("flow", "rgb"), 2),
    ]
    assert build("coclr", "rgb", "flow", single_view_epochs=0).stages()[0].name == "cycle1-rgb"
    with pytest.raises(UserError, match="two views"):
        build("coclr", "rgb")


def test_coclr_takes_the_nearest_of_the_other_view_for_positives():
    method = build("coclr", "rgb", "flow", queue=6, positives=2, momentum=0.9)
    batches = train(method, "cycle1-rgb", 2)
    batch, progress = batch_of(3, 2, seed=1), progress_of(method, "cycle1-rgb", 2)  # its videos are in the queue
    method.eval()
    with torch.no_grad():
        clips = {view: batch.clips[view] for view in ("rgb", "flow")}
        queries, keys = z_of(method, "rgb", clips["rgb"][:, 0]), z_of(method, "rgb", clips["rgb"][:, 1], "copy")
        old = method.queue.queue.rows(0)[:, :8]
        seen = torch.cat([z_of(method, "flow", one.clips["flow"][:, 1]) for one in batches[::-1]])  # newest first
        torch.testing.assert_close(method.queue.queue.rows(1)[:, :8], seen)
        near = z_of(method, "flow", clips["flow"][:, 1]) @ seen.T
        expected = torch.zeros(3, 6, dtype=torch.bool)
        for row in range(3):
            expected[row, row] = True  # the newest three are the same videos
            others = sorted((column for column in range(6) if column != row), key=lambda c: -float(near[row, c]))
            expected[row, others[:2]] = True
        loss = info_nce_loss(queries, keys, temperature=0.07, extra_keys=old, extra_positives=expected)
        output = method(batch, progress)
    torch.testing.assert_close(output.total, loss)
    assert output.meters["positives/mined"] == 3
    assert output.chance_level == {}


def test_a_frozen_view_in_train_mode_is_refused():
    method = build("coclr", "rgb", "flow").train()
    with pytest.raises(UserError, match="begin_stage"):
        method(batch_of(2, 2), Progress(method.stages()[2], 2, 0, 0, 10))


def queue_of(rank: int, name: str, stage: str, world_size: int = 2) -> dict[str, Tensor]:
    """Take two steps on this process's halves without changing weights; return the queue."""
    method = build(name, "rgb", "flow", queue=7)
    method.begin_stage(stage)
    for part in method.stages()[0].trainable:
        method.get_submodule(part).train()
    for step in range(2):
        whole = batch_of(4, 2, seed=step)
        pick = (lambda one: half(rank, one)) if world_size > 1 else (lambda one: one)
        batch = ViewBatch({v: pick(one) for v, one in whole.clips.items()}, pick(whole.entry_indices))
        method(batch, progress_of(method, stage, step))
        method.after_step()
    return {"queue": method.queue.queue.features}


@pytest.mark.xdist_group("processes")
@pytest.mark.parametrize(("name", "stage"), [("infonce", "rgb"), ("coclr", "cycle1-rgb")])
def test_two_processes_queue_what_one_does(tmp_path, name, stage):
    one, other = run_in_processes(queue_of, name, stage, folder=tmp_path)
    assert torch.equal(one["queue"], other["queue"])
    torch.testing.assert_close(one["queue"], queue_of(0, name, stage, 1)["queue"], rtol=1e-4, atol=1e-5)
