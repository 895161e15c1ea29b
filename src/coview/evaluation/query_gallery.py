"""Who queries whom: test videos the training videos, every video those of all other groups, or folds in turn."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coview.datasets.prepared import PreparedDataset
from coview.datasets.splits import deal_folds, group_of
from coview.datatypes import VideoEntry
from coview.embedding.search import nearest
from coview.errors import UserError

SPLIT, LEAVE_GROUP_OUT, LEAVE_ONE_OUT = "split", "leave-group-out", "leave-one-out"


@dataclass(frozen=True)
class QueryGallerySplit:
    """Which rows are queries and which the gallery; a classifier learns from the gallery and is tested on the queries.

    Attributes:
        queries: rows of the queries.
        gallery: rows of the gallery.
        groups: n group names, one a row: gallery rows of a query's own group are no candidates. None: all are.
    """

    queries: tuple[int, ...]
    gallery: tuple[int, ...]
    groups: tuple[str, ...] | None = None

    def codes(self, names: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return n names, one a row, as integers (q,) of the queries and (g,) of the gallery, equal where names are."""
        places = {name: place for place, name in enumerate(sorted(set(names)))}
        numbers = np.array([places[name] for name in names], dtype=np.int64)
        return numbers[list(self.queries)], numbers[list(self.gallery)]

    def is_candidate(self) -> NDArray[np.bool_]:
        """Return (q, g): whether a gallery row may be found by a query."""
        if self.groups is None:
            return np.ones((len(self.queries), len(self.gallery)), dtype=bool)
        own, other = self.codes(self.groups)
        return np.not_equal(own[:, None], other[None])

    def nearest(self, features: NDArray[np.float32], *, k: int) -> tuple[Tensor, Tensor]:
        """Find the k candidates of each query with the largest cosine; see `coview.embedding.search.nearest`.

        Args:
            features: (n, D) unit rows.
            k: how many.

        Returns:
            Places in `gallery` (q, k), `NOBODY` where no candidate is left, and cosines (q, k).
        """
        groups = {}
        if self.groups is not None:
            own, other = self.codes(self.groups)
            groups = {"query_groups": torch.from_numpy(own), "gallery_groups": torch.from_numpy(other)}
        queries, gallery = (torch.from_numpy(features[list(rows)]) for rows in (self.queries, self.gallery))
        return nearest(queries, gallery, k=k, **groups)


