"""Station 9: the loop, and all that keeps a run from being lost."""

from coview.training.lars import LARS

__all__ = ["LARS"]
