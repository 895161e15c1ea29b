"""Which classes a run finds alike, and whether its views agree on that (CoCon, Tables 4 and 7)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.analysis.bars import paint_bars
from coview.analysis.base import Analysis, AnalysisContext, FeatureSet, Findings, FoundTable
from coview.analysis.figure import Figure, draw, file_word
from coview.analysis.heatmap import paint_heatmap
from coview.config import Positive
from coview.errors import UserError


@dataclass(frozen=True)
class Relations:
    """The classes nearest to each class.

    Attributes:
        nearest: view name -> class -> ((class, mean cosine), ...), the nearest first.
        shared: class -> those that are among the nearest in every view, the nearest on average first.
        neighbours: k, how many nearest classes a view has for each class.
    """

    nearest: Mapping[str, Mapping[str, tuple[tuple[str, float], ...]]]
    shared: Mapping[str, tuple[str, ...]]
    neighbours: int

    def classes_that_share(self, least: int) -> int:
        """Return how many classes have at least so many of their nearest classes in common over all views."""
        return sum(len(names) >= least for names in self.shared.values())


def class_similarities(
    features: NDArray[np.float32], labels: Sequence[str]
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return class names, sorted, and (C, C) mean cosines over all pairs of a video of one and a video of the other.

    Args:
        features: (n, D) unit rows.
        labels: n class names.

    Returns:
        The diagonal, where a class would be compared with itself, is nan.
    """
    names, codes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    sums: NDArray[np.float64] = np.zeros((len(names), features.shape[1]))
    np.add.at(sums, codes, features.astype(np.float64))
    means = sums / np.bincount(codes)[:, None]
    # The mean over pairs of dot products is the dot product of the means.
    similarities = np.asarray(means @ means.T, dtype=np.float64)
    np.fill_diagonal(similarities, np.nan)
    return tuple(names.tolist()), similarities


def class_relations(
    features: Mapping[str, NDArray[np.float32]], labels: Sequence[str], *, neighbours: int
) -> Relations:
    """Find the nearest classes of each class in each view, and those that all views agree on.

    Equal cosines are ordered by class name.

    Args:
        features: view name -> (n, D) unit rows.
        labels: n class names.
        neighbours: k, at most the number of classes - 1.
    """
    nearest: dict[str, dict[str, tuple[tuple[str, float], ...]]] = {}
    total: NDArray[np.float64] | None = None
    names: tuple[str, ...] = ()
    for view, rows in features.items():
        names, similarities = class_similarities(rows, labels)
        total = similarities if total is None else total + similarities
        order = np.argsort(-similarities, axis=1, kind="stable")[:, :neighbours]  # nan, the class itself, comes last
        nearest[view] = {
            name: tuple((names[other], float(similarities[place, other])) for other in order[place])
            for place, name in enumerate(names)
        }
    shared = {}
    for place, name in enumerate(names):
        assert total is not None
        common = set.intersection(*({other for other, _ in found[name]} for found in nearest.values()))
        shared[name] = _by_cosine(common, dict(zip(names, total[place].tolist(), strict=True)))
    return Relations(nearest, shared, neighbours)


