"""Which videos take part in an analysis, labelled or not, and in which groups they are embedded."""

from dataclasses import dataclass
from typing import Literal

from coview.datasets.prepared import PreparedDataset
from coview.datatypes import VideoEntry
from coview.embedding.run import Run
from coview.errors import UserError
from coview.evaluation.query_gallery import LEAVE_GROUP_OUT, SPLIT, choose_videos
from coview.wording import counted

Part = Literal["auto", "test", "train", "all"]


@dataclass(frozen=True)
class SelectedVideos:
    """Who takes part.

    Attributes:
        entries: ready videos, in the order of the data set.
        part: "test", "train" or "all".
        split: split column, None where the part is "all".
        groups: disjoint, together at least `entries`: the labelled ones as an evaluation embeds them, so that its
            embeddings serve again, then the others.
    """

    entries: tuple[VideoEntry, ...]
    part: Literal["test", "train", "all"]
    split: str | None
    groups: tuple[tuple[VideoEntry, ...], ...]


def who_takes_part(run: Run, data: PreparedDataset, *, split: str | None, part: Part) -> SelectedVideos:
    """Choose the videos.

    Args:
        run: its own split is taken where none is named.
        data: the videos.
        split: split column; None: the run's own, where the data set came with splits or has that one.
        part: "auto": the test videos where there is a split, else all.

    Raises:
        UserError: no such split or part, or no video of it is ready.
    """
    chosen = split or data.split_of_run(run.config.split)
    settled: Literal["test", "train", "all"] = ("test" if chosen else "all") if part == "auto" else part
    if chosen is not None:
        data.require_split(chosen)
    entries = tuple(data.ready if settled == "all" else data.part(chosen, settled))
    if not entries:
        videos = counted(len(data.entries), "video")
        raise UserError(f"none of the {videos} of {data.root} is ready; see videos.parquet")
    labelled = _embedded_by_evaluations(data, chosen)
    known = {entry.id for entry in labelled}
    groups = (labelled if any(entry.id in known for entry in entries) else (), _others(entries, known))
    return SelectedVideos(
        entries, settled, None if settled == "all" else chosen, tuple(group for group in groups if group)
    )


def _embedded_by_evaluations(data: PreparedDataset, split: str | None) -> tuple[VideoEntry, ...]:
    try:
        return choose_videos(data, split, variant=SPLIT if split else LEAVE_GROUP_OUT).entries
    except UserError:  # nothing is labelled: nothing was evaluated
        return ()


def _others(entries: tuple[VideoEntry, ...], known: set[str]) -> tuple[VideoEntry, ...]:
    return tuple(entry for entry in entries if entry.id not in known)
