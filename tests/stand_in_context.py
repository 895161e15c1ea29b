"""AnalysisContext of given features, without a run on disk."""

from pathlib import Path
from types import SimpleNamespace

from coview.analysis.base import AnalysisContext, FeatureSet


def stand_in(entries, features, **options) -> AnalysisContext:
    """Return context whose run and data set have a name and nothing else.

    Args:
        entries: the videos.
        features: name -> `FeatureSet`, or view name -> (n, D).
    """
    run = SimpleNamespace(path=Path("runs/mine"), name="mine", checkpoint=Path("checkpoints/together-00000009"))
    sets = {n: given if isinstance(given, FeatureSet) else FeatureSet(n, given) for n, given in features.items()}
    return AnalysisContext(run, SimpleNamespace(root=Path("data/some"), name="some"), tuple(entries), sets, **options)
