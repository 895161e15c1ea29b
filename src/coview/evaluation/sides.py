"""Who queries whom: test videos the training videos, or every video those of all other groups."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from coview.datasets.prepared import PreparedDataset
from coview.datasets.splits import group_of
from coview.datatypes import VideoEntry
from coview.errors import UserError

SPLIT, LEAVE_GROUP_OUT = "split", "leave-group-out"


class Names(TypedDict):
    """Labels, and groups where a query's own group is left out, as `recall_at_k` takes them."""

    query_labels: list[str]
    gallery_labels: list[str]
    query_groups: list[str] | None
    gallery_groups: list[str] | None


@dataclass(frozen=True)
class Sides:
    """Queries and gallery as rows into the entries that are embedded.

    Attributes:
        entries: labelled, ready videos.
        queries: indices of the queries.
        gallery: indices of the gallery.
        leaves_out_groups: whether a query's own group is no candidate.
        counts: scored of how many.
        gallery_data: the data set of the gallery, where that is another than the queries'; its videos then come last.
    """

    entries: tuple[VideoEntry, ...]
    queries: tuple[int, ...]
    gallery: tuple[int, ...]
    leaves_out_groups: bool
    counts: Mapping[str, Any]
    gallery_data: PreparedDataset | None = None

    def by_data(self, data: PreparedDataset) -> list[tuple[PreparedDataset, tuple[VideoEntry, ...]]]:
        """Return the entries of each data set, in order; `data` is that of the queries."""
        if self.gallery_data is None:
            return [(data, self.entries)]
        first = min(self.gallery)
        return [(data, self.entries[:first]), (self.gallery_data, self.entries[first:])]

    def names(self) -> Names:
        """Return labels and groups of both sides."""
        groups = [group_of(entry) for entry in self.entries] if self.leaves_out_groups else None
        return {
            "query_labels": [self.entries[i].label or "" for i in self.queries],
            "gallery_labels": [self.entries[i].label or "" for i in self.gallery],
            "query_groups": [groups[i] for i in self.queries] if groups else None,
            "gallery_groups": [groups[i] for i in self.gallery] if groups else None,
        }


def choose_sides(data: PreparedDataset, split: str | None, *, variant: str, along_with: Sequence[str] = ()) -> Sides:
    """Decide which videos query which, and count those that cannot take part.

    Args:
        data: the videos.
        split: split column, for the variant "split".
        variant: "split" or "leave-group-out".
        along_with: further splits whose videos are among the entries too, so that one embedding serves them all.

    Raises:
        UserError: no such split, or no labelled video on one of the sides.
    """
    parts = _parts(data, split, variant=variant)
    usable = {side: _usable(data, entries, side=side) for side, entries in parts.items()}
    wanted = {entry.id for found in usable.values() for entry in found}
    for other in along_with:
        parts_of = {entry.id for entry in data.entries if entry.splits.get(other) in ("train", "test")}
        wanted |= {entry.id for entry in data.ready if entry.label is not None} & parts_of
    entries = tuple(entry for entry in data.entries if entry.id in wanted)
    places = {entry.id: place for place, entry in enumerate(entries)}
    return Sides(
        entries,
        queries=tuple(places[entry.id] for entry in usable["queries"]),
        gallery=tuple(places[entry.id] for entry in usable["gallery"]),
        leaves_out_groups=variant == LEAVE_GROUP_OUT,
        counts=_counts(data, parts, usable),
    )


def gallery_elsewhere(data: PreparedDataset, split: str | None, gallery: PreparedDataset) -> Sides:
    """Let the videos of one data set query those of another.

    Queries are the test part of the split, or all videos where there is no split; the gallery is the training part of
    the same split, or all videos where it has no such column.

    Raises:
        UserError: the gallery is the same data set, a side has no labelled video, or the two share no label.
    """
    if gallery.root.resolve() == data.root.resolve():
        raise UserError(f"the gallery {gallery.root} is the queries' own data set; leave the setting gallery out")
    parts = {
        "queries": tuple(_entries_of(data, split, "test")) if data.splits else data.entries,
        "gallery": tuple(_entries_of(gallery, split, "train")) if split in gallery.splits else gallery.entries,
    }
    queries = _usable(data, parts["queries"], side="queries")
    found = _usable(gallery, parts["gallery"], side="gallery")
    labels, known = ({entry.label for entry in side} for side in (queries, found))
    if not labels & known:
        raise UserError(
            f"{data.root} and {gallery.root} share no label: the queries' are {_some(labels)}; the gallery's "
            f"{_some(known)}; rename the labels of one of them"
        )
    return Sides(
        (*queries, *found),
        queries=tuple(range(len(queries))),
        gallery=tuple(range(len(queries), len(queries) + len(found))),
        leaves_out_groups=False,
        counts=_counts_elsewhere(data, gallery, parts, {"queries": queries, "gallery": found}),
        gallery_data=gallery,
    )


