"""Where a number comes from: run, checkpoint, data, versions, machine, time. The same for every result file.

Results are shared: run and data are named by their folders' own names, and no path or host stands in them.
"""

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
        "run": run.name,
        "checkpoint": run.describe(),
        "data": {
            "name": data.name,
            "created": str(data.info.get("created", "")),
            "is_of_run": run.learnt_from(data),
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
