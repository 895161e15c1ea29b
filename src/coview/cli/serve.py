"""`coview serve`."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from coview.cli.command import Command, Settings
from coview.errors import MissingExtraError

IndexFolder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="INDEX")]


@dataclass(frozen=True)
class Serve(Command):
    """Show an index as a page in the browser: browse, search by example, see what the encoders see.

    Search by clicking a clip, by dragging over the timeline of one, or by dropping a video file. Everything that the
    page does is open to programs too, as a JSON API described at /docs. The page is for this machine alone, unless
    --host names another address; then the address printed holds a token that is needed.

    Examples:
        coview serve idx --open
        coview serve idx --port 9000
        coview serve idx --host 0.0.0.0
    """

    index: IndexFolder
    """Folder made by `coview index`."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8765
    """Port to listen on; 0: any that is free."""
    open: bool = False
    """Open the page in the browser of this machine."""
    fetch: bool = False
    """Show videos in object storage and on web servers, too: each is fetched, up to 2 GiB, from the address that the
    index names."""
    run_folder: Annotated[Path | None, tyro.conf.arg(name="run")] = None
    """Folder of the run, where it was moved since the index was made."""

    def run(self, settings: Settings) -> int:
        """Serve until Ctrl-C."""
        for package in ("fastapi", "uvicorn"):
            if importlib.util.find_spec(package) is None:
                raise MissingExtraError("coview serve", package=package, extra="serve")
        from coview.serving import serve

        serve(
            self.index,
            host=self.host,
            port=self.port,
            run=self.run_folder,
            open_browser=self.open,
            fetch=self.fetch,
        )
        return 0
