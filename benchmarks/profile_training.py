"""Where each millisecond of training goes: some steps of a config, its parts timed at their seams.

Decoding and augmentation run in the training process (no workers) on one thread, so that processor time is all there is
and neighbours on the machine disturb little. The first steps, which compile and allocate, are left out.
"""

import argparse
import functools
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from coview.clips.samples import ClipSamples
from coview.config.files import load_config
from coview.encoders import Encoder
from coview.training import pretrain as pretraining
from coview.training import trainer as training
from coview.training import video_feed
from coview.training.reporter import Reporter
from record import record


class Clock:
    """Adds up the processor time of parts; what runs inside another part is taken off that one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = time.process_time()

    def _turn(self) -> None:
        now = time.process_time()
        self.seconds[self._open[-1] if self._open else "rest"] += now - self._since
        self._since = now

    def begin(self, part: str) -> None:
        """Start a part."""
        self._turn()
        self._open.append(part)

    def end(self) -> None:
        """End the innermost part."""
        self._turn()
        self._open.pop()

    def clear(self) -> None:
        """Forget what was added up."""
        self._turn()
        self.seconds.clear()

    def around(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, timed."""

        @functools.wraps(work)
        def run(*arguments: Any, **settings: Any) -> Any:
            self.begin(part)
            try:
                return work(*arguments, **settings)
            finally:
                self.end()

        return run


@contextmanager
def timed_parts(clock: Clock, *, first: int) -> Iterator[None]:
    """Time the parts of training inside the block; steps before the `first` are forgotten."""
    seams: list[tuple[Any, str, str]] = [
        (ClipSamples, "__getitem__", "decoding"),
        (video_feed, "augment", "augmentation"),
        (Encoder, "pooled", "encoders, forward"),
        (torch.Tensor, "backward", "backward"),
        (training.Trainer, "_save", "checkpoint"),
        (Reporter, "step", "log"),
    ]
    kept = [(place, name, getattr(place, name)) for place, name, _ in seams]
    step, count = training.Trainer._step, 0

    def counted_step(self: Any, model: Any, batch: Any, now: Any) -> Any:
        nonlocal count
        if count == first:
            clock.clear()
        count += 1
        for encoder in self.method.encoders.values():
            if "forward" not in vars(encoder):
                encoder.forward = clock.around("encoders, forward", encoder.forward)
        if "step" not in vars(self.optimiser):
            self.optimiser.step = clock.around("optimiser", self.optimiser.step)
        clock.begin("loss, heads, meters")
        try:
            return step(self, model, batch, now)
        finally:
            clock.end()

    for place, name, part in seams:
        setattr(place, name, clock.around(part, getattr(place, name)))
    training.Trainer._step = counted_step  # type: ignore[method-assign]
    try:
        yield
    finally:
        training.Trainer._step = step  # type: ignore[method-assign]
        for place, name, work in kept:
            setattr(place, name, work)


def profile(config_name: str, data: Path, *, steps: int, first: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the milliseconds of processor time that each part of a step takes.

    Args:
        config_name: one that comes with coview, or a file.
        data: a prepared data set.
        steps: that are counted.
        first: steps before them.
        settings: that differ from the config's.
    """
    clock = Clock()
    few = {"training.max_steps": first + steps, "training.workers": 0, "training.val_fraction": 0.0}
    config = load_config(config_name, {**few, **settings})
    with tempfile.TemporaryDirectory() as folder, timed_parts(clock, first=first):
        pretraining.pretrain(config, data=data, out=Path(folder) / "run", device="cpu")
    clock._turn()
    outside = {"checkpoint"}
    parts = {part: 1e3 * seconds / steps for part, seconds in clock.seconds.items() if part not in outside}
    whole = sum(parts.values())
    ordered = sorted(parts.items(), key=lambda item: -item[1])
    return {
        "config": config_name,
        "settings": settings,
        "steps": steps,
        "batch": config.training.batch_size,
        "milliseconds_a_step": round(whole, 1),
        "parts": {part: {"ms": round(ms, 1), "share": round(ms / whole, 3)} for part, ms in ordered},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a prepared data set")
    parser.add_argument("--config", default="joint-ucf10-cpu")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--first", type=int, default=4, help="steps before, that are not counted")
    parser.add_argument("--precision", default="bf16")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = profile(
        given.config,
        given.data,
        steps=given.steps,
        first=given.first,
        settings={"training.precision": given.precision},
    )
    for part, values in found["parts"].items():
        print(f"{part:24} {values['ms']:8.1f} ms {100 * values['share']:5.1f} %")
    print(json.dumps(found))
    print(record(f"profile-{given.config}", found))


if __name__ == "__main__":
    main()
