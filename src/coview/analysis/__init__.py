"""Station 11: why that score."""

from coview.analysis.base import ANALYSES, Analysis
from coview.analysis.result import AnalysisResult, read_analyses
from coview.analysis.running import AnalysisOutcome, analyse, analyse_all, analyse_run

__all__ = [
    "ANALYSES",
    "Analysis",
    "AnalysisResult",
    "AnalysisOutcome",
    "analyse",
    "analyse_all",
    "analyse_run",
    "read_analyses",
]
