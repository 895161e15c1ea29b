"""The voices of an ensemble across runs: RUN[@CHECKPOINT][:VIEW][=WEIGHT], as a user writes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coview.embedding.run import Run
from coview.errors import UserError
from coview.evaluation.base import Member
from coview.registry import did_you_mean

ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class MemberWord:
    """What a user wrote: a run, perhaps one of its checkpoints or views, and a weight."""

    run: str
    checkpoint: str | None
    view: str | None
    weight: float


def read_word(word: str) -> MemberWord:
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


def load_members(words: Sequence[str]) -> tuple[Member, ...]:
    """Open the runs that words name; a run without a view stands for all of its views, each with that weight.

    Raises:
        UserError: no such run, checkpoint or view; fewer than two members; or nothing has any weight.
    """
    runs: dict[tuple[str, str | None], Run] = {}
    found: list[Member] = []
    for read in map(read_word, words):
        key = (str(Path(read.run).resolve()), read.checkpoint)
        if key not in runs:
            runs[key] = Run.load(read.run, read.checkpoint)
        run = runs[key]
        if read.view is not None and read.view not in run.views:
            hint = did_you_mean(read.view, run.views) or "."
            raise UserError(f"{run.path} has no view {read.view!r}{hint} It has: {', '.join(run.views)}")
        for view in run.views if read.view is None else (read.view,):
            found.append(Member(f"{run.path.resolve().name}:{view}", run, view, read.weight))
    if len(found) < 2:
        raise UserError("an ensemble needs two members or more: runs, or views of runs (RUN:flow)")
    if not any(member.weight for member in found):
        raise UserError("every member weighs 0; give at least one a weight above 0")
    return _told_apart(found)


def shares_of_members(members: Sequence[Member]) -> dict[str, float]:
    """Return member name -> share; shares add up to 1."""
    total = sum(member.weight for member in members)
    return {member.name: member.weight / total for member in members}


def described(member: Member) -> dict[str, Any]:
    """Return who a member is, for the result."""
    return {
        "name": member.name,
        "run": str(member.run.path.resolve()),
        "checkpoint": member.run.checkpoint.name,
        "view": member.view,
        "weight": member.weight,
        "seed": member.run.config.seed,
        "preset": member.run.config.preset,
    }


def _cut(word: str, mark: str) -> tuple[str, str | None]:
    """Divide a word at its last mark, unless it is a folder as it stands."""
    before, found, after = word.rpartition(mark)
    if not found or not before or "/" in after or Path(word).exists():
        return word, None
    return before, after


def _told_apart(members: Sequence[Member]) -> tuple[Member, ...]:
    """Number those of one name: the same view twice, or runs whose folders have the same name."""
    counts: dict[str, int] = {}
    named = []
    for member in members:
        counts[member.name] = number = counts.get(member.name, 0) + 1
        name = member.name if number == 1 else f"{member.name} ({number})"
        named.append(Member(name, member.run, member.view, member.weight))
    return tuple(named)
