"""The first screen of a report: what was trained on what, is it healthy, how good is it, what to try next.

Without labels nobody can say how good a run is; the question is then what it learnt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coview.evaluation.results.result import ScoreRow
from coview.reports.advice import Advice, RunReading, advice
from coview.reports.facts import RunFacts, gather
from coview.reports.headline_scores import HeadlineScores, ViewScore, standings, view_scores
from coview.reports.learnt import what_it_learnt
from coview.reports.run_health import RunHealth, health
from coview.reports.words import LEAST_SOURCES, Level, and_list, compare, duration, score_text

MOST_ADVICE = 4


@dataclass(frozen=True)
class Trained:
    """The answer to "what was trained on what?".

    Attributes:
        level: good when it has come to its end.
        headline: method and views.
        numbers: a few (value, what it counts).
        text: what else there is to say.
    """

    level: Level
    headline: str
    numbers: Sequence[tuple[str, str]]
    text: str


@dataclass(frozen=True)
class Quality:
    """The answer to "how good is it?", or to "what did it learn?".

    Attributes:
        question: which of them.
        level: of the newest evaluation.
        headline: in a few words.
        text: the newest evaluation in a sentence, or why there is none.
        rows: one for each evaluated protocol.
        points: what else was seen, in a sentence each.
        views: of the newest evaluation every view and ensemble of the run, where there are several.
        beside_other_runs: what `coview compare` found and left in the run's folder, in sentences.
    """

    level: Level
    headline: str
    text: str
    rows: Sequence[HeadlineScores] = ()
    points: Sequence[str] = ()
    question: str = "How good is it?"
    views: Sequence[ViewScore] = ()
    beside_other_runs: Sequence[str] = ()


@dataclass(frozen=True)
class Overview:
    """The four answers.

    Attributes:
        trained: what was trained on what.
        health: is it healthy.
        quality: how good is it.
        next_steps: the most pressing things to do.
        more_steps: the others.
    """

    trained: Trained
    health: RunHealth
    quality: Quality
    next_steps: Sequence[Advice]
    more_steps: Sequence[Advice] = ()


def overview(facts: RunFacts, *, run: str, data: str, num_labelled: int | None = None) -> Overview:
    """Answer the four questions from a run's folder.

    Args:
        facts: what it holds.
        run: the folder as it stands in commands.
        data: folder of the prepared data set, for commands.
        num_labelled: videos with a label, None where that is not known.
    """
    judged, scored = health(facts), standings(facts)
    seen = RunReading(facts, judged, scored, run, data, num_labelled)
    steps = advice(seen)
    return Overview(
        trained=trained(facts),
        health=judged,
        quality=quality(facts, scored, num_labelled=num_labelled),
        next_steps=steps[:MOST_ADVICE],
        more_steps=steps[MOST_ADVICE:],
    )


def say_quality(run: Path) -> str:
    """Return how good a run is: which views beat random weights and pixels, and what comparisons with others found."""
    facts = gather(run)
    found = quality(facts, standings(facts), num_labelled=None)
    return " ".join([found.headline, *found.beside_other_runs])


def trained(facts: RunFacts) -> Trained:
    """Say which method learnt from what, how far it came and how long that took."""
    config, data = facts.config, facts.resolved["data"]
    headline = f"{config['method']['name']} on {and_list(list(config['views']))}"
    labels = "with labels" if "classes" in config["method"] else "without labels"
    numbers = [(f"{data['num_train']:,}", f"videos, {labels}")] if "num_train" in data else []
    if not any(stage.steps for stage in facts.stages):
        return Trained("note", headline, numbers, "Training has not logged a step yet.")
    steps = sum(stage.last_step for stage in facts.stages)
    numbers += [(f"{steps:,}", "steps"), (duration(facts.elapsed_seconds), "of training")]
    beside = f"Encoder {config['encoder']['name']}, one a view; preset {config['preset']}, seed {config['seed']}."
    if facts.is_complete:
        return Trained("good", headline, numbers, beside)
    last = facts.stages[-1]
    total = f" of {last.num_steps:,}" if last.num_steps else ""
    unfinished = f"Not finished: it stands in stage {last.name} at step {last.last_step:,}{total}."
    return Trained("note", headline, numbers, f"{unfinished} {beside}")


def quality(facts: RunFacts, scored: Sequence[HeadlineScores], *, num_labelled: int | None) -> Quality:
    """Say how good the run is by its newest evaluation, or why that is not known."""
    if not scored and num_labelled == 0:
        level, headline, text, points = what_it_learnt(facts)
        return Quality(level, headline, text, points=points, question="What did it learn?")
    if not scored:
        elsewhere = list(dict.fromkeys(result.data_name for result in facts.results if not result.is_on_own_data))
        if elsewhere:
            text = f"Scores on other videos than it learnt from stand below: {and_list(elsewhere)}."
            return Quality("note", "Not measured on its own videos.", text)
        if facts.results:
            return Quality("note", "Not measured.", "The newest evaluation holds no score of this run.")
        return Quality("note", "Not measured yet.", "No evaluation yet. It needs labelled videos.")
    newest = scored[0]
    verdicts = {name: newest.against(row) for name, row in _others(newest)}
    better = [name for name, verdict in verdicts.items() if verdict == "better"]
    rest = [name for name, verdict in verdicts.items() if verdict != "better"]
    views = view_scores(newest) if newest.num_rows > 1 else ()
    good, others = ([view.own.name for view in views if (view.level == "good") == wanted] for wanted in (True, False))
    if not verdicts:
        headline = "Measured, but beside nothing."
    elif newest.sources < LEAST_SOURCES:
        scored_videos, sources = newest.result.counts["queries_scored"], newest.sources
        headline = f"Too few videos to tell: {scored_videos} {'was' if scored_videos == 1 else 'were'} scored"
        headline += f", of {sources} recordings." if sources < scored_videos else "."
    elif all(verdict == "unknown" for verdict in verdicts.values()):
        headline = "Measured; how sure the numbers are is not known."
    elif rest and good:  # the best row has a strong rival, and others do not
        headline = f"Clearly better than the same with random weights and than pixels: {and_list(good)}"
        headline += f"; {and_list(others)} not." if others else "."
    elif not better:
        headline = f"Not clearly better than {_or_list(rest)}."
    else:
        headline = f"Clearly better than {and_list(better)}"
        headline += f", but not than {_or_list(rest)}." if rest else "."
    best, metric = newest.best, newest.metric
    text = f"on {newest.result.data_name}, {newest.result.place}, {newest.saying}: {score_text(best, metric)}"
    text += f" by {best.name}"
    if newest.num_rows > 1:
        text += f", the best of {newest.num_rows} views and ensembles"
    for name, row in _others(newest):
        text += f"; {name} {score_text(row, metric)} ({compare(best, row, metric=metric, sources=newest.sources)})"
    return Quality(
        newest.level,
        headline,
        text[0].upper() + text[1:] + ".",
        scored,
        views=views,
        beside_other_runs=facts.comparisons,
    )


def _others(one: HeadlineScores) -> list[tuple[str, ScoreRow]]:
    pixels = f"pixels ({one.pixels.name})" if one.pixels else ""
    named = [("random weights", one.random), (pixels, one.pixels), ("chance", one.chance)]
    return [(name, row) for name, row in named if row is not None]


def _or_list(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
