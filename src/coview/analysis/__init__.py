"""Station 11: why that score."""

from coview.analysis.base import Analysis
from coview.analysis.result import AnalysisResult, read_analyses
from coview.analysis.running import Outcome, analyse, analyse_all, analyse_run
from coview.registry import Registry

ANALYSES: Registry[type[Analysis]] = Registry(
    "analysis",
    {
        "class-relations": "coview.analysis.class_relations:ClassRelations",
        "health": "coview.analysis.health:Health",
        "map": "coview.analysis.feature_map:FeatureMap",
        "similarity": "coview.analysis.similarity:Similarity",
        "alignment": "coview.analysis.alignment:ActionAlignment",
        "neighbours": "coview.analysis.neighbours:Neighbours",
        "prototypes": "coview.analysis.prototypes:PrototypeClips",
        "saliency": "coview.analysis.saliency:Saliency",
        "views-gallery": "coview.analysis.views_gallery:ViewsGallery",
        "class-gains": "coview.analysis.class_gains:ClassGains",
        "stages": "coview.analysis.stages:Stages",
    },
)

__all__ = [
    "ANALYSES",
    "Analysis",
    "AnalysisResult",
    "Outcome",
    "analyse",
    "analyse_all",
    "analyse_run",
    "read_analyses",
]
