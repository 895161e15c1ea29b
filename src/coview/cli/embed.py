"""`coview embed`."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from coview.cli.command import Command, RunFolder, Settings, Videos
from coview.cli.terminal import progress_bar


@dataclass(frozen=True)
class Embed(Command):
    """Turn videos into vectors: one unit vector per video and view, in a Parquet file.

    VIDEOS is a video, a folder of videos, or a prepared data set. Views the run needs (flow, say) are made the way
    those of its training data were.
    """

    runs_encoders: ClassVar[bool] = True

    run_folder: RunFolder
    """Folder of a run."""
    videos: Videos
    """What to embed."""
    out: Path
    """Parquet file to write; if its name ends in .csv, a table of text."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, settings: Settings) -> int:
        """Embed and store."""
        import coview

        run = coview.load(self.run_folder)
        with progress_bar("embed", unit="videos") as progress:
            vectors = run.embed(self.videos, device=self.device, progress=progress)
        vectors.save(self.out)
        views = ", ".join(f"{view} ({vectors[view].shape[1]}-d)" for view in run.views)
        print(f"{len(vectors)} videos, views {views}: {self.out}")
        for video, reason in vectors.description["failed"].items():
            print(f"not embedded: {video}: {reason}")
        return 0
