"""`coview demo`: the commands of the road, one after the other, each shown as a user would type it."""

import json
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from coview.cli.command import Command, Settings, run_words
from coview.cli.evaluate import Evaluate
from coview.cli.prepare import Prepare
from coview.cli.pretrain import Pretrain

NUM_VIDEOS = 200
SHORT_SIDE = 96
"""Of the stored pictures: the demo's encoder sees 64 x 64 pixels, and flow of small pictures is quick."""


@dataclass(frozen=True)
class Demo(Command):
    """Walk the whole road on synthetic videos: files, views, pre-training, retrieval, report."""

    takes_settings: ClassVar[bool] = True
    plain_settings: ClassVar[tuple[str, ...]] = ("seed",)
    when_interrupted: ClassVar[str] = "the same command goes on from there"

    out: Path = Path("demo")
    """Folder for everything the demo makes; a second call continues there."""
    config: str = "demo"
    """Settings of the run."""

    def run(self, settings: Settings) -> int:
        """Run each command; stop at the first that fails."""
        videos, data, trained = str(self.out / "videos"), str(self.out / "data"), str(self.out / "run")
        synthetic = {name: value for name, value in settings.items() if name.startswith("synthetic.")}
        others = {name: value for name, value in settings.items() if name not in synthetic}
        if not any("num" in name for name in synthetic):
            synthetic["synthetic.num-videos"] = NUM_VIDEOS
        prepare = [videos, data, "--layout", "synthetic", "--views", "rgb", "flow", "--short-side", str(SHORT_SIDE)]
        commands: list[tuple[str, type[Command], list[str]]] = [
            ("prepare", Prepare, [*prepare, *_flags(synthetic)]),
            ("pretrain", Pretrain, [self.config, "--data", data, "--out", trained, "--resume", *_flags(others)]),
            ("evaluate", Evaluate, [trained, "--data", data, "--protocol", "retrieval"]),
        ]
        started = time.monotonic()
        for name, kind, words in commands:
            print(f"\n$ coview {shlex.join([name, *words])}", flush=True)
            status = run_words(kind, words, name=name)
            if status:
                return status
        minutes = (time.monotonic() - started) / 60
        print(f"\nThat took {minutes:.1f} minutes. Open {self.out / 'run' / 'report.html'} in a browser.")
        return 0


def _flags(settings: Settings) -> list[str]:
    """Return settings as words of a command line."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
    return [word for name, text in texts.items() for word in (f"--{name}", text)]
