"""From a run's config to its method: what was not set is derived from the run's sizes, encoders and heads are built.

resolved.yaml holds what was derived, config.yaml what was asked.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from coview.config import ClipSettings, RunConfig, TrainingSettings, as_plain, parse
from coview.datatypes import VideoEntry
from coview.encoders import build_encoder, resolve_encoder
from coview.errors import UserError
from coview.methods import METHODS
from coview.methods.base import Method, Sizes
from coview.training.chunked_encoding import encode_in_chunks
from coview.training.schedules import scaled_learning_rates
from coview.wording import counted


def build_method(config: RunConfig, channels: Mapping[str, int]) -> Method:
    """Build the method a run asks for, with random weights from torch's current generator.

    Args:
        config: the run.
        channels: view name -> channels as they enter the encoder.

    Raises:
        UserError: unknown method or encoder, a setting it does not have, or clips that do not suit it.
    """
    kind, settings = _method_of(config)
    _check_clips(kind, config.clip, name=str(config.method["name"]))
    settings = kind.resolve_settings(settings, Sizes(config.training.batch_size))
    encoders = {view: build_encoder(config.encoder_of(view), in_channels=channels[view]) for view in config.views}
    method = kind(encoders, num_blocks=config.clip.num_blocks, **_fields(settings))
    if config.training.encoder_chunks > 1:
        method.encode_with = partial(encode_in_chunks, chunks=config.training.encoder_chunks)
    return method


def select_videos(config: RunConfig, entries: Sequence[VideoEntry]) -> Sequence[VideoEntry]:
    """Return the training videos that the method of a run can learn from.

    Raises:
        UserError: as `build_method`; or there is nothing to learn from.
    """
    kind, settings = _method_of(config)
    return kind.select_videos(settings, entries, seed=config.seed)


def resolve_config(config: RunConfig, *, num_videos: int, classes: tuple[str, ...] = ()) -> RunConfig:
    """Return the config with nothing left to derive; resolving it again changes nothing.

    Args:
        config: as asked.
        num_videos: videos to train on.
        classes: names of their classes, sorted.

    Raises:
        UserError: the method does not exist or lacks a setting.
    """
    batch_size = min(config.training.batch_size, max(1, num_videos))
    sizes = Sizes(batch_size=batch_size, num_videos=num_videos, classes=classes)
    schedule, optimiser = scaled_learning_rates(config.schedule, config.optimiser, batch_size=sizes.batch_size)
    kind, settings = _method_of(config)
    before, after = _fields(settings), _fields(kind.resolve_settings(settings, sizes))
    method = {**config.method, **{name: value for name, value in after.items() if value != before[name]}}
    views = {
        view: given if given.encoder is None else dataclasses.replace(given, encoder=resolve_encoder(given.encoder))
        for view, given in config.views.items()
    }
    is_used = any(given.encoder is None for given in config.views.values())
    encoder = resolve_encoder(config.encoder) if is_used else config.encoder
    return dataclasses.replace(
        config, schedule=schedule, optimiser=optimiser, method=method, views=views, encoder=encoder
    )


def derived_settings(asked: RunConfig, resolved: RunConfig) -> dict[str, Any]:
    """Return dotted name -> value of every setting that was derived."""
    return dict(_changes(as_plain(asked), as_plain(resolved)))


def _method_of(config: RunConfig) -> tuple[type[Method], Any]:
    """Return the class of the method a run asks for and its settings."""
    given = dict(config.method)
    name = str(given.pop("name", ""))
    kind = METHODS.load(name)
    return kind, parse(kind.Settings, given, source=f"method {name}", prefix="method.")


def _fields(settings: Any) -> dict[str, Any]:
    return {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}


def _check_clips(kind: type[Method], clip: ClipSettings, *, name: str) -> None:
    """Raise UserError unless the clips of a run suit its method."""
    wanted = kind.clips_per_video
    if wanted is not None and clip.clips_per_video != wanted:
        raise UserError(
            f"clip.clips_per_video is {clip.clips_per_video}: {name} takes {counted(wanted, 'clip')} of a video in a "
            f"step; set it to {wanted}"
        )
    if not kind.takes_blocks and clip.num_blocks != 1:
        raise UserError(
            f"clip.num_blocks is {clip.num_blocks}: {name} takes a clip as one block; set it to 1 and "
            "clip.block_length to the frames of a clip"
        )


def _changes(before: Any, now: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(now, Mapping) and isinstance(before, Mapping):
        for key, value in now.items():
            yield from _changes(before.get(key), value, f"{place}.{key}" if place else str(key))
    elif before != now and now is not None:
        yield place, now


def compile_encoders(method: Method, settings: TrainingSettings, device: torch.device) -> None:
    """Compile a method's encoders, if that is set; with CUDA graphs where they are asked for and can be had."""
    has_graphs = settings.cuda_graphs and device.type == "cuda"
    if has_graphs or settings.compile:
        for encoder in method.encoders.values():
            encoder.compile(mode="reduce-overhead" if has_graphs else None)
    if has_graphs:  # what the graphs of the last forward pass hold may be overwritten
        method.register_forward_pre_hook(lambda *_: torch.compiler.cudagraph_mark_step_begin())
