import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from coview.datatypes import unit
from coview.losses.dense_prediction import DensePredictionLoss, dense_prediction, dense_prediction_loss, num_candidates
from two_processes import half, run_in_processes


def maps(seed: int, *shape: int) -> Tensor:
    return unit(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)))


def by_loops(predicted: Tensor, target: Tensor, temperature: float) -> float:
    """CoCon, eq. 1, as it is written, and the mean over its terms."""
    places = [
        (video, block, row, column)
        for video in range(predicted.shape[0])
        for block in range(predicted.shape[1])
        for row in range(predicted.shape[2])
        for column in range(predicted.shape[3])
    ]
    terms = []
    for place in places:
        scores = [math.exp(float(predicted[place].double() @ target[other].double()) / temperature) for other in places]
        terms.append(-math.log(scores[places.index(place)] / sum(scores)))
    return sum(terms) / len(terms)


def test_two_cells_by_hand() -> None:
    target = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).reshape(1, 2, 1, 1, 2)
    predicted = torch.tensor([[1.0, 0.0], [0.6, 0.8]]).reshape(1, 2, 1, 1, 2)
    # scores at temperature 0.2: (5, 0), right one first; (3, 4), right one last
    expected = (math.log(1 + math.exp(-5)) + math.log(1 + math.exp(-1))) / 2
    found = dense_prediction(predicted, target, temperature=0.2)
    assert found.loss.item() == pytest.approx(expected, rel=1e-6)
    assert found.accuracy.item() == 1.0
    assert dense_prediction(predicted.flip(1), target, temperature=0.2).accuracy.item() == 0.0


def test_equals_plain_loops() -> None:
    predicted, target = maps(1, 2, 3, 2, 2, 5), maps(2, 2, 3, 2, 2, 5)
    found = dense_prediction_loss(predicted, target, temperature=0.1)
    assert found.item() == pytest.approx(by_loops(predicted, target, 0.1), rel=1e-5)


def test_equal_features_say_nothing() -> None:
    same = maps(1, 1, 1, 1, 1, 5).expand(2, 3, 2, 2, 5)
    found = dense_prediction(same, same, temperature=0.005)
    assert found.num_candidates == num_candidates(same) == 24
    assert found.loss.item() == pytest.approx(math.log(24), rel=1e-6)
    assert found.chance_level == pytest.approx(math.log(24))


def test_perfect_and_opposite_predictions() -> None:
    target = torch.eye(8).reshape(2, 4, 1, 1, 8)
    assert dense_prediction_loss(target, target, temperature=0.005).item() == pytest.approx(0.0, abs=1e-6)
    # the right score is -200, the seven others 0: a loss of 200 + ln 7, finite
    worst = dense_prediction_loss(-target, target, temperature=0.005).item()
    assert worst == pytest.approx(200 + math.log(7), rel=1e-6)


def test_one_cell_of_one_video_is_certain() -> None:
    assert dense_prediction_loss(maps(1, 1, 1, 1, 1, 4), maps(2, 1, 1, 1, 1, 4), temperature=0.1).item() == 0.0


def test_gradient_is_right_for_predictions_and_targets() -> None:
    predicted, target = maps(1, 1, 2, 1, 2, 3).requires_grad_(), maps(2, 1, 2, 1, 2, 3).requires_grad_()
    dense_prediction_loss(predicted, target, temperature=0.5).backward()
    for tensor in (predicted, target):
        assert tensor.grad is not None
        numeric = torch.zeros_like(tensor)
        for place in range(tensor.numel()):
            values = []
            for step in (1e-2, -1e-2):
                moved = tensor.detach().clone()
                moved.view(-1)[place] += step
                pair = (moved, target.detach()) if tensor is predicted else (predicted.detach(), moved)
                values.append(by_loops(*pair, 0.5))
            numeric.view(-1)[place] = (values[0] - values[1]) / 2e-2
        torch.testing.assert_close(tensor.grad, numeric, atol=1e-3, rtol=1e-3)


def test_a_bound_on_memory_changes_nothing() -> None:
    predicted, target = maps(1, 2, 3, 2, 2, 5).requires_grad_(), maps(2, 2, 3, 2, 2, 5).requires_grad_()
    whole = dense_prediction(predicted, target, temperature=0.1)
    gradients = torch.autograd.grad(whole.loss, (predicted, target))
    some = dense_prediction(predicted, target, temperature=0.1, logits_at_once=24 * 5)  # 5 rows, the last group 4
    torch.testing.assert_close(some.loss, whole.loss)
    assert some.accuracy == whole.accuracy
    for found, wanted in zip(torch.autograd.grad(some.loss, (predicted, target)), gradients, strict=True):
        torch.testing.assert_close(found, wanted)


def test_half_precision_input_is_scored_in_float32() -> None:
    predicted, target = maps(1, 2, 3, 2, 2, 64).bfloat16(), maps(2, 2, 3, 2, 2, 64).bfloat16()
    plain = dense_prediction_loss(predicted.float(), target.float(), temperature=0.005)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = dense_prediction_loss(predicted, target, temperature=0.005)
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, plain)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="target has shape"):
        dense_prediction_loss(maps(1, 2, 3, 2, 2, 5), maps(1, 2, 2, 2, 2, 5), temperature=0.1)


def step(predicted: Tensor, target: Tensor) -> dict[str, Tensor]:
    predicted, target = predicted.clone().requires_grad_(), target.clone().requires_grad_()
    found = dense_prediction(predicted, target, temperature=0.1, logits_at_once=40)
    found.loss.backward()
    assert predicted.grad is not None
    assert target.grad is not None
    return {
        "loss": found.loss.detach(),
        "accuracy": found.accuracy,
        "candidates": torch.tensor(found.num_candidates),
        "predicted": predicted.grad,
        "target": target.grad,
    }


def step_half(rank: int, predicted: Tensor, target: Tensor) -> dict[str, Tensor]:
    return step(half(rank, predicted), half(rank, target))


@pytest.mark.xdist_group("processes")
def test_two_processes_are_one(tmp_path: Path) -> None:
    predicted, target = maps(1, 4, 2, 2, 2, 5), maps(2, 4, 2, 2, 2, 5)
    whole = step(predicted, target)
    first, second = run_in_processes(step_half, predicted, target, folder=tmp_path)
    for name in ("loss", "accuracy"):
        torch.testing.assert_close((first[name] + second[name]) / 2, whole[name])
    assert first["candidates"] == second["candidates"] == whole["candidates"] == 32
    for name in ("predicted", "target"):  # gradients are averaged over processes
        torch.testing.assert_close(torch.cat([first[name], second[name]]) / 2, whole[name])


def test_the_module_is_the_function() -> None:
    predicted, target = maps(1, 2, 3, 2, 2, 5), maps(2, 2, 3, 2, 2, 5)
    found = DensePredictionLoss(temperature=0.1)(predicted, target)
    assert found == dense_prediction_loss(predicted, target, temperature=0.1)
