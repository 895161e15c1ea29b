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
    """File to write: .parquet, or a table of text where its name ends in .csv."""
    full_paths: bool = False
    """Write where each video lies on this machine; not set: from the folder on that holds them all."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, settings: Settings) -> int:
        """Embed and store."""
        import coview
        from coview.embedding.embeddings import check_file_name
        from coview.files import require_writable

        require_writable(check_file_name(self.out))  # before an hour of work, not after it
        run = coview.load(self.run_folder)
        with progress_bar("embed", unit="videos") as progress:
            vectors = run.embed(self.videos, device=self.device, progress=progress)
        vectors.save(self.out, full_paths=self.full_paths)
        views = ", ".join(f"{view} ({vectors[view].shape[1]}-d)" for view in run.views)
        print(f"{len(vectors)} videos, views {views}: {self.out}")
        for video, reason in vectors.description["failed"].items():
            print(f"not embedded: {video}: {reason}")
        return 0
