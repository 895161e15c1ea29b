"""`coview list`."""

from dataclasses import dataclass
from typing import Literal

import tyro

from coview.cli.command import Command, Settings


@dataclass(frozen=True)
class List(Command):
    """List what a config or a command may name: views, encoders, methods, layouts, protocols, analyses, ..."""

    what: tyro.conf.Positional[
        Literal["all", "views", "encoders", "methods", "layouts", "protocols", "analyses", "configs", "settings"]
    ] = "all"
    """Which list."""

    def run(self, settings: Settings) -> int:
        """Print the list."""
        from coview.cli.reference import listing

        print(listing(self.what))
        return 0
