"""`coview export`: a run -> ONNX, a torch.export program or a folder for a model hub, compared with the run itself."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from coview import __version__
from coview.datasets.prepared import PreparedDataset
from coview.embedding.run import Run
from coview.errors import UserError
from coview.exports.card import write_card
from coview.exports.description import Description
from coview.exports.exported import ONNX_NAME
from coview.exports.files import PROGRAM_NAME, write_onnx, write_program
from coview.exports.graph import ClassProbabilities, ClipGraph, GraphInput, ViewGraph, WindowFeatures
from coview.exports.hub_folder import write_hub_folder
from coview.exports.parity import Parity, answer_eagerly, check_parity, random_clips, real_clips
from coview.files import as_path, disk_errors, part_path, require_writable, write_json, write_sums
from coview.registry import did_you_mean
from coview.views.opened import open_views

Format = Literal["onnx", "torch-export", "hf"]
FORMATS: tuple[Format, ...] = ("onnx", "torch-export", "hf")
_TRIAL_CLIPS = 4


@dataclass(frozen=True)
class Exported:
    """What `export` wrote.

    Attributes:
        path: the folder.
        format: one of `FORMATS`.
        description: inputs, output, classes.
        parity: how it compares to the run; None for hf, which is the run itself.
    """

    path: Path
    format: Format
    description: Description
    parity: Parity | None


def export(
    run: Run | Path | str,
    out: Path | str,
    *,
    format: Format = "onnx",  # noqa: A002  (as on the command line)
    views: Sequence[str] = (),
    output: Literal["auto", "vectors", "probabilities"] = "auto",
    data: PreparedDataset | Path | str | None = None,
    threads: int = 1,
) -> Exported:
    """Write a run as a model that needs no run: raw frames of each view in, unit vectors or class probabilities out.

    Scaling, normalising, blocks, pooling and softmax are inside, the batch is free; the written model is compared
    with the run before it takes its place. `ExportedEncoder` runs ONNX.

    Example:
        coview.export("runs/mine", "exported", format="onnx")

    Args:
        run: a run or its folder; a fine-tuned one gives the probabilities of its classes.
        out: folder for the files, new or empty.
        format: onnx (onnxruntime and others), torch-export (`torch.export.load`), or hf: config.json,
            model.safetensors and README.md, a folder that `coview.load` opens.
        views: which views of the run; none named: all. hf takes them all.
        output: vectors or probabilities; auto: probabilities where the run names classes.
        data: a prepared data set whose clips the comparison takes; not given: random ones.
        threads: of PyTorch and onnxruntime while they are timed.

    Raises:
        UserError: no such run, view or format, a folder that is not empty, or a graph that differs from the run.
        MissingExtraError: onnx needs the extra `export`.
    """
    if format not in FORMATS:
        hint = did_you_mean(str(format), FORMATS) or "."
        raise UserError(f"format is {format!r}{hint} Known: {', '.join(FORMATS)}")
    if threads < 1:
        raise UserError(f"threads is {threads}, expected 1 or more")
    folder = as_path(out, name="out", what="the folder of the exported model")
    opened = run if isinstance(run, Run) else Run.load(run)
    description = _describe(opened, _chosen_views(opened, views, format), output)
    videos = PreparedDataset.open(data) if isinstance(data, str | Path) else data
    with _new_folder(folder) as aside, _threads(threads):
        parity = None
        if format == "hf":
            write_hub_folder(opened, description, aside)
            _require_same(opened, Run.load(aside), description)
        else:
            graph = _build_graph(opened, description)
            if format == "onnx":
                model = write_onnx(graph, description, aside, threads=threads)
            else:
                model = write_program(graph, description, aside)
            if videos is None:
                clips = random_clips(description, count=_TRIAL_CLIPS)
            else:
                clips = real_clips(opened, videos, description, count=_TRIAL_CLIPS)
            kind = "random" if videos is None else "real"
            parity = check_parity(opened, description, model, clips, kind=kind)
            write_json(aside / "export.json", {**description.as_values(), "parity": vars(parity)})
            write_sums(aside, [ONNX_NAME if format == "onnx" else PROGRAM_NAME])
            write_card(aside, description, run=opened, form=format, parity=parity)
    return Exported(folder, format, description, parity)


def _chosen_views(run: Run, views: Sequence[str], form: Format) -> tuple[str, ...]:
    for view in views:
        if view not in run.views:
            hint = did_you_mean(view, run.views) or "."
            raise UserError(f"{run.path} has no view {view!r}{hint} It has: {', '.join(run.views)}")
    if form == "hf" and views and set(views) != set(run.views):
        raise UserError(f"format hf holds the whole run with all its views ({', '.join(run.views)}); leave --view out")
    return tuple(view for view in run.views if not views or view in views)


def _describe(run: Run, views: Sequence[str], output: Literal["auto", "vectors", "probabilities"]) -> Description:
    """Return what the graph will be."""
    classes = tuple(getattr(run.method, "classes", ()))
    if output == "probabilities" and not classes:
        raise UserError(f"{run.path} names no classes, so it has no probabilities; fine-tune it first, or take vectors")
    gives_classes = bool(classes) if output == "auto" else output == "probabilities"
    opened = open_views(run.resolved["data"]["views"], views)
    inputs = []
    for view in views:
        given, is_drawn = run.config.views[view], opened[view].scale is None
        inputs.append(
            GraphInput(
                view=view,
                dtype="float32" if is_drawn else "uint8",
                frames=run.config.clip.num_frames,
                size=given.size,
                channels=run.resolved["channels"][view] if is_drawn else opened[view].channels,
            )
        )
    return Description(
        output="probabilities" if gives_classes else "vectors",
        inputs=tuple(inputs),
        clip=run.config.clip,
        classes=classes if gives_classes else (),
        source=run.describe(),
        versions={"coview": __version__, "torch": str(torch.__version__)},
    )


def _build_graph(run: Run, description: Description) -> ClipGraph:
    views = open_views(run.resolved["data"]["views"], description.views)
    graphs = []
    for given in description.inputs:
        body = (
            ClassProbabilities(run.method, given.view)
            if description.output == "probabilities"
            else WindowFeatures(run.encoders[given.view], run.method.pool, run.config.clip)
        )
        padded = run.resolved["channels"][given.view] - given.channels
        graphs.append(ViewGraph(body, scale=views[given.view].scale, pad_channels=padded))
    return ClipGraph(graphs).eval()


def _require_same(run: Run, copy: Run, description: Description) -> None:
    """Check that a copied run answers as the run does, to the bit."""
    clips = random_clips(description, count=1)
    before, after = answer_eagerly(run, description, clips), answer_eagerly(copy, description, clips)
    if any(not np.array_equal(before[view], after[view]) for view in before):
        raise UserError("the written folder does not answer as the run does; nothing is kept. Please report it")


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder beside `folder` to write into; at the end it takes that name, and on an error it is removed.

    Raises:
        UserError: there is something already, or it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not empty; choose another folder (--out)")
    place = Path(os.path.realpath(folder))  # a link to a folder stays one
    require_writable(place)
    aside = part_path(place)
    try:
        with disk_errors(folder):
            aside.mkdir()
            named = aside / folder.name  # so that what is written speaks of it by its own name
            named.mkdir()
            yield named
            if place.exists():
                place.rmdir()
            named.rename(place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let torch compute with so many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
