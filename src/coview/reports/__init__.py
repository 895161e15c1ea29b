"""Station 12: all of it, read: one self-contained HTML file."""

from coview.reports.next_command import next_command
from coview.reports.overview import say_quality
from coview.reports.page import write_report

__all__ = ["next_command", "say_quality", "write_report"]
