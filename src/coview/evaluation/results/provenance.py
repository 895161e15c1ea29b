"""Where a number comes from: run, checkpoint, data, versions, machine, time. The same for every result file."""

import platform
import time
from datetime import UTC, datetime
from typing import Any

import torch

from coview import __version__
from coview.datasets.prepared import PreparedDataset
from coview.embedding.run import Run
from coview.training.distributed import choose_device


def describe_origin(run: Run, data: PreparedDataset, *, device: str, started: float) -> dict[str, Any]:
    """Return run, checkpoint, data, preset, seed, versions, device, seconds and created_at, as plain values.

    Args:
        run: the run.
        data: the videos.
        device: as the user gave it.
        started: `time.monotonic()` at the start of the work.
    """
    return {
        "run": str(run.path.resolve()),
        "checkpoint": run.describe(),
        "data": {
            "root": str(data.root.resolve()),
            "views": {view: dict(data.view_options[view]) for view in run.views},
            "storage": dict(data.info.get("storage", {})),
        },
        "preset": run.config.preset,
        "seed": run.config.seed,
        "versions": {"coview": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
        "device": str(choose_device(device)),
        "seconds": round(time.monotonic() - started, 2),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
