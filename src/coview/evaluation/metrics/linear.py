"""Accuracy of a linear probe: a linear classifier on frozen features, with or without batch normalisation before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import skip_init

from coview.config import Fraction, NonNegativeFloat, Positive, PositiveFloat
from coview.evaluation.metrics.accuracy import accuracy_of_scores
from coview.evaluation.metrics.base import MetricValues, training_classes
from coview.evaluation.query_gallery import QueryGallerySplit


@dataclass(frozen=True)
class LinearRecipe:
    """How the classifier is trained. Nothing is chosen by its score: all of it is fixed beforehand."""

    head: Literal["batchnorm", "plain"] = "batchnorm"
    """batchnorm: unit feature, batch normalisation, linear layer; plain: without the normalisation."""
    learning_rate: PositiveFloat = 0.1
    """Of SGD at the start."""
    momentum: Fraction = 0.9
    """Of SGD."""
    weight_decay: NonNegativeFloat = 1e-3
    """Of SGD, on all parameters."""
    epochs: Positive = 100
    """Passes over the training features."""
    milestones: tuple[Positive, ...] = (60, 80)
    """Epochs after which the learning rate is divided by 10."""
    batch_size: Positive = 128
    """Features in the largest batch; batches of an epoch differ in size by one at most."""


def linear_accuracy(
    features: NDArray[np.float32],
    labels: Sequence[str],
    split: QueryGallerySplit,
    *,
    recipe: LinearRecipe | None = None,
    seed: int = 0,
) -> MetricValues:
    """Train a linear classifier on the gallery and test it on the queries.

    Args:
        features: (n, D) unit rows.
        labels: n class names.
        split: who teaches and who is tested.
        recipe: how it is trained; not given: as METHODS says.
        seed: of its first weights and the order of batches.

    Returns:
        "top-1", "top-5", "mean per class", with probabilities: ensembles of views are means of softmax.
    """
    classes, targets = training_classes(labels, split)
    head = fit_linear(
        features[list(split.gallery)],
        targets,
        num_classes=len(classes),
        recipe=recipe or LinearRecipe(),
        generator=torch.Generator().manual_seed(seed),
    )
    scores = predict_probabilities(head, features[list(split.queries)])
    return accuracy_of_scores(scores, [labels[row] for row in split.queries], classes, is_probability=True)


def fit_linear(
    features: NDArray[np.float32],
    targets: NDArray[np.int64],
    *,
    num_classes: int,
    recipe: LinearRecipe,
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
    head = _head(inputs.shape[1], num_classes, batch_norm=recipe.head == "batchnorm", generator=generator)
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
def predict_probabilities(head: nn.Module, features: NDArray[np.float32]) -> NDArray[np.float32]:
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
