"""`coview adapt`: a pretrained network or run learns on from the user's videos, and is judged beside what it was."""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from coview.adaptation.contest import (
    Difference,
    Features,
    Moments,
    Question,
    ask_with_labels,
    ask_without_labels,
    judge,
)
from coview.adaptation.recipes import Recipes, choose_recipes
from coview.config import RunConfig
from coview.config.files import load_config
from coview.datasets.prepared import PreparedDataset
from coview.datasets.splits import group_of
from coview.datatypes import ProgressSink, VideoEntry
from coview.embedding.cache import cached_embeddings
from coview.embedding.embeddings import Embeddings, join_views
from coview.embedding.run import Run, pretrain
from coview.errors import UserError
from coview.evaluation.cost import Cost, measured
from coview.evaluation.pretrained_baseline import embed_with_baseline
from coview.evaluation.query_gallery import choose_videos
from coview.files import as_path, require_writable, write_json
from coview.training.runfolder import CONFIG, RESOLVED
from coview.training.sizing import EPOCHS, fit_epochs
from coview.wording import counted

logger = logging.getLogger(__name__)

ADAPTED, FROZEN, SCRATCH = "adapted", "frozen", "from scratch"
SCRATCH_FOLDER, RESULT = "from-scratch", "adaptation.json"


@dataclasses.dataclass(frozen=True)
class Adaptation:
    """What came of it.

    Attributes:
        run: the adapted run.
        questions: what each contestant was asked, and its hits.
        differences: adapted against the others, with intervals.
        verdict: in words.
        costs: of every part.
        remarks: what a reader should know.
        path: the file that holds all this.
    """

    run: Run
    questions: tuple[Question, ...]
    differences: tuple[Difference, ...]
    verdict: str
    costs: tuple[Cost, ...]
    remarks: tuple[str, ...]
    path: Path

    def lines(self) -> list[str]:
        """Return scores, differences, costs and the verdict as lines of text."""
        names = list(self.questions[0].hits)
        width = max(len(question.name) for question in self.questions)
        lines = [" " * width + "".join(f"  {name:>12}" for name in names)]
        for question in self.questions:
            scores = "".join(f"  {100 * question.score(name):12.1f}" for name in names)
            lines.append(f"{question.name:{width}}{scores}  of {len(question.groups):,} queries")
        lines += [one.describe() for one in self.differences]
        lines += [cost.describe() for cost in self.costs]
        return [*lines, *self.remarks, f"verdict: {self.verdict}"]


def adapt(
    base: Path | str,
    data: PreparedDataset | Path | str,
    out: Path | str,
    *,
    minutes: float | None = None,
    from_scratch: bool = True,
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    device: str = "auto",
    progress: ProgressSink | None = None,
) -> Adaptation:
    """Let a pretrained network or run go on learning on videos of one's own, and say whether that was worth it.

    Method joint teaches it with all views of the data; nothing is chosen by the test videos. Then three are judged on
    the same queries: adapted, frozen (the base as it is) and from scratch (as long, from random weights): retrieval
    and few labels, with intervals over whole groups. Without labels it says the little that can be said.

    Example:
        adaptation = coview.adapt("models/videomae-base", "data/mine", "runs/adapted", minutes=60)
        print(adaptation.verdict)

    Args:
        base: folder of a pretrained network (see `coview.encoders.pretrained`), or of a run.
        data: prepared data set or its folder.
        out: the adapted run's folder, new unless `resume`.
        minutes: of training, for each of the two; measured on this machine; not given: 10.
        from_scratch: also train from random weights.
        settings: changes to the recipe, by dotted name; with method.epochs no time is measured.
        resume: go on where an earlier call stopped.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        progress: told of steps, then of videos.

    Raises:
        UserError: base, data, out or settings cannot be used; the message says what to do.
        KeyboardInterrupt: stopped on request; the state is saved, to continue with `resume`.
    """
    folder = as_path(out, name="out", what="the folder of the adapted run")
    base = as_path(base, name="base", what="the folder of a pretrained network or run")
    videos = data if isinstance(data, PreparedDataset) else PreparedDataset.open(data)
    recipes = choose_recipes(base, videos, settings)
    if _names_epochs(settings) and minutes is not None:
        raise UserError(f"both minutes and {EPOCHS} say how long to train; give one of them")
    require_writable(folder)  # before a step is timed
    costs: list[Cost] = []
    trained = {ADAPTED: folder}
    if from_scratch:
        trained[SCRATCH] = folder / SCRATCH_FOLDER
    runs = {}
    for name, place in trained.items():
        config = _timed_config(recipes, name, videos, place, minutes, settings, resume=resume, device=device)
        with measured(f"{name}: training", costs) as meter:
            told = meter.watch(progress)
            runs[name] = _trained(config, videos, place, resume=resume, device=device, progress=told)
    questions, remarks = _ask(base, runs, videos, costs, device=device, progress=progress)
    differences = tuple(
        question.difference(ADAPTED, other) for question in questions for other in question.hits if other != ADAPTED
    )
    verdict = judge(questions, scratch=SCRATCH, frozen=FROZEN, adapted=ADAPTED)
    made = Adaptation(
        runs[ADAPTED], tuple(questions), differences, verdict, tuple(costs), tuple(remarks), folder / RESULT
    )
    write_json(made.path, _as_values(made, base))
    return made


def _names_epochs(settings: Mapping[str, Any] | None) -> bool:
    return settings is not None and EPOCHS in settings


def _timed_config(
    recipes: Recipes,
    name: str,
    data: PreparedDataset,
    place: Path,
    minutes: float | None,
    settings: Mapping[str, Any] | None,
    *,
    resume: bool,
    device: str,
) -> RunConfig:
    """Return the config with its epochs: those given, those of the call that is resumed, or as many as fit."""
    config = recipes.adapted if name == ADAPTED else recipes.scratch
    if _names_epochs(settings):
        return config
    if resume and (place / CONFIG).is_file():
        return load_config(place / CONFIG)
    return fit_epochs(config, data, minutes=minutes, device=device)


