"""ViCC: stages, losses put together from their parts, queue, frozen stream, processes."""

import math
from collections.abc import Mapping

import pytest
import torch

from coview.config import RunConfig, parse
from coview.datatypes import ViewBatch
from coview.errors import UserError
from coview.losses.sinkhorn import sinkhorn
from coview.losses.swapped_assignment import swapped_assignment_loss, swaps
from coview.methods import Progress, Stage
from coview.methods.base import Method
from coview.training.building import build_method
from two_processes import half, mean_over_processes, run_in_processes

CHANNELS = {"rgb": 3, "flow": 2}
METHOD = {"name": "vicc", "prototypes": 5, "queue": 8, "single_stream_epochs": 3, "cycles": 1, "cross_stream_epochs": 2}


def build(views: tuple[str, ...] = ("rgb", "flow"), clip: Mapping[str, object] | None = None, **method) -> Method:
    given = {
        "views": {view: {"size": 16} for view in views},
        "encoder": {"name": "tiny3d"},
        "clip": {"num_blocks": 1, "block_length": 4, "clips_per_video": 2, **(clip or {})},
        "training": {"batch_size": 4},
        "method": {**METHOD, **method},
    }
    torch.manual_seed(0)
    return build_method(parse(RunConfig, given, source="test"), {view: CHANNELS[view] for view in views})


def batch_of(count: int, seed: int = 0) -> ViewBatch:
    generator = torch.Generator().manual_seed(seed)
    clips = {view: torch.randn(count, 2, c, 4, 16, 16, generator=generator) for view, c in CHANNELS.items()}
    return ViewBatch(clips, torch.arange(count))


def stage_of(method: Method, name: str) -> Stage:
    return next(stage for stage in method.stages() if stage.name == name)


def ready(method: Method, name: str) -> Stage:
    """Make a stage ready as the trainer does, its prototypes learning."""
    stage = stage_of(method, name)
    method.begin_stage(stage)
    return stage


def progress_of(stage: Stage, step: int, *, epoch: int = 0, num_steps: int = 100) -> Progress:
    return Progress(stage, stage_index=0, epoch=epoch, step=step, num_steps=num_steps)


def test_stages_alternate_and_only_one_stream_learns_at_a_time():
    stages = build(cycles=2).stages()
    assert [stage.name for stage in stages] == [
        "rgb",
        "flow",
        "cycle1-rgb",
        "cycle1-flow",
        "cycle2-rgb",
        "cycle2-flow",
    ]
    assert [stage.views for stage in stages[:4]] == [("rgb",), ("flow",), ("rgb", "flow"), ("flow", "rgb")]
    assert [stage.epochs for stage in stages] == [3, 3, 2, 2, 2, 2]
    for stage in stages:
        assert set(stage.trainable) == {f"{kind}.{stage.views[0]}" for kind in ("encoders", "heads", "prototypes")}
    assert stages[0].trainable_at(0) == ("encoders.rgb", "heads.rgb")
    assert "prototypes.rgb" in stages[0].trainable_at(1)
    assert "prototypes.rgb" in stages[2].trainable_at(0)


@pytest.mark.parametrize("name", ["rgb", "flow"])
def test_one_stream_is_put_together_from_its_parts(name):
    method, batch = build().eval(), batch_of(4)
    output = method(batch, progress_of(stage_of(method, name), 3))
    z = [method.heads[name](method.encoders[name].pooled(batch.clips[name][:, m])) for m in range(2)]
    scores = [rows @ method.prototypes[name].weight.T for rows in z]
    q = [sinkhorn(s) for s in scores]
    expected = swapped_assignment_loss(scores, q, swaps((name, name), own=name), temperature=0.1)
    torch.testing.assert_close(output.total, expected)
    assert output.chance_level == {f"{name}/swapped": math.log(5)}
    assert output.features[name].shape == (8, 128)


@pytest.mark.parametrize("options", [{}, {"predict_with": "other"}, {"assign_from": "other"}])
def test_cross_stream_scores_both_streams_with_the_prototypes_of_the_one_that_learns(options):
    method, batch = build(**options).eval(), batch_of(4)
    output = method(batch, progress_of(stage_of(method, "cycle1-flow"), 3))
    weight = method.prototypes["flow"].weight
    scores = [
        method.heads[view](method.encoders[view].pooled(batch.clips[view][:, m])) @ weight.T
        for view in ("flow", "rgb")
        for m in range(2)
    ]
    who = swaps(("flow", "flow", "rgb", "rgb"), own="flow", **options)
    expected = swapped_assignment_loss(scores, [sinkhorn(s) for s in scores], who, temperature=0.1)
    torch.testing.assert_close(output.total, expected)
    assert -1 <= output.meters["streams/cosine"] <= 1


