"""`coview evaluate`."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from coview.cli.command import Command, RunFolder, Settings, own_settings
from coview.cli.terminal import progress_bar

if TYPE_CHECKING:
    from coview.evaluation.results.result import Result
    from coview.evaluation.results.tables import Table


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
        coview evaluate runs/cocon --data data/ucf10 --protocol retrieval linear clusters
        coview evaluate runs/cocon --data data/kinetics --protocol linear --shard 3/16
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
    protocol: tuple[str, ...] = ("retrieval",)
    """One of `coview list protocols`, or several; videos are read and embedded once for all."""
    split: tuple[str, ...] = ()
    """Split column, or several, evaluated one by one with their mean at the end; not set: the run's own."""
    checkpoint: str | None = None
    """Folder name of a checkpoint, such as rgb-00000400; not set: the newest."""
    shard: str | None = None
    """i/n: embed the i-th of n shares of the videos, for job arrays; the one that is done last scores. Under torchrun
    each process takes a share by itself."""
    baseline: Path | None = None
    """Folder of a pretrained network (see docs: pretrained encoders) or of another run: a frozen row in the table."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, settings: Settings) -> int:
        """Evaluate, print the tables, renew the report."""
        import coview
        from coview.evaluation.results.tables import lay_out, result_tables

        tables: list[Table] = []
        found: list[Result] = []
        for results in self._score(settings):
            found += results
            tables += result_tables(results)
        if not found:
            return 0
        print(lay_out(tables, "text"))
        report = coview.write_report(self.run_folder, self.data)
        print("\n".join([*(f"result: {result.path}" for result in found), f"report: {report}"]))
        return 0

    def _score(self, settings: Settings) -> Iterator[Sequence["Result"]]:
        """Yield the results of each protocol."""
        from coview.embedding.shares import ShareKept, own_shard
        from coview.evaluation import evaluate_splits
        from coview.training.distributed import choose_device

        names = tuple(dict.fromkeys(self.protocol))
        chosen = {name: own_settings(settings, "protocol", name, names) for name in names}
        device = str(choose_device(self.device, local_rank=int(os.environ.get("LOCAL_RANK", 0))))
        for name in names:
            if self.baseline is not None:
                chosen[name]["baseline"] = str(self.baseline)
            with progress_bar(f"evaluate {name}" if len(names) > 1 else "evaluate", unit="done") as progress:
                try:
                    yield evaluate_splits(
                        self.run_folder,
                        self.data,
                        self.split,
                        protocol=name,
                        checkpoint=self.checkpoint,
                        settings=chosen[name],
                        shard=own_shard(self.shard),
                        device=device,
                        progress=progress,
                    )
                except ShareKept as kept:
                    print(f"{name}: {kept}; the last one to be done scores")
