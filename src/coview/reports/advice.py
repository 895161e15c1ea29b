"""What to try next: rules that follow from the findings of a run, each with the command where there is one."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from coview.reports.facts import RunFacts, StageFacts
from coview.reports.headline_scores import HeadlineScores, best_row
from coview.reports.run_health import LEAST_STEPS, RunHealth
from coview.reports.words import and_list, score_text

LEAST_LOG_LINES = 10
WANTED_STEPS = 500
"""Of a view, to see whether anything is learnt at all."""
FALLING_SHARE = 0.01
"""A loss that still falls by more than this share of itself in the last fifth of its log lines has not settled."""
RISEN_SHARE = 0.05
WAITING_SHARE = 0.3
WIDE_ERROR = 0.03
"""From this standard error on, differences of a few points cannot be seen."""


@dataclass(frozen=True)
class Advice:
    """One thing to do.

    Attributes:
        text: what and why.
        command: how; empty where it takes more than a command.
    """

    text: str
    command: str = ""


@dataclass(frozen=True)
class RunReading:
    """All that the rules look at.

    Attributes:
        facts: the run's folder.
        health: is it healthy.
        standings: how good, the newest first.
        run: the run's folder as it stands in commands.
        data: folder of the prepared data set, too.
        num_labelled: videos with a label, None where that is not known.
    """

    facts: RunFacts
    health: RunHealth
    standings: Sequence[HeadlineScores]
    run: str
    data: str
    num_labelled: int | None = None

    @property
    def views(self) -> list[str]:
        """The run's views."""
        return list(self.facts.config["views"])

    @property
    def epoch_settings(self) -> str:
        """The settings that say how long the method trains."""
        names = [f"method.{name}" for name in self.facts.config["method"] if name.startswith("epochs")]
        return and_list(names) or "the epochs of its method"

    def command(self, name: str) -> str:
        """Return a command on this run and its data."""
        return f"coview {name} {self.run} --data {self.data}"

    @property
    def is_unlabelled(self) -> bool:
        """Whether it is known that no video has a label."""
        return self.num_labelled == 0

    @property
    def is_early(self) -> bool:
        """Whether training has hardly begun to show."""
        return any(one.steps < LEAST_STEPS for one in self.health.views)


def advice(seen: RunReading) -> list[Advice]:
    """Return what to do, the most pressing first."""
    return [found for rule in RULES for found in rule(seen)]


def finish_training(seen: RunReading) -> Iterator[Advice]:
    """Training that has not come to its end goes on first."""
    if not seen.facts.is_complete:
        config = f"coview pretrain {_inside(seen.run, 'config.yaml')} --data {seen.data} --out {seen.run} --resume"
        yield Advice("Training has not come to its end: go on.", config)


def mend_collapse(seen: RunReading) -> Iterator[Advice]:
    """Features that are all alike can be told apart by nobody."""
    collapsed = [one.view for one in seen.health.views if one.state == "collapsed"]
    if collapsed:
        rate = max(float(step.get("learning_rate", 0)) for stage in seen.facts.stages for step in stage.steps)
        lower = f" (it was {rate:.2g}; try --optimiser.learning-rate {rate / 3:.1g})" if rate > 0 else ""
        yield Advice(
            f"{and_list(collapsed)} collapsed: lower the learning rate{lower} and look at the pictures under Views."
        )


def mend_ignorance(seen: RunReading) -> Iterator[Advice]:
    """A loss no better than that of a guess."""
    ignorant = [one for one in seen.health.views if one.state == "learns nothing"]
    if ignorant:
        yield Advice(
            f"{and_list([one.view for one in ignorant])}: the loss is no better than a guess's. Train longer "
            f"({seen.epoch_settings}); if it stays there, check the pictures under Views, the learning rate and "
            "the temperature."
        )


def mend_numbers(seen: RunReading) -> Iterator[Advice]:
    """A loss that was not a number."""
    if any("was not finite" in text for text in seen.facts.warnings):
        yield Advice(
            "The loss was not finite: lower the learning rate, clip gradients (--training.clip-norm 1) or "
            "compute in fp32 (--training.precision fp32)."
        )


def evaluate(seen: RunReading) -> Iterator[Advice]:
    """No score yet, or one of an older checkpoint."""
    if seen.is_unlabelled or not any(stage.steps for stage in seen.facts.stages):
        return
    own = [result for result in seen.facts.results if result.is_on_own_data]
    if not own:
        yield Advice("Not evaluated yet: score it beside random weights and pixels.", seen.command("evaluate"))
    elif own[0].checkpoint.get("global_step", 0) < sum(s.last_step for s in seen.facts.stages):
        yield Advice("Training went on after the newest evaluation: evaluate again.", seen.command("evaluate"))


