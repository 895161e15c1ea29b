"""What a run's folder says about the run: settings, log, checkpoints, results; whatever there is so far."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from coview.analysis.result import AnalysisResult, read_analyses
from coview.errors import UserError
from coview.evaluation import Result, read_results
from coview.training.runfolder import RESOLVED, read_resolved
from coview.training.runlog import LOG_FILE, read_log

COMPARISONS = "comparisons"
"""Folder of a run for comparisons with others that its report shows."""


@dataclass(frozen=True)
class StageFacts:
    """One stage as the log tells it.

    Attributes:
        name: the stage.
        num_steps: steps it will have, None where the log does not say.
        steps: its "step" events, in order.
        epochs: its "epoch" events, in order.
    """

    name: str
    num_steps: int | None
    steps: Sequence[Mapping[str, Any]]
    epochs: Sequence[Mapping[str, Any]]

    @property
    def last_step(self) -> int:
        """Newest step in the log, 0 before the first."""
        return int(self.steps[-1]["step"]) if self.steps else 0


@dataclass(frozen=True)
class RunFacts:
    """A run, as far as it has come.

    Attributes:
        path: its folder.
        resolved: resolved.yaml.
        stages: those begun, in order.
        warnings: what the log warned of, in order.
        is_complete: the log says that all stages are done.
        elapsed_seconds: time spent training, over all calls.
        results: evaluations, the newest first.
        analyses: what `coview analyse` found, the newest first.
        comparisons: sentences of `coview compare RUN OTHER --out RUN/comparisons/NAME`, in the order of names.
    """

    path: Path
    resolved: Mapping[str, Any]
    stages: Sequence[StageFacts]
    warnings: Sequence[str]
    is_complete: bool
    elapsed_seconds: float
    results: Sequence[Result]
    analyses: Sequence[AnalysisResult] = ()
    comparisons: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    @property
    def config(self) -> Mapping[str, Any]:
        """The run's settings."""
        config: Mapping[str, Any] = self.resolved["config"]
        return config


def gather(run: Path) -> RunFacts:
    """Read a run's folder.

    Raises:
        UserError: no run there.
    """
    if not (run / RESOLVED).is_file():
        raise UserError(f"{run} is not a run: it has no {RESOLVED}; make one with: coview pretrain CONFIG --out {run}")
    events = read_log(run / LOG_FILE) if (run / LOG_FILE).is_file() else []
    return RunFacts(
        path=run,
        resolved=read_resolved(run),
        stages=_stages(events),
        warnings=_warnings(events),
        is_complete=any(event["event"] == "end" for event in events[-1:]),
        elapsed_seconds=_elapsed_seconds(events),
        results=read_results(run),
        analyses=read_analyses(run),
        comparisons=_comparisons(run / COMPARISONS),
    )


def _comparisons(folder: Path) -> list[str]:
    """Return what comparisons with other runs say; files that are none are passed over."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            sentences = json.loads(path.read_text(encoding="utf-8"))["sentences"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        found += [str(sentence) for sentence in sentences]
    return found


def _stages(events: Sequence[Mapping[str, Any]]) -> list[StageFacts]:
    names = dict.fromkeys(str(event["stage"]) for event in events if "stage" in event)
    stages = []
    for name in names:
        own = [event for event in events if event.get("stage") == name]
        num_steps = next((event["num_steps"] for event in reversed(own) if "num_steps" in event), None)
        steps, epochs = ([e for e in own if e["event"] == kind] for kind in ("step", "epoch"))
        stages.append(StageFacts(name, num_steps, steps, epochs))
    return stages


def _warnings(events: Sequence[Mapping[str, Any]]) -> list[str]:
    found = []
    for event in events:
        if event["event"] == "warning":
            found.append(f"stage {event.get('stage')}, step {event.get('step')}: {event.get('text', '')}")
        if event["event"] == "non-finite":
            parts = ", ".join(event.get("parts", ())) or "the total"
            found.append(f"stage {event.get('stage')}, step {event.get('step')}: the loss was not finite ({parts})")
    return found


def _elapsed_seconds(events: Sequence[Mapping[str, Any]]) -> float:
    """Add up the time from each start or resume to the last event before the next one."""
    total, began, latest = 0.0, None, None
    for event in events:
        now = datetime.fromisoformat(event["time"])
        if event["event"] in ("start", "resume"):
            total += (latest - began).total_seconds() if began and latest else 0.0
            began = now
        latest = now
    return total + ((latest - began).total_seconds() if began and latest else 0.0)
