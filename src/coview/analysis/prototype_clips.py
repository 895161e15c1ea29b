"""What each prototype of a run has come to stand for (ViCC, Figure 5): its clips, its use, how pure it is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from coview.analysis.base import Analysis, AnalysisContext, Findings, FoundTable
from coview.analysis.figure import TONES, Figure, draw, file_word
from coview.analysis.picture_wall import Tile, WallRow, wall_figure
from coview.analysis.strips import Strips
from coview.config import Positive
from coview.embedding.cache import FOLDER, identity_of, remembered
from coview.embedding.embeddings import Embeddings
from coview.errors import UserError
from coview.evaluation.protocols.clusters import HasPrototypes
from coview.wording import counted

SHUFFLES = 20


@dataclass(frozen=True)
class PrototypesSettings:
    """How many prototypes and clips are shown."""

    prototypes: Positive = 6
    """Prototypes shown: those that most videos are nearest to."""
    clips: Positive = 5
    """Videos shown of each, those most like it first."""


@dataclass(frozen=True)
class Assigned:
    """The videos of one view, each at its nearest prototype.

    Attributes:
        nearest: (n,) the prototype of each video.
        cosines: (n,) with it.
        count: K, how many prototypes there are.
    """

    nearest: NDArray[np.int64]
    cosines: NDArray[np.float32]
    count: int

    @property
    def usage(self) -> NDArray[np.int64]:
        """How many videos are nearest to each prototype: (K,)."""
        return np.bincount(self.nearest, minlength=self.count)

    @property
    def num_used(self) -> int:
        """Prototypes that any video is nearest to."""
        return int((self.usage > 0).sum())

    @property
    def effective_number(self) -> float:
        """Prototypes in use if all were used alike: exp of the entropy of their shares."""
        shares = self.usage[self.usage > 0] / len(self.nearest)
        return float(np.exp(-(shares * np.log(shares)).sum()))

    def members(self, prototype: int) -> list[int]:
        """Return the places of a prototype's videos, those most like it first."""
        own = np.flatnonzero(self.nearest == prototype)
        return [int(place) for place in own[np.argsort(-self.cosines[own], kind="stable")]]


def assigned(cosines: NDArray[np.float32]) -> Assigned:
    """Assign videos to prototypes by their cosines (n, K)."""
    nearest = cosines.argmax(axis=1)
    return Assigned(nearest, cosines[np.arange(len(cosines)), nearest], cosines.shape[1])


def majority(labels: Sequence[str]) -> tuple[str, float]:
    """Return the most frequent label and its share; of equal ones the first by name; ("", nan) without labels."""
    counts = Counter(label for label in labels if label)
    if not counts:
        return "", float("nan")
    name = min(counts, key=lambda label: (-counts[label], label))
    return name, counts[name] / counts.total()


def purity(nearest: NDArray[np.int64], labels: Sequence[str]) -> float:
    """Return the share of labelled videos that are of the most frequent class of their prototype; nan without any."""
    known = [place for place, label in enumerate(labels) if label]
    if not known:
        return float("nan")
    from sklearn.metrics.cluster import contingency_matrix

    counts = contingency_matrix(nearest[known], [labels[place] for place in known])
    return float(counts.max(axis=1).sum() / counts.sum())


def chance_purity(nearest: NDArray[np.int64], labels: Sequence[str], *, seed: int) -> float:
    """Return the purity that shuffled labels have on average: small clusters are pure by chance."""
    generator = np.random.default_rng(seed)
    shuffled = [generator.permutation(np.asarray(labels)).tolist() for _ in range(SHUFFLES)]
    return float(np.mean([purity(nearest, one) for one in shuffled]))


class PrototypeClips(Analysis):
    """The clips most like each prototype, how many prototypes are in use, and how pure they are where labels exist."""

    Settings = PrototypesSettings

    def analyse(self, context: AnalysisContext) -> Findings:
        """Assign the videos to the prototypes of each view."""
        method = context.run.method
        if not isinstance(method, HasPrototypes):
            name = context.run.config.method.get("name")
            raise UserError(f"method {name} learns no prototypes; vicc does")
        found = {view: assigned(rows) for view, rows in prototype_cosines(context, method).items()}
        strips = Strips(context)
        figures = [self._wall(context, view, one, strips) for view, one in found.items()]
        return Findings(
            sentences=(*_sentences(context, found), *strips.failures[:3]),
            tables=(_table(context, found),),
            values={view: _values(context, one) for view, one in found.items()},
            records=[record for view, one in found.items() for record in _records(context, view, one)],
            figures=(*figures, _usage_figure(context, found)),
        )

    def _wall(self, context: AnalysisContext, view: str, found: Assigned, strips: Strips) -> Figure:
        """Draw the most used prototypes of a view, a row each."""
        rows = []
        for prototype in np.argsort(-found.usage, kind="stable")[: self.settings.prototypes].tolist():
            members = found.members(prototype)
            if not members:
                continue
            name, share = majority([context.labels[place] for place in members])
            tiles = []
            for place in members[: self.settings.clips]:
                entry = context.entries[place]
                is_right = entry.label == name if name and entry.label else None
                tiles.append(Tile(strips.of(entry), f"{entry.label or entry.id} {found.cosines[place]:.2f}", is_right))
            told = f", {share:.0%} {name}" if name else ""
            rows.append(WallRow(f"prototype {prototype}: {counted(len(members), 'video')}{told}", tiles))
        marks = "framed by whether they are of its most frequent class; " if context.is_labelled else ""
        return wall_figure(
            file_word(view),
            title=f"clips most like each prototype, {view}",
            caption=f"{context.about(view=view)} · the {len(rows)} most used of {found.count} prototypes; {marks}"
            "the number is the cosine with the prototype",
            rows=rows,
        )


