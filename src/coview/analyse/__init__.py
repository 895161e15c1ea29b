"""Station 11: why that score."""

from coview.analyse.base import Analysis
from coview.analyse.result import AnalysisResult, read_analyses
from coview.analyse.running import analyse_run
from coview.registry import Registry

ANALYSES: Registry[type[Analysis]] = Registry(
    "analysis",
    {
        "class-relations": "coview.analyse.class_relations:ClassRelations",
    },
)

__all__ = ["ANALYSES", "Analysis", "AnalysisResult", "analyse_run", "read_analyses"]
