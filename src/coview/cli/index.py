"""`coview index`."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import tyro

from coview.cli.command import Command, RunFolder, Settings
from coview.cli.encoding import one_line
from coview.cli.terminal import progress_bar
from coview.errors import UserError
from coview.files import require_writable

if TYPE_CHECKING:
    from coview.embedding.run import Run

Places = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE... INDEX")]


@dataclass(frozen=True)
class IndexCommand(Command):
    """Make videos searchable down to the moment: embed every window of every video into an index, or update one.

    SOURCE is a folder of videos, a video, a table (.csv) or list (.txt) of them, a prepared data set, or an address in
    object storage or of a web server (s3://, gs://, https://); several may be given. INDEX is the folder of the index.
    Given again, the command embeds what is new or has changed, marks what is gone, and touches nothing else;
    interrupted at any moment, it goes on from there.

    Examples:
        coview index runs/mine my_videos idx
        coview index runs/mine my_videos more_videos idx --fields cameras.csv
        coview index runs/mine my_videos idx --retry-failed
        coview index runs/mine my_videos idx --shard 3/16     # one of 16 jobs; when all are done, without --shard
    """

    runs_encoders: ClassVar[bool] = True
    when_interrupted: ClassVar[str] = "videos that are in the index stay; the same command goes on from there"

    run_folder: RunFolder
    """Folder of a run whose training has ended."""
    places: Places
    """What to embed, and last the folder of the index."""
    fields: Path | None = None
    """Table with a column path or id and columns of your own, for coview search --where."""
    checkpoint: str | None = None
    """Folder name of a checkpoint, such as rgb-00000400; not set: the last."""
    workers: int | None = None
    """Processes that make views; not set: one a core."""
    retry_failed: bool = False
    """Try videos again that failed before; those whose file has changed are tried in any case."""
    verify: bool = False
    """Compare all vectors with their checksums first, and embed anew what is damaged."""
    store: Literal["local", "milvus"] | None = None
    """Where a new index keeps its vectors: in its folder, or in Milvus (where COVIEW_MILVUS says)."""
    shard: str | None = None
    """i/n: embed the i-th of n shares, for job arrays; the next call without --shard merges them."""
    cluster: str | None = None
    """Address of a dask scheduler, such as tcp://host:8786, whose workers embed a share each."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, settings: Settings) -> int:
        """Embed and store."""
        import coview
        from coview.collection.about import ABOUT
        from coview.collection.merging import list_parts
        from coview.collection.sharing import Embedding, index_videos
        from coview.collection.sources import list_videos

        *sources, last = self.places
        folder = Path(last)
        if not sources and self.fields is None and not self.verify and not list_parts(folder):
            raise UserError("coview index needs RUN SOURCE INDEX: a run, what to embed, and the folder of the index")
        is_new = not (folder / ABOUT).is_file()
        if is_new:  # what is wrong is named before a folder is made
            require_writable(folder)
            for source in sources:
                list_videos(source)
        index = coview.open_index(folder, run=self.run_folder, checkpoint=self.checkpoint, store=self.store)
        for hint in _stored_views(index.run, sources) if is_new else ():
            print(hint)
        how = Embedding(self.workers, self.device, self.retry_failed, self.verify)
        with progress_bar("index", unit="videos") as progress:
            done = index_videos(
                index,
                sources,
                how,
                fields=self.fields,
                shard=self.shard,
                cluster=self.cluster,
                progress=progress,
            )
        for path, reason in done.failed:
            print(one_line(f"not in the index: {path}: {reason}"))
        if self.shard is not None:
            print(f"share {self.shard}: {done}\nnext, when all shares are done: the same command without --shard")
        else:
            print(f"{done}\n{index!r}")
            if len(index):
                place = shlex.quote(str(folder))
                print(f"next: coview serve {place}")
                typed = next((one for row in index.store.rows(status="ready") if _is_typed(one := row.facts.id)), None)
                if typed is not None:
                    print(f"  or: coview search {place} {shlex.quote(typed)}")
        is_all = self.shard is None and "RANK" not in os.environ  # else others may have found good ones
        return 1 if is_all and done.failed and not len(index) else 0


def _is_typed(name: str) -> bool:
    """Return whether a name can be typed as it is shown, and is not taken for an option."""
    return name == one_line(name) and not name.startswith("-")


def _stored_views(run: "Run", sources: Sequence[str]) -> list[str]:
    """Name the prepared data set that holds the views of a folder already: the one that the run learnt from."""
    from coview.datasets.prepared import INFO_NAME, PreparedDataset

    root = Path(str(run.resolved["data"].get("root", "")))
    if not (root / INFO_NAME).is_file():
        return []
    try:
        made_from = PreparedDataset.open(root).info.get("source")
    except UserError:
        return []
    return [
        f"the views of {source} lie in {root} already: given as SOURCE in its place, they are not made again"
        for source in sources
        if made_from and Path(source).exists() and Path(source).resolve() == Path(str(made_from)).resolve()
    ]
