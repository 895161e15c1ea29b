"""Joint contrast: its loss put together from InfoNCE, any number of views and clips, processes."""

import math
from collections.abc import Mapping
from itertools import permutations

import pytest
import torch
from einops import rearrange
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from coview.datatypes import ViewBatch
from coview.encoders import tiny3d
from coview.errors import UserError
from coview.losses import info_nce_loss
from coview.losses.sphere import alignment, retrieval
from coview.methods import CPC, Joint
from two_processes import half, mean_over_processes, run_in_processes

CHANNELS = {"rgb": 3, "flow": 2, "pose": 17, "mask": 1}


def build(*views: str, **settings: object) -> Joint:
    torch.manual_seed(0)
    encoders = {view: tiny3d(in_channels=CHANNELS[view], widths=(4, 4, 8, 8)) for view in views}
    return Joint(encoders, hidden_size=16, projection_size=8, **settings)


def build_led(*views: str, num_blocks: int = 3, predict_blocks: int = 1, **settings: object) -> Joint:
    """Flow leads."""
    led = {"num_blocks": num_blocks, "leading_views": ("flow",), "predict_blocks": predict_blocks}
    return build(*views, **led, **settings)


def batch_of(method: Joint, num_videos: int, clips: int) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(num_videos)
    frames = 4 if method.num_blocks == 1 else 2 * method.num_blocks
    shapes = {view: (num_videos, clips, CHANNELS[view], frames, 16, 16) for view in method.views}
    return {view: torch.randn(shape, generator=draw) for view, shape in shapes.items()}


def projected(method: Joint, batch: Mapping[str, Tensor]) -> dict[tuple[str, int], Tensor]:
    """z of each view and clip, one encoder call each."""
    return {
        (view, number): method.heads[view](method.encoders[view](one).mean(dim=(2, 3, 4)))
        for view, clips in batch.items()
        for number, one in enumerate(clips.unbind(1))
    }


def test_one_stage_in_which_everything_learns():
    method = build("rgb", "flow", epochs=7)
    (stage,) = method.stages()
    assert (stage.views, stage.epochs) == (("rgb", "flow"), 7)
    method.begin_stage(stage)
    assert all(parameter.requires_grad for parameter in method.parameters())


@torch.no_grad()
@pytest.mark.parametrize(
    ("views", "clips"), [(("rgb",), 2), (("rgb",), 3), (("rgb", "flow"), 1), (("rgb", "flow"), 2), (tuple(CHANNELS), 1)]
)
def test_the_loss_is_the_mean_over_all_ordered_pairs(views, clips):
    method = build(*views, temperature=0.3).eval()
    batch = batch_of(method, 3, clips)
    output, z = method(batch), projected(method, batch)
    losses = {(a, b): info_nce_loss(z[a], z[b], temperature=0.3, own_negatives=True) for a, b in permutations(z, 2)}
    assert len(losses) == len(views) * clips * (len(views) * clips - 1)
    torch.testing.assert_close(output.total, torch.stack(list(losses.values())).mean())
    for view in views:
        asked = torch.stack([loss for (a, _), loss in losses.items() if a[0] == view])
        torch.testing.assert_close(output.parts[f"{view}/info-nce"], asked.mean())
    assert output.chance_level == dict.fromkeys(output.parts, pytest.approx(math.log(5)))
    assert {view: rows.shape for view, rows in output.features.items()} == dict.fromkeys(views, (3 * clips, 8))


@torch.no_grad()
def test_views_can_meet_across_time_alone():
    method = build("rgb", "flow", temperature=0.3, same_clip_pairs=False).eval()
    batch = batch_of(method, 3, 2)
    output, z = method(batch), projected(method, batch)
    pairs = [(a, b) for a, b in permutations(z, 2) if a[1] != b[1]]
    losses = [info_nce_loss(z[a], z[b], temperature=0.3, own_negatives=True) for a, b in pairs]
    assert len(losses) == 8
    torch.testing.assert_close(output.total, torch.stack(losses).mean())


