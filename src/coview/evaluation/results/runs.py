"""The results of many runs: which are of one run, which differ in nothing but their seed, what they are called."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from coview.errors import UserError
from coview.evaluation.results.comparability import conditions_but_for_split
from coview.evaluation.results.result import Result, ScoreRow, read_results
from coview.training.runfolder import RESOLVED, read_resolved

logger = logging.getLogger(__name__)

_SPEED = (
    "workers", "frame_cache", "log_every", "checkpoint_every_seconds", "checkpoint_every_steps", "keep_checkpoints",
)  # fmt: skip
"""Settings under "training" that no number depends on."""
_SUMMED = ("queries", "queries_scored", "queries_without_their_class_in_gallery", "gallery", "gallery_used")


@dataclass(frozen=True)
class RunResult:
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
    result: Result

    @property
    def folder(self) -> Path:
        """The run's folder, where it is now."""
        return Path(self.result.path).resolve().parents[1]

    @property
    def step(self) -> int:
        """Optimiser steps of the checkpoint."""
        return int(self.result.checkpoint.get("global_step", 0))

    @property
    def identity(self) -> str:
        """The same for runs that differ in nothing but their seed."""
        stage = self.result.checkpoint.get("stage")
        return json.dumps([without_speed_settings(self.config), stage], sort_keys=True)


def read_run_results(words: Sequence[Path | str], protocol: str | None = None) -> list[RunResult]:
    """Return the results of some runs, each given as FOLDER or NAME=FOLDER, each once.

    A folder that is no run, and a run without results (under that protocol), is left out with a word: `runs/*` may
    hold some.

    Raises:
        UserError: nothing is there, or no run has a result; says why.
    """
    found: list[RunResult] = []
    left_out: list[str] = []
    for word in dict.fromkeys(map(str, words)):
        name, equals, folder = word.partition("=")
        if not equals or Path(word).exists():
            name, folder = "", word
        if not Path(folder).exists():
            raise UserError(f"there is no {folder}; give folders that coview pretrain made")
        reason = ""
        if not (Path(folder) / RESOLVED).is_file():
            reason = f"{folder} is not a run: it has no {RESOLVED}"
        else:
            results = read_results(Path(folder))
            wanted = [one for one in results if protocol in (None, one.protocol)]
            again = f"coview evaluate {folder} --data DIR{f' --protocol {protocol}' if protocol and results else ''}"
            if not wanted:
                under = f" under protocol {protocol!r}" if protocol and results else ""
                reason = f"{folder} has not been evaluated{under}; do that with: {again}"
        if reason:
            left_out.append(reason)
            continue
        resolved = read_resolved(Path(folder))
        config, learnt_from = resolved["config"], str(resolved.get("data", {}).get("root", ""))
        found += [RunResult(name, config, learnt_from, one) for one in wanted]
    if not found:
        raise UserError("; ".join(left_out) or "no run was given")
    for reason in left_out:
        logger.warning("left out: %s", reason)
    return found


def average_splits(found: Iterable[RunResult]) -> list[RunResult]:
    """Return the mean over splits of each run that was scored in the same way on several of them."""
    groups: dict[str, dict[str, RunResult]] = {}
    for one in found:
        if one.result.split is not None:
            key = json.dumps([str(one.folder), conditions_but_for_split(one.result)], sort_keys=True)
            groups.setdefault(key, {})[one.result.split] = one
    return [
        replace(next(iter(by_split.values())), result=mean_over_splits([one.result for one in by_split.values()]))
        for by_split in groups.values()
        if len(by_split) > 1
    ]


def mean_over_splits(results: Sequence[Result]) -> Result:
    """Return a result whose metrics are means over splits, their standard errors the deviation (n - 1) over splits.

    Counts of videos are summed over the splits. Rows that not every split has are left out.

    Args:
        results: of one run under one protocol, each on another split; at least two.
    """
    first = results[0]
    rows = []
    for row in first.rows:
        found = [other for result in results if (other := result.row(row.kind, row.name)) is not None]
        if len(found) == len(results):
            rows.append(_mean_row(found))
    splits = sorted(str(result.split) for result in results)
    counts = {name: sum(result.counts.get(name, 0) for result in results) for name in _SUMMED}
    remarks = dict.fromkeys(remark for result in results for remark in result.remarks)
    return replace(
        first,
        split=f"mean of {', '.join(splits)}",
        rows=tuple(rows),
        counts={**first.counts, **counts},
        settings={**first.settings, "standard_error": "standard deviation over splits"},
        remarks=(f"± is the standard deviation over {len(results)} splits, counts are their sums", *remarks),
        examples={},
        curve=(),
        predictions={},
    )


