"""Station 8: the objective. A method owns encoders and heads, names its stages, and turns a batch into a loss."""

from coview.methods.base import Limit, LossOutput, Method, Progress, Stage
from coview.registry import Registry

METHODS: Registry[type[Method]] = Registry(
    "method",
    {
        "cpc": "coview.methods.cpc:CPC",
        "cocon": "coview.methods.cocon:CoCon",
        "vicc": "coview.methods.vicc:ViCC",
        "classify": "coview.methods.classify:Classify",
    },
)

__all__ = ["METHODS", "Limit", "LossOutput", "Method", "Progress", "Stage"]
