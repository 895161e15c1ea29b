"""The contract of an analysis: features of a run, beside others, in; findings to read out."""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from coview.datasets.prepared import PreparedDataset
from coview.datatypes import VideoEntry
from coview.embed.run import Run


@dataclass(frozen=True)
class FeatureSet:
    """What one run's encoders, or random ones, make of the videos.

    Attributes:
        name: "this run", "random weights", or another run's folder.
        features: view name -> (n, D) float32 unit rows, in the order of `Material.entries`.
    """

    name: str
    features: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Material:
    """What an analysis looks at.

    Attributes:
        run: the run.
        data: the prepared data set.
        entries: the labelled, ready videos that take part.
        sets: their features: this run's first, then random weights, then those of other runs.
    """

    run: Run
    data: PreparedDataset
    entries: tuple[VideoEntry, ...]
    sets: tuple[FeatureSet, ...]

    @property
    def labels(self) -> list[str]:
        """Class names of the entries."""
        return [entry.label or "" for entry in self.entries]


@dataclass(frozen=True)
class FoundTable:
    """A table to read.

    Attributes:
        title: what it shows.
        columns: headings.
        rows: cells as text, as many as columns.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.title!r}: {len(row)} cells for {len(self.columns)} columns: {row}")


@dataclass(frozen=True)
class Findings:
    """What an analysis found.

    Attributes:
        sentences: the findings in words, the most telling first.
        tables: to print and for the report.
        values: all numbers behind them, for the JSON file.
        records: one mapping a fact, all with the same keys, for the CSV file.
        figures: title -> SVG element, for the report.
    """

    sentences: tuple[str, ...]
    tables: tuple[FoundTable, ...]
    values: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]
    figures: Mapping[str, str] = field(default_factory=dict)


class Analysis(abc.ABC):
    """A way to look into a run. Final classes are rows of `coview.analyse.ANALYSES`.

    Args:
        settings: an instance of the class's `Settings`.
    """

    Settings: ClassVar[type[Any]]
    """Frozen dataclass, every field with a default and a line of meaning."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abc.abstractmethod
    def analyse(self, material: Material) -> Findings:
        """Look into a run.

        Raises:
            UserError: the videos do not allow it (too few classes, say); says what to do.
        """
