"""Labels -> a run whose weights were all trained with them: the recipe of protocol "finetune" on one's own moments."""

import csv
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from coview.collection.embedding_videos import cut_segment, view_settings
from coview.collection.file_identity import absolute
from coview.collection.labels import NONE
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ProgressSink
from coview.embedding.run import Run
from coview.errors import UserError
from coview.evaluation.protocols.finetuning import FinetuneSettings, find_finished, finetune_config
from coview.evaluation.said import read_labels
from coview.files import as_path, write_text
from coview.preparation.prepare import prepare
from coview.stopping import Interrupted
from coview.training.pretrain import pretrain
from coview.training.runfolder import RESOLVED
from coview.wording import counted

logger = logging.getLogger(__name__)

FOLDER = "labelled"
"""In the folder of the model: what it learns from."""


@dataclass(frozen=True)
class Moment:
    """What is learnt from: a video, or some seconds of it, its class, and the recording that it was cut from."""

    path: str
    label: str
    start_seconds: float | None
    end_seconds: float | None
    group: str


def finetune(
    run: Run | Path | str,
    labels: Path | str,
    out: Path | str,
    *,
    settings: FinetuneSettings | None = None,
    device: str = "auto",
    progress: ProgressSink | None = None,
) -> Run:
    """Train all weights of a run with labels, into a run of its own, which `coview predict` takes.

    Labelled moments are cut out and prepared like the run's own data, in OUT/labelled. Interrupted, the same call goes
    on from there.

    Args:
        run: what to begin with, or its folder.
        labels: a file of labels, whose paths start from its folder, or the folder of an index with labels.
        out: the folder of the new run.
        settings: epochs, recipe.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        progress: told of preparing, then of training.

    Raises:
        UserError: labels of one class only, several classes at once, a file that is gone, or `out` is taken.
        KeyboardInterrupt: asked to stop; the same call goes on.
    """
    opened = run if isinstance(run, Run) else Run.load(run)
    folder = as_path(out, name="out", what="the folder of the model")
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / FOLDER).is_dir())):
        raise UserError(f"{folder} is there already and is no model that was begun here; choose a new folder")
    if (folder / RESOLVED).is_file() and find_finished(folder) is not None:
        raise UserError(f"{folder} holds a finished model already; choose a new folder")
    moments = list_moments(as_path(labels, name="labels", what="a file of labels or an index"))
    config = finetune_config(opened, settings or FinetuneSettings(), split=None)
    data = _prepare(moments, opened, folder / FOLDER, progress=progress)
    config = replace(config, start_from=str(opened.checkpoint.resolve()))
    result = pretrain(config, data=data.root, out=folder, resume=True, device=device, progress=progress)
    if not result.is_complete:
        raise Interrupted(f"stopped; the same command goes on there: {folder}", by=result.stopped_by)
    return Run.load(folder)


def list_moments(labels: Path) -> list[Moment]:
    """Return what a file of labels, or an index, says.

    Raises:
        UserError: several classes at once, one class only, or a video that is not there.
    """
    by_moment: dict[tuple[str, float | None, float | None], Moment] = {}
    for path, classes, start, end, group in read_labels(labels):
        label = classes[0] if classes else NONE
        before = by_moment.get((path, start, end))
        if len(classes) > 1 or (before is not None and before.label != label):
            names = sorted({*(classes or [NONE]), *([before.label] if before else [])})
            raise UserError(
                f"{path} is labelled {' and '.join(names)} at once; a fine-tuned run tells classes apart that exclude "
                "each other. Change the labels or, of several classes, fit a head in its place: coview head INDEX "
                "--out HEAD --multi-label"
            )
        if not Path(path).is_file():
            raise UserError(f"{path}, which is labelled, is not there; paths start from the folder of the file")
        by_moment[path, start, end] = Moment(path, label, start, end, group or path)
    classes_found = {one.label for one in by_moment.values()}
    if len(classes_found) < 2:
        raise UserError(
            f"the labels of {labels} are of {counted(len(classes_found), 'class')} "
            f"({', '.join(classes_found) or 'none'}); to tell apart, label at least two"
        )
    return list(by_moment.values())


def _prepare(moments: Sequence[Moment], run: Run, folder: Path, *, progress: ProgressSink | None) -> PreparedDataset:
    """Cut moments out, where that was not done yet, and prepare them as the run's own data was prepared."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["path", "label", "group"])
    for number, one in enumerate(moments):
        path = Path(one.path)
        if one.start_seconds is not None:
            path = folder / "moments" / f"moment-{number:06d}.mp4"
            if not path.is_file():
                cut_segment(run, Path(one.path), path, one.start_seconds, one.end_seconds)
        writer.writerow([absolute(path), one.label, one.group])
    write_text(folder / "labels.csv", table.getvalue())
    settings = replace(view_settings(run), layout="csv")
    return prepare(folder / "labels.csv", folder / "data", settings, progress=progress)
