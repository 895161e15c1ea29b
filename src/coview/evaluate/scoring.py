"""`coview evaluate`: a run and a prepared data set in, a result file and its table out."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coview.config import parse
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ProgressSink
from coview.embed.run import Run
from coview.evaluate.base import Scores, Task
from coview.evaluate.provenance import provenance
from coview.evaluate.result import FOLDER, EvaluationResult, write_result


def evaluate_run(
    run_dir: Path | str,
    data_dir: Path | str,
    *,
    protocol: str = "retrieval",
    split: str | None = None,
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
        checkpoint: folder name of a checkpoint; not set: the newest.
        options: the protocol's settings, such as {"variant": "leave-group-out"}.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        progress: told of the videos as they are embedded.

    Raises:
        UserError: run, data, split or options cannot be used; the message says what to do.
    """
    from coview.evaluate import PROTOCOLS

    started = time.monotonic()
    kind = PROTOCOLS.load(protocol)
    settings = parse(kind.Settings, dict(options or {}), source=f"protocol {protocol}")
    run, data = Run.load(run_dir, checkpoint), PreparedDataset.open(Path(data_dir))
    chosen = split or (run.config.split if data.splits else None)
    scores = kind(settings).score(Task(run, data, chosen, device, progress))
    path = run.path / FOLDER / f"{_file_name(protocol, scores, run=run, data=data, checkpoint=checkpoint)}.json"
    result = EvaluationResult(
        protocol=protocol,
        variant=scores.variant,
        split=scores.split,
        settings=scores.settings,
        counts=scores.counts,
        rows=scores.rows,
        examples=scores.examples,
        remarks=scores.remarks,
        curve=scores.curve,
        details=scores.details,
        path=str(path),
        **provenance(run, data, device=device, started=started),
    )
    write_result(result)
    return result


def _file_name(protocol: str, scores: Scores, *, run: Run, data: PreparedDataset, checkpoint: str | None) -> str:
    """Return <protocol>-<split>[-<variant>][-<other data set>][-<older checkpoint>]: what differs from the default."""
    parts = [protocol, scores.split or "all", scores.variant]
    root = data.root.resolve()
    if str(root) != run.resolved["data"]["root"]:
        parts.append(root.name)
    parts.append(checkpoint or "")
    return "-".join(part.replace("/", "_") for part in parts if part)
