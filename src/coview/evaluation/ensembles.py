"""Ensembles: which views are averaged, with which weights; of one run, or of several as a user names them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.embedding.run import Run
from coview.errors import UserError
from coview.registry import did_you_mean
from coview.views import VIEWS

MEAN_OF_VIEWS, WEIGHTED_VIEWS, ENSEMBLE = "mean of views", "weighted views", "ensemble"
VIEWS_JOINED = "views joined"
"""One classifier that reads all views side by side; the ensembles average what a classifier of each view says."""
DEFAULT_WEIGHTS = {"rgb": 2.0, "flow": 2.0, "segmentation": 1.0, "pose": 1.0}
"""Of CoCon's ensemble of four views."""


def choose_ensembles(views: Sequence[str], weights: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return the ensembles of some views: with equal weights and, where that differs, with the given ones.

    Args:
        views: names; one view alone makes no ensemble.
        weights: view name -> weight, 0 to leave a view out; a view without one weighs 1, a weight of a view that is
            not here does nothing.

    Returns:
        Ensemble name -> view name -> share; shares add up to 1.

    Raises:
        UserError: a weight of something that is no view, or nothing has any weight.
    """
    known = dict.fromkeys([*views, *VIEWS, *DEFAULT_WEIGHTS])
    for name in weights:
        if name not in known:
            raise UserError(
                f"weights: {name!r} is no view{did_you_mean(name, known) or '.'} Known: {', '.join(known)}."
            )
    if len(views) < 2:
        return {}
    chosen = [weights.get(view, 1.0) for view in views]
    if min(chosen) < 0 or max(chosen) <= 0:
        raise UserError(f"weights of {', '.join(views)} are {chosen}; they must be 0 or more, and one above 0")
    found = {MEAN_OF_VIEWS: dict.fromkeys(views, 1 / len(views))}
    if len(set(chosen)) > 1:
        found[WEIGHTED_VIEWS] = {view: weight / sum(chosen) for view, weight in zip(views, chosen, strict=True)}
    return found


def describe_shares(shares: Mapping[str, float]) -> str:
    """Return "rgb 33%, flow 33%, segmentation 17%, pose 17%"."""
    return ", ".join(f"{view} {share:.0%}" for view, share in shares.items())


def average_scores(parts: Mapping[str, NDArray[np.float32]], shares: Mapping[str, float]) -> NDArray[np.float32]:
    """Return the weighted mean of what each view says, such as its (n, C) probabilities, in the same shape."""
    total = np.sum([parts[view] * np.float32(share) for view, share in shares.items()], axis=0)
    return np.asarray(total, dtype=np.float32)


@dataclass(frozen=True)
class EnsembleMember:
    """A view of a run, as part of an ensemble.

    Attributes:
        name: unique in the ensemble, such as "cocon:flow".
        run: the run.
        view: one of its views.
        weight: of its cosines or probabilities, 0 or more.
    """

    name: str
    run: Run
    view: str
    weight: float

    def describe(self) -> dict[str, Any]:
        """Return who it is, for the result."""
        return {
            "name": self.name,
            "run": self.run.name,
            "checkpoint": self.run.checkpoint.name,
            "view": self.view,
            "weight": self.weight,
            "seed": self.run.config.seed,
            "preset": self.run.config.preset,
        }


@dataclass(frozen=True)
class MemberWord:
    """What a user wrote: a run, perhaps one of its checkpoints or views, and a weight."""

    run: str
    checkpoint: str | None
    view: str | None
    weight: float


def read_member_word(word: str) -> MemberWord:
    """Read RUN[@CHECKPOINT][:VIEW][=WEIGHT]; a folder whose name holds such marks is taken as it stands.

    Raises:
        UserError: the weight is no number, or below 0.
    """
    rest, weight = _cut(word, "=")
    rest, view = _cut(rest, ":")
    rest, checkpoint = _cut(rest, "@")
    try:
        value = 1.0 if weight is None else float(weight)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UserError(f"{word}: the weight {weight!r} is not a number of 0 or more; write it as {rest}=2")
    return MemberWord(rest, checkpoint, view, value)


def load_members(words: Sequence[str]) -> tuple[EnsembleMember, ...]:
    """Open the runs that words name; a run without a view stands for all of its views, each with that weight.

    Raises:
        UserError: no such run, checkpoint or view; fewer than two members; or nothing has any weight.
    """
    runs: dict[tuple[str, str | None], Run] = {}
    found: list[EnsembleMember] = []
    for read in map(read_member_word, words):
        key = (str(Path(read.run).resolve()), read.checkpoint)
        if key not in runs:
            runs[key] = Run.load(read.run, read.checkpoint)
        run = runs[key]
        if read.view is not None and read.view not in run.views:
            hint = did_you_mean(read.view, run.views) or "."
            raise UserError(f"{run.path} has no view {read.view!r}{hint} It has: {', '.join(run.views)}")
        for view in run.views if read.view is None else (read.view,):
            found.append(EnsembleMember(f"{run.name}:{view}", run, view, read.weight))
    if len(found) < 2:
        raise UserError("an ensemble needs two members or more: runs, or views of runs (RUN:flow)")
    if not any(member.weight for member in found):
        raise UserError("every member weighs 0; give at least one a weight above 0")
    return _with_distinct_names(found)


def shares_of_members(members: Sequence[EnsembleMember]) -> dict[str, float]:
    """Return member name -> share; shares add up to 1."""
    total = sum(member.weight for member in members)
    return {member.name: member.weight / total for member in members}


def _cut(word: str, mark: str) -> tuple[str, str | None]:
    """Divide a word at its last mark, unless it is a folder as it stands."""
    before, found, after = word.rpartition(mark)
    if not found or not before or "/" in after or Path(word).exists():
        return word, None
    return before, after


def _with_distinct_names(members: Sequence[EnsembleMember]) -> tuple[EnsembleMember, ...]:
    """Number those of one name: the same view twice, or runs whose folders have the same name."""
    counts: dict[str, int] = {}
    named = []
    for member in members:
        counts[member.name] = number = counts.get(member.name, 0) + 1
        named.append(member if number == 1 else replace(member, name=f"{member.name} ({number})"))
    return tuple(named)