@dataclass(frozen=True)
class EvaluationVideos:
    """The videos of an evaluation, and who is scored by whom: once, or in several folds that each test other videos.

    Attributes:
        entries: labelled, ready videos.
        folds: one split of their rows, or several.
        counts: scored of how many, over all folds.
        split: the split column in use, None without one.
        variant: "" for a split; else a word for the result's file name.
        remarks: what a reader of the scores should know.
        gallery_data: the data set of the gallery, where that is another than the queries'; its videos then come last.
    """

    entries: tuple[VideoEntry, ...]
    folds: tuple[QueryGallerySplit, ...]
    counts: Mapping[str, Any]
    split: str | None = None
    variant: str = ""
    remarks: tuple[str, ...] = ()
    gallery_data: PreparedDataset | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The class of each entry."""
        return tuple(entry.label or "" for entry in self.entries)

    @property
    def tested(self) -> tuple[VideoEntry, ...]:
        """The queries, fold after fold."""
        return tuple(self.entries[row] for fold in self.folds for row in fold.queries)

    def by_data(self, data: PreparedDataset) -> list[tuple[PreparedDataset, tuple[VideoEntry, ...]]]:
        """Return the entries of each data set, in order; `data` is that of the queries."""
        if self.gallery_data is None:
            return [(data, self.entries)]
        first = min(self.folds[0].gallery)
        return [(data, self.entries[:first]), (self.gallery_data, self.entries[first:])]


def choose_videos(
    data: PreparedDataset,
    split: str | None,
    *,
    variant: str = SPLIT,
    folds: int | None = None,
    fold_seed: int = 0,
    gallery: str | None = None,
    along_with: Sequence[str] = (),
) -> EvaluationVideos:
    """Decide which videos query which, and count those that cannot take part.

    Args:
        data: the videos.
        split: split column, for the variant "split".
        variant: "split", "leave-group-out", or "auto": split where one is named or the data set came with one. Any
            other word is another way to compare the two parts of a split.
        folds: deal the groups of all labelled videos into this many parts, each tested by the others.
        fold_seed: of the deal.
        gallery: folder of another data set whose videos are to be found.
        along_with: further splits whose videos are among the entries too, so that one embedding serves them all.

    Raises:
        UserError: no such split, no labelled video in one of the parts, or settings that exclude each other.
    """
    if split is not None:
        data.require_split(split)
    if gallery is not None and (folds is not None or variant not in ("auto", SPLIT)):
        other = "folds" if folds is not None else f"the variant {variant}"
        raise UserError(f"a gallery from another data set and {other} exclude each other: give one of them")
    if gallery is not None:
        return _with_gallery(data, split, PreparedDataset.open(Path(gallery)))
    if folds is not None and variant not in ("auto", SPLIT):
        raise UserError(f"folds and the variant {variant} exclude each other: give one of them")
    if folds is not None:
        return _with_folds(data, folds, seed=fold_seed)
    if variant == "auto":
        variant = SPLIT if split is not None or data.given_splits else LEAVE_GROUP_OUT
    if variant == LEAVE_GROUP_OUT:
        return _leaving_groups_out(data, along_with)
    parts = {"queries": _part(data, split, "test"), "gallery": _part(data, split, "train")}
    usable = {name: _usable(data, entries, part=name) for name, entries in parts.items()}
    entries = _in_order(data, [entry for found in usable.values() for entry in found], along_with)
    places = {entry.id: place for place, entry in enumerate(entries)}
    queries, others = (tuple(places[entry.id] for entry in usable[name]) for name in ("queries", "gallery"))
    fold = QueryGallerySplit(queries, others)
    counts = _counts(data, parts, usable) | count_misses(entries, (fold,))
    return EvaluationVideos(entries, (fold,), counts, split, "" if variant == SPLIT else variant)


def _leaving_groups_out(data: PreparedDataset, along_with: Sequence[str] = ()) -> EvaluationVideos:
    found = _usable(data, data.entries, part="queries")
    counts = _counts(data, dict.fromkeys(("queries", "gallery"), data.entries), {"queries": found, "gallery": found})
    entries = _in_order(data, found, along_with)
    rows = tuple(range(len(entries)))
    groups = tuple(group_of(entry) for entry in entries)
    fold = QueryGallerySplit(rows, rows, groups)
    has_groups = len(set(groups)) < len(groups)
    remark = "no two videos share a group: clips cut from one recording, if there are any, may find each other"
    return EvaluationVideos(
        entries,
        (fold,),
        counts | count_misses(entries, (fold,)),
        None,
        LEAVE_GROUP_OUT if has_groups else LEAVE_ONE_OUT,
        () if has_groups else (remark,),
    )


def _with_folds(data: PreparedDataset, folds: int, *, seed: int) -> EvaluationVideos:
    everyone = _leaving_groups_out(data)
    parts = deal_folds([group_of(entry) for entry in everyone.entries], folds, seed=seed)
    splits = [(np.flatnonzero(parts == part).tolist(), np.flatnonzero(parts != part).tolist()) for part in range(folds)]
    dealt = tuple(QueryGallerySplit(tuple(queries), tuple(gallery)) for queries, gallery in splits)
    return EvaluationVideos(
        everyone.entries,
        dealt,
        {
            **everyone.counts,
            **count_misses(everyone.entries, dealt),
            "folds": [len(queries) for queries, _ in splits],
        },
        None,
        f"{folds}-fold",
        remarks=("folds test every labelled video, those too that the encoder has seen without their labels",),
    )


def _with_gallery(data: PreparedDataset, split: str | None, gallery: PreparedDataset) -> EvaluationVideos:
    """Let the videos of one data set query those of another.

    Queries are the test part of the split, or all videos where there is no split; the gallery is the training part of
    the same split, or all videos where it has no such column.
    """
    if gallery.root.resolve() == data.root.resolve():
        raise UserError(f"the gallery {gallery.root} is the queries' own data set; leave the setting gallery out")
    parts = {
        "queries": data.entries if split is None and not data.given_splits else _part(data, split, "test"),
        "gallery": _part(gallery, split, "train") if split in gallery.splits else gallery.entries,
    }
    queries = _usable(data, parts["queries"], part="queries")
    found = _usable(gallery, parts["gallery"], part="gallery")
    labels, known = ({entry.label for entry in side} for side in (queries, found))
    if not labels & known:
        raise UserError(
            f"{data.root} and {gallery.root} share no label: the queries' are {_some(labels)}; the gallery's "
            f"{_some(known)}; rename the labels of one of them"
        )
    own = _counts(data, {"queries": parts["queries"]}, {"queries": queries, "gallery": found})
    elsewhere = {
        "gallery": len(parts["gallery"]),
        "gallery_data": gallery.name,
        "gallery_videos": len(gallery.entries),
        "gallery_not_ready": dict(Counter(entry.status for entry in parts["gallery"] if entry.status != "ready")),
        "gallery_unlabelled": sum(entry.status == "ready" and entry.label is None for entry in parts["gallery"]),
        "shared_classes": len(labels & known),
    }
    count = len(queries)
    fold = QueryGallerySplit(tuple(range(count)), tuple(range(count, count + len(found))))
    own |= count_misses((*queries, *found), (fold,))
    return EvaluationVideos(
        (*queries, *found), (fold,), {**own, **elsewhere}, split, f"gallery-{gallery.name}", (), gallery
    )


def count_misses(entries: Sequence[VideoEntry], folds: Sequence[QueryGallerySplit]) -> dict[str, int]:
    """Count the queries that no gallery video of their class may answer: however good the features, they are misses."""
    labels = [entry.label for entry in entries]
    misses = 0
    for fold in folds:
        groups = fold.groups or tuple(f"row {row}" for row in range(len(entries)))
        of_class = Counter(labels[row] for row in fold.gallery)
        of_own_group = Counter((labels[row], groups[row]) for row in fold.gallery) if fold.groups else Counter()
        misses += sum(of_class[labels[row]] == of_own_group[labels[row], groups[row]] for row in fold.queries)
    return {"queries_without_their_class_in_gallery": misses}


def _in_order(data: PreparedDataset, found: Iterable[VideoEntry], along_with: Sequence[str]) -> tuple[VideoEntry, ...]:
    """Return videos in the order of the data set, with those of further splits."""
    wanted = {entry.id for entry in found}
    for other in along_with:
        parts = {entry.id for entry in data.entries if entry.splits.get(other) in ("train", "test")}
        wanted |= {entry.id for entry in data.ready if entry.label is not None} & parts
    return tuple(entry for entry in data.entries if entry.id in wanted)


def _usable(data: PreparedDataset, entries: Sequence[VideoEntry], *, part: str) -> tuple[VideoEntry, ...]:
    """Return the videos that can be scored, at least one."""
    found = tuple(entry for entry in entries if entry.status == "ready" and entry.label is not None)
    if not found:
        raise UserError(
            f"scores need labelled videos, and {data.root} has none that are ready for the {part}; labels come from "
            "class folders or the lists given to coview prepare. What needs no labels: coview analyse RUN --data "
            f"{data.root}"
        )
    return found


def _some(labels: Iterable[str | None]) -> str:
    names = sorted(label or "" for label in labels)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _part(data: PreparedDataset, split: str | None, part: str) -> tuple[VideoEntry, ...]:
    """Return the videos of one part of a split, whatever their status."""
    data.part(split, part)  # its error names the splits and parts there are
    return tuple(entry for entry in data.entries if split is not None and entry.splits.get(split) == part)


def _counts(
    data: PreparedDataset, parts: Mapping[str, Sequence[VideoEntry]], usable: Mapping[str, Sequence[VideoEntry]]
) -> dict[str, Any]:
    """Say how many videos were scored of how many, and where the others went."""
    in_use = {entry.id for entries in parts.values() for entry in entries}
    chosen = [entry for entry in data.entries if entry.id in in_use]
    return {
        "videos": len(data.entries),
        "not_in_this_split": len(data.entries) - len(chosen),
        "queries": len(parts["queries"]),
        "queries_scored": len(usable["queries"]),
        "query_groups": len({group_of(entry) for entry in usable["queries"]}),
        "gallery": len(parts.get("gallery", ())),
        "gallery_used": len(usable["gallery"]),
        "classes": len({entry.label for entries in usable.values() for entry in entries}),
        "not_ready": dict(Counter(entry.status for entry in chosen if entry.status != "ready")),
        "not_ready_videos": {e.id: e.reason or e.status for e in chosen if e.status != "ready"},
        "unlabelled": sum(entry.status == "ready" and entry.label is None for entry in chosen),
    }
