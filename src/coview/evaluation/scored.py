"""The results of many runs, read and sorted: which are of one run, which differ in nothing but their seed."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from coview.config import read_yaml
from coview.errors import UserError
from coview.evaluation.alike import condition_but_for_split
from coview.evaluation.naming import names_of_configs, without_speed_settings
from coview.evaluation.over_splits import mean_over_splits
from coview.evaluation.result import EvaluationResult, read_results
from coview.training.runfolder import RESOLVED


@dataclass(frozen=True)
class Scored:
    """One result, with the run it is of.

    Attributes:
        given_name: what the user calls the run, "" for nothing.
        config: the run's settings.
        learnt_from: the data set it learnt from, "" where that is not known.
        result: the result.
    """

    given_name: str
    config: Mapping[str, Any]
    learnt_from: str
    result: EvaluationResult

    @property
    def identity(self) -> str:
        """All that makes two runs alike but for their seed."""
        stage = self.result.checkpoint.get("stage")
        return json.dumps([without_speed_settings(self.config), stage], sort_keys=True)


def read_scored(word: str, protocol: str | None) -> list[Scored]:
    """Return the results of one run, given as FOLDER or NAME=FOLDER.

    Raises:
        UserError: no run there, or it was not evaluated.
    """
    name, equals, folder = word.partition("=")
    if not equals or Path(word).exists():
        name, folder = "", word
    if not (Path(folder) / RESOLVED).is_file():
        raise UserError(f"{folder} is not a run: it has no {RESOLVED}; give folders that coview pretrain made")
    results = read_results(Path(folder))
    if not results:
        raise UserError(f"{folder} has not been evaluated; do that with: coview evaluate {folder} --data DIR")
    resolved = read_yaml(Path(folder) / RESOLVED)
    config, learnt_from = resolved["config"], str(resolved.get("data", {}).get("root", ""))
    return [Scored(name, config, learnt_from, result) for result in results if protocol in (None, result.protocol)]


def over_splits(found: Iterable[Scored]) -> list[Scored]:
    """Return the mean over splits of each run that was scored alike on several of them."""
    groups: dict[str, dict[str, Scored]] = {}
    for scored in found:
        if scored.result.split is not None:
            key = json.dumps([str(folder_of(scored.result)), condition_but_for_split(scored.result)], sort_keys=True)
            groups.setdefault(key, {})[scored.result.split] = scored
    return [
        replace(next(iter(by_split.values())), result=mean_over_splits([one.result for one in by_split.values()]))
        for by_split in groups.values()
        if len(by_split) > 1
    ]


def folder_of(result: EvaluationResult) -> Path:
    """Return the run's folder, where it is now."""
    return Path(result.path).resolve().parents[1]


def latest(alike: Iterable[Scored]) -> list[Scored]:
    """Keep the latest checkpoint of each run."""
    kept: dict[str, Scored] = {}
    for scored in alike:
        folder = str(folder_of(scored.result))
        before = kept.get(folder)
        if before is None or step_of(scored.result) > step_of(before.result):
            kept[folder] = scored
    return list(kept.values())


def step_of(result: EvaluationResult) -> int:
    """Return the optimiser steps of a result's checkpoint."""
    return int(result.checkpoint.get("global_step", 0))


def names_of_groups(groups: Sequence[Sequence[Scored]]) -> list[str]:
    """Name each group: as given, else by its method and what is its own.

    Raises:
        UserError: two names for runs that differ in their seed alone, or one for runs of different settings.
    """
    automatic = names_of_configs([group[0].config for group in groups])
    names = []
    for group, name in zip(groups, automatic, strict=True):
        given = dict.fromkeys(scored.given_name for scored in group if scored.given_name)
        if len(given) > 1:
            raise UserError(f"the names {' and '.join(given)} stand for runs that differ in nothing but their seed")
        stage = group[0].result.checkpoint.get("stage")
        own = name if automatic.count(name) == 1 else f"{name}, at stage {stage}"
        names.append(next(iter(given), own))
    for name in names:
        if names.count(name) > 1:
            runs = [group[0].result.run for group, other in zip(groups, names, strict=True) if other == name]
            raise UserError(f"the name {name!r} stands for runs of different settings: {', '.join(runs)}")
    return names
