"""`coview list`."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from coview.cli.command import Command, Settings
from coview.cli.encoding import one_line
from coview.errors import UserError
from coview.registry import did_you_mean


@dataclass(frozen=True)
class List(Command):
    """List what a config or a command may name: views, encoders, methods, layouts, protocols, metrics, ...

    With `coview list videos DATA`: what became of each video of a prepared data set, and why.
    """

    what: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="WHAT")] = "all"
    """all, settings, configs, videos, or one of: views, encoders, methods, layouts, protocols, metrics, analyses,
    augmentations. With --plugin MODULE those of that module, too."""
    data: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")] = None
    """For videos: the prepared data set."""

    def run(self, settings: Settings) -> int:
        """Print the list."""
        from coview.cli.listing import LISTS, listing, read_described

        if (self.what == "videos") != (self.data is not None):
            raise UserError("a prepared data set goes with videos alone: coview list videos DATA")
        if self.data is not None:
            print(_videos(self.data))
            return 0
        known = ("all", "settings", "videos", *LISTS)
        if self.what not in known:
            hint = did_you_mean(self.what, known) or "."
            raise UserError(f"no list {self.what!r}{hint} There are: {', '.join(known)}")
        print(listing(self.what, read_described()))
        return 0


def _videos(data: Path) -> str:
    """Return a line a video: status, id, and its reason or remark."""
    from coview.datasets.prepared import PreparedDataset

    entries = PreparedDataset.open(data).entries
    order = sorted(entries, key=lambda entry: (entry.status == "ready", not entry.reason))
    lines = [f"{entry.status:8}{entry.id}" + (f": {entry.reason}" if entry.reason else "") for entry in order]
    counts = Counter(entry.status for entry in entries)
    lines.append(", ".join(f"{count:,} {status}" for status, count in counts.most_common()))
    return "\n".join(map(one_line, lines))
