"""What an analysis looks at: videos, and whatever is asked of them, made when it is first asked for."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from coview.clips.sampling import Indices
from coview.config import as_plain
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import Frame, ProgressSink, VideoEntry
from coview.embedding.embeddings import join_views
from coview.embedding.frames import ClipFeatures, clip_features
from coview.embedding.run import Run
from coview.evaluation.ensembles import DEFAULT_WEIGHTS, choose_ensembles
from coview.views.opened import open_views
from coview.wording import counted

OWN, RANDOM = "this run", "random weights"
Rows = NDArray[np.float32]
T = TypeVar("T")


class OnDemand(Mapping[str, T], Generic[T]):
    """A mapping whose values are made when they are first looked at.

    Args:
        makers: key -> what makes its value.
    """

    def __init__(self, makers: Mapping[str, Callable[[], T]]) -> None:
        self._makers = dict(makers)
        self._made: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


@dataclass(frozen=True)
class FeatureSet:
    """What one run's encoders, or random ones, make of the videos.

    Attributes:
        name: "this run", "random weights", or another run's folder.
        features: view name -> (n, D) float32 unit rows, in the order of `AnalysisContext.entries`.
    """

    name: str
    features: Mapping[str, Rows]

    def with_ensemble(self, weights: Mapping[str, float] = DEFAULT_WEIGHTS) -> dict[str, Rows]:
        """Return the views and, of several, their ensemble: unit rows whose cosine is the weighted mean of theirs."""
        mixes = choose_ensembles(list(self.features), weights)
        if not mixes:
            return dict(self.features)
        name, shares = list(mixes.items())[-1]  # weighted where the weights differ
        return {**self.features, name: join_views(self.features, list(shares), shares)}

    def select_rows(self, rows: Sequence[int]) -> "FeatureSet":
        """Return it for some of the videos."""
        return FeatureSet(self.name, {view: vectors[list(rows)] for view, vectors in self.features.items()})


@dataclass(frozen=True)
class Owner:
    """Whose encoders make a set of features: a run, with its weights or those it began from."""

    run: Run
    weights: Literal["trained", "random"]


@dataclass(frozen=True)
class AnalysisContext:
    """What an analysis looks at.

    Attributes:
        run: the run.
        data: the prepared data set.
        entries: the ready videos that take part, labelled or not.
        features: "this run", then "random weights", then other runs by name -> their features, embedded (or read from
            the run's folder) when they are first looked at.
        pixels: name of a pixel baseline (see `pixel_baselines`) -> (n, D) unit rows, on demand like features.
        owners: the keys of `features` -> whose encoders.
        part: "test", "train" or "all".
        split: split column, if any.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        progress: told of long work.
        stem: what the names of all files of the result begin with; another one for other data or an older checkpoint.
    """

    run: Run
    data: PreparedDataset
    entries: tuple[VideoEntry, ...]
    features: Mapping[str, FeatureSet]
    pixels: Callable[[], Mapping[str, Rows]] = dict
    owners: Mapping[str, Owner] | None = None
    part: str = "all"
    split: str | None = None
    device: str = "auto"
    progress: ProgressSink | None = None
    stem: str = "analysis"

    @property
    def labels(self) -> list[str]:
        """Class names of the entries, "" where there is none."""
        return [entry.label or "" for entry in self.entries]

    @property
    def is_labelled(self) -> bool:
        """Whether any of the videos has a label."""
        return any(entry.label is not None for entry in self.entries)

    @property
    def own(self) -> FeatureSet:
        """The run's own features."""
        return self.features[OWN]

    @property
    def sets(self) -> tuple[FeatureSet, ...]:
        """All features: this run's first, then random weights, then those of other runs."""
        return tuple(self.features[name] for name in self.features)

    @property
    def trained_sets(self) -> tuple[FeatureSet, ...]:
        """Features of this run and of those beside it, without random weights."""
        return tuple(self.features[name] for name in self.features if name != RANDOM)

    def labelled(self) -> "AnalysisContext":
        """Return the context of the labelled videos alone."""
        return self.of([row for row, entry in enumerate(self.entries) if entry.label is not None])

    def of(self, rows: Sequence[int]) -> "AnalysisContext":
        """Return the context of some of the videos, in this order."""
        if list(rows) == list(range(len(self.entries))):
            return self
        features = OnDemand({name: partial(self._taken, name, rows) for name in self.features})
        return replace(
            self,
            entries=tuple(self.entries[row] for row in rows),
            features=features,
            pixels=lambda: {name: vectors[list(rows)] for name, vectors in self.pixels().items()},
        )

    def _taken(self, name: str, rows: Sequence[int]) -> FeatureSet:
        return self.features[name].select_rows(rows)

    def sample(self, most: int, *, seed: int = 0) -> "AnalysisContext":
        """Return the context of at most so many videos, drawn at random, in the order of the data set."""
        if len(self.entries) <= most:
            return self
        order = np.random.default_rng(seed).permutation(len(self.entries))[:most]
        return self.of(sorted(order.tolist()))

    def tell(self, done: int, total: int) -> None:
        """Tell of the progress of long work."""
        if self.progress is not None:
            self.progress(done, total, {})

    def clips(
        self, entries: Sequence[VideoEntry], frames: Sequence[Indices], *, num_blocks: int, whose: str = OWN
    ) -> ClipFeatures:
        """Embed clips of chosen frames of some videos; see `coview.embedding.frames.clip_features`."""
        assert self.owners is not None
        owner = self.owners[whose]
        return clip_features(
            owner.run,
            self.data,
            entries,
            frames,
            num_blocks=num_blocks,
            weights=owner.weights,
            device=self.device,
            progress=self.progress,
        )

    def pictures(
        self, entry: VideoEntry, frame_indices: Sequence[int] | Indices, *, height: int, view: str = "rgb"
    ) -> list[Frame]:
        """Return frames of a video as a person sees them: (height, width, 3) each, in the video's shape.

        Args:
            entry: a ready video.
            frame_indices: in ascending order, repeats allowed.
            height: in pixels.
            view: where the data set lacks rgb, the run's first view stands in for it.

        Raises:
            VideoError: the stored view is damaged.
        """
        view = view if view in self.data.view_options else self.run.views[0]
        reader = open_views(self.data.view_options, (view,))[view]
        with self.data.stored_file(view, entry, reader.suffix) as path:
            raw = reader.read(path, np.asarray(frame_indices))
        shape = (entry.width or 4) / (entry.height or 3)
        width = round(height * min(2.0, max(0.5, shape)))
        return [reader.picture(frame, height=height, width=width) for frame in raw]

    def about(self, *, view: str | None = None, settings: Any = None, whose: str | None = None) -> str:
        """Say what a figure shows: which videos, view, run and settings; its caption."""
        where = f"{self.part} of {self.split}" if self.split else self.part
        parts = [f"{counted(len(self.entries), 'video')} ({where}) of {self.data.name}"]
        parts += [view] if view else []
        parts.append(f"{whose or self.run.name} at {self.run.checkpoint.name}" if whose in (None, OWN) else whose)
        parts += [settings_in_words(settings)] if settings is not None else []
        return " · ".join(part for part in parts if part)


def settings_in_words(settings: Any) -> str:
    """Return "neighbours 5, method tsne" of an analysis's settings; those that are not set are left out."""
    plain = as_plain(settings)
    return ", ".join(
        f"{name.replace('_', ' ')} {json.dumps(value) if isinstance(value, (dict, list)) else value}"
        for name, value in plain.items()
        if value not in (None, [], {})
    )
