"""What to try next follows from what is there."""

import dataclasses

import pytest

from coview.evaluation.results.result import ScoreRow
from coview.reports.advice import still_falls
from coview.reports.facts import StageFacts, gather
from coview.reports.overview import overview


def seen(run_folder, **given):
    return overview(gather(run_folder.path), **{"run": "R", "data": "D", **given})


def texts(run_folder, **given):
    first = seen(run_folder, **given)
    return [step.text for step in [*first.next_steps, *first.more_steps]]


def has(found, beginning):
    return any(text.startswith(beginning) for text in found)


def row(kind, name, value, error=0.01):
    return ScoreRow(kind, name, {"R@1": value}, {"R@1": error})


def scored(run_folder, **values):
    """An evaluation in which random weights reach 30%, the pixels 20%, chance 10%."""
    rows = [row("trained", name.replace("_", " "), value) for name, value in values.items()]
    rows += [row("random", one.name, 0.3) for one in rows]
    run_folder.evaluate(rows=(*rows, row("pixels", "mean frame", 0.2), row("chance", "chance", 0.1, 0.0)))


def test_collapsed_lower_the_learning_rate(run_folder):
    run_folder.train(std=0.01)
    (text,) = [text for text in texts(run_folder) if "collapsed" in text]
    assert text.startswith(
        "rgb and flow collapsed: lower the learning rate (it was 0.001; try --optimiser.learning-rate 0.0003) and"
    )


def test_unfinished_go_on(run_folder):
    run_folder.train(end="stopped")
    step = seen(run_folder).next_steps[0]
    assert step.text == "Training has not come to its end: go on."
    assert step.command.startswith("coview pretrain ")
    assert step.command.endswith("--resume")


def test_not_evaluated_then_evaluated_then_trained_on(run_folder):
    run_folder.train()
    assert has(texts(run_folder), "Not evaluated yet")
    run_folder.evaluate()
    assert not has(texts(run_folder), "Not evaluated yet")
    assert has(texts(run_folder), "See what it learnt")
    run_folder.train(steps=80)
    assert has(texts(run_folder), "Training went on after the newest evaluation")


def test_a_view_that_beats_another_can_teach_it(run_folder):
    run_folder.train()
    scored(run_folder, rgb=0.5, flow=0.8)
    assert has(texts(run_folder), "flow beats rgb (80%): let it teach them")
    run_folder.train(stages=("rgb", "flow", "together"))
    assert has(texts(run_folder), "flow beats rgb (80%), though the views learnt together")
    scored(run_folder, rgb=0.79, flow=0.8)
    assert not has(texts(run_folder), "flow beats rgb")


def test_views_that_training_has_not_helped(run_folder):
    run_folder.train()
    scored(run_folder, rgb=0.3, flow=0.8)
    first = seen(run_folder)
    (step,) = [step for step in first.next_steps if "random weights" in step.text]
    assert step.text.startswith("rgb: not clearly better than random weights. Train longer, or leave it out")
    assert step.command == "coview evaluate R --data D --retrieval.weights.rgb 0"
    scored(run_folder, rgb=0.3, flow=0.3)
    assert has(texts(run_folder), "No view is clearly better than its random weights (retrieval)")
    scored(run_folder, rgb=0.8, flow=0.8)
    assert not any("random weights" in text for text in texts(run_folder))


def test_a_pixel_baseline_that_is_as_good(run_folder):
    run_folder.train()
    run_folder.evaluate(trained=0.6, pixels=0.59)
    assert has(texts(run_folder), "The baseline 'colour histogram', without any network, is as good (59%; rgb 60%)")
    run_folder.evaluate(trained=0.6, pixels=0.3)
    assert not has(texts(run_folder), "The baseline")


def test_an_ensemble_that_beats_its_views(run_folder):
    run_folder.train()
    scored(run_folder, rgb=0.5, flow=0.5, mean_of_views=0.7)
    assert has(texts(run_folder), "The views know different things: mean of views beats each of them alone")
    scored(run_folder, rgb=0.5, flow=0.7, mean_of_views=0.7)
    assert not has(texts(run_folder), "The views know")


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([10 - 0.1 * n for n in range(50)], True),
        ([5.0 + (0.5 if n % 2 else -0.5) for n in range(50)], False),
        ([5.0] * 50, False),
        ([10 - 0.1 * n for n in range(9)], False),
        ([10.0, float("nan"), *(9 - 0.1 * n for n in range(20))], True),
    ],
    ids=["falls", "noise", "settled", "too few lines", "a gap"],
)
def test_a_loss_that_still_falls(losses, expected):
    steps = [{"step": n, "loss": loss} for n, loss in enumerate(losses)]
    assert still_falls(StageFacts("rgb", None, steps, [])) is expected


def test_still_falling_train_longer(run_folder):
    run_folder.train()  # the made-up loss is 5 + 1/step
    assert not has(texts(run_folder), "The loss was still falling")
    run_folder.train(loss=0.1)
    assert has(texts(run_folder), "The loss was still falling at the end of stages rgb and flow: train longer (")


def test_a_validation_loss_that_rises_again(run_folder):
    run_folder.train()
    facts = gather(run_folder.path)
    judged = [{"step": n, "validation_loss": loss} for n, loss in ((5, 3.0), (10, 2.0), (15, 2.5))]
    stages = [dataclasses.replace(stage, epochs=judged) for stage in facts.stages]
    steps = overview(dataclasses.replace(facts, stages=stages), run="R", data="D")
    found = [step.text for step in [*steps.next_steps, *steps.more_steps]]
    assert has(found, "The validation loss of stage rgb was lowest at step 10 and has risen since")


def test_a_loader_that_is_the_limit(run_folder):
    run_folder.train()
    assert not has(texts(run_folder), "Training waited")
    log = run_folder.path / "log.jsonl"
    log.write_text(log.read_text().replace('"data_wait_share": 0.1', '"data_wait_share": 0.6'))
    assert has(texts(run_folder), "Training waited for data 60% of its time")