def prototype_cosines(context: AnalysisContext, method: HasPrototypes) -> dict[str, NDArray[np.float32]]:
    """Return view -> (n, K) cosines of videos with prototypes; projected features stay with the run's embeddings."""
    run, data, entries = context.run, context.data, context.entries

    def make() -> Embeddings:
        encoders = {view: method.projected(view).eval() for view in run.views}
        return run.embed_entries(data, entries, encoders=encoders, device=context.device, progress=context.progress)

    identity = identity_of(run, data, entries, weights="trained", device=context.device)
    made = remembered(run.path / FOLDER, {**identity, "features": "projected"}, make)
    run.method.to("cpu")
    with torch.inference_mode():
        return {
            view: method.prototype_cosines(view, torch.tensor(rows)).numpy() for view, rows in made.features.items()
        }


def _usage_figure(context: AnalysisContext, found: Mapping[str, Assigned]) -> Figure:
    def paint(canvas: Any) -> None:
        for axes, (view, one) in zip(canvas.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
            usage = np.sort(one.usage)[::-1]
            axes.bar(np.arange(len(usage)), usage, width=1.0, color=TONES[0], linewidth=0)
            even = len(one.nearest) / one.count
            axes.axhline(even, color=TONES[1], linestyle="--", linewidth=1.2, label=f"all alike: {even:.1f}")
            axes.set(xlabel="prototypes, the most used first", ylabel="videos")
            axes.set_title(f"{view}: {one.num_used} of {one.count} in use")
            axes.legend()

    return draw(
        "usage",
        title="how many videos are nearest to each prototype",
        caption=context.about(),
        size=(4.1 * len(found), 2.9),
        paint=paint,
    )


def _sentences(context: AnalysisContext, found: Mapping[str, Assigned]) -> list[str]:
    sentences = []
    for view, one in found.items():
        text = (
            f"{view}: {one.num_used} of {counted(one.count, 'prototype')} are nearest to any of the "
            f"{counted(len(one.nearest), 'video')}, as if {one.effective_number:.1f} were used alike"
        )
        if context.is_labelled:
            labels, seed = context.labels, context.run.config.seed
            text += (
                f"; {purity(one.nearest, labels):.0%} of the videos are of their prototype's most frequent class, by "
                f"chance {chance_purity(one.nearest, labels, seed=seed):.0%}"
            )
        sentences.append(f"{text}.")
    if not context.is_labelled:
        sentences.append("No video has a label: how pure prototypes are cannot be said.")
    return sentences


def _table(context: AnalysisContext, found: Mapping[str, Assigned]) -> FoundTable:
    rows = []
    for view, one in found.items():
        for prototype in np.argsort(-one.usage, kind="stable").tolist():
            members = one.members(prototype)
            if not members:
                break
            name, share = majority([context.labels[place] for place in members])
            cosine = float(one.cosines[members].mean())
            told = f"{name} {share:.0%}" if name else "-"
            rows.append((view, str(prototype), str(len(members)), told, f"{cosine:.2f}"))
    columns = ("view", "prototype", "videos", "most frequent class", "mean cosine")
    return FoundTable("prototypes in use", columns, tuple(rows))


def _values(context: AnalysisContext, one: Assigned) -> dict[str, Any]:
    labelled = context.is_labelled
    seed = context.run.config.seed
    return {
        "prototypes": one.count,
        "used": one.num_used,
        "effective number": one.effective_number,
        "usage": one.usage.tolist(),
        "purity": purity(one.nearest, context.labels) if labelled else None,
        "purity by chance": chance_purity(one.nearest, context.labels, seed=seed) if labelled else None,
    }


def _records(context: AnalysisContext, view: str, one: Assigned) -> list[dict[str, Any]]:
    return [
        {
            "view": view,
            "video": entry.id,
            "label": entry.label or "",
            "prototype": int(prototype),
            "cosine": round(float(cosine), 6),
        }
        for entry, prototype, cosine in zip(context.entries, one.nearest, one.cosines, strict=True)
    ]
