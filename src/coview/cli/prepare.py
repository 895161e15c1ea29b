"""`coview prepare`."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from coview.cli.command import Command, OutFolder, Settings, Source
from coview.cli.encoding import one_line
from coview.cli.terminal import progress_bar

_SHOWN = 10
"""Videos whose reason is printed."""


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
    when_interrupted: ClassVar[str] = "finished videos are kept; the same command goes on from there"

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
    stream: int | None = None
    """Number of the stream to read in files that hold several videos, as ffprobe counts; not set: as players choose."""
    deinterlace: Literal["auto", "never"] = "auto"
    """auto: interlaced pictures are deinterlaced; never: left combed."""
    pixel_shape: Literal["square", "stored"] = "square"
    """square: oblong pixels are stretched, so that pictures look as in a player; stored: one pixel is one pixel."""
    tone_map: Literal["auto", "never"] = "auto"
    """auto: HDR pictures (PQ, HLG) become ordinary ones; never: their values are taken as they are."""
    damaged: Literal["refuse", "keep"] = "refuse"
    """refuse: a video with damage in its middle fails; keep: what cannot be decoded soundly is left out and counted."""
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
        from coview.preparation.outcomes import describe_unread

        asked = {
            "storage.short_side": self.short_side,
            "storage.fps": self.fps,
            "storage.source.stream": self.stream,
            "storage.source.deinterlace": self.deinterlace,
            "storage.source.pixel_shape": self.pixel_shape,
            "storage.source.tone_map": self.tone_map,
            "storage.source.damaged": self.damaged,
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
        told = describe_unread(data.entries, most=_SHOWN)
        if told:
            print("\n".join(map(one_line, told)))
        if counts["ready"] < counts["listed"] or any(entry.reason for entry in data.ready):
            print(f"Reasons and remarks of all videos: {shlex.join(['coview', 'list', 'videos', str(self.out)])}")
        return 0 if counts["ready"] else 1
