"""Station 12: vectors -> use. An index of moments on disk that grows with its videos, and the search in it."""

from coview.collection.hits import IndexHit, IndexHits
from coview.collection.index import Index
from coview.collection.opening import open_index
from coview.collection.store import Store

__all__ = ["Index", "IndexHit", "IndexHits", "Store", "open_index"]
