"""coview: learn from unlabelled video by letting several views of it teach each other.

Load a run, embed a video file, find its neighbours in a folder of videos::

    run = coview.load("demo/run")
    print(coview.search("query.mp4", run.embed("my_videos/"), run=run, top=5))

A video flows one way, and the folders are its stations: `datasets` (who is in it), `video` (file -> frames), `views`
(frames -> rgb, flow, ...), `preparation` (that, over a collection), `clips` (views -> clips), `augmentation`,
`encoders` (clips -> features), `losses` (pure maths), `methods` (the objective), `training` (the loop), `embedding`
(run -> vectors), `exports` (run -> a model for other programs), `collection` (vectors -> use: an index to search),
`evaluation` (vectors -> scores), `analysis` (why that score) and `reports` (all of it, read). The command `coview`
walks the same road: prepare, pretrain, evaluate, analyse, embed, index, search.

Names are imported when they are first used, so that `import coview` costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from coview.adaptation.adapting import adapt as adapt
    from coview.analysis.running import analyse as analyse
    from coview.collection.heads import load_head as load_head
    from coview.collection.opening import open_index as open_index
    from coview.config import RunConfig as RunConfig
    from coview.datasets.prepared import PreparedDataset as PreparedDataset
    from coview.embedding.embeddings import Embeddings as Embeddings
    from coview.embedding.run import Run as Run
    from coview.embedding.run import load as load
    from coview.embedding.run import pretrain as pretrain
    from coview.embedding.search import search as search
    from coview.errors import UserError as UserError
    from coview.evaluation.evaluate import evaluate as evaluate
    from coview.evaluation.results.result import Result as Result
    from coview.exports.exporting import export as export
    from coview.preparation.prepare import prepare as prepare
    from coview.preparation.settings import PrepareSettings as PrepareSettings
    from coview.registry import register as register
    from coview.reports.page import write_report as write_report

_PLACES = {
    "Embeddings": "coview.embedding.embeddings",
    "PrepareSettings": "coview.preparation.settings",
    "PreparedDataset": "coview.datasets.prepared",
    "Result": "coview.evaluation.results.result",
    "Run": "coview.embedding.run",
    "RunConfig": "coview.config",
    "UserError": "coview.errors",
    "adapt": "coview.adaptation.adapting",
    "analyse": "coview.analysis.running",
    "evaluate": "coview.evaluation.evaluate",
    "export": "coview.exports.exporting",
    "load": "coview.embedding.run",
    "load_head": "coview.collection.heads",
    "open_index": "coview.collection.opening",
    "prepare": "coview.preparation.prepare",
    "pretrain": "coview.embedding.run",
    "register": "coview.registry",
    "search": "coview.embedding.search",
    "write_report": "coview.reports.page",
}
__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'coview' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__all__", "__doc__", "__file__", "__name__", "__path__", "__version__"]
