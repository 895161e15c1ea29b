"""`coview analyse`: a run and a prepared data set in, findings beside those of random weights and other runs out."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from coview.analyse.base import FeatureSet, Material
from coview.analyse.result import FOLDER, AnalysisResult, write_analysis
from coview.config import as_plain, parse
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ProgressSink
from coview.embed.cache import cached_embeddings
from coview.embed.run import Run
from coview.evaluate.provenance import provenance
from coview.evaluate.sides import LEAVE_GROUP_OUT, SPLIT, Sides, choose_sides

Part = Literal["auto", "test", "train", "all"]


def analyse_run(
    run_dir: Path | str,
    data_dir: Path | str,
    *,
    analysis: str = "class-relations",
    beside: Sequence[Path | str] = (),
    split: str | None = None,
    part: Part = "auto",
    checkpoint: str | None = None,
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
    progress: ProgressSink | None = None,
) -> AnalysisResult:
    """Look into a run and write RUN/analysis/<analysis>.json and .csv; embeddings that an evaluation kept are reused.

    Args:
        run_dir: the run's folder.
        data_dir: folder that `coview prepare` made, with labels.
        analysis: one of `coview list analyses`.
        beside: folders of other runs to compare with, on the same videos.
        split: split column; not set: the run's own, where the data set has splits at all.
        part: which videos: "test" or "train" of the split, or "all"; "auto": test where there is a split, else all.
        checkpoint: folder name of a checkpoint; not set: the newest.
        options: the analysis's settings, such as {"neighbours": 4}.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        progress: told of the videos as they are embedded.

    Raises:
        UserError: runs, data, split or options cannot be used; the message says what to do.
    """
    from coview.analyse import ANALYSES

    started = time.monotonic()
    kind = ANALYSES.load(analysis)
    settings = parse(kind.Settings, dict(options or {}), source=f"analysis {analysis}")
    run, data = Run.load(run_dir, checkpoint), PreparedDataset.open(Path(data_dir))
    others = [Run.load(folder) for folder in beside]
    variant = SPLIT if data.splits else LEAVE_GROUP_OUT
    chosen = split or (run.config.split if data.splits else None)
    sides = choose_sides(data, chosen, variant=variant)
    part, rows = _who(sides, part, variant=variant)
    sets = []
    for name, owner, weights in _owners(run, others):
        made = cached_embeddings(owner, data, sides.entries, weights=weights, device=device, progress=progress)
        sets.append(FeatureSet(name, {view: vectors[rows] for view, vectors in made.features.items()}))
    material = Material(run, data, tuple(sides.entries[row] for row in rows), tuple(sets))
    result = AnalysisResult(
        analysis=analysis,
        findings=kind(settings).analyse(material),
        beside=tuple(other.describe() for other in others),
        split=chosen if variant == SPLIT else None,
        part=part,
        settings=as_plain(settings),
        counts={"videos": len(rows), "of": len(data.entries), "classes": len(set(material.labels))},
        remarks=_remarks([run, *others], data),
        path=str(run.path / FOLDER / _file_name(analysis, run=run, data=data, checkpoint=checkpoint)),
        **provenance(run, data, device=device, started=started),
    )
    write_analysis(result)
    return result


def _who(sides: Sides, part: Part, *, variant: str) -> tuple[Literal["test", "train", "all"], list[int]]:
    """Return which part takes part, and its rows; without a split, queries and gallery are everyone."""
    chosen = ("test" if variant == SPLIT else "all") if part == "auto" else part
    return chosen, list({"test": sides.queries, "train": sides.gallery}.get(chosen, range(len(sides.entries))))


def _owners(run: Run, others: Sequence[Run]) -> list[tuple[str, Run, Literal["trained", "random"]]]:
    """Return (name, run, weights) of every set of features; folders of one name are told apart by their path."""
    names = [other.path.resolve().name for other in others]
    named = [name if names.count(name) == 1 else str(run.path) for name, run in zip(names, others, strict=True)]
    return [
        ("this run", run, "trained"),
        ("random weights", run, "random"),
        *((name, other, "trained") for name, other in zip(named, others, strict=True)),
    ]


def _remarks(runs: Sequence[Run], data: PreparedDataset) -> tuple[str, ...]:
    return tuple(dict.fromkeys(remark for run in runs for remark in run.differences(data)))


def _file_name(analysis: str, *, run: Run, data: PreparedDataset, checkpoint: str | None) -> str:
    """Return <analysis>[-<other data set>][-<older checkpoint>].json: what differs from the default."""
    root = data.root.resolve()
    parts = [analysis, "" if str(root) == run.resolved["data"]["root"] else root.name, checkpoint or ""]
    return "-".join(part.replace("/", "_") for part in parts if part) + ".json"
