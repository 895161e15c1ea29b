"""The first lines of a report: plain sentences worked out from the numbers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from coview.evaluate.base import ScoreRow
from coview.evaluate.metrics import metric as metric_of
from coview.evaluate.result import EvaluationResult
from coview.evaluate.table import roles
from coview.report.charts import number
from coview.report.facts import RunFacts, StageFacts
from coview.training.health import COLLAPSED_RANK, COLLAPSED_SPREAD

Level = Literal["good", "note", "bad"]
STANDARD_ERRORS_TO_BE_CLEAR = 2.0
CLEARLY_BETTER = "clearly better"
SAYINGS = {
    "retrieval": "the nearest video shows the same class in {} of queries",
    "linear": "a linear classifier on the frozen features is right about {} of the test videos",
    "finetune": "after fine-tuning on labels it is right about {} of the test videos",
    "inference": "the classifier is right about {} of the test videos",
    "few-labels": "a linear classifier on the fewest labels is right about {} of the test videos",
    "knn": "the vote of the nearest training videos is right about {} of the test videos",
    "clusters": "clusters found without labels match the classes of {} of the videos",
}
"""Protocol -> what its first metric says."""


@dataclass(frozen=True)
class Sentence:
    """One line, and whether it is good news."""

    level: Level
    text: str


def first_lines(facts: RunFacts) -> list[Sentence]:
    """Say what was trained, whether it is healthy, how good it is and what to do next."""
    lines = [what_ran(facts), *health(facts)]
    newest = facts.results[0] if facts.results else None
    return [*lines, *(scores(newest) if newest else []), *next_steps(facts)]


def what_ran(facts: RunFacts) -> Sentence:
    """Say which method learnt from what, how far it came and how long that took."""
    config, data = facts.config, facts.resolved["data"]
    learnt = f"{config['method']['name']} on {and_list(list(config['views']))}"
    videos = f"{data['num_train']:,} videos" if "num_train" in data else "videos"
    text = f"{learnt}, from {videos} {'with' if 'classes' in config['method'] else 'without'} labels"
    if not facts.stages or not facts.stages[-1].steps:
        return Sentence("note", f"{text}: training has not logged a step yet.")
    steps = sum(stage.last_step for stage in facts.stages)
    text += f": {steps:,} steps in {duration(facts.elapsed_seconds)}."
    if facts.is_complete:
        return Sentence("good", text)
    last = facts.stages[-1]
    total = f" of {last.num_steps:,}" if last.num_steps else ""
    return Sentence(
        "note",
        f"{text} Not finished: it stands in stage {last.name} at step {last.last_step:,}{total}; --resume goes on.",
    )


def health(facts: RunFacts) -> list[Sentence]:
    """Judge each stage by the meters of its newest log line, and repeat warnings."""
    lines = [Sentence("bad", f"Warning in {text}") for text in facts.warnings[:3]]
    if len(facts.warnings) > 3:
        lines.append(Sentence("bad", f"{len(facts.warnings) - 3} more warnings stand under What ran."))
    for stage in facts.stages:
        if stage.steps and stage.steps[-1].get("health"):
            lines.append(stage_health(stage))
    return lines


def stage_health(stage: StageFacts) -> Sentence:
    """Say whether the features of a stage are spread out and whether its loss says it learns."""
    newest = stage.steps[-1]
    meters: Mapping[str, Mapping[str, float]] = newest["health"]
    collapsed = [
        name for name, m in meters.items() if m["std"] < COLLAPSED_SPREAD or m["effective_rank"] < COLLAPSED_RANK
    ]
    losses = [
        f"{part if len(newest['parts']) > 1 else 'loss'} {number(newest['parts'][part])}, "
        f"where {number(reference)} means it knows nothing"
        for part, reference in newest.get("uninformative", {}).items()
        if part in newest.get("parts", {})
    ]
    spread = ", ".join(f"{m['std']:.2f}" for m in meters.values())
    rank = ", ".join(f"{m['effective_rank']:.0f}" for m in meters.values())
    measured = f"feature spread {spread} (1 is even, 0 collapsed), about {rank} directions in use"
    tail = "; ".join([measured, *losses])
    if collapsed:
        return Sentence("bad", f"Stage {stage.name} has collapsed, {and_list(collapsed)}: {tail}.")
    learns = [
        newest["parts"][part] < reference
        for part, reference in newest.get("uninformative", {}).items()
        if part in newest["parts"]
    ]
    if learns and not any(learns):
        return Sentence("note", f"Stage {stage.name} has not learnt anything yet: {tail}.")
    return Sentence("good", f"Stage {stage.name} is healthy: {tail}.")


def scores(result: EvaluationResult) -> list[Sentence]:
    """Compare each of the run's rows with random weights and with the best pixel baseline."""
    metric = next(iter(result.rows[0].metrics))
    if not metric_of(metric).is_share:
        return []
    pixels = [row for row in result.rows if row.kind == "pixels"]
    best_pixels = max(pixels, key=lambda row: row.metrics[metric], default=None)
    lines = []
    for row in result.rows:
        if row.kind != "trained" or math.isnan(row.metrics[metric]):
            continue
        others = {"random weights": result.row("random", row.name), "the best pixel baseline": best_pixels}
        saying = SAYINGS.get(result.protocol, f"{result.protocol}, {metric}: {{}}")
        text = f"{row.name}: {saying.format(percent(row.metrics[metric]))}"
        verdicts = []
        for name, other in others.items():
            if other is not None:
                verdicts.append(compare(row, other, metric=metric))
                text += f"; {name} {percent(other.metrics[metric])} ({verdicts[-1]})"
        is_good = bool(verdicts) and all(verdict.startswith(CLEARLY_BETTER) for verdict in verdicts)
        lines.append(Sentence("good" if is_good else "note", f"{text}."))
    return lines


