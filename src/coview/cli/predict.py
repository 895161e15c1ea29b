"""`coview predict`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from coview.cli.command import Command, Settings
from coview.cli.encoding import one_line
from coview.cli.terminal import progress_bar
from coview.errors import UserError

Places = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="HEAD|MODEL VIDEOS...")]


@dataclass(frozen=True)
class Predict(Command):
    """Let a head or a fine-tuned model name what videos show: each as a whole, or as a timeline of segments.

    VIDEOS are files, or one folder, table, list, prepared data set or index; an index of the head's own run is answered
    from its vectors. The table is written at the end; interrupted, the same command goes on from there. Segments are
    smoothed, begin where a class reaches the probability that cross-validation found best, and can be imported as
    labels.

    Examples:
        coview predict heads/mine new_videos --out predictions.csv
        coview predict heads/mine long.mp4 --out timeline.csv --kind segments --min-seconds 2
        coview predict models/mine idx --out predictions.csv --shard 3/16
        coview predict exported new_videos --run models/mine --out predictions.csv
    """

    runs_encoders: ClassVar[bool] = True
    when_interrupted: ClassVar[str] = "videos that were finished are kept; the same command goes on from there"

    places: Places
    """Folder of a head or of a fine-tuned run, and the videos."""
    out: Path
    """Table to write (.csv)."""
    kind: Literal["videos", "segments", "windows"] = "videos"
    """A row a video; a row a segment; or all probabilities, a row a window."""
    smooth_seconds: float = 1.0
    """Probabilities are averaged over so long a stretch before segments are made; 0: not at all."""
    min_seconds: float = 0.5
    """Shorter segments are left out."""
    run_folder: Annotated[Path | None, tyro.conf.arg(name="run")] = None
    """Folder of the head's run, where it was moved; of a model exported to ONNX, its fine-tuned run."""
    shard: str | None = None
    """i/n: the i-th of n shares, for job arrays; the last one to end joins the tables."""
    workers: int | None = None
    """Processes that make views; not set: one a core."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, settings: Settings) -> int:
        """Predict, write, say what came of it."""
        from coview.collection.heads.timeline import TimelineSettings
        from coview.collection.prediction import predict_to_file
        from coview.collection.prediction.classifier import open_classifier
        from coview.preparation.settings import share_of
        from coview.wording import counted

        if len(self.places) < 2:
            raise UserError("coview predict needs HEAD VIDEOS: a head or a fine-tuned run, and what to predict")
        if self.out.suffix.lower() != ".csv":
            raise UserError(f"predictions are written as .csv, and {self.out.name!r} is not called so")
        share_of(self.shard)
        chosen = TimelineSettings(smooth_seconds=self.smooth_seconds, min_seconds=self.min_seconds)
        classifier = open_classifier(self.places[0], run=self.run_folder)
        source = self.places[1] if len(self.places) == 2 else list(self.places[1:])
        with progress_bar("predict", unit="videos") as progress:
            written = predict_to_file(
                classifier,
                source,
                self.out,
                kind=self.kind,
                settings=chosen,
                shard=self.shard,
                device=self.device,
                workers=self.workers,
                progress=progress,
            )
        for path, reason in written.failed:
            print(one_line(f"not predicted: {path}: {reason}"))
        print(f"{counted(written.videos, 'video')} predicted, {len(written.failed):,} failed: {written.path}")
        if written.joined is not None:
            print(f"all shares are done, joined: {written.joined}")
        if written.videos and (self.shard is None or written.joined is not None):
            print(f"next, where the truth is known: coview score {self.out} TRUTH")
        return 1 if written.failed and not written.videos else 0
