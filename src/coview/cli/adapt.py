"""`coview adapt`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from coview.cli.command import Command, Settings
from coview.cli.terminal import progress_bar

Base = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="BASE")]


@dataclass(frozen=True)
class Adapt(Command):
    """Let a pretrained model learn on from your videos, and say whether that was worth it.

    BASE is a local folder of a pretrained network (config.json and safetensors, as transformers saves them) or a run.
    It goes on learning with method joint and all views of the data. Then adapted, frozen (BASE as it is) and from
    scratch are judged on the same videos: retrieval and few labels, with intervals over whole groups, and one verdict;
    without labels the little that can be said. Minutes, clips/s and memory of every part are printed. The result is in
    RUN/adaptation.json; the adapted model is the run RUN. Settings of the recipe are given as to coview pretrain.

    Examples:
        coview adapt models/videomae-base --data data/mine --out runs/adapted --minutes 60
        coview adapt runs/kinetics --data data/mine --out runs/adapted --no-from-scratch
    """

    takes_settings: ClassVar[bool] = True
    plain_settings: ClassVar[tuple[str, ...]] = ("seed", "split")
    runs_encoders: ClassVar[bool] = True
    when_interrupted: ClassVar[str] = "what was trained is kept; the same command with --resume goes on"

    base: Base
    """Folder of a pretrained network, or of a run."""
    data: Path
    """Folder made by `coview prepare`."""
    out: Path
    """Folder of the adapted run, new unless --resume."""
    minutes: float | None = None
    """How long each of the two is trained, 10 if not given; measured on this machine before training begins."""
    from_scratch: bool = True
    """Also train from random weights for as long, to compare."""
    resume: bool = False
    """Go on where an earlier call stopped."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, settings: Settings) -> int:
        """Adapt, judge, print."""
        import coview

        with progress_bar("adapt", unit="done") as progress:
            made = coview.adapt(
                self.base,
                self.data,
                self.out,
                minutes=self.minutes,
                from_scratch=self.from_scratch,
                settings=settings,
                resume=self.resume,
                device=self.device,
                progress=progress,
            )
        print("\n".join(made.lines()))
        print(f"run: {made.run.path}\nresult: {made.path}")
        return 0
