"""`coview analyse`: a run and a prepared data set in, findings beside those of random weights and other runs out."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from coview.analysis.base import ANALYSES, Analysis, AnalysisContext, FeatureSet
from coview.analysis.context import OWN, RANDOM, OnDemand, Owner, Rows
from coview.analysis.result import FOLDER, AnalysisResult, write_analysis
from coview.analysis.selection import Part, SelectedVideos, who_takes_part
from coview.config import as_plain, override, parse
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ProgressSink
from coview.embedding.cache import cached_embeddings
from coview.embedding.run import Run
from coview.errors import UserError
from coview.evaluation.pixel_baselines import cached_pixels
from coview.evaluation.results.provenance import describe_origin
from coview.registry import did_you_mean
from coview.wording import counted, short

logger = logging.getLogger(__name__)

Options = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class AnalysisOutcome:
    """What became of one analysis.

    Attributes:
        analysis: its name.
        result: what it found, None where it could not be run.
        reason: why it could not be run, else "".
    """

    analysis: str
    result: AnalysisResult | None
    reason: str = ""


def analyse(
    run: Run | Path | str,
    data: PreparedDataset | Path | str,
    analyses: Sequence[str] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    **given: Any,
) -> tuple[AnalysisResult, ...]:
    """Look into a run: what its encoders find similar, beside random weights and other runs.

    Example:
        analyse(run, data, ["class-relations"], settings={"class-relations.neighbours": 4})

    Args:
        run: a run or its folder.
        data: a prepared data set or its folder; labels are used where there are any.
        analyses: some of `coview list analyses`; not given: all that the videos allow.
        settings: those of an analysis, by dotted name.
        given: beside, split, part, checkpoint, device, progress; see `analyse_all`.

    Returns:
        What was found, in the order of `analyses`; written into RUN/analysis too. Those that the videos do not allow
        are left out with a warning that says why.

    Raises:
        TypeError: an argument is of the wrong kind; says what was expected.
        UserError: run, data or settings cannot be used, or the videos allow none of the analyses.
    """
    if isinstance(analyses, str):
        raise TypeError(f"analyses is {short(analyses)}, expected a list of names, such as ['similarity']")
    options = options_by_analysis(override({}, settings or {}), only=analyses or ())
    found: list[AnalysisResult] = []
    not_run: dict[str, str] = {}
    for outcome in analyse_all(run, data, analyses=analyses or (), options=options, **given):
        if outcome.result is None:
            not_run[outcome.analysis] = outcome.reason
        else:
            found.append(outcome.result)
    if not found:
        raise UserError("; ".join(dict.fromkeys(not_run.values())))
    for name, reason in not_run.items():
        logger.warning("not run: %s: %s", name, reason)
    return tuple(found)


def analyse_run(
    run_dir: Path | str,
    data_dir: Path | str,
    *,
    analysis: str,
    options: Mapping[str, Any] | None = None,
    **given: Any,
) -> AnalysisResult:
    """Look into a run in one way; see `analyse_all` for the other arguments.

    Args:
        run_dir: the run's folder.
        data_dir: folder that `coview prepare` made.
        analysis: one of `coview list analyses`.
        options: the analysis's settings, such as {"neighbours": 4}.
        given: beside, split, part, checkpoint, device, progress.

    Raises:
        UserError: run, data, split or options cannot be used, or the videos do not allow it; says what to do.
    """
    return _Subject.open(run_dir, data_dir, **given).analysed(analysis, options or {})


def analyse_all(
    run: Run | Path | str,
    data: PreparedDataset | Path | str,
    *,
    analyses: Sequence[str] = (),
    beside: Sequence[Path | str] = (),
    split: str | None = None,
    part: Part = "auto",
    checkpoint: str | None = None,
    options: Options | None = None,
    device: str = "auto",
    progress: ProgressSink | None = None,
) -> Iterator[AnalysisOutcome]:
    """Look into a run in every way there is, or in some.

    Writes RUN/analysis/<analysis>.json and .csv, and each figure as .svg and .png beside them.
    Embeddings that an evaluation kept are reused, and each kind is made at most once.

    Args:
        run: a run or its folder.
        data: a prepared data set or its folder; labels are used where there are any.
        analyses: some of `coview list analyses`; none named: all.
        beside: folders of other runs to compare with, on the same videos.
        split: split column; not set: the run's own, where the data set has splits at all.
        part: which videos: "test" or "train" of the split, or "all"; "auto": test where there is a split, else all.
        checkpoint: folder name of a checkpoint; not set: the newest.
        options: analysis -> its settings, such as {"class-relations": {"neighbours": 4}}.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        progress: told of the videos as they are embedded.

    Yields:
        Each analysis as it is done; one that the videos do not allow comes with the reason, and the next follows.

    Raises:
        UserError: runs, data, split or options cannot be used; the message says what to do.
    """
    chosen, names = dict(options or {}), list(analyses or ANALYSES)
    for name in dict.fromkeys([*names, *chosen]):  # a slip of the pen is told before the work, not after it
        parse(ANALYSES.load(name).Settings, dict(chosen.get(name, {})), source=f"analysis {name}")
    subject = _Subject.open(
        run,
        data,
        beside=beside,
        split=split,
        part=part,
        checkpoint=checkpoint,
        device=device,
        progress=progress,
    )
    for name in names:
        logger.info("analysis: %s", name)
        try:
            yield AnalysisOutcome(name, subject.analysed(name, chosen.get(name, {})))
        except UserError as error:
            yield AnalysisOutcome(name, None, str(error))


@dataclass(frozen=True)
class _Subject:
    """A run, the runs beside it and the videos, opened once for all analyses."""

    context: AnalysisContext
    select_videos: SelectedVideos
    beside: tuple[Run, ...]
    checkpoint: str | None

    @classmethod
    def open(
        cls,
        given_run: Run | Path | str,
        given_data: PreparedDataset | Path | str,
        *,
        beside: Sequence[Path | str] = (),
        split: str | None = None,
        part: Part = "auto",
        checkpoint: str | None = None,
        device: str = "auto",
        progress: ProgressSink | None = None,
    ) -> "_Subject":
        folder = given_run.path if isinstance(given_run, Run) else given_run
        is_open = isinstance(given_run, Run) and checkpoint in (None, given_run.checkpoint.name)
        run = given_run if isinstance(given_run, Run) and is_open else Run.load(folder, checkpoint)
        data = PreparedDataset.open(given_data)
        others = tuple(Run.load(folder) for folder in beside)
        for one in (run, *others):
            data.require_views(one.views)
        select_videos = who_takes_part(run, data, split=split, part=part)
        owners = _owners(run, others)
        embedder = _Embedder(data, select_videos, device, progress)
        context = AnalysisContext(
            run,
            data,
            select_videos.entries,
            OnDemand({name: partial(embedder.features, name, owner) for name, owner in owners.items()}),
            pixels=lambda: embedder.pixels(run),
            owners=owners,
            part=select_videos.part,
            split=select_videos.split,
            device=device,
            progress=progress,
        )
        return cls(context, select_videos, others, checkpoint)

    def analysed(self, name: str, options: Mapping[str, Any]) -> AnalysisResult:
        """Run one analysis and write what it found."""
        started, whole = time.monotonic(), self.context
        kind = ANALYSES.load(name)
        settings = parse(kind.Settings, dict(options), source=f"analysis {name}")
        run, data = whole.run, whole.data
        path = run.path / FOLDER / _file_name(name, run=run, data=data, checkpoint=self.checkpoint)
        context = replace(_material_for(kind, name, whole), stem=path.stem)
        result = AnalysisResult(
            analysis=name,
            findings=kind(settings).analyse(context),
            beside=tuple(other.describe() for other in self.beside),
            split=whole.split,
            part=self.select_videos.part,
            settings=as_plain(settings),
            counts={
                "videos": len(context.entries),
                "of": len(data.entries),
                "classes": len({label for label in context.labels if label}),
            },
            remarks=_remarks([run, *self.beside], data),
            path=str(path),
            **describe_origin(run, data, device=whole.device, started=started),
        )
        write_analysis(result)
        return result


@dataclass(frozen=True)
class _Embedder:
    """Embeds those who take part, in their groups."""

    data: PreparedDataset
    select_videos: SelectedVideos
    device: str
    progress: ProgressSink | None

    def features(self, name: str, owner: Owner) -> FeatureSet:
        """Return the features of one set, rows in the order of `SelectedVideos.entries`."""
        made = [
            cached_embeddings(
                owner.run, self.data, group, weights=owner.weights, device=self.device, progress=self.progress
            ).features
            for group in self.select_videos.groups
        ]
        return FeatureSet(name, self._in_order(made))

    def pixels(self, run: Run) -> Mapping[str, Rows]:
        """Return the vectors of the pixel baselines; none where no rgb is stored."""
        if "rgb" not in self.data.view_options:
            return {}
        made = [
            cached_pixels(run, self.data, group, workers=2, progress=self.progress).features
            for group in self.select_videos.groups
        ]
        return self._in_order(made)

    def _in_order(self, groups: Sequence[Mapping[str, Rows]]) -> dict[str, Rows]:
        places = {
            entry.id: place for place, entry in enumerate(e for group in self.select_videos.groups for e in group)
        }
        rows = [places[entry.id] for entry in self.select_videos.entries]
        return {name: np.concatenate([group[name] for group in groups])[rows] for name in groups[0]}


def options_by_analysis(given: Mapping[str, Mapping[str, Any]], *, only: Sequence[str] = ()) -> dict[str, Any]:
    """Return analysis -> settings of dotted settings whose first word is the name of an analysis, _ for -.

    Args:
        given: first word -> settings, such as {"class_relations": {"neighbours": 4}}.
        only: the analyses that are run; none named: all.

    Raises:
        UserError: a setting of something else.
    """
    names = {name.replace("-", "_"): name for name in only or ANALYSES}
    for word in given:
        if word not in names:
            known = ", ".join(f"--{name}." for name in names.values())
            hint = did_you_mean(word.replace("_", "-"), names.values())
            raise UserError(f"--{word.replace('_', '-')}... is no setting of an analysis{hint or '.'} Known: {known}")
    return {names[word]: settings for word, settings in given.items()}


def _material_for(kind: type[Analysis], name: str, context: AnalysisContext) -> AnalysisContext:
    """Return the videos that an analysis looks at.

    Raises:
        UserError: it needs labels, and there are none.
    """
    if not kind.needs_labels:
        return context
    if not context.is_labelled:
        raise UserError(
            f"{name} compares classes, and none of the {counted(len(context.entries), 'video')} has a label; "
            "labels come from class folders or the lists given to coview prepare"
        )
    return context.labelled()


def _owners(run: Run, others: Sequence[Run]) -> dict[str, Owner]:
    """Return name -> owner of every set of features; folders of one name are told apart by their path."""
    names = [other.name for other in others]
    named = [name if names.count(name) == 1 else str(other.path) for name, other in zip(names, others, strict=True)]
    return {
        OWN: Owner(run, "trained"),
        RANDOM: Owner(run, "random"),
        **{name: Owner(other, "trained") for name, other in zip(named, others, strict=True)},
    }


def _remarks(runs: Sequence[Run], data: PreparedDataset) -> tuple[str, ...]:
    return tuple(dict.fromkeys(remark for run in runs for remark in run.differences(data)))


def _file_name(analysis: str, *, run: Run, data: PreparedDataset, checkpoint: str | None) -> str:
    """Return <analysis>[-<other data set>][-<older checkpoint>].json: what differs from the default."""
    parts = [analysis, "" if run.learnt_from(data) else data.name, checkpoint or ""]
    return "-".join(part.replace("/", "_") for part in parts if part) + ".json"
