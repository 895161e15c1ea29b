"""What people said of videos and moments of an index, and its way in and out of files of other programs."""

from coview.collection.labels.label import NONE, Label
from coview.collection.labels.labels import Labels

__all__ = ["NONE", "Label", "Labels"]
