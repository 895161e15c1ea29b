"""What a run was not told, derived once from its sizes: resolved.yaml holds it, config.yaml what was asked."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from coview.config import RunConfig, as_plain
from coview.methods.base import Sizes, settled_method
from coview.training.schedules import scaled_learning_rates


def settled(config: RunConfig, *, num_videos: int, classes: tuple[str, ...] = ()) -> RunConfig:
    """Return the config with nothing left to derive; settling it again changes nothing.

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
    return replace(config, schedule=schedule, optimiser=optimiser, method=settled_method(config, sizes))


def derived(asked: RunConfig, settled: RunConfig) -> dict[str, Any]:
    """Return dotted name -> value of every setting that was derived."""
    return dict(_changes(as_plain(asked), as_plain(settled)))


def _changes(before: Any, now: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(now, Mapping) and isinstance(before, Mapping):
        for key, value in now.items():
            yield from _changes(before.get(key), value, f"{place}.{key}" if place else str(key))
    elif before != now and now is not None:
        yield place, now
