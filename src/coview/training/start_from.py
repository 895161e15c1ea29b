"""Begin a run with the weights of others: those of one view from one run, of another view from another."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from coview.config import RunConfig, parse
from coview.encoders import Encoder
from coview.encoders.pretrained import Pretrained, is_pretrained_folder, load_weights
from coview.encoders.published_weights import load_published_weights
from coview.errors import UserError
from coview.methods.base import reached_views
from coview.registry import did_you_mean
from coview.training.building import build_method
from coview.training.checkpoint import WEIGHTS, DamagedCheckpointError, latest_checkpoint, read_position, read_weights
from coview.training.runfolder import RESOLVED, read_resolved

logger = logging.getLogger(__name__)

ENCODERS = "encoders"
NAMES = ".names"
"""End of the tensor that says what a part's outputs are, such as the classes of a classifier."""


@dataclass(frozen=True)
class Started:
    """What one view began with.

    Attributes:
        checkpoint: its folder, or the file of published weights.
        loaded: parts of the view that were put in ("encoders", "predictors").
        left_random: parts that the checkpoint does not have; of published weights, tensors that do not fit.
        left_out: parts of the checkpoint that this method does not have; of published weights, tensors.
        num_parameters: how many numbers were put in, running statistics included.
    """

    checkpoint: str
    loaded: tuple[str, ...]
    left_random: tuple[str, ...]
    left_out: tuple[str, ...]
    num_parameters: int


def sources_of(config: RunConfig) -> dict[str, Path]:
    """Return view -> folder that it starts from, as the settings say; views that start at random are not named.

    Raises:
        UserError: a view that the run does not have.
    """
    given = config.start_from
    if given is None:
        return _pretrained_paths(config)
    named = dict.fromkeys(config.views, given) if isinstance(given, str) else dict(given)
    for view in named:
        if view not in config.views:
            hint = did_you_mean(view, config.views) or "."
            raise UserError(
                f"start_from names the view {view!r}{hint} The views of this run: {', '.join(config.views)}"
            )
    sources = {view: Path(folder) for view, folder in named.items()}
    return {**_pretrained_paths(config), **sources}


def _pretrained_paths(config: RunConfig) -> dict[str, Path]:
    """Return view -> folder of the pretrained network that the settings name as its encoder.

    None where they hold the network's settings already, as those of a run do: a run that is opened, or trained on,
    reads no folder that somebody else named.
    """
    given = {view: config.encoder_of(view) for view in config.views}
    return {view: Path(str(one["path"])) for view, one in given.items() if one.get("path") and "model" not in one}


def start_from(method: nn.Module, sources: Mapping[str, Path]) -> dict[str, Started]:
    """Put weights of earlier runs into a method: everything called `<part>.<view>.<name>`, by its name.

    A part ("encoders", "predictors") is taken whole or not at all. The encoder must be there; another part that one
    side lacks, or that tells other classes apart, is left as it is and reported.

    Args:
        method: where they go, in place.
        sources: view -> folder of a run (its newest checkpoint) or of a checkpoint, a file of published weights for
            the view's encoder (see `coview.encoders.published_weights`), or the folder of a pretrained network (see
            `coview.encoders.pretrained`).

    Returns:
        View -> what was put in.

    Raises:
        UserError: no weights there, none of that view, or weights of other shapes.
    """
    started = {}
    for view, source in sources.items():
        if source.is_file():
            started[view] = _start_published(method, view, source)
            continue
        if is_pretrained_folder(source):
            started[view] = _start_pretrained(method, view, source)
            continue
        checkpoint = find_checkpoint(source)
        started[view] = _start_view(method, view, checkpoint)
        _report(view, started[view])
        _warn_of_untrained(view, checkpoint)
    return started


def find_checkpoint(folder: Path) -> Path:
    """Return the checkpoint that a folder means: itself, or the newest of a run.

    Raises:
        UserError: neither.
    """
    if (folder / WEIGHTS).is_file():
        return folder.resolve()
    newest = latest_checkpoint(folder)
    if newest is None:
        state = "has no checkpoint yet" if (folder / RESOLVED).is_file() else "is neither a run nor a checkpoint"
        raise UserError(
            f"start_from: {folder} {state}; give the folder of a run, one of its checkpoints/<name>, or a .pth or "
            ".safetensors file of published weights"
        )
    return newest.resolve()


def as_record(started: Mapping[str, Started]) -> dict[str, dict[str, object]]:
    """Return what the views began with as plain values for resolved.yaml."""
    return {view: asdict(one) for view, one in started.items()}


def recorded_sources(record: Mapping[str, Mapping[str, str]]) -> dict[str, Path]:
    """Return view -> checkpoint from what `as_record` made: the same ones again, though newer may have come."""
    return {view: Path(one["checkpoint"]) for view, one in record.items()}


