"""Which moments of two videos, or of one video and itself, are alike (CoCon, Figures 5 and 9)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from coview.analysis.base import Analysis, AnalysisContext, Findings, FoundTable
from coview.analysis.block_similarity import Alignment, align, smoothed
from coview.analysis.context import FeatureSet
from coview.analysis.figure import Figure, draw
from coview.analysis.temporal_alignment_figure import Shown, paint_alignment
from coview.config import NonNegativeFloat, Positive
from coview.datasets.splits import group_of
from coview.datatypes import VideoEntry
from coview.embedding.frames import ClipFeatures, block_indices
from coview.errors import UserError

STRIP_PICTURES, PICTURE_SIDE = 9, 56
CLEAR, WEAK = 0.5, 0.25
"""Confidence from which a repetition is called clear, or weak."""


@dataclass(frozen=True)
class AlignmentSettings:
    """Which videos are aligned, and how."""

    videos: tuple[str, ...] = ()
    """Ids of videos, two by two: "[a, b, a, c]" aligns a with b and a with c; an id twice, a video with itself. Not
    set: pairs of one class that are near each other, or without labels near neighbours; and each first one with
    itself."""
    pairs: Positive = 3
    """How many pairs are chosen where none are given."""
    blocks: Annotated[int, Field(ge=6)] = 18
    """Blocks that a video is divided into, evenly spread (the paper's: 18)."""
    view: str | None = None
    """The view that is compared; not set: the weighted mean of all views' cosines."""
    relative: bool = True
    """Compare what changes within each video: its blocks without their mean. false: the blocks as they are, in which
    the scene speaks, too."""
    smoothing: NonNegativeFloat = 0.7
    """Standard deviation, in blocks, of the blur of the picture; path and numbers come from the cosines as they are."""


def choose_pairs(context: AnalysisContext, count: int) -> list[tuple[VideoEntry, VideoEntry]]:
    """Return pairs of near videos of one class, of classes evenly spread; of any videos where nothing is labelled.

    Partners come from another group where there is one: two cuts of one recording align for the wrong reason.
    """
    entries = context.entries
    *_, rows = context.own.with_ensemble().values()
    labels = [entry.label for entry in entries]
    counts = {label: labels.count(label) for label in labels}
    firsts = {
        entry.label if context.is_labelled else entry.id: place for place, entry in reversed([*enumerate(entries)])
    }
    able = sorted(place for label, place in firsts.items() if not context.is_labelled or (label and counts[label] > 1))
    chosen = [able[(2 * i + 1) * len(able) // (2 * count)] for i in range(count)] if able else []
    pairs = []
    for place in dict.fromkeys(chosen):
        cosines = rows @ rows[place]
        own_group = group_of(entries[place])
        same = np.array([label == labels[place] for label in labels])
        apart = np.array([group_of(entry) != own_group for entry in entries])
        if not (same & apart).any():
            apart = np.arange(len(entries)) != place
        partners = np.where(same & apart, cosines, -np.inf)
        if np.isfinite(partners).any():
            pairs.append((entries[place], entries[int(partners.argmax())]))
    return pairs


class TemporalAlignment(Analysis):
    """Blocks of two videos, or of one with itself, against each other: best warping path, period of what repeats."""

    Settings = AlignmentSettings

    def analyse(self, context: AnalysisContext) -> Findings:
        """Align the pairs that were asked for, or a few that suit."""
        pairs = self._pairs(context)
        videos = list({entry.id: entry for pair in pairs for entry in pair}.values())
        clip, count = context.run.config.clip, self.settings.blocks
        frames = [block_indices(entry.num_frames or 1, clip, num_blocks=count) for entry in videos]
        blocks = self._compared(context.clips(videos, frames, num_blocks=1))
        view = self.settings.view or "mean of views"
        rows = {entry.id: (made, indices) for entry, made, indices in zip(videos, blocks, frames, strict=True)}
        found = [
            align(rows[one.id][0], rows[other.id][0], videos=(one.id, other.id), is_relative=self.settings.relative)
            for one, other in pairs
        ]
        seconds = {entry.id: _block_seconds(entry, rows[entry.id][1]) for entry in videos}
        relative = ", without each video's mean" if self.settings.relative else ""
        words = f"{count} blocks of {clip.block_length} frames, step {clip.frame_stride}"
        figures = [
            self._figure(context, pair, one, place, {e.id: rows[e.id][1] for e in pair}, f"{view}{relative} · {words}")
            for place, (pair, one) in enumerate(zip(pairs, found, strict=True), start=1)
        ]
        return Findings(
            sentences=tuple(_sentence(pair, one, seconds) for pair, one in zip(pairs, found, strict=True)),
            tables=_tables(found, seconds),
            values={"view": view, "blocks": count, "alignments": [_values(one, seconds) for one in found]},
            records=[record for one in found for record in _records(one)],
            figures=tuple(figures),
        )

    def _pairs(self, context: AnalysisContext) -> list[tuple[VideoEntry, VideoEntry]]:
        """Return the pairs of videos to align.

        Raises:
            UserError: an unknown video, one that is not ready, an odd number of them, or none that suit.
        """
        views = tuple(context.run.views)
        if self.settings.view is not None and self.settings.view not in views:
            raise UserError(f"--alignment.view {self.settings.view}: the run has {', '.join(views)}")
        names = self.settings.videos
        if len(names) % 2:
            raise UserError(f'--alignment.videos takes ids two by two, such as "[a, b]"; {len(names)} were given')
        entries = [context.data.entry(str(name)) for name in names]
        for entry in entries:
            if entry.status != "ready":
                raise UserError(f"video {entry.id!r} is not ready: {entry.reason or entry.status}")
        if entries:
            return list(zip(entries[::2], entries[1::2], strict=True))
        chosen = choose_pairs(context, self.settings.pairs)
        if not chosen:
            raise UserError("alignment needs two videos of one class, or without labels two videos; there are none")
        return [*chosen, *((one, one) for one, _ in chosen)]

    def _compared(self, blocks: ClipFeatures) -> list[NDArray[np.float32]]:
        """Return for each video the (N, D) rows whose dot products are the cosines that are compared."""
        if self.settings.view is not None:
            return blocks[self.settings.view]
        return [
            list(FeatureSet("", {view: rows[place] for view, rows in blocks.items()}).with_ensemble().values())[-1]
            for place in range(len(next(iter(blocks.values()))))
        ]

    def _figure(
        self,
        context: AnalysisContext,
        pair: tuple[VideoEntry, VideoEntry],
        found: Alignment,
        place: int,
        frames: Mapping[str, NDArray[np.int64]],
        words: str,
    ) -> Figure:
        """Draw one alignment with its strips."""
        first, second = pair
        shown = Shown(
            smoothed(found.cosines, self.settings.smoothing),
            path=found.warping.path if found.warping else (),
            strips=(_strip(context, first, frames[first.id]), _strip(context, second, frames[second.id])),
            names=(_name(first), _name(second)),
            repetition=found.repetition,
        )
        kind = "self" if found.repetition else "pair"
        title = f"{_name(first)} with itself" if found.repetition else f"{_name(first)} and {_name(second)}"
        smoothing = f"blurred by {self.settings.smoothing:g} blocks" if self.settings.smoothing else "not blurred"
        return draw(
            f"{kind}{place}",
            title=f"alignment of {title}",
            caption=f"{first.id} | {second.id} of {context.data.name} · {words}, {smoothing} · "
            f"{context.run.name} at {context.run.checkpoint.name}",
            size=(8.2, 6.0) if found.repetition else (6.6, 6.2),
            paint=partial(paint_alignment, shown=shown),
        )


def _strip(context: AnalysisContext, entry: VideoEntry, frames: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
    """Return the middle frames of a few blocks, squares as the encoder sees them."""
    middles = frames[:, frames.shape[1] // 2]
    places = [(2 * i + 1) * len(middles) // (2 * STRIP_PICTURES) for i in range(STRIP_PICTURES)]
    squares = []
    for picture in context.pictures(entry, middles[places], height=PICTURE_SIDE):
        side = min(picture.shape[:2])
        top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
        squares.append(picture[top : top + side, left : left + side])
    return squares


def _name(entry: VideoEntry) -> str:
    return f"{entry.label} ({entry.id.rsplit('/', 1)[-1]})" if entry.label else entry.id


def _block_seconds(entry: VideoEntry, frames: NDArray[np.int64]) -> float:
    """Return the time from one block to the next."""
    return float(frames[-1, 0] - frames[0, 0]) / (len(frames) - 1) / (entry.fps or 25.0)


def _sentence(pair: tuple[VideoEntry, VideoEntry], found: Alignment, seconds: Mapping[str, float]) -> str:
    first, second = (_name(entry) for entry in pair)
    if found.repetition is None:
        assert found.warping is not None
        verdict = "the order of events is shared" if found.share_as_cheap <= 0.05 else "no shared order of events"
        return (
            f"{first} and {second}: along the best path blocks differ by {found.warping.cost:.3f} (1 - cosine), with "
            f"one video's blocks shifted round or reversed by {found.other_orders:.3f}: {verdict}."
        )
    repeated = found.repetition
    if repeated.confidence < WEAK:
        return f"{first}: nothing repeats that the encoder sees (confidence {repeated.confidence:.2f})."
    sure = "clearly" if repeated.confidence >= CLEAR else "perhaps"
    return (
        f"{first}: {sure} repeats every {repeated.period:.1f} blocks, {repeated.period * seconds[pair[0].id]:.2f} s: "
        f"{repeated.repetitions:.1f} times (confidence {repeated.confidence:.2f})."
    )


def _tables(found: Sequence[Alignment], seconds: Mapping[str, float]) -> tuple[FoundTable, ...]:
    pairs = [
        (*one.videos, f"{one.warping.cost:.3f}", f"{one.other_orders:.3f}", f"{one.share_as_cheap:.2f}")
        for one in found
        if one.warping
    ]
    alone = [
        (
            one.videos[0],
            f"{one.repetition.period:.1f}",
            f"{one.repetition.period * seconds[one.videos[0]]:.2f}",
            f"{one.repetition.repetitions:.1f}",
            f"{one.repetition.confidence:.2f}",
        )
        for one in found
        if one.repetition
    ]
    tables = (
        FoundTable(
            "two videos: cost of the best warping path (1 - cosine)",
            ("video", "with", "cost", "shifted or reversed", "orders as cheap"),
            tuple(pairs),
        ),
        FoundTable(
            "a video with itself: what repeats",
            ("video", "period in blocks", "in seconds", "repetitions", "confidence"),
            tuple(alone),
        ),
    )
    return tuple(table for table in tables if table.rows)


def _values(found: Alignment, seconds: Mapping[str, float]) -> dict[str, Any]:
    repeated = found.repetition
    return {
        "videos": found.videos,
        "block_seconds": [seconds[video] for video in found.videos],
        "cosines": found.cosines.round(5).tolist(),
        "warping": asdict(found.warping) if found.warping else None,
        "cost_in_other_orders": found.other_orders,
        "share_of_other_orders_as_cheap": found.share_as_cheap,
        "repetition": {**asdict(repeated), "autocorrelation": repeated.autocorrelation.tolist()} if repeated else None,
    }


def _records(found: Alignment) -> list[dict[str, Any]]:
    """Return one row for each two blocks."""
    path = set(found.warping.path) if found.warping else set()
    return [
        {
            "video": found.videos[0],
            "other video": found.videos[1],
            "block": i,
            "other block": j,
            "cosine": round(float(cosine), 6),
            "on path": (i, j) in path,
        }
        for (i, j), cosine in np.ndenumerate(found.cosines)
    ]
