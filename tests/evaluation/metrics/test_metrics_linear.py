"""The linear classifier: perfect where classes are apart, at chance where there is nothing to learn, repeatable."""

import numpy as np
import pytest
import torch

from coview.evaluation.metrics.accuracy import accuracy_of_scores
from coview.evaluation.metrics.linear import LinearRecipe, _batches, fit_linear, predict_probabilities


def fit(features, targets, *, classes, seed=0, **settings):
    recipe = LinearRecipe(**settings)
    generator = torch.Generator().manual_seed(seed)
    return fit_linear(features, targets, num_classes=classes, recipe=recipe, generator=generator)


def unit_rows(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def toy(count, *, spread, seed=0, classes=4, size=16):
    """Points around one direction for each class."""
    generator = np.random.default_rng(seed)
    targets = np.arange(count) % classes
    return unit_rows(np.eye(size)[targets] + spread * generator.normal(size=(count, size))), targets


@pytest.mark.parametrize("head", ["batchnorm", "plain"])
def test_separable_classes_are_told_apart_perfectly(head):
    features, targets = toy(120, spread=0.05)
    unseen, wanted = toy(60, spread=0.05, seed=1)
    model = fit(features, targets, classes=4, head=head)
    found = accuracy_of_scores(predict_probabilities(model, unseen), [str(t) for t in wanted], list("0123"))
    assert found.scores["top-1"] == 1


def test_chance_data_is_at_chance():
    generator = np.random.default_rng(0)
    features = unit_rows(generator.normal(size=(200, 16)))
    unseen = unit_rows(generator.normal(size=(600, 16)))
    targets, wanted = generator.integers(0, 4, 200), generator.integers(0, 4, 600)
    model = fit(features, targets, classes=4, epochs=30, milestones=(20,))
    found = accuracy_of_scores(predict_probabilities(model, unseen), [str(t) for t in wanted], list("0123"))
    assert found.scores["top-1"] == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 600))


def test_the_plain_head_does_what_logistic_regression_does():
    """One batch an epoch and no decay: gradient descent on the convex loss, against the same in numpy."""
    features, targets = toy(24, spread=0.5, classes=3, size=4)
    settings = {"head": "plain", "momentum": 0.0, "weight_decay": 0.01, "epochs": 12, "milestones": (8,)}
    model = fit(features, targets, classes=3, **settings)
    generator = torch.Generator().manual_seed(0)
    weight = torch.empty(3, 4).normal_(std=0.01, generator=generator).double().numpy()
    bias, wanted, rate = np.zeros(3), np.eye(3)[targets], 0.1
    for epoch in range(12):
        logits = features @ weight.T + bias
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        error = (shares - wanted) / len(features)
        step = 0.1 * rate if epoch >= 8 else rate
        weight, bias = weight - step * (error.T @ features + 0.01 * weight), bias - step * (error.sum(0) + 0.01 * bias)
    np.testing.assert_allclose(model[0].weight.detach(), weight, atol=1e-5)
    np.testing.assert_allclose(model[0].bias.detach(), bias, atol=1e-5)


def test_the_same_seed_gives_the_same_classifier_and_leaves_the_global_generator_alone():
    features, targets = toy(30, spread=0.5)
    before = torch.random.get_rng_state()
    first, again, other = (fit(features, targets, classes=4, seed=seed, epochs=3) for seed in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(predict_probabilities(first, features), predict_probabilities(again, features))
    assert not np.array_equal(predict_probabilities(first, features), predict_probabilities(other, features))


def test_what_is_tested_does_not_depend_on_who_is_tested_with_it():
    """Batch statistics of test videos would leak: the classifier uses those of training."""
    features, targets = toy(30, spread=0.5)
    model = fit(features, targets, classes=4, epochs=3)
    np.testing.assert_allclose(
        predict_probabilities(model, features)[:1], predict_probabilities(model, features[:1]), rtol=1e-5
    )


@pytest.mark.parametrize(("count", "size"), [(129, 128), (7, 3), (5, 8), (256, 128)])
def test_every_video_is_in_one_batch_and_no_batch_is_a_single_one(count, size):
    batches = _batches(count, batch_size=size, generator=torch.Generator().manual_seed(0))
    assert sorted(row for batch in batches for row in batch.tolist()) == list(range(count))
    assert all(2 <= len(batch) <= size for batch in batches)
