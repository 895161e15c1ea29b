"""`coview pretrain`."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from coview.cli.command import Command, Settings
from coview.cli.terminal import progress_bar


@dataclass(frozen=True)
class Pretrain(Command):
    """Learn from a prepared data set, all stages of a method, into a run folder; without labels, or to fine-tune.

    CONFIG is a YAML file, or the name of one that comes with coview (`coview list configs`). Without one, method joint
    learns from all views of the data for --minutes: the way to begin with videos of your own. Any setting can be
    changed by its dotted name: --training.batch-size 16 --optimiser.learning-rate 3e-4 --seed 1.
    `coview list settings` shows all of them. Ctrl-C, SIGTERM and SIGHUP save and stop, with the exit
    status 128 + the signal's number; --resume continues, in the middle of an epoch too.
    Several processes: torchrun --nproc-per-node 2 -m coview pretrain CONFIG --data DIR --out RUN

    Examples:
        coview pretrain --data data/mine --out runs/mine --minutes 30
        coview pretrain cpc-ucf10-cpu --data data/ucf10 --out runs/cpc
        coview pretrain cpc-ucf10-cpu --data data/ucf10 --out runs/cpc --resume
        coview pretrain cocon-ucf10-2view-cpu --data D --out R --start-from runs/cpc --method.single-view-epochs 0
        coview pretrain finetune-cocon-ucf10-cpu --data data/ucf10 --start-from runs/cpc --out runs/cpc-tuned
    """

    takes_settings: ClassVar[bool] = True
    plain_settings: ClassVar[tuple[str, ...]] = ("seed", "split", "preset", "start-from", "start_from")
    runs_encoders: ClassVar[bool] = True
    when_interrupted: ClassVar[str] = "--resume goes on from the last checkpoint, or begins where there is none yet"

    data: Path
    """Folder made by `coview prepare`."""
    out: Path
    """Folder of the run, new unless --resume."""
    config: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="CONFIG")] = None
    """Settings of the run; left out: joint on all views of the data."""
    minutes: float | None = None
    """Without CONFIG: how long to train, 10 if not given; measured on this machine before training begins."""
    resume: bool = False
    """Continue from the newest checkpoint in --out."""
    max_steps: int | None = None
    """End each stage after this many steps, for a quick check."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""
    log: tuple[Literal["wandb", "mlflow", "trackio"], ...] = ()
    """Trackers that are told what TensorBoard is told; each is an extra. With --resume they go on with the same run."""

    def run(self, settings: Settings) -> int:
        """Train; a stop on request ends with the status of an interrupt."""
        import coview

        with progress_bar("pretrain", unit="steps") as progress:
            run = coview.pretrain(
                self.config,
                self.data,
                self.out,
                settings=settings,
                minutes=self.minutes,
                max_steps=self.max_steps,
                resume=self.resume,
                device=self.device,
                log=self.log,
                progress=progress,
            )
        if os.environ.get("RANK", "0") == "0":  # of several processes one writes and speaks
            from coview.reports import next_command

            report = coview.write_report(run, self.data)
            print(f"trained: {run.path}\nreport: {report}\nnext: {next_command(run, self.data)}")
        return 0
