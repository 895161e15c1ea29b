"""A linear classifier on frozen features, with or without batch normalisation before it. Pure of videos and files."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import skip_init


@dataclass(frozen=True)
class Recipe:
    """How the classifier is trained.

    Attributes:
        batch_norm: normalise each feature over the batch before the linear layer.
        learning_rate: of SGD, at the start.
        momentum: of SGD.
        weight_decay: of SGD, on all parameters.
        epochs: passes over the training features.
        milestones: epochs after which the learning rate is divided by 10.
        batch_size: largest batch; batches of an epoch differ in size by one at most.
    """

    batch_norm: bool
    learning_rate: float
    momentum: float
    weight_decay: float
    epochs: int
    milestones: tuple[int, ...]
    batch_size: int


def fit_linear(
    features: NDArray[np.float32],
    targets: NDArray[np.int64],
    *,
    num_classes: int,
    recipe: Recipe,
    generator: torch.Generator,
) -> nn.Module:
    """Train a classifier by cross-entropy; the same generator state gives the same weights.

    Args:
        features: (n, D), n at least 2 with batch normalisation.
        targets: (n,) classes, 0 to num_classes - 1.
        num_classes: C.
        recipe: all settings.
        generator: of the first weights and of the order of batches.

    Returns:
        (m, D) -> (m, C) logits, in eval mode.
    """
    inputs, wanted = torch.from_numpy(np.ascontiguousarray(features)), torch.from_numpy(targets)
    head = _head(inputs.shape[1], num_classes, batch_norm=recipe.batch_norm, generator=generator)
    optimiser = torch.optim.SGD(
        head.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, list(recipe.milestones), gamma=0.1)
    head.train()
    for _ in range(recipe.epochs):
        for rows in _batches(len(inputs), batch_size=recipe.batch_size, generator=generator):
            loss = nn.functional.cross_entropy(head(inputs[rows]), wanted[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
    return head.eval()


@torch.inference_mode()
def probabilities(head: nn.Module, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (m, C) softmax for (m, D) features."""
    logits = head(torch.from_numpy(np.ascontiguousarray(features)))
    return np.asarray(torch.softmax(logits, dim=1).numpy(), dtype=np.float32)


def _head(size: int, num_classes: int, *, batch_norm: bool, generator: torch.Generator) -> nn.Sequential:
    linear = skip_init(nn.Linear, size, num_classes)  # its own first weights would come from torch's global generator
    nn.init.normal_(linear.weight, std=0.01, generator=generator)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(*([nn.BatchNorm1d(size)] if batch_norm else []), linear)


def _batches(count: int, *, batch_size: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Return the rows of an epoch in batches of nearly one size: a last batch of one could not be normalised."""
    return torch.randperm(count, generator=generator).tensor_split(-(-count // batch_size))
