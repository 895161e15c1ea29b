"""A frozen teacher in joint, cocon and vicc."""

import pytest
import torch

from coview.datatypes import unit
from coview.encoders import tiny3d
from coview.encoders.file import save_encoder
from coview.errors import UserError
from coview.losses import similarity_distillation_loss
from coview.losses.cooperation import pooled_blocks
from coview.methods.cocon import CoCon
from coview.methods.dense_predictor import encode_blocks
from coview.methods.joint import Joint
from coview.methods.teacher import FrozenTeacher
from coview.methods.vicc import ViCC


@pytest.fixture
def teacher(tmp_path):
    torch.manual_seed(5)
    encoder = tiny3d(widths=(4, 4, 4, 6))
    save_encoder(
        encoder, tmp_path / "teacher.safetensors", built_from={"name": "tiny3d", "widths": [4, 4, 4, 6]}, description={}
    )
    return tmp_path / "teacher.safetensors", encoder.eval()


def test_its_part_is_added_for_every_view_and_clip(teacher):
    path, encoder = teacher
    settings = {"projection_size": 8, "hidden_size": 8}
    views = {"rgb": tiny3d(widths=(4, 4, 4, 4)), "flow": tiny3d(in_channels=2, widths=(4, 4, 4, 4))}
    method = Joint(views, teacher=str(path), teacher_weight=0.5, **settings).eval()
    clips = {"rgb": torch.randn(4, 2, 3, 4, 32, 32), "flow": torch.randn(4, 1, 2, 4, 32, 32)}
    with torch.no_grad():
        output = method(clips)
        plain = Joint(views, **settings)
        plain.load_state_dict(method.state_dict())
        alone = plain.eval()(clips)
        guides = encoder.pooled(clips["rgb"].flatten(0, 1)).unflatten(0, (4, 2))
        z = {
            view: method.heads[view](method.pool(views[view](clips[view].flatten(0, 1)))).unflatten(0, (4, -1))
            for view in views
        }
        rgb = [similarity_distillation_loss(z["rgb"][:, m], guides[:, m]) for m in range(2)]
        flow = similarity_distillation_loss(z["flow"][:, 0], guides[:, 0])
    expected = alone.total + 0.5 * (torch.stack(rgb).mean() + flow) / 2
    torch.testing.assert_close(output.total, expected)
    assert output.parts["flow/teacher"] == pytest.approx(float(flow))
    assert set(output.parts) == {*alone.parts, "rgb/teacher", "flow/teacher"}
    torch.testing.assert_close(unit(z["rgb"]), z["rgb"])


def test_it_is_in_no_checkpoint_and_read_when_it_teaches(teacher, tmp_path):
    method = Joint({"rgb": tiny3d(widths=(4, 4, 4, 4))}, teacher=str(tmp_path / "nowhere"))
    assert not any("teacher" in name for name in method.state_dict())
    with pytest.raises(UserError, match="nowhere is no folder"):
        method({"rgb": torch.randn(2, 2, 3, 4, 32, 32)})
    path, encoder = teacher
    method = Joint({"rgb": tiny3d(widths=(4, 4, 4, 4))}, teacher=str(path))
    before = [one.clone() for one in encoder.parameters()]
    method({"rgb": torch.randn(3, 2, 3, 4, 32, 32)}).total.backward()
    assert all(one.grad is not None for one in method.parameters())
    assert all(torch.equal(one, other) for one, other in zip(encoder.parameters(), before, strict=True))
    assert FrozenTeacher(str(path)).features(torch.randn(2, 3, 4, 32, 32)).shape == (2, 6)


def test_a_view_that_it_cannot_see_is_told(teacher):
    with pytest.raises(UserError, match="teacher_view is 'rgb', expected one of: flow"):
        Joint({"flow": tiny3d(in_channels=2)}, teacher=str(teacher[0]))


COCON = {"num_blocks": 2, "predict_blocks": 1, "dropout": 0.0}
VICC = {"prototypes": 5, "queue": 0, "projection_size": 8, "cycles": 1}


