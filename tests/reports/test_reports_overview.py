"""The first screen says what the numbers say."""

import dataclasses

import pytest

from coview.evaluation.results.result import write_result
from coview.reports.facts import gather
from coview.reports.overview import overview


def seen(run_folder, **given):
    return overview(gather(run_folder.path), **given)


def test_what_was_trained(run_folder):
    run_folder.train()
    trained = seen(run_folder).trained
    assert (trained.level, trained.headline) == ("good", "cpc on flow and rgb")
    assert trained.numbers == [("5", "videos, without labels"), ("40", "steps"), ("51 s", "of training")]
    run_folder.train(steps=7, stages=("rgb",), end="stopped")
    trained = seen(run_folder).trained
    assert trained.level == "note"
    assert trained.text.startswith("Not finished: it stands in stage rgb at step 7 of 7.")


def test_before_the_first_step(run_folder):
    first = seen(run_folder)
    assert first.trained.text == "Training has not logged a step yet."
    assert first.health.headline == "Not known yet: the log holds no measurement."
    assert first.quality.headline == "Not measured yet."


def test_better_than_everything_is_good_news(run_folder):
    run_folder.train()
    run_folder.evaluate(trained=0.6, random=0.3, pixels=0.2)
    quality = seen(run_folder).quality
    assert quality.level == "good"
    assert quality.headline == "Clearly better than random weights, pixels (colour histogram) and chance."
    assert quality.text == (
        "The nearest video shows the same class: 60% by rgb, the best of 3 views and ensembles; random weights 30% "
        "(clearly better, +30 ± 4 points); pixels (colour histogram) 20% (clearly better, +40 ± 4 points); chance 10% "
        "(clearly better, +50 ± 3 points)."
    )


@pytest.mark.parametrize(
    ("trained", "random", "level", "headline"),
    [
        (0.6, 0.3, "note", "Clearly better than random weights and chance, but not than pixels (colour histogram)."),
        (0.1, 0.4, "bad", "Not clearly better than random weights, pixels (colour histogram) or chance."),
    ],
)
def test_what_it_does_not_beat_is_named(run_folder, trained, random, level, headline):
    run_folder.train()
    run_folder.evaluate(trained=trained, random=random, pixels=0.59)
    quality = seen(run_folder).quality
    assert (quality.level, quality.headline) == (level, headline)


def test_an_ensemble_with_other_runs_is_no_score_of_this_one(run_folder):
    run_folder.train()
    made = run_folder.evaluate(trained=0.2, random=0.3, pixels=0.2)
    rows = tuple(dataclasses.replace(row, metrics=dict.fromkeys(row.metrics, 0.9)) for row in made.rows[:1])
    settings = {**made.settings, "members": [{"name": "a:rgb"}]}
    path = str(run_folder.path / "evaluation" / "retrieval-split1-ensemble.json")
    later = "2027-01-01T00:00:00+00:00"
    write_result(
        dataclasses.replace(made, rows=rows, settings=settings, variant="ensemble", created_at=later, path=path)
    )
    assert "90%" not in seen(run_folder).quality.text
    assert "20%" in seen(run_folder).quality.text


def test_a_score_by_few_labels_speaks_last(run_folder):
    run_folder.train()
    made = run_folder.evaluate(trained=0.6, random=0.3, pixels=0.2)
    rows = tuple(dataclasses.replace(row, metrics={"top-1 at 1 label": row.metrics["R@1"] / 2}) for row in made.rows)
    path = str(run_folder.path / "evaluation" / "few-labels-split1.json")
    later = "2027-01-01T00:00:00+00:00"
    write_result(dataclasses.replace(made, rows=rows, protocol="few-labels", created_at=later, path=path))
    quality = seen(run_folder).quality
    assert quality.text.startswith("The nearest video shows the same class: 60%")
    assert [one.result.protocol for one in quality.rows] == ["retrieval", "few-labels"]


def test_without_labels_there_is_no_score_and_it_says_so(run_folder):
    run_folder.train()
    first = seen(run_folder, num_labelled=0)
    assert first.quality.headline == "Not measured: no labels."
    assert not any("coview evaluate" in step.command for step in first.next_steps)
    assert any("coview analyse" in step.command for step in first.next_steps)


def test_the_folder_of_the_data_at_hand_stands_in_the_commands(run_folder):
    run_folder.train()
    assert seen(run_folder, data="elsewhere").next_steps[0].command.endswith("--data elsewhere")
    assert seen(run_folder).next_steps[0].command.endswith("/gone")