def _usable(data: PreparedDataset, entries: Sequence[VideoEntry], *, side: str) -> tuple[VideoEntry, ...]:
    """Return the videos that can be scored, at least one."""
    found = tuple(entry for entry in entries if entry.status == "ready" and entry.label is not None)
    if not found:
        raise UserError(
            f"scores need labelled videos, and {data.root} has none that are ready for the {side}; "
            "labels come from class folders or the lists given to coview prepare"
        )
    return found


def _some(labels: Iterable[str | None]) -> str:
    names = sorted(label or "" for label in labels)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _entries_of(data: PreparedDataset, split: str | None, part: str) -> tuple[VideoEntry, ...]:
    """Return the videos of one part of a split, whatever their status."""
    data.part(split, part)  # its error names the splits and parts there are
    return tuple(entry for entry in data.entries if split is not None and entry.splits.get(split) == part)


def _parts(data: PreparedDataset, split: str | None, *, variant: str) -> dict[str, tuple[VideoEntry, ...]]:
    """Return queries and gallery before anyone is left out."""
    if variant == LEAVE_GROUP_OUT:
        return {"queries": data.entries, "gallery": data.entries}
    gallery = _entries_of(data, split, "train")
    return {"queries": _entries_of(data, split, "test"), "gallery": gallery}


def _counts(
    data: PreparedDataset, parts: Mapping[str, Sequence[VideoEntry]], usable: Mapping[str, Sequence[VideoEntry]]
) -> dict[str, Any]:
    """Say how many videos were scored of how many, and where the others went."""
    in_use = {entry.id for entries in parts.values() for entry in entries}
    taking_part = [entry for entry in data.entries if entry.id in in_use]
    gallery_labels = {entry.label for entry in usable["gallery"]}
    return {
        "videos": len(data.entries),
        "not_in_this_split": len(data.entries) - len(taking_part),
        "queries": len(parts["queries"]),
        "queries_scored": len(usable["queries"]),
        "queries_without_their_class_in_gallery": sum(e.label not in gallery_labels for e in usable["queries"]),
        "gallery": len(parts.get("gallery", ())),
        "gallery_used": len(usable["gallery"]),
        "classes": len({entry.label for entries in usable.values() for entry in entries}),
        "not_ready": dict(Counter(entry.status for entry in taking_part if entry.status != "ready")),
        "not_ready_videos": {e.id: e.reason or e.status for e in taking_part if e.status != "ready"},
        "unlabelled": sum(entry.status == "ready" and entry.label is None for entry in taking_part),
    }


def _counts_elsewhere(
    data: PreparedDataset,
    gallery: PreparedDataset,
    parts: Mapping[str, Sequence[VideoEntry]],
    usable: Mapping[str, Sequence[VideoEntry]],
) -> dict[str, Any]:
    """Count queries in one data set and gallery in another."""
    own = _counts(data, {"queries": parts["queries"]}, {"queries": usable["queries"], "gallery": usable["gallery"]})
    return {
        **own,
        "gallery": len(parts["gallery"]),
        "gallery_data": str(gallery.root.resolve()),
        "gallery_videos": len(gallery.entries),
        "gallery_not_ready": dict(Counter(entry.status for entry in parts["gallery"] if entry.status != "ready")),
        "gallery_unlabelled": sum(entry.status == "ready" and entry.label is None for entry in parts["gallery"]),
        "shared_classes": len({e.label for e in usable["queries"]} & {e.label for e in usable["gallery"]}),
    }
