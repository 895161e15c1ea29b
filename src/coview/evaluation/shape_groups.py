"""Which of our runs stand together in one line of a table: alike but for their seed, in the same phase of training."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coview.errors import UserError
from coview.evaluation.alike import condition_key
from coview.evaluation.naming import without_speed_settings
from coview.evaluation.published import traits
from coview.evaluation.result import EvaluationResult
from coview.evaluation.scored import Scored, folder_of, names_of_groups, step_of

Measured = tuple[str, str]
"""A protocol and its variant."""


@dataclass(frozen=True)
class Beside:
    """The runs of one line: alike but for their seed, in one phase of their training.

    Attributes:
        name: what they are called.
        encoder: name of their encoder.
        preset: which reading of the papers they spell.
        seeds: as many as were evaluated.
        steps: fewest and most optimiser steps.
    """

    name: str
    encoder: str
    preset: str
    seeds: tuple[int, ...]
    steps: tuple[int, int]


@dataclass(frozen=True)
class RunGroup:
    """Runs alike but for their seed and in the same phase, and (protocol, variant) -> their results."""

    about: Beside
    traits: Mapping[str, str | int]
    results: Mapping[Measured, tuple[EvaluationResult, ...]]


def made_alike(found: Sequence[Scored]) -> tuple[list[Scored], list[str]]:
    """Return the results that were made as most were, and the folders of the others."""
    if not found:
        return [], []
    usual, _ = Counter(condition_key(one.result) for one in found).most_common(1)[0]
    others = dict.fromkeys(folder_of(one.result).name for one in found if condition_key(one.result) != usual)
    return [one for one in found if condition_key(one.result) == usual], list(others)


def groups_of(used: Mapping[Measured, Sequence[Scored]]) -> list[RunGroup]:
    """Sort results into runs that are alike but for their seed, in each phase of their training."""
    by_config: dict[str, list[tuple[Measured, Scored]]] = {}
    for measured, results in used.items():
        for scored in results:
            key = json.dumps([without_speed_settings(scored.config), scored.learnt_from], sort_keys=True)
            by_config.setdefault(key, []).append((measured, scored))
    names = names_of_groups([[scored for _, scored in alike] for alike in by_config.values()])
    groups = []
    for name, alike in zip(names, by_config.values(), strict=True):
        phases: dict[str, list[tuple[Measured, Scored]]] = {}
        for measured, scored in alike:
            phases.setdefault(str(_traits(scored)["phase"]), []).append((measured, scored))
        for phase, of_phase in phases.items():
            groups.append(_group(name if len(phases) == 1 else f"{name}, {phase}", of_phase))
    return groups


def _group(name: str, found: Sequence[tuple[Measured, Scored]]) -> RunGroup:
    by_protocol: dict[Measured, list[Scored]] = {}
    for measured, scored in found:
        by_protocol.setdefault(measured, []).append(scored)
    results = {measured: _one_a_seed(of_protocol) for measured, of_protocol in by_protocol.items()}
    kept = [result for of_protocol in results.values() for result in of_protocol]
    steps = [step_of(result) for result in kept]
    first = found[0][1]
    about = Beside(
        name=name,
        encoder=str(first.config["encoder"]["name"]),
        preset=first.result.preset,
        seeds=tuple(sorted({result.seed for result in kept})),
        steps=(min(steps), max(steps)),
    )
    return RunGroup(about, _traits(first), results)


def _one_a_seed(found: Sequence[Scored]) -> tuple[EvaluationResult, ...]:
    """Return the latest result of each seed.

    Raises:
        UserError: two runs have the same settings and the same seed.
    """
    by_seed: dict[int, EvaluationResult] = {}
    for result in sorted((one.result for one in found), key=step_of):
        before = by_seed.get(result.seed)
        if before is not None and folder_of(before) != folder_of(result):
            raise UserError(
                f"{before.run} and {result.run} have the same settings and the same seed {result.seed}; give one of "
                "them, a mean over seeds counts each seed once"
            )
        by_seed[result.seed] = result
    return tuple(by_seed[seed] for seed in sorted(by_seed))


def _traits(scored: Scored) -> dict[str, str | int]:
    stage = str(scored.result.checkpoint.get("stage"))
    return traits(scored.config, stage=stage, learnt_from=scored.learnt_from)