def _mean_row(rows: Sequence[ScoreRow]) -> ScoreRow:
    values = {metric: [row.metrics[metric] for row in rows] for metric in rows[0].metrics}
    return replace(
        rows[0],
        metrics={metric: float(np.mean(found)) for metric, found in values.items()},
        standard_errors={metric: float(np.std(found, ddof=1)) for metric, found in values.items()},
    )


def keep_latest(found: Iterable[RunResult]) -> list[RunResult]:
    """Keep the latest checkpoint of each run."""
    kept: dict[Path, RunResult] = {}
    for one in found:
        if one.folder not in kept or one.step > kept[one.folder].step:
            kept[one.folder] = one
    return list(kept.values())


def one_per_seed(group: Iterable[RunResult]) -> list[RunResult]:
    """Return the latest result of each seed, of runs that differ in nothing else; seeds ascending.

    Raises:
        UserError: two runs have the same settings and the same seed.
    """
    by_seed: dict[int, RunResult] = {}
    for one in sorted(group, key=lambda one: one.step):
        before = by_seed.get(one.result.seed)
        if before is not None and before.folder != one.folder:
            raise UserError(
                f"{before.folder} and {one.folder} have the same settings and the same seed {one.result.seed}; "
                "give one of them, a mean over seeds counts each seed once"
            )
        by_seed[one.result.seed] = one
    return [by_seed[seed] for seed in sorted(by_seed)]


def without_speed_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's settings without its seed and without what no number depends on.

    Of the weights that a run started from it says that there were some, not where: each seed has its own.
    """
    kept = {name: value for name, value in config.items() if name != "seed"}
    if kept.get("start_from"):
        kept["start_from"] = "other runs"
    training = {name: value for name, value in config.get("training", {}).items() if name not in _SPEED}
    return {**kept, "training": training}


def name_groups(groups: Sequence[Sequence[RunResult]]) -> list[str]:
    """Name each group of runs: as given, else by its method and what is its own.

    Raises:
        UserError: two names for runs that differ in their seed alone, or one for runs of different settings.
    """
    automatic = _name_configs([group[0].config for group in groups])
    names = []
    for group, name in zip(groups, automatic, strict=True):
        given = dict.fromkeys(one.given_name for one in group if one.given_name)
        if len(given) > 1:
            raise UserError(f"the names {' and '.join(given)} stand for runs that differ in nothing but their seed")
        stage = group[0].result.checkpoint.get("stage")
        own = name if automatic.count(name) == 1 else f"{name}, at stage {stage}"
        names.append(next(iter(given), own))
    for name in names:
        if names.count(name) > 1:
            runs = [str(group[0].folder) for group, other in zip(groups, names, strict=True) if other == name]
            raise UserError(f"the name {name!r} stands for runs of different settings: {', '.join(runs)}")
    return names


def _name_configs(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name runs by method, then by views and by each setting in which they differ.

    Args:
        configs: settings as in resolved.yaml.

    Returns:
        Such as ["cpc", "cocon, sim_weight 0", "cocon"]; settings of different methods are not compared.
    """
    plain = []
    for config in configs:
        flat = _flat(without_speed_settings(config))
        del flat["method.name"]
        plain.append({"views": " + ".join(config["views"]), **flat})  # the views as one setting beside those of each
    methods = [str(config["method"].get("name")) for config in configs]
    names = []
    for method, settings in zip(methods, plain, strict=True):
        words = [method]
        for name, value in settings.items():
            others = [
                other.get(name)
                for other, kind in zip(plain, methods, strict=True)
                if (kind == method if name.startswith("method.") else name in other)
            ]
            if any(other != value for other in others):
                words.append(str(value) if name == "views" else f"{name.removeprefix('method.')} {value}")
        names.append(", ".join(words))
    return names


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat
