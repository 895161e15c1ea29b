"""What predicts: a head on the vectors of its run, or a fine-tuned run. Both give probabilities of windows."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from coview.collection.embedding_videos import embed_prepared, run_identity
from coview.collection.heads.file import ABOUT, is_head
from coview.collection.heads.head import Head, load_head
from coview.collection.labels.label import NONE
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ClipBatch, VideoEntry
from coview.embedding.class_windows import classifier_of, classify_windows
from coview.embedding.run import Run
from coview.errors import UserError
from coview.exports.exported import ONNX_NAME, ExportedEncoder
from coview.exports.frames import cropped_windows
from coview.files import hash_file


@dataclass(frozen=True, eq=False)
class WindowChances:
    """What a classifier says of the windows of one video, or why it says nothing.

    Attributes:
        entry: the video.
        probabilities: (W, C).
        starts: (W,) seconds, ascending.
        ends: (W,) seconds.
        reason: why there are no windows; "" where there are.
    """

    entry: VideoEntry
    probabilities: NDArray[np.float32]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    reason: str = ""

    @classmethod
    def failed(cls, entry: VideoEntry, reason: str) -> "WindowChances":
        """Return what there is to say of a video that cannot be read."""
        return cls(entry, np.empty((0, 0), np.float32), np.empty(0), np.empty(0), reason)


class Classifier(Protocol):
    """Gives probabilities of classes to windows."""

    classes: tuple[str, ...]
    thresholds: NDArray[np.float64]
    is_exclusive: bool
    has_none: bool
    identity: str
    """Differs where predictions may."""
    run: Run

    def classify(self, data: PreparedDataset, entries: Sequence[VideoEntry], *, device: str) -> list[WindowChances]:
        """Return what it says of some videos whose views are made."""


class HeadClassifier:
    """A head, and the run that makes its vectors."""

    def __init__(self, head: Head, run: Run) -> None:
        self.head, self.run = head, run
        self.classes, self.thresholds, self.has_none = head.classes, head.thresholds, head.has_none
        self.is_exclusive = not head.is_multi_label
        calibration = head.calibration
        numbers: list[NDArray[Any]] = [
            head.weight,
            head.bias,
            calibration.scale,
            calibration.shift,
            head.thresholds,
        ]
        said = repr((head.classes, head.views, head.combine, head.run["identity"])).encode()
        self.identity = hashlib.sha256(said + b"".join(part.tobytes() for part in numbers)).hexdigest()[:32]

    def classify(self, data: PreparedDataset, entries: Sequence[VideoEntry], *, device: str) -> list[WindowChances]:
        """See `Classifier.classify`."""
        return [
            WindowChances.failed(one.entry, one.reason)
            if one.vectors is None
            else WindowChances(
                one.entry, self.head.probabilities(one.vectors.windows), one.vectors.starts, one.vectors.ends
            )
            for one in embed_prepared(self.run, data, entries, device=device)
        ]


class ModelClassifier:
    """A fine-tuned run. "None of the classes" may be one of those that it was taught.

    Args:
        run: the run, which also says how views are made.
        exported: the same run as ONNX, to compute with.
    """

    is_exclusive = True

    def __init__(self, run: Run, exported: ExportedEncoder | None = None) -> None:
        self.run, self._exported = run, exported
        taught = classifier_of(run).classes
        self._columns = [place for place, name in enumerate(taught) if name != NONE]
        self.classes = tuple(taught[place] for place in self._columns)
        self.has_none = len(self.classes) < len(taught)
        self.thresholds = np.full(len(self.classes), 1 / len(taught))
        self.identity = run_identity(run) + ("" if exported is None else f"-{hash_file(exported.path)[:16]}")

    def classify(self, data: PreparedDataset, entries: Sequence[VideoEntry], *, device: str) -> list[WindowChances]:
        """See `Classifier.classify`."""
        data.require_views(self.run.views)
        try:
            exported = None if self._exported is None else self._chances_of
            found = classify_windows(self.run, data, entries, device=device, chances_of=exported)
        except UserError as error:  # a stored view that cannot be read: find out whose
            if len(entries) > 1:
                return [one for entry in entries for one in self.classify(data, [entry], device=device)]
            return [WindowChances.failed(entries[0], f"unreadable: {error}")]
        return [
            WindowChances(entry, chances[:, self._columns], starts, ends)
            for entry, (chances, starts, ends) in zip(entries, found, strict=True)
        ]

    def _chances_of(self, batch: ClipBatch) -> NDArray[np.float32]:
        """Return the mean of the views' probabilities (W, C) of raw windows, by the exported graph."""
        assert self._exported is not None
        inputs = self._exported.description.inputs
        answers = self._exported({one.view: cropped_windows(batch, one.view, size=one.size) for one in inputs})
        return np.asarray(np.mean(list(answers.values()), axis=0), np.float32)