def compare(row: ScoreRow, other: ScoreRow, *, metric: str) -> str:
    """Say how far a score is from another, and whether that is more than luck would make of it."""
    difference = row.metrics[metric] - other.metrics[metric]
    error = math.hypot(*(scored.standard_errors.get(metric, 0.0) for scored in (row, other)))
    points = f"{100 * difference:+.0f} ± {100 * error:.0f} points"
    if abs(difference) <= STANDARD_ERRORS_TO_BE_CLEAR * error:
        return f"no clear difference, {points}"
    return f"{CLEARLY_BETTER if difference > 0 else 'clearly worse'}, {points}"


def next_steps(facts: RunFacts) -> list[Sentence]:
    """Say what to do next, from what is there and what is missing."""
    if not facts.results:
        data = facts.resolved["data"]["root"]
        return [Sentence("note", f"No evaluation yet. With labels: coview evaluate {facts.path} --data {data}")]
    result = facts.results[0]
    if result.checkpoint.get("global_step", 0) < sum(stage.last_step for stage in facts.stages):
        return [Sentence("note", "Training went on after this evaluation: evaluate again for the newest score.")]
    return []


def percent(share: float) -> str:
    """Return 0.413 as "41%"."""
    return "?" if math.isnan(share) else f"{100 * share:.0f}%"


def duration(seconds: float) -> str:
    """Return seconds as "45 s", "12 min" or "3 h 20 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def and_list(words: list[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def counted(counts: Mapping[str, Any]) -> str:
    """Say what an evaluation scored of what, and where the other videos went."""
    scored, used = roles(counts)
    parts = [
        f"{counts['queries_scored']:,} of {counts['queries']:,} {scored} videos scored against "
        f"{counts['gallery_used']:,} of {counts['gallery']:,} {used} videos, {counts['classes']:,} classes"
    ]
    parts += [f"{count:,} {status}" for status, count in counts.get("not_ready", {}).items()]
    names = {
        "unlabelled": "without a label",
        "not_in_this_split": "not part of this split",
        "queries_without_their_class_in_gallery": f"{scored} videos whose class no {used} video has "
        "(counted as misses)",
    }
    parts += [f"{counts[key]:,} {name}" for key, name in names.items() if counts.get(key)]
    return "; ".join(parts) + "."
