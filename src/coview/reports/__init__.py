"""Station 12: all of it, read: one self-contained HTML file."""

from coview.reports.page import write_report

__all__ = ["write_report"]
