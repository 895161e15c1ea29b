"""`coview evaluate`: a run and a prepared data set in, a result file and its table out."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coview.config import parse
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ProgressSink
from coview.embedding.run import Run
from coview.errors import UserError
from coview.evaluation.base import Member, Protocol, Scores, Task
from coview.evaluation.members import described, load_members
from coview.evaluation.provenance import provenance
from coview.evaluation.result import FOLDER, EvaluationResult, write_result


def evaluate_run(
    run_dir: Path | str,
    data_dir: Path | str,
    *,
    protocol: str = "retrieval",
    split: str | None = None,
    along_with: Sequence[str] = (),
    checkpoint: str | None = None,
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
    progress: ProgressSink | None = None,
) -> EvaluationResult:
    """Score a run under a protocol and write RUN/evaluation/<protocol>-<split>[-...].json.

    Args:
        run_dir: the run's folder.
        data_dir: folder that `coview prepare` made; another one than the run learnt from is allowed.
        protocol: one of `coview list protocols`.
        split: split column; not set: the run's own, where the data set has splits at all.
        along_with: splits that will be scored in other calls: their videos are embedded in this one.
        checkpoint: folder name of a checkpoint; not set: the newest.
        options: the protocol's settings, such as {"variant": "leave-group-out"}.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        progress: told of the videos as they are embedded.

    Raises:
        UserError: run, data, split or options cannot be used; the message says what to do.
    """
    started = time.monotonic()
    chosen = _protocol(protocol, options)
    run, data = Run.load(run_dir, checkpoint), PreparedDataset.open(Path(data_dir))
    task = Task(run, data, _split(run, data, split), device, progress, along_with=tuple(along_with))
    return _scored(protocol, chosen, task, name=checkpoint or "", started=started)


def evaluate_ensemble(
    members: Sequence[str],
    data_dir: Path | str,
    *,
    protocol: str = "retrieval",
    split: str | None = None,
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
    progress: ProgressSink | None = None,
) -> EvaluationResult:
    """Score views of several runs together: the weighted mean of their cosines, or of their softmax.

    The result is written into the first member's run, as RUN/evaluation/<protocol>-<split>-ensemble-<members>.json,
    and names every member with its run, checkpoint, view and weight.

    Args:
        members: RUN[@CHECKPOINT][:VIEW][=WEIGHT]; a run without a view stands for all of its views.
        data_dir: folder that `coview prepare` made, with the views of all members.
        protocol: one that takes members.
        split: split column; not set: that of the first member's run.
        options: the protocol's settings.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        progress: told of the videos as they are embedded.

    Raises:
        UserError: members, data, split or options cannot be used; the message says what to do.
    """
    from coview.evaluation import PROTOCOLS

    started = time.monotonic()
    chosen = _protocol(protocol, options)
    if not chosen.takes_members:
        able = [name for name in PROTOCOLS if PROTOCOLS.load(name).takes_members]
        raise UserError(f"protocol {protocol} scores one run at a time; these score an ensemble: {', '.join(able)}")
    voices, data = load_members(members), PreparedDataset.open(Path(data_dir))
    run = voices[0].run
    task = Task(run, data, _split(run, data, split), device, progress, voices)
    return _scored(protocol, chosen, task, name=_ensemble_name(voices), started=started)


def _protocol(name: str, options: Mapping[str, Any] | None) -> Protocol:
    from coview.evaluation import PROTOCOLS

    kind = PROTOCOLS.load(name)
    return kind(parse(kind.Settings, dict(options or {}), source=f"protocol {name}"))


def _split(run: Run, data: PreparedDataset, split: str | None) -> str | None:
    return split or (run.config.split if data.splits else None)


def _ensemble_name(members: Sequence[Member]) -> str:
    """Return a word that is another for other members, so that one ensemble's file never replaces another's."""
    text = json.dumps([described(member) for member in members], sort_keys=True)
    return f"ensemble-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def _scored(protocol: str, chosen: Protocol, task: Task, *, name: str, started: float) -> EvaluationResult:
    """Score, write the result, return it."""
    scores = chosen.score(task)
    run = task.run
    variant = "-".join(word for word in (scores.variant, name if task.members else "") if word)
    path = run.path / FOLDER / f"{_file_name(protocol, scores, run=run, data=task.data, name=name)}.json"
    result = EvaluationResult(
        protocol=protocol,
        variant=variant,
        split=scores.split,
        settings=scores.settings,
        counts=scores.counts,
        rows=scores.rows,
        examples=scores.examples,
        remarks=scores.remarks,
        curve=scores.curve,
        details=scores.details,
        outcomes=scores.outcomes,
        path=str(path),
        **provenance(run, task.data, device=task.device, started=started),
    )
    write_result(result)
    return result


def _file_name(protocol: str, scores: Scores, *, run: Run, data: PreparedDataset, name: str) -> str:
    """Return <protocol>-<split>[-<variant>][-<other data set>][-<checkpoint or ensemble>]: what is not the default."""
    parts = [protocol, scores.split or "all", scores.variant]
    root = data.root.resolve()
    if str(root) != run.resolved["data"]["root"]:
        parts.append(root.name)
    parts.append(name)
    return "-".join(part.replace("/", "_") for part in parts if part)
