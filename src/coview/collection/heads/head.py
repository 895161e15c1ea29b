"""A linear head: vectors of windows -> probabilities of classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coview import __version__
from coview.collection.file_identity import shown_path, stored_path
from coview.collection.heads.calibration import Calibration
from coview.collection.heads.file import check_place, read_files, write_files
from coview.collection.heads.timeline import TimelineSettings
from coview.collection.heads.training_set import join_views
from coview.collection.store import Floats
from coview.errors import UserError
from coview.files import as_path
from coview.wording import counted

if TYPE_CHECKING:
    from coview.collection.index import Index
    from coview.collection.prediction import Prediction
    from coview.collection.sources import Source
    from coview.embedding.run import Run


@dataclass(frozen=True, eq=False)
class Validation:
    """What heads said of windows of recordings that they had not seen: cross-validation over whole recordings.

    Attributes:
        probabilities: (n, C), each by a head that was fitted and calibrated without the window's recording.
        targets: (n, C) what the labels say.
        groups: n recordings.
        ids: n ids of videos.
        spans: (n, 2) start and end in seconds.
        folds: how many heads.
    """

    probabilities: NDArray[np.float32]
    targets: NDArray[np.bool_]
    groups: tuple[str, ...]
    ids: tuple[str, ...]
    spans: NDArray[np.float64]
    folds: int


@dataclass(frozen=True, eq=False)
class Head:
    """A linear classifier of windows, with calibrated probabilities. `index.head(...)` or `load_head` makes one.

    Attributes:
        classes: C names.
        views: whose vectors it takes.
        combine: "concat": one after the other; "mean": their mean.
        weight: (D, K), K = C, or C + 1 where windows that show none of the classes are a class of their own.
        bias: (K,).
        calibration: what turns logits into probabilities.
        thresholds: (C,) from which probability on a class is taken to be there.
        run: "path", "checkpoint" and "identity" of the run whose vectors it takes; the path is absolute.
        counts: of labels, videos, recordings and windows that it was fitted to.
        validation: how it does on recordings that it has not seen; None where there are too few.
        index: the folder of the index that it was made from.
        created: when, ISO 8601.
    """

    classes: tuple[str, ...]
    views: tuple[str, ...]
    combine: str
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    calibration: Calibration
    thresholds: NDArray[np.float64]
    run: Mapping[str, str]
    counts: Mapping[str, int] = field(default_factory=dict)
    validation: Validation | None = None
    index: str = ""
    created: str = ""

    def __repr__(self) -> str:
        kind = "several at once" if self.is_multi_label else "one at a time"
        classes = counted(len(self.classes), "class")
        return f"Head({classes}, {kind}: {', '.join(self.classes)}; views: {', '.join(self.views)})"

    @property
    def is_multi_label(self) -> bool:
        """Whether classes may be seen at once."""
        return not self.calibration.is_exclusive

    @property
    def has_none(self) -> bool:
        """Whether "none of the classes" is an answer of its own; where several are possible it always is."""
        return len(self.bias) > len(self.classes)

    def probabilities(self, windows: Mapping[str, Floats]) -> NDArray[np.float32]:
        """Return (W, C) for the unit rows of windows: view name -> (W, D).

        Raises:
            UserError: a view is missing, or its rows are of another size.
        """
        for view in self.views:
            if view not in windows:
                raise UserError(f"the head needs vectors of {view}; there are: {', '.join(windows)}")
        return self.of_features(join_views(windows, self.views, combine=self.combine))

    def of_features(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Return (n, C) for joined features (n, D)."""
        if features.shape[1] != len(self.weight):
            raise UserError(f"the head takes {len(self.weight)} numbers a window, and got {features.shape[1]}")
        logits = np.asarray(features, dtype=np.float32) @ self.weight + self.bias  # (n, K)
        found = self.calibration.probabilities(logits.astype(np.float64))
        return found[:, : len(self.classes)].astype(np.float32)

    def decide(self, probabilities: NDArray[Any]) -> list[tuple[str, ...]]:
        """Return the classes of each row of probabilities (n, C).

        Of classes that exclude each other that is the likeliest, or nothing where none of them is likelier still.
        """
        if self.is_multi_label:
            return [
                tuple(name for name, is_there in zip(self.classes, row, strict=True) if is_there)
                for row in probabilities >= self.thresholds
            ]
        none = 1 - probabilities.sum(axis=1)
        best = probabilities.argmax(axis=1)
        return [
            () if self.has_none and rest > row[place] else (self.classes[place],)
            for row, place, rest in zip(probabilities, best.tolist(), none.tolist(), strict=True)
        ]

    def predict(
        self,
        source: "Source | Index",
        *,
        run: "Run | Path | str | None" = None,
        smooth_seconds: float = 1.0,
        min_seconds: float = 0.5,
        device: str = "auto",
        workers: int | None = None,
    ) -> "list[Prediction]":
        """Say what videos show, as a whole and as a timeline; for many or long ones: `coview predict`.

        Example:
            for video in coview.load_head("heads/mine").predict("new_videos/"):
                print(video.path, video.labels, video.segments)

        Args:
            source: what `Index.add` takes, or an index, whose vectors are used where they are of the head's run.
            run: the head's run, where it is no longer where it was.
            smooth_seconds: probabilities are averaged over so long a stretch before segments are made.
            min_seconds: shorter segments are left out.
            device: "auto", "cpu", "cuda" or "cuda:<n>".
            workers: processes that make views; not given: one a core; 0: this process.

        Raises:
            UserError: no video there, or another run. A bad video is a prediction with a `reason`.
        """
        from coview.collection.prediction import predict_videos
        from coview.collection.prediction.classifier import open_classifier
        from coview.collection.prediction.predicting import list_work

        classifier = open_classifier(self, run=run)
        settings = TimelineSettings(smooth_seconds, min_seconds)
        work = list_work(source, classifier)
        return list(predict_videos(classifier, work, settings=settings, device=device, workers=workers))

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write head.json and its numbers into a folder; return it.

        Raises:
            UserError: something is there already, or it cannot be written.
        """
        folder = as_path(path, name="path", what="the folder of a head")
        check_place(folder, overwrite=overwrite)
        numbers: dict[str, NDArray[Any]] = {
            "weight": self.weight,
            "bias": self.bias,
            "scale": self.calibration.scale,
            "shift": self.calibration.shift,
            "thresholds": self.thresholds,
        }
        checked: dict[str, Any] | None = None
        if self.validation is not None:
            numbers["validation.probabilities"] = self.validation.probabilities
            numbers["validation.targets"] = self.validation.targets.astype(np.uint8)
            numbers["validation.spans"] = self.validation.spans
            checked = {"groups": self.validation.groups, "ids": self.validation.ids, "folds": self.validation.folds}
        about = {
            "coview": __version__,
            "created": self.created,
            "classes": self.classes,
            "views": self.views,
            "combine": self.combine,
            "multi_label": self.is_multi_label,
            "run": {**self.run, "path": stored_path(self.run["path"], folder)},
            "index": stored_path(self.index, folder) if self.index else "",
            "counts": dict(self.counts),
            "validation": checked,
        }
        write_files(folder, about, numbers)
        return folder


def load_head(path: Path | str) -> Head:
    """Read a head.

    Raises:
        UserError: no head there, a damaged one, or one of another version of coview.
    """
    folder = as_path(path, name="path", what="the folder of a head")
    try:
        return _built(*read_files(folder), folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        cause = " ".join(str(error).split())
        raise UserError(
            f"the head {folder} is damaged ({type(error).__name__}: {cause}); bring it back from a copy, or make it "
            f"again with: coview head INDEX --out {folder} --overwrite"
        ) from None


def _built(about: Mapping[str, Any], numbers: Mapping[str, NDArray[Any]], folder: Path) -> Head:
    classes, outputs = tuple(map(str, about["classes"])), len(numbers["bias"])
    if outputs not in (len(classes), len(classes) + 1) or numbers["weight"].shape[1:] != (outputs,):
        raise ValueError(f"{outputs} outputs for {len(classes)} classes")
    for name, count in (("scale", outputs), ("shift", outputs), ("thresholds", len(classes))):
        if numbers[name].shape != (count,):
            raise ValueError(f"{name} has the shape {numbers[name].shape}")
    checked, validation = about["validation"], None
    if checked is not None:
        rows = numbers["validation.probabilities"], numbers["validation.targets"].astype(bool)
        names = tuple(map(str, checked["groups"])), tuple(map(str, checked["ids"]))
        validation = Validation(*rows, *names, numbers["validation.spans"], int(checked["folds"]))
        if not rows[0].shape == rows[1].shape == (len(names[0]), len(classes)) or len(names[1]) != len(names[0]):
            raise ValueError("its validation has rows of different numbers")
    run = {name: str(about["run"][name]) for name in ("path", "checkpoint", "identity")}
    return Head(
        classes=classes,
        views=tuple(map(str, about["views"])),
        combine=check_combine(str(about["combine"])),
        weight=numbers["weight"],
        bias=numbers["bias"],
        calibration=Calibration(numbers["scale"], numbers["shift"], not about["multi_label"]),
        thresholds=numbers["thresholds"],
        run={**run, "path": shown_path(run["path"], folder)},
        counts={str(name): int(value) for name, value in about["counts"].items()},
        validation=validation,
        index=shown_path(about["index"], folder) if about["index"] else "",
        created=str(about["created"]),
    )


def check_combine(combine: str) -> str:
    """Return how views are combined.

    Raises:
        UserError: an unknown way.
    """
    if combine not in ("concat", "mean"):
        raise UserError(f"combine is {combine!r}; allowed are 'concat' and 'mean'")
    return combine
