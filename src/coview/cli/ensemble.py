"""`coview ensemble`."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from coview.cli.command import Command, Members, Settings, own_settings
from coview.cli.terminal import progress_bar


@dataclass(frozen=True)
class Ensemble(Command):
    """Score views of several runs together: the weighted mean of their cosines (retrieval, knn) or softmax (linear).

    A member is a run with all of its views, or RUN:VIEW, each with or without a weight (1); RUN@CHECKPOINT:VIEW names
    an older checkpoint. Every member is also scored by itself. The result names all members; it is written into the
    first member's run, RUN/evaluation/<protocol>-....json. Settings of a protocol are given with a dot.

    Examples:
        coview ensemble runs/cocon:rgb=2 runs/vicc:flow=2 runs/cpc:pose --data data/ucf10
        coview ensemble runs/cocon-0 runs/cocon-1 --data data/ucf10 --protocol linear --linear.baselines false
    """

    takes_settings: ClassVar[bool] = True
    runs_encoders: ClassVar[bool] = True
    when_interrupted: ClassVar[str] = "embeddings that were finished are kept; the same command makes the rest"

    members: Members
    """Two members or more."""
    data: Path
    """Folder made by `coview prepare`, with labels and the views of all members."""
    protocol: str = "retrieval"
    """retrieval, linear, knn, or inference for fine-tuned runs."""
    split: str | None = None
    """Split column; not set: that of the first member's run."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, settings: Settings) -> int:
        """Score the ensemble, print the table."""
        import coview
        from coview.evaluation.results.tables import lay_out, result_table

        with progress_bar("ensemble", unit="videos") as progress:
            result = coview.evaluate(
                self.members,
                self.data,
                protocol=self.protocol,
                split=self.split,
                settings=own_settings(settings, "protocol", self.protocol),
                device=self.device,
                progress=progress,
            )
        print(lay_out([result_table(result)], "text"))
        print(f"result: {result.path}")
        return 0
