"""RunHealth: the newest meters of each view, and what the log warned of."""

import dataclasses
from types import SimpleNamespace

import pytest

from coview.reports.facts import StageFacts, gather
from coview.reports.run_health import ViewHealth, conditions, health


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({}, "good", "Yes: features are spread out and every loss is below that of a guess."),
        ({"std": 0.01}, "bad", "No: rgb and flow have collapsed, all features are nearly alike."),
        ({"rank": 1.2}, "bad", "No: rgb and flow have collapsed, all features are nearly alike."),
        ({"steps": 49}, "note", "Too early to tell: rgb and flow have had 49 steps of training."),
        ({"steps": 49, "std": 0.01}, "bad", "No: rgb and flow have collapsed, all features are nearly alike."),
        ({"loss": 7.0}, "note", "Alive, but rgb and flow have not learnt anything yet."),
    ],
)
def test_healthy_collapsed_and_ignorant(run_folder, change, level, words):
    run_folder.train(**change)
    found = health(gather(run_folder.path))
    assert (found.level, found.headline) == (level, words)


def test_the_newest_stage_that_measured_a_view_counts():
    def stage(name, view, spread, part):
        meters = {view: {"std": spread, "effective_rank": 9.0}}
        step = {"step": 1, "health": meters, "parts": {part: 2.0, "sync": 1.0}, "chance_level": {part: 4.0}}
        return StageFacts(name, 1, [step, {"step": 2, "health": {}}], [])

    stages = [stage("rgb", "rgb", 0.1, "rgb/cpc"), stage("flow", "flow", 0.2, "cpc_flow")]
    stages.append(stage("cycle1-rgb", "rgb", 0.9, "rgb/swapped"))
    assert conditions(stages) == [
        ViewHealth("rgb", "cycle1-rgb", 0.9, 9.0, 2.0, 4.0, steps=4),
        ViewHealth("flow", "flow", 0.2, 9.0, 2.0, 4.0, steps=2),
    ]
    assert conditions(stages)[0].learnt_share == 0.5
    assert ViewHealth("rgb", "s", 0.9, 9.0).learnt_share is None


def test_warnings_of_the_log_are_repeated(run_folder):
    run_folder.log(
        {"event": "start"},
        *({"event": "warning", "stage": "rgb", "step": n, "text": "collapsed: all the same"} for n in range(50, 54)),
        {"event": "non-finite", "stage": "rgb", "step": 60, "parts": ["cpc_rgb"]},
    )
    facts = gather(run_folder.path)
    found = health(facts)
    assert found.level == "bad"
    assert found.warnings[0] == "stage rgb, step 50: collapsed: all the same"
    assert (len(found.warnings), found.num_more_warnings) == (3, 2)
    assert facts.warnings[-1] == "stage rgb, step 60: the loss was not finite (cpc_rgb)"


def test_time_adds_up_over_calls_and_leaves_out_the_pause(run_folder):
    run_folder.log(
        {"event": "start", "time": "2026-01-01T00:00:00+00:00"},
        {"event": "stopped", "time": "2026-01-01T00:10:00+00:00"},
        {"event": "resume", "time": "2026-01-02T00:00:00+00:00"},
        {"event": "warning", "stage": "rgb", "step": 5, "text": "x", "time": "2026-01-02T00:05:00+00:00"},
    )
    facts = gather(run_folder.path)
    assert facts.elapsed_seconds == 15 * 60
    assert not facts.is_complete


def test_what_the_analysis_of_health_found_stands_beside(run_folder):
    run_folder.train()
    facts = gather(run_folder.path)
    assert health(facts).looked == ()
    result = SimpleNamespace(
        analysis="health", is_on_own_data=True, findings=SimpleNamespace(sentences=("a.", "b.", "c."))
    )
    other = SimpleNamespace(analysis="map", is_on_own_data=True, findings=SimpleNamespace(sentences=("x.",)))
    assert health(dataclasses.replace(facts, analyses=[other, result])).looked == ("a.", "b.")