@torch.no_grad()
def test_views_of_the_only_clip_meet_in_it():
    ways = [build("rgb", "flow", same_clip_pairs=pairs).eval() for pairs in (True, False)]
    batch = batch_of(ways[0], 3, 1)
    torch.testing.assert_close(ways[0](batch).total, ways[1](batch).total)


@torch.no_grad()
def test_meters_are_of_the_pairs_of_different_views():
    method = build("rgb", "flow").eval()
    batch = batch_of(method, 4, 2)
    meters, z = method(batch).meters, projected(method, batch)
    assert set(meters) == {
        "alignment",
        "rgb/uniformity",
        "flow/uniformity",
        "rgb/retrieval-flow",
        "flow/retrieval-rgb",
    }
    pairs = [(z["rgb", m], z["flow", n]) for m in range(2) for n in range(2)]
    torch.testing.assert_close(meters["alignment"], torch.stack([alignment(a, b) for a, b in pairs]).mean())
    torch.testing.assert_close(meters["rgb/retrieval-flow"], torch.stack([retrieval(a, b) for a, b in pairs]).mean())
    assert set(build("rgb")(batch_of(build("rgb"), 4, 2)).meters) == {
        "alignment",
        "rgb/uniformity",
        "rgb/retrieval-rgb",
    }


@torch.no_grad()
@pytest.mark.parametrize("own_negatives", [True, False])
def test_of_blocks_each_must_find_itself_among_those_of_other_videos(own_negatives):
    method = build("rgb", "flow", num_blocks=2, temperature=0.3, own_negatives=own_negatives).eval()
    batch = batch_of(method, 3, 1)
    output = method(batch)
    blocks = {view: rearrange(clips, "b 1 c (n l) h w -> (b n) c l h w", n=2) for view, clips in batch.items()}
    rgb, flow = (method.heads[view](method.encoders[view](blocks[view]).mean(dim=(2, 3, 4))) for view in blocks)
    own = {"temperature": 0.3, "own_negatives": own_negatives, "rows_per_video": 2}
    ways = [info_nce_loss(*way, **own) for way in ((rgb, flow), (flow, rgb))]
    torch.testing.assert_close(output.total, torch.stack(ways).mean())
    num_wrong = 8 if own_negatives else 4
    assert output.chance_level == dict.fromkeys(output.parts, pytest.approx(math.log(1 + num_wrong)))
    assert output.features["rgb"].shape == (6, 8)


@torch.no_grad()
def test_a_leading_view_predicts_as_cpc_does_and_its_features_are_pooled_as_there():
    method = build_led("rgb", "flow", predict_temperature=0.2).eval()
    batch = batch_of(method, 3, 1)
    output = method(batch)
    cpc = CPC({"flow": method.encoders["flow"]}, num_blocks=3, predict_blocks=1, temperature=0.2).eval()
    cpc.predictors["flow"].load_state_dict(method.predictors["flow"].state_dict())
    alone = cpc({"flow": batch["flow"]})
    torch.testing.assert_close(output.parts["flow/cpc"], alone.total)
    assert output.chance_level["flow/cpc"] == pytest.approx(alone.chance_level["flow/cpc"])
    contrast = (output.parts["rgb/info-nce"] + output.parts["flow/info-nce"]) / 2
    torch.testing.assert_close(output.total, contrast + alone.total)
    maps = torch.randn(2, 8, 3, 4, 4)
    assert torch.equal(method.pool(maps), cpc.pool(maps))
    assert list(method.predictors) == ["flow"]


def gradient_of(module: torch.nn.Module) -> Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in module.parameters()])


def test_a_leading_view_learns_from_itself_and_others_learn_from_it():
    method = build_led("rgb", "flow").eval()  # eval: no dropout, and statistics of the batch play no part
    batch = batch_of(method, 3, 1)
    method(batch).total.backward()
    led = gradient_of(method.encoders["flow"])
    assert gradient_of(method.encoders["rgb"]).norm() > 0
    assert gradient_of(method.heads["flow"]).norm() > 0
    method.zero_grad()
    method(batch | {"rgb": torch.randn_like(batch["rgb"])}).total.backward()
    torch.testing.assert_close(gradient_of(method.encoders["flow"]), led)


