"""Who queries whom: test videos the training videos, or every video those of all other groups."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from coview.datasets.prepared import PreparedDataset
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
    """

    entries: tuple[VideoEntry, ...]
    queries: tuple[int, ...]
    gallery: tuple[int, ...]
    leaves_out_groups: bool
    counts: Mapping[str, Any]

    def names(self) -> Names:
        """Return labels and groups of both sides."""
        groups = [group_of(entry) for entry in self.entries] if self.leaves_out_groups else None
        return {
            "query_labels": [self.entries[i].label or "" for i in self.queries],
            "gallery_labels": [self.entries[i].label or "" for i in self.gallery],
            "query_groups": [groups[i] for i in self.queries] if groups else None,
            "gallery_groups": [groups[i] for i in self.gallery] if groups else None,
        }


def group_of(entry: VideoEntry) -> str:
    """Return the group of a video; one without a group is a group by itself."""
    return f"group {entry.group}" if entry.group is not None else f"video {entry.id}"


def choose_sides(data: PreparedDataset, split: str | None, *, variant: str) -> Sides:
    """Decide which videos query which, and count those that cannot take part.

    Args:
        data: the videos.
        split: split column, for the variant "split".
        variant: "split" or "leave-group-out".

    Raises:
        UserError: no such split, or no labelled video on one of the sides.
    """
    parts = _parts(data, split, variant=variant)
    usable = {
        side: tuple(e for e in entries if e.status == "ready" and e.label is not None)
        for side, entries in parts.items()
    }
    for side, found in usable.items():
        if not found:
            raise UserError(
                f"scores need labelled videos, and {data.root} has none that are ready for the {side}; "
                "labels come from class folders or the lists given to coview prepare"
            )
    wanted = {entry.id for found in usable.values() for entry in found}
    entries = tuple(entry for entry in data.entries if entry.id in wanted)
    places = {entry.id: place for place, entry in enumerate(entries)}
    return Sides(
        entries,
        queries=tuple(places[entry.id] for entry in usable["queries"]),
        gallery=tuple(places[entry.id] for entry in usable["gallery"]),
        leaves_out_groups=variant == LEAVE_GROUP_OUT,
        counts=_counts(data, parts, usable),
    )


def _parts(data: PreparedDataset, split: str | None, *, variant: str) -> dict[str, tuple[VideoEntry, ...]]:
    """Return queries and gallery before anyone is left out."""
    if variant == LEAVE_GROUP_OUT:
        return {"queries": data.entries, "gallery": data.entries}
    for part in ("train", "test"):
        data.part(split, part)  # its error names the splits and parts there are
    return {
        side: tuple(entry for entry in data.entries if split is not None and entry.splits.get(split) == part)
        for side, part in (("queries", "test"), ("gallery", "train"))
    }


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
        "gallery": len(parts["gallery"]),
        "gallery_used": len(usable["gallery"]),
        "classes": len({entry.label for entries in usable.values() for entry in entries}),
        "not_ready": dict(Counter(entry.status for entry in taking_part if entry.status != "ready")),
        "not_ready_videos": {e.id: e.reason or e.status for e in taking_part if e.status != "ready"},
        "unlabelled": sum(entry.status == "ready" and entry.label is None for entry in taking_part),
    }