def test_gradient_flows_through_both_clips_or_the_first_alone():
    for both in (True, False):
        method, batch = build(second_clip_gradient=both), batch_of(4)
        stage = ready(method, "rgb")
        clips = batch.clips["rgb"].clone().requires_grad_()
        method(ViewBatch({"rgb": clips}, batch.entry_indices), progress_of(stage, 0)).total.backward()
        assert clips.grad[:, 0].any()
        assert bool(clips.grad[:, 1].any()) == both


def train_step(method: Method, batch: ViewBatch, progress: Progress, optimiser: torch.optim.Optimizer) -> float:
    output = method(batch, progress)
    output.total.backward()
    optimiser.step()
    optimiser.zero_grad()
    method.after_step()
    return float(output.total.detach())


def test_the_queue_begins_at_its_epoch_and_takes_its_share_of_the_next_assignments():
    method = build(single_stream_queue_from={"rgb": 1})
    stage = ready(method, "rgb")
    optimiser = torch.optim.SGD(method.encoders["rgb"].parameters(), lr=0.0)
    train_step(method, batch_of(4, seed=0), progress_of(stage, 0), optimiser)
    assert method.queue.filled == 0
    train_step(method, batch_of(4, seed=1), progress_of(stage, 1, epoch=1), optimiser)
    assert method.queue.filled == 4
    encoder, batch = method.encoders["rgb"], batch_of(4, seed=1)
    for m in range(2):
        z = method.heads["rgb"](encoder.pooled(batch.clips["rgb"][:, m]))
        torch.testing.assert_close(method.queue.rows(m), z.detach())
    now = batch_of(4, seed=2)
    found = train_step(method, now, progress_of(stage, 2, epoch=1), optimiser)
    z = [method.heads["rgb"](encoder.pooled(now.clips["rgb"][:, m])) for m in range(2)]
    torch.testing.assert_close(method.queue.rows(1)[:4], z[1].detach())
    weight = method.prototypes["rgb"].weight
    old = [method.queue.rows(m)[4:] @ weight.T for m in range(2)]
    scores = [rows @ weight.T for rows in z]
    q = [sinkhorn(s, queue_scores=o) for s, o in zip(scores, old, strict=True)]
    expected = swapped_assignment_loss(scores, q, swaps(("rgb", "rgb"), own="rgb"), temperature=0.1)
    assert found == pytest.approx(float(expected.detach()), rel=1e-5)


def test_a_new_stage_begins_with_all_prototypes_in_use():
    method = build()
    for step, name in ((5, "rgb"), (0, "flow")):
        for prototypes in method.prototypes.values():
            prototypes.idle.fill_(1000)
        stage = ready(method, name)
        method(batch_of(3), progress_of(stage, step)).total.backward()
        method.after_step()
        idle = method.prototypes[name].idle
        assert (idle.max() >= 1000) == (step > 0)


def test_a_new_stage_begins_with_an_empty_queue():
    method = build(single_stream_queue_from={"rgb": 0, "flow": 9})
    stage = ready(method, "rgb")
    optimiser = torch.optim.SGD(method.encoders["rgb"].parameters(), lr=0.1)
    for step in range(2):
        train_step(method, batch_of(4), progress_of(stage, step), optimiser)
    assert method.queue.filled == 8
    stage = ready(method, "flow")
    alone = build().state_dict()
    optimiser = torch.optim.SGD(method.encoders["flow"].parameters(), lr=0.0)
    fresh = build()
    fresh.load_state_dict({**method.state_dict(), **{k: v for k, v in alone.items() if k.startswith("queue.")}})
    ready(fresh, "flow")
    first = progress_of(stage, 0)
    assert float(fresh(batch_of(4), first).total.detach()) == train_step(method, batch_of(4), first, optimiser)
    assert method.queue.filled == 0
    assert not method.queue.features.any()


def test_without_an_epoch_the_queue_waits_for_the_loss_to_slow_down():
    method = build()
    stage = ready(method, "rgb")
    begun = []
    for step in range(60):
        falls = 4.0 - 0.1 * min(step, 20)
        method(batch_of(2), progress_of(stage, step, num_steps=60))
        seen = method._seen[0]
        method._seen = [type(seen)(seen.features, torch.tensor(falls), seen.progress)]
        method.after_step()
        begun.append(method.queue.has_begun)
    # windows of 3 steps: that of 21-23 still falls by a third of the steepest fall, that of 24-26 not at all
    assert begun.index(True) == 26
    assert method.queue.steepness_at_start == 0
    output = method(batch_of(2), progress_of(stage, 60))
    assert "queue/steepness" in output.limits


