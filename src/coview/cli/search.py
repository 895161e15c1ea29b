"""`coview search`."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from coview.cli.command import Command, Settings
from coview.cli.encoding import one_line
from coview.cli.findings import IndexFolder, check_format, from_here, print_findings
from coview.errors import UserError

Query = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="QUERY")]


@dataclass(frozen=True)
class Search(Command):
    """Find the moments of an index that are most like a video, or like some seconds of one.

    QUERY is a video file, or the id of a video of the index. Windows of one event are one hit, and no video fills the
    list. Conditions are given as --where NAME=VALUE ...: label, id, group, path (a pattern), time and duration
    (seconds from..to), and fields of your own; a repeated name means any of its values.

    Examples:
        coview search idx query.mp4
        coview search idx query.mp4 --from 3.2 --to 5 --view flow --top 20
        coview search idx walk/clip3 --videos --where label=walk label=run 'path=cam1/*' --json
    """

    index: IndexFolder
    """Folder made by `coview index`."""
    query: Query
    """What to look for."""
    start: Annotated[float | None, tyro.conf.arg(aliases=("--from",))] = None
    """Look for what happens from this second of the query on."""
    end: Annotated[float | None, tyro.conf.arg(aliases=("--to",))] = None
    """Until this second."""
    view: tuple[str, ...] = ()
    """View, or views, to compare; not set: all, by their mean cosine."""
    top: int = 10
    """How many hits."""
    moments: bool = False
    """Find moments: the default."""
    videos: bool = False
    """Find whole videos."""
    per_video: int = 3
    """At most this many moments of one video."""
    where: tuple[str, ...] = ()
    """Conditions, NAME=VALUE each."""
    json: bool = False
    """Print JSON, one list of hits."""
    csv: bool = False
    """Print a table of text, one line a hit."""
    run_folder: Annotated[Path | None, tyro.conf.arg(name="run")] = None
    """Folder of the run, where it was moved since the index was made."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, settings: Settings) -> int:
        """Search and print."""
        import coview
        from coview.collection.filters import parse_words

        if self.moments and self.videos:
            raise UserError("--moments and --videos were both given; choose one")
        check_format(as_json=self.json, as_csv=self.csv)
        hits = coview.open_index(self.index, run=self.run_folder).search(
            self.query,
            start=self.start,
            end=self.end,
            top=self.top,
            view=self.view or None,
            where=parse_words(self.where),
            moments=not self.videos,
            per_video=self.per_video,
            device=self.device,
        )
        if self.json or self.csv:
            print_findings(hits, as_json=self.json, as_csv=self.csv, columns=("rank", "id", "path"))
        else:
            for hit in hits:
                times = "" if hit.start_seconds is None else f"{hit.start_seconds:8.1f} s to {hit.end_seconds:.1f} s"
                mark = "  the query itself" if hit.is_query else ""
                print(f"{hit.rank:3} {hit.cosine:.3f}{times}  {one_line(from_here(hit.path))}{mark}")
            if not hits:
                print("nothing found")
            elif sys.stderr.isatty():
                print(f"to see them play: coview serve {shlex.quote(str(self.index))}", file=sys.stderr)
        return 0
