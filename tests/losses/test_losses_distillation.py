"""Soft targets against plain loops."""

import math

import pytest
import torch

from coview.losses import similarity_distillation_loss
from coview.losses.global_batch import rank


def reference(student: torch.Tensor, teacher: torch.Tensor, *, tau: float, tau_t: float) -> float:
    """The formula of the docstring, clip by clip."""
    s, t = (one / one.norm(dim=1, keepdim=True) for one in (student, teacher))
    total, count = 0.0, len(s)
    for i in range(count):
        others = [k for k in range(count) if k != i]
        p = [math.exp(float(t[i] @ t[k]) / tau_t) for k in others]
        q = [math.exp(float(s[i] @ s[k]) / tau) for k in others]
        for own, found in zip(p, q, strict=True):
            own, found = own / sum(p), found / sum(q)
            total += own * (math.log(own) - math.log(found))
    return total / count


def test_it_is_the_formula():
    student, teacher = torch.randn(5, 4), torch.randn(5, 7)
    found = similarity_distillation_loss(student, teacher, temperature=0.5, teacher_temperature=0.2)
    assert float(found) == pytest.approx(reference(student, teacher, tau=0.5, tau_t=0.2), rel=1e-5)


def test_under_autocast_it_is_as_exact():
    student, teacher = torch.randn(6, 32), torch.randn(6, 16)
    with torch.autocast("cpu", torch.bfloat16):
        loss = similarity_distillation_loss(student, teacher)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, similarity_distillation_loss(student, teacher))


def test_who_finds_the_same_pays_nothing():
    features = torch.randn(6, 4)
    turned = features @ torch.linalg.qr(torch.randn(4, 4))[0]  # another space, the same neighbours
    assert float(similarity_distillation_loss(turned, features)) == pytest.approx(0, abs=1e-5)
    assert rank() == 0


def test_gradients_reach_the_student_alone_and_one_clip_is_no_trouble():
    student, teacher = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    similarity_distillation_loss(student.bfloat16(), teacher).backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None
    alone = torch.randn(1, 4, requires_grad=True)
    loss = similarity_distillation_loss(alone, teacher[:1])
    loss.backward()
    assert loss.item() == 0
    assert loss.dtype == torch.float32


def test_a_student_learns_the_neighbours_of_its_teacher():
    teacher = torch.eye(4).repeat_interleave(2, dim=0)  # four pairs
    student = torch.nn.Parameter(torch.randn(8, 4))
    optimiser = torch.optim.Adam([student], lr=0.1)
    for _ in range(40):
        optimiser.zero_grad()
        similarity_distillation_loss(student, teacher).backward()
        optimiser.step()
    unit = torch.nn.functional.normalize(student.detach(), dim=1)
    nearest = (unit @ unit.T - 2 * torch.eye(8)).argmax(dim=1)
    assert nearest.tolist() == [1, 0, 3, 2, 5, 4, 7, 6]
