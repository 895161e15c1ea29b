"""`coview export`."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from coview.cli.command import Command, RunFolder, Settings


@dataclass(frozen=True)
class Export(Command):
    """Write a run as a model for other programs: ONNX, a torch.export program, or a folder for a model hub.

    One graph takes raw uint8 frames of each view, any number of windows at once, and gives unit vectors or, of a
    fine-tuned run, class probabilities; scaling, normalising and pooling are inside. The written model is compared
    with the run (1e-4 at most) and timed beside it before it takes its place.

    Examples:
        coview export runs/mine --out exported
        coview export runs/mine --out exported --view rgb --data data/mine
        coview export runs/mine --format hf --out mine-for-the-hub
    """

    runs_encoders: ClassVar[bool] = True
    when_interrupted: ClassVar[str] = "a model is written whole or not at all"

    run_folder: RunFolder
    """Folder of a run."""
    out: Path
    """Folder to write, new or empty."""
    format: Literal["onnx", "torch-export", "hf"] = "onnx"
    """onnx (needs the extra `export`), torch-export, or hf: config.json, model.safetensors, README.md."""
    view: tuple[str, ...] = ()
    """Views to export; not set: all."""
    output: Literal["auto", "vectors", "probabilities"] = "auto"
    """What comes out; auto: probabilities where the run was fine-tuned to classes, else vectors."""
    data: Path | None = None
    """Prepared data set whose clips are compared; not set: random ones."""
    checkpoint: str | None = None
    """Folder name of a checkpoint; not set: the newest."""
    threads: int = 1
    """Threads while both are timed."""

    def run(self, settings: Settings) -> int:
        """Export, compare, print."""
        import coview

        run = coview.load(self.run_folder, self.checkpoint)
        made = coview.export(
            run,
            self.out,
            format=self.format,
            views=self.view,
            output=self.output,
            data=self.data,
            threads=self.threads,
        )
        for one in made.description.inputs:
            print(f"{one.view}: (B, {', '.join(map(str, one.shape))}) {one.dtype} -> {made.description.output}")
        if made.parity is not None:
            print(made.parity.describe())
        else:
            print("parity: loaded again, it answers as the run does, to the bit")
        print(f"{self.format}: {made.path}")
        return 0
