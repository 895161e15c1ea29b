"""Which results of two runs to compare: under the same protocol and conditions, the latest of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from coview.errors import UserError
from coview.evaluation.ensembles import read_member_word
from coview.evaluation.protocols import PROTOCOLS
from coview.evaluation.results.comparability import scoring_conditions
from coview.evaluation.results.result import Result, read_result, read_results
from coview.training.runfolder import RESOLVED

_OF_THE_ENSEMBLE = ("variant", "setting members")
"""Conditions that may differ: the variant repeats settings, and the members say what is in a row."""


@dataclass(frozen=True)
class NamedResult:
    """One side of a comparison: what it is called, and its result."""

    name: str
    result: Result


def choose_pair(
    a: str, b: str, *, protocol: str | None, split: str | None, data: Path | None
) -> tuple[NamedResult, NamedResult]:
    """Choose the results to compare.

    Args:
        a: RUN, RUN@CHECKPOINT or a result file.
        b: the same.
        protocol: not set: the first of the registry that both have.
        split: only this one.
        data: only on this data set.

    Raises:
        UserError: no such run or result, or none that can be compared; says in what they differ.
    """
    if Path(a).resolve() == Path(b).resolve():
        raise UserError(f"{a} and {b} are the same; give two runs, two checkpoints (RUN@CHECKPOINT) or two results")
    sides = [_results(word, protocol=protocol, split=split, data=data) for word in (a, b)]
    names = _two_names(a, b)
    protocols = [name for name in PROTOCOLS if all(any(r.protocol == name for r in side) for side in sides)]
    if not protocols:
        had = " and ".join(", ".join(sorted({result.protocol for result in side})) for side in sides)
        raise UserError(f"{a} and {b} were not evaluated under the same protocol, but under {had}")
    for name in protocols:
        ones, others = ([result for result in side if result.protocol == name] for side in sides)
        for one, other in product(ones, others):
            if one.path != other.path and not _differences(one, other):
                return NamedResult(names[0], one), NamedResult(names[1], other)
    one, other = (next(r for r in side if r.protocol == protocols[0]) for side in sides)
    if one.path == other.path:
        raise UserError(f"{a} and {b} have but one result, {one.path}; evaluate the other checkpoint too")
    raise UserError(
        f"{a} and {b} have no comparable results of {' or '.join(protocols)}. The newest differ in: "
        f"{'; '.join(_differences(one, other))}. Evaluate both with the same data, split and settings"
    )


def _results(word: str, *, protocol: str | None, split: str | None, data: Path | None) -> list[Result]:
    """Return the results that a word stands for: plain ones before ensembles, the latest checkpoint first."""
    if Path(word).is_file():
        return [read_result(Path(word))]
    read = read_member_word(word)
    if read.view is not None or not (Path(read.run) / RESOLVED).is_file():
        raise UserError(
            f"{word} is neither a run (a folder with {RESOLVED}), nor RUN@CHECKPOINT, nor a result file in "
            "RUN/evaluation"
        )
    found = [
        result
        for result in read_results(Path(read.run))
        if protocol in (None, result.protocol)
        and split in (None, result.split)
        and (data is None or result.data_name == data.resolve().name)
        and read.checkpoint in (None, result.checkpoint.get("checkpoint"))
    ]
    if not found:
        wanted = [f"protocol {protocol}"] if protocol else []
        wanted += [f"split {split}"] if split else []
        wanted += [f"data {data}"] if data else []
        wanted += [f"checkpoint {read.checkpoint}"] if read.checkpoint else []
        asked = f" with {', '.join(wanted)}" if wanted else ""
        raise UserError(f"{read.run} has no result{asked}; make one with: coview evaluate {read.run} --data DIR")
    newest_first = sorted(found, key=lambda result: result.created_at, reverse=True)
    latest_first = sorted(newest_first, key=lambda result: -int(result.checkpoint.get("global_step", 0)))
    return sorted(latest_first, key=lambda result: "members" in result.settings)


def _differences(one: Result, other: Result) -> list[str]:
    """Say in which conditions two results differ."""
    first, second = scoring_conditions(one), scoring_conditions(other)
    names = [name for name in dict.fromkeys([*first, *second]) if name not in _OF_THE_ENSEMBLE]
    return [
        f"{name} {_shown(first.get(name))} and {_shown(second.get(name))}"
        for name in names
        if first.get(name) != second.get(name)
    ]


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)


def _two_names(a: str, b: str) -> tuple[str, str]:
    """Return short names that tell the two apart."""
    short = [_short(word) for word in (a, b)]
    if short[0] != short[1]:
        return short[0], short[1]
    parts: list[Sequence[str]] = [Path(word).resolve().parts for word in (a, b)]
    for count in range(2, max(map(len, parts)) + 1):
        longer = ["/".join(part[-count:]) for part in parts]
        if longer[0] != longer[1]:
            return longer[0], longer[1]
    return a, b


def _short(word: str) -> str:
    path = Path(word).resolve()
    return f"{path.parents[1].name}/{path.stem}" if path.is_file() else path.name