def _by_cosine(classes: Iterable[str], cosines: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(sorted(classes, key=lambda name: (-cosines[name], name)))


def chance_of_sharing(*, classes: int, neighbours: int, views: int) -> list[float]:
    """Return for m = 0..k the probability that at least m nearest classes are shared if each view draws k at random.

    Few classes share much by chance: of 9 others, two random choices of 5 have 2.8 in common on average.
    """
    from scipy.stats import hypergeom

    sizes = np.arange(neighbours + 1)
    probabilities = np.zeros(neighbours + 1)
    probabilities[neighbours] = 1.0
    for _ in range(views - 1):
        step = np.stack([hypergeom.pmf(sizes, classes - 1, size, neighbours) for size in sizes])  # (from, to)
        probabilities = probabilities @ step
    return np.cumsum(probabilities[::-1])[::-1].tolist()  # type: ignore[no-any-return]


@dataclass(frozen=True)
class ClassRelationsSettings:
    """How classes are compared."""

    neighbours: Positive = 5
    """Nearest classes that are compared over views (the paper's Table 4: 4, Table 7: 5)."""


class ClassRelations(Analysis):
    """The nearest classes of each class in each view, and how many of them all views share."""

    Settings = ClassRelationsSettings
    needs_labels = True

    def analyse(self, context: AnalysisContext) -> Findings:
        """Compare this run's relations with those of random weights, of other runs and of chance."""
        k, num_classes = self.settings.neighbours, len(set(context.labels))
        if k >= num_classes - 1:
            raise UserError(
                f"the {k} nearest of {num_classes} classes say nothing: at most {num_classes - 2} can be compared; "
                f"give --class-relations.neighbours {max(1, num_classes - 2)} or data with more classes"
            )
        found = {given.name: class_relations(given.features, context.labels, neighbours=k) for given in context.sets}
        chance = chance_of_sharing(classes=num_classes, neighbours=k, views=len(context.sets[0].features))
        return Findings(
            sentences=_sentences(found, chance, num_classes=num_classes, views=list(context.sets[0].features)),
            tables=(_counts_table(found, chance, num_classes=num_classes), _classes_table(found)),
            values=_values(found, chance, num_classes=num_classes),
            records=_records(context.sets, found),
            figures=(_counts_figure(context, found, chance, self.settings), *_figures(context, self.settings)),
        )


def _sentences(
    found: Mapping[str, Relations], chance: Sequence[float], *, num_classes: int, views: Sequence[str]
) -> tuple[str, ...]:
    own, *others = found
    k = found[own].neighbours
    least = max(1, k - 1)
    if len(views) < 2:
        return (f"One view alone ({views[0]}) has nobody to agree with: every nearest class counts as shared.",)
    beside = [f"{name} {found[name].classes_that_share(least)}" for name in others]
    beside.append(f"views that choose at random {num_classes * chance[least]:.1f}")
    return (
        f"{found[own].classes_that_share(least)} of {num_classes} classes have at least {least} of their {k} nearest "
        f"classes in common over {', '.join(views)}; {'; '.join(beside)}.",
    )


def _counts_table(found: Mapping[str, Relations], chance: Sequence[float], *, num_classes: int) -> FoundTable:
    k = next(iter(found.values())).neighbours
    thresholds = range(k, 0, -1)
    rows = [(name, *(str(relations.classes_that_share(m)) for m in thresholds)) for name, relations in found.items()]
    rows.append(("chance", *(f"{num_classes * chance[m]:.1f}" for m in thresholds)))
    return FoundTable(
        f"of {num_classes} classes, those whose {k} nearest classes are shared by all views",
        ("features", *(f"{'all' if m == k else f'≥ {m}'} of {k}" for m in thresholds)),
        tuple(rows),
    )


def _classes_table(found: Mapping[str, Relations]) -> FoundTable:
    classes = list(next(iter(found.values())).shared)
    rows = [(name, *(", ".join(relations.shared[name]) or "none" for relations in found.values())) for name in classes]
    return FoundTable("nearest classes that all views share", ("class", *found), tuple(rows))


def _values(found: Mapping[str, Relations], chance: Sequence[float], *, num_classes: int) -> dict[str, Any]:
    return {
        "classes": num_classes,
        "classes_that_share_at_least": {
            name: {str(m): relations.classes_that_share(m) for m in range(1, relations.neighbours + 1)}
            for name, relations in found.items()
        },
        "expected_by_chance": {str(m): num_classes * share for m, share in enumerate(chance) if m},
        "relations": {
            name: {"shared": relations.shared, "nearest": relations.nearest} for name, relations in found.items()
        },
    }


def _records(sets: Sequence[FeatureSet], found: Mapping[str, Relations]) -> list[dict[str, Any]]:
    """Return one row for each class, view and nearest class."""
    return [
        {
            "features": given.name,
            "class": name,
            "view": view,
            "rank": rank,
            "nearest class": other,
            "mean cosine": round(cosine, 6),
            "shared by all views": other in found[given.name].shared[name],
        }
        for given in sets
        for view, by_class in found[given.name].nearest.items()
        for name, others in by_class.items()
        for rank, (other, cosine) in enumerate(others, start=1)
    ]


def _counts_figure(
    context: AnalysisContext, found: Mapping[str, Relations], chance: Sequence[float], settings: ClassRelationsSettings
) -> Figure:
    """Draw how many classes the views agree on, over how much they are asked to agree."""
    num_classes, k = len(set(context.labels)), settings.neighbours
    groups = {
        f"≥ {m} of {k}" if m < k else f"all {k}": {
            **{name: float(relations.classes_that_share(m)) for name, relations in found.items()},
            "chance": num_classes * chance[m],
        }
        for m in range(1, k + 1)
    }
    return draw(
        "counts",
        title=f"of {num_classes} classes, those whose nearest classes all views share",
        caption=f"{context.about(settings=settings)} · views: {', '.join(context.own.features)}",
        size=(6.8, 3.3),
        paint=partial(paint_bars, groups=groups, label="classes"),
    )


def _figures(context: AnalysisContext, settings: Any) -> tuple[Figure, ...]:
    """Draw how alike the classes are in each view, runs beside each other where several have the view."""
    return tuple(
        draw(
            file_word(view),
            title=f"mean cosine of classes, {view}",
            caption=context.about(view=view, settings=settings),
            size=(4.4 * len(shown), 4.0),
            paint=partial(_paint, shown=shown, labels=context.labels),
        )
        for view in context.own.features
        for shown in [{one.name: one.features[view] for one in context.trained_sets if view in one.features}]
    )


def _paint(canvas: Any, *, shown: Mapping[str, NDArray[np.float32]], labels: Sequence[str]) -> None:
    for axes, (name, rows) in zip(canvas.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True):
        classes, similarities = class_similarities(rows, labels)
        paint_heatmap(axes, similarities, classes)
        axes.set_title(name if len(shown) > 1 else "")