def with_and_without(kind, stage, settings, path):
    """The same weights with a teacher and without one, in a stage but in eval mode."""
    torch.manual_seed(0)
    views = {"rgb": tiny3d(widths=(4, 4, 4, 4)), "flow": tiny3d(in_channels=2, widths=(4, 4, 4, 4))}
    plain = kind(views, **settings)
    taught = kind(views, teacher=str(path), teacher_weight=0.5, teacher_temperature=0.2, **settings)
    taught.load_state_dict(plain.state_dict())
    for method in (plain, taught):
        method.begin_stage(stage)
        method.eval()
    return taught, plain


def check_sum(taught, plain, clips, expected):
    """Value and gradient are those of the method alone and half of what the teacher asks of its views."""
    output, alone = taught(clips), plain(clips)
    asked = torch.stack(list(expected.values())).mean()
    torch.testing.assert_close(output.total, alone.total + 0.5 * asked)
    assert set(output.parts) == {*alone.parts, *(f"{view}/teacher" for view in expected)}
    for view, loss in expected.items():
        torch.testing.assert_close(output.parts[f"{view}/teacher"], loss.detach())
        weights = list(taught.encoders[view].parameters())
        gradients = torch.autograd.grad(output.total, weights, retain_graph=True)
        by_teacher = torch.autograd.grad(0.5 * asked, weights, retain_graph=True)
        by_itself = torch.autograd.grad(alone.total, weights, retain_graph=True)
        assert all(one.abs().max() > 0 for one in by_teacher)
        for got, one, other in zip(gradients, by_teacher, by_itself, strict=True):
            torch.testing.assert_close(got, one + other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("stage", ["rgb", "together"])
def test_blocks_of_cocon_learn_from_the_blocks_that_the_teacher_sees(teacher, stage):
    path, encoder = teacher
    taught, plain = with_and_without(CoCon, stage, COCON, path)
    clips = {"rgb": torch.randn(4, 3, 8, 32, 32), "flow": torch.randn(4, 2, 8, 32, 32)}
    with torch.no_grad():
        guides = [encoder.pooled(clips["rgb"][:, :, first : first + 4]) for first in (0, 4)]
    expected = {}
    for view in ["rgb"] if stage == "rgb" else ["rgb", "flow"]:
        h = pooled_blocks(encode_blocks(taught.encoders[view], clips[view], num_blocks=2)).unflatten(0, (4, 2))
        losses = [
            similarity_distillation_loss(h[:, n], guides[n], temperature=0.2, teacher_temperature=0.2) for n in range(2)
        ]
        expected[view] = torch.stack(losses).mean()
    check_sum(taught, plain, clips, expected)


@pytest.mark.parametrize("stage", ["rgb", "cycle1-rgb", "cycle1-flow"])
def test_the_stream_of_vicc_that_learns_is_taught(teacher, stage):
    path, encoder = teacher
    taught, plain = with_and_without(ViCC, stage, VICC, path)
    clips = {"rgb": torch.randn(4, 2, 3, 4, 32, 32), "flow": torch.randn(4, 2, 2, 4, 32, 32)}
    view = stage.rpartition("-")[2]
    losses = []
    for m in range(2):
        z = taught.heads[view](taught.encoders[view].pooled(clips[view][:, m]))
        guide = encoder.pooled(clips["rgb"][:, m])
        losses.append(similarity_distillation_loss(z, guide, temperature=0.1, teacher_temperature=0.2))
    check_sum(taught, plain, clips, {view: torch.stack(losses).mean()})


@pytest.mark.parametrize(("kind", "settings", "shape"), [(CoCon, COCON, (8,)), (ViCC, VICC, (4,))])
def test_a_stage_without_its_view_is_as_without_a_teacher(kind, settings, shape, tmp_path):
    taught, plain = with_and_without(kind, "flow", settings, tmp_path / "nowhere")
    clips = {"flow": torch.randn(4, kind.clips_per_video, 2, *shape, 32, 32)}
    output, alone = taught(clips), plain(clips)
    assert torch.equal(output.total, alone.total)
    assert output.parts.keys() == alone.parts.keys()
    with pytest.raises(UserError, match="teacher_view is 'pose', expected one of: rgb, flow"):
        kind(dict(taught.encoders), teacher="nowhere", teacher_view="pose", **settings)
