"""The long commands: how each is given, what it needs beforehand, and what it has made when it is done."""

import contextlib
import io
import shutil
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from campaign import heard
from children import status_of
from victims import PREPARE, VIEWS, Collection, Victim, make_collection, tiny_config

import coview
from coview.adaptation.adapting import RESULT
from coview.config import write_yaml
from coview.config.files import load_config
from coview.datasets.prepared import PreparedDataset
from coview.embedding.embeddings import Embeddings
from coview.exports.files import PROGRAM_NAME
from coview.files import read_json
from coview.training.checkpoint import latest_checkpoint, load_checkpoint
from coview.training.runlog import read_log

STEPS = 12
_STEP = [
    *("--method.epochs", 1, "--training.max-steps", 3, "--training.checkpoint-every-steps", 1),
    *("--training.batch-size", 3, "--training.workers", 0, "--training.precision", "fp32", "--split", "fold1"),
]
_RECIPE = {
    **{f"views.{view}.size": 16 for view in VIEWS[:2]},
    "encoder": {"name": "tiny3d", "widths": [2, 2, 4, 4]},
    "training.batch_size": 2,
    "training.workers": 0,
    "training.precision": "fp32",
    "training.checkpoint_every_steps": 1,
    "training.val_fraction": 0.0,
    "clip.block_length": 4,
    "clip.frame_stride": 1,
    "clip.num_blocks": 2,
}


@dataclass(frozen=True)
class Work:
    """A command.

    Attributes:
        words: the command line that makes something in a folder.
        made: what there is in the end, comparable with `==`.
        begin: puts into the folder what the command needs.
        needs_folder: the folder must be there beforehand.
    """

    words: Callable[[Path], list[object]]
    made: Callable[[Path], Any]
    begin: Callable[[Path], object] | None = None
    needs_folder: bool = False


class Works:
    """All of them, on one tiny victim."""

    def __init__(self, victim: Victim, folder: Path) -> None:
        self.victim, self.folder, self.config, self.recipe = (
            victim,
            folder,
            folder / "tiny.yaml",
            folder / "recipe.yaml",
        )
        self._whole: dict[str, tuple[Path, float, str]] = {}
        write_yaml(self.config, tiny_config(max_steps=STEPS))
        write_yaml(self.recipe, load_config("finetune-cocon-synthetic-cpu", _RECIPE))

    @cached_property
    def collection(self) -> Collection:
        """What is made of a collection, made once."""
        return make_collection(self.victim, self.folder, with_onnx=False)

    @cached_property
    def table(self) -> dict[str, Work]:
        """Name -> command."""
        run, data, videos = self.victim.run, self.victim.data, self.victim.source
        two, labelled = ["--workers", 2], ["--data", data, "--split", "fold1"]
        return {
            "prepare": Work(lambda out: self._prepare(out, workers=0), _prepared),
            "prepare, 2 workers": Work(lambda out: self._prepare(out, workers=2), _prepared),
            "pretrain": Work(
                lambda out: ["pretrain", self.config, "--data", data, "--out", out, "--device", "cpu", "--resume"],
                _trained,
            ),
            "evaluate": Work(lambda out: ["evaluate", out, *labelled], _results, self._copy_run),
            "evaluate linear": Work(
                lambda out: ["evaluate", out, *labelled, "--protocol", "linear"], _results, self._copy_run
            ),
            "analyse": Work(
                lambda out: ["analyse", out, *labelled, "--analysis", "views-gallery", "--part", "all"],
                lambda out: sorted(path.name for path in (out / "analysis").iterdir()),
                self._copy_run,
            ),
            "embed": Work(
                lambda out: ["embed", run, data, "--out", out / "vectors.parquet"], _vectors, needs_folder=True
            ),
            "embed videos": Work(
                lambda out: ["embed", run, videos, "--out", out / "vectors.parquet"], _vectors, needs_folder=True
            ),
            "index": Work(lambda out: ["index", run, videos, out, "--workers", 0], _indexed),
            "index, 2 workers": Work(lambda out: ["index", run, videos, out, *two], _indexed),
            "labels import": Work(
                lambda out: ["labels", "import", out, self.collection.labels], _indexed, self._copy_unlabelled
            ),
            "duplicates": Work(lambda out: ["duplicates", out, "--csv"], _indexed, self._copy_index),
            "head": Work(lambda out: ["head", self.collection.index, "--out", out], _head),
            "predict": Work(lambda out: self._predict(out, 0), _predicted, needs_folder=True),
            "predict, 2 workers": Work(lambda out: self._predict(out, 2), _predicted, needs_folder=True),
            "score": Work(
                lambda out: ["score", self._predictions, self.collection.labels, "--out", out / "page.html"],
                lambda out: (out / "page.html").is_file(),
                needs_folder=True,
            ),
            "finetune": Work(
                lambda out: (
                    ["finetune", run, "--labels", self.collection.index, "--out", out, "--epochs", 1]
                    + ["--max-steps", 2, "--config", self.recipe, "--device", "cpu"]
                ),
                _trained,
            ),
            "export": Work(
                lambda out: ["export", run, "--out", out / "hub", "--format", "hf"], _exported, needs_folder=True
            ),
            "export torch": Work(
                lambda out: ["export", run, "--out", out / "hub", "--format", "torch-export", "--view", "rgb"],
                lambda out: (out / "hub" / PROGRAM_NAME).is_file(),
                needs_folder=True,
            ),
            "adapt": Work(
                lambda out: ["adapt", run, "--data", data, "--out", out, "--resume", "--device", "cpu", *_STEP],
                _adapted,
            ),
            "init": Work(
                lambda out: ["init", videos, "--minutes", 0.1, "--out", out / "first.yaml"],
                lambda out: load_config(out / "first.yaml") is not None,
                needs_folder=True,
            ),
        }

    def whole(self, name: str) -> tuple[Path, float, str]:
        """Return what the command makes undisturbed: the folder, its seconds, and what there is in the end.

        It runs in this process, so that children have imported and compiled what it needs.
        """
        if name not in self._whole:
            out = self.folder / f"whole-{name}"
            words = self.words(name, out)
            self.begin(name, out)
            with (self.folder / "whole.log").open("w") as log, redirect_stdout(log), redirect_stderr(log), heard():
                started = time.monotonic()
                status = status_of(words)
                seconds = time.monotonic() - started
            assert status == 0, (self.folder / "whole.log").read_text()
            self._whole[name] = out, min(seconds, 5.0), repr(self.made(name, out))
        return self._whole[name]

    def words(self, name: str, out: Path) -> list[object]:
        """Return the command line that makes `out`."""
        return self.table[name].words(out)

    def begin(self, name: str, out: Path) -> None:
        """Put there what the command needs."""
        shutil.rmtree(out, ignore_errors=True)
        work = self.table[name]
        if work.begin is not None:
            work.begin(out)
        elif work.needs_folder:
            out.mkdir()

    def made(self, name: str, out: Path) -> Any:
        """Return what there is in the end, comparable."""
        with heard():
            return self.table[name].made(out)

    def _prepare(self, out: Path, *, workers: int) -> list[object]:
        options = [f"--synthetic.{key.replace('_', '-')}={value}" for key, value in PREPARE["synthetic"].items()]
        more = ["--short-side", 36, "--folds", 2, "--flow.algorithm=farneback", "--workers", workers, "--views", *VIEWS]
        return ["prepare", self.victim.source, out, "--layout", "synthetic", *options, *more]

    def _predict(self, out: Path, workers: int) -> list[object]:
        table, made = out / "predictions.csv", self.collection
        return ["predict", made.head, self.victim.source, "--out", table, "--kind", "windows", "--workers", workers]

    @cached_property
    def _predictions(self) -> Path:
        out, made = self.folder / "predictions.csv", self.collection
        with io.StringIO() as said, redirect_stdout(said), redirect_stderr(said):
            assert status_of(["predict", made.head, made.index, "--out", out, "--kind", "windows"]) == 0
        return out

    def _copy_run(self, out: Path) -> None:
        shutil.copytree(self.victim.run, out, ignore=shutil.ignore_patterns("embeddings", "evaluation", "analysis"))

    def _copy_index(self, out: Path) -> None:
        """Copy the index; its videos are found from where it lies."""
        shutil.copytree(self.collection.index, out)
        if out.parent != self.folder and not (out.parent / "videos").exists():
            (out.parent / "videos").symlink_to(self.victim.source)

    def _copy_unlabelled(self, out: Path) -> None:
        self._copy_index(out)
        with contextlib.closing(coview.open_index(out)) as index:
            while index.labels.undo() is not None:
                pass


