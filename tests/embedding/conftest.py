"""The small run is for every test here."""

from small_run import small_run

__all__ = ["small_run"]
