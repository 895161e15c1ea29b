"""The parts of the page as plain values for the template: bars, tables, charts, galleries."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from coview.config.yaml_files import dump_yaml
from coview.evaluation.results.result import KIND_TITLES, Result, ScoreRow
from coview.reports.charts import Series, line_chart
from coview.reports.facts import RunFacts, StageFacts
from coview.reports.pictures import Album, Picture, choose_examples
from coview.reports.score_curves import curve_lines, first_metric, stages_in_words
from coview.reports.words import duration
from coview.training.health import COLLAPSED_RANK, COLLAPSED_SPREAD

NUM_EXAMPLE_VIDEOS = 6
MAX_FAILED_SHOWN = 50


@dataclass(frozen=True)
class Chart:
    """A drawing with its heading and, for several lines, a legend of (name, tone)."""

    title: str
    svg: Markup
    legend: Sequence[tuple[str, int]] = ()


def stage_charts(stage: StageFacts) -> list[Chart]:
    """Return loss parts with their chance_level values, health meters, learning rate and speed of a stage."""
    charts = [*_loss_charts(stage), *_meter_charts(stage)]
    names = dict.fromkeys(name for step in stage.steps for name in step.get("health", {}))
    meters = {
        "std": ("Feature spread: 1 even, 0 collapsed", COLLAPSED_SPREAD),
        "effective_rank": ("Effective rank: directions in use", COLLAPSED_RANK),
    }
    for meter, (title, limit) in meters.items():
        lines = [
            _series(stage, name, tone, lambda step, n=name, m=meter: step.get("health", {}).get(n, {}).get(m))
            for tone, name in enumerate(names)
        ]
        charts.append(_chart(title, lines, reference=(limit, "collapsed below"), is_from_zero=True))
    rate = [_series(stage, "learning rate", 0, lambda step: step.get("learning_rate"))]
    charts.append(_chart("Learning rate", rate, is_from_zero=True))
    speed = [_series(stage, "clips a second", 0, lambda step: step.get("clips_per_second"))]
    charts.append(_chart("Speed: clips a second", speed, is_from_zero=True))
    return [chart for chart in charts if chart.svg]


def _loss_charts(stage: StageFacts) -> list[Chart]:
    """Return the total with validation, and each part where there are several."""
    references: Mapping[str, float] = stage.steps[-1].get("chance_level", {}) if stage.steps else {}
    parts = list(stage.steps[-1].get("parts", {})) if stage.steps else []
    reference = (next(iter(references.values())), "knows nothing") if len(parts) == 1 and references else None
    lines = [_series(stage, "training", 0, lambda step: step.get("loss"))]
    judged = [epoch for epoch in stage.epochs if "validation_loss" in epoch]
    if judged:
        lines.append(
            Series("validation", [e["step"] for e in judged], [float(e["validation_loss"]) for e in judged], tone=1)
        )
    charts = [_chart("Loss (log scale)", lines, reference=reference, is_log=True)]
    for part in parts if len(parts) > 1 else []:
        line = _series(stage, part, 0, lambda step, p=part: step.get("parts", {}).get(p))
        known = (references[part], "knows nothing") if part in references else None
        charts.append(_chart(f"Loss part: {part} (log scale)", [line], reference=known, is_log=True))
    return charts


def _meter_charts(stage: StageFacts) -> list[Chart]:
    """Return the method's own meters, one chart a kind: "rgb/accuracy" and "flow/accuracy" are two lines of one."""
    names = dict.fromkeys(name for step in stage.steps for name in step.get("meters", {}))
    kinds: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        *line, kind = re.split(r"[/_](?=[^/_]*$)", name)
        kinds.setdefault(kind, []).append((name, "".join(line) or kind))
    return [
        _chart(
            f"Meter: {kind}",
            [
                _series(stage, line, tone, lambda step, n=name: step.get("meters", {}).get(n))
                for tone, (name, line) in enumerate(lines)
            ],
            is_from_zero=True,
        )
        for kind, lines in kinds.items()
    ]


def _series(stage: StageFacts, name: str, tone: int, value: Any) -> Series:
    found = [(float(step["step"]), value(step)) for step in stage.steps]
    kept = [(x, float(y)) for x, y in found if y is not None]
    return Series(name, [x for x, _ in kept], [y for _, y in kept], tone % 4)


