"""`coview shards`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from coview.cli.command import Command, Settings
from coview.cli.terminal import progress_bar


@dataclass(frozen=True)
class Shards(Command):
    """Write a prepared data set as tar files, here or in object storage, which --data takes in its place.

    OUT is a small folder that says which videos there are and where in which tar their views lie; with --place the tars
    go to an address, through fsspec, and whoever has OUT trains from there. Clips are the same as from DATA and come
    in the same order, from any step on. Other loaders stream the tars as WebDataset's.

    Examples:
        coview shards data/ucf101 data/ucf101-shards
        coview shards data/ucf101 data/ucf101-s3 --place s3://bucket/ucf101
        coview pretrain cocon-ucf101-2view --data data/ucf101-s3 --out runs/cocon
    """

    when_interrupted: ClassVar[str] = "tars that were finished are kept; the same command goes on"

    data: Annotated[Path, tyro.conf.Positional]
    """Folder made by `coview prepare`."""
    out: Annotated[Path, tyro.conf.Positional]
    """A new folder."""
    place: str | None = None
    """Address of a folder for the tars, such as s3://bucket/clips; not set: in OUT."""
    shard_megabytes: int = 256
    """A tar is closed once it holds as many."""
    seed: int = 0
    """Of the order in which videos are dealt out."""

    def run(self, settings: Settings) -> int:
        """Write the tars."""
        from coview.preparation.shards import write_shards
        from coview.wording import counted

        with progress_bar("shards", unit="videos") as progress:
            made = write_shards(
                self.data,
                self.out,
                place=self.place,
                shard_megabytes=self.shard_megabytes,
                seed=self.seed,
                progress=progress,
            )
        assert made.shards is not None
        print(f"{counted(len(made), 'video')} in {counted(len(made.shards.names), 'shard')}: {self.out}")
        return 0
