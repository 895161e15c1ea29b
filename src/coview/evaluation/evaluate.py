"""`coview evaluate`: a run and a prepared data set in, a result file and its table out."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coview.clips.frame_memory import FrameMemory, decoded_bytes, room_for_frames
from coview.config import override, parse
from coview.datasets.prepared import INFO_NAME, PreparedDataset
from coview.datatypes import ProgressSink
from coview.embedding.run import Run
from coview.errors import UserError
from coview.evaluation.ensembles import EnsembleMember, load_members
from coview.evaluation.protocols import PROTOCOLS
from coview.evaluation.protocols.base import Protocol, Scores, Task
from coview.evaluation.results.provenance import describe_origin
from coview.evaluation.results.result import FOLDER, Result, write_result
from coview.preparation.settings import share_of
from coview.training.checkpoint import checkpoints
from coview.training.video_feed import choose_workers
from coview.views.opened import open_views


def evaluate(
    run: Run | Path | str | Sequence[str],
    data: PreparedDataset | Path | str,
    *,
    protocol: str = "retrieval",
    split: str | None = None,
    settings: Mapping[str, Any] | None = None,
    checkpoint: str | None = None,
    along_with: Sequence[str] = (),
    shard: str | None = None,
    device: str = "auto",
    progress: ProgressSink | None = None,
) -> Result:
    """Score a run, or an ensemble of views of several, and write RUN/evaluation/<protocol>-<split>[-...].json.

    An ensemble is the weighted mean of its members' cosines, or of their softmax; its result is written into the first
    member's run and names every member with its run, checkpoint, view and weight.

    Args:
        run: a run or its folder; of an ensemble a list of RUN[@CHECKPOINT][:VIEW][=WEIGHT], where a run without a view
            stands for all of its views.
        data: prepared data set or its folder, with labels; another one than the run learnt from is allowed.
        protocol: one of `coview list protocols`.
        split: split column; not set: the run's own, where the data set came with splits or has that one.
        settings: the protocol's, by name or dotted: {"variant": "leave-group-out", "weights.rgb": 3}.
        checkpoint: folder name of a checkpoint, where `run` is a folder; not set: the newest.
        along_with: splits that will be scored in other calls: their videos are embedded in this one.
        shard: "i/n": embed the i-th of n shares of the videos; the call that finishes the last of them scores.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        progress: told of the videos as they are embedded.

    Raises:
        TypeError: `run` or `data` is nothing of what is expected.
        UserError: run, data, split or settings cannot be used; the message says what to do.
        ShareKept: this share is done and kept, and others are not yet.
    """
    started = time.monotonic()
    kind = PROTOCOLS.load(protocol)
    if shard is not None and not kind.takes_shards:
        able = [name for name in PROTOCOLS if PROTOCOLS.load(name).takes_shards]
        raise UserError(f"protocol {protocol} is not embedding alone; these take a shard: {', '.join(able)}")
    share_of(shard)
    chosen = kind(parse(kind.Settings, override({}, settings or {}), source=f"protocol {protocol}"))
    members: tuple[EnsembleMember, ...] = ()
    if isinstance(run, (list, tuple)):
        if not kind.takes_members:
            able = [name for name in PROTOCOLS if PROTOCOLS.load(name).takes_members]
            raise UserError(f"protocol {protocol} scores one run at a time; these score an ensemble: {', '.join(able)}")
        members = load_members(run)
        run = members[0].run
    _refuse_swapped(run, data)
    opened = _open_run(run, checkpoint)
    videos = _open_data(data)
    used = split or videos.split_of_run(opened.config.split)
    frames = _room_for(opened, videos)
    task = Task(opened, videos, used, device, progress, members, tuple(along_with), frames, shard)
    return _score(protocol, chosen, task, started=started)


def evaluate_splits(
    run: Run | Path | str,
    data: PreparedDataset | Path | str,
    splits: Sequence[str],
    *,
    checkpoint: str | None = None,
    progress: ProgressSink | None = None,
    **given: Any,
) -> tuple[Result, ...]:
    """Score a run on several splits one by one, their videos embedded once; see `evaluate` for the other arguments.

    Args:
        run: a run or its folder.
        data: prepared data set or its folder, with labels.
        splits: names of split columns; none: the run's own.
        checkpoint: folder name of a checkpoint, where `run` is a folder; not set: the newest.
        progress: told of the videos as they are embedded.
        given: protocol, settings, shard, device.

    Raises:
        UserError: as `evaluate`; a split that is not there is told before the first is scored.
    """
    opened, videos, names = _open_run(run, checkpoint), _open_data(data), tuple(dict.fromkeys(splits))
    for name in names:
        videos.part(name, "test")
    along_with = names if len(names) > 1 else ()
    return tuple(
        evaluate(opened, videos, split=name, along_with=along_with, progress=progress, **given)
        for name in names or (None,)
    )


def _room_for(run: Run, data: PreparedDataset) -> FrameMemory | None:
    """Return where decoded frames are kept between the encoders and baselines that read them, if they fit there."""
    workers, kind = choose_workers(run.config)
    if workers and kind == "processes":
        return None
    stored = [*run.views, *({"rgb"} & data.view_options.keys())]
    needed = decoded_bytes(data.ready, list(open_views(data.view_options, dict.fromkeys(stored)).values()))
    return FrameMemory() if needed is not None and needed <= room_for_frames() else None


def _refuse_swapped(run: object, data: object) -> None:
    """Raise UserError where a data set stands in the place of the run."""
    is_data = isinstance(run, PreparedDataset) or (isinstance(run, (str, Path)) and Path(run, INFO_NAME).is_file())
    if is_data:
        swapped = isinstance(data, Run) or (isinstance(data, (str, Path)) and Path(data, "resolved.yaml").is_file())
        hint = "the two arguments are swapped" if swapped else "a run is what coview pretrain makes"
        raise UserError(f"the run is a prepared data set; give evaluate(run, data): {hint}")


def _open_run(run: object, checkpoint: str | None) -> Run:
    if isinstance(run, (str, Path)):
        return Run.load(run, checkpoint)
    if not isinstance(run, Run):
        raise TypeError(f"expected a run, its folder or a list of ensemble members, got {type(run).__name__}")
    return run if checkpoint in (None, run.checkpoint.name) else Run.load(run.path, checkpoint)


def _open_data(data: object) -> PreparedDataset:
    if isinstance(data, (str, Path)):
        return PreparedDataset.open(Path(data))
    if not isinstance(data, PreparedDataset):
        raise TypeError(f"expected a prepared data set or its folder, got {type(data).__name__}")
    return data


def _score(protocol: str, chosen: Protocol, task: Task, *, started: float) -> Result:
    """Score, write the result, return it."""
    scores, run = chosen.score(task), task.run
    name = ""  # of what is neither the run alone nor its newest checkpoint
    if task.members:
        members = [{**member.describe(), "run": str(member.run.path.resolve())} for member in task.members]
        text = json.dumps(members, sort_keys=True)
        name = f"ensemble-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
    elif run.checkpoint not in (run.path, *checkpoints(run.path)[-1:]):
        name = run.checkpoint.name
    path = run.path / FOLDER / f"{_file_name(protocol, scores, run=run, data=task.data, name=name)}.json"
    result = Result(
        protocol=protocol,
        path=str(path),
        **{
            **vars(scores),
            "variant": "-".join(word for word in (scores.variant, name if task.members else "") if word),
            **describe_origin(run, task.data, device=task.device, started=started),
        },
    )
    write_result(result)
    return result


def _file_name(protocol: str, scores: Scores, *, run: Run, data: PreparedDataset, name: str) -> str:
    """Return <protocol>-<split>[-<variant>][-<other data set>][-<checkpoint or ensemble>]: what is not the default."""
    other = "" if run.learnt_from(data) else data.name
    parts = [protocol, scores.split or "all", scores.variant, other, name]
    return "-".join(part.replace("/", "_") for part in parts if part)
