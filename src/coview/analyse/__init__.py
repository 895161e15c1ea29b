"""Station 11: why that score."""

from coview.analyse.base import Analysis
from coview.analyse.result import AnalysisResult, read_analyses
from coview.analyse.running import Outcome, analyse_all, analyse_run
from coview.registry import Registry

ANALYSES: Registry[type[Analysis]] = Registry(
    "analysis",
    {
        "class-relations": "coview.analyse.class_relations:ClassRelations",
        "health": "coview.analyse.health:Health",
        "map": "coview.analyse.feature_map:FeatureMap",
        "similarity": "coview.analyse.similarity:Similarity",
        "alignment": "coview.analyse.alignment:ActionAlignment",
        "neighbours": "coview.analyse.neighbours:Neighbours",
        "prototypes": "coview.analyse.prototypes:PrototypeClips",
        "saliency": "coview.analyse.saliency:Saliency",
        "views-gallery": "coview.analyse.views_gallery:ViewsGallery",
        "class-gains": "coview.analyse.class_gains:ClassGains",
        "stages": "coview.analyse.stages:Stages",
    },
)

__all__ = ["ANALYSES", "Analysis", "AnalysisResult", "Outcome", "analyse_all", "analyse_run", "read_analyses"]
