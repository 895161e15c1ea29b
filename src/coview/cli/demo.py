"""`coview demo`: the commands of the road, one after the other, each shown as a user would type it."""

import json
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from coview.cli.command import Command, Settings, run_words
from coview.cli.compare import Compare
from coview.cli.evaluate import Evaluate
from coview.cli.index import IndexCommand
from coview.cli.prepare import Prepare
from coview.cli.pretrain import Pretrain

SIDE = 64
"""Of the pictures, made and stored: the demo's encoders see 48 x 48 pixels, and flow of small pictures is quick."""
CLIPS = 600
"""Half of them are queries: with 300, a score is known to 3 points or less (one standard error)."""


@dataclass(frozen=True)
class Demo(Command):
    """Walk the whole road on synthetic videos: files, views, pre-training, retrieval, comparison, index, report.

    Two runs learn in as many steps: rgb alone, and rgb with flow beside it. The report of the second says what it
    learned beyond random weights and pixels, and what rgb gained from flow.
    """

    takes_settings: ClassVar[bool] = True
    plain_settings: ClassVar[tuple[str, ...]] = ("seed",)
    when_interrupted: ClassVar[str] = "the same command goes on from there"

    out: Path = Path("demo")
    """Folder for everything the demo makes; a second call continues there."""
    config: str = "demo"
    """Settings of the run with both views."""
    alone: str = "demo-rgb"
    """Settings of the run with rgb alone."""

    def run(self, settings: Settings) -> int:
        """Run each command; stop at the first that fails."""
        from coview.reports.facts import COMPARISONS

        videos, data, index = (str(self.out / name) for name in ("videos", "data", "idx"))
        together, alone = self.out / "run", self.out / "rgb-alone"
        synthetic = {name: value for name, value in settings.items() if name.startswith("synthetic.")}
        others = {name: value for name, value in settings.items() if name not in synthetic}
        made = {"synthetic.num_videos": CLIPS, "synthetic.test_share": 0.5}
        pictures = {"synthetic.height": SIDE, "synthetic.width": SIDE}
        prepare = [videos, data, "--layout", "synthetic", "--views", "rgb", "flow", "--short-side", str(SIDE)]
        commands: list[tuple[str, type[Command], list[str]]] = [
            ("prepare", Prepare, [*prepare, "--flow.algorithm", "dis", *_flags({**made, **pictures, **synthetic})])
        ]
        for config, run in ((self.alone, alone), (self.config, together)):
            cache = ["--training.frame-cache", str(self.out / "frames")]  # both runs read the same small pictures
            training = [config, "--data", data, "--out", str(run), "--resume", *cache, *_flags(others)]
            commands.append(("pretrain", Pretrain, training))
            commands.append(("evaluate", Evaluate, [str(run), "--data", data, "--protocol", "retrieval"]))
        compared = [str(together), str(alone), "--features", "rgb"]
        commands.append(("compare", Compare, [*compared, "--out", str(together / COMPARISONS / "rgb-alone")]))
        commands.append(("index", IndexCommand, [str(together), data, index]))
        started = time.monotonic()
        for name, kind, words in commands:
            print(f"\n$ coview {shlex.join([name, *words])}", flush=True)
            status = run_words(kind, words, name=name)
            if status:
                return status
        from coview.reports import say_quality, write_report

        report = write_report(together, data)  # once more, with the comparison
        minutes = (time.monotonic() - started) / 60
        print(f"\nThat took {minutes:.1f} minutes. {say_quality(together)}")
        print(f"report: {report}")
        print(f"page:   coview serve {shlex.quote(index)} --open")
        print("Videos of your own: coview init MY_VIDEOS chooses settings for them, and names the commands.")
        return 0


def _flags(settings: Settings) -> list[str]:
    """Return settings as words of a command line."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
    return [word for name, text in texts.items() for word in (f"--{name}", text)]
