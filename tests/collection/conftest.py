"""The small run, its videos and an empty store are for every test here."""

from small_index import small_run, store, videos

__all__ = ["small_run", "store", "videos"]
