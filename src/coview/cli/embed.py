"""`coview embed`."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from coview.cli.command import Command, RunFolder, Settings, Videos
from coview.cli.encoding import one_line
from coview.cli.terminal import progress_bar


@dataclass(frozen=True)
class Embed(Command):
    """Turn videos into vectors: one unit vector per video and view, in a Parquet file.

    VIDEOS is a video, a folder of videos, or a prepared data set. Views the run needs (flow, say) are made the way
    those of its training data were.

    Examples:
        coview embed runs/mine my_videos --out vectors.parquet
        coview embed runs/mine my_videos --out vectors.parquet --shard 3/16
        torchrun --nproc-per-node 2 -m coview embed runs/mine my_videos --out vectors.parquet
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
    shard: str | None = None
    """i/n: embed the i-th of n shares, for job arrays; the one that is done last writes the file. Under torchrun each
    process takes a share by itself."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, settings: Settings) -> int:
        """Embed and store."""
        import coview
        from coview.embedding.embeddings import check_file_name
        from coview.embedding.shares import ShareKept, in_shares, own_shard
        from coview.files import require_writable
        from coview.training.distributed import choose_device
        from coview.wording import counted

        require_writable(check_file_name(self.out))  # before an hour of work, not after it
        shard = own_shard(self.shard)
        run = coview.load(self.run_folder)
        device = str(choose_device(self.device, local_rank=int(os.environ.get("LOCAL_RANK", 0))))
        with progress_bar("embed", unit="videos") as progress:
            if shard is None:
                vectors = run.embed(self.videos, device=device, progress=progress)
                vectors.save(self.out, full_paths=self.full_paths)
            else:
                how = partial(run.embed_share, self.videos, shard, device=device, progress=progress)
                try:
                    with in_shares(self.out, shard, how, whole=run.identity_with(self.videos)) as vectors:
                        vectors.save(self.out, full_paths=self.full_paths)
                except ShareKept as kept:
                    print(f"{kept}; the last one to be done writes {self.out}")
                    return 0
        views = ", ".join(f"{view} ({vectors[view].shape[1]}-d)" for view in run.views)
        print(f"{counted(len(vectors), 'video')}, views {views}: {self.out}")
        for video, reason in vectors.description["failed"].items():
            print(one_line(f"not embedded: {video}: {reason}"))
        return 0
