"""How alike videos of one class are, and videos of two: the distributions of their cosines (CoCon, Figure 10)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from coview.analysis.base import Analysis, AnalysisContext, Findings, FoundTable
from coview.analysis.context import OWN
from coview.analysis.figure import Figure, draw
from coview.analysis.pair_cosines import PairCosines, area_under_curve, pair_cosines
from coview.datasets.splits import group_of
from coview.errors import UserError
from coview.wording import counted

SAME, OTHER = "#3b82d6", "#d64545"
CURVE_BINS, MANY_PAIRS = 64, 5000


@dataclass(frozen=True)
class SimilaritySettings:
    """Nothing to set: all pairs are counted."""


@dataclass(frozen=True)
class Compared:
    """The cosines of all pairs in one view of one set of features."""

    whose: str
    view: str
    cosines: PairCosines

    @property
    def auc(self) -> float:
        """Of all pairs."""
        found = self.cosines
        return area_under_curve(found.same.with_(found.same_group), found.other.with_(found.other_group))

    @property
    def auc_across_groups(self) -> float:
        """Without pairs of one group."""
        return area_under_curve(self.cosines.same, self.cosines.other)


class Similarity(Analysis):
    """Cosines of same-class and other-class pairs: histograms and AUC per view and ensemble, beside random weights."""

    Settings = SimilaritySettings
    needs_labels = True

    def analyse(self, context: AnalysisContext) -> Findings:
        """Compare the distributions of this run, random weights and other runs."""
        labels = context.labels
        if len(set(labels)) < 2 or len(set(labels)) == len(labels):
            raise UserError(
                f"{counted(len(labels), 'video')} of {counted(len(set(labels)), 'class')} make no pairs of "
                "both kinds, of one class and of two; give data with two classes or more and several videos of each"
            )
        groups = [group_of(entry) for entry in context.entries]
        found = []
        for given in context.sets:
            for view, rows in given.with_ensemble().items():
                found.append(Compared(given.name, view, pair_cosines(rows, labels, groups)))
                context.tell(len(found), len(context.sets) * len(given.with_ensemble()))
        has_groups = len(set(groups)) < len(groups)
        return Findings(
            sentences=_sentences(found, has_groups=has_groups),
            tables=(_table(found, has_groups=has_groups),),
            values={"pairs": len(labels) * (len(labels) - 1) // 2, "distributions": [_values(one) for one in found]},
            records=[record for one in found for record in _records(one)],
            figures=(_figure(context, found),),
        )


def _sentences(found: Sequence[Compared], *, has_groups: bool) -> tuple[str, ...]:
    view = found[-1].view if any(one.whose == OWN and one.view == found[-1].view for one in found) else found[0].view
    beside = [f"{one.whose} {one.auc:.3f}" for one in found if one.view == view and one.whose != OWN]
    own = next(one for one in found if one.whose == OWN and one.view == view)
    parts = [
        f"A pair of one class is more alike than a pair of two classes {own.auc:.1%} of the time by {view} "
        f"(AUC {own.auc:.3f}; chance 0.5; {'; '.join(beside)})."
    ]
    if has_groups and not np.isnan(own.auc_across_groups):
        lost = ": the difference was scene and person" if own.auc > own.auc_across_groups + 0.005 else ""
        parts.append(
            f"Without pairs of one group, such as cuts of one recording, that is {own.auc_across_groups:.1%}{lost}."
        )
    return tuple(parts)


def _table(found: Sequence[Compared], *, has_groups: bool) -> FoundTable:
    columns = ["features", "view", "AUC", *(["AUC across groups"] if has_groups else []), "same class", "other class"]
    rows = []
    for one in found:
        same, other = _together(one)
        across = [f"{one.auc_across_groups:.3f}"] if has_groups else []
        spread = [f"{kind.mean:.3f} ± {kind.deviation:.3f}" for kind in (same, other)]
        rows.append((one.whose, one.view, f"{one.auc:.3f}", *across, *spread))
    return FoundTable("cosines of all pairs (mean ± standard deviation)", tuple(columns), tuple(rows))


def _together(one: Compared) -> Any:
    """Return the distributions of pairs of one class and of two, whatever their groups."""
    return one.cosines.same.with_(one.cosines.same_group), one.cosines.other.with_(one.cosines.other_group)


def _values(one: Compared) -> dict[str, Any]:
    same, other = _together(one)
    return {
        "features": one.whose,
        "view": one.view,
        "auc": one.auc,
        "auc_across_groups": one.auc_across_groups,
        "same": {"pairs": same.pairs, "mean": same.mean, "deviation": same.deviation},
        "other": {"pairs": other.pairs, "mean": other.mean, "deviation": other.deviation},
        "pairs_of_one_group": one.cosines.same_group.pairs + one.cosines.other_group.pairs,
    }


def _records(one: Compared) -> list[dict[str, Any]]:
    """Return one row for each bin of each kind of pair."""
    kinds: Mapping[tuple[str, str], Any] = {
        ("same", "other"): one.cosines.same,
        ("same", "same"): one.cosines.same_group,
        ("other", "other"): one.cosines.other,
        ("other", "same"): one.cosines.other_group,
    }
    return [
        {
            "features": one.whose,
            "view": one.view,
            "class": kind,
            "group": group,
            "from": round(float(low), 6),
            "to": round(float(high), 6),
            "pairs": int(count),
        }
        for (kind, group), counted in kinds.items()
        for edges, counts in [counted.coarse(CURVE_BINS)]
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]


def _figure(context: AnalysisContext, found: Sequence[Compared]) -> Figure:
    views = list(dict.fromkeys(one.view for one in found))
    sets = list(dict.fromkeys(one.whose for one in found))
    pairs = len(context.entries) * (len(context.entries) - 1) // 2
    return draw(
        "",
        title="cosine of two videos of the same class (blue) and of other classes (red)",
        caption=f"{context.about()} · all {pairs:,} pairs · areas are 1 each",
        size=(max(5.0, 2.5 * len(views)), 1.9 * len(sets) + 0.9),
        paint=partial(_paint, found=found, views=views, sets=sets),
    )


def _paint(canvas: Any, *, found: Sequence[Compared], views: Sequence[str], sets: Sequence[str]) -> None:
    """Draw a row for each set of features and a column for each view."""
    grid = canvas.subplots(len(sets), len(views), squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for one in found:
        row, column = sets.index(one.whose), views.index(one.view)
        axes = grid[row, column]
        axes.set_axis_on()
        lows, highs = [], []
        for kind, colour in zip(_together(one), (SAME, OTHER), strict=True):
            edges, counts = kind.coarse(CURVE_BINS if kind.pairs > MANY_PAIRS else CURVE_BINS // 2)
            density = counts / max(1, kind.pairs) / (edges[1] - edges[0])
            axes.stairs(density, edges, fill=True, color=colour, alpha=0.35)
            axes.stairs(density, edges, color=colour, linewidth=1.2)
            seen = np.flatnonzero(np.cumsum(counts) > 0.001 * kind.pairs)
            lows.append(edges[seen[0]] if len(seen) else edges[0])
            highs.append(edges[-1])
        axes.set_xlim(min(lows), max(highs))
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_title(f"{one.view}\nAUC {one.auc:.3f}" if row == 0 else f"AUC {one.auc:.3f}", fontsize=8.5)
        axes.tick_params(labelsize=7)
        if column == 0:
            axes.set_ylabel(one.whose, fontsize=8.5, parse_math=False)