def test_a_queue_that_begins_while_the_loss_falls_fast_is_told():
    method = build(single_stream_queue_from={"rgb": 1})
    stage = ready(method, "rgb")
    for step in range(3):
        method(batch_of(2), progress_of(stage, step, epoch=step // 2, num_steps=60))
        method.after_step()
    output = method(batch_of(2), progress_of(stage, 3, epoch=1))
    limit = output.limits["queue/steepness"]
    assert limit.name == "queue too early"
    assert float(output.meters["queue/steepness"]) > limit.high


def test_prototypes_are_renormalised_after_a_step_and_frozen_ones_stay():
    method = build()
    stage = ready(method, "rgb")
    optimiser = torch.optim.SGD(method.prototypes["rgb"].parameters(), lr=50.0)
    before = {view: method.prototypes[view].weight.clone() for view in CHANNELS}
    train_step(method, batch_of(4), progress_of(stage, 0), optimiser)
    assert not torch.equal(method.prototypes["rgb"].weight, before["rgb"])
    torch.testing.assert_close(method.prototypes["rgb"].weight.norm(dim=1), torch.ones(5))
    assert torch.equal(method.prototypes["flow"].weight, before["flow"])


def test_shuffled_groups_have_statistics_of_their_own_and_change_nothing_in_eval_mode():
    plain, shuffled = build(), build(shuffle_groups=2)
    batch = batch_of(6)
    stages = [ready(method, "rgb") for method in (plain, shuffled)]
    one, other = (
        method(batch, progress_of(stage, 0)).features["rgb"]
        for method, stage in zip((plain, shuffled), stages, strict=True)
    )
    assert not torch.allclose(one, other, atol=1e-3)
    torch.manual_seed(5)
    encoder = shuffled.encoders["rgb"]
    found = shuffled._pooled("rgb", batch.clips["rgb"][:, 0])
    torch.manual_seed(5)
    order = torch.randperm(6)
    for part in order.chunk(2):
        torch.testing.assert_close(found[part], encoder.pooled(batch.clips["rgb"][part, 0]))
    shuffled.eval()
    torch.testing.assert_close(
        shuffled._pooled("rgb", batch.clips["rgb"][:, 0]), encoder.pooled(batch.clips["rgb"][:, 0])
    )


def test_meters_say_how_prototypes_are_used():
    method = build().eval()
    with torch.no_grad():
        for view in CHANNELS:
            method.prototypes[view].weight.copy_(torch.nn.functional.normalize(torch.ones(5, 128), dim=1))
    output = method(batch_of(3), progress_of(stage_of(method, "cycle1-rgb"), 1))
    assert float(output.meters["assignments/entropy"]) == pytest.approx(1.0, abs=1e-5)
    assert float(output.total.detach()) == pytest.approx(math.log(5), abs=1e-5)
    assert float(output.meters["prototypes/used"]) == 1.0
    assert output.limits["prototypes/used"].name == "dead prototypes"
    method, batch = build().eval(), batch_of(3)
    same = ViewBatch({"rgb": batch.clips["rgb"][:, :1].repeat(1, 2, 1, 1, 1, 1)}, batch.entry_indices)
    output = method(same, progress_of(stage_of(method, "rgb"), 1))
    assert float(output.meters["assignments/agreement"]) == 1.0
    assert float(output.meters["clips/cosine"]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clip": {"clips_per_video": 1}}, "clip.clips_per_video is 1"),
        ({"clip": {"num_blocks": 2}}, "clip.num_blocks is 2"),
        ({"views": ("rgb",)}, "needs two views, or one with method.cycles 0"),
        ({"single_stream_epochs": 0, "cycles": 0}, "nothing would be trained"),
        ({"single_stream_queue_from": {"pose": 3}}, "names pose; the views are rgb, flow"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        build(**change)


def test_one_view_alone_needs_no_second():
    assert [stage.name for stage in build(views=("flow",), cycles=0).stages()] == ["flow"]


def _two_steps(rank: int | None) -> dict[str, torch.Tensor]:
    """Two steps of a cross-stream stage with the queue on; the loss and gradients of the second."""
    method = build(cross_stream_queue_from=0, queue=5)
    stage = ready(method, "cycle1-rgb")
    for step in range(2):
        batch = batch_of(4, seed=step)
        if rank is not None:
            clips = {view: half(rank, clip) for view, clip in batch.clips.items()}
            batch = ViewBatch(clips, half(rank, batch.entry_indices))
        method.zero_grad()
        output = method(batch, progress_of(stage, step))
        output.total.backward()
        method.after_step()
    names = ("heads.rgb.layers.2.weight", "encoders.rgb.stem.0.weight", "prototypes.rgb.weight")
    gradients = {name: method.get_parameter(name).grad for name in names}
    return {"loss": output.total.detach(), "queue": method.queue.features.clone(), **gradients}


@pytest.mark.xdist_group("processes")
def test_two_processes_equal_one(tmp_path):
    found = mean_over_processes(run_in_processes(_two_steps, folder=tmp_path))
    for name, value in _two_steps(None).items():
        torch.testing.assert_close(found[name], value, rtol=2e-3, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}")
