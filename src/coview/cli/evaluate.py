"""`coview evaluate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from coview.cli.command import Command, RunFolder, Settings, own_settings
from coview.cli.terminal import progress_bar


@dataclass(frozen=True)
class Evaluate(Command):
    """Score a run beside the same encoder with random weights, plain pixels and chance.

    Protocols: retrieval, a linear probe, few labels, a kNN classifier, clusters, fine-tuning, and inference with what
    was fine-tuned (`coview list protocols`). Writes RUN/evaluation/<protocol>-....json and RUN/report.html, and prints
    the table. Settings of a protocol are given with a dot: with --retrieval.variant leave-group-out every labelled
    video queries those of all other groups.

    Examples:
        coview evaluate runs/cpc --data data/ucf10
        coview evaluate runs/cpc --data data/ucf10 --retrieval.variant leave-group-out
        coview evaluate runs/cocon --data data/ucf10 --retrieval.weights.pose 0
        coview evaluate runs/cocon --data data/ucf10 --protocol linear --linear.head plain
        coview evaluate runs/cocon --data data/ucf10 --protocol finetune --finetune.epochs 20
        coview evaluate runs/cocon --data data/hmdb51 --split split1 split2 split3
        coview evaluate runs/cocon --data data/mine --protocol knn --knn.folds 5
        coview evaluate runs/cocon --data data/mine --baseline models/videomae-base
        coview evaluate runs/cocon --data data/mine --retrieval.gallery data/ucf101
    """

    takes_settings: ClassVar[bool] = True
    runs_encoders: ClassVar[bool] = True
    when_interrupted: ClassVar[str] = (
        "embeddings and results that were finished are kept; the same command makes the rest"
    )

    run_folder: RunFolder
    """Folder of a run."""
    data: Path
    """Folder made by `coview prepare`, with labels."""
    protocol: str = "retrieval"
    """One of `coview list protocols`."""
    split: tuple[str, ...] = ()
    """Split column, or several, evaluated one by one with their mean at the end; not set: the run's own."""
    checkpoint: str | None = None
    """Folder name of a checkpoint, such as rgb-00000400; not set: the newest."""
    baseline: Path | None = None
    """Folder of a pretrained network (see docs: pretrained encoders) or of another run: a frozen row in the table."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, settings: Settings) -> int:
        """Evaluate, print the tables, renew the report."""
        import coview
        from coview.evaluation import evaluate_splits
        from coview.evaluation.results.tables import lay_out, result_tables

        chosen = own_settings(settings, "protocol", self.protocol)
        if self.baseline is not None:
            chosen["baseline"] = str(self.baseline)
        with progress_bar("evaluate", unit="done") as progress:
            results = evaluate_splits(
                self.run_folder,
                self.data,
                self.split,
                protocol=self.protocol,
                checkpoint=self.checkpoint,
                settings=chosen,
                device=self.device,
                progress=progress,
            )
        print(lay_out(result_tables(results), "text"))
        report = coview.write_report(self.run_folder, self.data)
        print("\n".join([*(f"result: {result.path}" for result in results), f"report: {report}"]))
        return 0