def test_a_leading_view_may_learn_from_two_clips_in_place_of_prediction():
    method = build_led("rgb", "flow", num_blocks=1, predict_blocks=0).eval()
    batch = batch_of(method, 3, 2)
    output = method(batch)
    output.total.backward()
    led = gradient_of(method.encoders["flow"])
    method.zero_grad()
    alone = batch | {"rgb": torch.randn_like(batch["rgb"])}
    method(alone).total.backward()
    torch.testing.assert_close(gradient_of(method.encoders["flow"]), led)
    assert led.norm() > 0
    assert set(output.parts) == {"rgb/info-nce", "flow/info-nce"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"leading_views": ("mask",)}, "'mask'"),
        ({"leading_views": ("rgb", "flow")}, "all views"),
        ({"predict_blocks": 1, "num_blocks": 2}, "leading views predict"),
        ({"predict_blocks": 2, "num_blocks": 2, "leading_views": ("flow",)}, r"clip\.num_blocks"),
    ],
)
def test_leading_views_that_cannot_lead_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        build("rgb", "flow", **settings)


def test_a_leading_view_with_nothing_to_learn_from_is_refused():
    method = build_led("rgb", "flow", predict_blocks=0)
    with pytest.raises(UserError, match=r"clip\.clips_per_video"):
        method(batch_of(method, 3, 1))


def test_a_single_clip_of_a_single_view_is_refused():
    method = build("rgb")
    with pytest.raises(UserError, match=r"clip\.clips_per_video"):
        method(batch_of(method, 3, 1))


def test_views_of_different_sizes_and_user_encoders():
    class Mean(torch.nn.Module):
        feature_size = 3

        def forward(self, clips: Tensor) -> Tensor:
            return clips.mean(dim=(2, 3, 4), keepdim=True)

    method = Joint({"rgb": Mean(), "flow": tiny3d(in_channels=2)})
    batch = {"rgb": torch.randn(2, 2, 3, 4, 8, 8), "flow": torch.randn(2, 2, 2, 4, 32, 32)}
    assert torch.isfinite(method(batch).total)


def test_it_learns_to_tell_videos_apart():
    method = build("rgb", "flow")
    batch = batch_of(method, 4, 2)
    method.begin_stage("together")
    optimiser = torch.optim.Adam(method.parameters(), lr=0.003)
    first = None
    for _ in range(30):
        output = method(batch)
        first = output if first is None else first
        output.total.backward()
        optimiser.step()
        optimiser.zero_grad()
    assert output.total < 0.3 * first.total
    assert output.meters["rgb/retrieval-flow"] == 1


def loss_and_gradient(rank: int, clips: Mapping[str, Tensor], is_led: bool, world_size: int = 2) -> dict[str, Tensor]:
    """Loss of this process's half and the gradients, averaged over processes as DistributedDataParallel does.

    Encoders in float64: in float32 rounding, and so the processor, decides about the input of a ReLU that is nearly 0.
    """
    method = (build_led if is_led else build)(*clips).train()
    method.encoders.double()
    clips = {view: one.double() for view, one in clips.items()}
    for part in method.predictors.values():
        part.eval()  # dropout draws by process
    model = DistributedDataParallel(method, broadcast_buffers=False) if world_size > 1 else method
    share = {view: half(rank, one) if world_size > 1 else one for view, one in clips.items()}
    output = model(ViewBatch(share, torch.arange(len(next(iter(share.values()))))), None)
    output.total.backward()
    chance = torch.tensor(next(iter(output.chance_level.values())))
    gradients = {name: parameter.grad for name, parameter in method.named_parameters()}
    return {"loss": output.total.detach(), "chance": chance, **gradients}


@pytest.mark.xdist_group("processes")
@pytest.mark.parametrize("is_led", [False, True])
def test_two_processes_give_loss_and_gradient_of_one(tmp_path, is_led):
    clips = batch_of(build_led("rgb", "flow"), 4, 1) if is_led else batch_of(build("rgb", "flow"), 4, 2)
    together = mean_over_processes(run_in_processes(loss_and_gradient, clips, is_led, folder=tmp_path))
    for name, value in loss_and_gradient(0, clips, is_led, 1).items():
        torch.testing.assert_close(together[name], value, rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