def train_at_all(seen: RunReading) -> Iterator[Advice]:
    """So few steps that nothing can have been learnt."""
    if not seen.is_early or not seen.facts.is_complete:
        return
    steps = min(one.steps for one in seen.health.views)
    factor = max(2, math.ceil(WANTED_STEPS / max(1, steps)))
    method = seen.facts.config["method"]
    longer = " ".join(
        f"--method.{name.replace('_', '-')} {factor * int(value)}"
        for name, value in method.items()
        if "epochs" in name and isinstance(value, int) and value > 0
    )
    limit = seen.facts.config.get("training", {}).get("max_steps")
    limit = f"--training.max-steps {factor * limit}" if limit else ""
    again = f"coview pretrain {_inside(seen.run, 'config.yaml')} --data {seen.data} --out {_beside(seen.run, 'longer')}"
    yield Advice(
        f"{steps} step{'s' * (steps != 1)} of training are too few to learn from: train about {factor} times as long.",
        " ".join(word for word in (again, longer, limit) if word) if longer or limit else "",
    )


def look_without_labels(seen: RunReading) -> Iterator[Advice]:
    """Nothing can be scored, but much can be seen."""
    if seen.is_unlabelled and any(stage.steps for stage in seen.facts.stages) and not seen.facts.analyses:
        yield Advice(
            "No video has a label, so nothing is scored. See what it learnt all the same: what it finds alike, whether "
            "it sees motion or the scene, beside random weights.",
            seen.command("analyse"),
        )


def use_without_labels(seen: RunReading) -> Iterator[Advice]:
    """What one does with a run whose videos have no labels."""
    if seen.is_unlabelled and seen.facts.is_complete and seen.facts.analyses and not seen.is_early:
        yield Advice(
            "Use it: make the videos searchable, and find the moments most like one of them.",
            f"coview index {seen.run} {seen.data} idx",
        )
        yield Advice(
            "For scores a few labels are enough: put some videos into a folder a class (coview prepare FOLDER LABELLED "
            "--labels folders) and evaluate there.",
            f"coview evaluate {seen.run} --data LABELLED",
        )


def train_longer(seen: RunReading) -> Iterator[Advice]:
    """A loss that had not settled when its stage ended."""
    if seen.is_early:
        return
    falling = [stage.name for stage in seen.facts.stages if still_falls(stage)]
    if falling and not any(one.state == "collapsed" for one in seen.health.views):
        stages = f"stage {falling[0]}" if len(falling) == 1 else f"stages {and_list(falling)}"
        yield Advice(f"The loss was still falling at the end of {stages}: train longer ({seen.epoch_settings}).")


def stop_earlier(seen: RunReading) -> Iterator[Advice]:
    """A validation loss that has risen again: the run has begun to learn its videos by heart."""
    for stage in seen.facts.stages:
        judged = [epoch for epoch in stage.epochs if "validation_loss" in epoch]
        if len(judged) < 3:
            continue
        best = min(judged, key=lambda epoch: epoch["validation_loss"])
        if judged[-1]["validation_loss"] > (1 + RISEN_SHARE) * best["validation_loss"]:
            yield Advice(
                f"The validation loss of stage {stage.name} was lowest at step {best['step']:,} and has risen since: "
                "more videos or stronger augmentation will help more than more epochs."
            )


def beat_random(seen: RunReading) -> Iterator[Advice]:
    """Views that training has not helped; the best view is of use all the same."""
    for one in seen.standings[:1]:
        rows = [row for row in one.result.rows if row.kind == "trained" and row.name in seen.views]
        poor = []
        for row in rows:
            random = one.result.row("random", row.name)
            if random is not None and one.judge(row, random) in ("unclear", "worse"):
                poor.append(row.name)
        best = best_row(rows, one.metric)
        useless = [name for name in poor if best is not None and name != best.name]
        if poor and len(poor) == len(rows):
            yield Advice(
                f"No view is clearly better than its random weights ({one.result.protocol}): the run is too short or "
                f"too small to judge. Train longer ({seen.epoch_settings}) or with more videos."
            )
        elif useless:
            weights = " ".join(f"--retrieval.weights.{view} 0" for view in useless)
            yield Advice(
                f"{and_list(useless)}: not clearly better than random weights. Train longer, or leave "
                f"{'it' if len(useless) == 1 else 'them'} out of the ensemble.",
                f"{seen.command('evaluate')} {weights}",
            )


def beat_pixels(seen: RunReading) -> Iterator[Advice]:
    """A baseline without any network that does as well."""
    for one in seen.standings[:1]:
        if one.pixels is not None and one.against(one.pixels) in ("unclear", "worse"):
            scores = [score_text(row, one.metric) for row in (one.pixels, one.best)]
            yield Advice(
                f"The baseline {one.pixels.name!r}, without any network, is as good ({scores[0]}; {one.best.name} "
                f"{scores[1]}): it is the score to beat with more epochs, more videos or a larger encoder."
            )


