"""`coview list`."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from coview.cli.command import Command, Settings
from coview.errors import UserError
from coview.registry import did_you_mean


@dataclass(frozen=True)
class List(Command):
    """List what a config or a command may name: views, encoders, methods, layouts, protocols, metrics, ..."""

    what: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="WHAT")] = "all"
    """all, settings, configs, or one of: views, encoders, methods, layouts, protocols, metrics, analyses,
    augmentations. With --plugin MODULE those of that module, too."""

    def run(self, settings: Settings) -> int:
        """Print the list."""
        from coview.cli.reference import LISTS, listing

        known = ("all", "settings", *LISTS)
        if self.what not in known:
            hint = did_you_mean(self.what, known) or "."
            raise UserError(f"no list {self.what!r}{hint} There are: {', '.join(known)}")
        print(listing(self.what))
        return 0