def _start_view(method: nn.Module, view: str, checkpoint: Path) -> Started:
    """Put one view's parts of a checkpoint into a method."""
    own, other = _parts(method.state_dict(), view), _parts(_read(checkpoint), view)
    if ENCODERS not in other:
        raise UserError(f"start_from.{view}: {checkpoint} has no encoder of the view {view}; start it from another run")
    shared = [part for part in own if part in other and _same_names(own[part], other[part])]
    problems = [problem for part in shared for problem in _misfits(own[part], other[part])]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise UserError(
            f"start_from.{view}: {checkpoint} does not fit: {'; '.join(problems[:3])}{more}. "
            "Use the encoder, channels and sizes that it was trained with, or start from another run"
        )
    weights = {name: value for part in shared for name, value in other[part].items()}
    method.load_state_dict(weights, strict=False)
    return Started(
        checkpoint=str(checkpoint),
        loaded=tuple(shared),
        left_random=tuple(part for part in own if part not in shared),
        left_out=tuple(part for part in other if part not in shared),
        num_parameters=sum(value.numel() for value in weights.values()),
    )


def _start_published(method: nn.Module, view: str, file: Path) -> Started:
    """Put published weights into one view's encoder."""
    encoder = method.get_submodule(f"{ENCODERS}.{view}")
    assert isinstance(encoder, Encoder)
    report = load_published_weights(encoder, file)
    logger.info("view %s starts from %s: %s", view, file, report.describe())
    values = encoder.state_dict()
    return Started(
        checkpoint=str(file.resolve()),
        loaded=(ENCODERS,),
        left_random=(*report.misfits, *report.absent),
        left_out=report.left,
        num_parameters=sum(values[name].numel() for name in report.matched),
    )


def _start_pretrained(method: nn.Module, view: str, folder: Path) -> Started:
    """Put the weights of a pretrained network into one view's encoder."""
    encoder = method.get_submodule(f"{ENCODERS}.{view}")
    if not isinstance(encoder, Pretrained):
        raise UserError(
            f"start_from.{view}: {folder} holds a network of transformers; it needs encoder.name transformers and "
            f"encoder.path {folder}. To learn from it with another encoder: method.teacher"
        )
    count = load_weights(encoder, folder)
    logger.info("view %s starts from %s: %d numbers", view, folder, count)
    return Started(str(folder.resolve()), (ENCODERS,), (), (), count)


def _read(checkpoint: Path) -> dict[str, Tensor]:
    try:
        return read_weights(checkpoint)
    except DamagedCheckpointError as error:
        raise UserError(f"start_from: {error}") from error


def _parts(weights: Mapping[str, Tensor], view: str) -> dict[str, dict[str, Tensor]]:
    """Return part -> its tensors by full name, for those called `<part>.<view>.<name>`."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in weights.items():
        part, *rest = name.split(".")
        if len(rest) > 1 and rest[0] == view:
            parts.setdefault(part, {})[name] = value
    return parts


def _same_names(own: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two parts speak of the same things: a classifier of other classes is of no use here."""
    here, there = ({key: value for key, value in part.items() if key.endswith(NAMES)} for part in (own, other))
    return here.keys() == there.keys() and all(torch.equal(value, there[key]) for key, value in here.items())


def _misfits(own: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """Name each tensor that one side lacks or that differs in shape."""
    found = [f"it lacks {name}" for name in own if name not in other]
    found += [f"this run has no {name}" for name in other if name not in own]
    return found + [
        f"{name} is {tuple(other[name].shape)} there and {tuple(own[name].shape)} here"
        for name in own
        if name in other and own[name].shape != other[name].shape
    ]


def _report(view: str, started: Started) -> None:
    remarks = [f"{', '.join(started.loaded)} ({started.num_parameters:,} numbers)"]
    if started.left_random:
        remarks.append(f"not there, so random: {', '.join(started.left_random)}")
    if started.left_out:
        remarks.append(f"not used here: {', '.join(started.left_out)}")
    logger.info("view %s starts from %s: %s", view, started.checkpoint, "; ".join(remarks))


def _warn_of_untrained(view: str, checkpoint: Path) -> None:
    """Say so when the other run had not trained this view yet: its weights are random."""
    resolved = checkpoint.parent.parent / RESOLVED
    if not resolved.is_file():
        return
    try:
        told = read_resolved(resolved.parent)
    except UserError as error:  # the weights are as good as ever
        logger.warning("whether %s trained the view %s cannot be told: %s", checkpoint, view, error)
        return
    config = parse(RunConfig, told["config"], source=str(resolved))
    with torch.random.fork_rng(devices=[]):  # building draws weights, which must not move the run's own
        stages = build_method(config, told["channels"]).stages()
    trained: Sequence[str] = (
        *reached_views(stages, read_position(checkpoint).stage_index),
        *told.get("start_from", ()),
    )
    if view not in trained:
        logger.warning("view %s has not been trained in %s: it starts from random weights", view, checkpoint)