def _prepared(out: Path) -> Any:
    data = PreparedDataset.open(out)
    return [(entry.id, entry.status, entry.num_frames, dict(entry.splits)) for entry in data.entries]


def _trained(out: Path) -> Any:
    one = load_checkpoint(latest_checkpoint(out) or out)
    steps = [event["step"] for event in read_log(out / "log.jsonl") if event["event"] == "step"]
    return one.position, {key: value.tolist() for key, value in one.weights.items()}, steps


def _results(out: Path) -> Any:
    return [[row.metrics for row in result.rows] for result in coview.evaluation.read_results(out)]


def _vectors(out: Path) -> Any:
    vectors = Embeddings.load(out / "vectors.parquet")
    return {view: rows.tolist() for view, rows in vectors.features.items()}


def _indexed(out: Path) -> Any:
    with contextlib.closing(coview.open_index(out)) as index:
        rows = sorted(index.store.rows(), key=lambda row: row.facts.id)
        facts = [(row.facts.id, row.facts.status, row.facts.reason, row.facts.content) for row in rows]
        vectors = [index.store.get(row.number) for row in rows if row.facts.status == "ready"]
        held = [{view: part.tolist() for view, part in (one.windows | one.whole).items()} for one in vectors]
        labels = [(Path(label.path).name, label.classes, label.start_seconds) for label in index.labels.rows()]
        return facts, held, labels


def _head(out: Path) -> Any:
    head = coview.load_head(out)
    return head.classes, head.weight.tolist(), head.thresholds.tolist(), (out / "report.html").is_file()


def _predicted(out: Path) -> Any:
    lines = (out / "predictions.csv").read_text(encoding="utf-8").splitlines()
    return [line.rpartition("/")[2] for line in lines], sorted(path.name for path in out.iterdir())


def _exported(out: Path) -> Any:
    run = coview.load(out / "hub")
    return {name: value.tolist() for name, value in run.method.state_dict().items()}


def _adapted(out: Path) -> Any:
    values = read_json(out / RESULT)
    return {key: value for key, value in values.items() if key not in ("costs", "run", "created")}, _trained(out)[:2]
