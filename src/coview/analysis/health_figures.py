"""Pictures of a representation's health: its spectrum, what explains its neighbours, how it sees changed clips."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from coview.analysis.bars import paint_bars
from coview.analysis.changed_clips import CHANGES
from coview.analysis.context import OWN, RANDOM, AnalysisContext
from coview.analysis.figure import TONES, Figure, draw

if TYPE_CHECKING:
    from coview.analysis.health import OfView, ViewReading


def spectrum_figure(context: AnalysisContext, found: Sequence["OfView"]) -> Figure:
    """Draw the share of variance of each principal axis, a panel a set of features, a line a view."""
    return draw(
        "spectrum",
        title="share of variance by principal axis",
        caption=f"{context.about()} · effective rank in brackets",
        size=(3.3 * len({one.whose for one in found}) + 0.4, 3.6),
        paint=partial(_paint_spectra, found=found),
    )


def _paint_spectra(canvas: Any, *, found: Sequence["OfView"]) -> None:
    sets = list(dict.fromkeys(one.whose for one in found))
    views = list(dict.fromkeys(one.view for one in found))
    for axes, whose in zip(canvas.subplots(1, len(sets), sharey=True, squeeze=False)[0], sets, strict=True):
        for one in (one for one in found if one.whose == whose):
            shares = one.geometry.spectrum[one.geometry.spectrum > 1e-6]
            axes.plot(
                np.arange(1, len(shares) + 1),
                shares,
                color=TONES[views.index(one.view) % len(TONES)],
                linewidth=1.4,
                label=f"{one.view} ({one.geometry.effective_rank:.0f})",
            )
        axes.set(xscale="log", yscale="log", xlabel="axis")
        axes.set_title(whose, parse_math=False)
        axes.legend(fontsize=7, loc="lower left")
    canvas.axes[0].set_ylabel("share of variance")


def neighbours_figure(context: AnalysisContext, found: Sequence["OfView"], *, k: int, chance: float) -> Figure:
    """Draw for each view how many of its neighbours pixels and random weights would have found."""
    own = [one for one in found if one.whose == OWN and one.explained]
    return draw(
        "neighbours",
        title=f"share of the {k} nearest neighbours that others find, too",
        caption=f"{context.about()} · the line: by chance, {chance:.1%}",
        size=(max(5.5, 1.5 * len(own) + 1.8), 3.4),
        paint=partial(
            paint_bars, groups={one.view: one.explained for one in own}, line=chance, label="share of neighbours"
        ),
    )


def time_figure(context: AnalysisContext, seen: Sequence["ViewReading"], *, clips: int) -> Figure:
    """Draw for each view how far changed clips are from what they were; random weights as open marks."""
    groups = {one.view: one.shares for one in seen if one.whose == OWN}
    marks = {one.view: one.shares for one in seen if one.whose == RANDOM}
    meanings = "; ".join(f"{name}: {text}" for name, text in CHANGES.items())
    return draw(
        "time",
        title="how far a changed clip is from the clip: 0 not seen, 1 as far as another video",
        caption=f"{context.about()} · clips of {clips} of them · ◇ random weights · {meanings}. Frames of a view are "
        "put in another order as they are: a reversed flow keeps its directions",
        size=(max(5.8, 1.6 * len(groups) + 2.0), 3.9),
        paint=partial(paint_bars, groups=groups, line=1.0, label="share of the distance", marks=marks),
    )
