"""coview: learn from unlabelled video by letting several views of it teach each other.

Load a run, embed a video file, find its neighbours in a folder of videos::

    run = coview.load("demo/run")
    print(coview.search("query.mp4", "my_videos/", run=run, top=5))

A video flows one way, and the folders are its stations: `datasets` (who is in it), `video` (file -> frames), `views`
(frames -> rgb, flow), `clips` (views -> clips), `augment`, `encoders` (clips -> features), `losses` (pure maths),
`methods` (the objective), `training` (the loop), `embed` (run -> vectors), `evaluate` (vectors -> scores), `analyse`
(why that score) and `report` (all of it, read). The command `coview` walks the same road: prepare, pretrain, evaluate,
analyse, embed.

Names are imported when they are first used, so that `import coview` costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from coview.datasets.prepared import PreparedDataset
    from coview.embedding.embeddings import Embeddings
    from coview.embedding.run import Run, load
    from coview.embedding.search import search
    from coview.errors import UserError
    from coview.evaluation.scoring import evaluate_run
    from coview.preparation.prepare import prepare
    from coview.reports.page import write_report
    from coview.training.pretrain import pretrain

__all__ = [
    "Embeddings",
    "PreparedDataset",
    "Run",
    "UserError",
    "evaluate_run",
    "load",
    "prepare",
    "pretrain",
    "search",
    "write_report",
]

_PLACES = {
    "Embeddings": "coview.embedding.embeddings",
    "PreparedDataset": "coview.datasets.prepared",
    "Run": "coview.embedding.run",
    "UserError": "coview.errors",
    "evaluate_run": "coview.evaluation.scoring",
    "load": "coview.embedding.run",
    "prepare": "coview.preparation.prepare",
    "pretrain": "coview.training.pretrain",
    "search": "coview.embedding.search",
    "write_report": "coview.reports.page",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'coview' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
