"""A frozen teacher in the joint method."""

import pytest
import torch

from coview.datatypes import unit
from coview.encoders import tiny3d
from coview.encoders.file import save_encoder
from coview.errors import UserError
from coview.losses import similarity_distillation_loss
from coview.methods.joint import Joint
from coview.methods.teacher import FrozenTeacher


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
