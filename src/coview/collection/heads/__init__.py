"""Labels and vectors -> a linear head: classes of windows, with probabilities that mean what they say."""

from coview.collection.heads.head import Head, Validation, load_head

__all__ = ["Head", "Validation", "load_head"]