def _trained(
    config: RunConfig, data: PreparedDataset, place: Path, *, resume: bool, device: str, progress: ProgressSink
) -> Run:
    goes_on = resume and (place / RESOLVED).is_file()
    return pretrain(config, data, place, resume=goes_on, device=device, progress=progress)


def _ask(
    base: Path,
    runs: Mapping[str, Run],
    data: PreparedDataset,
    costs: list[Cost],
    *,
    device: str,
    progress: ProgressSink | None,
) -> tuple[list[Question], list[str]]:
    """Put the questions to all contestants; return them, and what is to be remarked."""
    run = runs[ADAPTED]
    try:
        videos = choose_videos(data, data.split_of_run(run.config.split), variant="auto")
    except UserError as error:
        logger.info("no scores by label: %s", error)
        return _ask_unlabelled(base, runs, data, costs, device=device, progress=progress)
    made = _measured(
        {
            FROZEN: partial(embed_with_baseline, base, run, data, videos.entries, device=device),
            **{
                name: partial(cached_embeddings, own, data, videos.entries, device=device) for name, own in runs.items()
            },
        },
        what=counted(len(videos.entries), "video"),
        costs=costs,
        progress=progress,
    )
    ordered = {name: _joined(made[name]) for name in (SCRATCH, FROZEN, ADAPTED) if name in made}
    questions = ask_with_labels(ordered, videos, seed=run.config.seed)
    remarks = list(videos.remarks)
    if len(questions) == 1:
        remarks.append("few labels are asked where the data set has a split: coview prepare --folds K makes one")
    return questions, remarks


def _measured(
    embed: Mapping[str, Callable[..., Embeddings]], *, what: str, costs: list[Cost], progress: ProgressSink | None
) -> dict[str, Embeddings]:
    """Let each contestant embed, and note what that cost."""
    made = {}
    for name, embed_them in embed.items():
        with measured(f"{name}: {what}", costs) as meter:
            made[name] = embed_them(progress=meter.watch(progress))
    return made


def _ask_unlabelled(
    base: Path,
    runs: Mapping[str, Run],
    data: PreparedDataset,
    costs: list[Cost],
    *,
    device: str,
    progress: ProgressSink | None,
) -> tuple[list[Question], list[str]]:
    """Ask what needs no labels, of videos that were not trained on where a split keeps some."""
    run = runs[ADAPTED]
    split = data.split_of_run(run.config.split)
    kept = (
        data.part(split, "test") if split is not None and any(e.splits.get(split) == "test" for e in data.ready) else ()
    )
    remarks = [] if kept else ["these videos were trained on: the data set has no test part (coview prepare --folds K)"]
    entries = tuple(kept) or data.ready
    windows: dict[str, Any] = {"per_window": True, "device": device}
    made = _measured(
        {
            FROZEN: partial(embed_with_baseline, base, run, data, entries, **windows),
            **{name: partial(own.embed_entries, data, entries, **windows) for name, own in runs.items()},
        },
        what=counted(len(entries), "video"),
        costs=costs,
        progress=progress,
    )
    rows = {name: _first_and_last(own) for name, own in made.items()}
    long_enough = [video for video in entries if all(video.id in own for own in rows.values())]
    if len(long_enough) < 2:
        raise UserError(
            f"{data.root} has no labels, and fewer than two videos are long enough for two windows: nothing can be "
            f"said of these models; the adapted run is in {run.path}"
        )
    if len(long_enough) < len(entries):
        remarks.append(f"{len(long_enough):,} of {len(entries):,} videos are asked: the others are too short")
    ordered = [name for name in (SCRATCH, FROZEN, ADAPTED) if name in rows]
    moments = Moments(
        first=_stacked(rows, ordered, long_enough, place=0),
        last=_stacked(rows, ordered, long_enough, place=1),
        groups=tuple(group_of(video) for video in long_enough),
    )
    return [ask_without_labels(moments)], remarks


def _first_and_last(made: Embeddings) -> dict[str, tuple[Any, Any]]:
    """Return video id -> the vectors of its first and last window, where these share no frame."""
    assert made.start_seconds is not None
    assert made.end_seconds is not None
    joined, found = _joined(made), {}
    rows: dict[str, list[int]] = {}
    for row, video in enumerate(made.ids):
        rows.setdefault(video, []).append(row)
    for video, own in rows.items():
        if made.start_seconds[own[-1]] >= made.end_seconds[own[0]]:
            found[video] = (joined[own[0]], joined[own[-1]])
    return found


def _stacked(
    rows: Mapping[str, Mapping[str, Any]], names: list[str], videos: list[VideoEntry], *, place: int
) -> Features:
    return {name: np.stack([rows[name][video.id][place] for video in videos]) for name in names}


def _joined(made: Embeddings) -> Any:
    """Return all views of a contestant as one vector a video, whose cosine is the mean of theirs."""
    return join_views(made.features, made.views)


def _as_values(made: Adaptation, base: Path) -> dict[str, Any]:
    return {
        "format": 1,
        "base": base.resolve().name,
        "verdict": made.verdict,
        "scores": {one.name: {name: one.score(name) for name in one.hits} for one in made.questions},
        "queries": {one.name: len(one.groups) for one in made.questions},
        "groups": {one.name: len(set(one.groups)) for one in made.questions},
        "differences": [dataclasses.asdict(one) for one in made.differences],
        "costs": [dataclasses.asdict(one) for one in made.costs],
        "remarks": list(made.remarks),
    }
