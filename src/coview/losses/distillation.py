"""Soft targets: what a teacher finds alike, the student shall find alike, whatever either's space looks like."""

import torch
from torch import Tensor
from torch.nn import functional

from coview.datatypes import check_shape, unit
from coview.losses.global_batch import gather_with_gradient, rank


def similarity_distillation_loss(
    student: Tensor, teacher: Tensor, *, temperature: float = 0.1, teacher_temperature: float = 0.1
) -> Tensor:
    """Return how far the student's neighbours are from the teacher's, over the other clips of the global batch.

    With s and t the unit features of student and teacher, for each clip i and the others k != i::

        p_i(k) = softmax_k(t_i . t_k / tau_t),   q_i(k) = softmax_k(s_i . s_k / tau)
        L = mean_i sum_k p_i(k) (ln p_i(k) - ln q_i(k))

    The sizes of the features may differ, and no head learns on the teacher's side (as in SEED, Fang et al. 2021, with
    the batch in place of a queue).

    Args:
        student: (B, D), with gradient.
        teacher: (B, E), without.
        temperature: tau.
        teacher_temperature: tau_t.

    Returns:
        Scalar float32, 0 where both find the same; 0 for a single clip, which has no other.

    Example:
        similarity_distillation_loss(torch.randn(8, 128), torch.randn(8, 768))
    """
    check_shape("student", student, None, None)
    check_shape("teacher", teacher, student.shape[0], None)
    own, guide = unit(student.float()), unit(teacher.detach().float())
    all_own, all_guides = gather_with_gradient(own), gather_with_gradient(guide)
    count = own.shape[0]
    if all_own.shape[0] < 2:
        return (own * 0).sum()
    itself = torch.arange(count, device=own.device)[:, None] + rank() * count
    others = torch.arange(all_own.shape[0], device=own.device)[None] != itself  # (B, global B)
    keys = others.nonzero()[:, 1].view(count, -1)  # (B, global B - 1)
    with torch.autocast(own.device.type, enabled=False):
        targets = (guide @ all_guides.T / teacher_temperature).gather(1, keys).log_softmax(dim=1)
        found = (own @ all_own.T / temperature).gather(1, keys).log_softmax(dim=1)
    return functional.kl_div(found, targets, reduction="batchmean", log_target=True)
