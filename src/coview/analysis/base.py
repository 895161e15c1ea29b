"""The contract of an analysis: features of a run, beside others, in; findings to read out."""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from coview.analysis.context import AnalysisContext, FeatureSet
from coview.analysis.figure import Figure
from coview.registry import Registry

__all__ = ["ANALYSES", "Analysis", "FeatureSet", "Findings", "FoundTable", "AnalysisContext"]


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
        figures: drawings, for files of their own and for the report.
        payload: plain values that the report's script draws from, such as the points of a map; the analysis that
            makes it says what is in it.
    """

    sentences: tuple[str, ...]
    tables: tuple[FoundTable, ...]
    values: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]
    figures: tuple[Figure, ...] = ()
    payload: Mapping[str, Any] = field(default_factory=dict)


class Analysis(abc.ABC):
    """A way to look into a run. Final classes are rows of `coview.analysis.ANALYSES`.

    Args:
        settings: an instance of the class's `Settings`.
    """

    Settings: ClassVar[type[Any]]
    """Frozen dataclass, every field with a default and a line of meaning."""
    needs_labels: ClassVar[bool] = False
    """Whether it looks at labelled videos only, and cannot be run without any."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abc.abstractmethod
    def analyse(self, context: AnalysisContext) -> Findings:
        """Look into a run.

        Raises:
            UserError: the videos do not allow it (too few classes, say); says what to do.
        """


ANALYSES: Registry[type[Analysis]] = Registry(
    "analysis",
    {
        "class-relations": "coview.analysis.class_relations:ClassRelations",
        "health": "coview.analysis.health:HealthAnalysis",
        "map": "coview.analysis.feature_map:FeatureMap",
        "similarity": "coview.analysis.similarity:Similarity",
        "temporal-alignment": "coview.analysis.temporal_alignment:TemporalAlignment",
        "neighbours": "coview.analysis.neighbours:Neighbours",
        "prototypes": "coview.analysis.prototype_clips:PrototypeClips",
        "saliency": "coview.analysis.saliency:Saliency",
        "views-gallery": "coview.analysis.views_gallery:ViewsGallery",
        "class-gains": "coview.analysis.class_gains:ClassGains",
        "stages": "coview.analysis.stages:Stages",
    },
)