def _chart(title: str, lines: Sequence[Series], **options: Any) -> Chart:
    drawn = [line for line in lines if line.x]
    svg = line_chart(drawn, title=title, **{"x_label": "step", **options})
    return Chart(title, Markup(svg), [(line.name, line.tone) for line in drawn] if len(drawn) > 1 else [])


def bars(result: Result, name: str) -> list[dict[str, Any]]:
    """Return the rows of a bar chart for one metric, in per cent; groups as the kinds come; none for other units."""
    if not result.scale(name).is_share:
        return []
    return [
        {
            "name": row.title,
            "kind": row.kind,
            "kind_title": KIND_TITLES[row.kind],
            "value": 100 * row.metrics[name],
            "error": None if math.isnan(row.standard_error(name)) else 100 * row.standard_error(name),
            "description": row.description,
        }
        for row in _ordered(result.rows)
        if not math.isnan(row.metrics.get(name, math.nan))
    ]


def curve_chart(result: Result) -> Chart | None:
    """Return the first metric after each finished stage; None where stages were not scored."""
    if not result.curve:
        return None
    return _chart(f"{first_metric(result)} after each stage", curve_lines(result), x_label="stages done")


def _ordered(rows: Sequence[ScoreRow]) -> list[ScoreRow]:
    """Put each of the run's rows beside the same one with random weights; then pixels, then chance."""
    trained = [row for row in rows if row.kind == "trained"]
    paired = [row for own in trained for row in (own, *(r for r in rows if r.kind == "random" and r.name == own.name))]
    return paired + [row for row in rows if row not in paired]


def evaluations(facts: RunFacts) -> list[dict[str, Any]]:
    """Return each result with its bars and table."""
    shown = []
    for result in facts.results:
        names = list(result.rows[0].metrics)
        table = [
            {"name": row.title, "kind": row.kind, "cells": [_cell(name, row) for name in names]}
            for row in _ordered(result.rows)
        ]
        headings = [result.heading(name) for name in names]
        drawn = {"bars": bars(result, names[0]), "curve": curve_chart(result), "stages": stages_in_words(result)}
        shown.append({"result": result, "metrics": names, "headings": headings, "table": table, **drawn})
    return shown


def _cell(name: str, row: ScoreRow) -> str:
    return row.scale(name).text(row.metrics.get(name, math.nan)).replace("-", "–")


def gallery(facts: RunFacts, album: Album | None) -> list[dict[str, Any]]:
    """Return a few videos with a loop of every view of the run."""
    if album is None:
        return []
    split = facts.config.get("split")
    learnt = [e for e in album.data.ready if split is None or e.splits.get(split, "train") == "train"]
    videos = choose_examples(learnt or album.data.ready, NUM_EXAMPLE_VIDEOS)
    return [
        {"id": video.id, "label": video.label, "loops": {view: album.loop(view, video.id) for view in album.views}}
        for video in videos
    ]


