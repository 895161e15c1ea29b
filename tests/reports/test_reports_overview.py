"""The first screen says what the numbers say."""

import dataclasses
import shlex
from pathlib import Path

import pytest

from coview.analysis.base import Findings
from coview.analysis.context import OWN
from coview.evaluation.results.result import ScoreRow, write_result
from coview.reports import say_quality, write_report
from coview.reports.facts import gather
from coview.reports.overview import overview
from coview.reports.words import count_sources, interval_text, judge


def seen(run_folder, **given):
    return overview(gather(run_folder.path), **{"run": "runs/mine", "data": "data/mine", **given})


def test_what_was_trained(run_folder):
    run_folder.train()
    trained = seen(run_folder).trained
    assert (trained.level, trained.headline) == ("good", "cpc on flow and rgb")
    assert trained.numbers == [("5", "videos, without labels"), ("120", "steps"), ("27 s", "of training")]
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
        "On data, split split1, the nearest video shows the same class: 60% by rgb, the best of 3 views and ensembles; "
        "random weights 30% (clearly better, +30 ± 4 points); pixels (colour histogram) 20% (clearly better, "
        "+40 ± 4 points); chance 10% (clearly better, +50 ± 3 points)."
    )


def test_every_view_stands_beside_its_own_random_weights_and_the_best_pixels(run_folder):
    run_folder.train()
    result = run_folder.evaluate(trained=0.6, random=0.3, pixels=0.2)
    views = seen(run_folder).quality.views
    own = [row for row in result.rows if row.kind == "trained"]
    assert [one.own for one in views] == own
    for one in views:
        assert (one.random.kind, one.random.name) == ("random", one.own.name)
        assert one.pixels.kind == "pixels"
        verdicts = [
            judge(one.own, other, metric="R@1", sources=count_sources(result.counts))
            for other in (one.random, one.pixels)
        ]
        assert (one.level == "good") == (verdicts == ["better", "better"])
    page = write_report(run_folder.path).read_text(encoding="utf-8")
    row = own[0]
    error = row.standard_errors["R@1"]
    assert interval_text(row, "R@1") == f"{100 * (0.6 - 2 * error):.0f} to {100 * (0.6 + 2 * error):.0f}%"
    assert interval_text(row, "R@1") in page


def test_comparisons_left_in_the_run_are_told(run_folder):
    run_folder.train()
    run_folder.evaluate(trained=0.6, random=0.3, pixels=0.2)
    assert seen(run_folder).quality.beside_other_runs == []
    folder = run_folder.path / "comparisons"
    folder.mkdir()
    (folder / "alone.json").write_text('{"sentences": ["rgb: together gains 9 points over alone"]}')
    (folder / "half.json").write_text('{"sentences": ')
    assert seen(run_folder).quality.beside_other_runs == ["rgb: together gains 9 points over alone"]
    assert "together gains 9 points over alone" in write_report(run_folder.path).read_text(encoding="utf-8")
    headline = seen(run_folder).quality.headline
    assert say_quality(run_folder.path) == f"{headline} rgb: together gains 9 points over alone"


def test_views_that_beat_their_own_rivals_are_named_where_the_best_one_does_not(run_folder):
    run_folder.train()
    scores = {"trained": (0.5, 0.6, 0.55), "random": (0.2, 0.58, 0.3), "pixels": (0.15,)}
    names = ("rgb", "flow", "mean of views")
    rows = [
        ScoreRow(kind, name, {"R@1": value}, {"R@1": 0.03}, "made up")
        for kind, values in scores.items()
        for name, value in zip(names, values, strict=False)
    ]
    run_folder.evaluate(rows=tuple(rows))
    expected = "Clearly better than the same with random weights and than pixels: rgb and mean of views; flow not."
    assert seen(run_folder).quality.headline == expected


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
    assert quality.text.startswith("On data, split split1, the nearest video shows the same class: 60%")
    assert [one.result.protocol for one in quality.rows] == ["retrieval", "few-labels"]


@pytest.mark.parametrize("scored", [1, 3])
def test_scores_of_a_few_videos_are_never_clearly_better(run_folder, scored):
    run_folder.train()
    run_folder.evaluate(trained=1.0, counts={"queries_scored": scored, "query_groups": scored})
    first = seen(run_folder)
    assert first.quality.level == "note"
    assert first.quality.headline == f"Too few videos to tell: {scored} {'was' if scored == 1 else 'were'} scored."
    assert "clearly" not in first.quality.text
    assert not any("clearly" in step.text for step in (*first.next_steps, *first.more_steps))


def test_many_videos_of_few_recordings_are_few(run_folder):
    run_folder.train()
    run_folder.evaluate(trained=1.0, counts={"query_groups": 4})
    assert seen(run_folder).quality.headline == "Too few videos to tell: 150 were scored, of 4 recordings."


def test_a_score_without_standard_error_is_not_called_sure(run_folder):
    run_folder.train()
    rows = [ScoreRow(kind, "rgb", {"R@1": value}) for kind, value in (("trained", 0.8), ("random", 0.82))]
    run_folder.evaluate(rows=rows)
    quality = seen(run_folder).quality
    assert quality.headline == "Measured; how sure the numbers are is not known."
    assert "(how sure is not known, -2 points)" in quality.text
    assert "±" not in quality.text


def test_a_result_of_other_data_never_becomes_the_headline(run_folder):
    run_folder.train()
    made = run_folder.evaluate(trained=0.2, random=0.3, pixels=0.2)
    rows = tuple(dataclasses.replace(row, metrics=dict.fromkeys(row.metrics, 0.9)) for row in made.rows[:1])
    path = str(run_folder.path / "evaluation" / "retrieval-other.json")
    later = {"created_at": "2027-01-01T00:00:00+00:00", "path": path}
    data = {"name": "other", "is_of_run": False, "views": {}, "storage": {}}
    write_result(dataclasses.replace(made, rows=rows, data=data, **later))
    quality = seen(run_folder).quality
    assert "90%" not in quality.text
    assert quality.text.startswith("On data, ")
    Path(made.path).unlink()
    alone = seen(run_folder).quality
    assert (alone.headline, alone.rows) == ("Not measured on its own videos.", ())
    assert "other" in alone.text


def test_without_labels_it_asks_what_was_learnt_and_the_next_steps_need_none(run_folder):
    run_folder.train()
    first = seen(run_folder, num_labelled=0)
    assert first.quality.question == "What did it learn?"
    assert first.quality.headline == "Not looked at yet."
    commands = [step.command for step in (*first.next_steps, *first.more_steps) if step.command]
    assert commands == ["coview analyse runs/mine --data data/mine"]


def test_without_labels_the_analysis_of_health_says_what_was_learnt(run_folder):
    run_folder.train()
    shares = {"rgb": (0.05, 0.0, 0.0), "flow": (0.5, 0.2, 0.4)}
    readings = [
        {"whose": OWN, "view": view, "shares": dict(zip(("still", "shuffled", "reversed"), values, strict=True))}
        for view, values in shares.items()
    ]
    sentences = ("rgb a.", "flow b.", "rgb finds a video again by its other end for 90% of 24 (chance 4%).")
    made = run_folder.evaluate()
    run_folder.analyse(made, Findings(sentences, (), {"changed_clips": readings}, ()), analysis="health")
    Path(made.path).unlink()
    quality = seen(run_folder, num_labelled=0).quality
    assert quality.headline == "rgb: looks at pictures, hardly at motion; flow: sees motion and its order."
    assert quality.points == ("rgb finds a video again by its other end for 90% of 24 (chance 4%).",)
    assert quality.level == "note"
    commands = [step.command for step in seen(run_folder, num_labelled=0).next_steps if step.command]
    assert commands == ["coview index runs/mine data/mine idx", "coview evaluate runs/mine --data LABELLED"]


def test_few_steps_lead_to_a_longer_training_by_a_whole_command(run_folder):
    run_folder.train(steps=8)
    first = seen(run_folder, num_labelled=0)
    assert first.health.headline == "Too early to tell: rgb and flow have had 8 steps of training."
    step = first.next_steps[0]
    assert step.text.startswith("8 steps of training are too few to learn from")
    assert step.command.startswith(
        "coview pretrain runs/mine/config.yaml --data data/mine --out runs/mine-longer --method."
    )


def test_commands_survive_names_with_blanks(run_folder):
    run_folder.train(steps=8, stages=("rgb",), end="stopped")
    command = seen(run_folder, run="'my <run>'", data="'my data'").next_steps[0].command
    assert shlex.split(command)[2:] == ["my <run>/config.yaml", "--data", "my data", "--out", "my <run>", "--resume"]
