"""Protocol "finetune": the whole network taught with labels, from the run's weights and from random ones."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from coview.config import as_plain
from coview.embedding.run import Run
from coview.evaluation.base import Protocol, ScoreRow, Scores, Task
from coview.evaluation.classification import chance_outcome
from coview.evaluation.features import remarks_of
from coview.evaluation.fine_tuning import WHOSE, FinetuneSettings, fine_tuned
from coview.evaluation.inference import classified, counts_of
from coview.evaluation.linear import learnable
from coview.evaluation.sides import SPLIT, choose_sides


class Finetune(Protocol):
    """Top-1, top-5 and accuracy per class after fine-tuning all weights, beside the same training from random ones."""

    Settings = FinetuneSettings

    def score(self, task: Task) -> Scores:
        """Train the run's children where they are not there yet, and score them; see `Protocol.score`."""
        chosen: FinetuneSettings = self.settings
        sides = choose_sides(task.data, task.split, variant=SPLIT)
        problem = learnable(sides, protocol="finetune")
        rows: list[ScoreRow] = []
        settings: dict[str, Any] = {}
        remarks = list(remarks_of(task))
        for start in chosen.starts:
            child = fine_tuned(task, chosen, start)
            child_task = replace(task, run=child)
            found = classified(child_task, sides, crops=chosen.crops, weights=chosen.weights, kind=start)
            rows += found.rows
            if start == chosen.starts[0]:
                details, outcomes = found.details, found.outcomes
            settings = {**found.settings, "classifier": recipe_of(child)}
            counts = counts_of(child, task.data, sides)
            remarks.append(f"fine-tuned from {WHOSE[start]}: {child.path.relative_to(task.run.path)}")
        chance = chance_outcome(problem.labels, problem.classes)
        rows.append(ScoreRow("chance", "chance", chance, description="classes in random order"))
        return Scores(
            rows=tuple(rows),
            counts=counts,
            settings={**as_plain(chosen), **settings, "crops": chosen.crops},
            split=task.split,
            variant=_variant(chosen),
            details=details,
            outcomes=outcomes.packed(),
            remarks=tuple(remarks),
        )


def recipe_of(child: Run) -> dict[str, Any]:
    """Return the settings that a fine-tuned run was trained with."""
    config = as_plain(child.config)
    method = {name: value for name, value in config["method"].items() if name not in ("name", "classes")}
    return {**method, **{name: config[name] for name in ("encoder", "augment", "optimiser", "schedule")}}


def _variant(chosen: FinetuneSettings) -> str:
    """Return what of the settings makes a result of its own: a config, few labels, one start alone."""
    parts = [Path(chosen.config).stem if chosen.config else ""]
    parts += [f"labels{chosen.labels}-draw{chosen.draw}"] if chosen.labels is not None else []
    parts += [chosen.start] if chosen.start != "both" else []
    return "-".join(part for part in parts if part)