def what_ran_table(facts: RunFacts, *, data_folder: str) -> list[tuple[str, str]]:
    """Return the facts of a run, the ones people ask for first, as (name, value).

    Args:
        facts: the run.
        data_folder: the folder of its data set as it is to be shown.
    """
    config, data, resolved = facts.config, facts.resolved["data"], facts.resolved
    clip = config["clip"]
    sizes = ", ".join(f"{view} at {given['size']} px" for view, given in config["views"].items())
    machine, precision = resolved.get("machine", {}), resolved.get("precision", {})
    pairs = [
        ("method", f"{config['method']['name']}, preset {config['preset']}, seed {config['seed']}"),
        ("encoder", f"{config['encoder']['name']}, one a view: {sizes}"),
        ("clip", f"{clip['num_blocks']} x {clip['block_length']} frames, every {clip['frame_stride']}. frame"),
        ("batch", f"{config['training']['batch_size']} videos"),
        ("optimiser", f"{config['optimiser']['name']}, learning rate {config['optimiser']['learning_rate']}"),
        (
            "stages",
            ", ".join(f"{s.name} ({s.last_step:,} of {s.num_steps or '?'} steps)" for s in facts.stages) or "none yet",
        ),
        ("time", duration(facts.elapsed_seconds)),
        ("speed", _speed(facts)),
        ("machine", " ".join(str(v) for k, v in machine.items() if k != "processes") or "not recorded"),
        ("processes", str(machine.get("processes", "not recorded"))),
        (
            "precision",
            f"{precision.get('dtype_name', '?')}{', channels last' if precision.get('channels_last') else ''}",
        ),
        ("versions", ", ".join(f"{name} {version}" for name, version in resolved.get("versions", {}).items())),
        ("data", data_folder),
        (
            "split",
            f"{config['split'] or 'none'}: {data.get('num_train', '?')} videos to learn from, "
            f"{data.get('num_validation', '?')} held out to steer the learning rate",
        ),
        ("stored", options_text(_stored_how(data["storage"]))),
    ]
    pairs += [(f"view {view}", options_text(options)) for view, options in data["views"].items()]
    pairs += [
        (name.replace(".", ": ").replace("_", " "), _share(share)) for name, share in data.get("shares", {}).items()
    ]
    return [(name, value) for name, value in pairs if value]


def options_text(options: Any) -> str:
    """Return settings as "name value, name value"; anything else as it is written."""
    if isinstance(options, Mapping):
        return ", ".join(f"{key} {value}" for key, value in options.items()) or "defaults"
    return "defaults" if options is None else str(options)


def _stored_how(storage: Mapping[str, Any]) -> dict[str, Any]:
    """Return how videos were read and stored in one level, without what was left open."""
    together = {**storage, **storage.get("source", {})}
    return {key: value for key, value in together.items() if key != "source" and value is not None}


def _share(share: Mapping[str, Any]) -> str:
    """Say how much of the videos a count covers, and that the rest is empty rather than unknown."""
    return (
        f"{share['of_all_frames']:.1%} of all frames, {share['least_in_a_video']:.1%} in the video with the fewest; "
        f"{share['videos_without']:,} videos without any. The others are empty maps"
    )


def _speed(facts: RunFacts) -> str:
    steps = [step for stage in facts.stages for step in stage.steps if "clips_per_second" in step]
    if not steps:
        return ""
    rates = sorted(float(step["clips_per_second"]) for step in steps)
    waits = sorted(float(step.get("data_wait_share", 0.0)) for step in steps)
    return f"{rates[len(rates) // 2]:.1f} clips a second; {waits[len(waits) // 2]:.0%} of the time waiting for data"


def data_counts(facts: RunFacts, album: Album | None) -> dict[str, Any]:
    """Return how many videos are ready, failed or missing, and why."""
    counts = dict(facts.resolved["data"].get("counts", {}))
    if album is None:
        return {"counts": counts, "unread": [], "num_more": 0, "reasons": counts.get("by_reason", {})}
    unread = [entry for entry in album.data.entries if entry.status != "ready"]
    remarks = [entry for entry in album.data.ready if entry.reason]
    reasons = Counter((entry.reason or entry.status).split(":")[0] for entry in unread)
    shown = [(entry.id, entry.reason or entry.status) for entry in [*unread, *remarks]]
    return {
        "counts": {**counts, **Counter(entry.status for entry in album.data.entries), "with a remark": len(remarks)},
        "unread": shown[:MAX_FAILED_SHOWN],
        "num_more": max(0, len(shown) - MAX_FAILED_SHOWN),
        "reasons": dict(reasons),
    }


def settings_text(facts: RunFacts) -> str:
    """Return the run's settings as YAML."""
    return dump_yaml(dict(facts.config))


def all_pictures(groups: Sequence[Mapping[str, Any]], videos: Sequence[Mapping[str, Any]]) -> dict[str, Picture]:
    """Return each different picture once, by the name of the style class that shows it."""
    found = [loop for video in videos for loop in video["loops"].values()]
    for group in groups:
        for example in group["examples"]:
            found += [example["picture"], *(neighbour["picture"] for neighbour in example["neighbours"])]
    distinct = dict.fromkeys(picture for picture in found if picture is not None)
    return {f"p{place}": picture for place, picture in enumerate(distinct)}
