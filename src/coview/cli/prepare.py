"""`coview prepare`."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from coview.cli.command import Command, OutFolder, Settings, Source
from coview.cli.terminal import progress_bar


@dataclass(frozen=True)
class Prepare(Command):
    """Turn a folder of videos into a prepared data set: one small file per video and view.

    After an interruption (Ctrl-C, kill, power cut) the same command continues where it left off; run again on a
    finished data set, it changes nothing. A bad video gets a status and a reason in OUT/videos.parquet, and the others
    go on.

    Settings of a view are given with a dot: --flow.algorithm farneback. So are those of the synthetic videos:
    --synthetic.num-videos 100 --synthetic.seed 1 (SOURCE is then the folder they are written to).

    Examples:
        coview prepare my_videos data/mine
        coview prepare UCF-101 data/ucf101 --layout ucf101 --lists ucfTrainTestlist --views rgb flow
        coview prepare clips data/synthetic --layout synthetic --views rgb flow pose segmentation
    """

    takes_settings: ClassVar[bool] = True

    source: Source
    """Folder of videos, or the table of a csv or kinetics layout."""
    out: OutFolder
    """Folder to create or to continue."""
    layout: str = "folder"
    """How SOURCE is laid out: folder, frames, csv, ucf101, hmdb51, kinetics, synthetic, or a plugin's."""
    lists: Path | None = None
    """Folder of the official split lists (ucf101, hmdb51), or the csv (kinetics)."""
    views: tuple[str, ...] = ("rgb", "flow")
    """Views to store; see `coview list views`."""
    short_side: int = 144
    """The smaller of height and width of the stored pictures, in pixels."""
    fps: float | None = None
    """Resample to this frame rate; not set: every frame of the source."""
    folds: int | None = None
    """Add splits fold1 to fold<n>, each testing another n-th of the groups; can be added later, too."""
    labels: Literal["auto", "folders", "none"] | None = None
    """auto: folders are classes where that is evident; folders: they are; none: no labels. Not set: as before."""
    workers: int | None = None
    """Processes; not set: one per core."""
    cluster: str | None = None
    """Address of a dask scheduler, such as tcp://host:8786, whose workers do the work."""
    shard: str | None = None
    """i/n: do the i-th of n shares, for job arrays."""
    timeout: float = 120.0
    """Give up on a video after this many seconds without a new frame."""
    retry_failed: bool = False
    """Retry videos that failed before."""

    def run(self, settings: Settings) -> int:
        """Prepare, then say how many videos are ready."""
        import coview

        asked = {
            "storage.short_side": self.short_side,
            "storage.fps": self.fps,
            "folds": self.folds,
            "labels": self.labels,
            "workers": self.workers,
            "cluster": self.cluster,
            "shard": self.shard,
            "timeout_seconds": self.timeout,
            "retry_failed": self.retry_failed,
        }
        with progress_bar("prepare", unit="videos") as progress:
            data = coview.prepare(
                self.source,
                self.out,
                {**asked, **settings},
                views=self.views,
                layout=self.layout,
                lists=self.lists,
                progress=progress,
            )
        counts = data.info["counts"]
        print(f"{counts['ready']} of {counts['listed']} videos ready in {self.out}")
        for status in ("failed", "missing"):
            if counts.get(status):
                print(f"{counts[status]} {status}: see the column 'reason' of {self.out / 'videos.parquet'}")
        return 0
