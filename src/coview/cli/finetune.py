"""`coview finetune`."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from coview.cli.command import Command, RunFolder, Settings
from coview.cli.terminal import progress_bar


@dataclass(frozen=True)
class Finetune(Command):
    """Train all weights of a run with labels, into a model that names classes.

    Labelled moments are cut out and prepared as the run's own data was, in MODEL/labelled; the recipe is that of the
    protocol finetune. A head (`coview head`) takes a second and is often as good; this takes hours. Interrupted, the
    same command goes on.

    Examples:
        coview finetune runs/mine --labels idx --out models/mine
        coview finetune runs/mine --labels labels.csv --out models/mine --epochs 20
    """

    runs_encoders: ClassVar[bool] = True
    when_interrupted: ClassVar[str] = "what was prepared and trained is kept; the same command goes on from there"

    run_folder: RunFolder
    """Folder of the run to begin with."""
    labels: Path
    """File of labels (see coview labels), or an index with labels."""
    out: Path
    """Folder of the model to make."""
    epochs: int | None = None
    """Passes over the labelled moments for each view; not set: those of the recipe."""
    max_steps: int = 0
    """End each stage after this many steps, for a quick check; 0: after its epochs."""
    config: str | None = None
    """A config of method classify, in place of the recipe."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, settings: Settings) -> int:
        """Train, and say how to go on."""
        from coview.config import parse
        from coview.evaluation.finetuned import finetune
        from coview.evaluation.protocols.finetuning import FinetuneSettings

        given = {"config": self.config, "epochs": self.epochs, "max_steps": self.max_steps}
        chosen = parse(FinetuneSettings, given, source="the command line", prefix="")
        with progress_bar("finetune", unit="done") as progress:
            model = finetune(
                self.run_folder, self.labels, self.out, settings=chosen, device=self.device, progress=progress
            )
        print(f"{model!r}\nnext: coview predict {self.out} VIDEOS --out predictions.csv")
        return 0
