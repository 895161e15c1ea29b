"""Commands that make things: a data set of videos, a run of a data set, vectors of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from coview.cli.scores import Assignments, RunFolder, nested
from coview.cli.terminal import EXIT_INTERRUPTED, progress_bar

Layout = Literal["folder", "csv", "ucf101", "hmdb51", "kinetics", "synthetic"]
Source = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
OutFolder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
ConfigName = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CONFIG")]
Videos = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="VIDEOS")]


@dataclass(frozen=True)
class Prepare:
    """Turn a folder of videos into a prepared data set: one small file a video and view.

    Interrupted (Ctrl-C, kill, power), the same command goes on where it stopped; a second run changes nothing.
    A bad video gets a status and a reason in OUT/videos.parquet and the rest go on.

    Settings of a view are given with a dot: --flow.algorithm farneback. Settings of the synthetic videos too:
    --synthetic.num-videos 100 --synthetic.seed 1 (SOURCE is then the folder they are written to).

    Examples:
        coview prepare my_videos data/mine
        coview prepare UCF-101 data/ucf101 --layout ucf101 --lists ucfTrainTestlist --views rgb flow
        coview prepare clips data/synthetic --layout synthetic --views rgb flow pose segmentation
    """

    source: Source
    """Folder of videos, or the table of a csv or kinetics layout."""
    out: OutFolder
    """Folder to make, or to go on with."""
    layout: Layout = "folder"
    """How SOURCE is laid out."""
    lists: Path | None = None
    """Folder of the official split lists (ucf101, hmdb51), or the csv (kinetics)."""
    views: tuple[str, ...] = ("rgb", "flow")
    """Views to store; see `coview list views`."""
    short_side: int = 144
    """Height or width of stored pictures, whichever is smaller, in pixels."""
    fps: float | None = None
    """Resample in time to this rate; not set: every frame of the source."""
    folds: int | None = None
    """Add splits fold1 to fold<n>, each with another n-th of the groups to test; a made data set can get them too."""
    workers: int | None = None
    """Processes; not set: one a core."""
    cluster: str | None = None
    """Address of a dask scheduler, such as tcp://host:8786, whose workers do the work."""
    shard: str | None = None
    """i/n: do the i-th of n shares, for job arrays."""
    timeout: float = 120.0
    """Seconds without a new frame after which a video is given up."""
    retry_failed: bool = False
    """Try videos again that failed before."""

    def run(self, assignments: Assignments) -> int:
        """Prepare, then say what came of it."""
        from coview.config import parse
        from coview.datasets.synthetic import SyntheticSettings
        from coview.preparation.prepare import prepare
        from coview.preparation.settings import PrepareSettings
        from coview.views.base import StorageSettings

        options = nested(assignments)
        synthetic = parse(SyntheticSettings, options.pop("synthetic", {}), source="prepare", prefix="synthetic.")
        settings = PrepareSettings(
            layout=self.layout,
            lists=self.lists,
            views=self.views,
            storage=StorageSettings(short_side=self.short_side, fps=self.fps),
            options=options,
            folds=self.folds,
            workers=self.workers,
            cluster=self.cluster,
            shard=self.shard,
            timeout_seconds=self.timeout,
            retry_failed=self.retry_failed,
            synthetic=synthetic if self.layout == "synthetic" else None,
        )
        with progress_bar("prepare", unit="videos") as progress:
            dataset = prepare(self.source, self.out, settings, progress=progress)
        _print_counts(dataset.info["counts"], self.out)
        return 0


@dataclass(frozen=True)
class Pretrain:
    """Learn from a prepared data set, all stages of a method, into a run folder; without labels, or to fine-tune.

    CONFIG is a YAML file, or the name of one that comes with coview (`coview list configs`). Any setting can be
    changed here by its dotted name: --training.batch-size 16 --optimiser.learning-rate 3e-4 --seed 1.
    `coview list settings` shows all of them. Ctrl-C saves and stops; --resume goes on, in the middle of an epoch too.
    Several processes: torchrun --nproc-per-node 2 -m coview pretrain CONFIG --data DIR --out RUN

    Examples:
        coview pretrain cpc-ucf10-cpu --data data/ucf10 --out runs/cpc
        coview pretrain cpc-ucf10-cpu --data data/ucf10 --out runs/cpc --resume
        coview pretrain cocon-ucf10-2view-cpu --data D --out R --start-from runs/cpc --method.single-view-epochs 0
        coview pretrain finetune-cocon-ucf10-cpu --data data/ucf10 --start-from runs/cpc --out runs/cpc-tuned
    """

    config: ConfigName
    """Settings of the run."""
    data: Path
    """Folder made by `coview prepare`."""
    out: Path
    """Folder of the run, new unless --resume."""
    resume: bool = False
    """Go on from the newest checkpoint in --out."""
    max_steps: int | None = None
    """End each stage after this many steps, for a quick check."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, assignments: Assignments) -> int:
        """Train; a stop on request ends with the status of an interrupt."""
        from coview.config.files import load_config
        from coview.evaluation.inference import names_classes
        from coview.training.pretrain import pretrain

        if self.max_steps is not None:
            assignments = [*assignments, ("training.max_steps", str(self.max_steps))]
        config = load_config(self.config, nested(assignments))
        with progress_bar("pretrain", unit="steps") as progress:
            result = pretrain(
                config, data=self.data, out=self.out, resume=self.resume, device=self.device, progress=progress
            )
        if not result.is_complete:
            print(f"stopped; go on with the same command and --resume. The run so far: {result.run}")
            return EXIT_INTERRUPTED
        protocol = " --protocol inference" if names_classes(config) else ""
        print(f"trained: {result.run}\nnext: coview evaluate {result.run} --data {self.data}{protocol}")
        return 0


@dataclass(frozen=True)
class Embed:
    """Turn videos into vectors: one unit vector a video and view, in a Parquet file (or CSV).

    VIDEOS is a video, a folder of videos, or a prepared data set. Views the run needs (flow, say) are made the way
    its training data was made.
    """

    run_folder: RunFolder
    """Folder of a run."""
    videos: Videos
    """What to embed."""
    out: Path
    """Parquet file to write; with a name that ends in .csv a table of text."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, assignments: Assignments) -> int:
        """Embed and store."""
        from coview.embedding.run import Run

        run = Run.load(self.run_folder)
        with progress_bar("embed", unit="videos") as progress:
            embeddings = run.embed(self.videos, device=self.device, progress=progress)
        embeddings.save(self.out)
        views = ", ".join(f"{name} ({rows.shape[1]}-d)" for name, rows in embeddings.features.items())
        print(f"{len(embeddings)} videos, views {views}: {self.out}")
        for video, reason in embeddings.description["failed"].items():
            print(f"not embedded: {video}: {reason}")
        return 0


def _print_counts(counts: dict[str, object], out: Path) -> None:
    """Say how many videos are ready and what became of the others."""
    print(f"{counts['ready']} of {counts['listed']} videos ready in {out}")
    for status in ("failed", "missing"):
        if counts.get(status):
            print(f"{counts[status]} {status}: see the column 'reason' of {out / 'videos.parquet'}")