def let_views_teach(seen: RunReading) -> Iterator[Advice]:
    """One view that knows clearly more than another can teach it."""
    for one in seen.standings[:1]:
        rows = [row for row in one.result.rows if row.kind == "trained" and row.name in seen.views]
        best = best_row(rows, one.metric)
        behind = [row.name for row in rows if best is not None and one.judge(best, row) == "better"]
        if best is None or not behind:
            continue
        known = f"{best.name} beats {and_list(behind)} ({score_text(best, one.metric)})"
        if any(stage.name not in seen.views for stage in seen.facts.stages):
            yield Advice(f"{known}, though the views learnt together: search by {best.name}, or train them longer.")
        else:
            yield Advice(
                f"{known}: let it teach them. Methods in which views learn together (coview list methods) can start "
                f"from this run: --start-from {seen.run}"
            )


def use_ensemble(seen: RunReading) -> Iterator[Advice]:
    """An ensemble that is clearly better than any of its views."""
    for one in seen.standings[:1]:
        own = [row for row in one.result.rows if row.kind == "trained"]
        view = best_row([row for row in own if row.name in seen.views], one.metric)
        mixed = best_row([row for row in own if row.name not in seen.views], one.metric)
        if view is not None and mixed is not None and one.judge(mixed, view) == "better":
            yield Advice(f"The views know different things: {mixed.name} beats each of them alone. Use it.")


def measure_better(seen: RunReading) -> Iterator[Advice]:
    """Errors too wide to tell runs apart."""
    for one in seen.standings[:1]:
        error = one.best.standard_error(one.metric)
        if error > WIDE_ERROR and one.level != "good":
            yield Advice(
                f"The standard error is {100 * error:.0f} points: for smaller differences train with other seeds "
                "(--seed 1) and put the runs into one table (coview table), or score more videos."
            )


def feed_faster(seen: RunReading) -> Iterator[Advice]:
    """Training that waits for its data."""
    waits = sorted(float(s["data_wait_share"]) for g in seen.facts.stages for s in g.steps if "data_wait_share" in s)
    if waits and waits[len(waits) // 2] > WAITING_SHARE:
        yield Advice(
            f"Training waited for data {waits[len(waits) // 2]:.0%} of its time: more --training.workers, or smaller "
            "stored pictures, would make it faster."
        )


def look_inside(seen: RunReading) -> Iterator[Advice]:
    """Nothing has been looked at yet."""
    if any(stage.steps for stage in seen.facts.stages) and not seen.facts.analyses and seen.facts.results:
        yield Advice("See what it learnt: maps, neighbours, where it looks.", seen.command("analyse"))


RULES: tuple[Callable[[RunReading], Iterator[Advice]], ...] = (
    finish_training,
    mend_numbers,
    mend_collapse,
    train_at_all,
    mend_ignorance,
    evaluate,
    look_without_labels,
    use_without_labels,
    train_longer,
    beat_random,
    beat_pixels,
    let_views_teach,
    stop_earlier,
    use_ensemble,
    measure_better,
    look_inside,
    feed_faster,
)
"""The most pressing first."""


def still_falls(stage: StageFacts) -> bool:
    """Whether the mean loss of the last fifth of the log lines is clearly below that of the fifth before."""
    losses = [float(step["loss"]) for step in stage.steps if math.isfinite(step.get("loss", math.nan))]
    if len(losses) < LEAST_LOG_LINES:
        return False
    size = len(losses) // 5
    before, after = losses[-2 * size : -size], losses[-size:]
    drop = sum(before) / size - sum(after) / size
    error = math.sqrt((_variance(before) + _variance(after)) / size)
    return drop > FALLING_SHARE * abs(sum(before) / size) and drop > 2 * error


def _inside(folder: str, name: str) -> str:
    """Return a file in a folder as it stands in a command; the folder may be quoted."""
    return f"{folder[:-1]}/{name}'" if folder.endswith("'") else f"{folder}/{name}"


def _beside(folder: str, word: str) -> str:
    return f"{folder[:-1]}-{word}'" if folder.endswith("'") else f"{folder}-{word}"


def _variance(values: Sequence[float]) -> float:
    """Return the variance of a few values around the line through their ends, so that a trend is no noise."""
    if len(values) < 3:
        return 0.0
    step = (values[-1] - values[0]) / (len(values) - 1)
    rest = [value - values[0] - place * step for place, value in enumerate(values)]
    mean = sum(rest) / len(rest)
    return sum((value - mean) ** 2 for value in rest) / (len(rest) - 1)