def open_classifier(given: "Head | Run | Path | str", *, run: "Run | Path | str | None" = None) -> Classifier:
    """Open a head, a fine-tuned run, or what `coview export` made of one.

    Args:
        given: one of them, or its folder.
        run: of a head, where it is no longer where it was; of an exported model the fine-tuned run.

    Raises:
        UserError: neither of the two, or a head of another run.
    """
    if isinstance(given, Head):
        return HeadClassifier(given, _run_of(given, run))
    if isinstance(given, Run):
        return ModelClassifier(given)
    path = Path(given)
    if is_head(path):
        head = load_head(path)
        return HeadClassifier(head, _run_of(head, run))
    if (path / "resolved.yaml").is_file():
        return ModelClassifier(Run.load(path))
    if (path / ONNX_NAME).is_file():
        return _open_exported(path, run)
    raise UserError(
        f"{path} is neither a head (it has no {ABOUT}) nor a fine-tuned run; make one with: coview head INDEX --out "
        "HEAD, or: coview finetune RUN --labels FILE --out MODEL"
    )


def _open_exported(path: Path, given: "Run | Path | str | None") -> ModelClassifier:
    """Return a fine-tuned run that computes with its exported graph.

    Raises:
        UserError: no run is given, or the graph is not of that run.
    """
    exported = ExportedEncoder(path)
    if given is None:
        raise UserError(f"{path} computes, and its run says how views are made: give that run too, --run MODEL")
    run = given if isinstance(given, Run) else Run.load(given)
    told = exported.description
    own = classifier_of(run)
    if told.output != "probabilities" or told.classes != own.classes or set(told.views) != set(run.views):
        raise UserError(
            f"{path} gives {told.output} of {', '.join(told.views)}, expected those of all classes and views of "
            f"{run.path}; export it again: coview export {run.path} --out OUT"
        )
    if {**told.source, "run": ""} != {**run.describe(), "run": ""}:
        raise UserError(
            f"{path} was made of {told.source.get('run')}, checkpoint {told.source.get('checkpoint')}; {run.path} is "
            f"at {run.checkpoint.name}. Export it again: coview export {run.path} --out OUT"
        )
    if any(one.dtype != "uint8" for one in told.inputs):
        raise UserError(f"{path} takes drawn views (pose), which predict does not give it; name the run itself")
    return ModelClassifier(run, exported)


def _run_of(head: Head, given: "Run | Path | str | None") -> Run:
    known = head.run
    try:
        run = given if isinstance(given, Run) else Run.load(given or known["path"], known["checkpoint"])
    except UserError as error:
        if given is not None:
            raise UserError(
                f"{given} is not the run that the head was made with ({known['path']}, checkpoint "
                f"{known['checkpoint']}): {error}"
            ) from error
        raise UserError(f"the run of the head cannot be opened: {error}. If it was moved: --run RUN") from error
    if run_identity(run) != known["identity"]:
        raise UserError(
            f"the head was made for vectors of {known['path']}, checkpoint {known['checkpoint']}; {run.path} has other "
            "weights or settings, and its vectors mean something else. Give that run, or make a head from an index of "
            "this one"
        )
    return run
